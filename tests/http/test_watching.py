"""Waiting for a version to change, over a socket and in the process; on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from studbook.config import Settings
from studbook.domain.documents import Access, NewToken
from studbook.http.app import create_app
from studbook.services.tokens import create_token, revoke_token
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from studbook.services.caller import Caller
    from studbook.services.registry import Registry

CHAMPION = "/models/churn/versions/@champion"
WATCH = f"{CHAMPION}/watch"


@dataclass(slots=True)
class Served:
    """A registry that listens on a socket in this process."""

    registry: Registry
    app: Any
    client: httpx.Client
    url: str
    headers: dict[str, str]
    token_id: str

    def waiting(self) -> int:
        return len(self.app.state.lookout._waiters)

    def until_waiting(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while self.waiting() != count:
            assert time.monotonic() < deadline, self.waiting()
            time.sleep(0.005)


@pytest.fixture
def served(registry: Registry, caller: Caller) -> Iterator[Served]:
    made = json.loads(create_token(registry.database, caller, NewToken(name="tests", access=Access.ADMIN)).body)
    app = create_app(registry, Settings())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/namespaces/default"
        headers = {"Authorization": f"Bearer {made['token']}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
            fill(client)
            yield Served(registry, app, client, url, headers, made["id"])
        server.should_exit = True
        thread.join()


def fill(client: httpx.Client) -> None:
    for _ in range(2):
        assert client.post("/ingest", json=make_document()).status_code == 201
    assert client.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    """A call's answer, and the moment at which it came."""
    return call(), time.monotonic()


def watched_while(served: Served, change: Callable[[], httpx.Response], **parameters: Any) -> tuple[httpx.Response, float]:
    """What a watch answers when something is changed, and how long after the change began."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(timed, lambda: served.client.get(parameters.pop("path", WATCH), **parameters))
        served.until_waiting(1)
        time.sleep(0.05)
        begun = time.monotonic()
        assert change().status_code < 300
        response, at = answer.result(10)
    return response, at - begun


def moved(served: Served, version: int = 2) -> Callable[[], httpx.Response]:
    return lambda: served.client.put("/models/churn/aliases/champion", json={"version": version})


def test_a_move_is_told_at_once(served: Served) -> None:
    etag = served.client.get(CHAMPION).headers["ETag"]
    for headers in ({"If-None-Match": etag}, {}):
        response, seconds = watched_while(served, moved(served, 1 if not headers else 2), headers=headers)
        assert response.status_code == 200
        assert seconds < 0.5
        shown = served.client.get(CHAMPION)
        assert (response.json(), response.headers["ETag"]) == (shown.json(), shown.headers["ETag"])


@pytest.mark.parametrize(
    ("path", "method", "changed", "body"),
    [
        ("/models/churn/versions/latest/watch", "POST", "/ingest", make_document()),
        ("/models/churn/versions/1/watch", "PATCH", "/models/churn/versions/1", {"tags": {"a": "b"}}),
        ("/models/churn/versions/2/watch", "PUT", "/models/churn/aliases/other", {"version": 2}),
        (WATCH, "POST", f"{CHAMPION}/metrics", {"metrics": [{"name": "f1", "value": 1.0}]}),
    ],
)
def test_every_place_can_be_watched(served: Served, path: str, method: str, changed: str, body: Any) -> None:
    response, seconds = watched_while(served, lambda: served.client.request(method, changed, json=body), path=path)
    assert response.status_code == 200
    assert seconds < 0.5
    assert response.json() == served.client.get(path.removesuffix("/watch")).json()


def test_who_missed_a_change_is_answered_at_once(served: Served) -> None:
    etag = served.client.get(CHAMPION).headers["ETag"]
    moved(served)()
    started = time.monotonic()
    response = served.client.get(WATCH, headers={"If-None-Match": etag})
    assert (response.status_code, response.json()["number"]) == (200, 2)
    assert time.monotonic() - started < 0.5


def test_what_concerns_others_wakes_nobody(served: Served) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(served.client.get, WATCH, params={"timeout": 1})
        served.until_waiting(1)
        served.client.post("/ingest", json=make_document("other"))
        served.client.patch("/models/churn/versions/2", json={"description": "x"})
        response = answer.result(10)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == served.client.get(CHAMPION).headers["ETag"]
    assert 1 <= time.monotonic() - started < 3


@pytest.mark.parametrize("parameters", [{"timeout": 0}, {"timeout": 121}, {"timeout": "nan"}, {"timeout": "soon"}])
def test_a_wrong_timeout_is_refused(served: Served, parameters: dict[str, Any]) -> None:
    assert served.client.get(WATCH, params=parameters).status_code == 422


@pytest.mark.parametrize("place", ["@none", "9", "latest"])
def test_what_is_not_there_cannot_be_watched(served: Served, place: str) -> None:
    model = "none" if place == "latest" else "churn"
    for headers in ({}, {"If-None-Match": "*"}, {"Accept": "text/event-stream"}):
        response = served.client.get(f"/models/{model}/versions/{place}/watch", headers=headers)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    served.until_waiting(0)


def test_an_alias_that_is_deleted_ends_the_waiting(served: Served) -> None:
    response, seconds = watched_while(served, lambda: served.client.delete("/models/churn/aliases/champion"))
    assert response.status_code == 404
    assert seconds < 0.5


def test_who_leaves_frees_the_place(served: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        served.client.get(WATCH, params={"timeout": 60}, timeout=0.3)
    served.until_waiting(0)
    with served.client.stream("GET", WATCH, headers={"Accept": "text/event-stream"}) as stream:
        told = events(stream)
        assert next(told)["event"] == "version"
        served.until_waiting(1)
    served.until_waiting(0)
    time.sleep(0.2)
    lookout = served.app.state.lookout
    assert (lookout._shown, lookout._task, served.registry.log.changes._listeners) == ({}, None, ())


def test_hundreds_wait_without_a_thread_and_share_the_reads(served: Served) -> None:
    count = 300
    etag = served.client.get(CHAMPION).headers["ETag"]
    reads: list[int] = []
    read = served.app.state.lookout._read

    def counted(due: Any) -> Any:
        reads.append(len(due))
        return read(due)

    served.app.state.lookout._read = counted

    async def watch_all() -> tuple[list[httpx.Response], float]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(base_url=served.url, headers=served.headers, limits=limits, timeout=30) as client:
            tasks = [asyncio.create_task(client.get(WATCH, headers={"If-None-Match": etag})) for _ in range(count)]
            await asyncio.to_thread(served.until_waiting, count)
            threads = threading.active_count()
            reads.clear()
            begun = time.monotonic()
            await asyncio.to_thread(lambda: served.client.get("/models/churn").raise_for_status())
            assert time.monotonic() - begun < 1
            assert threads < 60
            begun = time.monotonic()
            await asyncio.to_thread(moved(served))
            return await asyncio.gather(*tasks), time.monotonic() - begun

    answers, seconds = asyncio.run(watch_all())
    assert {(answer.status_code, answer.json()["number"]) for answer in answers} == {(200, 2)}
    assert seconds < 3
    assert set(reads) == {1}
    assert len(reads) < 15


def events(stream: httpx.Response) -> Iterator[dict[str, str]]:
    """The events of a stream; a comment is an event without a name."""
    lines: dict[str, str] = {}
    for line in stream.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            lines[name] = value
        else:
            yield lines
            lines = {}


def test_a_stream_tells_the_version_and_every_change(served: Served) -> None:
    with served.client.stream("GET", WATCH, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        told = events(stream)
        first = next(told)
        assert (first["event"], json.loads(first["data"])["number"]) == ("version", 1)
        for version in (2, 1):
            served.until_waiting(1)
            moved(served, version)()
            event = next(told)
            shown = served.client.get(CHAMPION)
            assert (event["event"], event["id"]) == ("version", shown.headers["ETag"])
            assert json.loads(event["data"]) == shown.json()
        served.client.delete("/models/churn/aliases/champion")
        gone = next(told)
        assert (gone["event"], json.loads(gone["data"])["code"]) == ("gone", "not_found")
        assert next(told, None) is None


@pytest.mark.parametrize("header", ["Last-Event-ID", "If-None-Match"])
def test_a_stream_is_taken_up_where_it_broke_off(served: Served, header: str) -> None:
    etag = served.client.get(CHAMPION).headers["ETag"]
    accept = {"Accept": "text/event-stream"}
    with served.client.stream("GET", WATCH, headers={**accept, header: etag}) as stream:
        told = events(stream)
        assert next(told) == {"": "nothing new"}
        moved(served)()
        assert next(told)["event"] == "version"
    with served.client.stream("GET", WATCH, headers={**accept, header: etag}) as stream:
        assert json.loads(next(events(stream))["data"])["number"] == 2


def test_a_stream_beats_and_ends_when_its_token_is_revoked(
    served: Served, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uuid import UUID

    monkeypatch.setattr("studbook.http.event_stream._HEARTBEAT_SECONDS", 0.2)
    with served.client.stream("GET", WATCH, headers={"Accept": "text/event-stream"}) as stream:
        told = events(stream)
        assert next(told)["event"] == "version"
        assert [next(told) for _ in range(2)] == [{"": "nothing new"}] * 2
        revoke_token(served.registry.database, caller, UUID(served.token_id))
        served.registry.tokens.forget()
        assert [event for event in told if event != {"": "nothing new"}] == []
    served.until_waiting(0)


def test_whoever_waits_is_let_go_at_the_end(served: Served) -> None:
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(served.client.get, WATCH, params={"timeout": 60})
        served.until_waiting(1)
        time.sleep(0.3)
        served.app.state.lookout.close()
        assert answer.result(5).status_code == 304
    assert served.client.get(WATCH).status_code == 503


def test_an_embedded_registry_is_watched_too(api: httpx.Client) -> None:
    fill(api)
    etag = api.get(CHAMPION).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(timed, lambda: api.get(WATCH, headers={"If-None-Match": etag, "Accept": "text/event-stream"}))
        time.sleep(0.3)
        begun = time.monotonic()
        api.put("/models/churn/aliases/champion", json={"version": 2})
        response, at = answer.result(10)
    assert (response.status_code, response.json()["number"]) == (200, 2)
    assert at - begun < 0.5
    assert api.get(WATCH, params={"timeout": 1}).status_code == 304


def test_closing_an_embedded_registry_lets_go_who_waits(api: httpx.Client) -> None:
    fill(api)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.get, WATCH, params={"timeout": 100})
        time.sleep(0.3)
        with contextlib.suppress(RuntimeError):
            api.close()
        assert answer.result(5).status_code == 304
