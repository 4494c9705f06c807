"""Questions about the data of dataset versions, answered from what was recorded of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.addressing import Addressing
from studbook.client.answers import TEXTS, Record, reads
from studbook.client.names import find_place

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Drift(Record):
    """How columns differ from the dataset version `from_` to `to`, each by its name; changes are `{"from": …, "to": …}`.

    `compared` names what both have recorded, of columns and statistics: nothing else was compared.
    """

    from_: str = field(default="", metadata={"key": "from"})
    to: str = ""
    compared: tuple[str, ...] = field(default=(), metadata=TEXTS)
    drifted: bool = False
    rows: Mapping[str, Any] = field(default_factory=dict)
    added: Mapping[str, Any] = field(default_factory=dict)
    removed: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Any] = field(default_factory=dict)
    nullability: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SharedRows(Record):
    """How many distinct rows two tables share: an estimate, and bounds that hold in 99 of 100 cases.

    `first` and `second` are how many distinct rows each has; `seen` counts the shared ones among those compared.
    """

    shared: int = 0
    at_least: int = 0
    at_most: int = 0
    first: int = 0
    second: int = 0
    seen: int = 0
    exact: bool = False


@dataclass(frozen=True, kw_only=True)
class DataOverlap(Record):
    """The rows that the dataset versions `first` and `second` share."""

    first: str = ""
    second: str = ""
    rows: SharedRows = field(default_factory=SharedRows, metadata=reads(SharedRows))


class DataQuestions(Addressing):
    """The calls that compare dataset versions. Each raises UnreachableError and RefusedError.

    A version is named as `NAME/3`, `NAME/latest`, `datasets/NAME/versions/3`, a UUID or `sha256:…`.
    """

    def dataset_drift(self, ref: str, *, against: str | None = None) -> Drift:
        """How the columns of a dataset version differ from those of another: the one before, unless `against` names it."""
        path = (*self._data_path(ref), "drift")
        return Drift.read(self._connection.call("GET", path, params={"against": against}))

    def dataset_overlap(self, first: str, second: str) -> DataOverlap:
        """How many distinct rows two dataset versions share; both need a profile with a sketch of their rows."""
        path = (*self._data_path(first), "overlap")
        return DataOverlap.read(self._connection.call("GET", path, params={"with": second}))

    def _data_path(self, ref: str) -> tuple[str, ...]:
        place = find_place(ref)
        if place is not None and "/versions/" not in ref and not place.version.startswith("@"):
            return ("datasets", place.name, "versions", place.version)
        return self._dataset_version_path(ref)
