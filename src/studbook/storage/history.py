"""Reads of events: the history of a record, and of everything; and records as they were."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.storage.pairs import is_pair_among, pair_values
from studbook.storage.tables import events, log_entries, model_versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.graph import AnyRow


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the past: at a time, or when the shard of a log had so many entries."""

    time: str | None = None
    shard: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are meant; what is None does not matter. Ids are bounds, the upper one is left out."""

    subject_id: UUID | None = None
    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None
    from_id: UUID | None = None
    below_id: UUID | None = None


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


_IN_LOG: Final = sa.and_(log_entries.c.namespace_id == events.c.namespace_id, log_entries.c.event_id == events.c.id)


def find_event(connection: Connection, namespace_id: int, event_id: UUID) -> AnyRow | None:
    """An event with its entry, and where it stands in the log (null while it waits)."""
    statement = _located().where(events.c.namespace_id == namespace_id, events.c.id == event_id)
    return connection.execute(statement).one_or_none()


def list_events(connection: Connection, namespace_id: int, selection: Selection, size: int) -> Sequence[AnyRow]:
    """Events, newest first, up to one more than `size`, each with where it stands in the log."""
    c = events.c
    statement = _located().where(c.namespace_id == namespace_id)
    for column, value in (
        (c.subject_id, selection.subject_id),
        (c.subject, selection.subject),
        (c.actor, selection.actor),
        (c.action, selection.action),
    ):
        if value is not None:
            statement = statement.where(column == value)
    for column, compare, bound in (
        (c.occurred_at, operator.ge, selection.since),
        (c.occurred_at, operator.lt, selection.until),
        (c.id, operator.ge, selection.from_id),
        (c.id, operator.lt, selection.below_id),
    ):
        if bound is not None:
            statement = statement.where(compare(column, bound))
    return connection.execute(statement.order_by(c.id.desc()).limit(size + 1)).all()


def list_revisions(
    connection: Connection, namespace_id: int, wanted: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], UUID]:
    """The ids of the events that made these revisions, by subject and revision."""
    if not wanted:
        return {}
    key = (events.c.subject_id, events.c.revision)
    statement = sa.select(*key, events.c.id).where(events.c.namespace_id == namespace_id, is_pair_among(*key, "wanted"))
    return {(row.subject_id, row.revision): row.id for row in connection.execute(statement, pair_values("wanted", wanted))}


def find_time_at(connection: Connection, namespace_id: int, moment: Moment) -> str | None:
    """The time of the last event up to a moment."""
    statement = (
        sa.select(events.c.occurred_at)
        .select_from(log_entries.join(events, _IN_LOG))
        .where(log_entries.c.namespace_id == namespace_id, _until(moment))
        .order_by(log_entries.c.shard.desc(), log_entries.c.entry_index.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def find_event_at(connection: Connection, namespace_id: int, subject_id: UUID, moment: Moment) -> AnyRow | None:
    """The last event of a record up to a moment; None when it did not exist then."""
    statement = _located().where(events.c.namespace_id == namespace_id, events.c.subject_id == subject_id, _until(moment))
    return connection.execute(statement.order_by(events.c.revision.desc()).limit(1)).one_or_none()


def find_last_number_at(connection: Connection, namespace_id: int, model_id: UUID, moment: Moment) -> int | None:
    """The number of the newest version that a model had at a moment."""
    made = sa.and_(
        events.c.namespace_id == model_versions.c.namespace_id,
        events.c.subject_id == model_versions.c.id,
        events.c.revision == 1,
    )
    statement = (
        sa.select(sa.func.max(model_versions.c.number))
        .select_from(model_versions.join(events, made).outerjoin(log_entries, _IN_LOG))
        .where(model_versions.c.namespace_id == namespace_id, model_versions.c.model_id == model_id, _until(moment))
    )
    return connection.execute(statement).scalar_one()  # type: ignore[no-any-return]


def _located() -> sa.Select[Any]:
    return sa.select(events, log_entries.c.shard, log_entries.c.entry_index).select_from(events.outerjoin(log_entries, _IN_LOG))


def _until(moment: Moment) -> sa.ColumnElement[bool]:
    if moment.time is not None:
        return events.c.occurred_at <= moment.time
    earlier = log_entries.c.shard < moment.shard
    return sa.or_(earlier, sa.and_(log_entries.c.shard == moment.shard, log_entries.c.entry_index < moment.size))


def iter_heads(connection: Connection, namespace_id: int, moment: Moment, *, step: int = 2_000) -> Iterator[AnyRow]:
    """How far every subject had come in the log at a moment: its id, revision, and the leaf hash of that entry; by id.

    They are read a part at a time, so that it takes no more room for a million subjects than for a thousand.
    """
    after = None
    while True:
        newest = (
            sa.select(events.c.subject_id, sa.func.max(events.c.revision).label("revision"))
            .select_from(events.join(log_entries, _IN_LOG))
            .where(events.c.namespace_id == namespace_id, _until(moment))
            .group_by(events.c.subject_id)
            .order_by(events.c.subject_id)
            .limit(step)
        )
        part = (newest if after is None else newest.where(events.c.subject_id > after)).subquery()
        same = sa.and_(events.c.subject_id == part.c.subject_id, events.c.revision == part.c.revision)
        statement = (
            sa.select(events.c.subject_id, events.c.revision, log_entries.c.leaf_hash)
            .select_from(part.join(events, same).join(log_entries, _IN_LOG))
            .where(events.c.namespace_id == namespace_id)
            .order_by(events.c.subject_id)
        )
        rows = connection.execute(statement).all()
        yield from rows
        if len(rows) < step:
            return
        after = rows[-1].subject_id


def find_heads(connection: Connection, namespace_id: int, event_ids: Collection[UUID]) -> dict[UUID, AnyRow]:
    """When these events happened, what they were, and who made them, by id."""
    c = events.c
    statement = sa.select(c.id, c.occurred_at, c.action, c.actor).where(c.namespace_id == namespace_id, c.id.in_(list(event_ids)))
    return {row.id: row for row in connection.execute(statement)}


def find_head(connection: Connection, namespace_id: int, subject_id: UUID) -> AnyRow | None:
    """The last event of a subject."""
    statement = sa.select(events).where(events.c.namespace_id == namespace_id, events.c.subject_id == subject_id)
    return connection.execute(statement.order_by(events.c.revision.desc()).limit(1)).one_or_none()


def find_subject(connection: Connection, namespace_id: int, subject: str) -> UUID | None:
    """The id of a subject by its exact name in the log."""
    statement = sa.select(events.c.subject_id).where(events.c.namespace_id == namespace_id, events.c.subject == subject).limit(1)
    return connection.execute(statement).scalar_one_or_none()
