"""`studbook watch`: a version as it changes, and a command that is run when it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, short_name
from studbook.client.names import find_place

if TYPE_CHECKING:
    from studbook.client import ModelVersion

app = new_app()

_Version = Annotated[str, typer.Argument(metavar="VERSION", help="What to watch: NAME@alias, NAME/latest or NAME/3.")]
_Command = Annotated[
    str | None,
    typer.Option(
        "--exec",
        metavar="CMD",
        help="Run this with the shell for each version that is printed. WATCHED_VERSION, WATCHED_MODEL, WATCHED_NUMBER and "
        "WATCHED_ETAG stand in its environment, the version as JSON on its standard input.",
    ),
]
_Once = Annotated[bool, typer.Option("--once", help="Wait for the first change, print it (and run CMD for it), and end.")]


@app.command()
def watch(
    context: typer.Context, version: _Version, *, command: _Command = None, once: _Once = False, as_json: AsJson = False
) -> None:
    """Print a version as it is now and each time that it changes, until interrupted.

    A change is told at once. While the registry cannot be reached, this goes on trying.
    """
    place = find_place(version)
    if place is None or place.family != "models":
        message = f"{version!r} cannot be watched; write NAME@alias, NAME/latest or NAME/3"
        raise CommandError(message, Exit.USAGE)
    with open_registry(context) as registry:
        shown = registry.watch(place.name, place.version)
        if once:
            next(shown)
        try:
            for changed in shown:
                _print(changed, as_json=as_json)
                code = _run(command, changed) if command is not None else 0
                if once:
                    raise typer.Exit(Exit.REFUSED if code else Exit.OK)
        except KeyboardInterrupt:
            return


def _print(version: ModelVersion, *, as_json: bool) -> None:
    if as_json:
        screen.write_json_line(version.raw)
    else:
        aliases = " ".join(f"@{alias}" for alias in version.aliases)
        now = moment(datetime.now(UTC))
        line = screen.line((now, screen.QUIET), "  ", (short_name(version.name), screen.NAME), "  ", (aliases, screen.GOOD))
        screen.output().print(line)
    # Whoever reads this from a pipe waits for it.
    sys.stdout.flush()


def _run(command: str, version: ModelVersion) -> int:
    """Run the command to its end and return its exit code; that it failed is said, and the next change is waited for."""
    told = {"VERSION": version.name, "MODEL": version.model, "NUMBER": str(version.number), "ETAG": version.etag}
    environment = {**os.environ, **{f"WATCHED_{name}": value for name, value in told.items()}}
    document = json.dumps(dict(version.raw)).encode()
    # The user's own command line; nothing of the record stands in it.
    code = subprocess.run(command, shell=True, env=environment, input=document, check=False).returncode  # noqa: S602
    if code:
        screen.notices().print(screen.styled(f"! the command ended with exit code {code}", screen.CAUTION))
    return code
