"""Versions that have a record upstream or downstream of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.filters.tree import Direction
from studbook.storage.graph import not_succession
from studbook.storage.tables import lineage_edges, lineage_nodes

if TYPE_CHECKING:
    from studbook.filters.tree import Related

ROOTS: Final = "related:"


def select_related(namespace_id: int, related: Related) -> sa.Select[Any]:
    """The ids of the model versions that a record is upstream (or downstream) of; the roots are bound when the search runs.

    The walk leaves the record the other way than the versions look: what has it upstream is reached by going downstream.
    """
    roots: sa.BindParameter[Any] = sa.bindparam(ROOTS + related.direction.value + related.reference, expanding=True)
    outwards = related.direction is Direction.UPSTREAM
    edges = lineage_edges
    near, far = (edges.c.source_id, edges.c.target_id) if outwards else (edges.c.target_id, edges.c.source_id)
    walk = (
        sa.select(far.label("id"))
        .where(edges.c.namespace_id == namespace_id, near.in_(roots), not_succession(edges))
        .cte(recursive=True)
    )
    further = sa.select(far).where(edges.c.namespace_id == namespace_id, near == walk.c.id, not_succession(edges))
    walk = walk.union(further)
    return (
        sa.select(lineage_nodes.c.id.label("version_id"))
        .select_from(walk.join(lineage_nodes, lineage_nodes.c.id == walk.c.id))
        .where(lineage_nodes.c.namespace_id == namespace_id, lineage_nodes.c.kind == "model_version")
    )
