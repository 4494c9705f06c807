"""Rows of policies, of what is said of records, and of what lies upstream of a version as rules see it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.storage.dialects import bare_id, fetch_bare, is_packed_in, pack_ids
from studbook.storage.listing import fetch_page
from studbook.storage.reading import TABLES, columns
from studbook.storage.tables import (
    deployments,
    events,
    lineage_edges,
    model_versions,
    policies,
    policy_versions,
    registered_models,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.names import Kind
    from studbook.storage.dialects import BareId
    from studbook.storage.graph import AnyRow

# Ids in one statement (see services.lineage).
_CHUNK: Final = 5_000


def find_policy(connection: Connection, namespace_id: int, name: str, *, lock: bool = False) -> AnyRow | None:
    """A policy by its name, with `last_version`."""
    statement = columns(policies, policies.c.last_version).where(policies.c.namespace_id == namespace_id, policies.c.name == name)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def find_policy_version(
    connection: Connection, namespace_id: int, policy_id: UUID, number: int, *, lock: bool = False
) -> AnyRow | None:
    """A version of a policy."""
    table = policy_versions
    statement = columns(table, table.c.number, table.c.status).where(
        table.c.namespace_id == namespace_id, table.c.policy_id == policy_id, table.c.number == number
    )
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def count_policy_version(connection: Connection, namespace_id: int, policy_id: UUID, number: int) -> None:
    """Store the number of a policy's latest version; its row is locked."""
    table = policies
    connection.execute(
        table.update().where(table.c.namespace_id == namespace_id, table.c.id == policy_id).values(last_version=number)
    )


def list_policies(connection: Connection, namespace_id: int, after: tuple[Any, ...] | None, size: int) -> Sequence[AnyRow]:
    """Policies by name; with `last_version`."""
    statement = columns(policies, policies.c.name, policies.c.last_version).where(policies.c.namespace_id == namespace_id)
    return fetch_page(connection, statement, [(policies.c.name, False)], after, size)


def list_policy_versions(
    connection: Connection, namespace_id: int, after: tuple[Any, ...] | None, size: int, *, policy_id: UUID
) -> Sequence[AnyRow]:
    """The versions of a policy, newest first."""
    table = policy_versions
    statement = columns(table, table.c.number).where(table.c.namespace_id == namespace_id, table.c.policy_id == policy_id)
    return fetch_page(connection, statement, [(table.c.number, True)], after, size)


_IN_FORCE: Final = (
    sa.select(
        policy_versions.c.id,
        policy_versions.c.policy_id,
        policy_versions.c.number,
        policy_versions.c.status,
        policy_versions.c.revision,
    )
    .where(
        policy_versions.c.namespace_id == sa.bindparam("namespace"),
        policy_versions.c.status.in_(["audit", "warn", "enforce"]),
    )
    .order_by(policy_versions.c.id)
)


def list_in_force(connection: Connection, namespace_id: int) -> Sequence[AnyRow]:
    """The versions of policies that are asked: id, policy, number, status, revision."""
    return connection.execute(_IN_FORCE, {"namespace": namespace_id}).all()


def lock_in_force(connection: Connection, namespace_id: int, policy_id: UUID) -> Sequence[AnyRow]:
    """The versions of one policy that are asked, locked."""
    table = policy_versions
    statement = (
        columns(table, table.c.number, table.c.status)
        .where(
            table.c.namespace_id == namespace_id,
            table.c.policy_id == policy_id,
            table.c.status.in_(["audit", "warn", "enforce"]),
        )
        .with_for_update()
    )
    return connection.execute(statement).all()


def find_records(connection: Connection, kind: Kind, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The stored records of these ids."""
    return {row.id: row.record for row in connection.execute(_records(kind), {"namespace": namespace_id, "ids": list(ids)})}


@functools.cache
def _records(kind: Kind) -> sa.Select[Any]:
    table = TABLES[kind]
    return sa.select(table.c.id, table.c.record).where(
        table.c.namespace_id == sa.bindparam("namespace"), table.c.id.in_(sa.bindparam("ids", expanding=True))
    )


def find_bare_records(connection: Connection, kind: Kind, namespace_id: int, ids: Collection[BareId]) -> dict[BareId, bytes]:
    """The stored records of these ids, however many, by the ids as `bare_id` gives them."""
    if not ids:
        return {}
    return dict(fetch_bare(connection, _bare_records(kind), {"namespace": namespace_id, "ids": pack_ids(ids)}))


@functools.cache
def _bare_records(kind: Kind) -> sa.Select[Any]:
    table = TABLES[kind]
    ids: sa.BindParameter[Any] = sa.bindparam("ids", type_=sa.types.NullType())
    return sa.select(bare_id(table.c.id).label("id"), table.c.record).where(
        table.c.namespace_id == sa.bindparam("namespace"), is_packed_in(table.c.id, ids)
    )


def find_model_records(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, bytes]:
    """The stored records of models by name."""
    table = registered_models
    statement = sa.select(table.c.name, table.c.record).where(table.c.namespace_id == namespace_id, table.c.name.in_(names))
    return {row.name: row.record for row in connection.execute(statement)}


def list_about(
    connection: Connection, kind: Kind, namespace_id: int, subject_ids: Collection[UUID], status: Collection[str] | None = None
) -> list[AnyRow]:
    """What is said of these records, oldest first; of some status."""
    found: list[AnyRow] = []
    ids = list(subject_ids)
    for start in range(0, len(ids), _CHUNK):
        chosen = {} if status is None else {"status": list(status)}
        parameters = {"namespace": namespace_id, "ids": ids[start : start + _CHUNK], **chosen}
        found += connection.execute(_about(kind, filtered=status is not None), parameters)
    return found


@functools.cache
def _about(kind: Kind, *, filtered: bool) -> sa.Select[Any]:
    table = TABLES[kind]
    statement = (
        columns(table, table.c.status, table.c.subject_id)
        .where(table.c.namespace_id == sa.bindparam("namespace"), table.c.subject_id.in_(sa.bindparam("ids", expanding=True)))
        .order_by(table.c.id)
    )
    if filtered:
        return statement.where(table.c.status.in_(sa.bindparam("status", expanding=True)))
    return statement


def find_statement(
    connection: Connection, kind: Kind, namespace_id: int, record_id: UUID, *, lock: bool = False
) -> AnyRow | None:
    """A statement by its id, with `status`."""
    table = TABLES[kind]
    statement = columns(table, table.c.status).where(table.c.namespace_id == namespace_id, table.c.id == record_id)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def list_with_status(connection: Connection, kind: Kind, namespace_id: int, status: str, limit: int) -> Sequence[AnyRow]:
    """Statements of one status, oldest first."""
    table = TABLES[kind]
    statement = (
        columns(table, table.c.status, table.c.subject_id)
        .where(table.c.namespace_id == namespace_id, table.c.status == status)
        .order_by(table.c.id)
        .limit(limit)
    )
    return connection.execute(statement).all()


def list_statements(
    connection: Connection,
    kind: Kind,
    namespace_id: int,
    after: tuple[Any, ...] | None,
    size: int,
    *,
    subject_id: UUID | None,
    status: str | None,
) -> Sequence[AnyRow]:
    """Statements of a kind, newest first."""
    table = TABLES[kind]
    statement = columns(table).where(table.c.namespace_id == namespace_id)
    if subject_id is not None:
        statement = statement.where(table.c.subject_id == subject_id)
    if status is not None:
        statement = statement.where(table.c.status == status)
    return fetch_page(connection, statement, [(table.c.id, True)], after, size)


def list_evaluation_runs(connection: Connection, namespace_id: int, version_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The runs that evaluated a version, oldest first."""
    edges = lineage_edges
    statement = (
        columns(runs)
        .select_from(edges.join(runs, sa.and_(runs.c.namespace_id == edges.c.namespace_id, runs.c.id == edges.c.target_id)))
        .where(edges.c.namespace_id == namespace_id, edges.c.source_id == version_id, edges.c.relation == "evaluated")
        .order_by(runs.c.id)
        .limit(limit)
    )
    return connection.execute(statement).all()


def list_deployments_of(connection: Connection, namespace_id: int, version_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The deployments of a version, newest first."""
    table = deployments
    statement = columns(table).where(table.c.namespace_id == namespace_id, table.c.version_id == version_id)
    return connection.execute(statement.order_by(table.c.id.desc()).limit(limit)).all()


def list_versions_after(connection: Connection, namespace_id: int, after: UUID | None, size: int) -> Sequence[AnyRow]:
    """Model versions in the order of their ids: id, record, revision, model."""
    table = model_versions
    statement = sa.select(table.c.id, table.c.record, table.c.revision, table.c.model_id).where(
        table.c.namespace_id == namespace_id
    )
    if after is not None:
        statement = statement.where(table.c.id > after)
    return connection.execute(statement.order_by(table.c.id).limit(size)).all()


def count_versions(connection: Connection, namespace_id: int) -> int:
    """How many model versions there are."""
    statement = sa.select(sa.func.count()).select_from(model_versions).where(model_versions.c.namespace_id == namespace_id)
    return connection.execute(statement).scalar_one()


def find_last_actor(connection: Connection, namespace_id: int, subject_id: UUID) -> str | None:
    """Who made the last event of a record."""
    statement = (
        sa.select(events.c.actor)
        .where(events.c.namespace_id == namespace_id, events.c.subject_id == subject_id)
        .order_by(events.c.revision.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def _chunks(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    every = list(ids)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
