"""`studbook search`: what it finds, counts and highlights, and how it shows where a question is wrong."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

import studbook

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.cli.conftest import Command


@pytest.fixture
def command(command: Command, folder: Path) -> Command:
    """`search` on a registry with three versions of two models."""
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        for auc, model, team in [(0.7, "churn", "growth"), (0.9, "churn", "a:b"), (0.8, "fraud or loss", "growth")]:
            with registry.run(capture=False) as run:
                run.log_metric("auc", auc)
                run.register(model, tags={"team": team}, description="boosted\ttrees, déjà vu")
    return lambda *words: command("search", *words)


def names(result: Result) -> list[str]:
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    return [re.split(r"\s{2,}", line)[0] for line in result.stdout.splitlines()[1:] if not line.startswith(" ")]


def test_what_is_found(command: Command) -> None:
    loss = "fraud%20or%20loss/1"
    assert names(command()) == [loss, "churn/2", "churn/1"]
    assert names(command("chu", "--order-by", "-metrics.auc")) == ["churn/2", "churn/1"]
    assert names(command("--filter", "metrics.auc > 0.75")) == [loss, "churn/2"]
    assert names(command("-f", "number = 1 or number = 2", "--model", "fraud or loss")) == [loss]
    assert names(command("--tag", "team=growth", "--model", "churn")) == ["churn/1"]
    assert names(command("--tag", "team=a:b")) == ["churn/2"]
    assert names(command("--tag", "team:growth", "--limit", "1")) == [loss]
    assert json.loads(command("--limit", "1", "--json").stdout)["truncated"] is True
    assert "Nothing found" in command("rees").stderr
    assert command("--tag", "team").exit_code == 2


def test_words_are_shown_where_they_stand(command: Command) -> None:
    result = command("DEJA", "--model", "churn", "--limit", "1")
    assert names(result) == ["churn/2"]
    assert "description: boosted trees, déjà vu" in result.stdout
    item = json.loads(command("DEJA", "--limit", "1", "--json").stdout)["items"][0]
    assert item["highlights"][0]["pointer"] == "/description"
    assert "description:" not in command("--model", "churn").stdout


def test_how_much_there_is_and_of_what(command: Command) -> None:
    assert command("--count").stdout.strip() == "3"
    assert command("boosted", "--count", "--filter", "metrics.auc > 0.75").stdout.strip() == "2"
    shown = command("--facet", "tags.team", "--facet", "model").stdout.splitlines()
    assert [line.split() for line in shown[:3]] == [["tags.team", "versions"], ["growth", "2"], ["a:b", "1"]]
    assert ["churn", "2"] in [line.split() for line in shown]
    answer = json.loads(command("--count", "--facet", "model", "--json").stdout)
    assert answer["total"] == {"count": 3, "exact": True}
    assert answer["facets"]["model"]["values"][0] == {"value": "churn", "count": 2}


def test_what_can_be_asked(command: Command) -> None:
    shown = command("--fields").stdout
    assert re.search(r"created_at\s+time", shown)
    assert "tags.…" in shown
    assert {"name": "tags", "type": "text", "open": True, "schema": None, "facet": True, "ready": True} in json.loads(
        command("--fields", "--json").stdout
    )["items"]


LONG = f"{'number = 1 and ' * 20}x = 1{' or number = 1' * 9}"


@pytest.mark.parametrize(
    ("words", "shown", "marked"),
    [
        (["--filter", "number = 1 and nmber = 2"], "number = 1 and nmber = 2", "nmber = 2"),
        # A character of two columns takes two.
        (["--filter", "日本 exists or 語 == 1"], "日本 exists or 語 == 1", "== 1"),
        (["--filter", "number ="], "number =", ""),
        (["--filter", "nope = 1", "--model", "m"], 'model = "m" and nope = 1', "nope = 1"),
        (["--order-by", "number desc"], "number desc", "desc"),
        (["--filter", LONG], "…", "x = 1 or"),
    ],
)
def test_where_a_question_is_wrong_is_shown(command: Command, words: list[str], shown: str, marked: str) -> None:
    refused = command(*words)
    assert refused.exit_code == 1
    question, mark, said, *_ = refused.stderr.splitlines()
    assert question.strip().startswith(shown)
    at = next(at for at in range(len(question) + 1) if cell_len(question[:at]) == mark.index("^"))
    assert question[at:].startswith(marked)
    assert bool(question[at:]) == bool(marked)
    assert "column" in said


def test_what_cannot_be_looked_for_is_refused_in_words(command: Command) -> None:
    assert "no word" in command("!!!").stderr
    assert "is no facet" in command("--facet", "created_at").stderr
    bytes_without_text = command("\udcff")
    assert bytes_without_text.exit_code == 2
    assert "UTF-8" in bytes_without_text.stderr
