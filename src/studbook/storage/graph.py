"""Reads the lineage graph, one level at a time: an indexed look-up for each level, whatever the size of the graph."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa

from studbook.storage.tables import lineage_edges, lineage_nodes

AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row


def find_edges(
    connection: Connection, namespace_id: int, ids: Collection[UUID], *, upstream: bool, limit: int
) -> Sequence[AnyRow]:
    """The edges that lead into these nodes (upstream) or out of them, at most `limit`."""
    parameters = {"namespace": namespace_id, "ids": list(ids), "limit": limit}
    return connection.execute(_edges_statement(upstream=upstream), parameters).all()


@functools.cache
def _edges_statement(*, upstream: bool) -> sa.Select[Any]:
    table = lineage_edges
    anchor = table.c.target_id if upstream else table.c.source_id
    return (
        sa.select(table.c.source_id, table.c.target_id, table.c.relation, table.c.role, table.c.run_id, table.c.event_id)
        .where(table.c.namespace_id == sa.bindparam("namespace"), anchor.in_(sa.bindparam("ids", expanding=True)))
        .order_by(anchor, table.c.source_id, table.c.target_id, table.c.relation, table.c.role)
        .limit(sa.bindparam("limit"))
    )


def find_nodes(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, AnyRow]:
    """The nodes of these ids."""
    return {row.id: row for row in connection.execute(_NODES, {"namespace": namespace_id, "ids": list(ids)})}


_NODES: Final = sa.select(lineage_nodes.c.id, lineage_nodes.c.kind, lineage_nodes.c.name, lineage_nodes.c.generation).where(
    lineage_nodes.c.namespace_id == sa.bindparam("namespace"), lineage_nodes.c.id.in_(sa.bindparam("ids", expanding=True))
)


def has_outputs(connection: Connection, namespace_id: int, node_id: UUID) -> bool:
    """Whether anything came of a node."""
    statement = sa.select(sa.literal(1)).where(lineage_edges.c.namespace_id == namespace_id, lineage_edges.c.source_id == node_id)
    return connection.execute(statement.limit(1)).first() is not None


def raise_generation(connection: Connection, namespace_id: int, node_id: UUID, generation: int) -> None:
    """Move a node of which nothing came to a later generation; its edges follow by their foreign keys."""
    connection.execute(
        lineage_nodes.update()
        .where(lineage_nodes.c.namespace_id == namespace_id, lineage_nodes.c.id == node_id)
        .values(generation=generation)
    )
