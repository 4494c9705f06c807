"""Tables as all their writers take them: typed columns, known before the first row, and rows in groups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    # Groups of rows; a row has a value or None for each column.
    Groups = Iterator[Sequence[Sequence[Any]]]


class ColumnType(Enum):
    """What the values of a column are."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    # Text such as 2026-11-25T09:30:00.000000Z, always UTC.
    TIME = auto()
    # Text such as 2026-11-25.
    DATE = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, which no other column of the table has, and its type."""

    name: str
    type: ColumnType = ColumnType.TEXT
