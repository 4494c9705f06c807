"""Writes of later facts: the rows beside a record that are replaced when it is amended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.domain.names import Kind
from studbook.domain.series import Series
from studbook.storage.reading import columns
from studbook.storage.tables import (
    aliases,
    api_tokens,
    dataset_versions,
    deployments,
    model_versions,
    namespaces,
    run_metrics,
    run_series,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row

    from studbook.domain.series import Point
    from studbook.storage.graph import AnyRow


def delete_rows(connection: Connection, table: sa.Table, namespace_id: int, **key: Any) -> None:  # noqa: ANN401 - column values
    """Delete the rows of a detail table with these column values."""
    conditions = [table.c[name] == value for name, value in key.items()]
    connection.execute(table.delete().where(table.c.namespace_id == namespace_id, *conditions))


def delete_of(connection: Connection, table: sa.Table, namespace_id: int, column: str, record_ids: Collection[UUID]) -> None:
    """Delete the rows of a detail table that belong to these records."""
    connection.execute(table.delete().where(table.c.namespace_id == namespace_id, table.c[column].in_(record_ids)))


def replace_row(connection: Connection, table: sa.Table, namespace_id: int, record_id: UUID, values: Mapping[str, Any]) -> None:
    """Set a record's row to these values, whatever it was."""
    connection.execute(table.update().where(table.c.namespace_id == namespace_id, table.c.id == record_id).values(values))


def delete_details(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Delete these rows of a detail table."""
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    statement = table.delete().where(*(table.c[name] == sa.bindparam(f"{name}_of") for name in key))
    connection.execute(statement, [{f"{name}_of": row[name] for name in key} for row in rows])


def find_alias(connection: Connection, namespace_id: int, model_id: UUID, alias: str) -> UUID | None:
    """The version that an alias of a model names."""
    statement = sa.select(aliases.c.version_id).where(
        aliases.c.namespace_id == namespace_id, aliases.c.model_id == model_id, aliases.c.name == alias
    )
    version_id: UUID | None = connection.execute(statement).scalar_one_or_none()
    return version_id


def find_active_deployment(connection: Connection, namespace_id: int, target: str) -> Row[Any] | None:
    """The deployment that is active on a target, locked."""
    statement = columns(deployments).where(deployments.c.namespace_id == namespace_id, deployments.c.active_target == target)
    return connection.execute(statement.with_for_update()).one_or_none()


def find_token(connection: Connection, token_hash: bytes) -> AnyRow | None:
    """A token by its hash, with its namespace; the one look-up that begins with no namespace, since the token says which."""
    statement = (
        sa.select(
            api_tokens.c.id,
            api_tokens.c.namespace_id,
            api_tokens.c.name,
            api_tokens.c.access,
            api_tokens.c.person,
            api_tokens.c.expires_at,
            api_tokens.c.revoked_at,
            namespaces.c.name.label("namespace"),
        )
        .select_from(api_tokens.join(namespaces, namespaces.c.id == api_tokens.c.namespace_id))
        .where(api_tokens.c.token_hash == token_hash)
    )
    return connection.execute(statement).one_or_none()


def has_tokens(connection: Connection) -> bool:
    """Whether any token was ever made."""
    return connection.execute(sa.select(api_tokens.c.id).limit(1)).first() is not None


def find_namespace(connection: Connection, name: str) -> int | None:
    """The number of a namespace."""
    return connection.execute(sa.select(namespaces.c.id).where(namespaces.c.name == name)).scalar_one_or_none()


def last_namespace(connection: Connection) -> int:
    """The number given last, 0 when there is none."""
    return connection.execute(sa.select(sa.func.max(namespaces.c.id))).scalar_one() or 0


def touch(connection: Connection) -> None:
    """Write without changing anything: it fails where a real write would."""
    connection.execute(namespaces.update().where(namespaces.c.id == 0).values(name=namespaces.c.name))


def list_version_numbers(connection: Connection, namespace_id: int, model_ids: Collection[UUID]) -> dict[UUID, dict[int, UUID]]:
    """The ids of the versions of models by their numbers."""
    statement = sa.select(model_versions.c.model_id, model_versions.c.number, model_versions.c.id).where(
        model_versions.c.namespace_id == namespace_id, model_versions.c.model_id.in_(list(model_ids))
    )
    found: dict[UUID, dict[int, UUID]] = {}
    for model_id, number, version_id in connection.execute(statement):
        found.setdefault(model_id, {})[number] = version_id
    return found


def list_versions_of(connection: Connection, namespace_id: int, kind: Kind, owner_id: UUID, limit: int) -> list[UUID]:
    """The ids of the versions of a model or a dataset, the newest first."""
    table, owner = (model_versions, "model_id") if kind is Kind.MODEL else (dataset_versions, "dataset_id")
    statement = sa.select(table.c.id).where(table.c.namespace_id == namespace_id, table.c[owner] == owner_id)
    return list(connection.execute(statement.order_by(table.c.number.desc()).limit(limit)).scalars())


def list_series(connection: Connection, namespace_id: int, run_ids: Collection[UUID]) -> dict[UUID, dict[str, Series]]:
    """How far the metric series of runs have come, by name."""
    statement = sa.select(run_series.c.run_id, run_series.c.name, run_series.c.points, run_series.c.digest).where(
        run_series.c.namespace_id == namespace_id, run_series.c.run_id.in_(list(run_ids))
    )
    found: dict[UUID, dict[str, Series]] = {}
    for run_id, name, points, digest in connection.execute(statement):
        found.setdefault(run_id, {})[name] = Series(points, digest)
    return found


def list_points(connection: Connection, namespace_id: int, run_id: UUID, name: str) -> list[Point]:
    """The points of one series in their order: step, value, time."""
    statement = (
        sa.select(run_metrics.c.step, run_metrics.c.value, run_metrics.c.recorded_at)
        .where(run_metrics.c.namespace_id == namespace_id, run_metrics.c.run_id == run_id, run_metrics.c.name == name)
        .order_by(run_metrics.c.position)
    )
    return [(step, value, recorded_at) for step, value, recorded_at in connection.execute(statement)]
