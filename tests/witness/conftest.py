"""A log whose trees and proofs are computed here by the letter of RFC 6962, and witnesses in this process and outside."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx
import pytest

from studbook.merkle.checkpoint import Checkpoint
from studbook.merkle.notes import Ed25519Signer, Note
from studbook.witness.cosigning import Cosigning
from studbook.witness.folder import WitnessFolder
from tests.audit.conftest import restore, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook.witness.state import LogState

# Fixtures of the tests of the audit log, used here too.
__all__ = ["restore", "site"]

ORIGIN = "log.example.org/a"
WITNESS = "witness.example.org/w1"
NOW = 1_800_000_000
REFUSALS = {400, 403, 404, 409, 422}


@dataclass(slots=True)
class Log:
    """A log by its leaves, which have another name from `parts_at` on."""

    signer: Ed25519Signer = field(default_factory=lambda: Ed25519Signer.generate(ORIGIN))
    origin: str = ORIGIN
    parts_at: int = 0
    present: str = "entry"
    _known: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def fork(self, parts_at: int) -> Log:
        """Another log with the same key, which agrees with this one up to an index."""
        return Log(self.signer, self.origin, parts_at, "another entry")

    def root(self, start: int, end: int) -> bytes:
        if (start, end) not in self._known:
            self._known[start, end] = self._root(start, end)
        return self._known[start, end]

    def _root(self, start: int, end: int) -> bytes:
        if end == start:
            return sha256(b"").digest()
        if end - start == 1:
            name = self.present if start >= self.parts_at else "entry"
            return sha256(b"\x00" + f"{name} {start}".encode()).digest()
        middle = start + split(end - start)
        return sha256(b"\x01" + self.root(start, middle) + self.root(middle, end)).digest()

    def proof(self, old: int, new: int) -> list[bytes]:
        return self._subproof(old, 0, new, complete=True) if 0 < old < new else []

    def _subproof(self, old: int, start: int, end: int, *, complete: bool) -> list[bytes]:
        """SUBPROOF of RFC 6962, section 2.1.2."""
        size = end - start
        if old == size:
            return [] if complete else [self.root(start, end)]
        middle = split(size)
        if old <= middle:
            return [*self._subproof(old, start, start + middle, complete=complete), self.root(start + middle, end)]
        return [*self._subproof(old - middle, start + middle, end, complete=False), self.root(start, start + middle)]

    def checkpoint(self, size: int, *extensions: str) -> Checkpoint:
        return Checkpoint(self.origin, size, self.root(0, size), extensions)

    def note(self, size: int) -> bytes:
        text = self.checkpoint(size).text
        return Note(text, (self.signer.sign(text),)).encode()

    def request(self, old: int, size: int) -> bytes:
        return request(old, self.proof(old, size), self.note(size))


def split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def request(old: object, proof: list[bytes], note: bytes) -> bytes:
    lines = "".join(base64.b64encode(value).decode() + "\n" for value in proof)
    return f"old {old}\n{lines}\n".encode() + note


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def folder(tmp_path: Path, log: Log) -> WitnessFolder:
    """A witness that knows the log."""
    made = WitnessFolder.create(tmp_path / "witness", WITNESS)
    made.add_log(log.signer.verifier_key, ORIGIN)
    return made


@pytest.fixture
def witness(folder: WitnessFolder) -> Cosigning:
    return Cosigning(folder, lambda: NOW)


def state_of(folder: WitnessFolder, origin: str = ORIGIN) -> LogState:
    state = folder.find_log(origin)
    assert state is not None
    return state


def cosigned_size(folder: WitnessFolder, origin: str = ORIGIN) -> int | None:
    last = state_of(folder, origin).load()
    return last.checkpoint.size if last else None


def evidence(folder: WitnessFolder) -> list[dict[str, str]]:
    return [json.loads(path.read_text()) for path in sorted(folder.path.glob("evidence/*/*.json"))]


@dataclass(slots=True)
class WitnessProcess:
    """`studbook witness serve` as a process of its own."""

    folder: Path
    port: int = 0
    url: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> WitnessProcess:
        words = ["witness", "serve", str(self.folder), "--port", str(self.port), "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDBOOK_")}
        with (self.folder / "stderr").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "studbook.cli", *words], stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.kill()
            pytest.fail((self.folder / "stderr").read_text())
        told = json.loads(line)
        # Started anew, it is where it was.
        self.port, self.url = told["port"], told["url"]
        return self

    def ask(self, body: bytes) -> httpx.Response:
        return httpx.post(f"{self.url}/add-checkpoint", content=body, timeout=20)

    def end(self, how: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> int:
        return self.end(signal.SIGTERM)


@contextlib.contextmanager
def serving(folder: WitnessFolder) -> Iterator[WitnessProcess]:
    process = WitnessProcess(folder.path).start()
    try:
        yield process
    finally:
        process.kill()
