"""From references to records: every form a person or a document may use, many at a time."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.names import (
    ByAlias,
    ById,
    ByIdentifier,
    ByName,
    ByNumber,
    Kind,
    Reference,
    dataset_name,
    model_name,
)
from studbook.storage.tables import (
    aliases,
    artifacts,
    dataset_versions,
    datasets,
    experiments,
    identifiers,
    lineage_nodes,
    model_versions,
    registered_models,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

# More matches than a person would read; the answer says that it was cut.
MATCH_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A record that a reference means."""

    id: UUID
    kind: Kind
    name: str
    generation: int = 0
    digest: str | None = None


def find_records(connection: Connection, namespace_id: int, references: Iterable[Reference]) -> dict[Reference, list[Found]]:
    """What each reference means: nothing, one record, or (a digest, a commit) several.

    One query for each form of reference that occurs, however many there are.
    """
    by_form: dict[type, list[Any]] = {}
    for reference in dict.fromkeys(references):
        by_form.setdefault(type(reference), []).append(reference)
    ids: dict[Reference, list[UUID]] = {}
    found: dict[Reference, list[Found]] = {}
    if numbered := by_form.get(ByNumber):
        ids |= _ids_by_number(connection, namespace_id, numbered)
    if aliased := by_form.get(ByAlias):
        ids |= _ids_by_alias(connection, namespace_id, aliased)
    if identified := by_form.get(ByIdentifier):
        ids |= _ids_by_identifier(connection, namespace_id, identified)
    for reference in by_form.get(ById, ()):
        ids[reference] = [reference.id]
    for reference in by_form.get(ByName, ()):
        found[reference] = _find_by_name(connection, namespace_id, reference)
    nodes = _find_nodes(connection, namespace_id, {record_id for matches in ids.values() for record_id in matches})
    for reference, matches in ids.items():
        wanted = reference.kind if isinstance(reference, ById) else None
        found[reference] = [
            node for record_id in matches if (node := nodes.get(record_id)) and (wanted is None or node.kind is wanted)
        ]
    return found


def _find_nodes(connection: Connection, namespace_id: int, ids: set[UUID]) -> dict[UUID, Found]:
    if not ids:
        return {}
    rows = connection.execute(_NODES, {"namespace": namespace_id, "ids": list(ids)})
    return {
        record_id: Found(record_id, Kind(kind), name, generation, digest) for record_id, kind, name, generation, digest in rows
    }


# Built once: composing a statement takes longer than running it.
_NODES: Final = (
    sa.select(
        lineage_nodes.c.id, lineage_nodes.c.kind, lineage_nodes.c.name, lineage_nodes.c.generation, dataset_versions.c.digest
    )
    .select_from(
        lineage_nodes.outerjoin(
            dataset_versions,
            sa.and_(dataset_versions.c.namespace_id == lineage_nodes.c.namespace_id, dataset_versions.c.id == lineage_nodes.c.id),
        )
    )
    .where(lineage_nodes.c.namespace_id == sa.bindparam("namespace"), lineage_nodes.c.id.in_(sa.bindparam("ids", expanding=True)))
)


@functools.cache
def _numbered_statement(kind: Kind, *, latest: bool) -> sa.Select[Any]:
    if kind is Kind.MODEL_VERSION:
        versions, owners, owner_id = model_versions, registered_models, model_versions.c.model_id
    else:
        versions, owners, owner_id = dataset_versions, datasets, dataset_versions.c.dataset_id
    statement = (
        sa.select(owners.c.name, versions.c.number, versions.c.id)
        .select_from(versions.join(owners, sa.and_(owners.c.namespace_id == versions.c.namespace_id, owners.c.id == owner_id)))
        .where(owners.c.namespace_id == sa.bindparam("namespace"))
    )
    if not latest:
        wanted: sa.BindParameter[Any] = sa.bindparam("places", expanding=True)
        return statement.where(sa.tuple_(owners.c.name, versions.c.number).in_(wanted))
    sibling = versions.alias("sibling")
    newest = sa.select(sa.func.max(sibling.c.number)).where(
        sibling.c.namespace_id == owners.c.namespace_id, sibling.c[owner_id.name] == owners.c.id
    )
    return statement.where(
        owners.c.name.in_(sa.bindparam("names", expanding=True)), versions.c.number == newest.scalar_subquery()
    )


def _ids_by_number(connection: Connection, namespace_id: int, references: Sequence[ByNumber]) -> dict[Reference, list[UUID]]:
    found: dict[Reference, list[UUID]] = {reference: [] for reference in references}
    for kind in (Kind.MODEL_VERSION, Kind.DATASET_VERSION):
        exact = [(reference.name, reference.number) for reference in references if reference.kind is kind and reference.number]
        if exact:
            rows = connection.execute(_numbered_statement(kind, latest=False), {"namespace": namespace_id, "places": exact})
            for name, number, record_id in rows:
                found[ByNumber(kind, name, number)] = [record_id]
        latest = [reference.name for reference in references if reference.kind is kind and not reference.number]
        if latest:
            rows = connection.execute(_numbered_statement(kind, latest=True), {"namespace": namespace_id, "names": latest})
            for name, _, record_id in rows:
                found[ByNumber(kind, name, None)] = [record_id]
    return found


def _ids_by_alias(connection: Connection, namespace_id: int, references: Sequence[ByAlias]) -> dict[Reference, list[UUID]]:
    found: dict[Reference, list[UUID]] = {reference: [] for reference in references}
    statement = (
        sa.select(registered_models.c.name, aliases.c.name, aliases.c.version_id)
        .select_from(
            aliases.join(
                registered_models,
                sa.and_(registered_models.c.namespace_id == aliases.c.namespace_id, registered_models.c.id == aliases.c.model_id),
            )
        )
        .where(
            aliases.c.namespace_id == namespace_id,
            sa.tuple_(registered_models.c.name, aliases.c.name).in_(
                [(reference.model, reference.alias) for reference in references]
            ),
        )
    )
    for model, alias, version_id in connection.execute(statement):
        found[ByAlias(model, alias)] = [version_id]
    return found


def _ids_by_identifier(
    connection: Connection, namespace_id: int, references: Sequence[ByIdentifier]
) -> dict[Reference, list[UUID]]:
    found: dict[Reference, list[UUID]] = {reference: [] for reference in references}
    claimed = [(reference.scheme, reference.value) for reference in references]
    statement = sa.select(identifiers.c.scheme, identifiers.c.value, identifiers.c.record_id).where(
        identifiers.c.namespace_id == namespace_id, sa.tuple_(identifiers.c.scheme, identifiers.c.value).in_(claimed)
    )
    for scheme, value, record_id in connection.execute(statement):
        found[ByIdentifier(scheme, value)].append(record_id)
    for reference in references:
        if reference.scheme == "sha256":
            found[reference] += _ids_by_digest(connection, namespace_id, f"sha256:{reference.value}")
        elif reference.scheme == "git":
            found[reference] += _ids_by_commit(connection, namespace_id, reference.value)
    return found


def _ids_by_digest(connection: Connection, namespace_id: int, digest: str) -> list[UUID]:
    versions = sa.select(artifacts.c.version_id).where(artifacts.c.namespace_id == namespace_id, artifacts.c.digest == digest)
    data = sa.select(dataset_versions.c.id).where(
        dataset_versions.c.namespace_id == namespace_id, dataset_versions.c.digest == digest
    )
    return list(connection.execute(sa.union(versions, data).limit(MATCH_LIMIT)).scalars())


def _ids_by_commit(connection: Connection, namespace_id: int, commit: str) -> list[UUID]:
    matching_runs = sa.and_(runs.c.namespace_id == namespace_id, runs.c.code_commit == commit)
    versions = sa.select(model_versions.c.id).where(
        model_versions.c.namespace_id == namespace_id, model_versions.c.run_id.in_(sa.select(runs.c.id).where(matching_runs))
    )
    return list(connection.execute(sa.union(sa.select(runs.c.id).where(matching_runs), versions).limit(MATCH_LIMIT)).scalars())


def _find_by_name(connection: Connection, namespace_id: int, reference: ByName) -> list[Found]:
    table, name = {
        Kind.MODEL: (registered_models, model_name(reference.name)),
        Kind.DATASET: (datasets, dataset_name(reference.name)),
    }.get(reference.kind, (experiments, f"experiments/{reference.name}"))
    statement = sa.select(table.c.id).where(table.c.namespace_id == namespace_id, table.c.name == reference.name)
    return [Found(record_id, reference.kind, name) for record_id in connection.execute(statement).scalars()]
