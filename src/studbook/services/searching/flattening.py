"""Model versions as rows of a table: the columns every version has, and one for each attribute of the definitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.privacy import blanked
from studbook.filters.tree import And, Comparison, Membership, Operator, Or
from studbook.formats.table import Column, ColumnType
from studbook.schemas.definition import Store, ValueType
from studbook.schemas.storage_map import column_value
from studbook.services.schemas.places import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.filters.tree import Expression
    from studbook.schemas.storage_map import StorageMap, StoredAttribute

_OWN: Final = (
    Column("id"),
    Column("name"),
    Column("model"),
    Column("number", ColumnType.INTEGER),
    Column("created_at", ColumnType.TIME),
    Column("created_by"),
    Column("description"),
    Column("archived_at", ColumnType.TIME),
    Column("run"),
    Column("schema"),
    Column("schema_version", ColumnType.INTEGER),
)
# Open sets, as JSON: which keys there are is known only once every version was read.
_SETS: Final = (Column("tags"), Column("parameters"), Column("metrics"))
_TAKEN: Final = frozenset(column.name for column in (*_OWN, *_SETS))
# What these columns hold as a whole needs no second one.
_HELD: Final = frozenset({"/description", "/tags", "/parameters", "/metrics"})
_TYPES: Final = {
    ValueType.STRING: ColumnType.TEXT,
    ValueType.INTEGER: ColumnType.INTEGER,
    ValueType.NUMBER: ColumnType.NUMBER,
    ValueType.BOOLEAN: ColumnType.BOOLEAN,
    ValueType.TIMESTAMP: ColumnType.TIME,
    ValueType.DATE: ColumnType.DATE,
    # Seconds: of lengths of time, readers of Parquet know nothing.
    ValueType.DURATION: ColumnType.NUMBER,
}


class VersionTable:
    """The table of what a search finds. Its columns follow from the definitions there are, not from what is found."""

    def __init__(self, connection: Connection, namespace_id: int, asked: Expression | None) -> None:
        self._places = Places(connection, namespace_id)
        self._positions: dict[UUID, list[tuple[int, StoredAttribute]]] = {}
        meant = find_definitions(asked)
        maps = sorted(self._places.maps.values(), key=lambda storage_map: storage_map.schema)
        involved = [storage_map for storage_map in maps if meant is None or storage_map.schema in meant]
        columns = list(_OWN)
        names = [stored.name for storage_map in involved for stored in _shown(storage_map)]
        for storage_map in involved:
            places = self._positions.setdefault(storage_map.schema_id, [])
            for stored in _shown(storage_map):
                # As in a filter: a name that is not clear by itself is told apart by the definition's.
                clear = names.count(stored.name) == 1 and stored.name not in _TAKEN
                name = stored.name if clear else f"{stored.name}@{storage_map.schema}"
                places.append((len(columns), stored))
                columns.append(Column(name, _column_type(stored)))
        self.columns = (*columns, *_SETS)
        self._attributes = len(columns) - len(_OWN)

    def row(self, record: JsonObject) -> Sequence[Any]:
        """A version's values, one for each column; null for what is personal."""
        storage_map = self._find_map(record)
        hidden = [*record["personal"], *(storage_map.find_private(record) if storage_map else ())]
        if hidden:
            record = blanked(record, hidden)
        values = [*_own_values(record), *[None] * self._attributes]
        if storage_map is not None:
            for position, stored in self._positions.get(storage_map.schema_id, ()):
                values[position] = _value(stored, record)
        return [*values, *(_as_text(record[column.name] or None) for column in _SETS)]

    def _find_map(self, record: JsonObject) -> StorageMap | None:
        """The map of the definition of the version's model, or else of the one that the version was held against."""
        held = record.get("schema")
        return self._places.find_map(record) or (self._places.maps.get(UUID(held["id"])) if held else None)


def find_definitions(asked: Expression | None) -> frozenset[str] | None:
    """The only definitions whose versions a filter can find; None when it may find any."""
    if isinstance(asked, Comparison | Membership) and asked.field.name == ("schema",):
        if isinstance(asked, Membership):
            return frozenset(str(value) for value in asked.values)
        return frozenset({str(asked.value)}) if asked.operator is Operator.EQUAL else None
    if isinstance(asked, And | Or):
        parts = [find_definitions(part) for part in asked.parts]
        known = [part for part in parts if part is not None]
        if isinstance(asked, And):
            return frozenset.intersection(*known) if known else None
        return frozenset.union(*known) if len(known) == len(parts) else None
    return None


def _shown(storage_map: StorageMap) -> list[StoredAttribute]:
    return [
        stored
        for stored in storage_map.attributes
        if stored.store is Store.COLUMN or (stored.store is not Store.PRIVATE and stored.path.pointer not in _HELD)
    ]


def _column_type(stored: StoredAttribute) -> ColumnType:
    # Only what a column keeps was held against its type.
    return _TYPES[stored.type] if stored.store is Store.COLUMN else ColumnType.TEXT


def _own_values(record: JsonObject) -> list[Any]:
    run, held = record["run"], record.get("schema")
    return [
        record["id"],
        record["name"],
        record["model"],
        record["number"],
        record["created_at"],
        record["created_by"],
        record["description"],
        record["archived_at"],
        run["id"] if run else None,
        held["name"] if held else None,
        held["version"] if held else None,
    ]


def _value(stored: StoredAttribute, record: JsonObject) -> Any:  # noqa: ANN401 - a value of any column
    if stored.store is not Store.COLUMN:
        return _as_text(stored.path.find(record))
    value = column_value(stored, record)
    # The engines' columns keep it as 0 and 1.
    return bool(value) if stored.type is ValueType.BOOLEAN and value is not None else value


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """A text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
