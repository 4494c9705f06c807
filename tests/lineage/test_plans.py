"""SQLite finds the edges of a node by an index, whatever is asked; without a word it would read all edges for each node."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.storage import graph
from studbook.storage.graph import Reach
from studbook.testing import SqliteSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

REACHES = [
    Reach(upstream, frozenset({"x"} if related else ()), as_of, successions, ends_only)
    for upstream, related, as_of, successions, ends_only in itertools.product(
        (True, False), (True, False), (None, "2026-01-01"), (True, False), (True, False)
    )
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder: Path = tmp_path_factory.mktemp("plans")
    with SqliteSource(folder).make() as url:
        registry = open_registry(url)
        prepare(registry)
        with registry.database.read() as connection:
            yield connection
        registry.close()


@pytest.fixture
def plan(connection: Connection) -> Iterator[list[str]]:
    """The steps that SQLite takes for whatever is executed."""
    steps: list[str] = []

    def explain(_: object, cursor: Any, statement: str, parameters: Any, *__: object) -> None:
        steps.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    sa.event.listen(connection, "before_cursor_execute", explain)
    yield steps
    sa.event.remove(connection, "before_cursor_execute", explain)


@pytest.mark.parametrize("reach", REACHES, ids=str)
def test_edges_are_sought_by_their_node(connection: Connection, plan: list[str], reach: Reach) -> None:
    for ask in (graph.find_edges, graph.walk):
        ask(connection, 1, [b"." * 16], reach, 10)
    graph.reach_nodes(connection, 1, b"." * 16, reach, 10)
    sought = [step for step in plan if re.search(r"(SEARCH|SCAN) (lineage|withdrawn)_edges", step)]
    assert len(sought) >= 3
    assert [step for step in sought if f"(namespace_id=? AND {reach.anchor}=?" not in step] == []
    assert [step for step in plan if "BLOOM" in step] == []
