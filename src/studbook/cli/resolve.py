"""`studbook resolve`: who carries an identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from studbook.client import Link, Resolved

app = new_app()

_Identifiers = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        help="sha256:…, git:…, mlflow_run:…, a URI, an OCI image, a UUID, the beginning of an id (8 digits) or of a digest (12), "
        "or any other reference.",
    ),
]


@app.command()
def resolve(context: typer.Context, identifiers: _Identifiers, *, as_json: AsJson = False) -> None:
    """Say which records carry an identifier, or each of several; exit code 3 when one of them means nothing."""
    with open_registry(context) as registry:
        if len(identifiers) > 1:
            _show_many(registry.resolve_many(identifiers), as_json=as_json)
            return
        found = registry.resolve(identifiers[0])
    if as_json:
        screen.write_json({"items": [link.raw for link in found]})
        return
    screen.print_table(_rows(screen.columns("kind", "name", "id", whole=["name", "id"]), found), none="Nothing.")


def _show_many(resolved: list[Resolved], *, as_json: bool) -> None:
    if as_json:
        screen.write_json({"items": [entry.raw for entry in resolved]})
    else:
        table = screen.columns("identifier", "kind", "name", "id", whole=["name", "id"])
        for entry in resolved:
            if entry.matches:
                _rows(table, entry.matches, entry.identifier)
            else:
                table.add_row(screen.styled(entry.identifier), "", screen.styled(entry.error or "nothing", screen.CAUTION), "")
        screen.print_table(table, none="Nothing.")
    if not all(entry.matches for entry in resolved):
        raise typer.Exit(Exit.NOT_FOUND)


def _rows(table: Table, links: Iterable[Link], *before: str) -> Table:
    for link in links:
        kind = (link.kind or "").replace("_", " ")
        table.add_row(*(screen.styled(text) for text in before), kind, screen.styled(link.name, screen.NAME), link.id)
    return table
