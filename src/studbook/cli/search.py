"""`studbook search`: model versions by words, tag and metric."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from studbook.cli import screen
from studbook.cli.listing import page_size, tag_filter, take, version_rows, write_list
from studbook.cli.options import AsJson, Everything, Limit, new_app
from studbook.cli.session import open_registry

app = new_app()

_LIMIT: Final = 20

_Words = Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Part of a model's name or of a tag's value.")]
_Model = Annotated[str | None, typer.Option("--model", help="Only versions of this model.")]
_Tag = Annotated[str | None, typer.Option("--tag", metavar="KEY=VALUE", help="Only versions with this tag.")]
_Order = Annotated[
    str | None,
    typer.Option("--order-by", metavar="FIELD", help="metrics.NAME, created_at or number; -FIELD for the greatest first."),
]


@app.command()
def search(
    context: typer.Context,
    text: _Words = None,
    *,
    model: _Model = None,
    tag: _Tag = None,
    order_by: _Order = None,
    limit: Limit = _LIMIT,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Find model versions that are not archived."""
    with open_registry(context) as registry:
        found = registry.search(text, model=model, tag=tag_filter(tag), order_by=order_by, page_size=page_size(limit))
        versions, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(versions, truncated=truncated)
        return
    screen.print_table(version_rows(versions), none="Nothing found.", truncated=truncated)
