"""`studbook alias …`: movable names of versions."""

from __future__ import annotations

from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.options import AsJson, IfMatch, ModelName, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import short_name

app = new_app("Name a version with a movable alias.")

_Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias, such as champion.")]
_Place = Annotated[str, typer.Argument(metavar="VERSION", help="A number, latest, or @other (another alias).")]


@app.command("set")
def set_alias(
    context: typer.Context, model: ModelName, alias: _Alias, version: _Place, *, if_match: IfMatch = None, as_json: AsJson = False
) -> None:
    """Point an alias at a version, or move it there."""
    with open_registry(context) as registry:
        place = int(version) if version.isdecimal() else version
        record = registry.set_alias(model, alias.removeprefix("@"), place, if_match=if_match)
    if as_json:
        screen.write_json(record.raw)
        return
    target = short_name(record.version.name) if record.version else version
    screen.confirm((f"{model}@{record.alias}", screen.NAME), " is now ", (target, screen.NAME))


@app.command("delete")
def delete_alias(
    context: typer.Context, model: ModelName, alias: _Alias, *, if_match: IfMatch = None, as_json: AsJson = False
) -> None:
    """Take an alias away; the version stays."""
    name = alias.removeprefix("@")
    with open_registry(context) as registry:
        registry.delete_alias(model, name, if_match=if_match)
    if as_json:
        screen.write_json({"model": model, "alias": name, "deleted": True})
        return
    screen.confirm((f"{model}@{name}", screen.NAME), " is deleted")


@app.command("list")
def list_aliases(context: typer.Context, model: ModelName, *, as_json: AsJson = False) -> None:
    """List the aliases of a model."""
    with open_registry(context) as registry:
        aliases = list(registry.aliases(model))
    if as_json:
        screen.write_json({"items": [alias.raw for alias in aliases]})
        return
    table = screen.columns("alias", "version")
    for alias in aliases:
        target = short_name(alias.version.name) if alias.version else ""
        table.add_row(screen.styled(f"@{alias.alias}", screen.GOOD), screen.styled(target, screen.NAME))
    screen.print_table(table, none=f"{model} has no aliases.")
