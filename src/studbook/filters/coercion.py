"""From the value that was written to the value that a field is compared with, where that is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.domain.parsing import SAFE_INTEGER
from studbook.filters.catalogue import FieldType
from studbook.filters.literals import BadLiteralError, quote, read_word, write_value
from studbook.filters.tree import Duration, Moment, Now

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.filters.tree import Value

_SHOWN: Final = 40

WORDS: Final = {
    FieldType.TEXT: "text",
    FieldType.INTEGER: "a whole number",
    FieldType.NUMBER: "a number",
    FieldType.BOOLEAN: "a boolean",
    FieldType.TIME: "a time",
    FieldType.DATE: "a day",
    FieldType.DURATION: "a duration",
    FieldType.SCALAR: "text, a number or a boolean",
    FieldType.SET: "a set of texts",
}


class WrongTypeError(ValueError):
    """The field cannot be compared with the value; the message says what the value is and what to write."""


def coerce(value: Value, kind: FieldType) -> Value:
    """The value as a field of that type is compared with it; what needs no change comes back as it is.

    Raises WrongTypeError.
    """
    return _COERCIONS[kind](value)


def _to_text(value: Value) -> Value:
    if isinstance(value, str):
        return value
    # Only what has one spelling: 1.50 and 36h would come back otherwise than they were written.
    if _is_whole(value) or (isinstance(value, Moment) and value.whole_day):
        return write_value(value)
    raise _wrong(value, "put it in quotes if a text is meant")


def _to_integer(value: Value) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) <= SAFE_INTEGER:
            return value
        raise WrongTypeError(f"{_show(value)} is beyond 2^53 - 1, which no stored whole number exceeds")
    raise _wrong(value, "write one without quotes, such as 3")


def _to_number(value: Value) -> Value:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _wrong(value, "write one without quotes, such as 0.9")


def _to_boolean(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    raise _wrong(value, "write true or false, without quotes")


def _to_time(value: Value) -> Value:
    read = _reread(value)
    if isinstance(read, Moment | Now):
        return read
    if isinstance(read, Duration):
        raise _wrong(value, f"write now-{write_value(read)} for that long ago")
    raise _wrong(value, "write 2026-11-25, 2026-11-25T09:30:00Z or now-7d")


def _to_date(value: Value) -> Value:
    read = _reread(value)
    if isinstance(read, Now) or (isinstance(read, Moment) and read.whole_day):
        return read
    raise _wrong(value, "write a day alone, such as 2026-11-25")


def _to_duration(value: Value) -> Value:
    read = _reread(value)
    if isinstance(read, Duration):
        return read
    if _is_whole(value):
        raise _wrong(value, f"write its unit, as in {_show(value)}s or {_show(value)}h")
    raise _wrong(value, "write a whole number with its unit: 90s, 15m, 36h, 7d or 2w")


def _to_scalar(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else float(value)
    return value if isinstance(value, float) else _to_text(value)


_COERCIONS: Final[dict[FieldType, Callable[[Value], Value]]] = {
    FieldType.TEXT: _to_text,
    FieldType.INTEGER: _to_integer,
    FieldType.NUMBER: _to_number,
    FieldType.BOOLEAN: _to_boolean,
    FieldType.TIME: _to_time,
    FieldType.DATE: _to_date,
    FieldType.DURATION: _to_duration,
    FieldType.SCALAR: _to_scalar,
    FieldType.SET: _to_text,
}


def _is_whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reread(value: Value) -> Value:
    """What a quoted text would be without its quotes; a text that is none of these stays."""
    if isinstance(value, str) and value[:1].isdigit():
        try:
            return read_word(value)
        except BadLiteralError:
            return value
    return value


def _show(value: Value) -> str:
    text = quote(value) if isinstance(value, str) else write_value(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _describe(value: Value) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, Moment):
        return "a day" if value.whole_day else "a time"
    return "a duration" if isinstance(value, Duration) else "a time that moves"


def _wrong(value: Value, mended: str) -> WrongTypeError:
    return WrongTypeError(f"{_show(value)} is {_describe(value)}: {mended}")
