"""`studbook ingest` with folders of models and model files, against a real registry in a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from click.testing import Result

    from tests.cli.conftest import Command

FILES = Path(__file__).parents[1] / "formats" / "files"
CARD = """---
license: apache-2.0
base_model: org/base
datasets: [org/data]
model-index: [{name: x, results: [{dataset: {type: mmlu}, metrics: [{type: accuracy, value: 0.5}]}]}]
---
# Tuned

It answers.
"""


def succeed(result: Result) -> str:
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    text: str = result.stdout
    return text


def make_folder(parent: Path, name: str = "tuned", **config: Any) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert", **config}))
    return folder


def test_a_folder_is_shown_and_registered(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path, auto_map={"AutoModel": "own.Model"})
    shown = succeed(command("ingest", "tuned"))
    for words in (
        "BertModel",
        "Apache-2.0",
        "org/base",
        "finetuned-from",
        "org/data",
        "mmlu",
        "remote-code",
        "own.Model",
        "tuned/1",
    ):
        assert words in shown
    version = json.loads(succeed(command("show", "tuned/1", "--json")))
    assert version["attributes"]["license"] == "Apache-2.0"
    assert [artifact["name"] for artifact in version["artifacts"]] == ["README.md", "config.json"]
    digest = version["artifacts"][0]["digest"]
    assert "models/tuned/versions/1" in succeed(command("resolve", digest))


def test_the_same_folder_is_registered_once_and_a_changed_one_again(command: Command, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert "tuned/1" in succeed(command("ingest", "tuned"))
    assert "tuned/1" in succeed(command("ingest", "tuned/"))
    (folder / "weights.bin").write_bytes(b"x")
    assert "tuned/2" in succeed(command("ingest", "tuned"))
    assert "tuned/3" in succeed(command("ingest", "tuned", "--again"))


def test_a_base_that_arrives_later_is_linked(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path)
    make_folder(tmp_path, "base")
    (tmp_path / "base" / "README.md").unlink()
    succeed(command("ingest", "tuned"))
    succeed(command("ingest", "base", "--identifier", "huggingface:org/base"))
    lineage = succeed(command("lineage", "tuned/1"))
    assert "base/1" in lineage
    assert "finetuned-from" in lineage


def test_a_dry_run_registers_nothing(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path)
    assert "BertModel" in succeed(command("ingest", "tuned", "--dry-run"))
    document = json.loads(succeed(command("ingest", "tuned", "--dry-run", "--json", "--uri-prefix", "s3://x", "--model", "own")))
    assert document["model"]["name"] == "own"
    assert document["version"]["artifacts"][0]["uri"] == "s3://x/README.md"
    assert not (tmp_path / "registry.db").exists()
    # What a dry run prints is a document as any other.
    (tmp_path / "drafted.json").write_text(json.dumps(document))
    assert "own/1" in succeed(command("ingest", "drafted.json"))


@pytest.mark.parametrize("name", ["lightgbm-4.7.0.txt", "xgboost-3.2.0.ubj", "xgboost-3.2.0.json"])
def test_a_single_model_file_is_registered(command: Command, tmp_path: Path, name: str) -> None:
    shutil.copy(FILES / name, tmp_path / name)
    assert "churn/1" in succeed(command("ingest", name, "--model", "churn"))
    assert json.loads(succeed(command("show", "churn/1", "--json")))["attributes"]["format"] == name.partition("-")[0]


def test_answers_for_scripts_are_lines(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path)
    (line,) = succeed(command("ingest", "tuned", "--json")).splitlines()
    assert json.loads(line)["file"] == "tuned"
    assert json.loads(line)["result"]["version"]["name"] == "models/tuned/versions/1"


def test_warnings_go_to_standard_error(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path, _name_or_path="org/other")
    result = command("ingest", "tuned")
    assert "org/other" not in result.stdout
    assert "loaded from org/other" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("empty",), 1, "holds no files"),
        (("broken.txt",), 1, "breaks off"),
        (("nothing", "--dry-run"), 3, "no such file or folder"),
        (("document.yaml", "--dry-run"), 2, "no folder and no model file"),
        (("document.yaml", "--model", "x"), 2, "is a document"),
        (("tuned", "--identifier", "huggingface"), 2, "SCHEME:VALUE"),
        (("tuned", "--identifier", "a:b", "--identifier", "a:c"), 2, "given twice"),
        (("tuned", "--identifier", "sha256:x"), 1, "sha256"),
        (("tuned", "--model", "@x"), 1, "begin with '@'"),
    ],
)
def test_errors_are_plain(command: Command, tmp_path: Path, words: tuple[str, ...], code: int, message: str) -> None:
    make_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.txt").write_bytes((FILES / "lightgbm-4.7.0.txt").read_bytes()[:900])
    (tmp_path / "document.yaml").write_text("model: {name: x}\nversion: {}\n")
    result = command("ingest", *words)
    assert result.exit_code == code, (result.stdout, result.stderr)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_that_is_taken_is_refused_in_words(command: Command, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    succeed(command("ingest", "tuned", "--identifier", "huggingface:org/tuned"))
    (folder / "weights.bin").write_bytes(b"x")
    result = command("ingest", "tuned", "--identifier", "huggingface:org/tuned")
    assert result.exit_code == 1
    assert "huggingface" in result.stderr


def test_what_is_refused_does_not_hold_up_the_next(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    result = command("ingest", "empty", "tuned")
    assert result.exit_code == 6
    assert "tuned/1" in result.stdout


def test_names_that_a_terminal_would_obey_are_shown_harmlessly(command: Command, tmp_path: Path) -> None:
    make_folder(tmp_path, "a\x1b[31mb")
    shown = succeed(command("ingest", "a\x1b[31mb", "--dry-run"))
    assert "\x1b[31m" not in shown
    assert json.loads(succeed(command("ingest", "a\x1b[31mb", "--dry-run", "--json")))["model"]["name"] == "a[31mb"
