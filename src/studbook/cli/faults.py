"""Turns what went wrong into one clear block on standard error, and an exit code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.client.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
    StudbookError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from studbook.client.errors import Notice

_ADVICE = {
    Exit.AUTHENTICATION: "Set STUDBOOK_TOKEN or --token; `studbook doctor` says what is wrong with a set-up.",
    Exit.UNREACHABLE: "Is STUDBOOK_URL (or --url) right, and the server running? `studbook doctor` looks closer.",
}


class CommandError(Exception):
    """A command cannot go on; the message is for a person, the code for a script."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED, *, advice: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.advice = advice


@contextmanager
def reported() -> Iterator[None]:
    """Print what the block raises and end the command with its code; a defect of Studbook itself is let through."""
    try:
        yield
    except UnicodeEncodeError as error:
        # What the shell hands over as bytes that are no UTF-8 is text with halves of characters to Python.
        if not error.reason.startswith("surrogates"):
            raise
        print_fault(CommandError("an argument is not UTF-8"))
        raise typer.Exit(Exit.USAGE) from error
    except (StudbookError, CommandError, LookupError, OSError) as error:
        if not _is_expected(error):
            raise
        code = exit_code(error)
        print_fault(error, advice=getattr(error, "advice", None) or _ADVICE.get(code))
        raise typer.Exit(code) from error


def exit_code(error: Exception) -> Exit:
    """The exit code that stands for an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, NotFoundError | LookupError):
        return Exit.NOT_FOUND
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return Exit.AUTHENTICATION
    if isinstance(error, UnreachableError):
        return Exit.UNREACHABLE
    return Exit.REFUSED


def print_fault(error: Exception, *, subject: str | None = None, advice: str | None = None) -> None:
    """One block: what is wrong, each fault with its place, how to find the request, what to do."""
    console = screen.notices()
    prefix = f"{subject}: " if subject else ""
    if isinstance(error, RefusedError):
        title = error.problem.get("title") or "Refused"
        detail = error.problem.get("detail") or "the registry gave no reason"
        console.print(screen.line(("✗ ", screen.BAD), prefix, (f"{title}: ", screen.HEADING), detail))
        print_places(error.errors, said=str(detail))
        if error.request_id:
            console.print(screen.styled(f"  status {error.status}, request {error.request_id}", screen.QUIET))
    else:
        console.print(screen.line(("✗ ", screen.BAD), prefix, _sentence(error)))
    if advice:
        console.print(screen.styled(f"  {advice}", screen.QUIET))


def print_places(faults: Iterable[Notice], *, said: str = "") -> None:
    """A line for each fault with its place; a single one often says what was said of the whole."""
    console = screen.notices()
    for fault in faults:
        message = "" if fault.message == said else f"  {fault.message}"
        if message or fault.pointer:
            place = fault.pointer or "(whole document)"
            console.print(screen.line("  ", (place, screen.NAME), message, (f"  {fault.code}", screen.QUIET)))


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    # The text of a KeyError is its argument's repr.
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)


def _is_expected(error: Exception) -> bool:
    """Whether the error is an answer rather than a defect. The client raises LookupError itself, Python its subclasses."""
    if isinstance(error, OSError):
        return error.filename is not None
    return isinstance(error, StudbookError | CommandError) or type(error) is LookupError
