"""`studbook witness …`: what it prints for people and for scripts, and how it ends."""

from __future__ import annotations

import builtins
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from studbook.cli.main import app
from studbook.merkle.notes import parse_vkey
from studbook.merkle.policy import parse_policy
from studbook.witness.folder import WitnessFolder
from tests.witness.conftest import ORIGIN, WITNESS, Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from studbook.witness.cosigning import Cosigning

    Command = Callable[..., Result]


@pytest.fixture
def studbook(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `studbook witness` with some words."""
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["witness", *map(str, words)])


def test_a_new_witness_tells_its_key_and_its_line_of_a_policy(studbook: Command, tmp_path: Path) -> None:
    result = studbook("init", tmp_path / "w", "--name", WITNESS, "--reached-at", "https://witness.example.org")
    assert result.exit_code == 0
    vkey, line = result.stdout.splitlines()
    key = parse_vkey(vkey)
    [witness] = parse_policy(f"{line}\nquorum {WITNESS}\n".encode()).witnesses
    assert (witness.key, witness.url) == (key, "https://witness.example.org")
    assert WitnessFolder(tmp_path / "w").key == key


def test_a_second_witness_in_one_folder_is_refused(studbook: Command, folder: WitnessFolder) -> None:
    result = studbook("init", folder.path, "--name", "other")
    assert result.exit_code == 1
    assert "holds a witness already" in result.stderr


def test_logs_are_added_by_their_keys(studbook: Command, folder: WitnessFolder, log: Log) -> None:
    other = Log(origin="another.example.org").signer.verifier_key
    assert "is trusted now" in studbook("add-log", folder.path, str(other), "--origin", "another.example.org").stdout
    told = json.loads(studbook("add-log", folder.path, str(other), "--origin", "another.example.org", "--json").stdout)
    assert (told["origin"], told["new"], told["fingerprint"]) == ("another.example.org", False, other.fingerprint)
    assert "was trusted already" in studbook("add-log", folder.path, str(log.signer.verifier_key)).stdout
    assert [state.origin for state in folder.list_logs()] == ["another.example.org", ORIGIN]


def test_a_key_that_is_none_is_a_mistake_of_writing(studbook: Command, folder: WitnessFolder) -> None:
    assert studbook("add-log", folder.path, "nonsense").exit_code == 2
    assert studbook("add-log", folder.path, str(folder.key)).exit_code == 1


@pytest.mark.parametrize("words", [["show"], ["serve"], ["add-log", "x"]])
def test_a_folder_without_a_witness_is_one_sentence(studbook: Command, tmp_path: Path, words: list[str]) -> None:
    result = studbook(words[0], tmp_path, *words[1:])
    assert result.exit_code == 1
    assert "holds no witness; make one: studbook witness init" in " ".join(result.stderr.split())


def test_show_tells_each_log(studbook: Command, folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    assert "never" in studbook("show", folder.path).stdout
    assert json.loads(studbook("show", folder.path, "--json").stdout)["logs"][0]["size"] is None
    witness.add_checkpoint(log.request(0, 7))
    shown = studbook("show", folder.path)
    assert shown.exit_code == 0
    assert ORIGIN in shown.stdout
    assert "7   2027-01-15 08:00:00 UTC" in shown.stdout
    [told] = json.loads(studbook("show", folder.path, "--json").stdout)["logs"]
    assert told == {
        "origin": ORIGIN,
        "keys": [str(log.signer.verifier_key)],
        "size": 7,
        "cosigned_at": "2027-01-15T08:00:00+00:00",
        "evidence": {"fork": 0, "unproven": 0},
    }


def test_show_is_a_negative_answer_once_a_log_forked(
    studbook: Command, folder: WitnessFolder, witness: Cosigning, log: Log
) -> None:
    witness.add_checkpoint(log.request(0, 7))
    witness.add_checkpoint(log.fork(3).request(0, 5))
    assert studbook("show", folder.path).exit_code == 0
    witness.add_checkpoint(log.fork(3).request(7, 7))
    shown = studbook("show", folder.path)
    assert shown.exit_code == 1
    assert "1 fork, 1 unproven" in shown.stdout


def test_without_cryptography_it_says_what_to_install(studbook: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("studbook.witness"):
            raise ModuleNotFoundError(name="cryptography.exceptions")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    result = studbook("show", tmp_path)
    assert result.exit_code == 1
    assert '(cryptography.exceptions is missing): pip install "studbook[audit]"' in result.stderr
