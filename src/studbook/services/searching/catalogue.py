"""What a namespace's versions can be asked by: the fields every version has, and the attributes of its definitions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.filters.catalogue import Catalogue, FieldType
from studbook.filters.tree import And, Comparison, Exists, Membership, Not, Or
from studbook.schemas.definition import Store, ValueType
from studbook.services.schemas.contracts import load_maps
from studbook.storage import schemas as storage
from studbook.storage.searching.facets import FACETS
from studbook.storage.searching.scope import Attribute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.filters.tree import Expression, Field
    from studbook.schemas.storage_map import StorageMap, StoredAttribute

FIELDS: Final = {
    "model": FieldType.TEXT,
    "number": FieldType.INTEGER,
    "created_at": FieldType.TIME,
    "created_by": FieldType.TEXT,
    "archived": FieldType.BOOLEAN,
    "alias": FieldType.SET,
    "owner": FieldType.SET,
    "schema": FieldType.TEXT,
    "run.kind": FieldType.TEXT,
    "run.status": FieldType.TEXT,
    "run.job": FieldType.TEXT,
    "run.commit": FieldType.TEXT,
    "run.experiment": FieldType.TEXT,
}
OPEN_SETS: Final = {
    "tags": FieldType.TEXT,
    "params": FieldType.SCALAR,
    "metrics": FieldType.NUMBER,
    "model.tags": FieldType.TEXT,
}
_REFUSED: Final = {
    "description": "its words are searched (q=…, or the text of studbook search)",
    "parameters": "write params.NAME",
    "attributes": "write the attribute's name by itself, as its definition calls it",
}
_TYPES: Final = {
    ValueType.STRING: FieldType.TEXT,
    ValueType.INTEGER: FieldType.INTEGER,
    ValueType.NUMBER: FieldType.NUMBER,
    ValueType.BOOLEAN: FieldType.BOOLEAN,
    ValueType.TIMESTAMP: FieldType.TIME,
    ValueType.DATE: FieldType.DATE,
    ValueType.DURATION: FieldType.DURATION,
}
_NOT_ASKED: Final = {
    Store.DOCUMENT: "it is kept in the record alone (store: document); a next version of {schema} can give it a column",
    Store.FULL_TEXT: "its words are searched (q=…, or the text of studbook search)",
    Store.ARTIFACT: "it is found by its digest (studbook resolve sha256:…)",
    Store.PRIVATE: "it is personal, and nothing personal is searched",
}
_PLAIN: Final = Catalogue(FIELDS, OPEN_SETS, _REFUSED)


@dataclass(frozen=True, slots=True)
class Askable:
    """What can be asked, where the attributes among it are kept, and which of each definition are not in their places yet."""

    catalogue: Catalogue
    attributes: dict[str, Attribute]
    waiting: dict[UUID, frozenset[int]]


def load_askable(connection: Connection, namespace_id: int, first_words: Iterator[str] | None = None) -> Askable:
    """What a namespace's versions can be asked by; its definitions are not read when `first_words` of names mean none of them."""
    if first_words is not None and all(word in _FIRST_WORDS for word in first_words):
        return Askable(_PLAIN, {}, {})
    maps = load_maps(connection, namespace_id)
    waiting = _find_waiting(connection, namespace_id, maps)
    names: dict[str, list[tuple[StorageMap, StoredAttribute]]] = {}
    for storage_map in maps.values():
        for name, stored in storage_map.by_name.items():
            names.setdefault(name, []).append((storage_map, stored))
    listed, open_sets, refused = dict(FIELDS), dict(OPEN_SETS), dict(_REFUSED)
    attributes: dict[str, Attribute] = {}
    for name, holders in names.items():
        for storage_map, stored in holders:
            # A name that several definitions have is told apart by the definition's.
            known = [f"{name}@{storage_map.schema}", *([name] if len(holders) == 1 else [])]
            for asked in known:
                if stored.store is Store.COLUMN:
                    listed[asked] = _TYPES[stored.type]
                elif stored.store is Store.KEY_VALUE:
                    open_sets[asked] = FieldType.SCALAR
                else:
                    refused[asked] = _NOT_ASKED[stored.store].format(schema=storage_map.schema)
                    continue
                attributes[asked] = Attribute(storage_map, stored, ready=stored.id not in waiting.get(storage_map.schema_id, ()))
    return Askable(Catalogue(listed, open_sets, refused), attributes, waiting)


_FIRST_WORDS: Final = frozenset({name.partition(".")[0] for name in (*FIELDS, *OPEN_SETS)})


def _find_waiting(connection: Connection, namespace_id: int, maps: dict[UUID, StorageMap]) -> dict[UUID, frozenset[int]]:
    """The attributes of each definition that work is going on for: those that a piece of work names, or all."""
    waiting: dict[UUID, frozenset[int]] = {}
    for job in storage.list_backfills(connection, namespace_id):
        every = [stored.id for stored in maps[job.schema_id].attributes] if job.schema_id in maps else []
        named = every if job.attributes is None else json.loads(job.attributes)
        waiting[job.schema_id] = waiting.get(job.schema_id, frozenset()) | frozenset(named)
    return waiting


def fields_of(expression: Expression | None) -> Iterator[Field]:
    """Every field that a filter names."""
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from fields_of(part)
    elif isinstance(expression, Not):
        yield from fields_of(expression.part)
    elif isinstance(expression, Comparison | Membership | Exists):
        yield expression.field


def list_fields(connection: Connection, namespace_id: int) -> JsonObject:
    """Every field that a filter may name, for whoever helps to write one."""
    askable = load_askable(connection, namespace_id)
    catalogue = askable.catalogue
    listed = [(name, kind, False) for name, kind in catalogue.fields.items()]
    listed += [(name, kind, True) for name, kind in catalogue.open_sets.items()]
    fields = [{"name": name, "type": kind.value, "open": is_open, **_attribute(askable, name)} for name, kind, is_open in listed]
    return {"items": fields, "next_page_token": None}


def _attribute(askable: Askable, name: str) -> JsonObject:
    attribute = askable.attributes.get(name)
    if attribute is None:
        return {"schema": None, "facet": name in FACETS, "ready": True}
    return {"schema": attribute.map.schema, "facet": attribute.stored.facet, "ready": attribute.ready}
