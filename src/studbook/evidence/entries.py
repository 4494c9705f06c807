"""Entries of a bundle, read with every member's type checked: what stands in a log is no reason to trust its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.domain.entries import MEMBERS
from studbook.domain.pointers import find_at
from studbook.evidence.shapes import as_count, as_digest, as_list, as_object, as_text, as_uuid, decode_base64url, read_json
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE, leaf_hash
from studbook.merkle.notes import decode_base64

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject

_SIDES: Final = ("/before/", "/after/")
_EDGES: Final = "/edges"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log: its index, leaf hash (32 bytes) and members; `previous` is the leaf hash that it names."""

    index: int
    leaf: bytes
    body: JsonObject
    previous: bytes | None

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.body["id"]  # type: ignore[no-any-return]

    @property
    def subject_id(self) -> str:
        """The id of the record that changed."""
        return self.body["subject_id"]  # type: ignore[no-any-return]

    @property
    def revision(self) -> int:
        """The revision that the record has since."""
        return self.body["rev"]  # type: ignore[no-any-return]


def read_entry(index: int, data: bytes) -> Entry:
    """The entry of these bytes.

    Raises VerificationError.
    """
    what = f"entry {index}"
    body = as_object(read_json(data, what), what, MEMBERS)
    for name in ("action", "actor", "authenticated_by", "occurred_at", "subject"):
        as_text(body[name], f"{name!r} of {what}")
    for name in ("id", "subject_id"):
        as_uuid(body[name], f"{name!r} of {what}")
    previous = None if body["prev"] is None else decode_base64(as_text(body["prev"], f"'prev' of {what}"), f"'prev' of {what}")
    if previous is not None and len(previous) != HASH_SIZE:
        raise VerificationError(f"'prev' of {what} has not {HASH_SIZE} bytes")
    record = as_object(body["after"], f"'after' of {what}")
    for name, member in (("id", "subject_id"), ("name", "subject")):
        if record.get(name) != body[member]:
            raise VerificationError(f"{what} holds another record than that of its {member!r}")
    if body["detail"] is not None:
        as_object(body["detail"], f"'detail' of {what}")
    is_first = as_count(body["rev"], f"'rev' of {what}") == 1
    if body["rev"] == 0 or (previous is None) != is_first or (body["before"] is None) != is_first:
        raise VerificationError(f"{what} does not fit its revision: the first one alone has neither 'prev' nor 'before'")
    if not is_first:
        as_object(body["before"], f"'before' of {what}")
    _check_marks(body, what)
    return Entry(index, leaf_hash(data), body, previous)


def _check_marks(body: JsonObject, what: str) -> None:
    """What stands for personal values and for those outside: each at a place of a record that the entry leaves null."""
    for place, commitment in as_object(body["private"], f"'private' of {what}").items():
        if len(decode_base64url(commitment, f"a commitment of {what}")) != HASH_SIZE:
            raise VerificationError(f"a commitment of {what} has not {HASH_SIZE} bytes")
        _check_place(body, place, what)
    detached = as_object(body["detached"], f"'detached' of {what}")
    for place, given in detached.items():
        mark = as_object(given, f"the mark of a detached value of {what}", ("digest", "size"))
        as_digest(mark["digest"], f"the digest of a detached value of {what}")
        as_count(mark["size"], f"the size of a detached value of {what}")
        if place != _EDGES:
            _check_place(body, place, what)
    if _EDGES not in detached:
        as_list(body["edges"], f"'edges' of {what}")
    elif body["edges"] is not None:
        raise VerificationError(f"{what} shows a value at {_EDGES} that it says stands outside")


def _check_place(body: JsonObject, place: str, what: str) -> None:
    try:
        shown = find_at(body, place)
    except ValueError:
        # An index of thousands of digits, or of digits that are none.
        raise VerificationError(f"{what} names a place that no record has") from None
    if not place.startswith(_SIDES):
        raise VerificationError(f"{what} names a place outside its records: {place[:80]!r}")
    if shown is not None:
        raise VerificationError(f"{what} shows a value at {place[:80]!r} where it says that none is shown")
