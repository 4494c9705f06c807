"""The seal over a run's metric series: a hash chain over its points (invariant I11).

`c(0)` is 32 zero bytes and `c(n) = SHA-256(c(n-1) || JCS({recorded_at, step, value}))` of the n-th point, so that a series grows
without being read again, and no point of it can be changed, removed or moved under a digest that was logged.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import JsonObject, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Point = tuple[int | None, float, str | None]
_START: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Series:
    """How far a series has come: the number of its points, and the chain over them."""

    points: int = 0
    digest: bytes = _START

    def extended(self, points: Iterable[Point]) -> Series:
        """The series with further points (step, value, time)."""
        count, digest = self.points, self.digest
        for step, value, recorded_at in points:
            count += 1
            point = canonical_json({"recorded_at": recorded_at, "step": step, "value": value})
            digest = hashlib.sha256(digest + point).digest()
        return Series(count, digest)

    def as_json(self) -> JsonObject:
        """The seal as it stands in the run's record."""
        return {"points": self.points, "digest": f"sha256:{self.digest.hex()}"}


def sealed(series: Mapping[str, Series]) -> JsonObject:
    """The seals of several series by name."""
    return {name: entry.as_json() for name, entry in sorted(series.items())}
