"""Witness processes that are killed, that share a folder, and that are told to stop."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from studbook.merkle.checkpoint import open_checkpoint
from tests.witness.conftest import REFUSALS, Log, WitnessProcess, cosigned_size, evidence, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.witness.folder import WitnessFolder

# Where the log that is attacked with parts from its twin.
PARTS_AT = 2


@dataclass(slots=True)
class Stream:
    """Clients that ask for growth of a log and of its fork at once, and everything that was cosigned for them."""

    folder: WitnessFolder
    log: Log
    cosigned: list[tuple[str, int]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)
    enough: threading.Event = field(default_factory=threading.Event)
    wanted: int = 0

    def begin(self, urls: Sequence[str], answers: int) -> list[threading.Thread]:
        self.stopped.clear()
        self.enough.clear()
        self.wanted = len(self.cosigned) + answers
        sides = {"log": self.log, "fork": self.log.fork(PARTS_AT)}
        threads = [
            threading.Thread(target=self._ask, args=(name, side, url, seed))
            for url in urls
            for name, side in sides.items()
            for seed in range(2)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _ask(self, name: str, side: Log, url: str, seed: int) -> None:
        chance = random.Random(f"{name} {url} {seed}")
        known = 0
        with httpx.Client(timeout=20) as client:
            while not self.stopped.is_set():
                size = known + chance.randrange(4)
                try:
                    answer = client.post(f"{url}/add-checkpoint", content=side.request(known, size))
                except httpx.TransportError:
                    return
                self.statuses.add(answer.status_code)
                if answer.status_code == 200:
                    self._take(name, side, size, answer.content)
                    known = size
                elif answer.status_code == 409:
                    known = int(answer.text)

    def _take(self, name: str, side: Log, size: int, line: bytes) -> None:
        assert open_checkpoint(side.note(size) + line, [self.folder.key])[0] == side.checkpoint(size)
        self.cosigned.append((name, size))
        if len(self.cosigned) >= self.wanted:
            self.enough.set()

    def assert_consistent(self) -> None:
        assert self.statuses <= {200} | REFUSALS
        assert len({name for name, size in self.cosigned if size > PARTS_AT}) <= 1

    @property
    def largest(self) -> int:
        return max(size for _, size in self.cosigned)


def known_size(process: WitnessProcess, log: Log) -> int:
    """The size that the witness cosigned last: only one who is at the beginning takes an empty log."""
    answer = process.ask(log.request(0, 0))
    return 0 if answer.status_code == 200 else int(answer.text)


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_killed_witness_never_contradicts_what_it_answered(folder: WitnessFolder, log: Log) -> None:
    stream = Stream(folder, log)
    with serving(folder) as process:
        for answers in (1, 40, 25, 60, 10, 30):
            threads = stream.begin([process.url], answers)
            assert stream.enough.wait(60)
            process.kill()
            join(threads)
            stream.assert_consistent()
            process.start()
            assert known_size(process, log) >= stream.largest
        _assert_refuses(process, stream)


def _assert_refuses(process: WitnessProcess, stream: Stream) -> None:
    """Neither an older state nor another past is cosigned, and the right growth still is."""
    [side] = {name for name, size in stream.cosigned if size > PARTS_AT}
    sides = {"log": stream.log, "fork": stream.log.fork(PARTS_AT)}
    right = sides.pop(side)
    [wrong] = sides.values()
    size = known_size(process, right)
    assert process.ask(right.request(size - 1, size - 1)).status_code == 409
    assert process.ask(wrong.request(size, size)).status_code == 422
    assert process.ask(wrong.request(size, size + 5)).status_code == 422
    assert process.ask(right.request(size, size + 5)).status_code == 200
    assert {found["kind"] for found in evidence(stream.folder)} == {"fork", "unproven"}


def test_two_processes_on_one_folder_are_one_witness(folder: WitnessFolder, log: Log) -> None:
    stream = Stream(folder, log)
    with serving(folder) as first, serving(folder) as second:
        threads = stream.begin([first.url, second.url], 150)
        assert stream.enough.wait(60)
        stream.stopped.set()
        join(threads)
        stream.assert_consistent()
        for process in (first, second):
            assert known_size(process, log) == stream.largest
    assert cosigned_size(folder) == stream.largest


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_witness_that_is_told_to_stop_answers_what_has_begun(folder: WitnessFolder, log: Log, how: signal.Signals) -> None:
    stream = Stream(folder, log)
    with serving(folder) as process:
        threads = stream.begin([process.url], 20)
        assert stream.enough.wait(60)
        assert process.end(how) == 0
        join(threads)
    stream.assert_consistent()
    assert cosigned_size(folder) == stream.largest
    assert "Traceback" not in (folder.path / "stderr").read_text()


def test_it_says_where_it_listens_and_starts_nothing_of_the_registry(folder: WitnessFolder, log: Log) -> None:
    with serving(folder) as process:
        assert process.url == f"http://127.0.0.1:{process.port}"
        assert process.ask(log.request(0, 4)).status_code == 200
        with open(f"/proc/{process.process.pid}/maps") as maps:  # noqa: PTH123 - no file but a view of the process
            loaded = maps.read()
    assert "cryptography" in loaded
    assert not any(name in loaded for name in ("sqlalchemy", "psycopg", "uvloop", "httptools"))


def test_a_port_that_is_taken_is_one_sentence(folder: WitnessFolder, log: Log) -> None:
    with serving(folder) as process, pytest.raises(pytest.fail.Exception, match=r"✗ cannot listen on 127\.0\.0\.1"):
        WitnessProcess(folder.path, process.port).start()
