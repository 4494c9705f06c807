"""The nodes and the edges of a lineage graph, each as a table in CSV."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from studbook.formats.comma_separated import write_csv
from studbook.formats.table import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Any

    from studbook.formats.lineage.graph import Graph

_ROWS_AT_ONCE: Final = 1000
_NODE_COLUMNS: Final = (
    Column("id", ColumnType.TEXT),
    Column("kind", ColumnType.TEXT),
    Column("name", ColumnType.TEXT),
    Column("distance", ColumnType.INTEGER),
    Column("created", ColumnType.TEXT),
    Column("by", ColumnType.TEXT),
    Column("digests", ColumnType.TEXT),
    Column("job", ColumnType.TEXT),
    Column("started", ColumnType.TEXT),
    Column("ended", ColumnType.TEXT),
    Column("status", ColumnType.TEXT),
)
_EDGE_FIELDS: Final = ("source", "target", "relation", "role", "basis", "since", "until", "run", "event")
_EDGE_COLUMNS: Final = tuple(Column(name, ColumnType.TEXT) for name in _EDGE_FIELDS)


def write_nodes(graph: Graph) -> Generator[bytes, None, None]:
    """A line for each node; several digests stand in one cell with spaces between. CSV has no place to say it is a part."""
    rows = (
        (
            node.id,
            node.kind,
            node.name,
            node.distance,
            node.facts.created,
            node.facts.by,
            " ".join(digest for _, digest in node.facts.digests) or None,
            node.facts.job,
            node.facts.started,
            node.facts.ended,
            node.facts.status,
        )
        for node in graph.nodes
    )
    return write_csv(_NODE_COLUMNS, _in_groups(rows))


def write_edges(graph: Graph) -> Generator[bytes, None, None]:
    """A line for each edge, with the names of its ends."""
    rows = (tuple(getattr(edge, name) for name in _EDGE_FIELDS) for edge in graph.edges)
    return write_csv(_EDGE_COLUMNS, _in_groups(rows))


def _in_groups(rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    while group := list(islice(rows, _ROWS_AT_ONCE)):
        yield group
