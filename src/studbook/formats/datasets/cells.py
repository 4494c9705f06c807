"""Cells: what kind of value one is, and the one text that stands for it in every file format.

A row means the same whether it lies in CSV, where everything is text, or in Parquet, so a value has one canonical text:

- no value, NaN and empty text: the empty text.
- A whole number: decimal. Another number: the shortest decimal that reads back to the same double, as Python writes it;
  one without a fraction below 2^53 as a whole number.
- true and false: these words.
- A time: ISO 8601 with microseconds, in UTC if it has an offset. A date: `2026-11-25`.
- Bytes: hexadecimal. A list or a structure: JSON with sorted keys.
- Text: itself, unless it reads as one of the above, which it then is. Text such as `007` reads as no number.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
from typing import Any, Final

# What a cell may be; a column of several kinds is text, but for the pairs in `columns`.
EMPTY: Final = "null"
BOOLEAN: Final = "boolean"
INTEGER: Final = "integer"
NUMBER: Final = "number"
DATE: Final = "date"
TIME: Final = "time"
TEXT: Final = "text"
OTHER: Final = "other"

_SAFE: Final = 2**53
# Longer runs of digits are identifiers rather than quantities, and Python bounds what it converts.
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,39})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)

# The kind, the canonical text, and for numbers the number.
Cell = tuple[str, str, int | float | None]
_NOTHING: Final[Cell] = (EMPTY, "", None)


def read_cell(value: Any) -> Cell:  # noqa: ANN401, PLR0911 - a value of any column; a return for each kind
    """The kind of a value and its canonical text; of a number, the number too."""
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, bool):
        return BOOLEAN, "true" if value else "false", None
    if isinstance(value, int):
        return INTEGER, str(value), value
    if isinstance(value, float | decimal.Decimal):
        return _read_number(value)
    if isinstance(value, dt.datetime):
        return TIME, _time(value), None
    if isinstance(value, dt.date):
        return DATE, value.isoformat(), None
    if isinstance(value, bytes):
        return OTHER, value.hex(), None
    if isinstance(value, list | dict):
        return OTHER, json.dumps(value, default=str, sort_keys=True, ensure_ascii=False), None
    return OTHER, str(value), None


def _read_number(value: float | decimal.Decimal) -> Cell:
    plain = float(value)
    if math.isnan(plain):
        return _NOTHING
    if not math.isfinite(plain):
        return NUMBER, repr(plain), None
    if plain.is_integer() and abs(plain) < _SAFE:
        return NUMBER, str(int(plain)), plain
    return NUMBER, repr(plain), plain


def _read_text(text: str) -> Cell:
    first = text[0]
    if first in "-0123456789":
        if _INTEGER.fullmatch(text):
            number = int(text)
            return INTEGER, str(number), number
        if _NUMBER.fullmatch(text):
            cell = _read_number(float(text))
            return cell if cell[2] is not None else (TEXT, text, None)
        return _read_moment(text)
    if first in "tTfF" and text.lower() in {"true", "false"}:
        return BOOLEAN, text.lower(), None
    return TEXT, text, None


def _read_moment(text: str) -> Cell:
    try:
        if _DATE.fullmatch(text):
            return DATE, dt.date.fromisoformat(text).isoformat(), None
        if _TIME.fullmatch(text):
            return TIME, _time(dt.datetime.fromisoformat(text)), None
    except (ValueError, OverflowError):
        pass  # such as the 31st of February
    return TEXT, text, None


def _time(value: dt.datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(dt.UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
