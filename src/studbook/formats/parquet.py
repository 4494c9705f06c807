"""Apache Parquet, a row group at a time: no more than one of them is ever held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.formats.arrow import Sink, make_batch, make_schema

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa

    from studbook.formats.table import Column, Groups

# A row group is written when it has so many rows or bytes: large enough to compress and to be skipped as a whole by whoever
# reads, small enough to be held.
_ROWS: Final = 20_000
_BYTES: Final = 16 * 2**20


def write_parquet(columns: Sequence[Column], groups: Groups) -> Generator[bytes, None, None]:
    """A Parquet file, compressed with Zstandard."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    schema, sink = make_schema(columns), Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        yield sink.take()
        waiting: list[pa.RecordBatch] = []
        for rows in groups:
            waiting.append(make_batch(columns, schema, rows))
            if sum(batch.num_rows for batch in waiting) >= _ROWS or sum(batch.nbytes for batch in waiting) >= _BYTES:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
                yield sink.take()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
    yield sink.take()
