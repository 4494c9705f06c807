"""Every command against a real registry in a file: what it prints for people, for scripts, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from studbook.cli.main import COMMANDS, app
from studbook.storage.migrations import HEAD
from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Command = Callable[..., Result]


@pytest.fixture
def studbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command on a registry in a file of its own."""
    monkeypatch.setenv("STUDBOOK_URL", str(tmp_path / "registry.db"))
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("STUDBOOK_TOKEN", raising=False)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(words))


def succeed(result: Result) -> str:
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    text: str = result.stdout
    return text


def record(studbook: Command, folder: Path, number: int, **version: Any) -> None:
    document = make_document(run={"environment": {"step": number}})
    document["version"] |= {"parents": [f"churn/{number - 1}"] if number > 1 else [], "parameters": {"depth": number}, **version}
    path = folder / f"record-{number}.json"
    path.write_text(json.dumps(document))
    assert f"churn/{number}" in succeed(studbook("ingest", str(path)))


@pytest.mark.parametrize("command", [name for group in COMMANDS.values() for name in group])
def test_every_command_explains_itself(studbook: Command, command: str) -> None:
    assert "Usage" in succeed(studbook(command, "--help"))


def test_a_record_is_ingested_shown_and_found(studbook: Command, tmp_path: Path) -> None:
    record(studbook, tmp_path, 1, artifacts=[{"uri": "x", "digest": digest_of("a")}])
    record(studbook, tmp_path, 2)
    succeed(studbook("alias", "set", "churn", "champion", "2"))
    shown = succeed(studbook("show", "churn@champion"))
    assert "models/churn/versions/2" in shown
    assert "churn-train" in shown
    assert json.loads(succeed(studbook("show", "churn/1", "--json")))["number"] == 1
    assert "models/churn/versions/1" in succeed(studbook("resolve", digest_of("a")))
    assert "depth" in succeed(studbook("diff", "churn/1", "churn/2"))
    tree = succeed(studbook("lineage", "churn/2"))
    assert tree.index("churn/1") < tree.index("datasets/churn-train/versions/1")
    assert "churn/2" in succeed(studbook("search", "churn"))


@pytest.mark.parametrize("noun", ["models", "runs", "datasets", "deployments", "experiments"])
def test_lists_are_lines_for_scripts(studbook: Command, tmp_path: Path, noun: str) -> None:
    record(studbook, tmp_path, 1)
    succeed(studbook("deploy", "churn/1", "prod"))
    json.loads(succeed(studbook("list", noun, "--json")) or "[]")
    succeed(studbook("list", noun))


def test_the_same_file_records_once(studbook: Command, tmp_path: Path) -> None:
    record(studbook, tmp_path, 1)
    succeed(studbook("ingest", str(tmp_path / "record-1.json")))
    assert json.loads(succeed(studbook("show", "models/churn", "--json")))["latest_version"] == 1


def test_exit_codes_say_what_happened(studbook: Command, tmp_path: Path) -> None:
    record(studbook, tmp_path, 1)
    bad = tmp_path / "bad.json"
    bad.write_text('{"model": {"name": ""}, "version": {"colour": 1}}')
    refused = studbook("ingest", str(bad))
    assert refused.exit_code == 1
    assert "/version/colour" in refused.stderr
    assert studbook("ingest", str(tmp_path / "record-1.json"), str(bad)).exit_code == 6
    assert studbook("show", "nope/1").exit_code == 3
    assert studbook("show").exit_code == 2
    away = studbook("--url", "http://127.0.0.1:9", "list", "models")
    assert away.exit_code == 5
    assert "Traceback" not in away.stderr


def test_facts_are_changed(studbook: Command, tmp_path: Path) -> None:
    record(studbook, tmp_path, 1)
    succeed(studbook("tag", "set", "churn/1", "stage=prod"))
    assert json.loads(succeed(studbook("show", "churn/1", "--json")))["tags"] == {"stage": "prod"}
    succeed(studbook("archive", "churn/1"))
    assert json.loads(succeed(studbook("show", "churn/1", "--json")))["archived_at"]
    succeed(studbook("restore", "churn/1"))
    succeed(studbook("alias", "set", "churn", "champion", "1"))
    assert "champion" in succeed(studbook("alias", "list", "churn"))
    succeed(studbook("alias", "delete", "churn", "champion"))
    assert studbook("show", "churn@champion").exit_code == 3


def test_tokens_are_made_listed_and_revoked(studbook: Command) -> None:
    made = json.loads(succeed(studbook("token", "create", "ci", "--access", "read", "--json")))
    assert made["token"].startswith("sbk_api_")
    listed = succeed(studbook("token", "list"))
    assert "ci" in listed
    assert made["token"] not in listed
    succeed(studbook("token", "revoke", made["id"]))
    assert "revoked" in succeed(studbook("token", "list"))


def test_ndjson_goes_through_the_batch(studbook: Command, tmp_path: Path) -> None:
    lines = [json.dumps(make_document(f"model-{number}")) for number in range(3)]
    (tmp_path / "many.ndjson").write_text("\n".join([*lines, "{broken"]))
    assert studbook("ingest", str(tmp_path / "many.ndjson")).exit_code == 6
    assert "model-2" in succeed(studbook("list", "models"))


def test_the_database_is_looked_after(studbook: Command) -> None:
    assert studbook("db", "status").exit_code in {0, 1}
    succeed(studbook("db", "upgrade"))
    assert HEAD in succeed(studbook("db", "status"))
