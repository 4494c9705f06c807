"""Rows of schema definitions: their versions, the models that have them, and the work of putting attributes in their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.storage.reading import columns
from studbook.storage.tables import model_versions, registered_models, schema_backfills, schema_definitions, schema_versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.graph import AnyRow

DRAFT: Final = "draft"
PUBLISHED: Final = "published"
DEPRECATED: Final = "deprecated"
_SCAN_STEP: Final = 1000


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version of a definition that is or was published."""

    id: UUID
    schema_id: UUID
    schema: str
    # Of the definition's table.
    table_number: int
    number: int
    status: str
    # Changes with every event, so that a draft and what was published of it are told apart.
    revision: int


def find_definition(connection: Connection, namespace_id: int, name: str, *, lock: bool = False) -> AnyRow | None:
    """A definition by its name, with `number` (of its table) and `last_version`."""
    table = schema_definitions
    statement = columns(table, table.c.number, table.c.last_version).where(
        table.c.namespace_id == namespace_id, table.c.name == name
    )
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def find_schema_version(
    connection: Connection, namespace_id: int, schema_id: UUID, number: int, *, lock: bool = False
) -> AnyRow | None:
    """A version of a definition."""
    table = schema_versions
    statement = columns(table, table.c.number, table.c.status).where(
        table.c.namespace_id == namespace_id, table.c.schema_id == schema_id, table.c.number == number
    )
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def last_table_number(connection: Connection) -> int:
    """The number of the table that was given last, in any namespace."""
    return connection.execute(sa.select(sa.func.max(schema_definitions.c.number))).scalar_one() or 0


def count_schema_version(connection: Connection, namespace_id: int, schema_id: UUID, number: int) -> None:
    """Store the number of a definition's latest version; its row is locked."""
    table = schema_definitions
    connection.execute(
        table.update().where(table.c.namespace_id == namespace_id, table.c.id == schema_id).values(last_version=number)
    )


_PUBLISHED: Final = (
    sa.select(
        schema_versions.c.id,
        schema_versions.c.schema_id,
        schema_definitions.c.name,
        schema_definitions.c.number,
        schema_versions.c.number,
        schema_versions.c.status,
        schema_versions.c.revision,
    )
    .select_from(
        schema_versions.join(
            schema_definitions,
            sa.and_(
                schema_definitions.c.namespace_id == schema_versions.c.namespace_id,
                schema_definitions.c.id == schema_versions.c.schema_id,
            ),
        )
    )
    .where(schema_versions.c.namespace_id == sa.bindparam("namespace"), schema_versions.c.status != DRAFT)
    .order_by(schema_versions.c.schema_id, schema_versions.c.number)
)
_PUBLISHED_OF: Final = _PUBLISHED.where(schema_versions.c.schema_id.in_(sa.bindparam("schemas", expanding=True)))


def list_published(
    connection: Connection, namespace_id: int, schema_ids: Collection[UUID] | None = None, *, lock: bool = False
) -> list[PublishedVersion]:
    """The published versions of definitions (of all, without `schema_ids`), oldest first.

    With `lock` no further one is published until the transaction ends, so that what is stored now has its places.
    """
    if schema_ids is None:
        return [PublishedVersion(*row) for row in connection.execute(_PUBLISHED, {"namespace": namespace_id})]
    if not schema_ids:
        return []
    if lock:
        table = schema_definitions
        statement = sa.select(table.c.id).where(table.c.namespace_id == namespace_id, table.c.id.in_(schema_ids))
        connection.execute(statement.order_by(table.c.id).with_for_update(read=True)).all()
    rows = connection.execute(_PUBLISHED_OF, {"namespace": namespace_id, "schemas": list(schema_ids)})
    return [PublishedVersion(*row) for row in rows]


def find_schema_records(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The stored records of versions of definitions."""
    table = schema_versions
    statement = sa.select(table.c.id, table.c.record).where(table.c.namespace_id == namespace_id, table.c.id.in_(ids))
    return {version_id: record for version_id, record in connection.execute(statement)}  # noqa: C416 - rows, not pairs


def count_versions(connection: Connection, namespace_id: int, schema_id: UUID, model_id: UUID | None) -> int:
    """How many versions a model has; without one, all models that have a definition."""
    table = registered_models
    which = table.c.schema_id == schema_id if model_id is None else table.c.id == model_id
    statement = sa.select(sa.func.sum(table.c.last_version)).where(table.c.namespace_id == namespace_id, which)
    return int(connection.execute(statement).scalar_one() or 0)


def find_models_schema(connection: Connection, namespace_id: int, model: str) -> UUID | None:
    """The definition that a model has."""
    table = registered_models
    statement = sa.select(table.c.schema_id).where(table.c.namespace_id == namespace_id, table.c.name == model)
    schema_id: UUID | None = connection.execute(statement).scalar_one_or_none()
    return schema_id


def list_models_with_schema(connection: Connection, namespace_id: int) -> Sequence[AnyRow]:
    """The names of models that have a definition, each with its id."""
    table = registered_models
    statement = sa.select(table.c.name, table.c.schema_id).where(
        table.c.namespace_id == namespace_id, table.c.schema_id.is_not(None)
    )
    return connection.execute(statement).all()


def list_schema_models(connection: Connection, namespace_id: int, schema_id: UUID) -> Sequence[AnyRow]:
    """The models that have a definition: id, name, last_version, record."""
    table = registered_models
    statement = (
        sa.select(table.c.id, table.c.name, table.c.last_version, table.c.record)
        .where(table.c.namespace_id == namespace_id, table.c.schema_id == schema_id)
        .order_by(table.c.name)
    )
    return connection.execute(statement).all()


def iter_versions_of(
    connection: Connection, namespace_id: int, model_ids: Collection[UUID], limit: int
) -> Iterator[Sequence[AnyRow]]:
    """Model versions of models, the newest first, in groups: id, record."""
    before = None
    table = model_versions
    while limit > 0:
        statement = sa.select(table.c.id, table.c.record).where(
            table.c.namespace_id == namespace_id, table.c.model_id.in_(model_ids)
        )
        if before is not None:
            statement = statement.where(table.c.id < before)
        rows = connection.execute(statement.order_by(table.c.id.desc()).limit(min(limit, _SCAN_STEP))).all()
        if not rows:
            return
        yield rows
        before = rows[-1].id
        limit -= len(rows)


def find_backfill(connection: Connection, namespace_id: int, job_id: UUID) -> AnyRow | None:
    """A piece of work, locked: whoever else would do it skips it."""
    statement = sa.select(schema_backfills).where(
        schema_backfills.c.namespace_id == namespace_id, schema_backfills.c.id == job_id
    )
    return connection.execute(statement.with_for_update(skip_locked=True)).one_or_none()


_BACKFILLS: Final = sa.select(schema_backfills).order_by(schema_backfills.c.namespace_id, schema_backfills.c.id)


def list_backfills(connection: Connection, namespace_id: int | None = None, schema_id: UUID | None = None) -> Sequence[AnyRow]:
    """The work that is going on, oldest first."""
    statement = _BACKFILLS
    if namespace_id is not None:
        statement = statement.where(schema_backfills.c.namespace_id == namespace_id)
    if schema_id is not None:
        statement = statement.where(schema_backfills.c.schema_id == schema_id)
    return connection.execute(statement).all()


def lock_chunk(connection: Connection, namespace_id: int, job: AnyRow, size: int) -> Sequence[AnyRow]:
    """The next versions of a piece of work, locked, so that no change of them is overwritten: id, record, schema_id."""
    table = model_versions
    model = registered_models
    statement = (
        sa.select(table.c.id, table.c.record, model.c.schema_id)
        .select_from(table.join(model, sa.and_(model.c.namespace_id == table.c.namespace_id, model.c.id == table.c.model_id)))
        .where(table.c.namespace_id == namespace_id)
        .order_by(table.c.id)
        .limit(size)
    )
    if job.model_id is not None:
        statement = statement.where(table.c.model_id == job.model_id)
    else:
        statement = statement.where(model.c.schema_id == job.schema_id)
    if job.cursor is not None:
        statement = statement.where(table.c.id > job.cursor)
    return connection.execute(statement.with_for_update(of=table)).all()


def move_backfill(connection: Connection, namespace_id: int, job_id: UUID, cursor: UUID, done: int) -> None:
    """Take note of how far a piece of work has come."""
    where = (schema_backfills.c.namespace_id == namespace_id, schema_backfills.c.id == job_id)
    connection.execute(schema_backfills.update().where(*where).values(cursor=cursor, done=done))


def fail_backfill(connection: Connection, namespace_id: int, job_id: UUID, fault: str) -> None:
    """Take note that a piece of work cannot be done, and why."""
    where = (schema_backfills.c.namespace_id == namespace_id, schema_backfills.c.id == job_id)
    connection.execute(schema_backfills.update().where(*where).values(fault=fault))


def end_backfill(connection: Connection, namespace_id: int, job_id: UUID) -> None:
    """Remove a piece of work that is done."""
    where = (schema_backfills.c.namespace_id == namespace_id, schema_backfills.c.id == job_id)
    connection.execute(schema_backfills.delete().where(*where))


def find_taken(
    connection: Connection, namespace_id: int, table: sa.Table, column: str, values: Collection[Any]
) -> dict[Any, UUID]:
    """Which version has each of these values of a unique attribute."""
    statement = sa.select(table.c[column], table.c.version_id).where(
        table.c.namespace_id == namespace_id, table.c[column].in_(values)
    )
    return {value: version_id for value, version_id in connection.execute(statement)}  # noqa: C416 - rows, not pairs
