"""The tables that definitions have of their own: one row a model version, one typed column an attribute.

Their columns are named after the permanent ids of attributes, and they only ever grow: what a later version of a definition no
longer names is still there for the records under earlier ones.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from studbook.schemas.definition import ValueType
from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, BigInteger, Integer, Real, Text, UuidType, assume_statistics

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.schemas.storage_map import StorageMap, StoredAttribute

TYPES: Final[dict[ValueType, Any]] = {
    ValueType.STRING: Text,
    ValueType.INTEGER: BigInteger,
    ValueType.NUMBER: Real,
    ValueType.BOOLEAN: Integer,
    ValueType.TIMESTAMP: Text,
    ValueType.DATE: Text,
    ValueType.DURATION: Real,
}


def side_table(storage_map: StorageMap) -> sa.Table:
    """The table of a definition's columns."""
    return _table(storage_map.number, tuple((stored.column, stored.type) for stored in storage_map.columns))


@functools.lru_cache(maxsize=1024)
def _table(number: int, columns: tuple[tuple[str, ValueType], ...]) -> sa.Table:
    """One object for each shape, since statements are prepared by the table they name."""
    return sa.Table(
        f"schema_{number}",
        sa.MetaData(),
        sa.Column("namespace_id", Integer, primary_key=True, autoincrement=False),
        sa.Column("version_id", UuidType, primary_key=True, autoincrement=False),
        *(sa.Column(name, TYPES[kind], nullable=True) for name, kind in columns),
        **DETAIL_TABLE_OPTIONS,
    )


def column_type(connection: Connection, kind: ValueType) -> str:
    """The type of a column for values of a kind, as its engine calls it."""
    return str(sa.types.to_instance(TYPES[kind]).compile(dialect=connection.dialect))


def index_name(number: int, stored: StoredAttribute) -> str | None:
    """The name of an attribute's index, if it has one."""
    if not stored.index:
        return None
    return f"{'uq' if stored.unique else 'ix'}_schema_{number}_{stored.column}"


def ensure_side_table(connection: Connection, storage_map: StorageMap) -> None:
    """Make the table, the columns and the indexes that are not there yet.

    An index covers the rows that have a value, so that one on a new column is empty and made at once.
    """
    table = side_table(storage_map)
    table.create(connection, checkfirst=True)
    inspector = sa.inspect(connection)
    known = {column["name"] for column in inspector.get_columns(table.name)}
    for column in table.c:
        if column.name not in known:
            clause = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {clause}")
    counts = {table.name: "1000000 1000000 1"}
    for stored in storage_map.columns:
        if (name := index_name(storage_map.number, stored)) is not None:
            unique, more = ("UNIQUE ", "") if stored.unique else ("", ", version_id")
            connection.exec_driver_sql(
                f"CREATE {unique}INDEX IF NOT EXISTS {name} ON {table.name} (namespace_id, {stored.column}{more}) "
                f"WHERE {stored.column} IS NOT NULL"
            )
            counts[name] = "1000000 1000000 1" if stored.unique else "1000000 1000000 1000 1"
    assume_statistics(connection, table.name, counts)
