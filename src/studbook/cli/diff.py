"""`studbook diff`: what differs between two model versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, Everything, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import number, safe, scalar, short_digest, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.table import Table

app = new_app()

_From = Annotated[str, typer.Argument(metavar="A", help="A model version: NAME/3, NAME@alias, an identifier.")]
_To = Annotated[str, typer.Argument(metavar="B", help="The version it is compared with.")]
_ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if they differ.")]

# An environment may differ in hundreds of packages.
_ROWS: Final = 20
_NAMES: Final = ("from", "to", "causes")


@app.command()
def diff(
    context: typer.Context,
    first: _From,
    second: _To,
    *,
    everything: Everything = False,
    fail: _ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Compare two model versions: parameters, metrics, datasets, artifacts, code, environment."""
    with open_registry(context) as registry:
        difference = registry.diff(first, second).raw
    sections = {name: part for name, part in difference.items() if name not in _NAMES and _size(part)}
    if as_json:
        screen.write_json(difference)
    else:
        _show(difference, sections, None if everything else _ROWS)
    if sections and fail:
        raise typer.Exit(Exit.REFUSED)


def _show(difference: Mapping[str, Any], sections: Mapping[str, Any], rows: int | None) -> None:
    console = screen.output()
    names = (short_name(difference["from"]), screen.NAME), "  →  ", (short_name(difference["to"]), screen.NAME)
    console.print(screen.line(*names))
    if not sections:
        console.print("No differences.")
    if difference.get("causes"):
        console.print(screen.line(("what could be the cause: ", screen.QUIET), ", ".join(difference["causes"])))
    for name, part in sections.items():
        console.print()
        console.print(screen.styled(name.capitalize(), screen.HEADING))
        console.print(screen.indented(_table(name, part, rows)))


def _table(name: str, part: Mapping[str, Any], rows: int | None) -> Table:
    table = screen.grid()
    changes = list(_changes(part))
    for mark, style, key, before, after in changes[:rows]:
        cells = [_value(name, before), _value(name, after)]
        if name == "metrics":
            cells.append(_delta(before, after))
        table.add_row(screen.styled(mark, style), screen.styled(key), *(screen.styled(cell) for cell in cells))
    if rows is not None and len(changes) > rows:
        table.add_row("", screen.styled(f"… {len(changes) - rows} more; --all shows them", screen.QUIET))
    return table


def _changes(part: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any, Any]]:
    for key, change in part["changed"].items():
        yield "~", screen.CAUTION, key, change["from"], change["to"]
    for key, value in part["added"].items():
        yield "+", screen.GOOD, key, ..., value
    for key, value in part["removed"].items():
        yield "-", screen.BAD, key, value, ...


def _value(section: str, value: Any) -> str:  # noqa: ANN401 - any JSON value, or an ellipsis where there is none
    if value is ...:
        return ""
    if section == "metrics":
        return number(value)
    if isinstance(value, str) and value.startswith("sha256:"):
        return short_digest(value)
    if section == "datasets":
        names = value if isinstance(value, list) else [value]
        return safe(", ".join(str(name).partition("/")[2] for name in names))
    return scalar(value)


def _delta(before: Any, after: Any) -> str:  # noqa: ANN401 - as above
    if before is ... or after is ...:
        return ""
    return f"{after - before:+.5g}"


def _size(part: Mapping[str, Any]) -> int:
    return sum(len(part[name]) for name in ("added", "removed", "changed"))
