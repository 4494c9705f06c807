"""The writers of tables by themselves: what they hold while much goes through them, and when they load Arrow."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from studbook.formats.arrow import write_arrow
from studbook.formats.comma_separated import write_csv
from studbook.formats.parquet import write_parquet
from studbook.formats.table import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (
    Column("id"),
    Column("number", ColumnType.INTEGER),
    Column("score", ColumnType.NUMBER),
    Column("at", ColumnType.TIME),
    Column("day", ColumnType.DATE),
    Column("frozen", ColumnType.BOOLEAN),
)


def row(number: int) -> list[Any]:
    # A text that compresses badly, so that what is written is large.
    text = f"{hash((number, 1)) & 0xFFFFFFFFFFFFFFFF:x}" * 10
    return [text, number, number / 7, "2026-11-25T09:30:00.000001Z", "2026-11-25", number % 2 == 0]


def groups(count: int) -> Iterator[list[list[Any]]]:
    for start in range(0, count, 500):
        yield [row(number) for number in range(start, start + 500)]


@pytest.mark.parametrize("write", [write_csv, write_arrow, write_parquet])
def test_memory_stays_the_same_however_much_is_written(write: Any) -> None:
    sizes, peaks = [], []
    for count in (40_000, 120_000):
        pool = pa.system_memory_pool()
        before = pa.default_memory_pool()
        pa.set_memory_pool(pool)
        tracemalloc.start()
        held = 0
        size = 0
        for piece in write(COLUMNS, groups(count)):
            size += len(piece)
            held = max(held, pool.bytes_allocated())
        peaks.append(held + tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        pa.set_memory_pool(before)
        sizes.append(size)
    assert sizes[1] > 2.9 * sizes[0]
    assert peaks[1] < 1.1 * peaks[0] + 2**20


def test_row_groups_are_of_a_size_that_readers_like() -> None:
    read = parquet.ParquetFile(io.BytesIO(b"".join(write_parquet(COLUMNS, groups(50_000)))))
    sizes = [read.metadata.row_group(number).num_rows for number in range(read.num_row_groups)]
    assert sizes == [20_000, 20_000, 10_000]
    assert read.read().to_pylist()[49_999]["number"] == 49_999


@pytest.mark.parametrize("write", [write_arrow, write_parquet])
def test_a_table_may_be_left_before_its_end(write: Any) -> None:
    pieces = write(COLUMNS, groups(100_000))
    next(pieces)
    next(pieces)
    pieces.close()
    assert list(pieces) == []


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_times_of_all_years_are_kept(at: str) -> None:
    values = ["x", -(2**53 - 1), -0.0, at, at[:10], None]
    content = b"".join(write_arrow(COLUMNS, iter([[values]])))
    read = pa.ipc.open_stream(content).read_all()
    assert read["at"][0].as_py().isoformat()[:10] == at[:10]
    assert read["day"][0].as_py().isoformat() == at[:10]
    assert read["number"][0].as_py() == -(2**53 - 1)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_formula_becomes_text(begin: str) -> None:
    columns = (Column("text"), Column("number", ColumnType.NUMBER))
    rows = [[f'{begin}HYPERLINK("x", 1)', -1.5], [f"a{begin}", None], [f" {begin}", 1e300], ["", 2]]
    content = b"".join(write_csv(columns, iter([rows]))).decode()
    read = list(csv.reader(io.StringIO(content, newline="")))
    assert read == [
        ["text", "number"], [f'\'{begin}HYPERLINK("x", 1)', "-1.5"], [f"a{begin}", ""], [f" {begin}", "1e+300"], ["", "2"],
    ]  # fmt: skip


def test_neither_the_server_nor_a_csv_loads_arrow() -> None:
    code = (
        "import sys; from studbook.http.app import create_app; from studbook.config import Settings\n"
        "create_app(None, Settings()).openapi()\n"
        "from studbook.formats.comma_separated import write_csv; from studbook.formats.table import Column\n"
        "list(write_csv([Column('a')], iter([[['b']]]))); print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
