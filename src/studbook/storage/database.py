"""A database: opened, brought to the current schema, read, and written through its unit of work."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.storage import dialects, facts, migrations
from studbook.storage.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection

# What reading or writing may raise when the database does not answer; other layers catch it without speaking SQL.
UNANSWERED: Final = (sa.exc.OperationalError, sa.exc.InterfaceError)


class Database:
    """The registry's database, for reading (`read`) and for writing (`work`)."""

    def __init__(self, url: URL, *, pool_size: int = 16) -> None:
        self.url = url
        dialects.make_folder(url)
        self.engine = dialects.make_engine(url, pool_size=2, reading=False)
        self._reading = dialects.make_engine(url, pool_size=pool_size, reading=True)
        self.work = UnitOfWork(self.engine)
        # The integrator's own writer, so that its flushes and those of changes overlap; a file has one writer anyway.
        self.log_work = self.work if self.is_embedded else UnitOfWork(self.engine, "studbook-integrator")

    @property
    def is_embedded(self) -> bool:
        """Whether this is a database file rather than a database server."""
        return dialects.is_embedded(self.engine)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; it never waits for a writer (invariant I8)."""
        with self._reading.connect() as connection:
            yield connection

    def find_revision(self) -> str | None:
        """The schema the database is at, or None when it is empty."""
        with self.read() as connection:
            return migrations.find_revision(connection)

    def upgrade(self) -> None:
        """Bring the database to the newest schema; safe when several processes do so at once."""
        migrations.upgrade(self.url)

    def check_writable(self) -> None:
        """Take and release the right to write.

        Raises UnavailableError when the database cannot be written.
        """
        self.work.run(lambda transaction: facts.touch(transaction.connection))

    def close(self) -> None:
        """Finish waiting writes and close every connection."""
        self.work.close()
        if self.log_work is not self.work:
            self.log_work.close()
        self.engine.dispose()
        self._reading.dispose()


def describe(url: URL) -> str:
    """The database's URL without its password."""
    return url.render_as_string(hide_password=True)


def parse_url(text: str) -> Any:  # noqa: ANN401 - SQLAlchemy's URL
    """Read a database URL.

    Raises ValueError with a sentence for whoever set it.
    """
    try:
        url = sa.make_url(text)
        backend = url.get_backend_name()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        msg = "STUDBOOK_DATABASE_URL is not a database URL; write sqlite:///path/to/file.db or postgresql://user@host/name"
        raise ValueError(msg) from error
    if backend not in dialects.BACKENDS:
        msg = f"Studbook runs on SQLite and PostgreSQL, not on {backend}"
        raise ValueError(msg)
    return url
