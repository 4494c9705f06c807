"""Every command against a real registry in a file: what it prints for people, for scripts, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from studbook.cli.main import COMMANDS
from studbook.storage.migrations import HEAD
from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.cli.conftest import Command


def succeed(result: Result) -> str:
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    text: str = result.stdout
    return text


def record(command: Command, folder: Path, number: int, **version: Any) -> None:
    document = make_document(run={"environment": {"step": number}})
    document["version"] |= {"parents": [f"churn/{number - 1}"] if number > 1 else [], "parameters": {"depth": number}, **version}
    path = folder / f"record-{number}.json"
    path.write_text(json.dumps(document))
    assert f"churn/{number}" in succeed(command("ingest", str(path)))


@pytest.mark.parametrize("asked", [name for group in COMMANDS.values() for name in group])
def test_every_command_explains_itself(command: Command, asked: str) -> None:
    assert "Usage" in succeed(command(asked, "--help"))


def test_a_record_is_ingested_shown_and_found(command: Command, tmp_path: Path) -> None:
    record(command, tmp_path, 1, artifacts=[{"uri": "x", "digest": digest_of("a")}])
    record(command, tmp_path, 2)
    succeed(command("alias", "set", "churn", "champion", "2"))
    shown = succeed(command("show", "churn@champion"))
    assert "models/churn/versions/2" in shown
    assert "churn-train" in shown
    assert json.loads(succeed(command("show", "churn/1", "--json")))["number"] == 1
    assert "models/churn/versions/1" in succeed(command("resolve", digest_of("a")))
    assert "depth" in succeed(command("diff", "churn/1", "churn/2"))
    tree = succeed(command("lineage", "churn/2"))
    assert tree.index("churn/1") < tree.index("datasets/churn-train/versions/1")
    assert "churn/2" in succeed(command("search", "churn"))


@pytest.mark.parametrize("noun", ["models", "runs", "datasets", "deployments", "experiments"])
def test_lists_are_lines_for_scripts(command: Command, tmp_path: Path, noun: str) -> None:
    record(command, tmp_path, 1)
    succeed(command("deploy", "churn/1", "prod"))
    json.loads(succeed(command("list", noun, "--json")) or "[]")
    succeed(command("list", noun))


def test_the_same_file_records_once(command: Command, tmp_path: Path) -> None:
    record(command, tmp_path, 1)
    succeed(command("ingest", str(tmp_path / "record-1.json")))
    assert json.loads(succeed(command("show", "models/churn", "--json")))["latest_version"] == 1


def test_exit_codes_say_what_happened(command: Command, tmp_path: Path) -> None:
    record(command, tmp_path, 1)
    bad = tmp_path / "bad.json"
    bad.write_text('{"model": {"name": ""}, "version": {"colour": 1}}')
    refused = command("ingest", str(bad))
    assert refused.exit_code == 1
    assert "/version/colour" in refused.stderr
    assert command("ingest", str(tmp_path / "record-1.json"), str(bad)).exit_code == 6
    assert command("show", "nope/1").exit_code == 3
    assert command("show").exit_code == 2
    away = command("--url", "http://127.0.0.1:9", "list", "models")
    assert away.exit_code == 5
    assert "Traceback" not in away.stderr


def test_facts_are_changed(command: Command, tmp_path: Path) -> None:
    record(command, tmp_path, 1)
    succeed(command("tag", "set", "churn/1", "stage=prod"))
    assert json.loads(succeed(command("show", "churn/1", "--json")))["tags"] == {"stage": "prod"}
    succeed(command("archive", "churn/1"))
    assert json.loads(succeed(command("show", "churn/1", "--json")))["archived_at"]
    succeed(command("restore", "churn/1"))
    succeed(command("alias", "set", "churn", "champion", "1"))
    assert "champion" in succeed(command("alias", "list", "churn"))
    succeed(command("alias", "delete", "churn", "champion"))
    assert command("show", "churn@champion").exit_code == 3


def test_tokens_are_made_listed_and_revoked(command: Command) -> None:
    made = json.loads(succeed(command("token", "create", "ci", "--access", "read", "--json")))
    assert made["token"].startswith("sbk_api_")
    listed = succeed(command("token", "list"))
    assert "ci" in listed
    assert made["token"] not in listed
    succeed(command("token", "revoke", made["id"]))
    assert "revoked" in succeed(command("token", "list"))


def test_ndjson_goes_through_the_batch(command: Command, tmp_path: Path) -> None:
    lines = [json.dumps(make_document(f"model-{number}")) for number in range(3)]
    (tmp_path / "many.ndjson").write_text("\n".join([*lines, "{broken"]))
    assert command("ingest", str(tmp_path / "many.ndjson")).exit_code == 6
    assert "model-2" in succeed(command("list", "models"))


def test_the_database_is_looked_after(command: Command) -> None:
    assert command("db", "status").exit_code in {0, 1}
    succeed(command("db", "upgrade"))
    assert HEAD in succeed(command("db", "status"))
