"""Tables in files, a batch of rows at a time: CSV by the standard library, Parquet and Arrow by pyarrow (`studbook[data]`)."""

from __future__ import annotations

import csv
import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.datasets.cells import BOOLEAN, DATE, EMPTY, INTEGER, NUMBER, TEXT, TIME
from studbook.formats.datasets.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    Rows = Sequence[Sequence[Any]]

BATCH: Final = 4096
_COLUMNS: Final = 10_000
_SAMPLE: Final = 64 * 1024
_DELIMITERS: Final = ",;\t|"
_CSV: Final = frozenset({".csv", ".tsv", ".txt"})
_PARQUET: Final = frozenset({".parquet", ".pq"})
_ARROW: Final = frozenset({".arrow", ".feather", ".ipc"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table being read: its columns, each with the type that the file declares, if it does, and its rows in batches."""

    columns: tuple[tuple[str, str | None], ...]
    batches: Iterator[Rows]


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The table in a file, or in a folder of Parquet parts, which are read in the order of their names.

    Raises DataError, FileNotFoundError, ImportError where the extra is missing that a format needs.
    """
    if path.is_dir():
        parts = _parts(path)
        yield from _checked(path, _read_parts(parts))
        return
    suffix = path.suffix.lower()
    if suffix in _CSV:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            try:
                yield _read_csv(path, stream)
            except UnicodeDecodeError as error:
                raise DataError(f"{path.name} is not UTF-8 (byte {error.start} of what was read); convert it first") from error
        return
    with path.open("rb") as stream:
        magic = stream.read(6)
    if suffix in _PARQUET or magic.startswith(b"PAR1"):
        yield from _checked(path, _read_parts([path]))
    elif suffix in _ARROW or magic == b"ARROW1":
        yield from _checked(path, _read_arrow(path))
    else:
        raise DataError(f"{path.name} is of no format that is read here; give CSV, Parquet, Arrow, or a folder of Parquet files")


def _checked(path: Path, tables: Iterator[Table]) -> Iterator[Table]:
    """The table, where what pyarrow says of a damaged file becomes a DataError."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    try:
        table = next(tables)
        _check_names(path, [name for name, _ in table.columns])
        yield table
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"{path.name} cannot be read: {str(error)[:300]}") from error
    finally:
        tables.close()  # type: ignore[attr-defined]


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) > _COLUMNS:
        raise DataError(f"{path.name} has {len(names)} columns; at most {_COLUMNS} are profiled")
    doubled = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if doubled is not None:
        raise DataError(f"{path.name} has several columns named {doubled[:80]!r}; give them distinct names")


def _read_csv(path: Path, stream: Any) -> Table:  # noqa: ANN401 - a text stream
    sample = stream.read(_SAMPLE)
    stream.seek(0)
    if not sample:
        raise DataError(f"{path.name} is empty; the first line of CSV names the columns")
    reader = csv.reader(stream, delimiter=_find_delimiter(path, sample), strict=True)
    try:
        names = next((row for row in reader if row), [])
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}") from error
    _check_names(path, names)
    return Table(tuple((name, None) for name in names), _csv_batches(path, reader, len(names)))


def _find_delimiter(path: Path, sample: str) -> str:
    """The delimiter that stands most often in the first line outside quotes."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    plain = "".join(sample.lstrip("\r\n").split('"')[::2])
    first = plain.splitlines()[0] if plain else ""
    return max(_DELIMITERS, key=first.count)


def _csv_batches(path: Path, reader: Any, width: int) -> Iterator[Rows]:  # noqa: ANN401 - a reader of csv
    batch: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                if width > 1:
                    continue  # a blank line, of which many files have one at their end
                row = [""]  # noqa: PLW2901 - in a single column it is a missing value
            if len(row) != width:
                message = f"{path.name}, line {reader.line_num}: {len(row)} values where the header names {width} columns"
                raise DataError(f"{message}; mend the row, or quote values that hold the delimiter")
            batch.append(row)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}; is a quote not closed?") from error
    if batch:
        yield batch


def _parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder; what begins with a dot or underscore belongs to the writer, by Hive's custom."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PARQUET and path.is_file())
    parts = [path for path in found if not any(step.startswith((".", "_")) for step in path.relative_to(folder).parts)]
    if not parts:
        raise DataError(f"the folder {folder.name} holds no Parquet file")
    return parts


def _read_parts(paths: Sequence[Path]) -> Iterator[Table]:
    from pyarrow import parquet  # noqa: PLC0415 - of an extra

    def batches() -> Iterator[Rows]:
        for path in paths:
            with parquet.ParquetFile(path, pre_buffer=False) as file:
                if _declared(file.schema_arrow) != columns:
                    raise DataError(f"{path.name} has other columns than {paths[0].name}; the parts of a table have the same")
                yield from map(_rows, file.iter_batches(batch_size=BATCH))

    with parquet.ParquetFile(paths[0]) as first:
        columns = _declared(first.schema_arrow)
    yield Table(columns, batches())


def _read_arrow(path: Path) -> Iterator[Table]:
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import ipc  # noqa: PLC0415

    with pa.memory_map(str(path)) as source:
        try:
            reader = ipc.open_file(source)
            found = (reader.get_batch(place) for place in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            reader = found = ipc.open_stream(source)
        yield Table(_declared(reader.schema), itertools.chain.from_iterable(map(_slices, found)))


def _slices(batch: pa.RecordBatch) -> Iterator[Rows]:
    return (_rows(batch.slice(start, BATCH)) for start in range(0, batch.num_rows, BATCH))


def _rows(batch: pa.RecordBatch) -> Rows:
    if not batch.num_columns:
        return [()] * batch.num_rows
    return list(zip(*(_values(column) for column in batch.columns), strict=True))


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's times have microseconds.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _declared(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, _type(field.type)) for field in schema)


def _type(kind: Any) -> str:  # noqa: ANN401 - a type of pyarrow
    """A type of Arrow in the words of profiles; one without a word keeps Arrow's name."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    types = pa.types
    if types.is_dictionary(kind):
        return _type(kind.value_type)
    words = {
        BOOLEAN: types.is_boolean,
        INTEGER: types.is_integer,
        NUMBER: lambda found: types.is_floating(found) or types.is_decimal(found),
        DATE: types.is_date,
        TIME: types.is_timestamp,
        TEXT: lambda found: types.is_string(found) or types.is_large_string(found) or types.is_string_view(found),
        EMPTY: types.is_null,
    }
    return next((word for word, holds in words.items() if holds(kind)), str(kind)[:120])
