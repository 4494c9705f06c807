"""A real server process, and the clients that load it, each over one connection that is kept open."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.tokens import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator

API: Final = "/api/v1/namespaces/default"
_READY_SECONDS: Final = 30
_SERVE: Final = "from studbook.config import Settings; from studbook.http.server import run; run(Settings())"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is running."""

    port: int
    token: str
    process: subprocess.Popen[bytes]
    start_seconds: float

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port, self.token)

    def memory_megabytes(self) -> float:
        """Resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return float("nan")


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> bytes:
        """The body of a GET that must succeed."""
        return self._request("GET", path, None)

    def post(self, path: str, body: bytes, media_type: str = "application/json") -> bytes:
        """The body of the answer to a POST that must succeed."""
        return self._request("POST", path, body, media_type)

    def _request(self, method: str, path: str, body: bytes | None, media_type: str = "application/json") -> bytes:
        self._connection.request(method, path, body, {**self._headers, "Content-Type": media_type})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= http.client.BAD_REQUEST:
            message = f"{method} {path} answered {response.status}: {content[:300]!r}"
            raise RuntimeError(message)
        return content


@contextlib.contextmanager
def serve(database_url: str) -> Iterator[Server]:
    """A server process on the database; stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = make_token()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            # As on a user's machine, where compiled modules are kept.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "STUDBOOK_HOME": home,
            "STUDBOOK_DATABASE_URL": database_url,
            "STUDBOOK_PORT": str(port),
            "STUDBOOK_BOOTSTRAP_TOKEN": token,
            "STUDBOOK_LOG_LEVEL": "warning",
        }
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", _SERVE], env=environment, stdout=subprocess.DEVNULL)
        try:
            yield Server(port, token, process, _wait_ready(port, process, started))
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_ready(port: int, process: subprocess.Popen[bytes], started: float) -> float:
    while time.perf_counter() - started < _READY_SECONDS:
        if process.poll() is not None:
            break
        try:
            Client(port, "").get("/readyz")
        except (OSError, RuntimeError):
            time.sleep(0.005)
        else:
            return time.perf_counter() - started
    message = "the server did not become ready"
    raise RuntimeError(message)


def rate_of_posts(server: Server, bodies: list[list[bytes]]) -> float:
    """Documents a second, one client for each list of bodies; the clients share two processes of their own."""
    halves = [bodies] if len(bodies) == 1 else [bodies[::2], bodies[1::2]]
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(len(halves) + 1)
    processes = [context.Process(target=_post_all, args=(server.port, server.token, half, gate)) for half in halves]
    for process in processes:
        process.start()
    gate.wait(30)
    started = time.perf_counter()
    for process in processes:
        process.join(120)
        if process.exitcode != 0:
            message = "a client failed"
            raise RuntimeError(message)
    return sum(map(len, bodies)) / (time.perf_counter() - started)


def _post_all(port: int, token: str, lists: list[list[bytes]], gate: Any) -> None:  # noqa: ANN401 - a barrier of another context
    failures: list[BaseException] = []

    def post(bodies: list[bytes], client: Client) -> None:
        try:
            for body in bodies:
                client.post(f"{API}/ingest", body)
        except BaseException as error:  # noqa: BLE001 - reported by the exit code
            failures.append(error)

    clients = [Client(port, token) for _ in lists]
    for client in clients:
        client.get("/healthz")
    threads = [threading.Thread(target=post, args=pair) for pair in zip(lists, clients, strict=True)]
    gate.wait(30)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.stderr.write(f"{failures[0]!r}\n")
        os._exit(1)


def rate_of_batch(server: Server, bodies: list[bytes]) -> float:
    """Documents a second in one batch request."""
    body = b"\n".join(bodies)
    client = server.client()
    client.get("/healthz")
    started = time.perf_counter()
    answer = client.post(f"{API}/ingest/batch", body, "application/x-ndjson")
    seconds = time.perf_counter() - started
    lines = answer.splitlines()
    if len(lines) != len(bodies) or any(json.loads(line)["status"] != http.client.CREATED for line in lines):
        message = "a document of the batch was not recorded"
        raise RuntimeError(message)
    return len(bodies) / seconds


def times_of_gets(client: Client, path: str, number: int) -> list[float]:
    """Seconds of each of `number` GETs, one after the other."""
    for _ in range(20):
        client.get(path)
    times = []
    for _ in range(number):
        started = time.perf_counter()
        client.get(path)
        times.append(time.perf_counter() - started)
    return times
