"""`studbook reproduce`: what it takes to make a version again, and whether a re-run did."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.recipe_text import recipe_lines, verification_lines
from studbook.cli.session import open_registry
from studbook.client.exporting import whole_file
from studbook.formats.recipe_script import write_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

app = new_app()

_Version = Annotated[str, typer.Argument(metavar="REF", help="A model version: NAME/3, NAME@alias, an identifier.")]
_Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it into this file.")]
_Script = Annotated[
    bool, typer.Option("--script", help="As a shell script that fetches, checks and, with the argument run, runs.")
]
_Verify = Annotated[
    str | None, typer.Option("--verify", metavar="OTHER", help="Hold the version that a re-run registered against this one.")
]
_Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="[METRIC=]NUMBER",
        help="How far metrics may differ (absolute), or one of them; may be given again. [default: 0]",
    ),
]


@app.command()
def reproduce(
    context: typer.Context,
    reference: _Version,
    *,
    output: _Output = None,
    script: _Script = False,
    verify: _Verify = None,
    tolerance: _Tolerance = None,
    as_json: AsJson = False,
) -> None:
    """Say what it takes to make a version again, and how complete that is; with --verify, whether a re-run made it again.

    --verify ends with 1 when inputs, parents, code, parameters, seeds, environment or metrics are not as they were, or when too
    little was recorded to tell.
    """
    if script and (as_json or verify):
        raise CommandError("--script goes with neither --json nor --verify", Exit.USAGE)
    if tolerance and not verify:
        raise CommandError("--tolerance goes with --verify OTHER", Exit.USAGE)
    usual, named = _read_tolerances(tolerance or ())
    with open_registry(context) as registry:
        if verify is not None:
            found = registry.verify_reproduction(reference, verify, tolerance=usual, tolerances=named)
            _deliver(_as_text(found.raw) if as_json else _joined(verification_lines(found.raw)), output)
            if not found.reproduced:
                raise typer.Exit(Exit.REFUSED)
            return
        recipe = registry.recipe(reference).raw
    if script:
        _deliver(write_script(recipe), output)
    else:
        _deliver(_as_text(recipe) if as_json else _joined(recipe_lines(recipe)), output)


def _read_tolerances(texts: Sequence[str]) -> tuple[float, dict[str, float]]:
    usual, named = 0.0, {}
    for text in texts:
        name, equals, written = text.rpartition("=")
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or (equals and not name):
            message = f"{text!r} is no tolerance; write a number from 0 on, such as 0.01, or auc=0.005 for one metric"
            raise CommandError(message, Exit.USAGE)
        if equals:
            named[name] = value
        else:
            usual = value
    return usual, named


def _as_text(value: object) -> str:
    # Escapes say the same where standard output takes only ASCII.
    return json.dumps(value, indent=2) + "\n"


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _deliver(text: str, output: Path | None) -> None:
    """Write the text where it is wanted, exactly as it is: a script must not be broken at the width of a terminal."""
    if output is None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return
    try:
        with whole_file(output) as file:
            file.write(text.encode())
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror or error}") from error
    screen.notices().print(screen.line(("✓ ", screen.GOOD), (str(output), screen.NAME)))
