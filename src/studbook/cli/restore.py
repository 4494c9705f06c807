"""`studbook restore`."""

from __future__ import annotations

import typer

from studbook.cli.facts import set_archived
from studbook.cli.options import AsJson, IfMatch, ModelOrVersion, new_app

app = new_app()


@app.command()
def restore(context: typer.Context, reference: ModelOrVersion, *, if_match: IfMatch = None, as_json: AsJson = False) -> None:
    """Bring an archived model or version back."""
    set_archived(context, reference, if_match, archived=False, as_json=as_json)
