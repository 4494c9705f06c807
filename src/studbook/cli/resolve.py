"""`studbook resolve`: who carries an identifier."""

from __future__ import annotations

from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry

app = new_app()

_Identifier = Annotated[str, typer.Argument(metavar="ID", help="sha256:…, git:…, mlflow_run:…, a UUID, or any other reference.")]


@app.command()
def resolve(context: typer.Context, identifier: _Identifier, *, as_json: AsJson = False) -> None:
    """Say which records carry an identifier."""
    with open_registry(context) as registry:
        found = registry.resolve(identifier)
    if as_json:
        screen.write_json({"items": [link.raw for link in found]})
        return
    table = screen.columns("kind", "name", "id", whole=["name", "id"])
    for link in found:
        kind = (link.kind or "").replace("_", " ")
        table.add_row(kind, screen.styled(link.name, screen.NAME), link.id)
    screen.print_table(table, none="Nothing.")
