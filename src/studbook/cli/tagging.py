"""`studbook tag …`: tags of models and versions."""

from __future__ import annotations

from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.facts import change_facts, show_change
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, IfMatch, ModelOrVersion, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import tags as tags_text

app = new_app("Tag models and versions.")

_Tags = Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="The tags to set.")]
_Keys = Annotated[list[str], typer.Argument(metavar="KEY…", help="The tags to remove.")]


@app.command("set")
def set_tags(
    context: typer.Context, reference: ModelOrVersion, tags: _Tags, *, if_match: IfMatch = None, as_json: AsJson = False
) -> None:
    """Set tags; those of other keys stay."""
    values: dict[str, str | None] = {}
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not equals or not key:
            message = f"{tag!r} is no tag; write KEY=VALUE"
            raise CommandError(message, Exit.USAGE)
        values[key] = value
    _change(context, reference, values, if_match, as_json=as_json)


@app.command("remove")
def remove_tags(
    context: typer.Context, reference: ModelOrVersion, keys: _Keys, *, if_match: IfMatch = None, as_json: AsJson = False
) -> None:
    """Remove tags."""
    _change(context, reference, dict.fromkeys(keys), if_match, as_json=as_json)


def _change(
    context: typer.Context, reference: str, values: dict[str, str | None], if_match: str | None, *, as_json: bool
) -> None:
    with open_registry(context) as registry:
        record = change_facts(registry, reference, tags=values, if_match=if_match)
    if as_json:
        screen.write_json(record.raw)
    else:
        show_change(record, tags_text(record.tags) or "no tags")
