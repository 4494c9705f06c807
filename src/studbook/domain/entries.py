"""Entries of the audit log: the bytes of an event, and how they are read back.

An entry is one JSON object in RFC 8785 form with these members, all of them always:

    action, actor, authenticated_by, id, occurred_at, rev, subject, subject_id
    prev       leaf hash of the subject's previous entry (base64), null for its first
    before     the subject's record before, null for its first entry; equal to the previous entry's `after`
    after      the record after
    private    JSON Pointer into the entry → commitment: a personal value stands here as null (see `privacy`)
    detached   JSON Pointer into the entry → {digest, size}: a value too large for an entry stands here as null
    edges      the lineage edges that the event draws: source, target, relation, role
    detail     what only some actions have: what a snapshot covers, what was erased, and why

The bytes are hashed and stored as they are returned (invariant I2), and never exceed 65,535: an entry bundle of tlog-tiles
gives their length in 16 bits.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import JsonObject, canonical_json, read_canonical
from studbook.domain.errors import TooLargeError
from studbook.domain.pointers import pointer, replaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

ENTRY_LIMIT: Final = 65_535
MEMBERS: Final = frozenset(
    {
        "action", "actor", "after", "authenticated_by", "before", "detached", "detail", "edges", "id", "occurred_at", "prev",
        "private", "rev", "subject", "subject_id",
    }
)  # fmt: skip
_EMPTY: Final = b"{}"
# About the length of what stands for a detached value: putting a smaller one outside gains nothing.
_PLACEHOLDER: Final = 128


@dataclass(frozen=True, slots=True)
class DetachedValue:
    """A value too large for its entry: where it belongs, and its canonical JSON."""

    pointer: str
    value: bytes

    def as_json(self) -> JsonObject:
        """What stands for the value in the entry."""
        return {"digest": f"sha256:{hashlib.sha256(self.value).hexdigest()}", "size": len(self.value)}


@dataclass(frozen=True, slots=True)
class Side:
    """A record before or after an event, as its entry shows it.

    `body` is canonical JSON; `private` and `detached` hold JSON Pointers into the record.
    """

    body: bytes
    private: Mapping[str, str] = field(default_factory=dict)
    detached: Mapping[str, JsonObject] = field(default_factory=dict)


NOTHING: Final = Side(b"null")


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event says beside the record: who did what to which subject, when."""

    id: UUID
    action: str
    actor: str
    authenticated_by: str
    occurred_at: str
    subject_id: UUID
    subject: str
    revision: int
    previous: bytes | None
    edges: Sequence[JsonObject] = ()
    detail: JsonObject | None = None


def render_entry(event: Happening, before: Side, after: Side) -> tuple[bytes, list[DetachedValue]]:
    """The bytes of an entry, and the values that had to stay outside.

    Raises TooLargeError when even that leaves more than 65,535 bytes.
    """
    body = _render(event, before, after, canonical_json(list(event.edges)) if event.edges else b"[]", None)
    return (body, []) if len(body) <= ENTRY_LIMIT else _shrink(event, before, after)


def _render(event: Happening, before: Side, after: Side, edges: bytes, edges_outside: JsonObject | None) -> bytes:
    detached = _joined(before.detached, after.detached)
    if edges_outside is not None:
        detached["/edges"] = edges_outside
    private = _joined(before.private, after.private)
    previous = b'"%b"' % base64.b64encode(event.previous) if event.previous is not None else b"null"
    return (
        b'{"action":"%b","actor":%b,"after":%b,"authenticated_by":%b,"before":%b,"detached":%b,"detail":%b,"edges":%b,'
        b'"id":"%b","occurred_at":"%b","prev":%b,"private":%b,"rev":%d,"subject":%b,"subject_id":"%b"}'
    ) % (
        event.action.encode(),
        canonical_json(event.actor),
        after.body,
        canonical_json(event.authenticated_by),
        before.body,
        canonical_json(detached) if detached else _EMPTY,
        canonical_json(event.detail) if event.detail is not None else b"null",
        edges,
        str(event.id).encode(),
        event.occurred_at.encode(),
        previous,
        canonical_json(private) if private else _EMPTY,
        event.revision,
        canonical_json(event.subject),
        str(event.subject_id).encode(),
    )


def _joined(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for values of both records, by its place in the entry."""
    marks = {f"/before{place}": mark for place, mark in before.items()}
    return marks | {f"/after{place}": mark for place, mark in after.items()}


def _shrink(event: Happening, before: Side, after: Side) -> tuple[bytes, list[DetachedValue]]:
    """Put the largest parts outside until the entry is small enough: members of both records, or the edges."""
    whole = {"before": read_canonical(before.body), "after": read_canonical(after.body), "edges": list(event.edges)}
    outside: dict[str, dict[str, JsonObject]] = {"before": dict(before.detached), "after": dict(after.detached)}
    edges_outside = None
    kept: list[DetachedValue] = []
    for place, rendered in _largest_parts(whole):
        value = DetachedValue(place, rendered)
        kept.append(value)
        whole = replaced(whole, [(place, None)])
        if place == "/edges":
            edges_outside = value.as_json()
        else:
            _, side, name = place.split("/", 2)
            outside[side][f"/{name}"] = value.as_json()
        body = _render(
            event,
            Side(canonical_json(whole["before"]), before.private, outside["before"]),
            Side(canonical_json(whole["after"]), after.private, outside["after"]),
            canonical_json(whole["edges"]),
            edges_outside,
        )
        if len(body) <= ENTRY_LIMIT:
            return body, kept
    message = "the record is too large for the audit log even with its largest parts by digest; send less at once"
    raise TooLargeError(message)


def _largest_parts(whole: JsonObject) -> list[tuple[str, bytes]]:
    """The parts that may stand outside with their canonical JSON, largest first."""
    parts = [("/edges", canonical_json(whole["edges"]))]
    for side in ("before", "after"):
        parts += [
            (pointer((side, name)), canonical_json(value)) for name, value in (whole[side] or {}).items() if value is not None
        ]
    return sorted((part for part in parts if len(part[1]) > _PLACEHOLDER), key=lambda part: len(part[1]), reverse=True)


def after_of(entry: JsonObject) -> Side:
    """What the subject's next entry has as `before`: this entry's `after`, with its commitments and digests."""
    return Side(
        canonical_json(entry["after"]),
        _of_side(entry["private"], "/after"),
        _of_side(entry["detached"], "/after"),
    )


def before_of(entry: JsonObject) -> Side:
    """What the entry shows of the record before it; it must equal what the entry before it has as `after`."""
    return Side(
        canonical_json(entry["before"]),
        _of_side(entry["private"], "/before"),
        _of_side(entry["detached"], "/before"),
    )


def _of_side(marks: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {place.removeprefix(prefix): mark for place, mark in marks.items() if place.startswith(prefix + "/")}


def read_entry(body: bytes) -> JsonObject:
    """An entry's bytes as a value.

    Raises ValueError when they are no entry, or not in the one canonical form.
    """
    try:
        entry = read_canonical(body)
    except (ValueError, RecursionError) as error:
        message = "the entry is not JSON"
        raise ValueError(message) from error
    if not isinstance(entry, dict) or entry.keys() != MEMBERS:
        message = "the entry has not the members that every entry has"
        raise ValueError(message)
    if canonical_json(entry) != body:
        message = "the entry is not in canonical form (RFC 8785)"
        raise ValueError(message)
    return entry


def opened(entry: JsonObject, private: Mapping[str, bytes], detached: Mapping[str, bytes]) -> JsonObject:
    """The entry with its detached values and those personal values that are at hand, in their places.

    A personal value that is not at hand (erased, or not disclosed) stays null.
    """
    # Detached parts come first: a personal value may lie within one.
    whole = replaced(entry, ((place, read_canonical(detached[place])) for place in entry["detached"] if place in detached))
    return replaced(whole, ((place, read_canonical(private[place])) for place in entry["private"] if place in private))  # type: ignore[no-any-return]
