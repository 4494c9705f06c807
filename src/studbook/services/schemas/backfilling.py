"""Putting what is stored already where a definition says: chunk by chunk, while everything goes on.

A piece of work is a row. Each chunk is one transaction that projects the next versions anew and moves the cursor, so that a
process that dies loses at most a chunk, and any process goes on. Until it is done a search reads the records themselves.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import StudbookError
from studbook.domain.ids import new_id
from studbook.services.ingestion.resolution import load_record
from studbook.services.projection import ATTRIBUTE_TABLES, details_of
from studbook.services.schemas.contracts import load_maps
from studbook.services.schemas.doubles import find_doubles
from studbook.storage import facts
from studbook.storage import schemas as storage
from studbook.storage.side_tables import side_table
from studbook.storage.tables import schema_backfills, search_documents

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from uuid import UUID

    from studbook.schemas.storage_map import StorageMap
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

_log = logging.getLogger(__name__)
# Small enough that a write waits for a chunk no longer than for another write.
_CHUNK: Final = 200
_PAUSE_SECONDS: Final = 0.005


def start_backfill(
    transaction: Transaction,
    namespace_id: int,
    schema_id: UUID,
    now: str,
    *,
    attributes: Sequence[int] | None = None,
    model_id: UUID | None = None,
) -> None:
    """Begin a piece of work, if there is any: for one model, or for these attributes of all models that have the definition."""
    connection = transaction.connection
    total = storage.count_versions(connection, namespace_id, schema_id, model_id)
    if not total or attributes == []:
        return
    transaction.stage(
        schema_backfills,
        {
            "namespace_id": namespace_id,
            "id": new_id(),
            "schema_id": schema_id,
            "model_id": model_id,
            "attributes": None if attributes is None else json.dumps(list(attributes)),
            "cursor": None,
            "done": 0,
            "total": total,
            "started_at": now,
            "fault": None,
        },
    )
    transaction.flush()


def fill_chunk(transaction: Transaction, namespace_id: int, job_id: UUID, size: int = _CHUNK) -> bool:
    """Do the next chunk of a piece of work; returns whether more is left for this process to do."""
    connection = transaction.connection
    job = storage.find_backfill(connection, namespace_id, job_id)
    if job is None or job.fault is not None:
        return False
    rows = storage.lock_chunk(connection, namespace_id, job, size)
    if not rows:
        storage.end_backfill(connection, namespace_id, job_id)
        return False
    maps = load_maps(connection, namespace_id, {job.schema_id, *(row.schema_id for row in rows if row.schema_id)}, lock=True)
    version_ids = [row.id for row in rows]
    sides = [side_table(storage_map) for storage_map in maps.values()]
    for table in (*sides, *ATTRIBUTE_TABLES):
        facts.delete_of(connection, table, namespace_id, "version_id", version_ids)
    facts.delete_of(connection, search_documents, namespace_id, "id", version_ids)
    staged: dict[UUID, list[tuple[UUID, dict[str, Any]]]] = {}
    for row in rows:
        storage_map = maps.get(row.schema_id)
        details = details_of(namespace_id, load_record(row.record), storage_map)
        if storage_map is not None:
            columns = details[side_table(storage_map)][0]
            staged.setdefault(row.schema_id, []).append((row.id, columns))
        for table in (*sides, *ATTRIBUTE_TABLES, search_documents):
            transaction.stage(table, *details.get(table, ()))
    if fault := _find_double(transaction, namespace_id, maps, staged):
        # Nothing of this chunk is stored: the transaction ends with the fault alone.
        raise _DoubleValueError(fault)
    transaction.flush()
    storage.move_backfill(connection, namespace_id, job_id, rows[-1].id, job.done + len(rows))
    return True


class _DoubleValueError(StudbookError):
    """Two versions have one value of an attribute that is unique."""


def _find_double(
    transaction: Transaction,
    namespace_id: int,
    maps: dict[UUID, StorageMap],
    staged: dict[UUID, list[tuple[UUID, dict[str, Any]]]],
) -> str | None:
    for schema_id, rows in staged.items():
        doubles = find_doubles(transaction.connection, namespace_id, maps[schema_id], rows)
        if doubles:
            name, value, _ = doubles[0]
            return f"the attribute {name!r} is unique, and more than one version has the value {str(value)[:80]!r}"
    return None


def fill(database: Database, stop: threading.Event) -> None:
    """Do all work that there is now, until it is time to stop."""
    with database.read() as connection:
        jobs = storage.list_backfills(connection)
    for job in jobs:
        while not stop.is_set() and job.fault is None and _fill_next(database, job.namespace_id, job.id):
            # Those who wait to write come first.
            stop.wait(_PAUSE_SECONDS)


def _fill_next(database: Database, namespace_id: int, job_id: UUID) -> bool:
    try:
        return bool(database.work.run(lambda transaction: fill_chunk(transaction, namespace_id, job_id)))
    except _DoubleValueError as error:
        fault = error.detail
        _log.warning("a definition's attributes cannot be put in their places: %s", fault)
        database.work.run(lambda transaction: storage.fail_backfill(transaction.connection, namespace_id, job_id, fault))
    except StudbookError as error:
        _log.info("a chunk is tried again later: %s", error.detail)
    return False
