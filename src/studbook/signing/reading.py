"""JSON and base64 from a stranger: read within bounds, or refused in a sentence."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final, NoReturn, TypeVar

from studbook.signing.errors import SigningError

# Bytes. 100,000 files with names of usual length take about a quarter of it.
SIZE_LIMIT: Final = 64 << 20

ValueT = TypeVar("ValueT")


def read_json(text: bytes, what: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text in UTF-8; a key that stands twice is refused, because two readers would read two things.

    Raises SigningError.
    """
    if len(text) > SIZE_LIMIT:
        message = f"{what} has more than {SIZE_LIMIT:,} bytes"
        raise SigningError(message)
    try:
        return json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        message = f"{what} is no JSON that can be read: {str(error)[:120]}"
        raise SigningError(message) from None


def member(value: Any, name: str, kind: type[ValueT], what: str) -> ValueT:  # noqa: ANN401 - any JSON value
    """A member of an object, of the given type. Raises SigningError."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        nouns = {str: "text", list: "list", dict: "object", bool: "boolean"}
        message = f"{what} has no {name!r} that is a JSON {nouns.get(kind, kind.__name__)}"
        raise SigningError(message)
    return found


def read_base64(text: str, what: str) -> bytes:
    """The bytes of a text in base64 (RFC 4648, section 4). Raises SigningError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message = f"{what} is not base64"
        raise SigningError(message) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a key stands twice in an object"
        raise ValueError(message)
    return found


def _refuse(text: str) -> NoReturn:
    message = f"{text} is no JSON number"
    raise ValueError(message)
