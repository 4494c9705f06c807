"""Following a version through the SDK: at first, at every change, and across a registry that goes away."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import studbook
from studbook.domain.tokens import make_token
from tests.acceptance.conftest import ServerProcess, free_port
from tests.client.conftest import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from studbook import Registry
    from tests.client.conftest import FakeRegistry


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studbook.client.watching._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("studbook.client.watching._LONGEST_PAUSE", 0.2)


def fill(registry: Registry) -> None:
    for _ in range(2):
        with registry.run(capture=False) as run:
            run.register("churn")
    registry.set_alias("churn", "champion", 1)


def later(call: Callable[[], Any], seconds: float = 0.3) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


def test_a_version_is_told_at_first_and_at_every_change(tmp_path: Path) -> None:
    with studbook.connect(tmp_path / "studbook.db", spool=tmp_path / "spool") as registry:
        fill(registry)
        told = registry.watch("churn", "@champion")
        assert (first := next(told)).number == 1
        for version in (2, 1):
            moving = later(lambda version=version: registry.set_alias("churn", "champion", version))
            changed = next(told)
            moving.join()
            assert (changed.number, changed.aliases) == (version, ("champion",))
            assert changed.etag != first.etag or version == 1
        tagging = later(lambda: registry.update_version("churn/1", tags={"a": "b"}))
        assert next(told).tags == {"a": "b"}
        tagging.join()
        deleting = later(lambda: registry.delete_alias("churn", "champion"))
        with pytest.raises(studbook.NotFoundError):
            next(told)
        deleting.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    port, token = free_port(), make_token()
    settings = {"HOME": tmp_path / "server", "PORT": port, "BOOTSTRAP_TOKEN": token}
    (tmp_path / "server").mkdir()
    environment = {f"STUDBOOK_{name}": str(value) for name, value in settings.items()}
    started = ServerProcess(environment, port, token, tmp_path / "server.log").start().wait_ready()
    yield started
    if started.process.poll() is None:
        started.kill()


def test_a_registry_that_goes_away_is_followed_when_it_returns(server: ServerProcess, spool: Path) -> None:
    with (
        studbook.connect(f"http://127.0.0.1:{server.port}", server.token, spool=spool) as registry,
        studbook.connect(f"http://127.0.0.1:{server.port}", server.token, spool=spool) as writer,
    ):
        fill(writer)
        told = registry.watch("churn", "@champion")
        assert next(told).number == 1

        def restart() -> None:
            server.kill()
            time.sleep(0.5)
            server.start().wait_ready()
            writer.set_alias("churn", "champion", 2)

        restarting = later(restart)
        assert next(told).number == 2
        restarting.join()


def test_each_poll_tells_the_etag_and_how_long_to_wait(fake: FakeRegistry, sdk: Registry) -> None:
    shown = {"kind": "model_version", "number": 1, "etag": '"1.aaaaaaaa"'}
    fake.script = [
        (200, shown, {}),
        (304, None, {}),
        (503, problem("unavailable", "shutting down"), {}),
        (0, None, {}),
        (200, {**shown, "number": 2, "etag": '"1.bbbbbbbb"'}, {}),
        (403, problem("forbidden", "no longer"), {}),
    ]
    told = sdk.watch("churn", "@champion")
    assert [next(told).number, next(told).number] == [1, 2]
    with pytest.raises(studbook.PermissionDeniedError):
        next(told)
    polls = fake.requests[1:]
    assert {request["path"] for request in polls} == {
        "/api/v1/namespaces/default/models/churn/versions/%40champion/watch?timeout=30"
    }
    assert [request["headers"]["If-None-Match"] for request in polls] == ['"1.aaaaaaaa"'] * 4 + ['"1.bbbbbbbb"']


def test_what_cannot_be_read_at_first_is_told(away: Registry, fake: FakeRegistry, sdk: Registry) -> None:
    with pytest.raises(studbook.UnreachableError):
        next(away.watch("churn"))
    fake.script = [(404, problem("not_found", "no such model"), {})]
    with pytest.raises(studbook.NotFoundError):
        next(sdk.watch("churn", 3))
    assert fake.requests[0]["path"].endswith("/models/churn/versions/3")
