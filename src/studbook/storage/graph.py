"""Reads the lineage graph, one level at a time: an indexed look-up for each level, whatever the size of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.storage.tables import lineage_edges, lineage_nodes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row


def find_edges(connection: Connection, namespace_id: int, ids: Collection[UUID], *, upstream: bool, limit: int) -> Sequence[Row[Any]]:
    """The edges that lead into these nodes (upstream) or out of them, at most `limit`."""
    anchor = lineage_edges.c.target_id if upstream else lineage_edges.c.source_id
    statement = (
        sa.select(
            lineage_edges.c.source_id,
            lineage_edges.c.target_id,
            lineage_edges.c.relation,
            lineage_edges.c.role,
            lineage_edges.c.run_id,
            lineage_edges.c.event_id,
        )
        .where(lineage_edges.c.namespace_id == namespace_id, anchor.in_(ids))
        .order_by(anchor, lineage_edges.c.source_id, lineage_edges.c.target_id, lineage_edges.c.relation, lineage_edges.c.role)
        .limit(limit)
    )
    return connection.execute(statement).all()


def find_nodes(connection: Connection, namespace_id: int, ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """The nodes of these ids."""
    statement = sa.select(lineage_nodes.c.id, lineage_nodes.c.kind, lineage_nodes.c.name, lineage_nodes.c.generation).where(
        lineage_nodes.c.namespace_id == namespace_id, lineage_nodes.c.id.in_(ids)
    )
    return {row.id: row for row in connection.execute(statement)}


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
