"""Exports through the SDK: embedded and from a server; whole files or none, and none when the registry breaks off."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

import studbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook import Registry
    from tests.client.conftest import FakeRegistry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with studbook.connect(tmp_path / "studbook.db", spool=tmp_path / "spool") as opened:
        for depth in (3, 6, 9):
            with opened.run(capture=False) as run:
                run.log_parameters({"depth": depth})
                run.register("churn", description=f'depth "{depth}", déjà vu')
        yield opened


def test_each_ending_is_a_format(registry: Registry, tmp_path: Path) -> None:
    lines = registry.export(tmp_path / "all.jsonl")
    assert lines == tmp_path / "all.jsonl"
    records = [json.loads(line) for line in lines.read_bytes().splitlines()]
    assert [record["etag"] for record in records] == [registry.version(f"churn/{number}").etag for number in (3, 2, 1)]
    assert registry.export(tmp_path / "all.ndjson").read_bytes() == lines.read_bytes()
    rows = parquet.read_table(registry.export(str(tmp_path / "all.PARQUET"))).to_pylist()
    assert [row["description"] for row in rows] == [record["description"] for record in records]
    for ending in ("arrow", "arrows"):
        with pa.OSFile(str(registry.export(tmp_path / f"all.{ending}"))) as file:
            assert pa.ipc.open_stream(file).read_all().to_pylist() == rows
    with registry.export(tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [row["id"] for row in rows]
    # A format that is named goes before the ending.
    assert registry.export(tmp_path / "all.txt", format="jsonl").read_bytes() == lines.read_bytes()
    with pytest.raises(ValueError, match=r"'all.xlsx' ends in no known format; end it in \.jsonl"):
        registry.export(tmp_path / "all.xlsx")


def test_the_question_is_that_of_a_search(registry: Registry) -> None:
    found = b"".join(registry.export(filter="params.depth > 3", order_by="params.depth"))
    assert [json.loads(line)["number"] for line in found.splitlines()] == [2, 3]
    shown = b"".join(registry.export(text="nothing", format="csv"))
    assert list(csv.DictReader(io.StringIO(shown.decode()))) == []
    with pytest.raises(studbook.InvalidDocumentError, match="value is missing"):
        next(registry.export(filter="params.depth >"))


def test_a_file_is_there_whole_or_not_at_all(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "out" / "all.csv"
    path.parent.mkdir()
    path.write_text("what was there before")
    with pytest.raises(studbook.InvalidDocumentError):
        registry.export(path, filter="params.depth >")
    assert path.read_text() == "what was there before"
    assert registry.export(path).read_text().startswith("id,name")
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        registry.export(tmp_path / "missing" / "all.csv")


def test_a_pipe_is_written_into_and_stays_a_pipe(registry: Registry, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reading = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reading.start()
    registry.export(pipe, format="jsonl")
    reading.join(10)
    assert received[0].count(b"\n") == 3
    assert pipe.is_fifo()


def test_what_breaks_off_is_no_export(tmp_path: Path, spool: Path) -> None:
    """A registry that sends a part and closes the connection before the body's end."""
    begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                connection.recv(1 << 16)
                connection.sendall(begin + b"9\r\n" + b'{"a": 1}\n' + b"\r\n")
                connection.close()

        serving = threading.Thread(target=serve)
        serving.start()
        with studbook.connect(f"http://127.0.0.1:{listening.getsockname()[1]}", "sbk_x", spool=spool) as sdk:
            pieces = sdk.export()
            assert next(pieces) == b'{"a": 1}\n'
            with pytest.raises(studbook.UnreachableError, match="broke off"):
                next(pieces)
            with pytest.raises(studbook.UnreachableError, match="broke off"):
                sdk.export(tmp_path / "all.jsonl")
        serving.join(5)
    assert [path for path in tmp_path.iterdir() if "all" in path.name] == []


def test_a_busy_registry_is_told_from_one_that_refuses(fake: FakeRegistry, sdk: Registry) -> None:
    problem = {"title": "t", "detail": "pip install 'studbook[arrow]'", "code": "not_acceptable"}
    fake.script = [(503, {"detail": "4 exports"}, {}), (406, problem, {}), (200, b"PAR1", {"Content-Type": "application/x"})]
    with pytest.raises(studbook.UnreachableError, match="4 exports"):
        next(sdk.export(filter="a = 1", text="b", order_by="-c", format="csv"))
    assert fake.requests[0]["query"] == "filter=a+%3D+1&q=b&order_by=-c&format=csv"
    with pytest.raises(studbook.RefusedError, match=r"studbook\[arrow\]"):
        next(sdk.export(format="arrow"))
    assert b"".join(sdk.export(format="parquet")) == b"PAR1"
