"""SQLite finds what is asked by an index; without a word it would read all edges of a namespace, or all of its versions."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.domain.documents import IngestDocument
from studbook.domain.validation import read_document
from studbook.services import ingestion, resolving
from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.services.tokens import first_caller
from studbook.storage import graph
from studbook.storage.graph import Reach
from studbook.testing import SqliteSource, digest_of
from tests.lineage.conftest import external

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook.services.registry import Registry

TABLES = r"registered_models|model_versions|dataset_versions|datasets|runs|artifacts|identifiers|aliases|lineage_\w+|events"
WHOLE = re.compile(rf"(SCAN ({TABLES})\b|SEARCH ({TABLES}|pending_references) .*\(namespace_id=\?\)$)")
REACHES = [
    Reach(upstream, frozenset({"x"} if related else ()), as_of, successions, ends_only)
    for upstream, related, as_of, successions, ends_only in itertools.product(
        (True, False), (True, False), (None, "2026-01-01"), (True, False), (True, False)
    )
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with SqliteSource(tmp_path).make() as url:
        registry = open_registry(url)
        prepare(registry)
        yield registry
        registry.close()


@pytest.fixture
def plan(registry: Registry) -> Iterator[list[tuple[str, str]]]:
    """The steps that SQLite takes for whatever is executed, each with its statement."""
    steps: list[tuple[str, str]] = []

    def explain(connection: Any, _: object, statement: str, parameters: Any, __: object, many: bool) -> None:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            values = parameters[0] if many else parameters
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)
            steps.extend((row[3], statement) for row in rows)

    engines = (registry.database.engine, registry.database._reading)
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", explain)
    yield steps
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("reach", REACHES, ids=str)
def test_edges_are_sought_by_their_node(registry: Registry, plan: list[tuple[str, str]], reach: Reach) -> None:
    with registry.database.read() as connection:
        for ask in (graph.find_edges, graph.walk):
            ask(connection, 1, [b"." * 16], reach, 10)
        graph.reach_nodes(connection, 1, b"." * 16, reach, 10)
    sought = [step for step, _ in plan if re.search(r"(SEARCH|SCAN) (lineage|withdrawn)_edges", step)]
    assert len(sought) >= 3
    assert [step for step in sought if f"(namespace_id=? AND {reach.anchor}=?" not in step] == []
    assert [step for step, _ in plan if "BLOOM" in step] == []


def document(model: str, number: int) -> dict[str, Any]:
    """One with several of all that is sought by pairs of values."""
    return {
        "model": {"name": model},
        "run": {"job": model, "identifiers": {"mlflow_run": f"{model}{number}"}},
        "datasets": [
            *({"name": f"{model}-{place}", "digest": digest_of(f"{place}{number}")} for place in range(3)),
            *({"name": f"{model}-{place}", "version": 1, "role": "test"} for place in range(3) if number),
        ],
        "version": {
            "identifiers": {"huggingface": f"org/{model}@{number:040x}", "oci": f"{model}{number}"},
            "artifacts": [{"uri": f"s3://{model}/{number}", "digest": digest_of(f"{model}{number}")}],
            "parents": [external(f"huggingface:org/{other}") for other in ("a", "b", "later") if other != model],
        },
    }


def test_nothing_that_is_registered_or_resolved_has_a_whole_namespace_read(
    registry: Registry, plan: list[tuple[str, str]]
) -> None:
    caller = first_caller(registry.database)
    for number in range(3):
        made = [read_document(IngestDocument, document(model, number)) for model in ("a", "b")]
        items = [ingestion.Ingestion(caller, each) for each in made]
        for outcome in ingestion.submit_together(registry.database, caller, items).result():
            assert not isinstance(outcome, Exception)
    texts = ["a/1", "b/2", "a@x", "b@y", "oci:a1", "oci:b2", *map(digest_of, "ab"), f"git:{1:040x}", f"git:{2:040x}"]
    texts += ["datasets/a-0/versions/1", "datasets/a-1/versions/2", "datasets/a-2/versions/latest", "s3://a/1", "s3://b/2"]
    with registry.database.read() as connection:
        resolving.resolve_many(connection, caller.namespace_id, texts)
    assert WHOLE.match("SEARCH lineage_nodes USING COVERING INDEX sqlite_autoindex_lineage_nodes_2 (namespace_id=?)")
    assert [(step, statement) for step, statement in plan if WHOLE.match(step)] == []
    assert len(plan) > 100
