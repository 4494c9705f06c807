"""Graphs of value types whose texts are meant to break out of whatever they are written into."""

from __future__ import annotations

import itertools

from studbook.formats.lineage.graph import DATASET_VERSION, DEPLOYMENT, MODEL_VERSION, RUN, Edge, Facts, Graph, Node

HOSTILE = (
    "quote \" and ' and `tick`",
    "two\nlines\r\nand\ttabs",
    'a"] --> b["x',
    "]]> <b>&amp;</b> <!-- -->",
    "$(rm -rf /); `id`",
    "é 模型 🐎 \u202e right to left",
    "models/a%2Fb/versions/1",
    "back\\slash\\",
    "=HYPERLINK(1)",
    "%%{init: {}}%% #35; ;",
    "nul\x00 and \x1b[31m and \ufffe",
    "end",
)
DIGEST = "sha256:" + "a" * 64
RUN_ID = "0199f0c1-5962-7001-9d88-bebd9ea15e53"
START, END = "2026-01-02T03:04:05.000000Z", "2026-01-02T04:04:05.000000Z"


def hostile_graph(*, truncated: bool = False) -> Graph:
    """A chain through all hostile names, each edge with a hostile role."""
    nodes = [Node(f"id-{n}", MODEL_VERSION, name, n) for n, name in enumerate(HOSTILE)]
    edges = [
        Edge(first, second, "finetuned-from", role=first, basis="declared", since=START)
        for first, second in itertools.pairwise(HOSTILE)
    ]
    return Graph(HOSTILE[0], nodes, edges, truncated)


def training() -> Graph:
    """Data into a run, out of which comes a version, tuned from another and deployed."""
    facts = Facts(created=START, by="ada@example.org", digests=[("model.safetensors", DIGEST)])
    nodes = [
        Node("d1", DATASET_VERSION, "datasets/corpus/versions/1", -2, Facts(created=START, digests=[("data", DIGEST)])),
        Node(
            RUN_ID, RUN, "runs/r1", -1, Facts(created=END, by="ci", job="nightly", started=START, ended=END, status="completed")
        ),
        Node("m1", MODEL_VERSION, "models/base/versions/1", -1, Facts(by="ada@example.org")),
        Node("m2", MODEL_VERSION, "models/tuned/versions/1", 0, facts),
        Node("p1", DEPLOYMENT, "deployments/p1", 1, Facts(created=END)),
    ]
    edges = [
        Edge("datasets/corpus/versions/1", "runs/r1", "input", "training", "observed", START, None, "r1", "e1"),
        Edge("runs/r1", "models/tuned/versions/1", "output", None, "observed", START, None, "r1", "e1"),
        Edge("models/base/versions/1", "models/tuned/versions/1", "finetuned-from", None, "declared", START, None, None, "e2"),
        Edge("models/tuned/versions/1", "deployments/p1", "deployed", None, "observed", END, None, None, "e3"),
    ]
    return Graph("models/tuned/versions/1", nodes, edges)
