"""Reads of whole tables, in parts, for checking the log and the tables against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.storage.tables import (
    detached_values,
    events,
    lineage_edges,
    log_checkpoints,
    log_entries,
    log_tiles,
    outbox,
    private_values,
    withdrawn_edges,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.graph import AnyRow

_STEP = 1_000


def entry_bounds(connection: Connection, namespace_id: int, shard: int) -> tuple[int | None, int | None, int]:
    """The first and last index of a shard's entries, and how many there are."""
    index = log_entries.c.entry_index
    statement = sa.select(sa.func.min(index), sa.func.max(index), sa.func.count()).where(
        log_entries.c.namespace_id == namespace_id, log_entries.c.shard == shard
    )
    first, last, count = connection.execute(statement).one()
    return first, last, count


def list_unlogged_events(connection: Connection, namespace_id: int) -> Sequence[AnyRow]:
    """Events that are neither in the log nor waiting."""
    logged = sa.exists().where(log_entries.c.namespace_id == events.c.namespace_id, log_entries.c.event_id == events.c.id)
    waits = sa.exists().where(outbox.c.namespace_id == events.c.namespace_id, outbox.c.event_id == events.c.id)
    statement = sa.select(events.c.id, events.c.subject).where(events.c.namespace_id == namespace_id, ~logged, ~waits)
    return connection.execute(statement.order_by(events.c.id)).all()


def list_strange_outbox(connection: Connection, namespace_id: int) -> Sequence[UUID]:
    """What waits and should not: it is in the log already, or there is no such event."""
    logged = sa.exists().where(log_entries.c.namespace_id == outbox.c.namespace_id, log_entries.c.event_id == outbox.c.event_id)
    known = sa.exists().where(events.c.namespace_id == outbox.c.namespace_id, events.c.id == outbox.c.event_id)
    statement = sa.select(outbox.c.event_id).where(outbox.c.namespace_id == namespace_id, sa.or_(logged, ~known))
    return connection.execute(statement).scalars().all()


def count_waiting(connection: Connection, namespace_id: int) -> int:
    """How many events wait for the log."""
    statement = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.namespace_id == namespace_id)
    return connection.execute(statement).scalar_one()


def iter_tiles(connection: Connection, namespace_id: int, shard: int) -> Iterator[AnyRow]:
    """Every stored tile of a shard, lowest level first."""
    order = (log_tiles.c.level, log_tiles.c.number)
    statement = sa.select(*order, log_tiles.c.hashes, log_tiles.c.root).where(
        log_tiles.c.namespace_id == namespace_id, log_tiles.c.shard == shard
    )
    yield from _in_parts(connection, statement, order, 200)


def iter_checkpoints(connection: Connection, namespace_id: int, shard: int) -> Iterator[AnyRow]:
    """Every stored checkpoint of a shard, smallest first."""
    order = (log_checkpoints.c.size,)
    statement = sa.select(log_checkpoints.c.size, log_checkpoints.c.note).where(
        log_checkpoints.c.namespace_id == namespace_id, log_checkpoints.c.shard == shard
    )
    yield from _in_parts(connection, statement, order)


def list_checkpoint_sizes(connection: Connection, namespace_id: int, shard: int) -> Sequence[int]:
    """The sizes of a shard's stored checkpoints."""
    statement = sa.select(log_checkpoints.c.size).where(
        log_checkpoints.c.namespace_id == namespace_id, log_checkpoints.c.shard == shard
    )
    return connection.execute(statement).scalars().all()


def find_events(connection: Connection, namespace_id: int, event_ids: Collection[UUID]) -> dict[UUID, AnyRow]:
    """Events by their ids."""
    statement = sa.select(events).where(events.c.namespace_id == namespace_id, events.c.id.in_(list(event_ids)))
    return {row.id: row for row in connection.execute(statement)}


def find_private_values(connection: Connection, namespace_id: int, event_ids: Collection[UUID]) -> dict[UUID, dict[str, AnyRow]]:
    """The personal values of events that are still there, by event and place."""
    return _values(connection, private_values, namespace_id, event_ids)


def find_detached_values(connection: Connection, namespace_id: int, event_ids: Collection[UUID]) -> dict[UUID, dict[str, AnyRow]]:
    """The values of events that stand outside their entries, by event and place."""
    return _values(connection, detached_values, namespace_id, event_ids)


def _values(
    connection: Connection, table: sa.Table, namespace_id: int, event_ids: Collection[UUID]
) -> dict[UUID, dict[str, AnyRow]]:
    found: dict[UUID, dict[str, AnyRow]] = {}
    statement = sa.select(table).where(table.c.namespace_id == namespace_id, table.c.event_id.in_(list(event_ids)))
    for row in connection.execute(statement):
        found.setdefault(row.event_id, {})[row.pointer] = row
    return found


def iter_rows(connection: Connection, table: sa.Table, namespace_id: int, *, step: int = _STEP) -> Iterator[list[AnyRow]]:
    """Every row of a table of records, or of nodes, in groups and in the order of their ids."""
    statement = sa.select(table).where(table.c.namespace_id == namespace_id)
    group: list[AnyRow] = []
    for row in _in_parts(connection, statement, (table.c.id,), step):
        group.append(row)
        if len(group) == step:
            yield group
            group = []
    if group:
        yield group


def iter_edges(connection: Connection, namespace_id: int, *, step: int = _STEP) -> Iterator[AnyRow]:
    """Every lineage edge, in the order of the table's key."""
    c = lineage_edges.c
    statement = sa.select(lineage_edges).where(c.namespace_id == namespace_id)
    yield from _in_parts(connection, statement, (c.target_id, c.source_id, c.relation, c.role, c.basis), step)


def iter_withdrawn_edges(connection: Connection, namespace_id: int, *, step: int = _STEP) -> Iterator[AnyRow]:
    """Every edge that was withdrawn, in the order of the table's key."""
    c = withdrawn_edges.c
    statement = sa.select(withdrawn_edges).where(c.namespace_id == namespace_id)
    yield from _in_parts(connection, statement, (c.target_id, c.source_id, c.relation, c.role, c.basis, c.event_id), step)


def find_rows(connection: Connection, table: sa.Table, namespace_id: int, ids: Collection[UUID]) -> Sequence[AnyRow]:
    """The rows of a table of records with these ids."""
    return connection.execute(sa.select(table).where(table.c.namespace_id == namespace_id, table.c.id.in_(list(ids)))).all()


def list_details(
    connection: Connection, table: sa.Table, namespace_id: int, column: str, record_ids: Collection[UUID]
) -> list[dict[str, Any]]:
    """The detail rows of records."""
    statement = sa.select(table).where(table.c.namespace_id == namespace_id, table.c[column].in_(list(record_ids)))
    return [dict(row) for row in connection.execute(statement).mappings()]


def count_rows(connection: Connection, table: sa.Table, namespace_id: int) -> int:
    """How many rows a table has."""
    return connection.execute(
        sa.select(sa.func.count()).select_from(table).where(table.c.namespace_id == namespace_id)
    ).scalar_one()


def _in_parts(
    connection: Connection, statement: sa.Select[Any], order: Sequence[sa.Column[Any]], step: int = _STEP
) -> Iterator[AnyRow]:
    """The rows of a statement in the order of a key, a part at a time, so that no large result is ever held."""
    part = statement.order_by(*order).limit(step)
    rows = connection.execute(part).all()
    while rows:
        yield from rows
        if len(rows) < step:
            return
        # Typed as their columns: an id bound as text would come before every id that SQLite keeps.
        last = [sa.literal(getattr(rows[-1], column.name), column.type) for column in order]
        after = sa.tuple_(*order) > sa.tuple_(*last) if len(order) > 1 else order[0] > last[0]
        rows = connection.execute(part.where(after)).all()
