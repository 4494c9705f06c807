"""The lineage of a record as a file: provenance and events as their specifications have them, and every format over the API."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

import studbook
from studbook.cli.main import app
from studbook.formats.lineage.graph import Edge, Facts, Graph, Node, Origin
from studbook.formats.lineage.openlineage import write_openlineage
from studbook.formats.lineage.prov import write_prov
from tests.lineage.conftest import ingest, version
from tests.lineage.graphs import DIGEST, HOSTILE, RUN_ID, START, hostile_graph, training

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

ORIGIN = Origin("https://registry.example/api/v1/namespaces/default/", "https://producer.example/")
FORMATS = ["mermaid", "dot", "graphml", "prov", "openlineage", "csv-nodes", "csv-edges"]


def events(graph: Graph) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(write_openlineage(graph, ORIGIN)).decode().splitlines()]


def provenance(graph: Graph) -> Any:
    return json.loads(b"".join(write_prov(graph, ORIGIN)))


def test_a_run_is_told_by_its_start_and_its_end() -> None:
    told = events(training())
    for event in told:
        # What the specification asks of every event.
        assert {"eventTime", "producer", "schemaURL"} <= event.keys()
        assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert len({"run", "dataset", "job"} & event.keys()) >= 1
    runs = [event for event in told if "run" in event]
    assert [event["eventType"] for event in runs] == ["START", "COMPLETE"]
    for event in runs:
        assert UUID(event["run"]["runId"]) == UUID(RUN_ID)
        assert event["job"] == {"namespace": ORIGIN.base, "name": "nightly"}
        assert [entry["name"] for entry in event["inputs"]] == ["datasets/corpus/versions/1"]
        assert [entry["name"] for entry in event["outputs"]] == ["models/tuned/versions/1"]
    tuned = next(event["dataset"] for event in told if event.get("dataset", {}).get("name") == "models/tuned/versions/1")
    assert tuned["facets"]["version"]["datasetVersion"] == DIGEST
    assert tuned["facets"]["studbook_origins"]["origins"][0]["relation"] == "finetuned-from"
    assert all({"_producer", "_schemaURL"} <= facet.keys() for facet in tuned["facets"].values())
    # Nobody knows when the base was recorded, and an event must have a time.
    assert "models/base/versions/1" not in [event.get("dataset", {}).get("name") for event in told]


def test_provenance_has_entities_activities_and_agents() -> None:
    told = provenance(training())
    assert told["prefix"]["record"] == ORIGIN.base
    assert set(told["entity"]) == {
        "record:datasets/corpus/versions/1", "record:models/base/versions/1", "record:models/tuned/versions/1",
    }  # fmt: skip
    assert "record:runs/r1" in told["activity"]
    used = {(entry["prov:activity"], entry["prov:entity"]) for entry in told["used"].values()}
    # A deployment is an activity too, which uses the version.
    assert ("record:runs/r1", "record:datasets/corpus/versions/1") in used
    assert ("record:deployments/p1", "record:models/tuned/versions/1") in used
    (made,) = told["wasGeneratedBy"].values()
    assert (made["prov:entity"], made["prov:activity"]) == ("record:models/tuned/versions/1", "record:runs/r1")
    (derived,) = told["wasDerivedFrom"].values()
    assert derived["prov:generatedEntity"] == "record:models/tuned/versions/1"
    assert derived["prov:usedEntity"] == "record:models/base/versions/1"
    assert "agent:ada%40example.org" in told["agent"]
    for relation in ("used", "wasGeneratedBy", "wasDerivedFrom"):
        for entry in told[relation].values():
            ends = [value for name, value in entry.items() if name.startswith("prov:") and str(value).startswith("record:")]
            assert all(end in told["entity"] or end in told["activity"] for end in ends)


def test_names_that_would_break_out_do_not() -> None:
    graph = hostile_graph()
    timed = [Node(node.id, node.kind, node.name, node.distance, Facts(created=START, by=node.name)) for node in graph.nodes]
    told = events(Graph(graph.root, timed, graph.edges))
    assert [event["dataset"]["name"] for event in told] == list(HOSTILE)
    assert len(provenance(Graph(graph.root, timed, graph.edges))["entity"]) == len(HOSTILE)


@pytest.mark.parametrize("write", [write_prov, write_openlineage])
def test_a_part_says_that_it_is_one(write: Any) -> None:
    graph = training()
    part = b"".join(write(Graph(graph.root, graph.nodes, graph.edges, truncated=True), ORIGIN))
    assert part != b"".join(write(graph, ORIGIN))


def test_an_edge_to_what_is_shown_twice_is_one() -> None:
    nodes = [Node("a", "model_version", "a", 0, Facts(created=START)), Node("b", "model_version", "b", 1, Facts(created=START))]
    edges = [Edge("a", "b", "merged-from", basis=basis) for basis in ("declared", "matched")]
    told = provenance(Graph("a", nodes, edges))
    assert sorted(entry["studbook:basis"] for entry in told["wasDerivedFrom"].values()) == ["declared", "matched"]


@pytest.fixture
def trained(api: httpx.Client) -> httpx.Client:
    data = {"name": "org/corpus", "digest": "sha256:" + "c" * 64}
    ingest(api, version("base", digest="1") | {"run": {"job": "pretrain"}, "datasets": [data]})
    ingest(api, version("ünïcode / x", {"ref": "base/1", "relation": "finetuned-from"}))
    return api


def test_every_format_is_complete_over_the_api(trained: httpx.Client) -> None:
    files = {}
    for form in FORMATS:
        answer = trained.get("/lineage/models/base/versions/1/export", params={"format": form})
        assert answer.status_code == 200, answer.text
        assert answer.headers["Studbook-Truncated"] == "false"
        assert "attachment" in answer.headers["Content-Disposition"]
        files[form] = answer.text
    scene = trained.get("/lineage/models/base/versions/1", params={"depth": 1000}).json()
    names = {node["name"] for node in scene["nodes"]}
    assert {row["name"] for row in csv.DictReader(io.StringIO(files["csv-nodes"]))} == names
    assert len(list(csv.DictReader(io.StringIO(files["csv-edges"])))) == len(scene["edges"]) == 3
    xml = ET.fromstring(files["graphml"])  # noqa: S314 - written by the code under test
    assert len(xml.findall(".//{*}node")) == len(names) == 4
    prov = json.loads(files["prov"])
    assert len(prov["entity"]) + len(prov["activity"]) == len(names)
    told = [json.loads(line) for line in files["openlineage"].splitlines()]
    assert {event["dataset"]["name"] for event in told if "dataset" in event} == {name for name in names if "runs/" not in name}
    assert files["dot"].startswith("digraph")
    assert files["mermaid"].startswith("flowchart")


def test_one_direction_and_one_kind(trained: httpx.Client) -> None:
    parameters = {"format": "csv-nodes", "direction": "upstream", "kind": "dataset_version"}
    rows = csv.DictReader(io.StringIO(trained.get("/lineage/models/base/versions/1/export", params=parameters).text))
    assert {row["name"] for row in rows} == {"models/base/versions/1", "datasets/org%2Fcorpus/versions/1"}
    assert trained.get("/lineage/models/base/versions/1/export", params={"format": "pdf"}).status_code == 422
    assert trained.get("/lineage/models/none/versions/1/export", params={"format": "dot"}).status_code == 404


def test_the_sdk_and_the_command_write_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_URL", str(tmp_path / "registry.db"))
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    with studbook.connect(tmp_path / "registry.db", spool=tmp_path / "spool") as registry:
        registry.ingest(version("base"))
        registry.ingest(version("tuned", {"ref": "base/1", "relation": "finetuned-from"}))
        found = registry.export_lineage("tuned/1", "csv-edges")
    assert (found.content.count(b"\n"), found.truncated) == (2, False)
    runner = CliRunner()
    shown = runner.invoke(app, ["graph", "export", "tuned/1", "--format", "mermaid"])
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("flowchart LR")
    done = runner.invoke(app, ["graph", "export", "tuned/1", "--format", "dot", "--output", str(tmp_path / "out.dot")])
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out.dot").read_text().startswith("digraph lineage {")
    assert runner.invoke(app, ["graph", "export", "tuned/1", "--format", "dot", "-o", str(tmp_path / "no" / "x")]).exit_code == 1
