"""Arguments and options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class Session:
    """The options before the command, or what the environment says in their place."""

    url: str | None
    token: str | None
    namespace: str


def new_app(summary: str | None = None) -> typer.Typer:
    """A Typer application for one command, or for several that share a noun."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=summary is not None, help=summary)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for scripts.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most this many.")]
Everything = Annotated[bool, typer.Option("--all", help="Show all, however many.")]
IfMatch = Annotated[
    str | None,
    typer.Option("--if-match", metavar="ETAG", help="Refuse if the record has changed since this ETag was read."),
]
Reference = Annotated[
    str,
    typer.Argument(metavar="REF", help="A name (NAME/3, NAME/latest, NAME@alias, models/NAME, runs/UUID …) or an identifier."),
]
ModelOrVersion = Annotated[str, typer.Argument(metavar="REF", help="A model's name, or a version such as NAME/3.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="The name of a registered model.")]
