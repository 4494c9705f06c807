"""Graphs as Mermaid, DOT, GraphML and CSV: names that would break out of them are read back as they were."""

from __future__ import annotations

import csv
import io
import re
from xml.etree import ElementTree as ET

import pytest

from studbook.formats.lineage import dot, graphml, mermaid, tables
from studbook.formats.lineage.graph import NOT_ALL, Edge, Graph, Node, in_pieces
from tests.lineage.graphs import HOSTILE, RUN_ID, hostile_graph, training

_NS = "{http://graphml.graphdrawing.org/xmlns}"


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def without_entities(text: str) -> str:
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


def test_mermaid_has_one_statement_a_line_and_labels_that_decode_to_the_names() -> None:
    lines = b"".join(mermaid.write_mermaid(hostile_graph())).decode().splitlines()
    assert lines[0] == "flowchart LR"
    nodes = [re.fullmatch(r'  (n\d+)\(\["([^"<>`\[\]\\&|{}]*)"\]\)', line) for line in lines[1 : 1 + len(HOSTILE)]]
    assert [without_entities(found[2]) for found in nodes if found] == [printable(name) for name in HOSTILE]
    edges = [re.fullmatch(r'  n(\d+) -\.->\|"([^"<>`\[\]\\&|{}]*)"\| n(\d+)', line) for line in lines[1 + len(HOSTILE) : -1]]
    assert [(int(found[1]), int(found[3])) for found in edges if found] == [(n, n + 1) for n in range(len(HOSTILE) - 1)]
    assert [without_entities(found[2]) for found in edges if found] == [
        printable(f"finetuned-from: {role}") for role in HOSTILE[:-1]
    ]
    assert lines[-1] == "  style n0 stroke-width:3px"


def test_mermaid_tells_kinds_and_what_is_only_declared_apart() -> None:
    text = b"".join(mermaid.write_mermaid(training())).decode()
    assert 'n0[("datasets/corpus/versions/1")]' in text
    assert 'n1[["runs/r1"]]' in text
    assert 'n4{{"deployments/p1"}}' in text
    assert 'n0 -->|"input: training"| n1' in text
    assert 'n2 -.->|"finetuned#45;from"| n3' in text


# A quoted string as the language defines it: anything but a quote, unless it is escaped.
_QUOTED = r'"((?:[^"\\\n]|\\.)*)"'


def unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("&amp;", "&")


def test_dot_has_one_statement_a_line_and_labels_that_decode_to_the_names() -> None:
    lines = b"".join(dot.write_dot(hostile_graph())).decode().splitlines()
    assert lines[:2] == ["digraph lineage {", "  rankdir=LR;"]
    assert lines[-1] == "}"
    nodes = [re.fullmatch(rf"  {_QUOTED} \[label={_QUOTED}, shape=box(, penwidth=3)?\];", line) for line in lines[2:-1]]
    found = [(node[1], unquoted(node[2])) for node in nodes if node]
    assert found == [(f"id-{n}", printable(name)) for n, name in enumerate(HOSTILE)]
    edges = [re.fullmatch(rf"  {_QUOTED} -> {_QUOTED} \[label={_QUOTED}, style=dashed\];", line) for line in lines[2:-1]]
    labels = [unquoted(edge[3]) for edge in edges if edge]
    assert labels == [printable(f"finetuned-from: {role}") for role in HOSTILE[:-1]]
    assert len(found) + len(labels) == len(lines) - 3


def test_graphml_is_read_back_with_its_types() -> None:
    root = ET.fromstring(b"".join(graphml.write_graphml(hostile_graph(truncated=True))))  # noqa: S314 - what was written a line ago
    types = {key.get("id"): key.get("attr.type") for key in root.iter(f"{_NS}key")}
    assert types["node.distance"] == "int"
    assert types["graph.truncated"] == "boolean"
    used = {data.get("key") for data in root.iter(f"{_NS}data")}
    assert used <= set(types)
    named = [data.text for data in root.iterfind(f".//{_NS}node/{_NS}data[@key='node.name']")]
    assert named == [re.sub("[\x00\x1b\ufffe]", "\ufffd", name) for name in HOSTILE]
    edges = [(edge.get("source"), edge.get("target")) for edge in root.iter(f"{_NS}edge")]
    assert edges == [(f"id-{n}", f"id-{n + 1}") for n in range(len(HOSTILE) - 1)]
    assert root.findtext(f"{_NS}graph/{_NS}data[@key='graph.truncated']") == "true"


def test_graphml_has_what_is_known_of_a_run() -> None:
    root = ET.fromstring(b"".join(graphml.write_graphml(training())))  # noqa: S314 - what was written a line ago
    run = {data.get("key"): data.text for data in root.iterfind(f".//{_NS}node[@id='{RUN_ID}']/{_NS}data")}
    assert run["node.job"] == "nightly"
    assert run["node.distance"] == "-1"
    base = {data.get("key") for data in root.iterfind(f".//{_NS}node[@id='m1']/{_NS}data")}
    assert base == {"node.kind", "node.name", "node.distance", "node.by"}


def rows(pieces: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))  # type: ignore[call-overload]


def test_tables_have_every_node_and_edge_and_no_formula() -> None:
    nodes, edges = rows(tables.write_nodes(hostile_graph())), rows(tables.write_edges(hostile_graph()))
    assert [row["name"] for row in nodes] == [f"'{name}" if name.startswith("=") else name for name in HOSTILE]
    assert [row["distance"] for row in nodes] == [str(n) for n in range(len(HOSTILE))]
    assert len(edges) == len(HOSTILE) - 1
    assert {row["basis"] for row in edges} == {"declared"}
    assert "'=HYPERLINK(1)" in {row["source"] for row in edges}


@pytest.mark.parametrize("write", [mermaid.write_mermaid, dot.write_dot])
def test_a_part_says_that_it_is_one(write: object) -> None:
    assert NOT_ALL in b"".join(write(hostile_graph(truncated=True))).decode()  # type: ignore[operator]
    assert NOT_ALL not in b"".join(write(hostile_graph())).decode()  # type: ignore[operator]


def test_a_large_graph_comes_in_pieces() -> None:
    nodes = [Node(str(n), "run", f"runs/{n}") for n in range(5000)]
    edges = [Edge(f"runs/{n}", f"runs/{n + 1}", "through") for n in range(4999)]
    graph = Graph("runs/0", nodes, edges)
    for write in (mermaid.write_mermaid, dot.write_dot, graphml.write_graphml, tables.write_nodes, tables.write_edges):
        assert len(list(write(graph))) > 2


def test_half_a_pair_does_not_stop_a_file() -> None:
    assert b"".join(in_pieces(["a\ud800b"])) == b"a?b"
