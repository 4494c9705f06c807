"""A registry whose log is cosigned by a real witness process: published with it, not without it, halted when it refuses."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import VerifierKey, parse_vkey
from studbook.merkle.policy import Policy, check_checkpoint, parse_policy
from studbook.storage import log, tables
from studbook.testing import make_document
from studbook.witness.folder import WitnessFolder
from tests.audit.conftest import NAMESPACE
from tests.witness.conftest import WITNESS, WitnessProcess, cosigned_size, evidence, serving, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx

    from tests.audit.conftest import Site

SECONDS = 30


@dataclass(slots=True)
class Witnessed:
    """A registry whose policy asks for the cosignature of one witness."""

    site: Site
    folder: WitnessFolder
    process: WitnessProcess

    def read(self, column: sa.Column[Any], *columns: sa.Column[Any]) -> Sequence[Any]:
        """Some columns of the default namespace's log."""
        statement = sa.select(column, *columns).where(column.table.c.namespace_id == NAMESPACE)
        with self.site.database() as database, database.read() as connection:
            return connection.execute(statement).all()

    def keys(self) -> list[VerifierKey]:
        return [parse_vkey(row.vkey) for row in self.read(tables.log_keys.c.vkey)]

    def published(self) -> dict[int, bytes]:
        """The stored checkpoints by their size."""
        table = tables.log_checkpoints
        return {row.size: bytes(row.note) for row in self.read(table.c.size, table.c.note)}

    def tree_size(self) -> int:
        [row] = self.read(tables.log_trees.c.size)
        return int(row.size)

    def add_log(self) -> None:
        for key in self.keys():
            self.folder.add_log(key, self.site.origin())

    def policy(self) -> Policy:
        logs = "".join(f"log {key}\n" for key in self.keys())
        return parse_policy(f"{logs}witness w1 {self.folder.key}\nquorum w1\n".encode())

    def is_settled(self) -> bool:
        """Whether a checkpoint covers everything that was written."""
        with self.site.database() as database, database.read() as connection:
            return NAMESPACE not in {*log.list_waiting_namespaces(connection), *log.list_unpublished(connection)}

    def wait_published(self) -> bytes:
        """The checkpoint of everything that was written."""
        await_that(self.is_settled)
        return self.published()[self.tree_size()]


def await_that(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def record(client: httpx.Client) -> int:
    return client.post("/ingest", json=make_document()).status_code


def describe(client: httpx.Client, text: str) -> httpx.Response:
    return client.patch("/models/churn", json={"description": text})


@pytest.fixture
def witnessed(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witnessed]:
    folder = WitnessFolder.create(tmp_path / "witness", WITNESS)
    with serving(folder) as process:
        policy = tmp_path / "policy"
        policy.write_text(f"witness w1 {folder.key} {process.url}\nquorum w1\n")
        monkeypatch.setenv("STUDBOOK_LOG_POLICY", str(policy))
        monkeypatch.setenv("STUDBOOK_WITNESS_TIMEOUT", "10")
        yield Witnessed(site, folder, process)


def test_a_checkpoint_is_published_with_the_cosignature(witnessed: Witnessed) -> None:
    with witnessed.site.open() as client:
        assert record(client) == 201
        assert witnessed.published() == {}
        witnessed.add_log()
        note = witnessed.wait_published()
        assert check_checkpoint(note, witnessed.policy()).size == witnessed.tree_size()
        assert record(client) == 201
        assert check_checkpoint(witnessed.wait_published(), witnessed.policy()).size == cosigned_size(
            witnessed.folder, witnessed.site.origin()
        )
    foreign = WitnessFolder.create(witnessed.folder.path.with_name("other"), WITNESS)
    with pytest.raises(VerificationError, match="quorum"):
        check_checkpoint(note, parse_policy(f"log {witnessed.keys()[0]}\nwitness w1 {foreign.key}\nquorum w1\n".encode()))


def test_while_the_witness_is_down_nothing_is_published_and_writes_go_on(witnessed: Witnessed) -> None:
    with witnessed.site.open() as client:
        witnessed.add_log()
        assert record(client) == 201
        witnessed.wait_published()
        before = witnessed.published()
        assert witnessed.process.stop() == 0
        assert [record(client) for _ in range(3)] == [201] * 3
        await_that(lambda: witnessed.tree_size() > max(before))
        time.sleep(1.5)
        assert witnessed.published() == before
        witnessed.process.start()
        note = witnessed.wait_published()
        assert check_checkpoint(note, witnessed.policy()).size == witnessed.tree_size()


@pytest.fixture
def rolled_back(witnessed: Witnessed, restore: Callable[[], Callable[[], None]]) -> Witnessed:
    """A registry whose database and guard were both put back to an older state than the witness knows."""
    site = witnessed.site
    with site.open() as client:
        witnessed.add_log()
        assert record(client) == 201
        witnessed.wait_published()
    put_back = restore()
    shutil.copytree(site.guard.folder, site.home / "guard.kept")
    with site.open() as client:
        for number in range(6):
            assert describe(client, f"text {number}").status_code == 200
            witnessed.wait_published()
    put_back()
    shutil.rmtree(site.guard.folder)
    shutil.copytree(site.home / "guard.kept", site.guard.folder)
    return witnessed


def is_halted(client: httpx.Client) -> bool:
    # A change that changes nothing is no write, so the text is another each time.
    answer = describe(client, f"text at {time.monotonic()}")
    return answer.status_code >= 400 and "halted" in answer.text


@pytest.mark.parametrize("at_once", [1, 6, 12])
def test_a_rollback_of_database_and_guard_together_halts_the_log(rolled_back: Witnessed, at_once: int) -> None:
    known = cosigned_size(rolled_back.folder, rolled_back.site.origin())
    with rolled_back.site.open() as client:
        for number in range(at_once):
            describe(client, f"another text {number}")
        await_that(lambda: is_halted(client))
        assert record(client) == client.post("/ingest", json=make_document()).status_code != 201
    assert cosigned_size(rolled_back.folder, rolled_back.site.origin()) == known
    found = evidence(rolled_back.folder)
    assert found
    keys = rolled_back.keys()
    for each in found:
        for part in ("cosigned", "contradicting"):
            assert check_checkpoint(each[part].encode(), Policy(logs=tuple((key, None) for key in keys)))


def test_a_log_that_grew_past_the_witness_after_a_rollback_is_halted_too(rolled_back: Witnessed) -> None:
    """The witness is away until the other past is longer than the one it knows."""
    known = cosigned_size(rolled_back.folder, rolled_back.site.origin())
    assert known is not None
    rolled_back.process.stop()
    with rolled_back.site.open() as client:
        number = 0
        while rolled_back.tree_size() <= known:
            describe(client, f"another text {(number := number + 1)}")
            await_that(lambda: rolled_back.tree_size() > 0)
        rolled_back.process.start()
        await_that(lambda: is_halted(client))
    assert cosigned_size(rolled_back.folder, rolled_back.site.origin()) == known
    assert {each["kind"] for each in evidence(rolled_back.folder)} & {"unproven", "fork"}
    last = state_of(rolled_back.folder, rolled_back.site.origin()).load()
    assert last is not None
    assert last.checkpoint.size == known
