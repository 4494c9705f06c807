"""The witness over HTTP: what a request must look like, and clients that are slow, many, or gone."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from studbook.witness.server import BODY_LIMIT, CONNECTION_LIMIT, WitnessServer
from tests.witness.conftest import Log, cosigned_size, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.witness.cosigning import Cosigning
    from studbook.witness.folder import WitnessFolder

READ_SECONDS = 0.6


@contextlib.contextmanager
def running(witness: Cosigning, read_seconds: float = 60) -> Iterator[WitnessServer]:
    made = WitnessServer(witness, "127.0.0.1", 0, read_seconds)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join(10)


@pytest.fixture
def server(witness: Cosigning) -> Iterator[WitnessServer]:
    with running(witness, READ_SECONDS) as made:
        yield made


@pytest.fixture
def client(server: WitnessServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as opened:
        yield opened


@contextlib.contextmanager
def raw(server: WitnessServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        yield connection


def talk(server: WitnessServer, sent: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    with raw(server) as connection:
        connection.sendall(sent)
        return connection.makefile("rb").read()


def test_a_checkpoint_is_cosigned_over_http(client: httpx.Client, folder: WitnessFolder, log: Log) -> None:
    answer = client.post("/add-checkpoint", content=log.request(0, 7))
    assert answer.status_code == 200
    assert answer.text.startswith("— witness.example.org/w1 ")
    assert cosigned_size(folder) == 7


def test_a_conflict_has_the_type_of_its_own(client: httpx.Client, log: Log) -> None:
    client.post("/add-checkpoint", content=log.request(0, 7))
    answer = client.post("/add-checkpoint", content=log.request(3, 9))
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (409, "text/x.tlog.size", b"7\n")


def test_a_connection_takes_one_request_after_the_other(server: WitnessServer, log: Log) -> None:
    with raw(server) as connection:
        for old in range(5):
            body = log.request(old, old + 1)
            connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", b"400"),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 3\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /add-checkpoint HTTP/1.1\r\n\r\n", b"405"),
        (b"PUT /add-checkpoint HTTP/1.1\r\n\r\n", b"501"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(server: WitnessServer, head: bytes, status: bytes) -> None:
    # What speaks no HTTP/1.x gets an answer without a status line.
    assert status in talk(server, head).partition(b"\n")[0] + talk(server, head)[:400]


def test_the_largest_request_is_read(client: httpx.Client) -> None:
    assert client.post("/add-checkpoint", content=b"x" * BODY_LIMIT).status_code == 400


@pytest.mark.parametrize("sent", [b"", b"POST /add", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 500\r\n\r\nold"])
def test_a_client_that_drips_is_shut_out_in_time(server: WitnessServer, sent: bytes) -> None:
    began = time.monotonic()
    with raw(server) as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.settimeout(READ_SECONDS / 6)
        while time.monotonic() - began < 10:
            with contextlib.suppress(TimeoutError):
                if not connection.recv(100):
                    break
            if sent:
                connection.sendall(b"x")
    assert READ_SECONDS * 0.8 < time.monotonic() - began < 5


def test_beyond_the_limit_connections_are_closed_and_others_served(witness: Cosigning, log: Log) -> None:
    with running(witness) as server:
        with contextlib.ExitStack() as stack:
            for _ in range(CONNECTION_LIMIT):
                stack.enter_context(raw(server))
            for _ in range(4):
                with raw(server) as beyond, contextlib.suppress(ConnectionError):
                    assert beyond.recv(1) == b""
        statuses = []
        deadline = time.monotonic() + 10
        while 200 not in statuses and time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                statuses.append(httpx.post(f"{server.url}/add-checkpoint", content=log.request(0, 3)).status_code)
        assert statuses == [200]


def test_a_client_that_goes_away_disturbs_nobody(server: WitnessServer, client: httpx.Client, log: Log) -> None:
    for sent in (b"", b"POST", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 500\r\n\r\nold 0"):
        with raw(server) as connection:
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert client.post("/add-checkpoint", content=log.request(0, 7)).status_code == 200


def test_a_fault_of_the_witness_itself_is_told_apart(client: httpx.Client, folder: WitnessFolder, log: Log) -> None:
    [path] = folder.path.glob("logs/*/checkpoint")
    path.unlink()
    answer = client.post("/add-checkpoint", content=log.request(0, 7))
    assert answer.status_code == 500
    assert str(folder.path) not in answer.text


def test_many_clients_at_once_leave_one_history(client: httpx.Client, folder: WitnessFolder, log: Log) -> None:
    sides = [log, log.fork(1)]
    cosigned: list[tuple[int, int]] = []

    def grow(side: int) -> None:
        for size in range(2, 40):
            for _ in range(3):
                old = cosigned_size(folder) or 0
                if old <= size and client.post("/add-checkpoint", content=sides[side].request(old, size)).status_code == 200:
                    cosigned.append((side, size))

    threads = [threading.Thread(target=grow, args=(number % 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({side for side, _ in cosigned}) == 1
    last = state_of(folder).load()
    assert last is not None
    assert last.checkpoint.size == max(size for _, size in cosigned)


def test_a_server_that_stops_lets_go_of_who_waits(witness: Cosigning, log: Log) -> None:
    server = WitnessServer(witness, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    with raw(server) as idle, httpx.Client() as kept_alive:
        assert kept_alive.post(f"{server.url}/add-checkpoint", content=log.request(0, 3)).status_code == 200
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
        assert idle.recv(1) == b""
    thread.join(5)
    assert not thread.is_alive()


def test_it_listens_on_the_other_internet_protocol_too(witness: Cosigning) -> None:
    try:
        server = WitnessServer(witness, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert server.url == f"http://[::1]:{server.server_port}"
    server.server_close()


def test_it_needs_nothing_of_the_registry() -> None:
    script = (
        "import sys, studbook.witness.server, studbook.witness.folder\n"
        "others = {'fastapi', 'httpx', 'pydantic', 'sqlalchemy', 'typer', 'uvicorn'}\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in others or "
        "name.startswith('studbook.') and name.split('.')[1] not in {'merkle', 'witness'}))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
