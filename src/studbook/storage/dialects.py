"""The only module that knows SQLite from PostgreSQL.

Column types, connection set-up, transactions and bulk insertion differ; everything else is the same SQL.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool, QueuePool

from studbook.schemas.definition import ValueType
from studbook.schemas.paths import AttributePath
from studbook.schemas.values import read_value

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

# STRICT makes SQLite keep a column's type, as PostgreSQL does. It knows INTEGER, REAL, TEXT and BLOB only.
TABLE_OPTIONS: Final[dict[str, Any]] = {"sqlite_strict": True}
DETAIL_TABLE_OPTIONS: Final[dict[str, Any]] = {**TABLE_OPTIONS, "sqlite_with_rowid": False}

BACKENDS: Final = frozenset({"sqlite", "postgresql"})
_BUSY_TIMEOUT_MS: Final = 30_000


class _SqliteUuid(sa.types.UserDefinedType[Any]):
    """A UUID as 16 bytes: half the size of text in every index."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
        return "BLOB"

    def bind_processor(self, dialect: Any) -> Any:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        return lambda value: None if value is None else value.bytes

    def result_processor(self, dialect: Any, coltype: Any) -> Any:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        return lambda value: None if value is None else UUID(bytes=value)


UuidType: Final = sa.Uuid().with_variant(_SqliteUuid(), "sqlite")
Bytes: Final = sa.LargeBinary().with_variant(sqlite.BLOB(), "sqlite")
# Sorted by code point on both engines, whatever the locale PostgreSQL was set up with.
Text: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Integer: Final = sa.Integer()
BigInteger: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real: Final[sa.types.TypeEngine[float]] = sa.Double().with_variant(sa.REAL(), "sqlite")


def make_engine(url: URL, *, pool_size: int, reading: bool) -> Engine:
    """An engine for writing, in transactions, or for reading, where each statement stands alone and never waits for a writer."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url, pool_size, reading=reading)
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_recycle=1800,
        # A statement alone leaves nothing to roll back, which saves a call to the driver for every read.
        pool_reset_on_return=None if reading else "rollback",
        isolation_level="AUTOCOMMIT" if reading else "READ COMMITTED",
        connect_args={
            "prepare_threshold": 3,
            "application_name": "studbook",
            # Only what reads: SQLAlchemy's reflection of a schema expects some results as text.
            **({"cursor_factory": _binary_cursor()} if reading else {}),
        },
        query_cache_size=1200,
    )


@functools.cache
def _binary_cursor() -> type[Any]:
    """A cursor whose results come in binary: records and entries are bytes, which as text take twice the room and time.

    The driver is imported where it is used, since SQLite needs none.
    """
    import psycopg  # noqa: PLC0415
    from psycopg.pq import Format  # noqa: PLC0415

    class BinaryCursor(psycopg.Cursor[Any]):
        def __init__(self, connection: Any, **options: Any) -> None:  # noqa: ANN401 - the driver's signature
            super().__init__(connection, **options)
            self.format = Format.BINARY

    return BinaryCursor


def _make_sqlite_engine(url: URL, pool_size: int, *, reading: bool) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_reset_on_return=None if reading else "rollback",
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        query_cache_size=1200,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's signature
        connection.isolation_level = None
        # SQLite's own lower() knows ASCII only.
        connection.create_function("lower", 1, _lower, deterministic=True)
        connection.create_function("studbook_attribute", 4, _read_attribute, deterministic=True)
        cursor = connection.cursor()
        # WAL lets readers go on during a write; FULL makes a commit survive a power failure.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        # The one writer keeps the inner pages of every index at hand; many readers share the system's cache.
        cursor.execute("PRAGMA cache_size = " + ("-2048" if reading else "-8192"))
        cursor.close()

    if not reading:

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # A writer takes the lock at once: an upgrade from reader to writer could not wait, only fail.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


class read_first(sa.sql.functions.GenericFunction[Any]):  # noqa: N801 - named as it is called
    """A column whose table is to be read before the one it is compared with.

    SQLite, which has no histograms, would choose by guess; it looks nothing up by an expression. PostgreSQL decides by itself.
    """

    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(read_first, "sqlite")
def _first_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return f"+{compiler.process(element.clauses, **options)}"


@compiles(read_first, "postgresql")
def _first_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return str(compiler.process(element.clauses, **options))


class holds_text(sa.sql.functions.GenericFunction[bool]):  # noqa: N801 - named as it is called
    """Whether a text has another in it, by code points and with regard to case."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(holds_text, "sqlite")
def _holds_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(holds_text, "postgresql")
def _holds_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"


def has_lateral_joins(connection: Connection) -> bool:
    """Whether a statement may look up each row of what it joins by itself."""
    return connection.dialect.name == "postgresql"


BareId: TypeAlias = bytes | str


class bare_id(sa.sql.functions.GenericFunction[Any]):  # noqa: N801 - named as it is called
    """An id as the database gives it (16 bytes, or text): making a UUID of each costs more than reading thousands of rows."""

    type: Any = sa.types.NullType()
    inherit_cache = True


@compiles(bare_id, "sqlite")
def _bare_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return str(compiler.process(element.clauses, **options))


@compiles(bare_id, "postgresql")
def _bare_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


class is_packed_in(sa.sql.functions.GenericFunction[Any]):  # noqa: N801 - named as it is called
    """Whether an id is among those that one parameter holds (see `pack_ids`): thousands of parameters cost more than the rows."""

    # Not Boolean: compared with 1, as SQLAlchemy writes those for SQLite, no index would serve.
    type: Any = sa.types.NullType()
    inherit_cache = True


@compiles(is_packed_in, "sqlite")
def _packed_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    column, _ = element.clauses
    # The bytes of all ids in one blob, cut into pieces of sixteen; no row carries the blob, for that would be a copy.
    ids, again = (compiler.process(element.clauses.clauses[1], **options) for _ in range(2))
    return (
        f"{compiler.process(column, **options)} IN (WITH RECURSIVE piece(place) AS (SELECT 1 UNION ALL SELECT place + 16 "  # noqa: S608 - no value in it
        f"FROM piece WHERE place + 16 < length({ids})) SELECT substr({again}, place, 16) FROM piece)"
    )


@compiles(is_packed_in, "postgresql")
def _packed_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    column, ids = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY(CAST(string_to_array({ids}, ',') AS uuid[]))"


def pack_ids(ids: Collection[BareId]) -> BareId:
    """Ids as `bare_id` gives them, as the parameter of `is_packed_in`."""
    first = next(iter(ids), b"")
    return ",".join(ids) if isinstance(first, str) else b"".join(ids)  # type: ignore[arg-type]


def fetch_bare(connection: Connection, statement: sa.Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Rows as the driver gives them, of columns that need no conversion: making a Row of each takes as long again."""
    cursor = connection.execute(statement, parameters).cursor
    return list(cursor.fetchall()) if cursor is not None else []


def bare(connection: Connection, record_id: UUID) -> BareId:
    """An id as `bare_id` gives it."""
    return str(record_id) if connection.dialect.name == "postgresql" else record_id.bytes


def id_text(bare: BareId) -> str:
    """An id that `bare_id` gave, as text."""
    if isinstance(bare, str):
        return bare
    text = bare.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def attribute_of(
    record: sa.ColumnElement[bytes], steps: Sequence[str], kind: ValueType, hidden: str = ""
) -> sa.ColumnElement[Any]:
    """An attribute's value, as a column keeps it, out of a stored record; null where the place `hidden` is personal."""
    return _attribute_value(record, json.dumps(list(steps)), kind.value, hidden)


class _attribute_value(sa.sql.functions.GenericFunction[Any]):  # noqa: N801 - a function of SQL
    inherit_cache = True

    def __init__(self, record: Any, steps: str, kind: str, hidden: str) -> None:  # noqa: ANN401 - a column
        super().__init__(record, sa.literal(steps), sa.literal(kind), sa.literal(hidden))
        self.type = _ATTRIBUTE_TYPES[ValueType(kind)]


_ATTRIBUTE_TYPES: Final[dict[ValueType, Any]] = {
    kind: sa.Text() if kind in (ValueType.STRING, ValueType.TIMESTAMP, ValueType.DATE) else sa.Double() for kind in ValueType
}


@compiles(_attribute_value, "sqlite")
def _attribute_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return f"studbook_attribute({compiler.process(element.clauses, **options)})"


@compiles(_attribute_value, "postgresql")
def _attribute_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    called = f"studbook_attribute({compiler.process(element.clauses, **options)})"
    return called if isinstance(element.type, sa.Text) else f"CAST({called} AS double precision)"


def _read_attribute(record: bytes, steps: str, kind: str, hidden: str) -> Any:  # noqa: ANN401 - what a column keeps
    read = json.loads(record)
    if any(hidden == place or hidden.startswith(f"{place}/") for place in read["personal"]):
        return None
    value = AttributePath(tuple(json.loads(steps))).find(read)
    return read_value(ValueType(kind), value)


def overwrite_deleted(connection: Connection) -> None:
    """See to it that what is deleted on this connection cannot be read from the file any more.

    SQLite overwrites it with zeros; PostgreSQL removes it at the next VACUUM.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def is_embedded(engine: Engine) -> bool:
    """Whether the database is a file of this machine with a single writer."""
    return engine.dialect.name == "sqlite"


def make_migration_engine(url: URL) -> Engine:
    """An engine for one migration: a single connection, on which a transaction holds changes of the schema too."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url, 1, reading=False)
    return sa.create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)


def lock_migrations(connection: Connection) -> None:
    """Let one process migrate at a time; the lock ends with the transaction (on SQLite, BEGIN IMMEDIATE took it)."""
    if connection.dialect.name != "sqlite":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7310293847)"))


# More keys than these are held by holding all of them; a lock takes memory that all processes share.
_KEYS_AT_MOST: Final = 500
_KEYS: Final = sa.text("""
    SELECT CASE WHEN alone THEN pg_advisory_xact_lock(5342, key)::text ELSE pg_advisory_xact_lock_shared(5342, key)::text END
    FROM unnest(CAST(:keys AS integer[]), CAST(:alone AS boolean[])) AS held (key, alone)
""")


def hold_keys(connection: Connection, *, alone: Iterable[str], shared: Iterable[str]) -> None:
    """Keep out, until the transaction ends, whoever holds one of these keys otherwise: alone, or shared with others.

    What is read afterwards includes all that those who held a key before have committed. On SQLite there is one writer.
    """
    if connection.dialect.name == "sqlite":
        return
    numbers = {zlib.crc32(text.encode()) >> 1 | 1: only for texts, only in ((shared, False), (alone, True)) for text in texts}
    # 0, which no text has, stands for all. Always in the same order, against deadlock.
    held = {0: True} if len(numbers) > _KEYS_AT_MOST else {0: False, **dict(sorted(numbers.items()))}
    connection.execute(_KEYS, {"keys": list(held), "alone": list(held.values())})


Rows = Sequence[Mapping[str, Any]]


def insert_rows(connection: Connection, tables: Sequence[tuple[sa.Table, Rows]]) -> None:
    """Insert rows of several tables in this order; all rows of a table have the same keys.

    The values go to the driver as they are: SQLAlchemy's own preparation of each row costs more than inserting it.
    """
    if connection.dialect.name == "sqlite":
        for table, rows in tables:
            names = tuple(rows[0])
            marks = ", ".join("?" * len(names))
            statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our tables
            connection.exec_driver_sql(statement, [tuple(values) for values in _with_uuid_bytes(table, names, rows)])
    elif tables:
        _insert_arrays(connection, tables)


def fetch_plain(connection: Connection, statement: sa.Select[Any], parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows as the driver gives them, for numbers and bytes only.

    For reads of very many rows, where SQLAlchemy's preparation of each value costs more than reading it.
    """
    compiled = _compiled(statement, connection.dialect)
    values = compiled.construct_params(dict(parameters))
    driver: Any = connection.connection
    cursor = driver.cursor()
    try:
        cursor.execute(compiled.string, [values[name] for name in compiled.positiontup] if compiled.positional else values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
    finally:
        cursor.close()


@functools.cache
def _compiled(statement: sa.Select[Any], dialect: sa.Dialect) -> Any:  # noqa: ANN401 - a compiler of the dialect's own
    return statement.compile(dialect=dialect)


def _with_uuid_bytes(table: sa.Table, names: tuple[str, ...], rows: Rows) -> list[list[Any]]:
    """The rows as lists with each UUID as its bytes, which are computed once for the many rows that share it."""
    positions = [position for position, name in enumerate(names) if isinstance(table.c[name].type, sa.Uuid)]
    known: dict[int, bytes] = {}
    result = []
    for row in rows:
        values = list(row.values())
        for position in positions:
            value = values[position]
            if value is not None:
                mark = id(value)
                raw = known.get(mark)
                values[position] = known.setdefault(mark, value.bytes) if raw is None else raw
        result.append(values)
    return result


def _insert_arrays(connection: Connection, tables: Sequence[tuple[sa.Table, Rows]]) -> None:
    """One statement a table, each column's values as one array, and one round trip for all; errors are SQLAlchemy's."""
    import psycopg  # noqa: PLC0415 - a start on SQLite need not load it

    driver: Any = connection.connection.dbapi_connection
    try:
        with driver.pipeline(), driver.cursor() as cursor:
            for table, rows in tables:
                names = tuple(rows[0])
                columns = zip(*[row.values() for row in rows], strict=True)
                cursor.execute(_array_statement(table, names), [list(column) for column in columns], prepare=True)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance("INSERT", None, error, psycopg.Error, dialect=connection.dialect) from error


@functools.lru_cache(maxsize=256)
def _array_statement(table: sa.Table, names: tuple[str, ...]) -> str:
    arrays = ", ".join(f"%s::{_ARRAY_TYPES[type(table.c[name].type)]}[]" for name in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - names of our tables


_ARRAY_TYPES: Final = {
    sa.Uuid: "uuid",
    sa.LargeBinary: "bytea",
    sa.Text: "text",
    sa.Integer: "integer",
    sa.BigInteger: "bigint",
    sa.Double: "float8",
}


# SQLite's full-text index knows rows by a number, which must not change (VACUUM renumbers), so it is kept beside. The index holds
# no text of its own: what is deleted from it is told by the row that goes.
_SQLITE_TEXT_INDEX: Final = (
    "CREATE TABLE search_positions (position INTEGER PRIMARY KEY, record_id BLOB NOT NULL UNIQUE) STRICT",
    "CREATE VIRTUAL TABLE search_index USING fts5(words, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')",
    (
        "CREATE TRIGGER search_documents_added AFTER INSERT ON search_documents BEGIN "
        "INSERT INTO search_positions (record_id) VALUES (new.id); "
        "INSERT INTO search_index (rowid, words) SELECT position, new.words FROM search_positions WHERE record_id = new.id; END"
    ),
    (
        "CREATE TRIGGER search_documents_gone AFTER DELETE ON search_documents BEGIN "
        "INSERT INTO search_index (search_index, rowid, words) "
        "SELECT 'delete', position, old.words FROM search_positions WHERE record_id = old.id; "
        "DELETE FROM search_positions WHERE record_id = old.id; END"
    ),
    (
        "CREATE TRIGGER search_documents_changed AFTER UPDATE ON search_documents BEGIN "
        "INSERT INTO search_index (search_index, rowid, words) "
        "SELECT 'delete', position, old.words FROM search_positions WHERE record_id = old.id; "
        "INSERT INTO search_index (rowid, words) SELECT position, new.words FROM search_positions WHERE record_id = new.id; END"
    ),
)
_POSTGRES_WORDS: Final = "array_to_tsvector(string_to_array(words, ' '))"


# What `studbook.schemas.values` does, for PostgreSQL; the tests hold the two together.
_POSTGRES_ATTRIBUTE: Final = r"""
CREATE OR REPLACE FUNCTION studbook_attribute(record bytea, steps text, kind text, hidden text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    body jsonb := convert_from(record, 'UTF8')::jsonb;
    value jsonb := body #> ARRAY(SELECT jsonb_array_elements_text(steps::jsonb));
    raw text := value #>> '{}';
    type text := jsonb_typeof(value);
    parts text[];
BEGIN
    IF EXISTS (
        SELECT 1 FROM jsonb_array_elements_text(body -> 'personal') AS place
        WHERE hidden = place OR starts_with(hidden, place || '/')
    ) THEN
        RETURN NULL;
    ELSIF kind = 'string' AND type = 'string' AND char_length(raw) <= 512 THEN
        RETURN raw;
    ELSIF kind = 'number' AND type = 'number' THEN
        RETURN raw;
    ELSIF kind = 'integer' AND type = 'number' AND raw::numeric = trunc(raw::numeric) AND abs(raw::numeric) < 2::numeric ^ 53 THEN
        RETURN raw;
    ELSIF kind = 'boolean' AND type = 'boolean' THEN
        RETURN CASE raw WHEN 'true' THEN '1' ELSE '0' END;
    ELSIF kind = 'timestamp' AND type = 'string'
        AND raw ~ '^\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3])(:[0-5]\d){2}(\.\d{1,9})?([Zz]|[+-](0\d|1[0-5]):[0-5]\d)$' THEN
        -- Digits after the sixth are left out, not rounded.
        raw := regexp_replace(raw, '(\.\d{6})\d+', '\1');
        RETURN to_char(raw::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    ELSIF kind = 'date' AND type = 'string' AND raw ~ '^\d{4}-\d\d-\d\d$' THEN
        RETURN to_char(raw::date, 'YYYY-MM-DD');
    ELSIF kind = 'duration' AND type = 'string' AND length(raw) <= 64 THEN
        parts := regexp_match(raw, '^P(?!$)(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?'
            '(?:T(?!$)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$');
        IF parts IS NOT NULL THEN
            RETURN coalesce(parts[1]::float8, 0) * 604800 + coalesce(parts[2]::float8, 0) * 86400
                + coalesce(parts[3]::float8, 0) * 3600 + coalesce(parts[4]::float8, 0) * 60 + coalesce(parts[5]::float8, 0);
        END IF;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$
"""


def assume_statistics(connection: Connection, table: str, indexes: Mapping[str, str]) -> None:
    """Tell SQLite how many rows share the first columns of each index, as its ANALYZE would have it.

    Without a word it takes an index on an expression for useless; told once, its plans are the same for every file. An index is
    named as SQLite does, the key of a table without row ids by the table's own name.
    """
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE sqlite_schema")
    for index, counts in indexes.items():
        connection.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE tbl = ? AND idx = ?", (table, index))
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", (table, index, counts))
    connection.exec_driver_sql("ANALYZE sqlite_schema")


def assume_large_namespaces(connection: Connection) -> None:
    """Tell SQLite that a namespace holds many rows, for every index that begins with it and of which it knows nothing.

    Without a word it believes that ten rows share the first column of an index, and reads a whole namespace where it should look
    for a few keys. Of further columns it hears what it would have assumed anyway. So many rows keep it from Bloom filters, which
    it would make of all edges for each step of a walk.
    """
    if connection.dialect.name != "sqlite":
        return
    known = set(connection.exec_driver_sql("SELECT tbl, idx FROM sqlite_stat1"))
    tables = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
    for table, definition in tables:
        for _, name, unique, origin, _ in connection.exec_driver_sql(f'PRAGMA index_list("{table}")').all():
            columns = [column for _, _, column in connection.exec_driver_sql(f'PRAGMA index_info("{name}")')]
            index = table if origin == "pk" and "WITHOUT ROWID" in definition else name
            if columns[0] == "namespace_id" and len(columns) > 1 and (table, index) not in known:
                shared = [max(_ASSUMED - place, 5) for place in range(len(columns) - 1)]
                counts = [_MANY, _MANY, *shared[:-1], 1 if unique else shared[-1]]
                assume_statistics(connection, table, {index: " ".join(map(str, counts))})


_MANY: Final = 1_000_000_000
# What SQLite's manual (section 2.1 of its file format's `sqlite_stat1`, and `sqlite3DefaultRowEst`) gives for a second column.
_ASSUMED: Final = 9


def create_functions(connection: Connection) -> None:
    """Make the functions that searches call; on SQLite each connection brings its own."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_POSTGRES_ATTRIBUTE.replace("%", "%%"))


def create_text_index(connection: Connection) -> None:
    """Index the words of `search_documents` for full text."""
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE_TEXT_INDEX:
            connection.exec_driver_sql(statement)
    else:
        connection.exec_driver_sql(f"CREATE INDEX ix_search_documents_words ON search_documents USING gin ({_POSTGRES_WORDS})")


def select_documents(connection: Connection, words: Sequence[str], limit: int) -> sa.Select[Any]:
    """The ids of documents that have a word beginning with each of these, the newest first; the words are letters and digits."""
    if connection.dialect.name == "sqlite":
        query = " ".join(f'"{word}"*' for word in words)
        return (
            sa.select(sa.column("record_id", UuidType).label("id"))
            .select_from(sa.text("search_index CROSS JOIN search_positions ON search_positions.position = search_index.rowid"))
            .where(sa.text("search_index MATCH :words").bindparams(words=query))
            .order_by(sa.text("search_index.rowid DESC"))
            .limit(limit)
        )
    query = " & ".join(f"'{word}':*" for word in words)
    documents = sa.table("search_documents", sa.column("id", UuidType))
    return (
        sa.select(documents.c.id)
        .where(sa.text(f"{_POSTGRES_WORDS} @@ CAST(:words AS tsquery)").bindparams(words=query))
        .order_by(documents.c.id.desc())
        .limit(limit)
    )


def make_folder(url: URL) -> None:
    """Make the folder of a database file, for its owner alone."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def is_retryable(error: sa.exc.DBAPIError) -> bool:
    """Whether running the whole transaction again may succeed: a deadlock, a lost race, a dropped connection."""
    if isinstance(error, sa.exc.IntegrityError) or error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    return state in {"40001", "40P01", "55P03"}


def is_unavailable(error: sa.exc.DBAPIError) -> bool:
    """Whether the database cannot take the write now: locked, full, read-only or gone."""
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
