"""A part of the graph as an answer: nodes and the edges between them, all in one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from studbook.services.lineage.walking import DEPTH_LIMIT, follow
from studbook.storage import graph
from studbook.storage.dialects import bare, id_text
from studbook.storage.graph import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.names import Kind
    from studbook.services.lineage.walking import Walk
    from studbook.storage.dialects import BareId
    from studbook.storage.graph import BareNode, BareRow
    from studbook.storage.references import Found

# How an edge is called that stands for ways through records that are not shown.
THROUGH: Final = "through"


class Direction(StrEnum):
    """Which way the graph is walked."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class View:
    """Which part of the graph is asked for."""

    direction: Direction = Direction.BOTH
    depth: int = 3
    # At most so many nodes in each direction.
    limit: int = 1000
    relations: frozenset[str] = frozenset()
    # Only records of these kinds are shown; the others are walked through.
    kinds: frozenset[Kind] = frozenset()
    as_of: str | None = None
    # Whether edges are wanted, or the nodes alone.
    edges: bool = True


def get_lineage(connection: Connection, namespace_id: int, root: Found, view: View) -> JsonObject:
    """The nodes within `depth` edges of the root, nearest first, and the edges walked.

    `truncated` is true when depth or limit left something out. Distances are negative upstream. Who wants everything and no edges
    gets the nodes by generation, nearest first, without distances: that takes half the time.
    """
    if not view.edges and view.depth == DEPTH_LIMIT:
        return _everything(connection, namespace_id, root, view)
    walks = []
    for upstream, other in ((True, Direction.DOWNSTREAM), (False, Direction.UPSTREAM)):
        if view.direction is not other:
            reach = Reach(upstream, view.relations, view.as_of, short=not view.edges)
            walks.append(follow(connection, namespace_id, root.id, reach, depth=view.depth, limit=view.limit))
    distances: dict[BareId, int] = {}
    for walk in walks:
        sign = -1 if walk.reach.upstream else 1
        distances |= {node: sign * distance for node, distance in walk.distances.items()}
    nodes = graph.find_bare_nodes(connection, namespace_id, distances)
    shown = {node: row for node, row in nodes.items() if not view.kinds or row.kind in view.kinds or node == walks[0].root}
    signed = graph.find_signed(connection, namespace_id, shown)
    edges: list[JsonObject] = []
    if view.edges:
        for walk in walks:
            edges += _edges_between(walk, nodes) if len(shown) == len(nodes) else _contracted(walk, nodes, shown)
    return {
        "root": root.name,
        "nodes": [_node(shown[node], distance, signed) for node, distance in distances.items() if node in shown],
        "edges": edges,
        "truncated": any(walk.truncated for walk in walks),
        "direction": view.direction.value,
        "depth": view.depth,
        "as_of": view.as_of,
    }


def _everything(connection: Connection, namespace_id: int, root: Found, view: View) -> JsonObject:
    nodes: dict[BareId, BareNode] = {}
    truncated = False
    for upstream, other in ((True, Direction.DOWNSTREAM), (False, Direction.UPSTREAM)):
        if view.direction is not other:
            reach = Reach(upstream, view.relations, view.as_of)
            found = graph.reach_nodes(connection, namespace_id, bare(connection, root.id), reach, view.limit + 2)
            # The root is one of them.
            truncated = truncated or len(found) > view.limit + 1
            nodes |= {node.id: node for node in sorted(found[: view.limit + 1], key=_GENERATION, reverse=upstream)}
    shown = [node for node in nodes.values() if not view.kinds or node.kind in view.kinds or node.name == root.name]
    signed = graph.find_signed(connection, namespace_id, [node.id for node in shown])
    return {
        "root": root.name,
        "nodes": [_node(node, 0 if node.name == root.name else None, signed) for node in shown],
        "edges": [],
        "truncated": truncated,
        "direction": view.direction.value,
        "depth": view.depth,
        "as_of": view.as_of,
    }


_GENERATION: Final = attrgetter("generation")


def _edges_between(walk: Walk, nodes: Mapping[BareId, BareNode]) -> list[JsonObject]:
    names = {node: row.name for node, row in nodes.items()}
    return [edge_json(row, names) for row in walk.edges.values() if row[0] in names and row[1] in names]


def _contracted(walk: Walk, nodes: Mapping[BareId, BareNode], shown: Mapping[BareId, BareNode]) -> list[JsonObject]:
    """The edges between shown nodes, and one for each way from one to another through nodes that are not shown."""
    names = {node: row.name for node, row in nodes.items()}
    edges = [edge_json(row, names) for row in walk.edges.values() if row[0] in shown and row[1] in shown]
    onward = walk.onward()
    for start in shown:
        seen: set[BareId] = set()
        waiting = [node for node in onward.get(start, ()) if node not in shown]
        reached: dict[BareId, None] = {}
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            for far in onward.get(node, ()):
                if far in shown:
                    reached[far] = None
                else:
                    waiting.append(far)
        for far in reached:
            source, target = (far, start) if walk.reach.upstream else (start, far)
            edges.append(_through(names[source], names[target]))
    return edges


def _node(row: BareNode, distance: int | None, signed: set[BareId]) -> JsonObject:
    return {
        "id": id_text(row[0]),
        "kind": row[1],
        "name": row[2],
        "generation": row[3],
        "distance": distance,
        "signed": row[0] in signed,
    }


def edge_json(row: BareRow, names: Mapping[BareId, str]) -> JsonObject:
    """An edge as an answer shows it."""
    source, target, relation, role, basis, run, event, since, until = row
    return {
        "source": names[source],
        "target": names[target],
        "relation": relation,
        "role": role or None,
        "basis": basis,
        "run": id_text(run) if run else None,
        "event": id_text(event),
        "since": since,
        "until": until,
    }


def _through(source: str, target: str) -> JsonObject:
    nothing = dict.fromkeys(("role", "basis", "run", "event", "since", "until"))
    return {"source": source, "target": target, "relation": THROUGH, **nothing}
