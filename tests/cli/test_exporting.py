"""`studbook export`: files by their ending, standard output, and what is said when there is nothing to write with."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

import studbook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command


@pytest.fixture
def folder(folder: Path) -> Path:
    """The folder with two versions in its registry."""
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        for rate in (0.1, 0.2):
            with registry.run(capture=False) as run:
                run.log_parameters({"rate": rate})
                run.log_metric("auc", 1 - rate)
                run.register("churn", description="=cmd|' /C calc'!A0")
    return folder


@pytest.fixture
def command(command: Command) -> Command:
    return lambda *words: command("export", *words)


def test_the_ending_names_the_format(command: Command, folder: Path) -> None:
    for name in ("all.jsonl", "all.csv", "all.parquet", "all.arrow"):
        done = command(name)
        assert done.exit_code == 0, done.stderr
        assert name in done.stdout
        assert "bytes" in done.stdout
    numbers = [json.loads(line)["number"] for line in (folder / "all.jsonl").read_text().splitlines()]
    assert numbers == [2, 1]
    assert parquet.read_table(folder / "all.parquet")["number"].to_pylist() == numbers
    with pa.OSFile(str(folder / "all.arrow")) as file:
        assert pa.ipc.open_stream(file).read_all()["number"].to_pylist() == numbers
    with (folder / "all.csv").open(newline="") as file:
        assert {row["description"] for row in csv.DictReader(file)} == {"'=cmd|' /C calc'!A0"}


def test_filter_text_order_and_format_are_passed_on(command: Command, folder: Path) -> None:
    done = command(
        "some.txt", "--filter", "params.rate > 0", "--order-by", "metrics.auc", "--text", "chur", "--format", "jsonl", "--json"
    )
    assert done.exit_code == 0, done.stderr
    size = (folder / "some.txt").stat().st_size
    assert json.loads(done.stdout) == {"file": "some.txt", "format": "jsonl", "bytes": size}
    assert [json.loads(line)["number"] for line in (folder / "some.txt").read_text().splitlines()] == [2, 1]
    assert command("some.txt", "--format", "csv", "--filter", "params.rate > 0.1").exit_code == 0
    assert len((folder / "some.txt").read_text().splitlines()) == 2


def test_a_dash_is_standard_output(command: Command) -> None:
    assert [json.loads(line)["number"] for line in command("-").stdout.splitlines()] == [2, 1]
    assert command("-", "--format", "parquet").stdout_bytes[:4] == b"PAR1"


def test_what_cannot_be_written_is_said(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = command("all.xlsx")
    assert unknown.exit_code == 2
    assert ".parquet" in unknown.stderr
    assert command("all.csv", "--format", "xlsx").exit_code == 2
    bad = command("all.csv", "--filter", "params.rate >")
    assert bad.exit_code == 1
    assert "column 14" in bad.stderr
    away = command("none/all.csv")
    assert away.exit_code == 1
    assert "none/all.csv" in away.stderr
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    missing = command("all.parquet")
    assert missing.exit_code == 1
    assert "pip install 'studbook[arrow]'" in missing.stderr
    assert [path.name for path in folder.iterdir() if "all" in path.name] == []


def test_a_reader_that_has_enough_is_no_defect(folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m studbook.cli export - | head -c 1"],
        env=dict(os.environ),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"{"
    assert b"Traceback" not in done.stderr
