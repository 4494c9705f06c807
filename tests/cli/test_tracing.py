"""`studbook graph …`: what the lineage is asked, as a person reads it and as a program does."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

import studbook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command


DATA = "datasets/reviews/versions/1"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


@pytest.fixture
def folder(folder: Path) -> Path:
    """Reviews, a base made of them, a fine-tune of it that serves, and another one that waits for what nobody recorded."""
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        data = {"name": "reviews", "digest": digest("a"), "license": "CC-BY-4.0", "sensitivity": "personal"}
        registry.ingest({"model": {"name": "base", "owners": [{"name": "vision"}]}, "version": {}, "datasets": [data], "run": {}})
        tuned = {"parents": [{"ref": "base/1", "relation": "finetuned-from"}]}
        registry.ingest({"model": {"name": "tuned", "owners": [{"name": "search"}]}, "version": tuned})
        waits = {"parents": [{"ref": "huggingface:org/unknown", "relation": "finetuned-from", "external": True}]}
        registry.ingest({"model": {"name": "waiting"}, "version": waits})
        registry.deploy("tuned/1", "production")
    return folder


def lines(command: Command, *words: str) -> str:
    done = command("graph", *words)
    assert done.exit_code == 0, done.stderr
    return "\n".join(" ".join(line.split()) for line in (done.stdout + done.stderr).splitlines())


def test_why_names_the_event(command: Command, folder: Path) -> None:
    text = lines(command, "why", "base/1", "tuned/1")
    assert "finetuned-from declared" in text
    assert "model_version.registered" in text
    assert "No edge leads" in lines(command, "why", "tuned/1", "base/1")
    assert json.loads(command("graph", "why", "base/1", "tuned/1", "--json").stdout)["edges"][0]["basis"] == "declared"


def test_ways_are_followed_in_the_direction_of_time(command: Command, folder: Path) -> None:
    text = lines(command, "path", DATA, "tuned/1")
    assert text.startswith("datasets/reviews/versions/1 → runs/")
    assert text.endswith("→ base/1 → tuned/1")
    assert lines(command, "path", "waiting/1", "tuned/1") == "Neither came of the other."
    assert len(json.loads(command("graph", "path", DATA, "tuned/1", "--all", "--json").stdout)["paths"]) == 1


def test_impact_names_owners_and_where_it_serves(command: Command, folder: Path) -> None:
    text = lines(command, "impact", DATA)
    assert "base/1 2 vision" in text
    assert "tuned/1 3 search" in text
    assert "production active" in text
    rows = list(csv.DictReader(io.StringIO(command("graph", "impact", DATA, "--csv").stdout)))
    assert {row["kind"] for row in rows} >= {"model_version", "deployment"}
    assert lines(command, "impact", "waiting/1") == "Nothing came of it."


def test_what_flows_down_and_what_is_shared(command: Command, folder: Path) -> None:
    text = lines(command, "inherited", "tuned/1")
    assert "license CC-BY-4.0 datasets/reviews/versions/1" in text
    assert "personal data datasets/reviews/versions/1" in text
    assert "datasets/reviews/versions/1 dataset_version" in lines(command, "shared", "tuned/1", "base/1")
    assert lines(command, "shared", "waiting/1", "base/1") == "They have no ancestor in common."


def test_two_lineages_are_compared(command: Command, folder: Path) -> None:
    text = lines(command, "compare", "base/1", "tuned/1")
    assert "+ base/1 → . finetuned-from (declared)" in text
    assert lines(command, "compare", "base/1") == "They come from the same, in the same way."


def test_health_counts_what_is_missing(command: Command, folder: Path) -> None:
    text = lines(command, "health")
    assert "versions that come from nothing: 1" in text
    assert "references that mean nothing yet: 1 waiting/1 huggingface:org/unknown" in text.replace("\n", " ")
    assert "edges that are told by somebody or by a file, and that nothing else shows: 1 base/1 → tuned/1" in text.replace(
        "\n", " "
    )


def test_edges_are_declared_and_withdrawn(command: Command, folder: Path) -> None:
    words = ("base/1", "waiting/1", "--relation", "distilled-from")
    assert "distilled-from (declared) is drawn" in command("graph", "declare", *words).stdout
    assert "it is declared already" in command("graph", "declare", *words).stdout
    circle = command("graph", "declare", "tuned/1", "base/1", "--relation", "finetuned-from")
    assert circle.exit_code != 0
    assert "its own ancestor" in circle.stderr
    assert command("graph", "withdraw", "base/1", "waiting/1").exit_code == 2
    gone = command("graph", "withdraw", "base/1", "waiting/1", "--reason", "a mistake")
    assert "distilled-from (declared) is withdrawn" in gone.stdout
    assert "distilled-from declared" in lines(command, "why", "base/1", "waiting/1")
    assert lines(command, "path", "base/1", "waiting/1") == "Neither came of the other."


@pytest.mark.parametrize("form", ["mermaid", "dot", "graphml", "prov", "openlineage", "csv-nodes", "csv-edges"])
def test_a_lineage_is_written_to_a_file_or_to_the_terminal(command: Command, folder: Path, form: str) -> None:
    shown = command("graph", "export", "tuned/1", "--format", form)
    assert shown.exit_code == 0, shown.stderr
    assert "base" in shown.stdout
    told = command("graph", "export", "tuned/1", "--format", form, "--output", "lineage.out")
    assert "lineage.out" in told.stdout
    assert (folder / "lineage.out").read_text() == shown.stdout
    assert command("graph", "export", "tuned/1", "--format", form, "-o", "no/such/folder").exit_code == 1


def test_faults_say_what_to_do(command: Command, folder: Path) -> None:
    for words in (("impact", "nobody/1"), ("why", "base/1", "nobody/1"), ("path", "nobody/1", "base/1")):
        done = command("graph", *words)
        assert done.exit_code == 3
        assert "nobody" in done.stderr
    assert command("graph", "export", "tuned/1", "--format", "gif").exit_code == 2
