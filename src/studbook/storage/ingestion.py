"""What an ingestion needs to know of the database, read for many documents at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from studbook.storage.tables import (
    dataset_versions,
    datasets,
    experiments,
    idempotency_keys,
    identifiers,
    registered_models,
    run_metrics,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection, Row


@dataclass(slots=True)
class ModelHead:
    """A registered model and the number of its latest version."""

    id: UUID
    last_version: int
    archived: bool = False


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A recorded dataset version."""

    id: UUID
    number: int
    digest: str | None
    record: bytes


def lock_models(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, ModelHead]:
    """The models of these names, locked until the transaction ends: always in the order of their names, against deadlock."""
    statement = (
        sa.select(registered_models.c.name, registered_models.c.id, registered_models.c.last_version, registered_models.c.archived_at)
        .where(registered_models.c.namespace_id == namespace_id, registered_models.c.name.in_(names))
        .order_by(registered_models.c.name)
        .with_for_update()
    )
    return {name: ModelHead(model_id, last, archived is not None) for name, model_id, last, archived in connection.execute(statement)}


def count_versions(connection: Connection, namespace_id: int, counts: dict[UUID, int]) -> None:
    """Store the number of each model's latest version; the rows are locked."""
    statement = (
        registered_models.update()
        .where(registered_models.c.namespace_id == namespace_id, registered_models.c.id == sa.bindparam("model"))
        .values(last_version=sa.bindparam("last"))
    )
    connection.execute(statement, [{"model": model, "last": last} for model, last in counts.items()])


def find_dataset_heads(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, tuple[UUID, int]]:
    """Each dataset's id and the number of its latest version."""
    newest = (
        sa.select(sa.func.max(dataset_versions.c.number))
        .where(dataset_versions.c.namespace_id == namespace_id, dataset_versions.c.dataset_id == datasets.c.id)
        .scalar_subquery()
    )
    statement = sa.select(datasets.c.name, datasets.c.id, newest).where(
        datasets.c.namespace_id == namespace_id, datasets.c.name.in_(names)
    )
    return {name: (dataset_id, last or 0) for name, dataset_id, last in connection.execute(statement)}


def find_dataset_versions(
    connection: Connection, namespace_id: int, digests: Collection[tuple[UUID, str]], numbers: Collection[tuple[UUID, int]]
) -> dict[UUID, list[DatasetRow]]:
    """The versions with these digests or numbers, by the id of their dataset."""
    conditions: list[Any] = []
    if digests:
        conditions.append(sa.tuple_(dataset_versions.c.dataset_id, dataset_versions.c.digest).in_(digests))
    if numbers:
        conditions.append(sa.tuple_(dataset_versions.c.dataset_id, dataset_versions.c.number).in_(numbers))
    found: dict[UUID, list[DatasetRow]] = {}
    for condition in conditions:
        statement = sa.select(
            dataset_versions.c.dataset_id,
            dataset_versions.c.id,
            dataset_versions.c.number,
            dataset_versions.c.digest,
            dataset_versions.c.record,
        ).where(dataset_versions.c.namespace_id == namespace_id, condition)
        for dataset_id, *row in connection.execute(statement):
            found.setdefault(dataset_id, []).append(DatasetRow(*row))
    return found


def find_experiments(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, UUID]:
    """The ids of the experiments of these names."""
    statement = sa.select(experiments.c.name, experiments.c.id).where(
        experiments.c.namespace_id == namespace_id, experiments.c.name.in_(names)
    )
    return {name: experiment_id for name, experiment_id in connection.execute(statement)}  # noqa: C416 - rows, not pairs


def lock_runs(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """The runs of these ids, locked until the transaction ends."""
    statement = (
        sa.select(runs.c.id, runs.c.revision, runs.c.record)
        .where(runs.c.namespace_id == namespace_id, runs.c.id.in_(ids))
        .order_by(runs.c.id)
        .with_for_update()
    )
    return {row.id: row for row in connection.execute(statement)}


def count_points(connection: Connection, namespace_id: int, run_id: UUID) -> dict[str, int]:
    """How many points each metric series of a run has."""
    statement = (
        sa.select(run_metrics.c.name, sa.func.max(run_metrics.c.position))
        .where(run_metrics.c.namespace_id == namespace_id, run_metrics.c.run_id == run_id)
        .group_by(run_metrics.c.name)
    )
    return {name: last + 1 for name, last in connection.execute(statement)}


def find_claims(
    connection: Connection, namespace_id: int, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Which record holds each identifier (scheme, value) already."""
    statement = sa.select(identifiers.c.scheme, identifiers.c.value, identifiers.c.record_id).where(
        identifiers.c.namespace_id == namespace_id, sa.tuple_(identifiers.c.scheme, identifiers.c.value).in_(pairs)
    )
    return {(scheme, value): record_id for scheme, value, record_id in connection.execute(statement)}


def find_answers(connection: Connection, namespace_id: int, keys: Collection[str]) -> dict[str, tuple[bytes, bytes]]:
    """What was answered under these idempotency keys: the digest of the body, and the answer."""
    statement = sa.select(idempotency_keys.c.key, idempotency_keys.c.body_digest, idempotency_keys.c.answer).where(
        idempotency_keys.c.namespace_id == namespace_id, idempotency_keys.c.key.in_(keys)
    )
    return {key: (digest, answer) for key, digest, answer in connection.execute(statement)}
