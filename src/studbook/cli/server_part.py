"""The way to the server's own code, for the few commands that need it; it comes with `studbook[server]`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.config import Settings
    from studbook.services.caller import Caller
    from studbook.services.registry import Registry
    from studbook.storage.database import Database


@contextmanager
def server_part() -> Iterator[None]:
    """Imports of the server's code stand in this block.

    Raises CommandError in one sentence when `studbook[server]` is not installed.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "studbook").startswith("studbook"):
            raise
        message = f'this needs the server part ({error.name} is missing): pip install "studbook[server]"'
        raise CommandError(message) from error


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - each setting has its own type
    """The settings of the environment, and those given on the command line in their place.

    Raises CommandError that names every setting that is wrong.
    """
    with server_part():
        from pydantic import ValidationError

        from studbook.config import Settings
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise CommandError("\n  ".join(_sentence(fault) for fault in error.errors()), Exit.USAGE) from error


def _sentence(fault: Any) -> str:  # noqa: ANN401 - Pydantic's ErrorDetails
    if not fault["loc"]:
        return str(fault["msg"]).removeprefix("Value error, ")
    name = str(fault["loc"][0]).upper()
    return f"STUDBOOK_{name.removeprefix('STUDBOOK_')}: {fault['msg']} (it is {str(fault['input'])[:60]!r})"


@contextmanager
def database_faults() -> Iterator[None]:
    """Turn what a database raises when it cannot be used into one sentence."""
    with server_part():
        from studbook.services.registry import SchemaMismatchError
        from studbook.storage.database import UNANSWERED
    try:
        yield
    except (ValueError, SchemaMismatchError) as error:
        raise CommandError(str(error)) from error
    except UNANSWERED as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        advice = "Is STUDBOOK_DATABASE_URL (or STUDBOOK_HOME) right, and the database running?"
        raise CommandError(f"the database does not answer: {reason}", Exit.UNREACHABLE, advice=advice) from error


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """How the database stands: its URL without password, its schema and the newest one, what keeps it from being written."""

    url: str
    exists: bool
    revision: str | None
    head: str
    fault: str | None

    @property
    def is_current(self) -> bool:
        """Whether the schema is the newest."""
        return self.revision == self.head


def examine(settings: Settings) -> DatabaseState:
    """Look at the database without changing it; a database file that is not there is not made.

    Raises CommandError when it does not answer.
    """
    with database_faults():
        from studbook.storage.database import Database, describe, parse_url
        from studbook.storage.migrations import HEAD

        database = Database(parse_url(settings.database()), pool_size=1)
        try:
            url = describe(database.url)
            if not _exists(database):
                return DatabaseState(url, exists=False, revision=None, head=HEAD, fault=None)
            revision = database.find_revision()
            fault = _find_fault(database) if revision == HEAD else None
            return DatabaseState(url, exists=True, revision=revision, head=HEAD, fault=fault)
        finally:
            database.close()


def _exists(database: Database) -> bool:
    return not database.is_embedded or Path(database.url.database or "").exists()


def _find_fault(database: Database) -> str | None:
    from studbook.domain.errors import StudbookError

    try:
        database.check_writable()
    except StudbookError as error:
        return error.detail
    return None


def require_current(state: DatabaseState) -> None:
    """Raise CommandError unless there is a database at the current schema."""
    if not state.is_current:
        known = f"{state.url} is at schema {state.revision}, not {state.head}"
        message = known if state.revision else f"there is no database {state.url}"
        raise CommandError(message, advice="`studbook db upgrade` makes it, or brings it up to date.")


@contextmanager
def opened_database() -> Iterator[Registry]:
    """The registry on its database, without the thread that signs: what is halted can be looked at and mended.

    Raises CommandError when there is no database at the current schema.
    """
    settings = load_settings()
    with database_faults():
        from studbook.services.registry import open_registry

        require_current(examine(settings))
        registry = open_registry(settings.database(), pool_size=4, upgrade=False, settings=settings)
        try:
            yield registry
        finally:
            registry.database.close()


def caller_of(registry: Registry, namespace: str) -> Caller:
    """Whoever can open the database, at work in a namespace.

    Raises CommandError.
    """
    from studbook.services.caller import local_caller
    from studbook.storage import facts

    with registry.database.read() as connection:
        namespace_id = facts.find_namespace(connection, namespace)
    if namespace_id is None:
        message = f"there is no namespace {namespace!r}"
        raise CommandError(message, Exit.NOT_FOUND)
    return local_caller(namespace_id, namespace)
