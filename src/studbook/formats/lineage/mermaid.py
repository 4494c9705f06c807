"""Flowcharts for Mermaid (https://mermaid.js.org/syntax/flowchart.html), which Markdown of many forges shows as drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.formats.lineage.graph import DATASET_VERSION, DEPLOYMENT, MODEL_VERSION, NOT_ALL, RUN, in_pieces, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from studbook.formats.lineage.graph import Edge, Graph

_SHAPES: Final = {
    MODEL_VERSION: ('(["', '"])'),
    DATASET_VERSION: ('[("', '")]'),
    RUN: ('[["', '"]]'),
    DEPLOYMENT: ('{{"', '"}}'),
}
_RECORD: Final = ('["', '"]')
# A label is read as Markdown and HTML between quotes; these may stand in it as they are, all else as a numbered entity.
_PLAIN: Final = frozenset(" /@:.,_")


def write_mermaid(graph: Graph) -> Generator[bytes, None, None]:
    """A flowchart from left to right; dashed edges are only declared. A partial graph says so in a comment and a note."""
    return in_pieces(_lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR\n"
    if graph.truncated:
        yield f"  %% {NOT_ALL}\n"
        yield f'  truncated["{NOT_ALL}"]\n'
    ids: dict[str, str] = {}
    for number, node in enumerate(graph.nodes):
        ids[node.name] = f"n{number}"
        opening, closing = _SHAPES.get(node.kind, _RECORD)
        yield f"  n{number}{opening}{escape(node.name)}{closing}\n"
    for edge in graph.edges:
        yield f'  {ids[edge.source]} {_arrow(edge)}|"{escape(_label(edge))}"| {ids[edge.target]}\n'
    if graph.root in ids:
        yield f"  style {ids[graph.root]} stroke-width:3px\n"


def _arrow(edge: Edge) -> str:
    return "-.->" if edge.basis == "declared" else "-->"


def _label(edge: Edge) -> str:
    return f"{edge.relation}: {edge.role}" if edge.role else edge.relation


def escape(text: str) -> str:
    """Text as a quoted label: whatever is not a letter, a digit or harmless becomes `#number;`."""
    return "".join(letter if letter.isalnum() or letter in _PLAIN else f"#{ord(letter)};" for letter in printable(text))
