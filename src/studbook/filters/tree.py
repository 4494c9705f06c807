"""What a filter means, as a tree of frozen values.

Every node knows the column at which it began in the text, for messages about faults that are found later; two trees are
equal when they mean the same, wherever it stood. As Python has it, 1, 1.0 and True are equal: compare text, not trees, where
that matters.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

# The first segment of every metric's field: only metrics are measured on slices, so only they take labels.
METRICS: Final = "metrics"


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    CONTAINS = "contains"
    STARTS_WITH = "startswith"


ORDERING: Final = frozenset({Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.LESS, Operator.LESS_OR_EQUAL})


class Direction(StrEnum):
    """Which way the lineage is walked."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC. `whole_day` says that the writer gave a bare day; `at` is its beginning then."""

    at: datetime
    whole_day: bool = False


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Now:
    """The time at which the filter is asked, moved by an offset."""

    offset_seconds: int = 0


Scalar = str | int | float | bool
Value = Scalar | Moment | Duration | Now


@dataclass(frozen=True, slots=True)
class Field:
    """What is asked about: the segments of a dotted name, a qualifier, and the labels of a slice in order of their names."""

    name: tuple[str, ...]
    qualifier: str | None = None
    labels: tuple[tuple[str, Scalar], ...] = ()
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`."""

    field: Field
    operator: Operator
    value: Value
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """`field in (values)`."""

    field: Field
    values: tuple[Value, ...]
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Exists:
    """`field exists`."""

    field: Field
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Related:
    """`upstream(reference)`: has that record upstream of it; `downstream(reference)` the other way."""

    direction: Direction
    reference: str
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`not part`."""

    part: Expression
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more parts, none of which is an And."""

    parts: tuple[Expression, ...]
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more parts, none of which is an Or."""

    parts: tuple[Expression, ...]
    column: int = dataclasses.field(default=0, compare=False)


Condition = Comparison | Membership | Exists | Related
Expression = And | Or | Not | Condition


def all_of(parts: list[Expression]) -> Expression:
    """The conjunction of one or more parts, flat."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, And) else [part])
    return flat[0] if len(flat) == 1 else And(tuple(flat), flat[0].column)


def any_of(parts: list[Expression]) -> Expression:
    """The disjunction of one or more parts, flat."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else [part])
    return flat[0] if len(flat) == 1 else Or(tuple(flat), flat[0].column)
