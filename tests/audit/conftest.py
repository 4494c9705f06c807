"""A registry with a log worth attacking, on both engines, with keys and guard of its own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from studbook.config import Settings
from studbook.embedded import EmbeddedTransport
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.guard import FileGuard
from studbook.storage import tables
from studbook.storage.database import Database, parse_url
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from studbook.merkle.checkpoint import Checkpoint
    from studbook.services.audit.fsck import LogReport

API = "http://studbook.test/api/v1/namespaces/default"
NAMESPACE = 1


@dataclass(slots=True)
class Site:
    """A database with the folders beside it."""

    url: str
    home: Path

    @property
    def guard(self) -> FileGuard:
        return FileGuard(self.home / "guard")

    @contextlib.contextmanager
    def open(self) -> Iterator[httpx.Client]:
        with contextlib.closing(EmbeddedTransport(self.url)) as transport:
            yield httpx.Client(transport=transport, base_url=API)

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        with contextlib.closing(Database(parse_url(self.url))) as database:
            yield database

    @contextlib.contextmanager
    def as_operator(self) -> Iterator[sa.Connection]:
        """What whoever runs the database can do: anything, constraints switched off."""
        with self.database() as database, database.engine.connect() as connection:
            if database.is_embedded:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("SET session_replication_role = replica")
            yield connection
            connection.commit()

    def fsck(self, *against: Checkpoint) -> list[LogReport]:
        with self.database() as database:
            return list(check_logs(database, self.guard, against))

    def origin(self) -> str:
        with self.database() as database, database.read() as connection:
            statement = sa.select(tables.logs.c.origin).where(tables.logs.c.namespace_id == NAMESPACE)
            return connection.execute(statement).scalar_one()


@pytest.fixture
def site(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path / "home"))
    return Site(database_url, Settings().home)


def fill(client: httpx.Client, versions: int = 3, model: str = "churn") -> None:
    """Everything that can happen to records, with a receipt at the end."""

    def act(method: str, path: str, body: Any = None) -> None:
        answer = client.request(method, path, json=body)
        assert answer.status_code < 300, answer.text

    for number in range(versions):
        document = make_document(model)
        document["run"]["metrics"] = [{"name": "loss", "value": 1 / (step + 1), "step": step} for step in range(5)]
        document["run"]["experiment"] = "tuning"
        document["version"]["tags"] = {"stage": "trial"}
        document["version"]["identifiers"] = {"registry": f"{model}-{number}"}
        if number:
            document["version"]["parents"] = [f"{model}/{number}"]
        act("POST", "/ingest", document)
    act("PATCH", f"/models/{model}", {"owners": [{"name": "Ada", "email": "ada@example.org"}], "tags": {"team": "risk"}})
    act("PUT", f"/models/{model}/aliases/champion", {"version": 1})
    act("PUT", f"/models/{model}/aliases/champion", {"version": 2})
    act("POST", f"/models/{model}/versions/1/evaluations", {"run": {}, "metrics": [{"name": "f1", "value": 0.6}]})
    act("POST", "/deployments", {"version": f"{model}/1", "target": f"{model}/prod"})
    act("POST", "/deployments", {"version": f"{model}/2", "target": f"{model}/prod"})
    act("PATCH", f"/models/{model}/versions/1?wait=proof", {"description": "the first"})


@pytest.fixture
def filled(site: Site) -> Site:
    """A site with records of every kind and a signed log."""
    with site.open() as client:
        fill(client, 8)
    return site


@pytest.fixture
def restore(site: Site, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Takes a copy of the whole database, and gives what puts it back."""
    metadata = tables.metadata

    def take() -> Callable[[], None]:
        with site.database() as database, database.read() as connection:
            kept = {
                table: [dict(row) for row in connection.execute(sa.select(table)).mappings()] for table in metadata.sorted_tables
            }

        def put_back() -> None:
            with site.as_operator() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())
                for table, rows in kept.items():
                    if rows:
                        connection.execute(table.insert(), rows)

        return put_back

    return take
