"""`studbook serve`."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import new_app
from studbook.cli.server_part import database_faults, load_settings, server_part

if TYPE_CHECKING:
    from studbook.config import Settings

app = new_app()

_Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default="127.0.0.1")]
_Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on.", show_default="8765")]
_Workers = Annotated[int | None, typer.Option("--workers", min=1, max=64, help="Server processes.", show_default="1")]
_AllowPublic = Annotated[
    bool, typer.Option("--allow-public-without-tls", help="Listen where others can reach it although tokens travel readable.")
]
_Certificate = Annotated[Path | None, typer.Option("--ssl-certfile", help="Certificate chain (PEM); then HTTPS is spoken.")]
_Key = Annotated[Path | None, typer.Option("--ssl-keyfile", help="The certificate's private key (PEM).")]


@app.command()
def serve(
    *,
    host: _Host = None,
    port: _Port = None,
    workers: _Workers = None,
    allow_public_without_tls: _AllowPublic = False,
    ssl_certfile: _Certificate = None,
    ssl_keyfile: _Key = None,
) -> None:
    """Run the registry's server.

    The first start makes the database and an admin token, which is printed once. Ctrl-C stops it, after the requests
    under way. Everything can be set by STUDBOOK_… variables, too (STUDBOOK_DATABASE_URL=postgresql://…).
    """
    settings = load_settings(
        host=host,
        port=port,
        workers=workers,
        allow_public_without_tls=allow_public_without_tls or None,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
    )
    if sys.stderr.isatty() and "log_format" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_format": "text"})
    if (reason := find_port_fault(settings.host, settings.port)) is not None:
        raise CommandError(f"cannot listen on {settings.url}: {reason}", advice="Choose another with --port.")
    _run(settings)


def find_port_fault(host: str, port: int) -> str | None:
    """Why nothing can listen there, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "another program listens there already"
        return error.strerror or str(error)
    return None


def _run(settings: Settings) -> None:
    with server_part():
        from studbook.http.server import run
    for path in (settings.ssl_certfile, settings.ssl_keyfile):
        if path is not None and not path.is_file():
            raise CommandError(f"there is no file {path}", Exit.USAGE)
    with database_faults():
        run(settings)
