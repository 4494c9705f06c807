"""Walks through the lineage graph: which records are met, how far they are, and along which edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.storage import graph
from studbook.storage.dialects import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.storage.dialects import BareId
    from studbook.storage.graph import BareRow, Reach

DEPTH_LIMIT: Final = 1000
NODE_LIMIT: Final = 10_000
# Levels that are read one by one; a deeper walk is one statement.
_LEVELS: Final = 8
# Edges that are read for each node that may be met.
_EDGES_PER_NODE: Final = 8


@dataclass(slots=True)
class Walk:
    """A walk in one direction: the nodes met with their distance in edges, and every edge between them."""

    root: BareId
    reach: Reach
    distances: dict[BareId, int] = field(default_factory=dict)
    edges: dict[tuple[Any, ...], BareRow] = field(default_factory=dict)
    # More is there than depth or limit let it see.
    truncated: bool = False

    def __post_init__(self) -> None:
        """Begin at the root."""
        self.distances[self.root] = 0

    def ends(self, row: BareRow) -> tuple[BareId, BareId]:
        """The near and the far end of an edge."""
        return (row[1], row[0]) if self.reach.upstream else (row[0], row[1])

    def onward(self) -> dict[BareId, list[BareId]]:
        """From each node those that are reached from it."""
        found: dict[BareId, list[BareId]] = {}
        for row in self.edges.values():
            near, far = self.ends(row)
            found.setdefault(near, []).append(far)
        return found


def follow(connection: Connection, namespace_id: int, root: UUID, reach: Reach, *, depth: int, limit: int) -> Walk:
    """Walk from a record, at most `depth` edges far and to at most `limit` further nodes."""
    walk = Walk(bare(connection, root), reach)
    edge_limit = limit * _EDGES_PER_NODE
    if depth > _LEVELS:
        rows = graph.walk(connection, namespace_id, [walk.root], reach, edge_limit + 1)
        walk.truncated = len(rows) > edge_limit
        _take_whole(walk, rows[:edge_limit], depth, limit)
        return walk
    frontier = [walk.root]
    for distance in range(1, depth + 2):
        level = graph.find_edges(connection, namespace_id, frontier, reach, edge_limit + 1)
        if not level:
            break
        if distance > depth:
            walk.truncated = True
            break
        frontier = _advance(walk, level, distance, limit, edge_limit)
        if walk.truncated:
            break
    return walk


def _take_whole(walk: Walk, rows: Sequence[BareRow], depth: int, limit: int) -> None:
    """Take all edges on the ways from the root, and reckon the distances."""
    leading: dict[BareId, list[BareRow]] = {}
    near = 1 if walk.reach.upstream else 0
    for row in rows:
        leading.setdefault(row[near], []).append(row)
    frontier = [walk.root]
    for distance in range(1, depth + 1):
        level = [row for node in frontier for row in leading.get(node, ())]
        frontier = _advance(walk, level, distance, limit, len(rows) + 1)
        if not frontier:
            return
    walk.truncated = walk.truncated or any(node in leading for node in frontier)


def _advance(walk: Walk, rows: Iterable[BareRow], distance: int, limit: int, edge_limit: int) -> list[BareId]:
    """Take the edges of one level into the walk; returns the nodes met for the first time."""
    fresh: list[BareId] = []
    distances, edges, far = walk.distances, walk.edges, 0 if walk.reach.upstream else 1
    for row in rows:
        met = row[far]
        if met not in distances:
            if len(distances) > limit:
                walk.truncated = True
                break
            distances[met] = distance
            fresh.append(met)
        if len(edges) >= edge_limit:
            walk.truncated = True
            break
        edges[row[:5]] = row
    return fresh
