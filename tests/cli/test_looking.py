"""`resolve` with several identifiers, `whatis` and `watch`: what they print, run, and end with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import studbook
from studbook.client.digests import digest_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command


@pytest.fixture
def folder(folder: Path) -> Path:
    """A folder with a registry that knows a model's file and folder, and data."""
    (folder / "model").mkdir()
    for name in ("model/weights.bin", "model.onnx", "train.csv", "stray.bin"):
        (folder / name).write_text(f"content of {name}")
    with open_registry(folder) as registry:
        for path in ("model.onnx", "model"):
            with registry.run(capture=False) as run:
                run.use_dataset("churn-train", path=folder / "train.csv")
                run.log_artifact(folder / path, uri=f"s3://models/{path}")
                run.register("churn")
        registry.set_alias("churn", "champion", 1)
    return folder


def open_registry(folder: Path) -> studbook.Registry:
    return studbook.connect(folder / "registry.db", spool=folder / "spool")


def test_several_identifiers_are_resolved(command: Command, folder: Path) -> None:
    digest = digest_path(folder / "model.onnx").digest
    done = command("resolve", digest, "s3://models/model")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert digest in lines[1]
    assert "models/churn/versions/1" in lines[1]
    assert "s3://models/model " in lines[2]
    assert "models/churn/versions/2" in lines[2]
    partly = command("resolve", digest[:19], "mlflow_run:none", "a/b/c")
    assert partly.exit_code == 3
    assert "models/churn/versions/1" in partly.stdout
    assert "nothing" in partly.stdout
    answer = command("resolve", digest, "a/b/c", "--json")
    assert answer.exit_code == 3
    assert [bool(item["matches"]) for item in json.loads(answer.stdout)["items"]] == [True, False]


def test_one_identifier_may_be_shortened(command: Command, folder: Path) -> None:
    digest = digest_path(folder / "train.csv").digest
    for text in (digest, digest[:19], f"{digest[:19]}…"):
        assert "datasets/churn-train/versions/1" in command("resolve", text).stdout
        assert "datasets/churn-train/versions/1" in command("show", text).stdout
    assert command("resolve", "sha256:0000").exit_code == 1
    assert command("resolve", "sha256:000000000000").exit_code == 3


def test_files_are_named(command: Command, folder: Path) -> None:
    done = command("whatis", "model.onnx", "train.csv", "model")
    assert done.exit_code == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert "churn/1" in rows["model.onnx"]
    assert "datasets/churn-train/versions/1" in rows["train.csv"]
    assert "churn/2" in rows["model/"]
    assert "part of model" in rows["model/weights.bin"]


def test_an_unknown_file_has_an_exit_code_of_its_own(command: Command, folder: Path) -> None:
    done = command("whatis", "model.onnx", "stray.bin")
    assert done.exit_code == 3
    assert "unknown" in done.stdout
    answer = json.loads(command("whatis", "model.onnx", "stray.bin", "--json").stdout)["items"]
    assert [(item["path"], item["kind"], item["known"]) for item in answer] == [
        ("model.onnx", "file", True), ("stray.bin", "file", False),
    ]  # fmt: skip
    assert answer[0]["matches"][0]["name"] == "models/churn/versions/1"
    assert answer[1]["digest"] == digest_path(folder / "stray.bin").digest
    assert command("whatis", ".").exit_code == 3
    assert command("whatis", "not-there").exit_code == 2
    assert command("whatis").exit_code == 2


@contextlib.contextmanager
def watching(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`studbook watch` in a process of its own, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "studbook.cli", "watch", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_a_version_is_printed_as_it_changes(folder: Path) -> None:
    with watching("churn@champion", "--json") as process, open_registry(folder) as registry:
        assert read_line(process)["number"] == 1
        for version in (2, 1):
            registry.set_alias("churn", "champion", version)
            begun = time.monotonic()
            assert read_line(process)["number"] == version
            assert time.monotonic() - begun < 5
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_once_waits_for_the_first_change_and_runs_the_command(folder: Path) -> None:
    told = folder / "told"
    script = f'cat > {told}.json; echo "$WATCHED_VERSION $WATCHED_MODEL $WATCHED_NUMBER" > {told}; exit 7'
    begun = time.monotonic()
    with watching("churn@champion", "--json") as process:
        read_line(process)
    # Nothing tells that it has begun to watch; so it is given three times as long as it took just now.
    pause = 3 * (time.monotonic() - begun)
    with watching("churn@champion", "--once", "--exec", script) as process:
        time.sleep(pause)
        assert process.poll() is None
        assert not told.exists()
        with open_registry(folder) as registry:
            registry.set_alias("churn", "champion", 2)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "churn/2  @champion" in out
    assert "exit code 7" in err
    assert told.read_text() == "models/churn/versions/2 churn 2\n"
    assert json.loads((folder / "told.json").read_text())["number"] == 2


def test_what_cannot_be_watched_is_refused(command: Command) -> None:
    assert command("watch", "churn").exit_code == 2
    assert command("watch", "datasets/churn-train/versions/1").exit_code == 2
    assert command("watch", "churn@none", "--once").exit_code == 3
