"""Waiting for a version to change, over a socket and in the process; on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from studbook.services.tokens import revoke_token
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from studbook.services.caller import Caller
    from tests.http.conftest import Served

CHAMPION = "/models/churn/versions/@champion"
WATCH = f"{CHAMPION}/watch"


@pytest.fixture
def served(served: Served) -> Served:
    """With two versions, and an alias on the first."""
    served.client.timeout = 20
    fill(served.client)
    return served


def until_waiting(app: Any, count: int) -> None:
    """Until so many wait, each of whom has been looked out for once."""
    deadline = time.monotonic() + 20
    while [waiter.etag is None for waiter in tuple(app.state.lookout._waiters)] != [False] * count:
        assert time.monotonic() < deadline, app.state.lookout._waiters
        time.sleep(0.005)


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
        until_waiting(served.app, 1)
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
        until_waiting(served.app, 1)
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
    until_waiting(served.app, 0)


def test_an_alias_that_is_deleted_ends_the_waiting(served: Served) -> None:
    response, seconds = watched_while(served, lambda: served.client.delete("/models/churn/aliases/champion"))
    assert response.status_code == 404
    assert seconds < 0.5


def test_who_leaves_frees_the_place(served: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        served.client.get(WATCH, params={"timeout": 60}, timeout=0.3)
    until_waiting(served.app, 0)
    with served.client.stream("GET", WATCH, headers={"Accept": "text/event-stream"}) as stream:
        told = events(stream)
        assert next(told)["event"] == "version"
        until_waiting(served.app, 1)
    until_waiting(served.app, 0)
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

    async def watch_all() -> tuple[list[httpx.Response], float, float]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(base_url=served.url, headers=served.headers, limits=limits, timeout=30) as client:
            tasks = [asyncio.create_task(client.get(WATCH, headers={"If-None-Match": etag})) for _ in range(count)]
            await asyncio.to_thread(until_waiting, served.app, count)
            threads = threading.active_count()
            reads.clear()
            begun = time.monotonic()
            await asyncio.to_thread(lambda: served.client.get("/models/churn").raise_for_status())
            assert time.monotonic() - begun < 1
            assert threads < 60
            begun = time.monotonic()
            await asyncio.to_thread(moved(served))
            answers = await asyncio.gather(*tasks)
            seconds = time.monotonic() - begun
            begun = time.monotonic()
            await asyncio.gather(*(client.get(CHAMPION) for _ in range(count)))
            return answers, seconds, time.monotonic() - begun

    answers, seconds, asked = asyncio.run(watch_all())
    assert {(answer.status_code, answer.json()["number"]) for answer in answers} == {(200, 2)}
    assert seconds < asked, "telling all who wait takes no longer than answering as many who ask"
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
            until_waiting(served.app, 1)
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
    until_waiting(served.app, 0)


def test_whoever_waits_is_let_go_at_the_end(served: Served) -> None:
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(served.client.get, WATCH, params={"timeout": 60})
        until_waiting(served.app, 1)
        time.sleep(0.3)
        served.app.state.lookout.close()
        assert answer.result(5).status_code == 304
    assert served.client.get(WATCH).status_code == 503


def test_an_embedded_registry_is_watched_too(api: Any) -> None:
    fill(api)
    etag = api.get(CHAMPION).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(timed, lambda: api.get(WATCH, headers={"If-None-Match": etag, "Accept": "text/event-stream"}))
        until_waiting(api._transport._app, 1)
        begun = time.monotonic()
        api.put("/models/churn/aliases/champion", json={"version": 2})
        response, at = answer.result(10)
    assert (response.status_code, response.json()["number"]) == (200, 2)
    assert at - begun < 0.5
    assert api.get(WATCH, params={"timeout": 1}).status_code == 304


def test_closing_an_embedded_registry_lets_go_who_waits(api: Any) -> None:
    fill(api)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.get, WATCH, params={"timeout": 100})
        until_waiting(api._transport._app, 1)
        with contextlib.suppress(RuntimeError):
            api.close()
        assert answer.result(20).status_code == 304
