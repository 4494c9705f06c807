"""Processes that die at each step of sequencing, and steps that fail: nothing is lost, doubled, or signed in two ways."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.merkle.checkpoint import Checkpoint, parse_checkpoint
from studbook.merkle.notes import Ed25519Signer, parse_vkey
from studbook.merkle.proofs import verify_consistency
from studbook.merkle.receipt import parse_receipt, verify_receipt
from studbook.merkle.tiles import consistency_proof
from studbook.services.audit.guard import FileGuard, GuardError
from studbook.services.audit.tiles import StoredTiles
from studbook.storage import log, tables
from studbook.storage.unit_of_work import UnitOfWork
from studbook.testing import make_document
from tests.audit.conftest import NAMESPACE, Site
from tests.audit.crashing import STEPS
from tests.audit.test_history import logged_size

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def start(site: Site, folder: Path, name: str, seconds: float, *death: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.audit.crashing", site.url, name, str(folder), str(seconds), *death]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE)


def lines(folder: Path, ending: str) -> list[Any]:
    # The last line may have been cut by the death of its process.
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"*.{ending}"))
        for line in path.read_bytes().split(b"\n")
        if line.endswith((b"}", b'"'))
    ]


def check_everything(site: Site, folder: Path) -> None:
    """What was acknowledged stands in the log once, every receipt verifies, and no two signed texts contradict each other."""
    with site.open() as client:
        client.post("/ingest", json=make_document("last"))
        logged_size(client)
    assert [finding for report in site.fsck() for finding in report.findings] == []
    with site.database() as database, database.read() as connection:
        assert log.list_waiting_namespaces(connection) == []
        logged = connection.execute(sa.select(tables.log_entries.c.event_id)).scalars().all()
        bodies = dict(connection.execute(sa.select(tables.events.c.id, tables.events.c.body)).all())
        keys = [parse_vkey(row.vkey) for row in log.list_keys(connection, NAMESPACE, 1)]
        acknowledged = lines(folder, "acknowledged")
        wanted = [event for line in acknowledged for event in line["events"]]
        assert len(logged) == len(set(logged))
        assert set(wanted) <= {str(event) for event in logged}
        assert len(wanted) == len(set(wanted))
        by_text = {str(event): body for event, body in bodies.items()}
        for line in acknowledged:
            for event, receipt in line["receipts"].items():
                verify_receipt(parse_receipt(receipt.encode()), by_text[event], keys)
        check_signed(connection, [parse_checkpoint(text.encode()) for text in lines(folder, "signed")])


def check_signed(connection: Any, signed: list[Checkpoint]) -> None:
    """Every checkpoint that was ever signed is a prefix of the log as it is, so no two contradict each other."""
    for row in log.list_logs(connection):
        tiles = StoredTiles(connection, row.namespace_id, row.shard)
        for checkpoint in signed:
            if checkpoint.origin == row.origin and checkpoint.size:
                proof = consistency_proof(checkpoint.size, row.size, tiles)
                verify_consistency(checkpoint.size, checkpoint.root, row.size, row.root, proof)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", list(STEPS))
def test_a_process_dies_at_a_step_while_another_goes_on(site: Site, tmp_path: Path, step: str, when: str) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    with site.open() as client:
        client.post("/ingest", json=make_document("first"))
        logged_size(client)
    doomed = start(site, folder, "doomed", 20, step, when, "6")
    other = start(site, folder, "other", 1.2)
    _, complaint = doomed.communicate(timeout=60)
    assert doomed.returncode == -signal.SIGKILL, complaint.decode()
    _, complaint = other.communicate(timeout=60)
    assert other.returncode == 0, complaint.decode()
    assert lines(folder, "acknowledged")
    check_everything(site, folder)


class Failing:
    """Makes a step fail for a while: before it did anything, or after it was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.error: Callable[[], Exception] | None = None
        self.failures = 0

    def install(self, place: Any, name: str, *, persisted: bool, error: Callable[[], Exception]) -> None:
        original = getattr(place, name)
        self.error = error

        def failing(*given: Any, **named: Any) -> Any:
            if self.error is not None and not persisted:
                self.failures += 1
                raise self.error()
            result = original(*given, **named)
            if self.error is not None:
                self.failures += 1
                raise self.error()
            return result

        self._monkeypatch.setattr(place, name, failing)


def _database_error() -> Exception:
    return sa.exc.OperationalError("a write", {}, Exception("the disk is full"))


FAULTS: dict[str, tuple[Any, str, Callable[[], Exception]]] = {
    "the outbox is read": (log, "take_waiting", _database_error),
    "the tree grows": (log, "grow_tree", _database_error),
    "the guard is changed": (FileGuard, "swap", lambda: GuardError("the guard's disk is full")),
    "a checkpoint is stored": (log, "store_checkpoint", _database_error),
    "a commit is answered": (UnitOfWork, "_attempt", _database_error),
}


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_step_fails_and_everything_is_made_good_afterwards(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, persisted: bool
) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    keep: list[str] = []
    original = Ed25519Signer.sign

    def signing(self: Ed25519Signer, text: bytes) -> Any:
        keep.append(text.decode())
        return original(self, text)

    monkeypatch.setattr(Ed25519Signer, "sign", signing)
    place, name, error = FAULTS[fault]
    failing = Failing(monkeypatch)
    with site.open() as client:
        acknowledged = [client.post("/ingest", json=make_document("before")).json()]
        logged_size(client)
        failing.install(place, name, persisted=persisted, error=error)
        for _ in range(3):
            answer = client.post("/ingest", json=make_document("during"), timeout=30)
            if answer.status_code == 201:
                acknowledged.append(answer.json())
        # On PostgreSQL the log is kept beside the writes, so it may take a moment to meet the fault.
        deadline = time.monotonic() + 10
        while not failing.failures and time.monotonic() < deadline:
            time.sleep(0.02)
        failing.error = None
        acknowledged.append(client.post("/ingest", json=make_document("after")).json())
    assert failing.failures
    told = [{"events": [event["id"] for event in body["events"]], "receipts": {}} for body in acknowledged]
    (folder / "one.acknowledged").write_text("".join(json.dumps(line) + "\n" for line in told))
    (folder / "one.signed").write_text("".join(json.dumps(text) + "\n" for text in keep))
    check_everything(site, folder)


def test_two_databases_cannot_sign_for_one_log(site: Site, tmp_path: Path) -> None:
    """A copy of the database that is written on beside the original is stopped by the guard that both share."""
    if not site.url.startswith("sqlite"):
        pytest.skip("copying a database is copying a file on SQLite alone")
    with site.open() as client:
        client.post("/ingest", json=make_document())
        logged_size(client)
    original = Path(site.url.removeprefix("sqlite:///"))
    copied = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(original)) as source, contextlib.closing(sqlite3.connect(copied)) as target:
        source.backup(target)
    with site.open() as client:
        client.post("/ingest", json=make_document("original"))
        logged_size(client)
    copy = Site(f"sqlite:///{copied}", site.home)
    with copy.open() as client:
        refused = client.post("/ingest", json=make_document("copy"))
        assert (refused.status_code, refused.json()["code"]) == (503, "log_halted")
