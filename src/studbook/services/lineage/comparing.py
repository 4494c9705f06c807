"""What differs between the lineages of two records, or of one record at two times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studbook.services.lineage.walking import DEPTH_LIMIT, NODE_LIMIT, follow
from studbook.storage import graph
from studbook.storage.graph import Reach

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.references import Found


@dataclass(frozen=True, slots=True)
class Side:
    """A record, and the time at which its lineage is looked at; None is now."""

    record: Found
    as_of: str | None = None


def compare_lineages(connection: Connection, namespace_id: int, first: Side, second: Side) -> JsonObject:
    """The records and edges upstream that only the first has, and those that only the second has; the two themselves apart."""
    sides = [_upstream(connection, namespace_id, side) for side in (first, second)]
    (nodes, edges, cut), (other_nodes, other_edges, other_cut) = sides
    return {
        "from": {"name": first.record.name, "as_of": first.as_of},
        "to": {"name": second.record.name, "as_of": second.as_of},
        "nodes": {
            "removed": [_node(name, kind) for name, kind in nodes.items() if name not in other_nodes],
            "added": [_node(name, kind) for name, kind in other_nodes.items() if name not in nodes],
            "common": len(nodes.keys() & other_nodes.keys()),
        },
        "edges": {
            "removed": [_edge(edge) for edge in sorted(edges - other_edges)],
            "added": [_edge(edge) for edge in sorted(other_edges - edges)],
        },
        "truncated": cut or other_cut,
    }


_ITSELF = "."


def _upstream(
    connection: Connection, namespace_id: int, side: Side
) -> tuple[dict[str, str], set[tuple[str, str, str, str, str]], bool]:
    """Kinds by name, edges by the names of their ends, and whether that is not all; the record itself is called `.`."""
    reach = Reach(upstream=True, as_of=side.as_of)
    walk = follow(connection, namespace_id, side.record.id, reach, depth=DEPTH_LIMIT, limit=NODE_LIMIT)
    rows = graph.find_bare_nodes(connection, namespace_id, walk.distances)
    names = {node: _ITSELF if node == walk.root else row.name for node, row in rows.items()}
    kinds = {row.name: row.kind for node, row in rows.items() if node != walk.root}
    edges = {(names[row[0]], names[row[1]], row[2], row[3], row[4]) for row in walk.edges.values()}
    return kinds, edges, walk.truncated


def _node(name: str, kind: str) -> JsonObject:
    return {"name": name, "kind": kind}


def _edge(edge: tuple[str, str, str, str, str]) -> JsonObject:
    source, target, relation, role, basis = edge
    return {"source": source, "target": target, "relation": relation, "role": role or None, "basis": basis}
