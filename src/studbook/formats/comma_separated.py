"""CSV (RFC 4180, UTF-8) that a spreadsheet may open: no text in it is taken for a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.table import ColumnType

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from studbook.formats.table import Column, Groups

# What a spreadsheet takes for the beginning of a formula, or drops in front of one (OWASP, CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(columns: Sequence[Column], groups: Groups) -> Generator[bytes, None, None]:
    """A line of names, then a line for each row; a null is an empty cell.

    A text that begins like a formula gets a `'` in front. Numbers stay as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    shown = [_SHOWN.get(column.type) for column in columns]
    yield _take(text)
    for rows in groups:
        writer.writerows(
            [value if show is None or value is None else show(value) for show, value in zip(shown, row, strict=True)]
            for row in rows
        )
        yield _take(text)


def _text(value: Any) -> str:  # noqa: ANN401 - a text
    return f"'{value}" if value.startswith(_FORMULA) else value


def _boolean(value: Any) -> str:  # noqa: ANN401 - a boolean
    return "true" if value else "false"


# Of the other types Python's own way of writing is right: numbers in full, times and days as they come.
_SHOWN: Final = {ColumnType.TEXT: _text, ColumnType.BOOLEAN: _boolean}


def _take(text: io.StringIO) -> bytes:
    """What was written since the last time."""
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
