"""Reads the lineage graph: one level at a time, or the whole way in one statement; as it is now, or as it was."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import sqlalchemy as sa

from studbook.domain.lineage import Basis
from studbook.storage.dialects import bare_id, fetch_bare, has_lateral_joins, is_packed_in, pack_ids
from studbook.storage.pairs import is_pair_among, pair_values
from studbook.storage.tables import (
    dataset_versions,
    lineage_edges,
    lineage_nodes,
    linking_backlog,
    model_versions,
    pending_references,
    withdrawn_edges,
)

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row

    from studbook.storage.dialects import BareId

# Ids in one statement; SQLite takes 32,766 parameters, PostgreSQL 65,535.
_CHUNK: Final = 5_000
_NAMESPACE: Final[sa.BindParameter[int]] = sa.bindparam("namespace")
_IDS: Final[sa.BindParameter[Any]] = sa.bindparam("ids", type_=sa.types.NullType())


# The columns of an edge, in their order; ids as `bare_id` gives them.
BareRow: TypeAlias = tuple[Any, ...]


class BareNode(NamedTuple):
    """A record in the graph."""

    id: BareId
    kind: str
    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Which edges a walk follows, and what it reads of them."""

    upstream: bool
    # Only these relations; all where it is empty.
    relations: frozenset[str] = frozenset()
    # As the graph was at that time; as it is, without one.
    as_of: str | None = None
    # Also from a version to the one that the same job made before it, from which nothing need have flowed.
    successions: bool = True
    # Source, target and role alone, or all that an edge says of itself.
    short: bool = False

    @property
    def anchor(self) -> str:
        """The end of an edge from which it is followed."""
        return "target_id" if self.upstream else "source_id"

    @property
    def far(self) -> str:
        """The end that is reached."""
        return "source_id" if self.upstream else "target_id"

    def parameters(self) -> dict[str, Any]:
        """What the statements of this reach take beside the nodes."""
        given: dict[str, Any] = {"relations": sorted(self.relations)} if self.relations else {}
        return given | ({"as_of": self.as_of} if self.as_of is not None else {})

    def shape(self) -> Reach:
        """The reach without its values: what statements depend on."""
        return Reach(
            self.upstream,
            frozenset({"*"}) if self.relations else frozenset(),
            "" if self.as_of is not None else None,
            self.successions,
            self.short,
        )


def find_edges(connection: Connection, namespace_id: int, ids: Collection[BareId], reach: Reach, limit: int) -> list[BareRow]:
    """The edges that lead into these nodes (upstream) or out of them, at most `limit`; rows as `_columns` names them."""
    parameters = {"namespace": namespace_id, "ids": pack_ids(ids), "limit": limit, **reach.parameters()}
    return fetch_bare(connection, _level(reach.shape()), parameters)


def walk(connection: Connection, namespace_id: int, roots: Collection[BareId], reach: Reach, limit: int) -> list[BareRow]:
    """All edges on all ways from these nodes, nearest first, at most `limit`.

    One statement for the whole way, since a level each would take as many as a long pedigree has.
    """
    statement = _walk(reach.shape(), lateral=has_lateral_joins(connection))
    parameters = {"namespace": namespace_id, "ids": pack_ids(roots), "limit": limit, **reach.parameters()}
    return fetch_bare(connection, statement, parameters)


def _columns(table: sa.Table, reach: Reach) -> list[sa.ColumnElement[Any]]:
    ends: list[sa.ColumnElement[Any]] = [bare_id(table.c[name]).label(name) for name in ("source_id", "target_id")]
    if reach.short:
        return [*ends, table.c.role]
    until = table.c.withdrawn_at if table is withdrawn_edges else sa.null()
    return [
        *ends,
        table.c.relation,
        table.c.role,
        table.c.basis,
        bare_id(table.c.run_id).label("run_id"),
        bare_id(table.c.event_id).label("event_id"),
        table.c.created_at.label("since"),
        until.label("until"),
    ]


def _tables(reach: Reach) -> list[sa.Table]:
    return [lineage_edges] if reach.as_of is None else [lineage_edges, withdrawn_edges]


def _conditions(table: sa.Table, reach: Reach) -> sa.ColumnElement[bool]:
    conditions = [table.c.namespace_id == _NAMESPACE]
    if reach.relations:
        conditions.append(table.c.relation.in_(sa.bindparam("relations", expanding=True)))
    if not reach.successions:
        conditions.append(not_succession(table))
    if reach.as_of is not None:
        conditions.append(table.c.created_at <= sa.bindparam("as_of"))
        if table is withdrawn_edges:
            conditions.append(table.c.withdrawn_at > sa.bindparam("as_of"))
    return sa.and_(*conditions)


def not_succession(table: sa.Table | sa.FromClause) -> sa.ColumnElement[bool]:
    """That an edge says more than that one job made both versions."""
    return sa.or_(table.c.relation != "retrained-from", table.c.basis != Basis.OBSERVED.value)


@functools.cache
def _level(reach: Reach) -> sa.Select[Any]:
    selects = [
        sa.select(*_columns(table, reach)).where(_conditions(table, reach), is_packed_in(table.c[reach.anchor], _IDS))
        for table in _tables(reach)
    ]
    names = [reach.anchor, reach.far, *(["role"] if reach.short else ["relation", "role", "basis"])]
    if len(selects) == 1:
        return selects[0].order_by(*(lineage_edges.c[name] for name in names)).limit(sa.bindparam("limit"))
    whole = sa.union_all(*selects).subquery()
    return sa.select(*whole.c).order_by(*(whole.c[name] for name in names)).limit(sa.bindparam("limit"))


@functools.cache
def _walk(reach: Reach, *, lateral: bool) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """The statement of `walk`."""
    met = _met(reach, lateral=lateral)
    if lateral:
        edge = _looked_up(reach, met, lambda table: _columns(table, reach))
        return sa.select(*edge.c).select_from(met.join(edge, sa.true())).limit(sa.bindparam("limit"))
    edges = [
        sa.select(*_columns(table, reach)).select_from(
            met.join(table, sa.and_(_conditions(table, reach), table.c[reach.anchor] == met.c.id))
        )
        for table in _tables(reach)
    ]
    return (sa.union_all(*edges) if len(edges) > 1 else edges[0]).limit(sa.bindparam("limit"))


def reach_nodes(connection: Connection, namespace_id: int, root: BareId, reach: Reach, limit: int) -> list[BareNode]:
    """The record itself and all that is reached from it, at most `limit`, without regard to how far it is."""
    statement = _reach_nodes(reach.shape(), lateral=has_lateral_joins(connection))
    parameters = {"namespace": namespace_id, "ids": pack_ids([root]), "limit": limit, **reach.parameters()}
    return [BareNode(*row) for row in fetch_bare(connection, statement, parameters)]


@functools.cache
def _reach_nodes(reach: Reach, *, lateral: bool) -> sa.Select[Any]:
    met = _met(reach, lateral=lateral)
    node = lineage_nodes.c
    columns = [bare_id(node.id).label("id"), node.kind, node.name, node.generation]
    known = sa.and_(node.namespace_id == _NAMESPACE, node.id == met.c.id)
    if lateral:
        found = sa.select(*columns).where(known).offset(sa.literal_column("0")).lateral()
        return sa.select(*found.c).select_from(met.join(found, sa.true())).limit(sa.bindparam("limit"))
    return sa.select(*columns).select_from(met.join(lineage_nodes, known)).limit(sa.bindparam("limit"))


def _met(reach: Reach, *, lateral: bool) -> sa.CTE:
    """The ids of all nodes that are reached.

    With lateral joins each node is looked up by itself: a planner that has not counted the edges yet reads all of them for each
    level. SQLite goes from row to row anyway.
    """
    nodes = lineage_nodes.c
    roots = sa.select(nodes.id).where(nodes.namespace_id == _NAMESPACE, is_packed_in(nodes.id, _IDS))
    met = roots.cte("met", recursive=True)
    if lateral:
        onward = _looked_up(reach, met, lambda table: [table.c[reach.far].label("id")])
        return met.union(sa.select(onward.c.id).select_from(met.join(onward, sa.true())))
    return met.union(
        *(
            sa.select(table.c[reach.far]).select_from(
                met.join(table, sa.and_(_conditions(table, reach), table.c[reach.anchor] == met.c.id))
            )
            for table in _tables(reach)
        )
    )


def _looked_up(reach: Reach, met: sa.CTE, columns: Callable[[sa.Table], list[sa.ColumnElement[Any]]]) -> sa.FromClause:
    """The edges of each node that was met; the offset keeps the planner from joining in another way."""
    selects = [
        sa.select(*columns(table))
        .where(_conditions(table, reach), table.c[reach.anchor] == met.c.id)
        .offset(sa.literal_column("0"))
        for table in _tables(reach)
    ]
    return (sa.union_all(*selects) if len(selects) > 1 else selects[0]).lateral()


def find_nodes(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, AnyRow]:
    """The nodes of these ids."""
    return {row.id: row for row in connection.execute(_NODES, {"namespace": namespace_id, "ids": list(ids)})}


_NODES: Final = sa.select(lineage_nodes.c.id, lineage_nodes.c.kind, lineage_nodes.c.name, lineage_nodes.c.generation).where(
    lineage_nodes.c.namespace_id == _NAMESPACE, lineage_nodes.c.id.in_(sa.bindparam("ids", expanding=True))
)


def find_bare_nodes(connection: Connection, namespace_id: int, ids: Collection[BareId]) -> dict[BareId, BareNode]:
    """The nodes of these ids, however many."""
    if not ids:
        return {}
    rows = fetch_bare(connection, _BARE_NODES, {"namespace": namespace_id, "ids": pack_ids(ids)})
    return {row[0]: BareNode(*row) for row in rows}


_BARE_NODES: Final = sa.select(
    bare_id(lineage_nodes.c.id).label("id"), lineage_nodes.c.kind, lineage_nodes.c.name, lineage_nodes.c.generation
).where(lineage_nodes.c.namespace_id == _NAMESPACE, is_packed_in(lineage_nodes.c.id, _IDS))


def find_signed(connection: Connection, namespace_id: int, ids: Collection[BareId]) -> set[BareId]:
    """Which of these are model versions whose artifacts somebody signed, verifiably."""
    if connection.execute(_ANY_SIGNED, {"namespace": namespace_id}).first() is None:
        return set()
    return {row[0] for row in fetch_bare(connection, _SIGNED, {"namespace": namespace_id, "ids": pack_ids(ids)})}


_ANY_SIGNED: Final = (
    sa.select(sa.literal(1)).where(model_versions.c.namespace_id == _NAMESPACE, model_versions.c.signatures > 0).limit(1)
)
_SIGNED: Final = sa.select(bare_id(model_versions.c.id).label("id")).where(
    model_versions.c.namespace_id == _NAMESPACE, model_versions.c.signatures > 0, is_packed_in(model_versions.c.id, _IDS)
)


_Id = TypeVar("_Id")


def _chunks(ids: Collection[_Id]) -> list[list[_Id]]:
    whole = list(ids)
    return [whole[start : start + _CHUNK] for start in range(0, len(whole), _CHUNK)]


def list_edges_into(connection: Connection, namespace_id: int, target_id: UUID, source_ids: Collection[UUID]) -> Sequence[AnyRow]:
    """The edges that lead to a record from these: whole rows."""
    c = lineage_edges.c
    statement = sa.select(lineage_edges).where(
        c.namespace_id == namespace_id, c.target_id == target_id, c.source_id.in_(list(source_ids))
    )
    return connection.execute(statement).all()


def list_edges_from(connection: Connection, namespace_id: int, source_id: UUID, basis: str, limit: int) -> Sequence[AnyRow]:
    """The edges that lead from a record and are known in one way: whole rows, oldest target first, at most `limit`."""
    c = lineage_edges.c
    statement = sa.select(lineage_edges).where(c.namespace_id == namespace_id, c.source_id == source_id, c.basis == basis)
    return connection.execute(statement.order_by(c.target_id).limit(limit)).all()


def has_input(connection: Connection, namespace_id: int, target_id: UUID, relation: str) -> bool:
    """Whether an edge of this relation leads to a record."""
    c = lineage_edges.c
    statement = sa.select(sa.literal(1)).where(c.namespace_id == namespace_id, c.target_id == target_id, c.relation == relation)
    return connection.execute(statement.limit(1)).first() is not None


def list_withdrawn_into(connection: Connection, namespace_id: int, target_id: UUID, source_id: UUID) -> Sequence[AnyRow]:
    """The edges from one record to another that were withdrawn: whole rows, oldest first."""
    c = withdrawn_edges.c
    statement = sa.select(withdrawn_edges).where(
        c.namespace_id == namespace_id, c.target_id == target_id, c.source_id == source_id
    )
    return connection.execute(statement.order_by(c.created_at, c.event_id)).all()


class CircleError(Exception):
    """The edge would lead back to where it comes from."""


class TooManyBehindError(Exception):
    """So many records come of a node that they are not moved in one transaction."""


def lift(connection: Connection, namespace_id: int, source_id: UUID, target_id: UUID) -> int:
    """Move a node, and of what came of it as much as must, so that an edge from the source may lead to it.

    Returns the node's generation then. All that move do so by the same number of generations, so that each is looked at once
    (decision 0004).

    Raises CircleError, TooManyBehindError.
    """
    if source_id == target_id:
        raise CircleError
    nodes = find_nodes(connection, namespace_id, [source_id, target_id])
    generation: int = nodes[target_id].generation
    by: int = nodes[source_id].generation + 1 - generation
    if by <= 0:
        return generation
    by_generation: dict[int, list[UUID]] = {}
    for node_id, before in _in_the_way(connection, namespace_id, target_id, generation, by).items():
        if node_id == source_id:
            raise CircleError
        by_generation.setdefault(before, []).append(node_id)
    # The last first: at no moment does an edge lead backwards.
    for before in sorted(by_generation, reverse=True):
        for ids in _chunks(by_generation[before]):
            connection.execute(_MOVE, {"namespace": namespace_id, "ids": ids, "to": before + by})
    return generation + by


def _in_the_way(connection: Connection, namespace_id: int, node_id: UUID, generation: int, by: int) -> dict[UUID, int]:
    """The nodes that must move when this one does, itself included, with their generations.

    When the source of the new edge is among them, the edge would close a circle: nothing on a way back to it is far enough away.
    """
    moving, frontier = {node_id: generation}, [node_id]
    while frontier:
        fresh: list[UUID] = []
        for sources in _chunks(frontier):
            parameters = {"namespace": namespace_id, "sources": sources, "by": by, "most": MOVE_LIMIT + 1}
            for met, before in connection.execute(_IN_THE_WAY, parameters):
                if met not in moving:
                    moving[met] = before
                    fresh.append(met)
            if len(moving) > MOVE_LIMIT:
                raise TooManyBehindError
        frontier = fresh
    return moving


# Nodes that are moved in one transaction.
MOVE_LIMIT: Final = 10_000
_IN_THE_WAY: Final = (
    sa.select(lineage_edges.c.target_id, lineage_edges.c.target_generation)
    .where(
        lineage_edges.c.namespace_id == _NAMESPACE,
        lineage_edges.c.source_id.in_(sa.bindparam("sources", expanding=True)),
        lineage_edges.c.target_generation <= lineage_edges.c.source_generation + sa.bindparam("by", type_=sa.Integer),
    )
    .distinct()
    .limit(sa.bindparam("most"))
)
_MOVE: Final = (
    lineage_nodes.update()
    .where(lineage_nodes.c.namespace_id == _NAMESPACE, lineage_nodes.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(generation=sa.bindparam("to"))
)


def list_waiting(connection: Connection, namespace_id: int, carried: Collection[tuple[str, str]], limit: int) -> Sequence[AnyRow]:
    """The references that wait for any of these identifiers (scheme, value), oldest record first, at most `limit`."""
    parameters = {"namespace": namespace_id, "limit": limit, **pair_values("carried", carried)}
    return connection.execute(_WAITING, parameters).all()


_WAITING: Final = (
    sa.select(pending_references)
    .where(
        pending_references.c.namespace_id == _NAMESPACE,
        is_pair_among(pending_references.c.scheme, pending_references.c.value, "carried"),
    )
    .order_by(pending_references.c.record_id, pending_references.c.scheme, pending_references.c.value)
    .limit(sa.bindparam("limit"))
)


def list_backlog(connection: Connection, limit: int) -> Sequence[AnyRow]:
    """Arrivals for whom more waits, of all namespaces."""
    return connection.execute(sa.select(linking_backlog).limit(limit)).all()


def find_data_with_digest(connection: Connection, namespace_id: int, digests: Collection[str], limit: int) -> Sequence[AnyRow]:
    """The dataset versions of these digests, those of each oldest first: id and digest."""
    table = dataset_versions
    statement = (
        sa.select(table.c.id, table.c.digest)
        .where(table.c.namespace_id == namespace_id, table.c.digest.in_(list(digests)))
        .order_by(table.c.digest, table.c.id)
        .limit(limit)
    )
    return connection.execute(statement).all()


def end_backlog(connection: Connection, row: AnyRow) -> None:
    """Forget an arrival for whom nothing more can be linked."""
    c = linking_backlog.c
    connection.execute(
        linking_backlog.delete().where(
            c.namespace_id == row.namespace_id, c.record_id == row.record_id, c.scheme == row.scheme, c.value == row.value
        )
    )
