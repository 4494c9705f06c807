"""Watching across real server processes: what another process writes, and a server that is told to stop."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

WATCH = "/models/churn/versions/@champion/watch"


def fill(client: httpx.Client) -> None:
    for _ in range(2):
        assert client.post("/ingest", json=make_document()).status_code == 201
    client.put("/models/churn/aliases/champion", json={"version": 1})


def test_a_change_of_another_process_is_seen_within_two_seconds(make_server: MakeServer) -> None:
    one, other = (make_server().start().wait_ready() for _ in range(2))
    client, writer = one.client(), other.client()
    fill(writer)
    for version in (2, 1):
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(lambda: (client.get(WATCH), time.monotonic()))
            time.sleep(0.5)
            begun = time.monotonic()
            writer.put("/models/churn/aliases/champion", json={"version": version})
            response, at = answer.result(20)
        assert (response.status_code, response.json()["number"]) == (200, version)
        assert at - begun < 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_told_to_stop_waits_for_nobody(make_server: MakeServer, workers: str) -> None:
    server = make_server(STUDBOOK_WORKERS=workers).start().wait_ready()
    client = server.client()
    fill(client)
    streamed: list[str] = []

    def stream() -> None:
        with client.stream("GET", WATCH, headers={"Accept": "text/event-stream"}) as response:
            streamed.extend(response.iter_lines())

    reading = threading.Thread(target=stream)
    reading.start()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, WATCH, params={"timeout": 100}, timeout=120)
        time.sleep(1)
        begun = time.monotonic()
        assert server.stop() == 0
        seconds = time.monotonic() - begun
        assert answer.result(5).status_code == 304
    reading.join(5)
    assert not reading.is_alive()
    assert "event: version" in streamed
    assert seconds < 5
