"""Definitions that are published and attributes that are placed while several processes write, and one of them dies."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from studbook.config import Settings
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.guard import FileGuard
from studbook.services.registry import open_registry
from studbook.testing import make_document
from tests.acceptance.test_processes import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

FIRST: dict[str, Any] = {
    "name": "tabular",
    "json_schema": {"type": "object"},
    "attributes": [{"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column"}],
}
SIZE = {"id": 2, "name": "size", "path": "/attributes/size", "type": "integer", "store": "column"}
SECOND: dict[str, Any] = {**FIRST, "attributes": [*FIRST["attributes"], SIZE]}
WORDS = {"id": 3, "name": "words", "path": "/attributes/words", "store": "full-text"}
THIRD: dict[str, Any] = {**SECOND, "attributes": [*SECOND["attributes"], WORDS]}


def described(size: int) -> dict[str, Any]:
    document = make_document()
    document["model"]["schema"] = "tabular"
    document["version"] |= {"attributes": {"license": "MIT", "size": size, "words": "gradient boosting"}, "artifacts": []}
    return document


def publish(client: httpx.Client, definition: dict[str, Any]) -> None:
    number = client.post("/schemas", json=definition).json()["number"]
    assert client.post(f"/schemas/tabular/versions/{number}:publish").status_code == 200


def count(client: httpx.Client, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/search", params={**query, "count": "true", "page_size": 1}).json()["total"]
    return found


def test_attributes_are_all_placed_though_processes_write_and_die(
    make_server: MakeServer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [make_server().start().wait_ready() for _ in range(2)]
    with servers[0].client() as client:
        publish(client, FIRST)
        lines = "\n".join(httpx.Request("POST", "http://x", json=described(0)).read().decode() for _ in range(600))
        assert client.post("/ingest/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}).status_code == 200
    registered = [600]
    done = threading.Event()

    def register(server: ServerProcess) -> None:
        with server.client() as client:
            while not done.is_set():
                try:
                    answer = client.post("/ingest", json=described(1))
                except httpx.TransportError:
                    return
                assert answer.status_code == 201, answer.text
                registered[0] += 1

    def evolve() -> None:
        with servers[1].client() as client:
            for definition in (SECOND, THIRD):
                time.sleep(0.3)
                publish(client, definition)
                assert count(client, filter="size = 0") == {"count": 600, "exact": True}
            servers[0].kill()
            time.sleep(0.5)
        done.set()

    run_all(evolve, *[lambda server=server: register(server) for server in servers for _ in range(2)])  # type: ignore[misc]
    with servers[1].client() as client:
        end = time.monotonic() + 60
        while client.get("/schemas/tabular/storage-map").json()["work"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        every = count(client)
        assert every["count"] >= registered[0] > 600
        assert count(client, filter="size >= 0 and license = MIT") == every
        assert count(client, q="gradient", order_by="number") == every
        client.patch("/models/churn", json={"description": "at rest"}, params={"wait": "proof"})
    assert servers[1].stop() == 0
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    registry = open_registry(database_url, upgrade=False)
    guard = FileGuard(Settings().guard_folder())
    findings = [finding for report in check_logs(registry.database, guard, ()) for finding in report.findings]
    registry.close()
    assert findings == []
