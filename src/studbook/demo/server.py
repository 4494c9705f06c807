"""A real server beside the demo: a child process on a database file of the demo's own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 25.0
_LOG_LINES: Final = 8


class ServerError(Exception):
    """The server did not start, or ended by itself; the message tells where its log is."""


class DemoServer:
    """Runs `studbook serve` from entering to leaving a `with` statement."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.url = f"http://{_HOST}:{port}"
        self._folder = folder
        self._port = port
        self._token = token
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, without waiting until it serves."""
        # Whatever is set for the user's own registry is not meant for the demo's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDBOOK_")}
        environment |= {"STUDBOOK_HOME": str(self._folder), "STUDBOOK_BOOTSTRAP_TOKEN": self._token}
        command = [sys.executable, "-m", "studbook.cli", "serve", "--host", _HOST, "--port", str(self._port)]
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops the server in good order.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let it finish what it is at, and end."""
        if self._process is None:
            return
        with _uninterrupted():
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_until_ready(self) -> None:
        """Return when it serves.

        Raises ServerError.
        """
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            while time.monotonic() < deadline:
                self._check_alive()
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.url}/readyz").is_success:
                        return
                time.sleep(0.1)
        raise ServerError(self._described(f"The server is not ready after {_START_SECONDS:g} s."))

    def wait(self) -> None:
        """Return when the server ends, which it does not by itself.

        Raises ServerError.
        """
        while True:
            self._check_alive()
            time.sleep(0.5)

    def _check_alive(self) -> None:
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ServerError(self._described(f"The server ended with exit code {code}."))

    def _described(self, what: str) -> str:
        tail = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n  ".join([f"{what} The end of {self._log}:", *tail])


def free_port(wanted: int) -> int:
    """The wanted port, or another that is free if something listens there."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            chosen: int = probe.getsockname()[1]
            return chosen
    message = f"no port of {_HOST} is free"
    raise ServerError(message)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C does not leave the server behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
