"""Several processes on one database, processes that die, and processes that are told to stop; on both engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import sqlalchemy as sa

from studbook.services.registry import open_registry
from studbook.storage import tables
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]


def run_all(*functions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive()


def test_two_processes_start_at_once_and_give_dense_numbers(make_server: MakeServer) -> None:
    servers = [make_server().start(), make_server().start()]
    for server in servers:
        server.wait_ready()
    numbers: list[int] = []
    statuses: set[int] = set()

    def register(server: ServerProcess) -> None:
        with server.client() as client:
            for _ in range(6):
                response = client.post("/ingest", json=make_document())
                statuses.add(response.status_code)
                numbers.append(response.json()["version"]["number"])

    run_all(*[lambda server=server: register(server) for server in servers for _ in range(8)])  # type: ignore[misc]
    assert statuses == {201}
    assert sorted(numbers) == list(range(1, 97))
    with servers[0].client() as client:
        tokens = client.get("/tokens").json()["items"]
    assert [token["title"] for token in tokens if token["access"] == "admin"] == ["first start"]


def test_a_killed_server_loses_and_doubles_nothing(make_server: MakeServer, database_url: str) -> None:
    server = make_server().start().wait_ready()
    acknowledged: dict[str, str] = {}
    sent: list[str] = []
    enough = threading.Event()

    def register(worker: int) -> None:
        with server.client() as client:
            for index in range(500):
                key = f"{worker}-{index}"
                sent.append(key)
                try:
                    response = client.post("/ingest", json=_keyed(key), headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    return
                acknowledged[key] = response.json()["version"]["name"]
                if len(acknowledged) >= 120:
                    enough.set()

    def kill() -> None:
        assert enough.wait(60)
        server.kill()

    run_all(kill, *[lambda worker=worker: register(worker) for worker in range(8)])  # type: ignore[misc]
    again = make_server().start().wait_ready()
    with again.client() as client:
        for key in sent:
            response = client.post("/ingest", json=_keyed(key), headers={"Idempotency-Key": key})
            assert response.json()["version"]["name"] == acknowledged.get(key, response.json()["version"]["name"])
    assert again.stop() == 0
    _assert_whole(database_url, len(sent))


def _keyed(key: str) -> dict[str, object]:
    document = make_document()
    document["version"]["identifiers"] = {"key": key}
    document["version"]["artifacts"] = []
    return document


def _assert_whole(database_url: str, versions: int) -> None:
    """Every version has its rows, its event and its edge; nothing stands alone."""
    registry = open_registry(database_url)
    with registry.database.read() as connection:

        def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
            return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()

        assert count(tables.model_versions) == versions
        assert count(tables.parameters) == 2 * versions
        assert count(tables.version_metrics) == versions
        assert count(tables.events, tables.events.c.action == "model_version.registered") == versions
        assert count(tables.lineage_edges, tables.lineage_edges.c.relation == "output") == versions
        assert count(tables.runs) == versions
        newest = connection.execute(sa.select(sa.func.max(tables.model_versions.c.number))).scalar_one()
        assert newest == versions
        if registry.database.is_embedded:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    registry.close()


def test_a_server_that_is_told_to_stop_finishes_what_it_began(make_server: MakeServer) -> None:
    server = make_server().start().wait_ready()
    outcomes: list[int] = []
    begun = threading.Event()

    def register() -> None:
        with server.client() as client:
            while True:
                try:
                    outcomes.append(client.post("/ingest", json=make_document()).status_code)
                except httpx.TransportError:
                    return
                begun.set()

    def stop() -> None:
        assert begun.wait(30)
        assert server.stop() == 0

    run_all(stop, register, register, register)
    assert set(outcomes) <= {201, 503}
    assert 201 in outcomes
    assert "Traceback" not in server.log.read_text()


def test_several_workers_of_one_server(make_server: MakeServer) -> None:
    server = make_server(STUDBOOK_WORKERS="2").start().wait_ready()
    with server.client() as client:
        numbers = [client.post("/ingest", json=make_document()).json()["version"]["number"] for _ in range(10)]
    assert numbers == list(range(1, 11))
    assert server.stop() in {0, -15}
