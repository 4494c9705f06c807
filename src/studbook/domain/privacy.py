"""Personal values in the log: each stands there as a salted commitment, and its value in a table that can be erased.

A commitment is `SHA-256("studbook/commitment/v1" 0x00 salt JCS(value))` with a fresh 256-bit salt, in unpadded base64url.
With salt and value it can be opened; without them it says nothing. The encoding follows the idea of SD-JWT's salted
disclosures (RFC 9901). Which places of a record are personal is fixed for owners and the titles of tokens; whoever writes a
record names further ones in its `personal` field, as JSON Pointers (RFC 6901).
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.names import Kind
from studbook.domain.pointers import find_at, pointer, replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SALT_BYTES: Final = 32
_DOMAIN: Final = b"studbook/commitment/v1\x00"
# What a writer may mark as personal: nothing that identifies a record or that a column is searched by.
MARKABLE: Final = {
    Kind.MODEL: ("description",),
    Kind.MODEL_VERSION: ("description", "attributes"),
    Kind.DATASET_VERSION: ("description", "profile", "schema"),
    Kind.RUN: ("environment", "error"),
}


@dataclass(frozen=True, slots=True)
class PrivateValue:
    """A personal value beside the log: where it belongs, the salt, and the canonical JSON of the value."""

    pointer: str
    salt: bytes
    value: bytes

    @property
    def commitment(self) -> str:
        """What stands for the value in the log."""
        return commit(self.salt, self.value)


def commit(salt: bytes, value: bytes) -> str:
    """The commitment to a value's canonical bytes."""
    digest = hashlib.sha256(_DOMAIN + salt + value).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def new_salt() -> bytes:
    """A salt that nobody can guess."""
    return os.urandom(SALT_BYTES)


def personal_pointers(record: JsonObject) -> Iterator[str]:
    """The places of a record whose values are personal and present."""
    kind = record["kind"]
    if kind == Kind.MODEL:
        for position, owner in enumerate(record["owners"]):
            for field in ("name", "email"):
                if owner[field] is not None:
                    yield pointer(("owners", position, field))
    elif kind == Kind.TOKEN:
        if record["title"] is not None:
            yield "/title"
        if (record.get("person") or {}).get("printed_name") is not None:
            yield "/person/printed_name"
    for marked in record.get("personal") or ():
        if find_at(record, marked) is not None:
            yield marked


def seal(record: JsonObject, rendered: bytes) -> tuple[bytes, list[PrivateValue]]:
    """The canonical bytes of a record's public form (null where a value is personal), and the personal values.

    `rendered` are the record's own canonical bytes, which are its public form when nothing in it is personal.
    """
    hidden = [
        PrivateValue(place, new_salt(), canonical_json(find_at(record, place)))
        for place in dict.fromkeys(personal_pointers(record))
    ]
    return canonical_json(blanked(record, (value.pointer for value in hidden))) if hidden else rendered, hidden


def blanked(record: Any, places: Iterable[str]) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a record with null at these places."""
    return replaced(record, ((place, None) for place in places))


def find_marking_fault(kind: Kind, place: str) -> str | None:
    """Why a place cannot be marked as personal, or None when it can."""
    roots = MARKABLE[kind]
    if not any(place == f"/{root}" or place.startswith(f"/{root}/") for root in roots):
        allowed = ", ".join(f"/{root}" for root in roots)
        noun = kind.value.replace("_", " ")
        return f"{place[:80]!r} cannot be marked as personal; of a {noun} these can, and what is in them: {allowed}"
    return None
