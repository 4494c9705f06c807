"""Reads of events: the history of a record, and of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from studbook.storage.tables import events

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

_EVENT: Final = sa.select(events.c.id, events.c.body).where(
    events.c.namespace_id == sa.bindparam("namespace"),
    events.c.subject_id == sa.bindparam("subject"),
    events.c.revision == sa.bindparam("revision"),
)


def get_event(connection: Connection, namespace_id: int, subject_id: UUID, revision: int) -> tuple[UUID, bytes]:
    """The event that made this revision of a record: its id and its entry."""
    parameters = {"namespace": namespace_id, "subject": subject_id, "revision": revision}
    event_id, body = connection.execute(_EVENT, parameters).one()
    return event_id, body


def has_event(connection: Connection, namespace_id: int, event_id: UUID) -> bool:
    """Whether there is an event of this id."""
    statement = sa.select(events.c.id).where(events.c.namespace_id == namespace_id, events.c.id == event_id)
    return connection.execute(statement).first() is not None
