"""Words and quoted strings, and the values they stand for."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.filters.tree import Duration, Moment, Now

if TYPE_CHECKING:
    from studbook.filters.tree import Value

KEYWORDS: Final = frozenset({"and", "or", "not", "in", "contains", "startswith", "exists"})
# A hundred years: a time moved by it, or by a sum of a few, stays in the calendar.
DURATION_LIMIT: Final = 36_525 * 86_400
# More digits than any number that is stored, fewer than Python refuses to read (4,300).
_DIGIT_LIMIT: Final = 100
_SHOWN: Final = 40
_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

_WORD = re.compile(r"\w[\w./:@+%-]*")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")
_EXPONENT = re.compile(r"e\+?(-?)0*")
_LEADING_ZERO = re.compile(r"-?0[0-9]+(?:\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME_BEGINS = re.compile(_DATE.pattern + r"[Tt].*")
_TIME = re.compile(
    rf"({_DATE.pattern})[Tt]([0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}})(?:\.([0-9]{{1,9}}))?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"
)
_DURATION = re.compile(r"([0-9]+)([smhdw])")
_NOW = re.compile(r"now(?:([+-])([0-9]+[smhdw]))?", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED: Final = {'"': '"', "'": "'", "\\": "\\", "n": "\n", "t": "\t"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WRITTEN: Final = {"\n": "\\n", "\t": "\\t"}


class BadLiteralError(ValueError):
    """A word or string is no value; the message says why and what to write."""


def show(text: str) -> str:
    """A piece of the writer's text as a message quotes it: short, and without characters that cannot be seen."""
    seen = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text[:_SHOWN])
    return f"`{seen}{'…' if len(text) > _SHOWN else ''}`"


def read_word(word: str) -> Value:
    """The value of a word without quotes.

    Raises BadLiteralError for a word that could be misread.
    """
    if word[0].isascii() and (word[0].isdigit() or word[0] == "-"):
        return _read_figure(word)
    lowered = word.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    if lowered in KEYWORDS:
        raise BadLiteralError(f'a value is missing before {show(word)}; a text that is a keyword is quoted, "{word}"')
    if lowered in {"null", "none"}:
        raise BadLiteralError(f'nothing equals {show(word)}: write `not field exists`, or "{word}" if it is a text')
    if lowered == "now" or lowered.startswith(("now-", "now+")):
        return _read_now(word)
    return word


def _read_figure(word: str) -> Value:
    if _INTEGER.fullmatch(word) or _FLOAT.fullmatch(word):
        return _read_number(word)
    if _DATE.fullmatch(word):
        return Moment(_read_datetime(word), whole_day=True)
    if _TIME_BEGINS.fullmatch(word):
        return Moment(_read_time(word))
    if match := _DURATION.fullmatch(word):
        return Duration(_seconds(match[1], match[2]))
    if _LEADING_ZERO.fullmatch(word):
        raise BadLiteralError(f'a number has no leading zero; write "{_cut(word)}" in quotes if it is a text')
    if word.startswith("-"):
        raise BadLiteralError(f'{show(word)} is not a number; write "{_cut(word)}" in quotes if it is a text')
    return word


def _read_number(word: str) -> int | float:
    if _INTEGER.fullmatch(word) and len(word) <= _DIGIT_LIMIT:
        return int(word)
    number = float(word)
    if len(word) > _DIGIT_LIMIT or not math.isfinite(number):
        raise BadLiteralError(f"the number {show(word)} is too large; put it in quotes if it is a text")
    return number


def _read_now(word: str) -> Now:
    match = _NOW.fullmatch(word)
    if match is None:
        raise BadLiteralError(f'{show(word)} is not a time: write now-7d or now+1h, or "{_cut(word)}" if it is a text')
    sign, offset = match.groups()
    seconds = _seconds(offset[:-1], offset[-1]) if offset else 0
    return Now(-seconds if sign == "-" else seconds)


def _seconds(count: str, unit: str) -> int:
    # Beyond 18 digits there is no need to read on.
    seconds = int(count) * _UNITS[unit] if len(count) <= 18 else DURATION_LIMIT + 1  # noqa: PLR2004
    if seconds > DURATION_LIMIT:
        raise BadLiteralError(f"the duration {show(count + unit)} is longer than a hundred years (36525d)")
    return seconds


def _read_time(word: str) -> datetime:
    match = _TIME.fullmatch(word)
    if match is None:
        raise BadLiteralError(f"{show(word)} is not a whole time: write hours, minutes, seconds and zone, 2026-11-25T09:30:00Z")
    day, clock, fraction, zone = match.groups()
    # A microsecond is the finest that is stored; what is finer is cut off.
    return _read_datetime(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{'+00:00' if zone in 'Zz' else zone}")


def _read_datetime(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadLiteralError(f"{show(text[:19])} is in no calendar; put it in quotes if it is a text") from None


def read_string(token: str) -> str:
    """The text that stands between quotes.

    Raises BadLiteralError for an escape that is not known and for what no text may hold.
    """
    body = token[1:-1]
    if _CONTROL.search(body):
        raise BadLiteralError("a quoted text holds a control character or a line break; write it as \\n, \\t or \\uXXXX")
    text = _ESCAPE.sub(_unescape, body) if "\\" in body else body
    if "\x00" in text:
        raise BadLiteralError("a text may not hold the NUL character")
    try:
        # Two escapes of four digits may make one character together, as in JSON.
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise BadLiteralError("a text may not hold a lone surrogate (half of a character)") from None


def _unescape(match: re.Match[str]) -> str:
    digits, character = match.groups()
    if digits:
        return chr(int(digits, 16))
    if character not in _ESCAPED:
        known = "\\\", \\', \\\\, \\n, \\t and \\uXXXX with four digits"
        raise BadLiteralError(f"`\\{show(character)[1:-1]}` is not an escape; known are {known}; a backslash is written \\\\")
    return _ESCAPED[character]


def _cut(word: str) -> str:
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"


def write_text(text: str) -> str:
    """A text as a value: bare where it reads back as the same text, else in the quotes that need fewer escapes."""
    if _WORD.fullmatch(text):
        try:
            if isinstance(read_word(text), str):
                return text
        except BadLiteralError:
            pass
    return quote(text)


def write_reference(reference: str) -> str:
    """A reference as the argument of a function, where no word can be misread."""
    return reference if _WORD.fullmatch(reference) else quote(reference)


def quote(text: str) -> str:
    """The text in quotes."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return mark + _CONTROL.sub(lambda match: _WRITTEN.get(match[0]) or f"\\u{ord(match[0]):04x}", escaped) + mark


def write_value(value: Value, *, short: bool = False) -> str:
    """A value as it is read back; `short` spends the fewest characters on a number. A boolean is an int here, as in Python."""
    if isinstance(value, str):
        return write_text(value)
    if isinstance(value, int):
        return str(value).lower()
    if isinstance(value, float):
        return _write_float(value, short=short)
    if isinstance(value, Moment):
        return _write_moment(value)
    if isinstance(value, Duration):
        return write_seconds(value.seconds)
    sign = "-" if value.offset_seconds < 0 else "+"
    return f"now{sign}{write_seconds(abs(value.offset_seconds))}" if value.offset_seconds else "now"


def _write_float(number: float, *, short: bool) -> str:
    plain = _EXPONENT.sub(r"e\1", repr(number))
    if not short:
        return plain
    mantissa, _, power = plain.partition("e")
    whole, _, fraction = mantissa.partition(".")
    # 100000.0 is 1e5, and 0.00025 is 25e-5: the figures without zeros at their ends, and where the point was.
    figures = (whole.removeprefix("-") + fraction).rstrip("0")
    shift = int(power or 0) + len(whole.removeprefix("-")) - len(figures)
    scientific = f"{'-' if whole.startswith('-') else ''}{figures.lstrip('0') or '0'}e{shift}"
    return min(plain, scientific, key=len)


def _write_moment(moment: Moment) -> str:
    text = moment.at.replace(tzinfo=None).isoformat()
    if moment.whole_day:
        return text[:10]
    return f"{text.rstrip('0') if moment.at.microsecond else text}Z"


def write_seconds(seconds: int) -> str:
    """A duration in the largest unit that it fills."""
    unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // size}{unit}"
