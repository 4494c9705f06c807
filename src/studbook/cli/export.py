"""`studbook export`: all that a search finds, as a file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.client.exporting import format_of

app = new_app()

_STANDARD_OUTPUT: Final = "-"


class Format(StrEnum):
    """The formats, as Typer offers them."""

    jsonl = "jsonl"
    csv = "csv"
    arrow = "arrow"
    parquet = "parquet"


_File = Annotated[
    str, typer.Argument(metavar="FILE", help="Where it goes: .jsonl, .csv, .arrow or .parquet; - for standard output.")
]
_Filter = Annotated[
    str | None, typer.Option("--filter", metavar="FILTER", help="A condition such as 'metrics.auc > 0.9 and tags.team = growth'.")
]
_Words = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="Words, or their beginnings, as `studbook search` takes.")
]
_Order = Annotated[
    str | None,
    typer.Option(
        "--order-by",
        metavar="FIELD",
        help="metrics.NAME, created_at, number …; -FIELD for the greatest first. [default: newest first]",
    ),
]
_Written = Annotated[Format | None, typer.Option("--format", help="By default what the file's name ends in.")]


@app.command()
def export(
    context: typer.Context,
    file: _File,
    *,
    asked: _Filter = None,
    text: _Words = None,
    order_by: _Order = None,
    written: _Written = None,
    as_json: AsJson = False,
) -> None:
    """Write all that a search finds into a file: whole records (JSONL), or a table (CSV, Arrow, Parquet).

    The file is there whole or not at all. In CSV, a text that a spreadsheet would take for a formula gets a ' in front.
    """
    try:
        chosen = written.value if written else ("jsonl" if file == _STANDARD_OUTPUT else format_of(Path(file)))
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    with open_registry(context) as registry:
        if file == _STANDARD_OUTPUT:
            for piece in registry.export(filter=asked, text=text, order_by=order_by, format=chosen):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        try:
            path = registry.export(file, filter=asked, text=text, order_by=order_by, format=chosen)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
    size = path.stat().st_size
    if as_json:
        screen.write_json({"file": str(path), "format": chosen, "bytes": size})
        return
    screen.confirm((str(path), screen.NAME), f"  {size:,} bytes")
