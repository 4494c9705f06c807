"""The one chain of migrations, for both engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from studbook.storage import dialects

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection

# The newest revision. A test holds it against the chain, so that a start needs no import of Alembic to know it.
HEAD: Final = "0005"

_FOLDER = Path(__file__).parent


def upgrade(url: URL) -> None:
    """Bring the database to the newest schema; safe when several processes start at once."""
    from alembic import command  # noqa: PLC0415 - 0.2 s that a start on a current database need not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    engine = dialects.make_migration_engine(url)
    try:
        with engine.begin() as connection:
            dialects.lock_migrations(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def find_revision(connection: Connection) -> str | None:
    """The revision the database is at, or None when it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision
