"""GraphML 1.0 (http://graphml.graphdrawing.org/specification.html), which Gephi, yEd, Cytoscape and NetworkX read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from studbook.formats.lineage.graph import in_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from studbook.formats.lineage.graph import Edge, Graph, Node

# What XML 1.0 (section 2.2, Char) has no way to write, not even escaped.
_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The keys by what they are of, each with its type.
_KEYS: Final = {
    "graph": {"root": "string", "truncated": "boolean"},
    "node": {
        "kind": "string",
        "name": "string",
        "distance": "int",
        "created": "string",
        "by": "string",
        "digests": "string",
        "job": "string",
        "started": "string",
        "ended": "string",
        "status": "string",
    },
    "edge": {
        "relation": "string",
        "role": "string",
        "basis": "string",
        "since": "string",
        "until": "string",
        "run": "string",
        "event": "string",
    },
}
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'


def write_graphml(graph: Graph) -> Generator[bytes, None, None]:
    """A directed graph with a typed key for each attribute; `truncated` of the graph tells whether it is a part."""
    return in_pieces(_elements(graph))


def _elements(graph: Graph) -> Iterator[str]:
    yield _HEAD
    for owner, keys in _KEYS.items():
        for name, kind in keys.items():
            yield f'  <key id="{owner}.{name}" for="{owner}" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '  <graph id="lineage" edgedefault="directed">\n'
    yield _data("graph", {"root": graph.root, "truncated": "true" if graph.truncated else "false"})
    for node in graph.nodes:
        yield f"    <node id={_attribute(node.id)}>\n{_data('node', _of_node(node))}    </node>\n"
    ids = {node.name: node.id for node in graph.nodes}
    for number, edge in enumerate(graph.edges):
        ends = f"source={_attribute(ids[edge.source])} target={_attribute(ids[edge.target])}"
        yield f'    <edge id="e{number}" {ends}>\n{_data("edge", _of_edge(edge))}    </edge>\n'
    yield "  </graph>\n</graphml>\n"


def _of_node(node: Node) -> dict[str, object]:
    facts = node.facts
    return {
        "kind": node.kind,
        "name": node.name,
        "distance": node.distance,
        "created": facts.created,
        "by": facts.by,
        "digests": " ".join(digest for _, digest in facts.digests) or None,
        "job": facts.job,
        "started": facts.started,
        "ended": facts.ended,
        "status": facts.status,
    }


def _of_edge(edge: Edge) -> dict[str, object]:
    return {name: getattr(edge, name) for name in _KEYS["edge"]}


def _data(owner: str, values: Mapping[str, object]) -> str:
    return "".join(
        f'      <data key="{owner}.{name}">{escape(_writable(str(value)), _BREAKS)}</data>\n'
        for name, value in values.items()
        if value is not None
    )


# A reader makes a line feed of a bare carriage return (XML 1.0, section 2.11), unless it is written as a reference.
_BREAKS: Final = {"\r": "&#13;"}


def _attribute(text: str) -> str:
    return quoteattr(_writable(text))


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
