"""A sketch of the distinct rows of a table, from which two tables can be compared when neither is at hand.

It keeps the k smallest of the rows' 64-bit hashes ("bottom k", or k minimum values: Bar-Yossef et al., RANDOM 2002; Beyer et al.,
SIGMOD 2007). A table of at most k distinct rows is kept whole, and then every answer is exact. Otherwise, below the smaller of
two sketches' largest hashes both are complete, so what they share there is a fair sample of what the tables share: of θ, the
share of all 64-bit numbers that lie below.

Bounds: if c hashes are shared below θ, then c is a count of mean θ·n, where n is the number of distinct rows in both. The
bounds of n are where such a count lies within three standard deviations of its mean (Wilson's score interval for a Poisson
count), which holds in at least 99 of 100 cases.

With k = 1024 and two large tables of which half is shared, n is told within about 14 %. θ follows the larger table: rows shared
are seen by chance, each with probability θ, so that a share below half a hundredth of the larger table may go unseen, even if
it is all of a small test set. `seen` > 0 is proof, but for collisions of hashes; `seen` = 0 is none, which is what `at_most`
says.

A hash tells whoever can guess a row whether it is there. Rows of few possible values can be guessed: give such a table no
sketch, or hash with a secret key. Sketches under different keys cannot be compared.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import itertools
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.datasets.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SIZE: Final = 1024
_FORMAT: Final = "bottom-k-1"
_SPACE: Final = 2**64
_DEVIATIONS: Final = 3.0
_LARGEST_SIZE: Final = 2**16


class Smallest:
    """The `size` smallest distinct hashes of those added."""

    __slots__ = ("_heap", "_kept", "full", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.full = False
        self._heap: list[int] = []  # negated: the largest is first
        self._kept: set[int] = set()

    def add(self, value: int) -> None:
        """Add a hash."""
        if (self.full and value > -self._heap[0]) or value in self._kept:
            return
        self._kept.add(value)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, -value)
        else:
            self.full = True
            self._kept.discard(-heapq.heappushpop(self._heap, -value))

    def values(self) -> tuple[int, ...]:
        """The hashes kept, ascending."""
        return tuple(sorted(self._kept))

    def count(self) -> int:
        """How many distinct hashes were added: exact while all are kept, else an estimate."""
        return estimate_count(self.values(), whole=not self.full)


def estimate_count(values: tuple[int, ...], *, whole: bool) -> int:
    """How many distinct hashes there were, of which these are the smallest; its relative deviation is about 1/√k."""
    if whole or len(values) < 2:  # noqa: PLR2004 - the estimate needs two
        return len(values)
    return round((len(values) - 1) * _SPACE / (values[-1] + 1))


@dataclass(frozen=True, slots=True)
class RowSketch:
    """The smallest hashes of a table's rows.

    `whole` says that they are all; `columns` and `key` tell which sketches can be compared: those of the same columns, under the
    same key.
    """

    values: tuple[int, ...]
    whole: bool
    columns: str
    key: str | None = None

    def distinct(self) -> int:
        """How many distinct rows the table has: exact if whole."""
        return estimate_count(self.values, whole=self.whole)

    def as_json(self) -> dict[str, Any]:
        """The sketch as a record keeps it: the hashes as big-endian numbers in Base64."""
        packed = struct.pack(f">{len(self.values)}Q", *self.values)
        return {
            "format": _FORMAT,
            "whole": self.whole,
            "columns": self.columns,
            "key": self.key,
            "hashes": base64.b64encode(packed).decode(),
        }


def read_sketch(stored: Mapping[str, Any]) -> RowSketch:
    """A sketch as a record keeps it.

    Raises DataError for what is none: anybody may have written it.
    """
    hashes, key = stored.get("hashes"), stored.get("key")
    if stored.get("format") != _FORMAT or not isinstance(hashes, str) or len(hashes) > _LARGEST_SIZE * 12:
        raise DataError(f"this is no row sketch of the format {_FORMAT}; profile the data again")
    try:
        packed = base64.b64decode(hashes, validate=True)
        values = struct.unpack(f">{len(packed) // 8}Q", packed)
    except (binascii.Error, ValueError, struct.error) as error:
        raise DataError("the row sketch's hashes are no 64-bit numbers in Base64; profile the data again") from error
    if any(first >= second for first, second in itertools.pairwise(values)):
        raise DataError("the row sketch's hashes do not ascend; profile the data again")
    if (
        not isinstance(stored.get("columns"), str)
        or not (key is None or isinstance(key, str))
        or not isinstance(stored.get("whole"), bool)
    ):
        raise DataError("the row sketch does not say what it is of; profile the data again")
    if not values and not stored["whole"]:
        raise DataError("the row sketch is empty and not whole; profile the data again")
    return RowSketch(values, stored["whole"], stored["columns"], key)


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many distinct rows two tables share: the best guess, and bounds that hold in 99 of 100 cases.

    `first` and `second` are how many distinct rows each has; `seen` how many shared rows were found among those compared.
    """

    shared: int
    at_least: int
    at_most: int
    first: int
    second: int
    seen: int
    exact: bool


def overlap(first: RowSketch, second: RowSketch) -> Overlap:
    """How many distinct rows two tables share, by their sketches.

    Raises DataError for sketches that cannot be compared.
    """
    if first.key != second.key:
        raise DataError("the row sketches were made with different keys; profile both tables with the same key")
    if first.columns != second.columns:
        raise DataError("the tables have different columns, so no row of one can be a row of the other")
    limits = [sketch.values[-1] for sketch in (first, second) if not sketch.whole]
    below = min(limits, default=_SPACE - 1)
    seen = len({value for value in first.values if value <= below} & set(second.values))
    theirs = first.distinct(), second.distinct()
    if not limits:
        return Overlap(seen, seen, seen, *theirs, seen, exact=True)
    theta = (below + 1) / _SPACE
    middle, spread = seen + _DEVIATIONS**2 / 2, _DEVIATIONS * math.sqrt(seen + _DEVIATIONS**2 / 4)
    lowest = max(seen, math.floor((middle - spread) / theta)) if seen else 0
    most = min(_most(first), _most(second), math.ceil((middle + spread) / theta))
    highest = max(lowest, most)
    return Overlap(min(max(round(seen / theta), lowest), highest), lowest, highest, *theirs, seen, exact=False)


def _most(sketch: RowSketch) -> int:
    """More distinct rows than this a table hardly has."""
    distinct = sketch.distinct()
    return distinct if sketch.whole else math.ceil(distinct * (1 + _DEVIATIONS / math.sqrt(max(1, len(sketch.values)))))
