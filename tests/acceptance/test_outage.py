"""A database server that refuses connections for a while: plain refusals meanwhile, and recovery without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from studbook.testing import PostgresSource, make_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import ServerProcess


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_outage_is_said_and_survived(
    make_server: Callable[..., ServerProcess], database_url: str, postgres_source: PostgresSource
) -> None:
    server = make_server().start().wait_ready()
    name = sa.make_url(database_url).database
    client = server.client()
    assert client.post("/ingest", json=make_document()).status_code == 201
    with psycopg.connect(postgres_source.server_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for response in (client.get("/models"), client.post("/ingest", json=make_document()), client.get("/models")):
            assert response.status_code == 503, response.text
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["retry-after"]
        assert httpx.get(f"http://127.0.0.1:{server.port}/readyz").status_code == 503
        assert httpx.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert httpx.get(f"http://127.0.0.1:{server.port}/readyz").status_code == 200
    assert client.post("/ingest", json=make_document()).json()["version"]["number"] == 2
