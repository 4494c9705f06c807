"""What a server on this machine would need: its settings, its database, its port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.cli.checks import fine, note, problem
from studbook.cli.checks.machine import missing_packages
from studbook.cli.faults import CommandError
from studbook.cli.serve import find_port_fault
from studbook.cli.server_part import examine, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from studbook.cli.checks import Finding
    from studbook.config import Settings


def check_server(answering: str | None) -> Iterator[Finding]:
    """The database and port of a server here, if the server part is installed; `answering` is the registry that answers."""
    if missing_packages("server"):
        return
    try:
        settings = load_settings()
    except CommandError as error:
        yield problem("settings", f"{error}", "Correct or unset the variable.")
        return
    yield from _check_database(settings)
    yield from _check_port(settings, answering)


def _check_database(settings: Settings) -> Iterable[Finding]:
    try:
        state = examine(settings)
    except (CommandError, OSError) as error:
        yield problem("database", f"{error}", "Is STUDBOOK_DATABASE_URL right, and the database running?")
        return
    if not state.exists or state.revision is None:
        yield note("database", f"{state.url}: none yet.", "`studbook serve` makes it.")
    elif not state.is_current:
        finding = f"{state.url} is at schema {state.revision}, and this Studbook works with {state.head}."
        yield problem("database", finding, "`studbook db upgrade`, or upgrade Studbook itself.")
    elif state.fault:
        yield problem(
            "database", f"{state.url} cannot be written: {state.fault}.", "Look at the disk and the file's permissions."
        )
    else:
        yield fine("database", f"{state.url} is at the newest schema and can be written.")


def _check_port(settings: Settings, answering: str | None) -> Iterable[Finding]:
    fault = find_port_fault(settings.host, settings.port)
    if fault is None:
        yield fine("port", f"{settings.host}:{settings.port} is free for a server.")
    elif answering == settings.url:
        yield fine("port", f"{settings.host}:{settings.port} is the registry's.")
    else:
        yield problem(
            "port", f"{settings.host}:{settings.port}: {fault}.", "Choose another for a server: `studbook serve --port N`."
        )
