"""Reads of pages of records: always by key, never by offset, so that a late page costs what the first does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.storage.reading import columns
from studbook.storage.tables import (
    aliases,
    api_tokens,
    dataset_versions,
    datasets,
    deployments,
    experiments,
    model_tags,
    model_versions,
    registered_models,
    run_metrics,
    runs,
    schema_definitions,
    schema_versions,
    version_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row

    After = tuple[Any, ...] | None
    Rows = Sequence[Row[Any]]
    Tag = tuple[str, str]


def list_models(
    connection: Connection, namespace_id: int, after: After, size: int, *, prefix: str | None, tag: Tag | None, archived: bool
) -> Rows:
    """Registered models by name; with `last_version`."""
    table = registered_models
    statement = columns(table, table.c.name, table.c.last_version).where(table.c.namespace_id == namespace_id)
    if prefix:
        statement = statement.where(table.c.name.startswith(prefix, autoescape=True))
    if tag:
        statement = statement.where(table.c.id.in_(_tagged(model_tags, model_tags.c.model_id, namespace_id, tag)))
    if not archived:
        statement = statement.where(table.c.archived_at.is_(None))
    return fetch_page(connection, statement, [(table.c.name, False)], after, size)


def list_versions(connection: Connection, namespace_id: int, after: After, size: int, *, model_id: UUID) -> Rows:
    """The versions of a model, newest first."""
    table = model_versions
    statement = columns(table, table.c.number).where(table.c.namespace_id == namespace_id, table.c.model_id == model_id)
    return fetch_page(connection, statement, [(table.c.number, True)], after, size)


def list_aliases(connection: Connection, namespace_id: int, after: After, size: int, *, model_id: UUID) -> Rows:
    """The aliases of a model by name, each with its version's number."""
    statement = (
        sa.select(aliases.c.name, aliases.c.version_id, model_versions.c.number)
        .select_from(
            aliases.join(
                model_versions,
                sa.and_(model_versions.c.namespace_id == aliases.c.namespace_id, model_versions.c.id == aliases.c.version_id),
            )
        )
        .where(aliases.c.namespace_id == namespace_id, aliases.c.model_id == model_id)
    )
    return fetch_page(connection, statement, [(aliases.c.name, False)], after, size)


def list_schemas(connection: Connection, namespace_id: int, after: After, size: int) -> Rows:
    """Schema definitions by name; with `last_version`."""
    table = schema_definitions
    statement = columns(table, table.c.name, table.c.last_version).where(table.c.namespace_id == namespace_id)
    return fetch_page(connection, statement, [(table.c.name, False)], after, size)


def list_schema_versions(connection: Connection, namespace_id: int, after: After, size: int, *, schema_id: UUID) -> Rows:
    """The versions of a schema definition, newest first."""
    table = schema_versions
    statement = columns(table, table.c.number).where(table.c.namespace_id == namespace_id, table.c.schema_id == schema_id)
    return fetch_page(connection, statement, [(table.c.number, True)], after, size)


def list_datasets(connection: Connection, namespace_id: int, after: After, size: int) -> Rows:
    """Datasets by name."""
    return _list_named(connection, datasets, namespace_id, after, size)


def list_experiments(connection: Connection, namespace_id: int, after: After, size: int) -> Rows:
    """Experiments by name."""
    return _list_named(connection, experiments, namespace_id, after, size)


def list_dataset_versions(connection: Connection, namespace_id: int, after: After, size: int, *, dataset_id: UUID) -> Rows:
    """The versions of a dataset, newest first."""
    table = dataset_versions
    statement = columns(table, table.c.number).where(table.c.namespace_id == namespace_id, table.c.dataset_id == dataset_id)
    return fetch_page(connection, statement, [(table.c.number, True)], after, size)


def list_runs(
    connection: Connection,
    namespace_id: int,
    after: After,
    size: int,
    *,
    experiment_id: UUID | None,
    status: str | None,
    job: str | None,
) -> Rows:
    """Runs, newest first."""
    return _list_newest(connection, runs, namespace_id, after, size, experiment_id=experiment_id, status=status, job=job)


def list_deployments(
    connection: Connection, namespace_id: int, after: After, size: int, *, version_id: UUID | None, status: str | None
) -> Rows:
    """Deployments, newest first."""
    return _list_newest(connection, deployments, namespace_id, after, size, version_id=version_id, status=status)


def list_tokens(connection: Connection, namespace_id: int, after: After, size: int) -> Rows:
    """API tokens, newest first."""
    return _list_newest(connection, api_tokens, namespace_id, after, size)


def list_version_metrics(
    connection: Connection, namespace_id: int, after: After, size: int, *, version_id: UUID, name: str | None
) -> Rows:
    """Every value recorded for a version, in the order they were recorded."""
    table = version_metrics
    statement = sa.select(table).where(table.c.namespace_id == namespace_id, table.c.version_id == version_id)
    if name is not None:
        statement = statement.where(table.c.name == name)
    return fetch_page(connection, statement, [(table.c.position, False)], after, size)


def list_run_metrics(
    connection: Connection, namespace_id: int, after: After, size: int, *, run_id: UUID, name: str | None
) -> Rows:
    """The points of a run's series, by name and then in the order they were logged."""
    table = run_metrics
    statement = sa.select(table).where(table.c.namespace_id == namespace_id, table.c.run_id == run_id)
    if name is not None:
        statement = statement.where(table.c.name == name)
    return fetch_page(connection, statement, [(table.c.name, False), (table.c.position, False)], after, size)


def _tagged(table: sa.Table, record: sa.Column[Any], namespace_id: int, tag: Tag) -> sa.Select[Any]:
    return sa.select(record).where(table.c.namespace_id == namespace_id, table.c.key == tag[0], table.c.value == tag[1])


def _list_named(connection: Connection, table: sa.Table, namespace_id: int, after: After, size: int) -> Rows:
    statement = columns(table, table.c.name).where(table.c.namespace_id == namespace_id)
    return fetch_page(connection, statement, [(table.c.name, False)], after, size)


def _list_newest(
    connection: Connection, table: sa.Table, namespace_id: int, after: After, size: int, **equals: UUID | str | None
) -> Rows:
    statement = columns(table).where(table.c.namespace_id == namespace_id)
    for name, value in equals.items():
        if value is not None:
            statement = statement.where(table.c[name] == value)
    return fetch_page(connection, statement, [(table.c.id, True)], after, size)


def fetch_page(
    connection: Connection,
    statement: sa.Select[Any],
    order: Sequence[tuple[sa.ColumnElement[Any], bool]],
    after: After,
    size: int,
    parameters: Mapping[str, Any] | None = None,
) -> Rows:
    """One row more than `size` of what follows the key `after`, in an order of (column, descending), all one way."""
    if after is not None:
        statement = statement.where(_follows(order, after))
    ordered = statement.order_by(*(column.desc() if descending else column.asc() for column, descending in order))
    return connection.execute(ordered.limit(size + 1), parameters or {}).all()


def _follows(order: Sequence[tuple[sa.ColumnElement[Any], bool]], after: tuple[Any, ...]) -> sa.ColumnElement[bool]:
    """Keyset condition: as one comparison of rows, which an index answers at once."""
    columns = [column for column, _ in order]
    values = [sa.literal(value, column.type) for value, column in zip(after, columns, strict=True)]
    if len(columns) == 1:
        return columns[0] < values[0] if order[0][1] else columns[0] > values[0]
    here, there = sa.tuple_(*columns), sa.tuple_(*values)
    return here < there if order[0][1] else here > there
