"""Fixtures: every test that names `database_url`, `registry` or `api` runs on both engines."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from studbook.embedded import EmbeddedTransport
from studbook.services.namespaces import prepare
from studbook.services.registry import Registry, open_registry
from studbook.services.tokens import first_caller
from studbook.testing import PostgresSource, SqliteSource, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.services.caller import Caller

ENGINES = ("sqlite", "postgresql")
API = "http://studbook.test/api/v1/namespaces/default"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder for keys and guards, so that no test touches the user's own."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDBOOK_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def sqlite_source(tmp_path_factory: pytest.TempPathFactory) -> SqliteSource:
    return SqliteSource(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_source() -> Iterator[PostgresSource]:
    # A short path of its own: a Unix socket's path is limited, and the server opens its folder's parents.
    folder = Path(tempfile.mkdtemp(prefix="sb-pg-"))
    with postgres_server(folder / "data") as url:
        source = PostgresSource(url)
        yield source
        source.close()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A new, empty database at the current schema."""
    name = "sqlite_source" if request.param == "sqlite" else "postgres_source"
    with request.getfixturevalue(name).make() as url:
        yield url


@pytest.fixture
def registry(database_url: str) -> Iterator[Registry]:
    """An open registry with its default namespace."""
    opened = open_registry(database_url)
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def caller(registry: Registry) -> Caller:
    """Whoever may do everything in the default namespace."""
    return first_caller(registry.database)


@pytest.fixture
def api(database_url: str) -> Iterator[httpx.Client]:
    """A client of the whole application, called in this process; paths are relative to the default namespace."""
    with contextlib.closing(EmbeddedTransport(database_url)) as transport:
        yield httpx.Client(transport=transport, base_url=API)
