"""A process that writes to a registry and kills itself, as with `kill -9`, at a chosen step of sequencing.

It appends what it was told to be stored, and every text that it signed, to files that outlive it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from studbook.embedded import EmbeddedTransport
from studbook.merkle.notes import Ed25519Signer
from studbook.services.audit.guard import FileGuard
from studbook.storage import log
from studbook.storage.unit_of_work import UnitOfWork
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable

API = "http://studbook.test/api/v1/namespaces/default"
# Where the process dies: before or after the call of a function.
STEPS: dict[str, tuple[Any, str]] = {
    "the outbox is read": (log, "take_waiting"),
    "the tree grows": (log, "grow_tree"),
    "a transaction is committed": (UnitOfWork, "_attempt"),
    "the guard is changed": (FileGuard, "swap"),
    "the guard's file is put in place": (Path, "replace"),
    "a checkpoint is signed": (Ed25519Signer, "sign"),
    "a checkpoint is stored": (log, "store_checkpoint"),
}
WRITERS = 3


def die_at(step: str, when: str, calls: int) -> None:
    """Kill this process before or after the so-manieth call of the step."""
    place, name = STEPS[step]
    original: Callable[..., Any] = getattr(place, name)
    lock, count = threading.Lock(), [0]

    def dying(*given: Any, **named: Any) -> Any:
        with lock:
            count[0] += 1
            now = count[0] >= calls
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*given, **named)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, dying)


def keep_signed(path: Path) -> None:
    """Write every text down that is signed, before anybody can see the signature."""
    original = Ed25519Signer.sign
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def signing(self: Ed25519Signer, text: bytes) -> Any:
        os.write(descriptor, json.dumps(text.decode()).encode() + b"\n")
        return original(self, text)

    Ed25519Signer.sign = signing  # type: ignore[method-assign]


def write(client: httpx.Client, model: str, path: Path, deadline: float) -> None:
    """Register versions until the time is over; each that is acknowledged is written down, with its receipts."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    number = 0
    while time.monotonic() < deadline:
        number += 1
        wait = "proof" if number % 3 == 0 else "none"
        answer = client.post("/ingest", params={"wait": wait}, json=make_document(model), timeout=30)
        if answer.status_code == httpx.codes.CREATED:
            body = answer.json()
            line = {"events": [event["id"] for event in body["events"]], "receipts": body.get("receipts", {})}
            os.write(descriptor, json.dumps(line).encode() + b"\n")


def main(url: str, name: str, folder: str, seconds: str, step: str = "", when: str = "", calls: str = "0") -> None:
    """Write for a while with several threads."""
    keep_signed(Path(folder) / f"{name}.signed")
    if step:
        die_at(step, when, int(calls))
    transport = EmbeddedTransport(url)
    client = httpx.Client(transport=transport, base_url=API)
    deadline = time.monotonic() + float(seconds)
    acknowledged = Path(folder) / f"{name}.acknowledged"
    threads = [
        threading.Thread(target=write, args=(client, f"{name}-{number}", acknowledged, deadline), daemon=True)
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
