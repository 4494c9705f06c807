"""The audit log's rows: what waits, the tree, its entries and tiles, and signed checkpoints.

A log is one namespace's; its newest shard is open. An index counts entries of a shard from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.storage.dialects import BigInteger, Bytes, Integer, Text, fetch_plain
from studbook.storage.reading import columns
from studbook.storage.tables import (
    events,
    log_checkpoints,
    log_entries,
    log_keys,
    log_tiles,
    log_trees,
    logs,
    namespaces,
    outbox,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.graph import AnyRow


@dataclass(frozen=True, slots=True)
class Tree:
    """A shard's tree: the number of its entries, its root hash, the roots of its perfect subtrees."""

    shard: int
    size: int
    root: bytes
    subtrees: bytes


@dataclass(frozen=True, slots=True)
class State:
    """A shard as a publisher finds it: its name, tree and active keys, and its last checkpoint with its size, if there is one."""

    origin: str
    vkeys: list[str]
    tree: Tree
    checkpoint_size: int | None
    checkpoint: bytes | None


_NAMESPACE: Final[sa.BindParameter[int]] = sa.bindparam("namespace")
_SHARD: Final[sa.BindParameter[int]] = sa.bindparam("shard")
# Built once: composing a statement takes longer than running it.
_TREE: Final = (
    sa.select(log_trees.c.shard, log_trees.c.size, log_trees.c.root, log_trees.c.subtrees)
    .where(log_trees.c.namespace_id == _NAMESPACE)
    .order_by(log_trees.c.shard.desc())
    .limit(1)
)
_TREE_LOCKED: Final = _TREE.with_for_update()
_FIRST: Final = (
    sa.select(outbox.c.event_id)
    .where(outbox.c.namespace_id == _NAMESPACE)
    .order_by(outbox.c.event_id)
    .limit(sa.bindparam("most"))
)
_TAKEN: Final = (
    outbox.delete().where(outbox.c.namespace_id == _NAMESPACE, outbox.c.event_id.in_(_FIRST)).returning(outbox.c.event_id)
)
_ENTRY_BODIES: Final = (
    sa.select(events.c.id, events.c.body)
    .where(events.c.namespace_id == _NAMESPACE, events.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(events.c.id)
)
_GROWN: Final = (
    log_trees.update()
    .where(log_trees.c.namespace_id == sa.bindparam("namespace_of"), log_trees.c.shard == sa.bindparam("shard_of"))
    .values(size=sa.bindparam("new_size"), root=sa.bindparam("new_root"), subtrees=sa.bindparam("new_subtrees"))
)
_OF_SHARD: Final = sa.and_(log_entries.c.namespace_id == _NAMESPACE, log_entries.c.shard == _SHARD)
_LEAF_HASHES: Final = (
    sa.select(log_entries.c.leaf_hash)
    .where(_OF_SHARD, log_entries.c.entry_index >= sa.bindparam("start"), log_entries.c.entry_index < sa.bindparam("end"))
    .order_by(log_entries.c.entry_index)
)
_ENTRIES: Final = (
    sa.select(
        log_entries.c.entry_index, log_entries.c.event_id, log_entries.c.leaf_hash, events.c.body, events.c.id.label("known")
    )
    .select_from(
        log_entries.outerjoin(
            events, sa.and_(events.c.namespace_id == log_entries.c.namespace_id, events.c.id == log_entries.c.event_id)
        )
    )
    .where(_OF_SHARD, log_entries.c.entry_index >= sa.bindparam("start"), log_entries.c.entry_index < sa.bindparam("end"))
    .order_by(log_entries.c.entry_index)
)
# As lean as can be: a check reads every entry there is.
_BODIES: Final = (
    sa.select(log_entries.c.entry_index, log_entries.c.leaf_hash, events.c.body)
    .select_from(
        log_entries.outerjoin(
            events, sa.and_(events.c.namespace_id == log_entries.c.namespace_id, events.c.id == log_entries.c.event_id)
        )
    )
    .where(_OF_SHARD, log_entries.c.entry_index >= sa.bindparam("start"), log_entries.c.entry_index < sa.bindparam("end"))
    .order_by(log_entries.c.entry_index)
)
_TILES: Final = sa.and_(
    log_tiles.c.namespace_id == _NAMESPACE, log_tiles.c.shard == _SHARD, log_tiles.c.level == sa.bindparam("level")
)
_TILE_HASHES: Final = sa.select(log_tiles.c.hashes).where(_TILES, log_tiles.c.number == sa.bindparam("number"))
_TILE_ROOTS: Final = (
    sa.select(log_tiles.c.root)
    .where(_TILES, log_tiles.c.number >= sa.bindparam("start"), log_tiles.c.number < sa.bindparam("end"))
    .order_by(log_tiles.c.number)
)
_PLACES: Final = sa.select(log_entries.c.event_id, log_entries.c.shard, log_entries.c.entry_index).where(
    log_entries.c.namespace_id == _NAMESPACE, log_entries.c.event_id.in_(sa.bindparam("ids", expanding=True))
)
_CHECKPOINT: Final = (
    sa.select(log_checkpoints.c.size, log_checkpoints.c.note, log_checkpoints.c.created_at)
    .where(
        log_checkpoints.c.namespace_id == _NAMESPACE,
        log_checkpoints.c.shard == _SHARD,
        log_checkpoints.c.size <= sa.bindparam("most"),
    )
    .order_by(log_checkpoints.c.size.desc())
    .limit(1)
)
_TREES_OF_LOGS: Final = log_trees.join(
    logs, sa.and_(logs.c.namespace_id == log_trees.c.namespace_id, logs.c.shard == log_trees.c.shard)
)
_KEYS: Final = (
    columns(log_keys, log_keys.c.vkey, log_keys.c.status)
    .where(log_keys.c.namespace_id == _NAMESPACE, log_keys.c.shard == _SHARD)
    .order_by(log_keys.c.created_at, log_keys.c.id)
)
_KEYS_OF_STATUS: Final = _KEYS.where(log_keys.c.status == sa.bindparam("status"))
_OF_SIZE: Final = sa.bindparam("of_size", type_=BigInteger)
_STORED: Final = log_checkpoints.insert().from_select(
    ["namespace_id", "shard", "size", "note", "created_at"],
    sa.select(
        sa.cast(_NAMESPACE, Integer),
        sa.cast(_SHARD, Integer),
        sa.cast(_OF_SIZE, BigInteger),
        sa.cast(sa.bindparam("the_note", type_=Bytes), Bytes),
        sa.cast(sa.bindparam("now", type_=Text), Text),
    ).where(
        ~sa.exists().where(
            log_checkpoints.c.namespace_id == _NAMESPACE, log_checkpoints.c.shard == _SHARD, log_checkpoints.c.size == _OF_SIZE
        )
    ),
)
_LAST_SIZE: Final = (
    sa.select(sa.func.max(log_checkpoints.c.size))
    .where(log_checkpoints.c.namespace_id == log_trees.c.namespace_id, log_checkpoints.c.shard == log_trees.c.shard)
    .correlate(log_trees)
    .scalar_subquery()
)
_ACTIVE_KEYS: Final = (
    sa.select(sa.func.aggregate_strings(log_keys.c.vkey, "\n"))
    .where(
        log_keys.c.namespace_id == log_trees.c.namespace_id,
        log_keys.c.shard == log_trees.c.shard,
        log_keys.c.status == "active",
    )
    .correlate(log_trees)
    .scalar_subquery()
)
_STATES: Final = (
    sa.select(
        log_trees.c.shard,
        log_trees.c.size,
        log_trees.c.root,
        log_trees.c.subtrees,
        logs.c.origin,
        _ACTIVE_KEYS.label("vkeys"),
        log_checkpoints.c.size.label("checkpoint_size"),
        log_checkpoints.c.note,
    )
    .select_from(
        _TREES_OF_LOGS.outerjoin(
            log_checkpoints,
            sa.and_(
                log_checkpoints.c.namespace_id == log_trees.c.namespace_id,
                log_checkpoints.c.shard == log_trees.c.shard,
                log_checkpoints.c.size == _LAST_SIZE,
            ),
        )
    )
    .where(log_trees.c.namespace_id == _NAMESPACE)
)
_STATE: Final = _STATES.where(log_trees.c.shard == _SHARD)
_NEWEST_STATE: Final = _STATES.order_by(log_trees.c.shard.desc()).limit(1)
_ANY_SIZE: Final = 2**63 - 1


def find_log(connection: Connection, namespace_id: int, shard: int | None = None, *, lock: bool = False) -> AnyRow | None:
    """A shard of a namespace's log, by default the newest; with its shard, origin and status."""
    statement = columns(logs, logs.c.shard, logs.c.origin, logs.c.status).where(logs.c.namespace_id == namespace_id)
    statement = statement.where(logs.c.shard == shard) if shard is not None else statement.order_by(logs.c.shard.desc()).limit(1)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def list_logs(connection: Connection, namespace_id: int | None = None) -> Sequence[AnyRow]:
    """Every shard of every log (or of one namespace's) with its namespace, oldest first."""
    statement = (
        sa.select(
            logs.c.namespace_id,
            namespaces.c.name.label("namespace"),
            logs.c.id,
            logs.c.shard,
            logs.c.origin,
            logs.c.status,
            logs.c.record,
            log_trees.c.size,
            log_trees.c.root,
        )
        .select_from(
            logs.join(namespaces, namespaces.c.id == logs.c.namespace_id).join(
                log_trees, sa.and_(log_trees.c.namespace_id == logs.c.namespace_id, log_trees.c.shard == logs.c.shard)
            )
        )
        .order_by(logs.c.namespace_id, logs.c.shard)
    )
    if namespace_id is not None:
        statement = statement.where(logs.c.namespace_id == namespace_id)
    return connection.execute(statement).all()


def list_keys(connection: Connection, namespace_id: int, shard: int, status: str | None = None) -> Sequence[AnyRow]:
    """The keys of a shard, oldest first."""
    parameters = {"namespace": namespace_id, "shard": shard, "status": status}
    return connection.execute(_KEYS if status is None else _KEYS_OF_STATUS, parameters).all()


def get_tree(connection: Connection, namespace_id: int, *, lock: bool = False) -> Tree:
    """The tree of the newest shard; locked, nobody else can make it grow."""
    row = connection.execute(_TREE_LOCKED if lock else _TREE, {"namespace": namespace_id}).one()
    return Tree(*row)


def find_tree(connection: Connection, namespace_id: int, shard: int) -> Tree | None:
    """The tree of one shard."""
    statement = sa.select(log_trees.c.shard, log_trees.c.size, log_trees.c.root, log_trees.c.subtrees).where(
        log_trees.c.namespace_id == namespace_id, log_trees.c.shard == shard
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Tree(*row)


def get_state(connection: Connection, namespace_id: int, shard: int | None = None) -> State:
    """A shard of a log, by default the newest, in one statement."""
    parameters = {"namespace": namespace_id, "shard": shard}
    row = connection.execute(_STATE if shard is not None else _NEWEST_STATE, parameters).one()
    tree = Tree(row.shard, row.size, row.root, row.subtrees)
    return State(row.origin, sorted((row.vkeys or "").split()), tree, row.checkpoint_size, row.note)


def list_waiting_namespaces(connection: Connection) -> list[int]:
    """The namespaces in whose outbox something waits."""
    return list(connection.execute(sa.select(outbox.c.namespace_id).distinct()).scalars())


def list_unsigned_shards(connection: Connection, namespace_id: int, newest: int) -> list[int]:
    """The frozen shards of a log whose last state has no checkpoint yet; one that was lost never gets another."""
    signed = sa.exists().where(
        log_checkpoints.c.namespace_id == log_trees.c.namespace_id,
        log_checkpoints.c.shard == log_trees.c.shard,
        log_checkpoints.c.size == log_trees.c.size,
    )
    statement = (
        sa.select(log_trees.c.shard)
        .select_from(_TREES_OF_LOGS)
        .where(log_trees.c.namespace_id == namespace_id, log_trees.c.shard < newest, logs.c.status == "frozen", ~signed)
    )
    return list(connection.execute(statement.order_by(log_trees.c.shard)).scalars())


def list_unpublished(connection: Connection) -> list[int]:
    """The namespaces that have a tree which is larger than its last checkpoint."""
    last = (
        sa.select(sa.func.max(log_checkpoints.c.size))
        .where(log_checkpoints.c.namespace_id == log_trees.c.namespace_id, log_checkpoints.c.shard == log_trees.c.shard)
        .scalar_subquery()
    )
    grown = sa.and_(log_trees.c.size > sa.func.coalesce(last, 0), logs.c.status != "lost")
    statement = sa.select(log_trees.c.namespace_id).select_from(_TREES_OF_LOGS).where(grown).distinct()
    return list(connection.execute(statement).scalars())


def take_waiting(connection: Connection, namespace_id: int, most: int) -> Sequence[tuple[UUID, bytes]]:
    """Take up to `most` events out of the outbox: their ids and entries, in the order of the ids.

    By row, never by watermark: what commits late is found late. A subject's events have rising ids.
    """
    ids = connection.execute(_TAKEN, {"namespace": namespace_id, "most": most}).scalars().all()
    if not ids:
        return []
    # By their ids rather than by a join: a planner that knows the outbox as it was a moment ago may read all events for it.
    return [(row[0], row[1]) for row in connection.execute(_ENTRY_BODIES, {"namespace": namespace_id, "ids": ids})]


def grow_tree(connection: Connection, namespace_id: int, tree: Tree) -> None:
    """Store a locked tree's new state."""
    values = {
        "namespace_of": namespace_id,
        "shard_of": tree.shard,
        "new_size": tree.size,
        "new_root": tree.root,
        "new_subtrees": tree.subtrees,
    }
    connection.execute(_GROWN, values)


def list_leaf_hashes(connection: Connection, namespace_id: int, shard: int, start: int, end: int) -> list[bytes]:
    """The leaf hashes from index `start` up to, without, `end`."""
    parameters = {"namespace": namespace_id, "shard": shard, "start": start, "end": end}
    return list(connection.execute(_LEAF_HASHES, parameters).scalars())


def list_entries(connection: Connection, namespace_id: int, shard: int, start: int, end: int) -> Sequence[AnyRow]:
    """Entries from index `start` up to, without, `end`, with their event's id and bytes (None where those are missing)."""
    return connection.execute(_ENTRIES, {"namespace": namespace_id, "shard": shard, "start": start, "end": end}).all()


def iter_bodies(
    connection: Connection, namespace_id: int, shard: int, start: int, end: int, *, step: int = 16_384
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Index, stored leaf hash and bytes of the entries (None where there are none), in groups."""
    for first in range(start, end, step):
        parameters = {"namespace": namespace_id, "shard": shard, "start": first, "end": min(first + step, end)}
        yield fetch_plain(connection, _BODIES, parameters)


def iter_entries(
    connection: Connection, namespace_id: int, shard: int, start: int, end: int, *, step: int = 4096
) -> Iterator[Sequence[AnyRow]]:
    """The entries in groups."""
    for first in range(start, end, step):
        yield list_entries(connection, namespace_id, shard, first, min(first + step, end))


def find_tile(connection: Connection, namespace_id: int, shard: int, level: int, number: int) -> bytes | None:
    """The 256 hashes of a full tile."""
    parameters = {"namespace": namespace_id, "shard": shard, "level": level, "number": number}
    return connection.execute(_TILE_HASHES, parameters).scalar_one_or_none()


def list_tile_roots(connection: Connection, namespace_id: int, shard: int, level: int, start: int, end: int) -> list[bytes]:
    """The roots of full tiles of a level from number `start` up to, without, `end`."""
    parameters = {"namespace": namespace_id, "shard": shard, "level": level, "start": start, "end": end}
    return list(connection.execute(_TILE_ROOTS, parameters).scalars())


def find_places(connection: Connection, namespace_id: int, event_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Where integrated events stand: shard and index by event id."""
    rows = connection.execute(_PLACES, {"namespace": namespace_id, "ids": list(event_ids)})
    return {event_id: (shard, index) for event_id, shard, index in rows}


def find_checkpoint(connection: Connection, namespace_id: int, shard: int, *, most: int = _ANY_SIZE) -> AnyRow | None:
    """The newest checkpoint of a shard whose size is at most `most`."""
    return connection.execute(_CHECKPOINT, {"namespace": namespace_id, "shard": shard, "most": most}).one_or_none()


def find_checkpoint_from(connection: Connection, namespace_id: int, shard: int, least: int) -> AnyRow | None:
    """The oldest checkpoint of a shard whose size is at least `least`."""
    statement = (
        sa.select(log_checkpoints.c.size, log_checkpoints.c.note, log_checkpoints.c.created_at)
        .where(log_checkpoints.c.namespace_id == namespace_id, log_checkpoints.c.shard == shard, log_checkpoints.c.size >= least)
        .order_by(log_checkpoints.c.size)
        .limit(1)
    )
    return connection.execute(statement).one_or_none()


def store_checkpoint(connection: Connection, namespace_id: int, shard: int, size: int, note: bytes, now: str) -> None:
    """Keep a signed checkpoint; one of the same size that is there already stays."""
    parameters = {"namespace": namespace_id, "shard": shard, "of_size": size, "the_note": note, "now": now}
    connection.execute(_STORED, parameters)
