"""`studbook archive`."""

from __future__ import annotations

import typer

from studbook.cli.facts import set_archived
from studbook.cli.options import AsJson, IfMatch, ModelOrVersion, new_app

app = new_app()


@app.command()
def archive(context: typer.Context, reference: ModelOrVersion, *, if_match: IfMatch = None, as_json: AsJson = False) -> None:
    """Archive a model or a version: it stays readable but is no longer found or deployed."""
    set_archived(context, reference, if_match, archived=True, as_json=as_json)
