"""Comparisons of stored values with those of a filter: parameters only, and such that an index can be used."""

from __future__ import annotations

import operator as operators
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.canonical import scalar_text
from studbook.domain.types import format_time
from studbook.filters.tree import Duration, Moment, Now, Operator
from studbook.storage.dialects import holds_text
from studbook.storage.table_parts import INDEXED_TEXT, head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from studbook.filters.tree import Value

Compared = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]


def stored_value(value: Value, now: datetime, *, day: bool = False) -> Any:  # noqa: ANN401 - what a column keeps
    """A filter's value as columns keep it; with `day`, times as the day they fall on."""
    if isinstance(value, Now | Moment):
        moment = value.at if isinstance(value, Moment) else _moved(now, value.offset_seconds)
        return moment.astimezone(UTC).date().isoformat() if day else format_time(moment)
    if isinstance(value, Duration):
        return float(value.seconds)
    return int(value) if isinstance(value, bool) else value


def _moved(now: datetime, seconds: int) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return datetime(1 if seconds < 0 else 9999, 1, 1, tzinfo=UTC)


def compare(column: Compared, operator: Operator, value: Any) -> Condition:  # noqa: ANN401 - a stored value
    """A column of one type against a value of it."""
    return _COMPARISONS[operator](column, value)


def begins_with(column: Compared, prefix: str) -> Condition:
    """Text from the prefix on and before what follows all that begin with it."""
    following = _following(prefix)
    return column >= prefix if following is None else sa.and_(column >= prefix, column < following)


def _following(prefix: str) -> str | None:
    """The least text, by code points, that is greater than all with this prefix."""
    for length in range(len(prefix), 0, -1):
        code = ord(prefix[length - 1])
        if code < 0x10FFFF:  # noqa: PLR2004 - the last code point
            # Past the surrogates, which are no characters.
            return prefix[: length - 1] + chr(0xE000 if code == 0xD7FF else code + 1)  # noqa: PLR2004
    return None


_COMPARISONS: Final[dict[Operator, Callable[[Compared, Any], Condition]]] = {
    Operator.EQUAL: operators.eq,
    Operator.NOT_EQUAL: operators.ne,
    Operator.GREATER: operators.gt,
    Operator.GREATER_OR_EQUAL: operators.ge,
    Operator.LESS: operators.lt,
    Operator.LESS_OR_EQUAL: operators.le,
    Operator.CONTAINS: holds_text,
    Operator.STARTS_WITH: begins_with,
}


def compare_long(column: Compared, operator: Operator, value: str) -> list[Condition]:
    """Text of any length against a text: by its indexed beginning first, then as a whole."""
    head, short = head_of(column), value[:INDEXED_TEXT]
    if operator is Operator.EQUAL:
        return [head == short, column == value] if len(value) >= INDEXED_TEXT else [head == value]
    if operator is Operator.STARTS_WITH:
        return [begins_with(head, short), *([begins_with(column, value)] if len(value) > INDEXED_TEXT else [])]
    return [compare(column, operator, value)]


def equals_any_long(column: Compared, values: Sequence[str]) -> list[Condition]:
    """Text of any length that is one of these."""
    heads = sorted({value[:INDEXED_TEXT] for value in values})
    whole = [column.in_(values)] if any(len(value) >= INDEXED_TEXT for value in values) else []
    return [head_of(column).in_(heads), *whole]


def compare_scalar(table: Any, operator: Operator, value: Any) -> list[Condition]:  # noqa: ANN401 - columns; text, number, boolean
    """A scalar, kept as JSON text and as a number where it is one, against a value: numbers with numbers, the rest as text."""
    number, text = table.c.number, table.c.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if operator is Operator.NOT_EQUAL:
            return [sa.or_(number.is_(None), number != float(value))]
        return [compare(number, operator, float(value))]
    rendered = scalar_text(value)
    if operator is Operator.NOT_EQUAL:
        return [text != rendered]
    if operator is Operator.STARTS_WITH:
        return [number.is_(None), *compare_long(text, operator, rendered[:-1])]
    if operator is Operator.CONTAINS:
        # A text begins with a quote; no other scalar does.
        return [number.is_(None), begins_with(text, '"'), holds_text(text, rendered[1:-1])]
    return [number.is_(None), *compare_long(text, operator, rendered)]


def scalar_in(table: Any, values: Sequence[Any]) -> list[Condition]:  # noqa: ANN401 - columns
    """A scalar that is one of these."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    texts = [scalar_text(value) for value in values if isinstance(value, str | bool)]
    if not numbers:
        return [table.c.number.is_(None), *equals_any_long(table.c.value, texts)]
    if not texts:
        return [table.c.number.in_(numbers)]
    return [sa.or_(table.c.number.in_(numbers), sa.and_(table.c.number.is_(None), *equals_any_long(table.c.value, texts)))]
