"""Columns: what is counted of each while the rows pass by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.datasets.cells import DATE, EMPTY, INTEGER, NUMBER, TEXT, TIME
from studbook.formats.datasets.sketch import Smallest

if TYPE_CHECKING:
    from studbook.formats.datasets.cells import Cell

# The estimate of distinct values then deviates by about 6 %.
_DISTINCT: Final = 256
# Larger whole numbers are written as text: readers of JSON may round them.
_SAFE: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column in numbers.

    `missing` counts rows without a value. `distinct` is exact up to 256, else an estimate. A range is given for numbers, dates
    and times; of text there are only lengths, in characters, and `minimum` and `maximum` where values were asked for.
    """

    name: str
    type: str
    missing: int
    distinct: int
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    shortest: int | None = None
    longest: int | None = None

    def as_statistics(self) -> dict[str, Any]:
        """The column as it stands in `profile.statistics.columns` of a dataset version."""
        found = {"minimum": _plain(self.minimum), "maximum": _plain(self.maximum)}
        known = {name: value for name, value in found.items() if value is not None}
        return {"type": self.type, "missing": self.missing, "distinct": self.distinct, **known}

    def as_schema(self) -> dict[str, Any]:
        """The column as it stands in `schema.columns` of a dataset version."""
        found = {"shortest": self.shortest, "longest": self.longest}
        known = {name: value for name, value in found.items() if value is not None}
        return {"name": self.name, "type": self.type, "nullable": self.missing > 0, **known}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a number or text of JSON
    return str(value) if isinstance(value, int) and abs(value) > _SAFE else value


class Tally:
    """What was counted of one column so far; `type` is what the file says of it, if it says so."""

    __slots__ = ("_distinct", "_kinds", "_lengths", "_numbers", "_texts", "_type", "missing", "name")

    def __init__(self, name: str, declared: str | None) -> None:
        self.name = name
        self.missing = 0
        self._type = declared
        self._kinds: set[str] = set()
        self._distinct = Smallest(_DISTINCT)
        self._numbers: tuple[int | float, int | float] | None = None
        self._texts: tuple[str, str] | None = None
        self._lengths: tuple[int, int] | None = None

    def add(self, cell: Cell, length: int) -> None:
        """Count a cell; `length` is that of its text as it stands in the data."""
        kind, text, number = cell
        if kind == EMPTY:
            self.missing += 1
            return
        self._kinds.add(kind)
        self._distinct.add(int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()))
        if number is not None:
            low, high = self._numbers or (number, number)
            self._numbers = min(low, number), max(high, number)
        first, last = self._texts or (text, text)
        self._texts = min(first, text), max(last, text)
        shortest, longest = self._lengths or (length, length)
        self._lengths = min(shortest, length), max(longest, length)

    def result(self, *, values: bool) -> ColumnProfile:
        """The column; with `values`, the first and last text too."""
        kind = self._type or _widest(self._kinds)
        low, high = self._range(kind, values=values) or (None, None)
        shortest, longest = (self._lengths if kind == TEXT else None) or (None, None)
        return ColumnProfile(self.name, kind, self.missing, self._distinct.count(), low, high, shortest, longest)

    def _range(self, kind: str, *, values: bool) -> tuple[int | float | str, int | float | str] | None:
        if kind in {INTEGER, NUMBER}:
            return self._numbers
        return self._texts if kind in {DATE, TIME} or (kind == TEXT and values) else None


def _widest(kinds: set[str]) -> str:
    """The type of a column whose file declares none."""
    if not kinds:
        return EMPTY
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {INTEGER, NUMBER}:
        return NUMBER
    return TIME if kinds == {DATE, TIME} else TEXT
