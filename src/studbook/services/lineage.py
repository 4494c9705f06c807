"""Answers questions about the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from studbook.storage import graph

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.graph import AnyRow
    from studbook.storage.references import Found

DEPTH_LIMIT: Final = 1000
NODE_LIMIT: Final = 10_000
# Ids in one statement; SQLite takes 32,766 parameters, PostgreSQL 65,535.
_CHUNK: Final = 5_000


class Direction(StrEnum):
    """Which way the graph is walked."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(slots=True)
class _Walk:
    """A walk in one direction: the nodes met with their distance, and every edge between them."""

    distances: dict[UUID, int]
    edges: dict[tuple[UUID, UUID, str, str], AnyRow] = field(default_factory=dict)
    truncated: bool = False


def get_lineage(
    connection: Connection, namespace_id: int, root: Found, *, direction: Direction, depth: int, limit: int
) -> JsonObject:
    """The nodes within `depth` edges of the root and the edges walked, at most `limit` nodes in each direction.

    `truncated` is true when depth or limit left something out.
    """
    walks = []
    if direction is not Direction.DOWNSTREAM:
        walks.append(_walk(connection, namespace_id, root.id, depth, limit, upstream=True))
    if direction is not Direction.UPSTREAM:
        walks.append(_walk(connection, namespace_id, root.id, depth, limit, upstream=False))
    distances: dict[UUID, int] = {}
    edges: dict[tuple[UUID, UUID, str, str], AnyRow] = {}
    for walk in walks:
        distances |= walk.distances
        edges |= walk.edges
    nodes: dict[UUID, AnyRow] = {}
    for chunk in _chunks(list(distances)):
        nodes |= graph.find_nodes(connection, namespace_id, chunk)
    return {
        "root": root.name,
        "nodes": [_node(nodes[node_id], distance) for node_id, distance in distances.items() if node_id in nodes],
        "edges": [_edge(row, nodes) for row in edges.values() if row.source_id in nodes and row.target_id in nodes],
        "truncated": any(walk.truncated for walk in walks),
        "direction": direction.value,
        "depth": depth,
    }


def _walk(connection: Connection, namespace_id: int, root: UUID, depth: int, limit: int, *, upstream: bool) -> _Walk:
    walk = _Walk({root: 0})
    frontier = [root]
    edge_limit = limit * 8
    for distance in range(1, depth + 2):
        rows: list[AnyRow] = []
        for chunk in _chunks(frontier):
            rows += graph.find_edges(connection, namespace_id, chunk, upstream=upstream, limit=edge_limit + 1)
        if not rows:
            break
        if distance > depth:
            walk.truncated = True
            break
        frontier = _advance(walk, rows, distance, limit, edge_limit, upstream=upstream)
        if walk.truncated:
            break
    return walk


def _advance(walk: _Walk, rows: list[AnyRow], distance: int, limit: int, edge_limit: int, *, upstream: bool) -> list[UUID]:
    """Take the edges of one level into the walk; returns the nodes met for the first time."""
    fresh: list[UUID] = []
    sign = -1 if upstream else 1
    for row in rows:
        met = row.source_id if upstream else row.target_id
        if len(walk.edges) >= edge_limit or (met not in walk.distances and len(walk.distances) > limit):
            walk.truncated = True
            break
        if met not in walk.distances:
            walk.distances[met] = sign * distance
            fresh.append(met)
        walk.edges[row.source_id, row.target_id, row.relation, row.role] = row
    return fresh


def _chunks(ids: list[UUID]) -> list[list[UUID]]:
    return [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]


def _node(row: AnyRow, distance: int) -> JsonObject:
    return {"id": str(row.id), "kind": row.kind, "name": row.name, "generation": row.generation, "distance": distance}


def _edge(row: AnyRow, nodes: dict[UUID, AnyRow]) -> JsonObject:
    return {
        "source": nodes[row.source_id].name,
        "target": nodes[row.target_id].name,
        "relation": row.relation,
        "role": row.role or None,
        "run": str(row.run_id) if row.run_id else None,
        "event": str(row.event_id),
    }
