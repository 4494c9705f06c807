"""Graphs in the DOT language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.formats.lineage.graph import DATASET_VERSION, DEPLOYMENT, MODEL_VERSION, NOT_ALL, RUN, in_pieces, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from studbook.formats.lineage.graph import Graph

_SHAPES: Final = {MODEL_VERSION: "box", DATASET_VERSION: "cylinder", RUN: "ellipse", DEPLOYMENT: "hexagon"}


def write_dot(graph: Graph) -> Generator[bytes, None, None]:
    """A directed graph from left to right; dashed edges are only declared. A partial graph says so in a comment and its label."""
    return in_pieces(_lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    if graph.truncated:
        yield f"// {NOT_ALL}\n"
    yield "digraph lineage {\n  rankdir=LR;\n"
    if graph.truncated:
        yield f"  label={quote(NOT_ALL)};\n"
    for node in graph.nodes:
        style = ", penwidth=3" if node.name == graph.root else ""
        yield f"  {quote(node.id)} [label={label(node.name)}, shape={_SHAPES.get(node.kind, 'note')}{style}];\n"
    ids = {node.name: node.id for node in graph.nodes}
    for edge in graph.edges:
        words = f"{edge.relation}: {edge.role}" if edge.role else edge.relation
        style = ", style=dashed" if edge.basis == "declared" else ""
        yield f"  {quote(ids[edge.source])} -> {quote(ids[edge.target])} [label={label(words)}{style}];\n"
    yield "}\n"


def quote(text: str) -> str:
    """A quoted string: a quote is escaped, and so is a backslash, which may not stand last before the closing quote.

    Control characters become spaces: NUL ends a file for Graphviz, and a line break in a string is only sometimes one.
    """
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def label(text: str) -> str:
    """A quoted label: `&` begins an entity there, as in HTML, so it is written as one."""
    return quote(text.replace("&", "&amp;"))
