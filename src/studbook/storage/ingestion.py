"""What an ingestion needs to know of the database, read for many documents at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.domain.series import Series
from studbook.storage.pairs import is_pair_among, pair_values
from studbook.storage.references import Found
from studbook.storage.tables import (
    dataset_versions,
    datasets,
    experiments,
    idempotency_keys,
    identifiers,
    lineage_nodes,
    model_versions,
    registered_models,
    run_series,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.graph import AnyRow


@dataclass(slots=True)
class ModelHead:
    """A registered model and the number of its latest version."""

    id: UUID
    last_version: int
    archived: bool = False
    # What its record says of the definition that its versions must satisfy.
    schema: dict[str, Any] | None = None
    # The latest version and the job whose run made it, where that was asked for.
    last: Found | None = None
    last_job: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A recorded dataset version."""

    id: UUID
    number: int
    digest: str | None
    # The stored bytes, or the record itself when it was made in this transaction.
    record: bytes | dict[str, Any]
    generation: int = 0


_NAMESPACE: Final[sa.BindParameter[int]] = sa.bindparam("namespace")


def _any_of(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    return column.in_(sa.bindparam(name, expanding=True))


# Built once: composing a statement takes longer than running it.
_LOCK_MODELS: Final = (
    sa.select(
        registered_models.c.name,
        registered_models.c.id,
        registered_models.c.last_version,
        registered_models.c.archived_at,
        sa.case((registered_models.c.schema_id.is_not(None), registered_models.c.record)),
    )
    .where(registered_models.c.namespace_id == _NAMESPACE, _any_of(registered_models.c.name, "names"))
    .order_by(registered_models.c.name)
    .with_for_update()
)
_COUNT_VERSIONS: Final = (
    registered_models.update()
    .where(registered_models.c.namespace_id == sa.bindparam("namespace_of"), registered_models.c.id == sa.bindparam("model"))
    .values(last_version=sa.bindparam("last"))
)
_DATASET_HEADS: Final = sa.select(
    datasets.c.name,
    datasets.c.id,
    sa.select(sa.func.max(dataset_versions.c.number))
    .where(dataset_versions.c.namespace_id == _NAMESPACE, dataset_versions.c.dataset_id == datasets.c.id)
    .scalar_subquery(),
).where(datasets.c.namespace_id == _NAMESPACE, _any_of(datasets.c.name, "names"))
_DATASET_VERSIONS: Final = (
    sa.select(
        dataset_versions.c.dataset_id,
        dataset_versions.c.id,
        dataset_versions.c.number,
        dataset_versions.c.digest,
        dataset_versions.c.record,
        lineage_nodes.c.generation,
    )
    .select_from(
        dataset_versions.join(
            lineage_nodes,
            sa.and_(lineage_nodes.c.namespace_id == dataset_versions.c.namespace_id, lineage_nodes.c.id == dataset_versions.c.id),
        )
    )
    .where(dataset_versions.c.namespace_id == _NAMESPACE)
)
_LAST_VERSIONS: Final = (
    sa.select(model_versions.c.model_id, model_versions.c.id, lineage_nodes.c.name, lineage_nodes.c.generation, runs.c.job)
    .select_from(
        model_versions.join(
            runs, sa.and_(runs.c.namespace_id == model_versions.c.namespace_id, runs.c.id == model_versions.c.run_id)
        ).join(
            lineage_nodes,
            sa.and_(lineage_nodes.c.namespace_id == model_versions.c.namespace_id, lineage_nodes.c.id == model_versions.c.id),
        )
    )
    .where(
        model_versions.c.namespace_id == _NAMESPACE,
        is_pair_among(model_versions.c.model_id, model_versions.c.number, "places"),
    )
)
_DATASET_VERSIONS_BY_DIGEST: Final = _DATASET_VERSIONS.where(
    is_pair_among(dataset_versions.c.dataset_id, dataset_versions.c.digest, "pairs")
)
_DATASET_VERSIONS_BY_NUMBER: Final = _DATASET_VERSIONS.where(
    is_pair_among(dataset_versions.c.dataset_id, dataset_versions.c.number, "pairs")
)
_CLAIMS: Final = sa.select(identifiers.c.scheme, identifiers.c.value, identifiers.c.record_id).where(
    identifiers.c.namespace_id == _NAMESPACE, is_pair_among(identifiers.c.scheme, identifiers.c.value, "pairs")
)
_ANSWERS: Final = sa.select(idempotency_keys.c.key, idempotency_keys.c.body_digest, idempotency_keys.c.answer).where(
    idempotency_keys.c.namespace_id == _NAMESPACE, _any_of(idempotency_keys.c.key, "keys")
)


def lock_models(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, ModelHead]:
    """The models of these names, locked until the transaction ends: always in the order of their names, against deadlock."""
    rows = connection.execute(_LOCK_MODELS, {"namespace": namespace_id, "names": sorted(names)})
    return {
        name: ModelHead(model_id, last, archived is not None, read_canonical(record)["schema"] if record else None)
        for name, model_id, last, archived, record in rows
    }


def find_last_versions(connection: Connection, namespace_id: int, heads: Iterable[ModelHead]) -> None:
    """Fill in which version of each model is the latest, and the job that made it, where a run did."""
    by_id = {head.id: head for head in heads}
    places = [(head.id, head.last_version) for head in by_id.values()]
    for model_id, version_id, name, generation, job in connection.execute(
        _LAST_VERSIONS, {"namespace": namespace_id, **pair_values("places", places)}
    ):
        head = by_id[model_id]
        head.last, head.last_job = Found(version_id, Kind.MODEL_VERSION, name, generation), job


def count_versions(connection: Connection, namespace_id: int, counts: dict[UUID, int]) -> None:
    """Store the number of each model's latest version; the rows are locked."""
    values = [{"namespace_of": namespace_id, "model": model, "last": last} for model, last in counts.items()]
    connection.execute(_COUNT_VERSIONS, values)


def find_dataset_heads(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, tuple[UUID, int]]:
    """Each dataset's id and the number of its latest version."""
    rows = connection.execute(_DATASET_HEADS, {"namespace": namespace_id, "names": list(names)})
    return {name: (dataset_id, last or 0) for name, dataset_id, last in rows}


def find_dataset_versions(
    connection: Connection, namespace_id: int, digests: Collection[tuple[UUID, str]], numbers: Collection[tuple[UUID, int]]
) -> dict[UUID, list[DatasetRow]]:
    """The versions with these digests or numbers, by the id of their dataset."""
    found: dict[UUID, list[DatasetRow]] = {}
    for statement, pairs in ((_DATASET_VERSIONS_BY_DIGEST, digests), (_DATASET_VERSIONS_BY_NUMBER, numbers)):
        if not pairs:
            continue
        for dataset_id, *row in connection.execute(statement, {"namespace": namespace_id, **pair_values("pairs", pairs)}):
            found.setdefault(dataset_id, []).append(DatasetRow(*row))
    return found


def find_experiments(connection: Connection, namespace_id: int, names: Collection[str]) -> dict[str, UUID]:
    """The ids of the experiments of these names."""
    statement = sa.select(experiments.c.name, experiments.c.id).where(
        experiments.c.namespace_id == namespace_id, experiments.c.name.in_(names)
    )
    return {name: experiment_id for name, experiment_id in connection.execute(statement)}  # noqa: C416 - rows, not pairs


def lock_runs(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, AnyRow]:
    """The runs of these ids, locked until the transaction ends."""
    statement = (
        sa.select(runs.c.id, runs.c.revision, runs.c.record)
        .where(runs.c.namespace_id == namespace_id, runs.c.id.in_(ids))
        .order_by(runs.c.id)
        .with_for_update()
    )
    return {row.id: row for row in connection.execute(statement)}


def find_series(connection: Connection, namespace_id: int, run_id: UUID) -> dict[str, Series]:
    """How far each metric series of a run has come."""
    statement = sa.select(run_series.c.name, run_series.c.points, run_series.c.digest).where(
        run_series.c.namespace_id == namespace_id, run_series.c.run_id == run_id
    )
    return {name: Series(points, digest) for name, points, digest in connection.execute(statement)}


def find_claims(connection: Connection, namespace_id: int, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Which record holds each identifier (scheme, value) already."""
    rows = connection.execute(_CLAIMS, {"namespace": namespace_id, **pair_values("pairs", pairs)})
    return {(scheme, value): record_id for scheme, value, record_id in rows}


def find_answers(connection: Connection, namespace_id: int, keys: Collection[str]) -> dict[str, tuple[bytes, bytes]]:
    """What was answered under these idempotency keys: the digest of the body, and the answer."""
    rows = connection.execute(_ANSWERS, {"namespace": namespace_id, "keys": list(keys)})
    return {key: (digest, answer) for key, digest, answer in rows}
