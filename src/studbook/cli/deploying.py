"""`studbook deploy`: which version is served where."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import short_name

app = new_app()

_Version = Annotated[str | None, typer.Argument(metavar="[VERSION]", help="A model version: NAME/3, NAME@alias, an identifier.")]
_Target = Annotated[str | None, typer.Argument(metavar="[TARGET]", help="Where it is served, such as prod/eu.")]
_Address = Annotated[str | None, typer.Option("--served-at", metavar="URL", help="The address under which it is served.")]
_Attributes = Annotated[
    list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE", help="A further fact; may be repeated.")
]
_End = Annotated[
    str | None, typer.Option("--end", metavar="DEPLOYMENT", help="Record instead that this deployment (its id) has ended.")
]


@app.command()
def deploy(
    context: typer.Context,
    version: _Version = None,
    target: _Target = None,
    *,
    served_at: _Address = None,
    attribute: _Attributes = None,
    end: _End = None,
    as_json: AsJson = False,
) -> None:
    """Record that a version is served on a target; what was served there before has ended."""
    if (version is None or target is None) if end is None else version is not None:
        message = "write `studbook deploy VERSION TARGET`, or `studbook deploy --end DEPLOYMENT`"
        raise CommandError(message, Exit.USAGE)
    with open_registry(context) as registry:
        if end is not None:
            record = registry.end_deployment(end)
        else:
            attributes = dict(_attribute(text) for text in attribute or ())
            record = registry.deploy(version or "", target or "", url=served_at, attributes=attributes or None)
    if as_json:
        screen.write_json(record.raw)
        return
    served = short_name(record.version.name) if record.version else ""
    verb = "is served on" if record.status == "active" else "is no longer served on"
    screen.confirm((served, screen.NAME), f" {verb} ", (record.target, screen.HEADING), (f"  {record.name}", screen.QUIET))


def _attribute(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"{text!r} is no attribute; write KEY=VALUE"
        raise CommandError(message, Exit.USAGE)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
