"""What a request carries; apart from the connection, so that documents can be written without importing httpx."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request, and what they are."""

    content: bytes
    media_type: str = "application/json"

    @classmethod
    def of(cls, value: object) -> Body:
        """A JSON body. A NaN goes out as it is, so that the registry can say where it stands.

        Raises TypeError for a value that has no place in JSON.
        """
        return cls(encode(value))


def encode(value: object) -> bytes:
    """The value as JSON in UTF-8, on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
