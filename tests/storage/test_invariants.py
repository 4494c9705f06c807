"""The invariants hold in the database itself, whatever program writes to it."""

from __future__ import annotations

import base64
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import rfc8785
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from studbook.domain.entries import opened
from studbook.domain.ids import new_id
from studbook.merkle.hashing import leaf_hash
from studbook.services.registry import open_registry
from studbook.storage import migrations, scanning, tables
from studbook.storage.database import Database, parse_url
from studbook.storage.reading import TABLES
from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from studbook.services.registry import Registry


@pytest.fixture
def filled(api: httpx.Client, database_url: str) -> Iterator[Registry]:
    """A registry in which every kind of change has happened."""
    document = make_document()
    document["version"]["identifiers"] = {"registry": "one"}
    document["run"]["experiment"] = "tuning"
    child = make_document()
    child["version"]["parents"] = ["churn/1"]
    acts: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/ingest", document),
        ("POST", "/ingest", child),
        ("PATCH", "/models/churn", {"tags": {"a": "b"}, "owners": [{"name": "team"}], "description": "x"}),
        ("PATCH", "/models/churn", {"archived": True}),
        ("PATCH", "/models/churn", {"archived": False}),
        ("PATCH", "/models/churn/versions/2", {"tags": {"k": "v"}, "archived": True}),
        ("PATCH", "/models/churn/versions/2", {"archived": False}),
        ("PUT", "/models/churn/aliases/champion", {"version": 1}),
        ("PUT", "/models/churn/aliases/champion", {"version": 2}),
        ("DELETE", "/models/churn/aliases/champion", None),
        ("POST", "/models/churn/versions/1/metrics", {"metrics": [{"name": "f1", "value": 0.5}]}),
        ("POST", "/models/churn/versions/1/evaluations", {"run": {}, "metrics": [{"name": "f1", "value": 0.6}]}),
        ("POST", "/deployments", {"version": "churn/1", "target": "prod"}),
        ("POST", "/deployments", {"version": "churn/2", "target": "prod"}),
        ("POST", "/tokens", {"name": "ci", "access": "read"}),
    ]
    for method, path, body in acts:
        assert api.request(method, path, json=body).status_code < 300, (path, body)
    token = api.get("/tokens").json()["items"][0]
    assert api.delete(f"/{token['name']}").status_code == 200
    registry = open_registry(database_url)
    yield registry
    registry.close()


def test_every_record_equals_its_last_event_and_no_event_is_missing(filled: Registry) -> None:
    with filled.database.read() as connection:
        events: dict[UUID, list[Any]] = {}
        for row in connection.execute(sa.select(tables.events).order_by(tables.events.c.revision)):
            events.setdefault(row.subject_id, []).append(row)
        private: dict[UUID, dict[str, bytes]] = {}
        for row in connection.execute(sa.select(tables.private_values)):
            private.setdefault(row.event_id, {})[row.pointer] = row.value
        for table in TABLES.values():
            for record in connection.execute(sa.select(table)):
                chain = [json.loads(row.body) for row in events.pop(record.id)]
                assert [event["rev"] for event in chain] == list(range(1, record.revision + 1))
                assert chain[0]["before"] is None
                assert [event["before"] for event in chain[1:]] == [event["after"] for event in chain[:-1]]
                last = chain[-1]
                assert opened(last, private.get(UUID(last["id"]), {}), {})["after"] == json.loads(record.record)
        assert {json.loads(rows[0].body)["after"]["kind"] for rows in events.values()} == {"namespace"}


def test_an_event_is_stored_as_its_canonical_bytes_and_stands_in_the_tree_once(filled: Registry) -> None:
    with filled.database.read() as connection:
        events: dict[int, list[UUID]] = {}
        for row in connection.execute(sa.select(tables.events.c.namespace_id, tables.events.c.id)):
            events.setdefault(row.namespace_id, []).append(row.id)
    for namespace_id, ids in events.items():
        assert filled.log.wait(namespace_id, ids, 10).result()
    with filled.database.read() as connection:
        rows = connection.execute(sa.select(tables.events)).all()
        waiting = connection.execute(sa.select(tables.outbox)).all()
        entries = connection.execute(sa.select(tables.log_entries)).all()
    assert {row.action for row in rows} >= {"alias.moved", "model.archived", "deployment.ended", "token.revoked", "log.opened"}
    assert waiting == []
    assert sorted(entry.event_id for entry in entries) == sorted(row.id for row in rows)
    bodies = {row.id: row.body for row in rows}
    for row in rows:
        assert rfc8785.dumps(json.loads(row.body)) == row.body
    for entry in entries:
        assert leaf_hash(bodies[entry.event_id]) == entry.leaf_hash


def test_a_subjects_events_are_chained_by_their_leaf_hashes(filled: Registry) -> None:
    with filled.database.read() as connection:
        rows = connection.execute(sa.select(tables.events).order_by(tables.events.c.revision)).all()
    last: dict[UUID, bytes] = {}
    for row in rows:
        entry = json.loads(row.body)
        before = last.get(row.subject_id)
        assert entry["prev"] == (base64.b64encode(leaf_hash(before)).decode() if before is not None else None)
        last[row.subject_id] = row.body


def test_rows_say_what_the_record_says(filled: Registry) -> None:
    with filled.database.read() as connection:
        for row in connection.execute(sa.select(tables.model_versions)):
            record = json.loads(row.record)
            stored = {
                name: dict(connection.execute(sa.select(*columns).where(key == row.id)).all())  # type: ignore[arg-type]
                for name, columns, key in (
                    ("tags", (tables.version_tags.c.key, tables.version_tags.c.value), tables.version_tags.c.version_id),
                    ("parameters", (tables.parameters.c.name, tables.parameters.c.number), tables.parameters.c.version_id),
                )
            }
            assert stored == {name: record[name] for name in stored}
            values = sa.select(tables.version_metrics.c.value).where(tables.version_metrics.c.version_id == row.id)
            recorded = [metric["value"] for metric in record["metrics"]]
            assert list(connection.execute(values.order_by(tables.version_metrics.c.position)).scalars()) == recorded


def _copy(connection: sa.Connection, table: sa.Table, **changes: Any) -> None:
    row = dict(connection.execute(sa.select(table).limit(1)).mappings().one())
    connection.execute(table.insert().values({**row, **changes}))


def _edge(connection: sa.Connection, source: Any, target: Any) -> None:
    values = {
        "namespace_id": 1, "source_id": source.id, "target_id": target.id, "relation": "x", "role": "",
        "basis": "declared", "event_id": new_id(),
        "source_generation": source.generation, "target_generation": target.generation, "created_at": "",
    }  # fmt: skip
    connection.execute(tables.lineage_edges.insert().values(values))


def _nodes(connection: sa.Connection) -> dict[str, Any]:
    return {row.name: row for row in connection.execute(sa.select(tables.lineage_nodes))}


def _cycle(connection: sa.Connection) -> None:
    nodes = _nodes(connection)
    _edge(connection, nodes["models/churn/versions/2"], nodes["models/churn/versions/1"])


def _loop(connection: sa.Connection) -> None:
    node = _nodes(connection)["models/churn/versions/1"]
    _edge(connection, node, node)


def _false_generation(connection: sa.Connection) -> None:
    nodes = _nodes(connection)
    source, target = nodes["models/churn/versions/2"], nodes["models/churn/versions/1"]
    values = {"source_generation": 0, "target_generation": 99}
    _edge(connection, source._replace(generation=0) if hasattr(source, "_replace") else source, target)
    connection.execute(tables.lineage_edges.update().values(values))


BREACHES: dict[str, Callable[[sa.Connection], None]] = {
    "a version number twice": lambda connection: _copy(connection, tables.model_versions, id=new_id()),
    "a version number below 1": lambda connection: _copy(connection, tables.model_versions, id=new_id(), number=0),
    "a version without a model": lambda connection: _copy(
        connection, tables.model_versions, id=new_id(), number=77, model_id=new_id()
    ),
    "a model name twice": lambda connection: _copy(connection, tables.registered_models, id=new_id()),
    "a dataset digest twice": lambda connection: _copy(connection, tables.dataset_versions, id=new_id(), number=77),
    "an identifier twice": lambda connection: _copy(connection, tables.identifiers, record_id=new_id()),
    "a parameter without a version": lambda connection: _copy(connection, tables.parameters, version_id=new_id()),
    "an edge without a node": lambda connection: _copy(connection, tables.lineage_edges, source_id=new_id()),
    "an edge to an ancestor": _cycle,
    "an edge to itself": _loop,
    "a generation that is not the node's": _false_generation,
    "two active deployments on a target": lambda connection: connection.execute(
        tables.deployments.update().values(active_target="prod")
    ),
    "an event revision twice": lambda connection: _copy(connection, tables.events, id=new_id()),
    "an outbox row without an event": lambda connection: connection.execute(
        tables.outbox.insert().values(namespace_id=1, event_id=new_id())
    ),
    "an event in the log twice": lambda connection: _copy(connection, tables.log_entries, entry_index=99_999),
    "two entries with one index": lambda connection: _copy(connection, tables.log_entries, event_id=new_id()),
    "two logs of one name": lambda connection: _copy(connection, tables.logs, id=new_id(), shard=9),
}  # type: ignore[assignment]


@pytest.mark.parametrize("breach", BREACHES)
def test_the_database_refuses(filled: Registry, breach: str) -> None:
    with pytest.raises(sa.exc.IntegrityError), filled.database.engine.begin() as connection:
        BREACHES[breach](connection)


def test_a_failed_write_leaves_nothing(api: httpx.Client, registry: Registry) -> None:
    def counts() -> list[int]:
        with registry.database.read() as connection:
            tables_ = tables.metadata.sorted_tables
            return [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables_]

    api.post("/ingest", params={"wait": "proof"}, json=make_document())
    before = counts()
    refused = make_document("new", datasets=[{"name": "fresh", "digest": digest_of("fresh")}])
    refused["version"]["parents"] = ["nowhere/1"]
    assert api.post("/ingest", json=refused).status_code == 422
    assert counts() == before


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    url = parse_url(database_url)
    empty = Database(url)
    with empty.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
        tables.metadata.drop_all(connection)
        for leftover in ("search_index", "search_positions"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {leftover}"))
    empty.close()
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrations.upgrade, url) for _ in range(4)]:
            done.result(60)
    registry = open_registry(database_url, upgrade=False)
    assert registry.check() == {"migrations": "ok", "database": "ok", "audit_log": "ok"}
    registry.close()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection", "ignore:autogenerate skipping metadata-specified expression")
def test_one_chain_of_migrations_makes_the_tables(registry: Registry) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations._FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]
    with registry.database.engine.connect() as connection:
        assert migrations.find_revision(connection) == migrations.HEAD
        # The full-text index is the dialect's own.
        options = {
            "include_name": lambda name, kind, _: (
                kind == "column" or not (name or "").startswith(("search_index", "search_positions", "ix_search_"))
            )
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata) == []


def test_edges_are_read_in_parts_each_once(filled: Registry) -> None:
    with filled.database.read() as connection:
        whole = list(scanning.iter_edges(connection, 1))
        parts = list(itertools.islice(scanning.iter_edges(connection, 1, step=1), len(whole) + 1))
    assert len(whole) > 1
    assert parts == whole
