"""Checks of what entries say: their form, their columns, each subject's chain, and the values beside the log."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from studbook.domain.canonical import canonical_json, read_canonical
from studbook.domain.entries import after_of, before_of, read_entry
from studbook.domain.events import Action
from studbook.domain.pointers import pointer
from studbook.domain.privacy import commit
from studbook.merkle.hashing import leaf_hash
from studbook.services.audit.fsck.findings import Layer
from studbook.services.audit.snapshots import summarize
from studbook.services.edges import basis_of
from studbook.storage import log, scanning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.entries import Side
    from studbook.services.audit.fsck.findings import LogReport
    from studbook.storage.graph import AnyRow


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a subject: what its next one must follow from, and where its record is told."""

    revision: int
    event_id: UUID
    leaf: str
    # None when the entry was purged.
    after: bytes | None
    kind: str
    name: str
    # The digests of what stands outside the entry: the next entry's `before` inherits them with their values.
    detached: Mapping[str, Any] = field(default_factory=dict)


# Names of source and target, relation, role, basis.
EdgeKey: TypeAlias = tuple[str, str, str, str, str]


@dataclass(slots=True)
class History:
    """What the log says as a whole: the head of each subject, every edge, and what was erased."""

    heads: dict[UUID, Head] = field(default_factory=dict)
    edges: dict[EdgeKey, tuple[UUID, str]] = field(default_factory=dict)
    # Of edges that were withdrawn: the event that drew each and its time, and those of the withdrawal.
    withdrawn: dict[tuple[EdgeKey, UUID], tuple[str, UUID, str]] = field(default_factory=dict)
    erased: set[tuple[str, str]] = field(default_factory=set)
    # Entries without bytes by shard and index, and those of which an entry says that they were purged.
    without_bytes: dict[tuple[int, int], UUID] = field(default_factory=dict)
    purged: list[tuple[int, int, int]] = field(default_factory=list)
    # Values that are missing, to be compared with what was erased once the whole log is read.
    missing: list[tuple[str, str, str]] = field(default_factory=list)


def read_history(connection: Connection, namespace_id: int, report: LogReport, shards: Sequence[tuple[int, int]]) -> History:
    """Read the entries of all shards in their order and check each against the one before it of the same subject."""
    history = History()
    for shard, size in shards:
        for rows in log.iter_entries(connection, namespace_id, shard, 0, size, step=1_000):
            ids = [row.event_id for row in rows]
            events = scanning.find_events(connection, namespace_id, ids)
            private = scanning.find_private_values(connection, namespace_id, ids)
            detached = scanning.find_detached_values(connection, namespace_id, ids)
            for row in rows:
                event = events.get(row.event_id)
                if event is None:
                    continue
                if event.body is None:
                    history.without_bytes[shard, row.entry_index] = event.id
                    _pass_over(history, event, row.leaf_hash)
                    continue
                entry = _read(row.entry_index, event, report)
                if entry is not None:
                    _check_values(report, history, entry, private.get(event.id, {}), detached.get(event.id, {}))
                    _follow(report, history, row.entry_index, entry, event.body)
                    _draw(history, entry, detached.get(event.id, {}))
                    if entry["action"] == Action.LOG_SNAPSHOT:
                        _check_snapshot(connection, namespace_id, report, shard, row.entry_index, entry)
    _check_purged(report, history)
    for event_id, place, subject in history.missing:
        if (event_id, place) in history.erased:
            report.erased += 1
        else:
            report.add(
                Layer.VALUES,
                subject,
                f"the personal value at {place} of event {event_id} is missing, and no entry says it was erased",
            )
    return history


def _read(index: int, event: AnyRow, report: LogReport) -> JsonObject | None:
    """The entry, if it is one and its event's columns say the same."""
    place = f"entry {index}"
    try:
        entry = read_entry(event.body)
        columns = {
            "id": str(event.id),
            "subject_id": str(event.subject_id),
            "rev": event.revision,
            "action": event.action,
            "actor": event.actor,
            "subject": event.subject,
            "occurred_at": event.occurred_at,
        }
        for name, value in columns.items():
            if entry[name] != value:
                report.add(Layer.CHAINS, place, f"its event's column for {name!r} says {str(value)[:80]!r}")
        record = entry["after"]
        if not isinstance(record, dict) or not {"kind", "name", "id"} <= record.keys():
            report.add(Layer.CHAINS, place, "holds no record")
            return None
    except (ValueError, TypeError, AttributeError) as error:
        report.add(Layer.CHAINS, place, f"is not what entries are: {error}")
        return None
    return entry


def _follow(report: LogReport, history: History, index: int, entry: JsonObject, body: bytes) -> None:
    subject_id, place = UUID(entry["subject_id"]), f"entry {index}"
    last = history.heads.get(subject_id)
    expected = last.revision + 1 if last else 1
    if entry["rev"] != expected:
        report.add(
            Layer.CHAINS, place, f"is revision {entry['rev']} of {entry['subject']}, and revision {expected} should follow"
        )
    elif entry["prev"] != (last.leaf if last else None):
        report.add(Layer.CHAINS, place, f"does not follow from the entry before it of {entry['subject']}")
    elif last is not None and last.after is not None and _digest(before_of(entry)) != last.after:
        report.add(Layer.CHAINS, place, f"shows {entry['subject']} before as it was not")
    leaf = base64.b64encode(leaf_hash(body)).decode()
    record = entry["after"]
    after = after_of(entry)
    history.heads[subject_id] = Head(
        entry["rev"], UUID(entry["id"]), leaf, _digest(after), record["kind"], record["name"], after.detached
    )
    if entry["action"] == Action.LOG_PURGED:
        history.purged += [(entry["detail"]["shard"], start, end) for start, end in entry["detail"]["ranges"]]
    # What was lost with a database and not brought back is as gone as what was erased, and is told in the same way.
    if entry["action"] in {Action.PRIVACY_ERASED, Action.LOG_RECOVERED} and "values" in (entry["detail"] or {}):
        history.erased |= {(value["event"], value["pointer"]) for value in entry["detail"]["values"]}


def _draw(history: History, entry: JsonObject, outside: Mapping[str, AnyRow]) -> None:
    """Take the edges of an entry into the history, and those that it withdraws out of what holds now."""
    event_id, occurred_at = UUID(entry["id"]), entry["occurred_at"]
    edges = read_canonical(outside["/edges"].value) if "/edges" in outside else entry["edges"]
    for edge in edges or ():
        history.edges.setdefault(_edge_key(edge), (event_id, occurred_at))
    if entry["action"] == Action.LINEAGE_WITHDRAWN:
        for edge in entry["detail"]["edges"]:
            key = _edge_key(edge)
            if (drawn := history.edges.pop(key, None)) is not None:
                history.withdrawn[key, drawn[0]] = (drawn[1], event_id, occurred_at)


def _edge_key(edge: JsonObject) -> EdgeKey:
    return edge["source"], edge["target"], edge["relation"], edge["role"] or "", basis_of(edge)


def _pass_over(history: History, event: AnyRow, leaf: bytes) -> None:
    """Take a purged entry's place in its subject's chain from what is left of it: its columns and its hash."""
    kind = history.heads[event.subject_id].kind if event.subject_id in history.heads else ""
    text = base64.b64encode(leaf).decode()
    history.heads[event.subject_id] = Head(event.revision, event.id, text, None, kind, event.subject)


def _check_purged(report: LogReport, history: History) -> None:
    """Bytes may be gone only where an entry says so."""
    told = [(shard, range(start, end)) for shard, start, end in history.purged]
    for (shard, index), event_id in history.without_bytes.items():
        if not any(shard == of and index in indexes for of, indexes in told):
            report.add(
                Layer.STRUCTURE,
                f"entry {index} of shard {shard}",
                f"the bytes of event {event_id} are gone, and no entry says so",
            )


def _check_snapshot(
    connection: Connection, namespace_id: int, report: LogReport, shard: int, index: int, entry: JsonObject
) -> None:
    detail = entry["detail"]
    if detail["upto"] > index or summarize(connection, namespace_id, shard, detail["upto"]) != detail:
        report.add(Layer.CHAINS, f"entry {index}", "is a snapshot of another state than the entries before it give")


def _digest(side: Side) -> bytes:
    """By what two sides are compared: member by member, since one may stand outside here and inside there."""
    record = read_canonical(side.body) or {}
    members = {
        name: side.detached.get(pointer((name,)), {}).get("digest")
        or f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"
        for name, value in record.items()
    }
    return hashlib.sha256(canonical_json([members, dict(side.private)])).digest()


def _check_values(
    report: LogReport, history: History, entry: JsonObject, private: Mapping[str, AnyRow], detached: Mapping[str, AnyRow]
) -> None:
    subject = entry["subject"]
    last = history.heads.get(UUID(entry["subject_id"]))
    inherited = {f"/before{place}": mark for place, mark in last.detached.items()} if last else {}
    for place, mark in entry["detached"].items():
        row = detached.get(place)
        if row is None and inherited.get(place) == mark:
            continue
        if row is None:
            report.add(Layer.VALUES, subject, f"the value at {place} of event {entry['id']} is missing")
        elif f"sha256:{hashlib.sha256(row.value).hexdigest()}" != mark["digest"]:
            report.add(Layer.VALUES, subject, f"the value at {place} of event {entry['id']} has another digest")
    for place, commitment in entry["private"].items():
        # What stands before is the value that the entry before holds.
        if not place.startswith("/after/"):
            continue
        row = private.get(place)
        if row is None:
            history.missing.append((entry["id"], place, subject))
        elif commit(row.salt, row.value) != commitment:
            report.add(
                Layer.VALUES, subject, f"the personal value at {place} of event {entry['id']} does not open its commitment"
            )
    for place in private.keys() - entry["private"].keys() | detached.keys() - entry["detached"].keys():
        report.add(Layer.VALUES, subject, f"there is a value at {place} of event {entry['id']} that the entry does not name")
