"""What every command needs: which registry, which token, which namespace."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.client.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from studbook.cli.options import Session
    from studbook.client.registry import Registry


def session_of(context: typer.Context) -> Session:
    """The session of a command."""
    session: Session = context.obj
    return session


@contextmanager
def open_registry(context: typer.Context) -> Iterator[Registry]:
    """The registry that the command's options name, closed at the end."""
    session = session_of(context)
    try:
        registry = connect(session.url, session.token, namespace=session.namespace)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    try:
        yield registry
    finally:
        registry.close()
