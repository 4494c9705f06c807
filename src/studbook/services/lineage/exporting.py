"""The lineage of a record as a file: everything within the bounds of a walk, in one of several formats."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.formats.lineage.dot import write_dot
from studbook.formats.lineage.graph import Edge, Facts, Graph, Node, Origin
from studbook.formats.lineage.graphml import write_graphml
from studbook.formats.lineage.mermaid import write_mermaid
from studbook.formats.lineage.openlineage import write_openlineage
from studbook.formats.lineage.prov import write_prov
from studbook.formats.lineage.tables import write_edges, write_nodes
from studbook.services.lineage.scene import get_lineage
from studbook.storage import governance as records

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.services.lineage.scene import View
    from studbook.storage.references import Found


class LineageFormat(StrEnum):
    """How a lineage is written."""

    MERMAID = "mermaid"
    DOT = "dot"
    GRAPHML = "graphml"
    PROV = "prov"
    OPENLINEAGE = "openlineage"
    CSV_NODES = "csv-nodes"
    CSV_EDGES = "csv-edges"


# What is called by whoever made a file, where a format asks for that.
PRODUCER: Final = "https://studbook.dev/"
# Drawings have no place for facts, and tables of edges none for nodes.
_WITHOUT_FACTS: Final = frozenset({LineageFormat.MERMAID, LineageFormat.DOT, LineageFormat.CSV_EDGES})
_WRITERS: Final = {
    LineageFormat.MERMAID: write_mermaid,
    LineageFormat.DOT: write_dot,
    LineageFormat.GRAPHML: write_graphml,
    LineageFormat.CSV_NODES: write_nodes,
    LineageFormat.CSV_EDGES: write_edges,
}
_WORLDWIDE: Final = {LineageFormat.PROV: write_prov, LineageFormat.OPENLINEAGE: write_openlineage}
# Records read in one statement: each may be long, and only its facts are kept.
_CHUNK: Final = 500


def read_graph(connection: Connection, namespace_id: int, root: Found, view: View, written: LineageFormat) -> Graph:
    """All that a format has a place for: the nodes and edges of a view and, unless it is a drawing, what is known of the nodes.

    Facts are as they are recorded now, also in a view of the past.
    """
    scene = get_lineage(connection, namespace_id, root, view)
    facts = {} if written in _WITHOUT_FACTS else _read_facts(connection, namespace_id, scene["nodes"])
    nodes = [
        Node(node["id"], node["kind"], node["name"], node["distance"], facts.get(node["id"], Facts())) for node in scene["nodes"]
    ]
    return Graph(scene["root"], nodes, [Edge(**edge) for edge in scene["edges"]], scene["truncated"])


def write_graph(graph: Graph, written: LineageFormat, base: str) -> Generator[bytes, None, None]:
    """The graph as a file, piece by piece; `base` is the address that the names of records complete."""
    if written in _WORLDWIDE:
        return _WORLDWIDE[written](graph, Origin(base, PRODUCER))
    return _WRITERS[written](graph)


def _read_facts(connection: Connection, namespace_id: int, nodes: Sequence[JsonObject]) -> dict[str, Facts]:
    ids: dict[Kind, list[UUID]] = {}
    for node in nodes:
        ids.setdefault(Kind(node["kind"]), []).append(UUID(node["id"]))
    facts: dict[str, Facts] = {}
    for kind, every in ids.items():
        for start in range(0, len(every), _CHUNK):
            found = records.find_records(connection, kind, namespace_id, every[start : start + _CHUNK])
            facts |= {str(record_id): _facts_of(read_canonical(record)) for record_id, record in found.items()}
    return facts


def _facts_of(record: JsonObject) -> Facts:
    return Facts(
        created=record["created_at"],
        by=record["created_by"],
        digests=list(_digests(record)),
        job=record.get("job"),
        started=record.get("started_at"),
        ended=record.get("ended_at"),
        status=record.get("status"),
    )


def _digests(record: JsonObject) -> Iterator[tuple[str, str]]:
    if record["kind"] == Kind.MODEL_VERSION:
        for artifact in record["artifacts"]:
            if artifact["digest"]:
                yield artifact["name"] or artifact["uri"], artifact["digest"]
    elif record["kind"] == Kind.DATASET_VERSION and record["digest"]:
        yield "data", record["digest"]
