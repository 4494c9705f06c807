"""Typed values of attributes: from what JSON holds to what a column keeps."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.types import format_time
from studbook.schemas.definition import ValueType

if TYPE_CHECKING:
    from collections.abc import Callable

# What an index can hold on both engines: 2,704 bytes on PostgreSQL, at up to four bytes a character.
INDEXED_TEXT_LIMIT: Final = 512
_DURATION: Final = re.compile(
    r"P(?!$)(?:([0-9]+(?:\.[0-9]+)?)W)?(?:([0-9]+(?:\.[0-9]+)?)D)?(?:T(?!$)(?:([0-9]+(?:\.[0-9]+)?)H)?(?:([0-9]+(?:\.[0-9]+)?)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)
# Offsets up to what PostgreSQL takes; no zone is further than 14 hours from UTC.
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS: Final = (604_800, 86_400, 3_600, 60, 1)
EXPECTED: Final = {
    ValueType.STRING: f"text of at most {INDEXED_TEXT_LIMIT} characters",
    ValueType.INTEGER: "a whole number",
    ValueType.NUMBER: "a number",
    ValueType.BOOLEAN: "true or false",
    ValueType.TIMESTAMP: "an RFC 3339 time such as 2026-11-25T09:30:00Z",
    ValueType.DATE: "a day such as 2026-11-25",
    ValueType.DURATION: "an ISO 8601 length of time without months or years, such as PT36H",
}


def read_value(kind: ValueType, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """What a column of this type keeps, or None when the value is of another type.

    Times are RFC 3339 of fixed width in UTC, days `2026-11-25`, durations seconds, booleans 0 and 1.
    """
    reader = _READERS.get(kind)
    return None if reader is None or value is None else reader(value)


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) and len(value) <= INDEXED_TEXT_LIMIT else None


def _integer(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _boolean(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    return int(value) if isinstance(value, bool) else None


def _timestamp(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return format_time(datetime.fromisoformat(value.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _date(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None


def _duration(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None  # noqa: PLR2004 - no real one is longer
    if match is None:
        return None
    seconds = sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    return seconds if math.isfinite(seconds) else None


_READERS: Final[dict[ValueType, Callable[[Any], Any]]] = {
    ValueType.STRING: _text,
    ValueType.INTEGER: _integer,
    ValueType.NUMBER: _number,
    ValueType.BOOLEAN: _boolean,
    ValueType.TIMESTAMP: _timestamp,
    ValueType.DATE: _date,
    ValueType.DURATION: _duration,
}
