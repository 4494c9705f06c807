"""What a run has measured, while it runs: the series of each metric, and its last value.

A training may log millions of points, and the registry takes 200,000 values in a document. So a series that grows
beyond a limit is thinned evenly: every second point goes, again and again. The first and last points always stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.client.values import clean_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from studbook.client.values import Scalar

# Points kept of one series while the run goes on.
_SERIES_LIMIT: Final = 10_000
# Points sent in one document: each is up to five JSON values, and the registry takes 200,000 of them.
_DOCUMENT_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What a metric is measured on; two values with the same are one metric at two times."""

    name: str
    dataset: str | None = None
    split: str | None = None
    slice: str | None = None  # canonical JSON, so that it can be compared

    @classmethod
    def on(cls, name: str, dataset: str | None, split: str | None, slice_: Mapping[str, Scalar] | None) -> Measured:
        """A metric's key; `slice_` names part of the data, such as `{"region": "south"}`."""
        return cls(name, dataset, split, json.dumps(slice_, sort_keys=True) if slice_ else None)

    @property
    def slice_values(self) -> dict[str, Scalar] | None:
        """The slice as a mapping."""
        return json.loads(self.slice) if self.slice else None

    @property
    def label(self) -> str:
        """The series' name: series have a name only, so what they were measured on becomes part of it."""
        label = self.name
        if self.dataset:
            label += f" on {self.dataset}"
        if self.split:
            label += f" ({self.split})"
        if self.slice_values:
            label += " where " + ", ".join(f"{key}={value}" for key, value in self.slice_values.items())
        return clean_key(label)


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a step and a time (RFC 3339)."""

    value: float
    step: int | None
    recorded_at: str

    def as_json(self, name: str) -> dict[str, Any]:
        """The point as it stands in a document."""
        step = {} if self.step is None else {"step": self.step}
        return {"name": name, "value": self.value, **step, "recorded_at": self.recorded_at}


@dataclass(slots=True)
class Series:
    """The points of one metric that no document holds yet, and the last of all."""

    points: list[Point] = field(default_factory=list)
    last: Point | None = None
    logged: int = 0
    _stride: int = 1

    def add(self, point: Point) -> None:
        """Take a point; thins what is there when it has become too much."""
        if self.logged % self._stride == 0:
            self.points.append(point)
        self.logged += 1
        self.last = point
        if len(self.points) >= _SERIES_LIMIT:
            self.points = self.points[::2]
            self._stride *= 2

    def unsent(self) -> list[Point]:
        """The points to send, the last one among them."""
        if self.last is not None and self.logged and (not self.points or self.points[-1] is not self.last):
            return [*self.points, self.last]
        return list(self.points)

    def forget(self) -> None:
        """The points were sent; the last value stays known."""
        self.points, self.logged, self._stride = [], 0, 1


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """At most `limit` of the points, evenly chosen, the first and last among them."""
    if len(points) <= limit:
        return list(points)
    if limit <= 1:
        return [points[-1]]
    last = len(points) - 1
    return [points[round(index * last / (limit - 1))] for index in range(limit)]


def points_for_document(series: Mapping[Measured, Series]) -> tuple[list[dict[str, Any]], bool]:
    """The unsent points of all series, and whether any were left out to keep the document within its limit."""
    unsent = {measured: entry.unsent() for measured, entry in series.items() if entry.logged}
    thinned = any(series[measured].logged > len(points) for measured, points in unsent.items())
    total = sum(len(points) for points in unsent.values())
    result: list[dict[str, Any]] = []
    for measured, points in unsent.items():
        share = max(1, len(points) * _DOCUMENT_LIMIT // total) if total > _DOCUMENT_LIMIT else len(points)
        result += [point.as_json(measured.label) for point in thin(points, share)]
    return result, thinned or total > _DOCUMENT_LIMIT
