"""What may be removed beside and below the log: personal values, purged bodies; and the holds that forbid it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from studbook.storage.dialects import overwrite_deleted
from studbook.storage.listing import fetch_page
from studbook.storage.reading import columns
from studbook.storage.tables import detached_values, events, legal_holds, log_entries, private_values, retention_classes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy.engine import Connection, Row

    from studbook.storage.graph import AnyRow

# A hold on this subject is one on the whole namespace.
EVERYTHING = UUID(int=0)
_MANY = 500


def list_personal(connection: Connection, namespace_id: int, *, subject_id: UUID | None, value: bytes | None) -> Sequence[AnyRow]:
    """The personal values of a subject, those that equal a value (canonical JSON), or both: event, pointer and subject."""
    c = private_values.c
    statement = (
        sa.select(c.event_id, c.pointer, events.c.subject_id, events.c.revision)
        .select_from(private_values.join(events, sa.and_(events.c.namespace_id == c.namespace_id, events.c.id == c.event_id)))
        .where(c.namespace_id == namespace_id)
        .order_by(c.event_id, c.pointer)
    )
    if subject_id is not None:
        statement = statement.where(events.c.subject_id == subject_id)
    if value is not None:
        statement = statement.where(c.value == value)
    return connection.execute(statement).all()


def erase_personal(connection: Connection, namespace_id: int, values: Collection[tuple[UUID, str]]) -> None:
    """Delete personal values (event, pointer) for good; on SQLite their bytes are overwritten."""
    overwrite_deleted(connection)
    c = private_values.c
    statement = private_values.delete().where(
        c.namespace_id == namespace_id, c.event_id == sa.bindparam("of_event"), c.pointer == sa.bindparam("at")
    )
    connection.execute(statement, [{"of_event": event, "at": pointer} for event, pointer in values])


def list_held(connection: Connection, namespace_id: int) -> set[UUID]:
    """The subjects under a legal hold."""
    c = legal_holds.c
    statement = sa.select(c.subject_id).where(c.namespace_id == namespace_id, c.released_at.is_(None))
    return set(connection.execute(statement).scalars())


def list_holds(connection: Connection, namespace_id: int, after: tuple[Any, ...] | None, size: int) -> Sequence[Row[Any]]:
    """Legal holds, newest first."""
    table = legal_holds
    return fetch_page(connection, columns(table).where(table.c.namespace_id == namespace_id), [(table.c.id, True)], after, size)


def list_classes(connection: Connection, namespace_id: int) -> Sequence[AnyRow]:
    """The retention classes by name."""
    table = retention_classes
    return connection.execute(columns(table).where(table.c.namespace_id == namespace_id).order_by(table.c.name)).all()


def list_purgeable(connection: Connection, namespace_id: int, shard: int, start: int, end: int) -> Sequence[AnyRow]:
    """Entries of a shard that have their bytes and are not the last of their subject, with event, subject, time and bytes."""
    later = events.alias("later")
    follows = sa.exists().where(
        later.c.namespace_id == events.c.namespace_id,
        later.c.subject_id == events.c.subject_id,
        later.c.revision == events.c.revision + 1,
    )
    statement = (
        sa.select(log_entries.c.entry_index, events.c.id, events.c.subject_id, events.c.occurred_at, events.c.body)
        .select_from(
            log_entries.join(
                events, sa.and_(events.c.namespace_id == log_entries.c.namespace_id, events.c.id == log_entries.c.event_id)
            )
        )
        .where(
            log_entries.c.namespace_id == namespace_id,
            log_entries.c.shard == shard,
            log_entries.c.entry_index >= start,
            log_entries.c.entry_index < end,
            events.c.body.is_not(None),
            follows,
        )
        .order_by(log_entries.c.entry_index)
    )
    return connection.execute(statement).all()


def purge_events(connection: Connection, namespace_id: int, event_ids: Iterable[UUID]) -> None:
    """Remove the bytes of events with every value beside them; that they happened, and their hashes, stay."""
    overwrite_deleted(connection)
    ids = list(event_ids)
    for start in range(0, len(ids), _MANY):
        some = ids[start : start + _MANY]
        for table in (private_values, detached_values):
            connection.execute(table.delete().where(table.c.namespace_id == namespace_id, table.c.event_id.in_(some)))
        statement = events.update().where(events.c.namespace_id == namespace_id, events.c.id.in_(some))
        connection.execute(statement.values(body=None))
