"""Profiles of tables: rows, columns, missing and distinct values, ranges, and a sketch of the rows.

A table is read once, a batch at a time; what is held is one batch (for Parquet, what pyarrow buffers of a row group) and a few
thousand hashes.

The hash of a row is BLAKE2b (RFC 7693) of its cells in the order of the columns' names: of each cell the length of its canonical
text (see `cells`) in UTF-8 as eight big-endian bytes, then that text. The fingerprint of a table is SHA-256 of the hash of the
columns' names, the number of rows, and the sum of the rows' hashes modulo 2^256: equal for the same rows in whatever order,
format and layout. It tells equal data from other data; against somebody who makes data to match it, the digest of the file is
what counts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.datasets.cells import read_cell
from studbook.formats.datasets.columns import Tally
from studbook.formats.datasets.reading import open_table
from studbook.formats.datasets.sketch import DEFAULT_SIZE, RowSketch, Smallest

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from studbook.formats.datasets.columns import ColumnProfile
    from studbook.formats.datasets.reading import Table

_MODULUS: Final = 2**256
_KEY_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class DatasetProfile:
    """A table in numbers. `size` is in bytes; `sketch` is None where it was not wanted."""

    rows: int
    size: int
    columns: tuple[ColumnProfile, ...]
    fingerprint: str
    sketch: RowSketch | None

    def as_entry(self) -> dict[str, Any]:
        """The members `rows`, `schema` and `profile` of a dataset in an ingestion document.

        The profile keeps to the definition studbook.dataset-version; what has no place there is under `extra`.
        """
        extra: dict[str, Any] = {"fingerprint": self.fingerprint}
        if self.sketch is not None:
            extra["rows_sketch"] = self.sketch.as_json()
        statistics = {"columns": {column.name: column.as_statistics() for column in self.columns}}
        return {
            "rows": self.rows,
            "schema": {"columns": [column.as_schema() for column in self.columns]},
            "profile": {"size_bytes": self.size, "statistics": statistics, "extra": extra},
        }


def profile_file(
    path: str | os.PathLike[str], *, values: bool = False, sketch: bool = True, key: bytes | None = None
) -> DatasetProfile:
    """The profile of a CSV, Parquet or Arrow file, or of a folder of Parquet files.

    With `values`, the first and last text of each column too, which may be personal. `sketch` keeps hashes of some rows
    (of all, where there are few): whoever can guess a row can find out whether it is there. `key`, at most 64 bytes, makes that
    impossible for those who do not know it, and comparable only what was made with it: sketches and fingerprints.

    Raises DataError, OSError, ValueError for a key that is too long, ImportError where the extra `data` is missing.
    """
    place = Path(path)
    if key is not None and not 0 < len(key) <= _KEY_BYTES:
        raise ValueError(f"a key has 1 to {_KEY_BYTES} bytes, not {len(key)}")
    files = [part for part in place.rglob("*") if part.is_file()] if place.is_dir() else [place]
    with open_table(place) as table:
        counted = _Count(table, key)
        for batch in table.batches:
            counted.add(batch)
    columns = tuple(tally.result(values=values) for tally in counted.tallies)
    sketched = counted.sketch() if sketch else None
    return DatasetProfile(counted.rows, sum(part.stat().st_size for part in files), columns, counted.fingerprint(), sketched)


class _Count:
    """What was counted of a table so far."""

    def __init__(self, table: Table, key: bytes | None) -> None:
        names = [name for name, _ in table.columns]
        self.rows = 0
        self.tallies = [Tally(name, declared) for name, declared in table.columns]
        self._key = key or b""
        self._order = sorted(range(len(names)), key=names.__getitem__)
        self._names = _digest([names[place] for place in self._order], b"")
        self._sum = 0
        self._smallest = Smallest(DEFAULT_SIZE)

    def add(self, batch: Sequence[Sequence[Any]]) -> None:
        """Count rows."""
        for row in batch:
            cells = [read_cell(value) for value in row]
            for tally, cell, value in zip(self.tallies, cells, row, strict=True):
                tally.add(cell, len(value) if isinstance(value, str) else 0)
            hashed = _digest([cells[place][1] for place in self._order], self._key)
            self._sum += int.from_bytes(hashed)
            self._smallest.add(int.from_bytes(hashed[:8]))
        self.rows += len(batch)

    def fingerprint(self) -> str:
        """The same for the same rows, however they are stored."""
        summed = (self._sum % _MODULUS).to_bytes(32)
        return f"rows-1:{hashlib.sha256(self._names + self.rows.to_bytes(8) + summed).hexdigest()}"

    def sketch(self) -> RowSketch:
        """The sketch of the rows."""
        named = hashlib.sha256(b"studbook row sketch key\n" + self._key).hexdigest()[:16] if self._key else None
        return RowSketch(self._smallest.values(), not self._smallest.full, self._names.hex()[:16], named)


def _digest(texts: Sequence[str], key: bytes) -> bytes:
    hashed = hashlib.blake2b(digest_size=32, key=key)
    for text in texts:
        plain = text.encode("utf-8", "surrogatepass")
        hashed.update(len(plain).to_bytes(8) + plain)
    return hashed.digest()
