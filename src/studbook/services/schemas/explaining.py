"""The storage map as people read it: where each attribute is kept, and what a search for it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.domain.errors import ConflictError
from studbook.schemas.definition import Store, ValueType
from studbook.services.reading import missing_definition
from studbook.services.schemas.contracts import load_maps
from studbook.services.searching.catalogue import load_askable
from studbook.services.searching.questions import Question
from studbook.services.searching.searching import show_sql
from studbook.storage import schemas as storage
from studbook.storage.side_tables import column_type, index_name

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.schemas.storage_map import StorageMap, StoredAttribute
    from studbook.services.searching.catalogue import Askable

# How a rule will see the type: the names of CEL.
RULE_TYPES: Final = {
    ValueType.STRING: "string",
    ValueType.INTEGER: "int",
    ValueType.NUMBER: "double",
    ValueType.BOOLEAN: "bool",
    ValueType.TIMESTAMP: "google.protobuf.Timestamp",
    ValueType.DATE: "string",
    ValueType.DURATION: "google.protobuf.Duration",
    ValueType.ANY: "dyn",
}
_EXAMPLES: Final = {
    ValueType.STRING: '= "value"',
    ValueType.INTEGER: "> 0",
    ValueType.NUMBER: "> 0",
    ValueType.BOOLEAN: "= true",
    ValueType.TIMESTAMP: ">= now-7d",
    ValueType.DATE: ">= 2026-01-01",
    ValueType.DURATION: "> 1h",
}
_TABLES: Final = {
    Store.KEY_VALUE: ("attribute_values", "value, number", "ix_attribute_values_number, ix_attribute_values_text"),
    Store.FULL_TEXT: ("search_documents", "words", "the full-text index"),
    Store.DOCUMENT: ("model_versions", "record", None),
    Store.ARTIFACT: ("attribute_artifacts", "uri, digest", "ix_attribute_artifacts_digest"),
    Store.PRIVATE: ("private_values", "value", None),
}


def explain(connection: Connection, namespace_id: int, name: str) -> JsonObject:
    """Where each attribute of a definition is kept, and how a search for it runs.

    Raises NotFoundError, ConflictError while no version of it is published.
    """
    head = storage.find_definition(connection, namespace_id, name)
    if head is None:
        raise missing_definition(name)
    storage_map = load_maps(connection, namespace_id, [head.id]).get(head.id)
    if storage_map is None:
        message = f"no version of {name!r} is published yet, so its attributes have no places"
        raise ConflictError.at("", "schema_unpublished", message)
    jobs = storage.list_backfills(connection, namespace_id, head.id)
    askable = load_askable(connection, namespace_id)
    return {
        "schema": name,
        "table": f"schema_{storage_map.number}" if storage_map.columns else None,
        "attributes": [_explain(connection, namespace_id, storage_map, stored, askable) for stored in storage_map.attributes],
        "work": [{"done": job.done, "total": job.total, "started_at": job.started_at, "fault": job.fault} for job in jobs],
    }


def _explain(
    connection: Connection, namespace_id: int, storage_map: StorageMap, stored: StoredAttribute, askable: Askable
) -> JsonObject:
    if stored.store is Store.COLUMN:
        table, column = f"schema_{storage_map.number}", stored.column
        kind, index = column_type(connection, stored.type), index_name(storage_map.number, stored)
    else:
        table, column, index = _TABLES[stored.store]
        kind = None
    question = _example(storage_map, stored)
    return {
        "id": stored.id,
        "name": stored.name,
        "names": list(stored.names),
        "path": stored.described.path,
        "type": stored.type.value,
        "store": stored.store.value,
        "table": table,
        "column": column,
        "column_type": kind,
        "index": index,
        "unique": stored.unique,
        "facet": stored.facet,
        "aggregate": stored.described.aggregate,
        "deprecated": stored.described.deprecated,
        "since": stored.since,
        "state": "building" if stored.id in askable.waiting.get(storage_map.schema_id, ()) else "ready",
        "rule_type": RULE_TYPES[stored.type],
        "export": stored.described.export,
        "filter": question.filter if question else None,
        "sql": show_sql(connection, namespace_id, question, askable) if question else None,
    }


def _example(storage_map: StorageMap, stored: StoredAttribute) -> Question | None:
    """A search by the attribute, where there is one."""
    if stored.store is Store.COLUMN:
        return Question(filter=f"{stored.name}@{storage_map.schema} {_EXAMPLES[stored.type]}")
    if stored.store is Store.KEY_VALUE:
        return Question(filter=f'{stored.name}.key@{storage_map.schema} = "value"')
    return None
