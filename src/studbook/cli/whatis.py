"""`studbook whatis`: which recorded versions files on this machine are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import short_digest, short_name, size

if TYPE_CHECKING:
    from rich.text import Text

    from studbook.client import Recognised

app = new_app()

# As many versions as fit a line; a tokenizer may be part of a thousand.
_NAMES: Final = 4

_Paths = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, help="Files or folders on this machine.")]


@app.command()
def whatis(context: typer.Context, paths: _Paths, *, as_json: AsJson = False) -> None:
    """Say which model versions and dataset versions files are, by their digests; exit code 3 when one of them is unknown.

    A folder is looked for as a whole, as `log_artifact` records it, and so is every folder and file in it.
    """
    with open_registry(context) as registry:
        found = registry.whatis(*paths)
    if as_json:
        screen.write_json({"items": [_as_json(entry) for entry in found]})
    else:
        table = screen.columns("file", "what it is", "size", "digest", right=["size"], whole=["digest"])
        for entry in found:
            digest = screen.styled(short_digest(entry.digest), screen.QUIET)
            table.add_row(screen.styled(_path(entry)), _meaning(entry), size(entry.size), digest)
        screen.print_table(table, none="No files.")
    if not all(entry.known for entry in found):
        raise typer.Exit(Exit.NOT_FOUND)


def _path(entry: Recognised) -> str:
    return f"{entry.path.rstrip('/')}/" if entry.is_folder else entry.path


def _meaning(entry: Recognised) -> Text:
    if entry.matches:
        names = [short_name(link.name) for link in entry.matches]
        rest = f", and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return screen.line((", ".join(names[:_NAMES]), screen.NAME), rest)
    if entry.part_of is not None:
        return screen.styled(f"part of {entry.part_of}", screen.QUIET)
    if entry.is_folder:
        return screen.styled("not recorded as a whole", screen.QUIET)
    return screen.styled("unknown", screen.CAUTION)


def _as_json(entry: Recognised) -> dict[str, Any]:
    return {
        "path": entry.path,
        "kind": "folder" if entry.is_folder else "file",
        "digest": entry.digest,
        "size": entry.size,
        "matches": [link.raw for link in entry.matches],
        "part_of": entry.part_of,
        "known": entry.known,
    }
