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
    strip_commit,
)
from studbook.storage.dialects import Text
from studbook.storage.pairs import is_pair_among, pair_values
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
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

# More matches than a person would read; the answer says that it was cut.
MATCH_LIMIT: Final = 100
# Fewer than the 32,766 parameters that a statement of SQLite may have.
_IDS_AT_ONCE: Final = 10_000
# Records that are found by name, and how they are called.
NAMED: Final[dict[Kind, tuple[sa.Table, Callable[[str], str]]]] = {
    Kind.MODEL: (registered_models, model_name),
    Kind.DATASET: (datasets, dataset_name),
    Kind.EXPERIMENT: (experiments, "experiments/{}".format),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A record that a reference means."""

    id: UUID
    kind: Kind
    name: str
    generation: int = 0
    digest: str | None = None


def find_records(connection: Connection, namespace_id: int, references: Iterable[Reference]) -> dict[Reference, list[Found]]:
    """What each reference means: nothing, one record, or (a digest, a commit) several, at most one more than `MATCH_LIMIT`.

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
    if named := by_form.get(ByName):
        found |= _find_by_name(connection, namespace_id, named)
    nodes = find_nodes(connection, namespace_id, {record_id for matches in ids.values() for record_id in matches})
    for reference, matches in ids.items():
        wanted = reference.kind if isinstance(reference, ById) else None
        found[reference] = [
            node for record_id in matches if (node := nodes.get(record_id)) and (wanted is None or node.kind is wanted)
        ]
    return found


def find_nodes(connection: Connection, namespace_id: int, ids: Iterable[UUID]) -> dict[UUID, Found]:
    """The records with these ids that have a place in the lineage, by id."""
    wanted = list(ids)
    found = {}
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        rows = connection.execute(_NODES, {"namespace": namespace_id, "ids": wanted[start : start + _IDS_AT_ONCE]})
        for record_id, kind, name, generation, digest in rows:
            found[record_id] = Found(record_id, Kind(kind), name, generation, digest)
    return found


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
        return statement.where(is_pair_among(owners.c.name, versions.c.number, "places"))
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
            rows = connection.execute(
                _numbered_statement(kind, latest=False), {"namespace": namespace_id, **pair_values("places", exact)}
            )
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
            is_pair_among(registered_models.c.name, aliases.c.name, "places"),
        )
    )
    places = [(reference.model, reference.alias) for reference in references]
    for model, alias, version_id in connection.execute(statement, pair_values("places", places)):
        found[ByAlias(model, alias)] = [version_id]
    return found


def _ids_by_identifier(
    connection: Connection, namespace_id: int, references: Sequence[ByIdentifier]
) -> dict[Reference, list[UUID]]:
    found: dict[Reference, list[UUID]] = {reference: [] for reference in references}
    claimed = [(reference.scheme, reference.value) for reference in references]
    statement = sa.select(identifiers.c.scheme, identifiers.c.value, identifiers.c.record_id).where(
        identifiers.c.namespace_id == namespace_id, is_pair_among(identifiers.c.scheme, identifiers.c.value, "claimed")
    )
    for scheme, value, record_id in connection.execute(statement, pair_values("claimed", claimed)):
        found[ByIdentifier(scheme, value)].append(record_id)
    _add_newest(connection, namespace_id, found)
    digests = {f"sha256:{reference.value}": reference for reference in references if reference.scheme == "sha256"}
    commits = {reference.value: reference for reference in references if reference.scheme == "git"}
    for statement_of, keys in ((_by_digest, digests), (_by_commit, commits)):
        if keys:
            for key, record_id in connection.execute(statement_of(), {"namespace": namespace_id, "keys": list(keys)}):
                found[keys[key]].append(record_id)
    return found


def _add_newest(connection: Connection, namespace_id: int, found: dict[Reference, list[UUID]]) -> None:
    """Where nothing has an identifier itself: the newest record that has it with a commit."""
    missing = [
        reference
        for reference, ids in found.items()
        if isinstance(reference, ByIdentifier) and not ids and reference.scheme not in {"sha256", "git"}
    ]
    for start in range(0, len(missing), _IDS_AT_ONCE):
        # In the order of code points, all that begins with `name@` lies between `name@` and `nameA`.
        ranges = [(each.scheme, f"{each.value}@", f"{each.value}A") for each in missing[start : start + _IDS_AT_ONCE]]
        for scheme, value, record_id in connection.execute(_with_commits(ranges, namespace_id)):
            bare = strip_commit(value)
            if bare is not None and (named := found.get(ByIdentifier(scheme, bare))) is not None:
                named[:] = [record_id]


def _with_commits(ranges: list[tuple[str, str, str]], namespace_id: int) -> sa.Select[Any]:
    wanted = (
        sa.values(sa.column("scheme", Text), sa.column("low", Text), sa.column("high", Text), name="wanted").data(ranges).cte()
    )
    columns = identifiers.c
    return (
        sa.select(columns.scheme, columns.value, columns.record_id)
        .select_from(
            wanted.join(
                identifiers,
                sa.and_(
                    columns.namespace_id == namespace_id,
                    columns.scheme == wanted.c.scheme,
                    columns.value > wanted.c.low,
                    columns.value < wanted.c.high,
                ),
            )
        )
        .order_by(columns.record_id)
    )


@functools.cache
def _by_digest() -> sa.Select[Any]:
    """Who carries each digest: versions with such an artifact, and dataset versions."""
    return first_of_each(
        sa.union(
            sa.select(artifacts.c.digest.label("key"), artifacts.c.version_id.label("id")).where(
                _is_among(artifacts, artifacts.c.digest)
            ),
            sa.select(dataset_versions.c.digest, dataset_versions.c.id).where(
                _is_among(dataset_versions, dataset_versions.c.digest)
            ),
        )
    )


@functools.cache
def _by_commit() -> sa.Select[Any]:
    """What came of each commit: runs, and the versions they made."""
    same_run = sa.and_(model_versions.c.namespace_id == runs.c.namespace_id, model_versions.c.run_id == runs.c.id)
    among = _is_among(runs, runs.c.code_commit)
    return first_of_each(
        sa.union(
            sa.select(runs.c.code_commit.label("key"), runs.c.id.label("id")).where(among),
            sa.select(runs.c.code_commit, model_versions.c.id).select_from(runs.join(model_versions, same_run)).where(among),
        )
    )


def _is_among(table: sa.Table, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.namespace_id == sa.bindparam("namespace"), column.in_(sa.bindparam("keys", expanding=True)))


def first_of_each(matches: sa.SelectBase) -> sa.Select[Any]:
    """Of rows with `key` and `id`, the oldest of each key: one more than are shown, so that there being more can be said."""
    every = matches.subquery()
    place = sa.func.row_number().over(partition_by=every.c.key, order_by=every.c.id).label("place")
    ranked = sa.select(every.c.key, every.c.id, place).subquery()
    return sa.select(ranked.c.key, ranked.c.id).where(ranked.c.place <= MATCH_LIMIT + 1).order_by(ranked.c.key, ranked.c.id)


def _find_by_name(connection: Connection, namespace_id: int, references: Sequence[ByName]) -> dict[Reference, list[Found]]:
    found: dict[Reference, list[Found]] = {reference: [] for reference in references}
    for kind, (table, resource_name) in NAMED.items():
        names = [reference.name for reference in references if reference.kind is kind]
        if names:
            statement = sa.select(table.c.name, table.c.id).where(table.c.namespace_id == namespace_id, table.c.name.in_(names))
            for name, record_id in connection.execute(statement):
                found[ByName(kind, name)] = [Found(record_id, kind, resource_name(name))]
    return found
