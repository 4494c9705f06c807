"""`studbook token …`: API tokens."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.server_part import examine, load_settings, require_current
from studbook.cli.session import open_registry, session_of
from studbook.cli.text import moment
from studbook.client.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.client import Token
    from studbook.client.registry import Registry

app = new_app("Make, list and revoke API tokens.")

# So many characters of a token are kept readable, to tell it from others.
_HINT: Final = 12
_SPAN: Final = re.compile(r"(\d+)([mhdw])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Access(StrEnum):
    """What a token allows; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for, such as ci.")]
_Access = Annotated[Access, typer.Option("--access", help="What it allows; each includes those before it.")]
_ExpiresIn = Annotated[str | None, typer.Option("--expires-in", metavar="SPAN", help="30m, 12h, 90d or 4w; without it, never.")]
_Principal = Annotated[
    str | None,
    typer.Option("--principal", metavar="NAME", help="Who uses it, such as a login: all tokens of a principal are one person."),
]
_PrintedName = Annotated[str | None, typer.Option("--printed-name", metavar="NAME", help="The name under signatures.")]
_Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="As what they decide, such as validator; may be repeated.")
]
_Signing = Annotated[bool, typer.Option("--signing", help="Make a signing secret too, with which decisions are signed.")]
_Token = Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, tokens/UUID, or its first 12 characters.")]
_Database = Annotated[
    bool,
    typer.Option(
        "--database", help="Work on the database itself (STUDBOOK_DATABASE_URL, STUDBOOK_HOME): for a lost admin token."
    ),
]


@app.command("create")
def create(
    context: typer.Context,
    name: _Name,
    *,
    access: _Access = Access.READ,
    expires_in: _ExpiresIn = None,
    principal: _Principal = None,
    printed_name: _PrintedName = None,
    role: _Roles = None,
    signing: _Signing = False,
    database: _Database = False,
    as_json: AsJson = False,
) -> None:
    """Make a token. Standard output gets the secret and nothing else; it is shown this once."""
    expires_at = _expiry(expires_in) if expires_in else None
    with _registry(context, database=database) as registry:
        token = registry.create_token(
            name,
            access.value,
            expires_at=expires_at,
            principal=principal,
            printed_name=printed_name,
            roles=role or (),
            signing=signing,
        )
    if as_json:
        screen.write_json(token.raw)
        return
    until = f"until {moment(token.expires_at)}" if token.expires_at else "for ever"
    screen.notices().print(screen.line(("✓ ", screen.GOOD), (token.title, screen.NAME), f" may {token.access}, {until}:"))
    screen.output().print(token.token, soft_wrap=True)
    if token.signing_secret:
        screen.output().print(token.signing_secret, soft_wrap=True)
        words = "The second line is the signing secret (STUDBOOK_SIGNING_SECRET). Keep both now: neither is stored."
        screen.notices().print(screen.styled(words, screen.QUIET))
        return
    screen.notices().print(screen.styled("Keep it now: only its digest is stored.", screen.QUIET))


@app.command("list")
def list_tokens(context: typer.Context, *, database: _Database = False, as_json: AsJson = False) -> None:
    """List tokens, newest first; never their secrets."""
    with _registry(context, database=database) as registry:
        tokens = list(registry.list_tokens())
    if as_json:
        screen.write_json({"items": [token.raw for token in tokens]})
        return
    table = screen.columns("name", "access", "begins", "expires", "state", "id", whole=["begins", "expires", "id"])
    for token in tokens:
        state = _state(token)
        style = screen.GOOD if state == "valid" else screen.QUIET
        expires = f"{token.expires_at:%Y-%m-%d}" if token.expires_at else "never"
        cells = (screen.styled(token.title, screen.NAME), token.access, token.hint or "", expires)
        table.add_row(*cells, screen.styled(state, style), token.id)
    screen.print_table(table, none="No tokens.")


@app.command("revoke")
def revoke(context: typer.Context, token: _Token, *, database: _Database = False, as_json: AsJson = False) -> None:
    """Make a token worthless at once."""
    with _registry(context, database=database) as registry:
        reference = _find_by_hint(registry, token) if token.startswith("sbk_") else token
        registry.revoke_token(reference)
    if as_json:
        screen.write_json({"id": reference.removeprefix("tokens/"), "revoked": True})
        return
    screen.confirm((reference, screen.NAME), " is revoked")


@contextmanager
def _registry(context: typer.Context, *, database: bool) -> Iterator[Registry]:
    """The registry over HTTP, or the database itself: whoever can open that needs no token."""
    if not database:
        with open_registry(context) as registry:
            yield registry
        return
    settings = load_settings()
    require_current(examine(settings))
    with connect(settings.database(), namespace=session_of(context).namespace) as registry:
        yield registry


def _find_by_hint(registry: Registry, begin: str) -> str:
    fitting = [token for token in registry.list_tokens() if token.hint == begin[:_HINT] and token.revoked_at is None]
    if len(fitting) != 1:
        message = f"{len(fitting) or 'no'} valid tokens begin with {begin[:_HINT]}; give the id (`studbook token list`)"
        raise CommandError(message, Exit.REFUSED if fitting else Exit.NOT_FOUND)
    return fitting[0].id


def _state(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= datetime.now(UTC) else "valid"


def _expiry(span: str) -> datetime:
    match = _SPAN.fullmatch(span)
    try:
        if match is not None:
            return datetime.now(UTC) + int(match[1]) * _UNITS[match[2]]
    except OverflowError:
        pass
    message = f"{span!r} is no span of time; write 30m, 12h, 90d or 4w"
    raise CommandError(message, Exit.USAGE)
