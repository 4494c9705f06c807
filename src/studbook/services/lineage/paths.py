"""Ways from one record to another, and the ancestors that two have in common."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from studbook.services.lineage.scene import edge_json
from studbook.services.lineage.walking import DEPTH_LIMIT, NODE_LIMIT, follow
from studbook.storage import graph
from studbook.storage.dialects import bare, id_text
from studbook.storage.graph import Reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.services.lineage.walking import Walk
    from studbook.storage.dialects import BareId
    from studbook.storage.references import Found

PATH_LIMIT: Final = 100
# Steps that are taken in search of further ways: there may be more ways than atoms.
_STEP_LIMIT: Final = 100_000


def find_paths(
    connection: Connection, namespace_id: int, first: Found, second: Found, *, every: bool, limit: int, as_of: str | None
) -> JsonObject:
    """The shortest way between two records in the direction of time, or all of them, shortest first.

    `direction` tells which of them came first; it is None where neither came of the other.
    """
    answer: JsonObject = {"from": first.name, "to": second.name, "direction": None, "paths": [], "edges": [], "truncated": False}
    for source, target, direction in ((first, second, "downstream"), (second, first, "upstream")):
        walk = follow(connection, namespace_id, target.id, Reach(upstream=True, as_of=as_of), depth=DEPTH_LIMIT, limit=NODE_LIMIT)
        answer["truncated"] = answer["truncated"] or walk.truncated
        start = bare(connection, source.id)
        if start not in walk.distances or source.id == target.id:
            continue
        # From the source on, only to what leads to the target: the walk upstream has met nothing else.
        onward: dict[BareId, list[BareId]] = {}
        for source_id, target_id, *_ in walk.edges.values():
            if target_id not in onward.setdefault(source_id, []):
                onward[source_id].append(target_id)
        ways, cut = _ways(onward, start, walk.root, walk.distances, limit if every else 1)
        answer["truncated"] = walk.truncated or (every and cut)
        return answer | {"direction": direction} | _shown(connection, namespace_id, walk, ways)
    return answer


def _ways(
    onward: Mapping[BareId, list[BareId]], start: BareId, end: BareId, distances: Mapping[BareId, int], limit: int
) -> tuple[list[list[BareId]], bool]:
    """At most so many ways, shortest first, and whether there are more.

    A best-first search by length so far and distance left: each way that it completes is the shortest of those that are left, and
    of ways that promise the same it goes on with the one it came furthest on.
    """
    ways: list[list[BareId]] = []
    waiting: dict[int, list[list[BareId]]] = {distances[start]: [[start]]}
    steps = 0
    while waiting:
        length = min(waiting)
        way = waiting[length].pop()
        if not waiting[length]:
            del waiting[length]
        if way[-1] == end:
            if len(ways) == limit:
                return ways, True
            ways.append(way)
            continue
        for node in onward.get(way[-1], ()):
            steps += 1
            waiting.setdefault(len(way) + distances[node], []).append([*way, node])
        if steps > _STEP_LIMIT:
            return ways, True
    return ways, False


def _shown(connection: Connection, namespace_id: int, walk: Walk, ways: list[list[BareId]]) -> JsonObject:
    met = dict.fromkeys(node for way in ways for node in way)
    nodes = graph.find_bare_nodes(connection, namespace_id, met)
    names = {node: row.name for node, row in nodes.items()}
    steps = {(one, other) for way in ways for one, other in itertools.pairwise(way)}
    return {
        "paths": [[names.get(node, id_text(node)) for node in way] for way in ways],
        "edges": [edge_json(row, names) for row in walk.edges.values() if (row[0], row[1]) in steps],
    }


def find_shared(connection: Connection, namespace_id: int, first: Found, second: Found, *, as_of: str | None) -> JsonObject:
    """What both records come from, nearest first; `nearest` marks those from which nothing else that is common comes."""
    reach = Reach(upstream=True, as_of=as_of, successions=False)
    walks = [
        follow(connection, namespace_id, record.id, reach, depth=DEPTH_LIMIT, limit=NODE_LIMIT) for record in (first, second)
    ]
    one, other = (walk.distances for walk in walks)
    shared = sorted(one.keys() & other.keys(), key=lambda node: (one[node] + other[node], node))
    behind = set(_sources_of(walks, set(shared)))
    nodes = graph.find_bare_nodes(connection, namespace_id, shared)
    return {
        "of": [first.name, second.name],
        "ancestors": [
            {
                "name": nodes[node].name,
                "kind": nodes[node].kind,
                "distances": [one[node], other[node]],
                "nearest": node not in behind,
            }
            for node in shared
            if node in nodes
        ],
        "truncated": any(walk.truncated for walk in walks),
    }


def _sources_of(walks: list[Walk], nodes: set[BareId]) -> Iterator[BareId]:
    """What leads directly to any of these nodes."""
    for walk in walks:
        for source, target, *_ in walk.edges.values():
            if target in nodes:
                yield source
