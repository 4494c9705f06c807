"""From a tree to its canonical text: one spelling for one meaning, without parentheses or quotes that change nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from studbook.filters.bounds import TEXT_LIMIT
from studbook.filters.literals import KEYWORDS, quote, write_reference, write_value
from studbook.filters.tree import And, Comparison, Exists, Membership, Not, Or, Related

if TYPE_CHECKING:
    from studbook.filters.tree import Expression, Field

_FIRST = re.compile(r"[^\W\d][\w-]*")
_SEGMENT = re.compile(r"\w[\w-]*")
_QUALIFIER = re.compile(r"\w[\w.-]*")


def format_filter(expression: Expression) -> str:
    """The text from which `parse_filter` makes an equal tree.

    A filter that was just short enough to be read may be too long with a blank around each sign; it is written close then.
    """
    text = _write(expression, short=False)
    return text if len(text) <= TEXT_LIMIT else _write(expression, short=True)


def format_field(field: Field, *, short: bool = False) -> str:
    """The field as it stands in a filter or an order."""
    first, *others = field.name
    plain = _FIRST.fullmatch(first) and (others or first.lower() not in KEYWORDS)
    parts = [first if plain else quote(first), *(_write_part(part, _SEGMENT) for part in others)]
    qualifier = "" if field.qualifier is None else f"@{_write_part(field.qualifier, _QUALIFIER)}"
    labels = (f"{_write_part(name, _QUALIFIER)}={write_value(value, short=short)}" for name, value in field.labels)
    slice_ = f"{{{(',' if short else ', ').join(labels)}}}" if field.labels else ""
    return ".".join(parts) + qualifier + slice_


def _write_part(part: str, plain: re.Pattern[str]) -> str:
    return part if plain.fullmatch(part) else quote(part)


def _write(expression: Expression, *, short: bool) -> str:
    if isinstance(expression, And):
        return " and ".join(_write_within(part, (Or,), short=short) for part in expression.parts)
    if isinstance(expression, Or):
        return " or ".join(_write(part, short=short) for part in expression.parts)
    if isinstance(expression, Not):
        return f"not {_write_within(expression.part, (And, Or), short=short)}"
    if isinstance(expression, Related):
        return f"{expression.direction}({write_reference(expression.reference)})"
    return _write_condition(expression, short=short)


def _write_within(part: Expression, looser: tuple[type[Expression], ...], *, short: bool) -> str:
    text = _write(part, short=short)
    return f"({text})" if isinstance(part, looser) else text


def _write_condition(condition: Comparison | Membership | Exists, *, short: bool) -> str:
    field = format_field(condition.field, short=short)
    if isinstance(condition, Exists):
        return f"{field} exists"
    if isinstance(condition, Membership):
        values = (write_value(value, short=short) for value in condition.values)
        return f"{field} in {'(' + ','.join(values)}" + ")" if short else f"{field} in ({', '.join(values)})"
    blank = "" if short and not condition.operator.isalpha() else " "
    return f"{field}{blank}{condition.operator}{blank}{write_value(condition.value, short=short)}"
