"""`studbook attest`: something is stated about a version."""

from __future__ import annotations

from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.governing.parts import Sign, VersionRef, in_days, signing_secret
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry

app = new_app()

_Type = Annotated[str, typer.Argument(metavar="TYPE", help="What is attested, such as bias-review, validation, signature.")]
_Statement = Annotated[str | None, typer.Option("--statement", help="What is stated.")]
_Uri = Annotated[str | None, typer.Option("--evidence-uri", metavar="URI", help="Where the evidence is.")]
_Digest = Annotated[str | None, typer.Option("--evidence-digest", metavar="DIGEST", help="sha256:… of the evidence.")]
_For = Annotated[str | None, typer.Option("--valid-for", metavar="SPAN", help="30d or 12w; without it, until withdrawn.")]


@app.command("attest")
def attest(
    context: typer.Context,
    ref: VersionRef,
    type_: _Type,
    *,
    statement: _Statement = None,
    evidence_uri: _Uri = None,
    evidence_digest: _Digest = None,
    valid_for: _For = None,
    sign: Sign = False,
    as_json: AsJson = False,
) -> None:
    """State something about a version, such as that its bias review was done, with evidence."""
    evidence = {name: value for name, value in (("uri", evidence_uri), ("digest", evidence_digest)) if value is not None}
    secret = signing_secret(sign=sign)
    with open_registry(context) as registry:
        made = registry.attest(
            ref,
            type_,
            statement=statement,
            evidence=evidence or None,
            valid_until=in_days(valid_for) if valid_for else None,
            signing_secret=secret,
        )
    if as_json:
        screen.write_json(made.raw)
        return
    signed = ", signed" if made.signature else ""
    screen.confirm((made.subject.name if made.subject else ref, screen.NAME), f"  {made.type} is attested by {made.by}{signed}")
