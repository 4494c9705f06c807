"""Whether a filter can be asked: every name is known, and every comparison has a meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from studbook.domain.errors import MalformedInputError, Violation
from studbook.filters.catalogue import FieldFaultError, FieldType, resolve_field
from studbook.filters.coercion import WORDS, WrongTypeError, coerce
from studbook.filters.faults import place
from studbook.filters.literals import show
from studbook.filters.printing import format_field
from studbook.filters.tree import (
    ORDERING,
    And,
    Comparison,
    Exists,
    Membership,
    Moment,
    Not,
    Operator,
    Or,
    Related,
    all_of,
    any_of,
)

if TYPE_CHECKING:
    from studbook.filters.catalogue import Catalogue
    from studbook.filters.tree import Expression, Field, Value

FAULT_LIMIT: Final = 20
# For how many unknown names a filter is answered with names like them.
_SUGGESTION_LIMIT: Final = 3

_EQUALITY: Final = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_TEXTUAL: Final = frozenset({Operator.CONTAINS, Operator.STARTS_WITH})
_MEASURED: Final = _EQUALITY | ORDERING
_OPERATORS: Final = {
    FieldType.TEXT: _EQUALITY | _TEXTUAL,
    FieldType.INTEGER: _MEASURED,
    FieldType.NUMBER: _MEASURED,
    FieldType.BOOLEAN: _EQUALITY,
    FieldType.TIME: _MEASURED,
    FieldType.DATE: _MEASURED,
    FieldType.DURATION: _MEASURED,
    FieldType.SCALAR: _MEASURED | _TEXTUAL,
    FieldType.SET: frozenset({Operator.EQUAL, Operator.CONTAINS}),
}


def check(expression: Expression, catalogue: Catalogue) -> Expression:
    """The filter with each value as its field is compared with it; `now` stays, and a day becomes its hours.

    Raises MalformedInputError with a violation for each of the first FAULT_LIMIT faults.
    """
    checker = _Checker(catalogue)
    checked = checker.check(expression)
    if not checker.faults:
        return checked
    named = checker.faults[:FAULT_LIMIT]
    if len(checker.faults) > FAULT_LIMIT:
        detail = f"the filter has more than {FAULT_LIMIT} faults; the first {FAULT_LIMIT} are named"
    else:
        detail = named[0] if len(named) == 1 else f"the filter has {len(named)} faults"
    raise MalformedInputError(detail, [Violation("/filter", "bad_filter", fault) for fault in named])


class _Checker:
    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.faults: list[str] = []
        self.unknown = 0

    def check(self, expression: Expression) -> Expression:
        if isinstance(expression, And):
            return replace(all_of([self.check(part) for part in expression.parts]), column=expression.column)
        if isinstance(expression, Or):
            return replace(any_of([self.check(part) for part in expression.parts]), column=expression.column)
        if isinstance(expression, Not):
            return replace(expression, part=self.check(expression.part))
        if isinstance(expression, Related) or len(self.faults) > FAULT_LIMIT:
            return expression
        try:
            return self._check_condition(expression)
        except FieldFaultError as error:
            self.unknown += 1
            self.faults.append(place(expression.column, str(error)))
        except WrongTypeError as error:
            self.faults.append(place(expression.column, f"{show(format_field(expression.field))} {error}"))
        return expression

    def _check_condition(self, condition: Comparison | Membership | Exists) -> Expression:
        field, kind = resolve_field(condition.field, self.catalogue, suggest=self.unknown < _SUGGESTION_LIMIT)
        if isinstance(condition, Exists):
            return replace(condition, field=field)
        if isinstance(condition, Membership):
            return _check_membership(replace(condition, field=field), kind)
        return _check_comparison(replace(condition, field=field), kind)


def _check_comparison(comparison: Comparison, kind: FieldType) -> Expression:
    operator = comparison.operator
    if operator not in _OPERATORS[kind]:
        raise WrongTypeError(_explain_operator(comparison, kind))
    # In a field of any scalar, a part of a text is a text, however it looks.
    value = _coerce(comparison.value, FieldType.TEXT if operator in _TEXTUAL and kind is FieldType.SCALAR else kind)
    if kind is FieldType.SCALAR and operator in ORDERING and isinstance(value, str | bool):
        raise WrongTypeError(f"is compared by `{operator}` with a number only; write one without quotes, such as 0.9")
    if kind is FieldType.TIME and isinstance(value, Moment) and value.whole_day:
        return _within_day(replace(comparison, value=value), value)
    return replace(comparison, value=value)


def _check_membership(membership: Membership, kind: FieldType) -> Expression:
    values = tuple(_coerce(value, kind) for value in membership.values)
    days = [value for value in values if isinstance(value, Moment) and value.whole_day] if kind is FieldType.TIME else []
    if not days:
        return replace(membership, values=values)
    field, column = membership.field, membership.column
    times = tuple(value for value in values if value not in days)
    parts = [_within_day(Comparison(field, Operator.EQUAL, day, column), day) for day in days]
    return any_of([Membership(field, times, column), *parts] if times else parts)


def _coerce(value: Value, kind: FieldType) -> Value:
    try:
        return coerce(value, kind)
    except WrongTypeError as error:
        raise WrongTypeError(f"is {WORDS[kind]}; {error}") from None


def _within_day(comparison: Comparison, day: Moment) -> Expression:
    """A comparison with a day, by its first moment and that of the next: what is on the day is neither before nor after it."""
    field, column = comparison.field, comparison.column
    begins, ends = Moment(day.at), Moment(_next_day(day.at))

    def compared(operator: Operator, moment: Moment) -> Expression:
        return Comparison(field, operator, moment, column)

    match comparison.operator:
        case Operator.EQUAL:
            return all_of([compared(Operator.GREATER_OR_EQUAL, begins), compared(Operator.LESS, ends)])
        case Operator.NOT_EQUAL:
            return any_of([compared(Operator.LESS, begins), compared(Operator.GREATER_OR_EQUAL, ends)])
        case Operator.GREATER:
            return compared(Operator.GREATER_OR_EQUAL, ends)
        case Operator.LESS_OR_EQUAL:
            return compared(Operator.LESS, ends)
        case operator:
            return compared(operator, begins)


def _next_day(at: datetime) -> datetime:
    try:
        return at + timedelta(days=1)
    except OverflowError:
        # The calendar's last day has no next.
        return datetime.max.replace(tzinfo=UTC)


def _explain_operator(comparison: Comparison, kind: FieldType) -> str:
    operators = [operator.value for operator in Operator if operator in _OPERATORS[kind]]
    sentence = f"is {WORDS[kind]}, which has no `{comparison.operator}`; ask with {', '.join(operators)}, in or exists"
    if kind is FieldType.SET and comparison.operator is Operator.NOT_EQUAL:
        return f"{sentence}, or write `not {_name(comparison.field)} = …` for none of them"
    return sentence


def _name(field: Field) -> str:
    return show(format_field(field))[1:-1]
