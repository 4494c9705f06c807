"""Real server processes, stopped by the test that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from studbook.domain.tokens import make_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVE = "from studbook.config import Settings; from studbook.http.server import run; run(Settings())"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class ServerProcess:
    """One server process on a database."""

    environment: dict[str, str]
    port: int
    token: str
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)
    clients: list[httpx.Client] = field(default_factory=list)

    def start(self) -> ServerProcess:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", SERVE], env=self.environment, stdout=log, stderr=log)
        return self

    def wait_ready(self) -> ServerProcess:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200:
                    return self
            time.sleep(0.05)
        pytest.fail(f"the server did not become ready:\n{self.log.read_text()[-3000:]}")

    def client(self) -> httpx.Client:
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1/namespaces/default",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        self.clients.append(client)
        return client

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def make_server(database_url: str, tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Makes server processes on one database; they share the first admin token."""
    token, made = make_token(), []

    def make(**settings: str) -> ServerProcess:
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STUDBOOK_")},
            "STUDBOOK_HOME": str(tmp_path),
            "STUDBOOK_DATABASE_URL": database_url,
            "STUDBOOK_PORT": str(port),
            "STUDBOOK_BOOTSTRAP_TOKEN": token,
            **settings,
        }
        server = ServerProcess(environment, port, token, tmp_path / f"{port}.log")
        made.append(server)
        return server

    yield make
    for server in made:
        for client in server.clients:
            client.close()
        if hasattr(server, "process") and server.process.poll() is None:
            server.kill()
