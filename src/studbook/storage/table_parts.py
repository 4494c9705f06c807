"""What tables are made of: names of constraints, keys, and the columns that all records have."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, TABLE_OPTIONS, Bytes, Integer, Text, UuidType

# Characters of a text that stand in an index.
INDEXED_TEXT: Final = 200

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def make_table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """A table of rows that are read in more than one order."""
    return sa.Table(name, metadata, *parts, **TABLE_OPTIONS)


def make_detail_table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """Small rows that are always reached by their whole key: the key is the table."""
    return sa.Table(name, metadata, *parts, **DETAIL_TABLE_OPTIONS)


def namespace_key() -> sa.Column[int]:
    """The column that every key begins with (invariant I10)."""
    return sa.Column("namespace_id", Integer, primary_key=True, autoincrement=False)


def key(name: str, kind: Any = Text) -> sa.Column[Any]:  # noqa: ANN401 - any column type
    """A column of the key."""
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def column(name: str, kind: Any = Text, *, optional: bool = False) -> sa.Column[Any]:  # noqa: ANN401 - any column type
    """A column that must have a value, unless it is `optional`."""
    return sa.Column(name, kind, nullable=optional)


def record_columns() -> list[sa.schema.SchemaItem]:
    """What every table of records has."""
    return [
        namespace_key(),
        key("id", UuidType),
        column("revision", Integer),
        column("record", Bytes),
        column("created_at"),
        column("updated_at"),
    ]


def head_of(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """As much of a text as an index holds: PostgreSQL takes 2,704 bytes an entry. Literal, or no index would be recognised."""
    return sa.func.substr(column, sa.literal_column("1"), sa.literal_column(str(INDEXED_TEXT)))


def belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    """A reference within the namespace: no row without its record."""
    return sa.ForeignKeyConstraint(["namespace_id", column], [f"{table}.namespace_id", f"{table}.id"])


def index_scalars(name: str, table: sa.Table, *key: str) -> None:
    """Indexes over scalars by key: a number stands in one of them, anything else in the other."""
    columns = [table.c.namespace_id, *(table.c[part] for part in key)]
    numbers, texts = table.c.number.is_not(None), table.c.number.is_(None)
    sa.Index(f"ix_{name}_number", *columns, table.c.number, table.c.version_id, sqlite_where=numbers, postgresql_where=numbers)
    sa.Index(f"ix_{name}_text", *columns, head_of(table.c.value), table.c.version_id, sqlite_where=texts, postgresql_where=texts)
