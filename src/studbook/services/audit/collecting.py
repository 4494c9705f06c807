"""Collects the evidence for a record: the entries of its history, their proofs under one checkpoint, and what completes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.domain.entries import read_entry
from studbook.domain.errors import NotFoundError, PendingError
from studbook.domain.names import Kind
from studbook.evidence.format import OutsideValue, PersonalValue, Subject, make_earlier, write_bundle
from studbook.evidence.snapshots import Snapshot
from studbook.merkle.receipt import Receipt
from studbook.merkle.tiles import consistency_proof, inclusion_proofs
from studbook.services.audit.serving import get_checkpoint
from studbook.services.audit.snapshots import iter_leaves, prove_leaves
from studbook.services.audit.tiles import StoredTiles
from studbook.services.history import find_subject, get_subject
from studbook.storage import history, log, scanning
from studbook.storage.history import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.evidence.format import Earlier
    from studbook.storage.graph import AnyRow

# The history of one record; a longer one is no file to be looked at.
_EVENTS_LIMIT = 20_000


def collect(
    connection: Connection,
    namespace_id: int,
    namespace: str,
    reference: str,
    policy: bytes,
    *,
    since: int | None,
    disclose: bool,
) -> bytes:
    """The evidence bundle of a record under the newest checkpoint of the shard that has its last event.

    Of a model version, the histories of its model and run are in it, too, as far as that shard has them.
    `since` is the size of an earlier checkpoint, to which consistency is proved; with `disclose` personal values that still
    are there are opened.

    Raises NotFoundError for an unknown record or checkpoint, PendingError while no checkpoint covers the record.
    """
    histories = [
        list(_list_events(connection, namespace_id, subject)) for subject in _related(connection, namespace_id, reference)
    ]
    # A record that did not change since a shard was frozen is told by that shard, under its last checkpoint.
    shard = histories[0][-1].shard if histories[0] else 0
    newest = log.find_checkpoint(connection, namespace_id, shard)
    covered = newest.size if newest is not None else 0
    rows = [[row for row in events if row.shard == shard and row.entry_index < covered] for events in histories]
    if newest is None or not rows[0]:
        message = "no signed checkpoint covers this record yet; ask again in a moment"
        raise PendingError(message)
    rows = [events for events in rows if events]
    subjects = [Subject(str(events[-1].subject_id), events[-1].subject) for events in rows]
    events = [row for group in rows for row in group]
    snapshot = _find_snapshot(connection, namespace_id, shard, newest.size, [group[0].subject_id for group in rows])
    if snapshot is not None:
        events.append(snapshot[0])
    indexes = [row.entry_index for row in events if row.body is not None]
    tiles = StoredTiles(connection, namespace_id, shard)
    personal, outside = _values(connection, namespace_id, events, disclose=disclose)
    return write_bundle(
        namespace=namespace,
        subjects=subjects,
        checkpoint=newest.note,
        policy=policy,
        entries={row.entry_index: row.body for row in events if row.body is not None},
        proofs={
            index: Receipt(index, tuple(path), newest.note).encode()
            for index, path in zip(indexes, inclusion_proofs(indexes, newest.size, tiles), strict=True)
        },
        personal=personal,
        outside=outside,
        snapshot=snapshot[1] if snapshot else None,
        earlier=_earlier(connection, namespace_id, shard, newest, since, tiles) if since is not None else None,
    )


def _related(connection: Connection, namespace_id: int, reference: str) -> list[UUID]:
    """The record, and for a model version its model (aliases, owners) and its run."""
    subject_id = get_subject(connection, namespace_id, reference)
    head = history.find_head(connection, namespace_id, subject_id)
    if head is None or head.body is None:
        raise NotFoundError(f"the log has no event of {reference[:120]!r}")
    record = read_entry(head.body)["after"]
    related: list[UUID | None] = [subject_id]
    if record["kind"] == Kind.MODEL_VERSION:
        related.append(find_subject(connection, namespace_id, record["name"].rpartition("/versions/")[0]))
        if record["run"]:
            related.append(find_subject(connection, namespace_id, record["run"]["id"]))
    return [found for found in related if found is not None]


def _list_events(connection: Connection, namespace_id: int, subject_id: UUID) -> Iterator[AnyRow]:
    """A subject's events, oldest first."""
    rows = history.list_events(connection, namespace_id, Selection(subject_id=subject_id), _EVENTS_LIMIT)
    yield from reversed([row for row in rows if row.shard is not None])


def _find_snapshot(
    connection: Connection, namespace_id: int, shard: int, size: int, subjects: Sequence[UUID]
) -> tuple[AnyRow, Snapshot] | None:
    """The newest snapshot that the checkpoint covers, and where it has the subjects."""
    for row in history.list_events(connection, namespace_id, Selection(action="log.snapshot"), 10):
        if row.shard == shard and row.entry_index < size and row.body is not None:
            leaves = iter_leaves(connection, namespace_id, shard, read_entry(row.body)["detail"]["upto"])
            proved, count = prove_leaves(leaves, subjects)
            return row, Snapshot.from_json({"entry": row.entry_index, "leaves": proved, "size": count})
    return None


def _values(
    connection: Connection, namespace_id: int, events: Sequence[AnyRow], *, disclose: bool
) -> tuple[list[PersonalValue], list[OutsideValue]]:
    ids = [row.id for row in events]
    detached = scanning.find_detached_values(connection, namespace_id, ids)
    outside = [
        OutsideValue(str(event), place, row.value) for event, rows in detached.items() for place, row in sorted(rows.items())
    ]
    if not disclose:
        return [], outside
    private = scanning.find_private_values(connection, namespace_id, ids)
    personal = [
        PersonalValue(str(event), place, row.salt, row.value)
        for event, rows in private.items()
        for place, row in sorted(rows.items())
    ]
    return personal, outside


def _earlier(connection: Connection, namespace_id: int, shard: int, newest: AnyRow, since: int, tiles: StoredTiles) -> Earlier:
    earlier = get_checkpoint(connection, namespace_id, shard, since)
    return make_earlier(earlier, consistency_proof(since, newest.size, tiles), newest.note)
