"""Values beside the log: personal ones open their commitments, those outside an entry have the digest that it names."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from studbook.domain.privacy import SALT_BYTES, commit
from studbook.evidence.shapes import as_list, as_object, as_text, as_uuid
from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from studbook.evidence.entries import Entry
    from studbook.evidence.format import Bundle

ERASED_ACTION: Final = "privacy.erased"
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Values:
    """What of the values beside the entries is at hand, by event and JSON Pointer into its entry."""

    personal: Mapping[Place, bytes]
    outside: Mapping[Place, bytes]
    # Personal values that are not at hand: an entry of the bundle says that they were erased, or they are held back.
    erased: tuple[Place, ...]
    withheld: tuple[Place, ...]
    outside_by_digest: Mapping[str, bytes] = field(default_factory=dict)


def check_values(bundle: Bundle, entries: Mapping[str, Entry]) -> Values:
    """Check every disclosed value against the entries, which are given by event id.

    Raises VerificationError.
    """
    personal: dict[Place, bytes] = {}
    for value in bundle.personal:
        commitment = _mark_of(entries, value.event, value.pointer, "private", "a personal value")
        if len(value.salt) != SALT_BYTES:
            raise VerificationError(f"the salt of a personal value has not {SALT_BYTES} bytes")
        if not hmac.compare_digest(commit(value.salt, value.value), str(commitment)):
            raise VerificationError(
                f"the personal value at {value.pointer} of entry {entries[value.event].index} is not the one committed to"
            )
        _add(personal, value.event, value.pointer, value.value)
    outside: dict[Place, bytes] = {}
    for large in bundle.outside:
        mark = as_object(_mark_of(entries, large.event, large.pointer, "detached", "a detached value"), "a mark")
        digest = f"sha256:{hashlib.sha256(large.value).hexdigest()}"
        if mark["digest"] != digest or mark["size"] != len(large.value):
            raise VerificationError(
                f"the detached value at {large.pointer} of entry {entries[large.event].index} has another digest than it says"
            )
        _add(outside, large.event, large.pointer, large.value)
    committed = [
        (entry.id, place) for entry in entries.values() for place in entry.body["private"] if place.startswith("/after/")
    ]
    missing = [place for place in committed if place not in personal]
    erased = _list_erased(entries.values())
    return Values(
        personal,
        outside,
        tuple(place for place in missing if place in erased),
        tuple(place for place in missing if place not in erased),
        {f"sha256:{hashlib.sha256(value).hexdigest()}": value for value in outside.values()},
    )


def _mark_of(entries: Mapping[str, Entry], event: str, place: str, member: str, what: str) -> object:
    entry = entries.get(event)
    if entry is None:
        raise VerificationError(f"{what} is disclosed of the event {event}, which is not in the bundle")
    if place not in entry.body[member]:
        raise VerificationError(f"{what} is disclosed at {place[:80]!r} of entry {entry.index}, which has none there")
    return entry.body[member][place]


def _add(known: dict[Place, bytes], event: str, place: str, value: bytes) -> None:
    if (event, place) in known:
        raise VerificationError(f"the value at {place[:80]!r} of event {event} is disclosed twice")
    known[event, place] = value


def _list_erased(entries: Iterable[Entry]) -> set[Place]:
    erased = set()
    for entry in entries:
        if entry.body["action"] != ERASED_ACTION:
            continue
        what = f"the list of what entry {entry.index} says was erased"
        detail = as_object(entry.body["detail"], f"the detail of entry {entry.index}")
        for item in as_list(detail.get("values"), what):
            value = as_object(item, what)
            erased.add((as_uuid(value.get("event"), what), as_text(value.get("pointer"), what)))
    return erased
