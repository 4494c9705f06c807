"""The limit: the rows of the same records, written by hand-made SQL straight through the database's driver.

It writes what a reader of the record would need (version, run, tags, parameters, metrics, artifact, lineage), in the same
tables with the same constraints, and nothing else: no validation, no event, no rendered record, no idempotency.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from bench.records import DATASETS, document

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOW: Final = "2026-03-01T12:00:00.000000Z"
_SQL: Final = {
    "count": "UPDATE registered_models SET last_version = %s WHERE namespace_id = 1 AND id = %s",
    "run": "INSERT INTO runs (namespace_id, id, revision, record, created_at, updated_at, kind, status, job)"
    " VALUES (1, %s, 1, %s, %s, %s, 'training', 'completed', %s)",
    "node": "INSERT INTO lineage_nodes (namespace_id, id, kind, name, generation) VALUES (1, %s, %s, %s, %s)",
    "version": "INSERT INTO model_versions (namespace_id, id, revision, record, created_at, updated_at, model_id, number, run_id)"
    " VALUES (1, %s, 1, %s, %s, %s, %s, %s, %s)",
    "tag": "INSERT INTO version_tags (namespace_id, version_id, key, value) VALUES (1, %s, %s, %s)",
    "parameter": "INSERT INTO parameters (namespace_id, version_id, name, value, number) VALUES (1, %s, %s, %s, %s)",
    "metric": "INSERT INTO version_metrics (namespace_id, version_id, position, name, value, dataset, split, recorded_at)"
    " VALUES (1, %s, %s, %s, %s, %s, %s, %s)",
    "artifact": "INSERT INTO artifacts (namespace_id, version_id, position, uri, digest, size) VALUES (1, %s, 0, %s, %s, %s)",
    "edge": "INSERT INTO lineage_edges (namespace_id, target_id, source_id, relation, role, basis, source_generation,"
    " target_generation, run_id, event_id, created_at) VALUES (1, %s, %s, %s, %s, 'declared', %s, %s, NULL, %s, %s)",
}


class Writer:
    """Writes versions of one model over one connection of its own."""

    def __init__(self, url: str, model: str) -> None:
        self._sqlite = url.startswith("sqlite")
        if self._sqlite:
            self._connection: Any = sqlite3.connect(
                url.removeprefix("sqlite:///"), isolation_level=None, timeout=60, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._sql = {name: text.replace("%s", "?") for name, text in _SQL.items()}
        else:
            self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=2)
            self._sql = _SQL
        self._model = model
        self._cursor = self._connection.cursor()
        self._find_parent()

    def write(self, number: int) -> None:
        """Write `number` records, each in a transaction of its own."""
        for _ in range(number):
            with self._transaction():
                self._write_one()

    def write_bulk(self, number: int) -> None:
        """Write `number` records in one transaction."""
        with self._transaction():
            for _ in range(number):
                self._write_one()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._cursor.execute("BEGIN IMMEDIATE" if self._sqlite else "BEGIN")
        yield
        self._cursor.execute("COMMIT")

    def _id(self, value: uuid.UUID) -> Any:  # noqa: ANN401 - what the driver takes
        return value.bytes if self._sqlite else value

    def _find_parent(self) -> None:
        mark = "?" if self._sqlite else "%s"
        row = self._cursor.execute(
            "SELECT m.id, m.last_version, v.id, n.generation FROM registered_models m"
            " JOIN model_versions v ON v.model_id = m.id AND v.number = m.last_version JOIN lineage_nodes n ON n.id = v.id"
            f" WHERE m.namespace_id = 1 AND m.name = {mark}",
            (self._model,),
        ).fetchone()
        self._model_id, self._number, self._parent, self._generation = row
        names = f"({mark}, {mark})"
        rows = self._cursor.execute(
            f"SELECT v.id FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE d.name IN {names}",
            DATASETS,
        ).fetchall()
        self._datasets = [row[0] for row in rows]

    def _write_one(self) -> None:
        record = document(self._model, parent=None)
        version = record["version"]
        execute, many, sql = self._cursor.execute, self._cursor.executemany, self._sql
        run_id, version_id, event_id = (self._id(uuid.uuid4()) for _ in range(3))
        self._number += 1
        self._generation += 1
        execute(sql["count"], (self._number, self._model_id))
        execute(sql["run"], (run_id, b"{}", _NOW, _NOW, record["run"]["job"]))
        execute(sql["version"], (version_id, b"{}", _NOW, _NOW, self._model_id, self._number, run_id))
        many(sql["node"], [
            (run_id, "run", f"runs/{run_id!r}", 1),
            (version_id, "model_version", f"models/{self._model}/versions/{self._number}", self._generation),
        ])  # fmt: skip
        many(sql["tag"], [(version_id, key, value) for key, value in version["tags"].items()])
        many(sql["parameter"], [(version_id, key, repr(value), value) for key, value in version["parameters"].items()])
        many(sql["metric"], [
            (version_id, position, metric["name"], metric["value"], metric["dataset"], metric["split"], _NOW)
            for position, metric in enumerate(version["metrics"])
        ])  # fmt: skip
        artifact = version["artifacts"][0]
        execute(sql["artifact"], (version_id, artifact["uri"], artifact["digest"], artifact["size"]))
        edges = [(run_id, source, "input", role, 0, 1, event_id, _NOW) for source, role in zip(self._datasets, "ab", strict=True)]
        edges.append((version_id, run_id, "output", "", 1, self._generation, event_id, _NOW))
        edges.append((version_id, self._parent, "retrained-from", "", self._generation - 1, self._generation, event_id, _NOW))
        many(sql["edge"], edges)
        self._parent = version_id


def rate_alone(url: str, model: str, number: int, *, bulk: bool = False) -> float:
    """Records a second over one connection."""
    writer = Writer(url, model)
    started = time.perf_counter()
    (writer.write_bulk if bulk else writer.write)(number)
    seconds = time.perf_counter() - started
    writer.close()
    return number / seconds


def rate_together(url: str, models: list[str], number: int) -> float:
    """Records a second over one connection and thread for each of `models`, `number` records in all."""
    writers = [Writer(url, model) for model in models]
    started = time.perf_counter()
    with ThreadPoolExecutor(len(writers)) as pool:
        for done in [pool.submit(writer.write, number // len(models)) for writer in writers]:
            done.result()
    seconds = time.perf_counter() - started
    for writer in writers:
        writer.close()
    return number / seconds
