"""Apache Arrow: an IPC stream, and what Parquet needs of Arrow.

The package `pyarrow` takes longer to load than the rest of a server, and most servers never need it, so it is loaded by the
first call that does.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from studbook.formats.table import ColumnType

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa

    from studbook.formats.table import Column, Groups


class Sink(io.RawIOBase):
    """A file that is only written; what was written is taken out again piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Keep a piece until it is taken."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        """How much was written, taken out or not."""
        return self._position

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def check_arrow() -> None:
    """Raise ImportError when `pyarrow` is not installed."""
    import pyarrow as pa  # noqa: F401, PLC0415


def write_arrow(columns: Sequence[Column], groups: Groups) -> Generator[bytes, None, None]:
    """An IPC stream: the schema, a record batch for each group, and the mark of its end."""
    import pyarrow as pa  # noqa: PLC0415

    schema, sink = make_schema(columns), Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        yield sink.take()
        for rows in groups:
            writer.write_batch(make_batch(columns, schema, rows))
            yield sink.take()
    yield sink.take()


def make_schema(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow types of columns: every one may be null."""
    import pyarrow as pa  # noqa: PLC0415

    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIME: pa.timestamp("us", tz="UTC"),
        ColumnType.DATE: pa.date32(),
    }
    return pa.schema([(column.name, types[column.type]) for column in columns])


def make_batch(columns: Sequence[Column], schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """A record batch of at least one row."""
    import pyarrow as pa  # noqa: PLC0415

    arrays = []
    for column, field, values in zip(columns, schema, zip(*rows, strict=True), strict=True):
        if column.type in {ColumnType.TIME, ColumnType.DATE}:
            arrays.append(pa.array(values, pa.string()).cast(field.type))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.record_batch(arrays, schema=schema)
