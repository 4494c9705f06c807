"""Where a command writes: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from studbook.cli.text import safe

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import RenderableType

NAME: Final = "bold cyan"
QUIET: Final = "dim"
GOOD: Final = "green"
BAD: Final = "bold red"
CAUTION: Final = "yellow"
HEADING: Final = "bold"

# A line printed into a file or another program is not to be broken at the width of some terminal.
_WIDTH_WITHOUT_TERMINAL: Final = 200


def output() -> Console:
    """Standard output, for what was asked."""
    return _console(to_stderr=False)


def notices() -> Console:
    """Standard error, for progress, warnings and refusals."""
    return _console(to_stderr=True)


def write_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON that ends in a line break."""
    write_json_line(value, indent=2)


def write_json_line(value: Any, *, indent: int | None = None) -> None:  # noqa: ANN401 - any JSON value
    """Print a value as JSON, by default on one line."""
    # Where standard output takes only ASCII, the escapes of JSON say the same.
    exact = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=not exact) + "\n")


def columns(*headings: str, right: Collection[str] = (), whole: Collection[str] = ()) -> Table:
    """An empty table without lines; columns in `right` hold numbers, those in `whole` are never broken into lines."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style=QUIET, show_edge=False)
    for heading in headings:
        side: Literal["left", "right"] = "right" if heading in right else "left"
        table.add_column(heading, justify=side, overflow="fold", no_wrap=heading in whole)
    return table


def grid() -> Table:
    """An empty table without headings."""
    return Table.grid(padding=(0, 3, 0, 0), pad_edge=False)


def indented(part: RenderableType, by: int = 2) -> RenderableType:
    """Something moved to the right."""
    return Padding(part, (0, 0, 0, by))


def styled(text: object, style: str = "") -> Text:
    """Text that is shown as it is, never read as markup."""
    return Text(safe(text), style=style)


def line(*parts: tuple[object, str] | str) -> Text:
    """One text of several styles."""
    joined = Text()
    for part in parts:
        words, style = (part, "") if isinstance(part, str) else part
        joined.append(safe(words), style=style)
    return joined


def print_table(table: Table, *, none: str, truncated: bool = False) -> None:
    """Print a table, or say that it is empty; what was left out is said on standard error."""
    if not table.row_count:
        notices().print(styled(none, QUIET))
        return
    output().print(table)
    if truncated:
        notices().print(styled("There are more: --limit N shows N, --all shows all.", QUIET))


def confirm(*parts: tuple[object, str] | str) -> None:
    """Say that something was done."""
    output().print(line(("✓ ", GOOD), *parts))


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console
