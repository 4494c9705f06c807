"""A registry that is open: its database, brought to the current schema, its audit log, and the tokens it recognises."""

from __future__ import annotations

from dataclasses import dataclass

from studbook.config import Settings
from studbook.domain.errors import StudbookError
from studbook.services.audit.guard import FileGuard
from studbook.services.audit.keeper import LogKeeper
from studbook.services.audit.keys import KeyFolder
from studbook.services.audit.publishing import Publisher
from studbook.services.audit.witnessing import Witnesses
from studbook.services.chores import Chores
from studbook.services.tokens import TokenDirectory
from studbook.storage.database import UNANSWERED, Database, describe, parse_url
from studbook.storage.migrations import HEAD


class SchemaMismatchError(RuntimeError):
    """The database is at a schema that this Studbook cannot work with."""


@dataclass(frozen=True, slots=True)
class Registry:
    """An open registry; close it when done."""

    database: Database
    tokens: TokenDirectory
    settings: Settings
    keys: KeyFolder
    guard: FileGuard
    log: LogKeeper
    chores: Chores

    def check(self) -> dict[str, str]:
        """What a registry needs to serve, each with `ok` or what is wrong."""
        checks = {"migrations": "ok", "database": "ok", "audit_log": self.log.state()}
        try:
            revision = self.database.find_revision()
            if revision != HEAD:
                checks["migrations"] = f"the database is at schema {revision or 'none'}, not at {HEAD}; run studbook db upgrade"
            self.database.check_writable()
        except (StudbookError, *UNANSWERED) as error:
            checks["database"] = f"cannot be written ({type(error).__name__}); see the log"
        return checks

    def close(self) -> None:
        """Finish waiting writes, sign what they logged, and close the database."""
        self.chores.close()
        self.log.close()
        self.database.close()


def open_registry(url: str, *, pool_size: int = 16, upgrade: bool = True, settings: Settings | None = None) -> Registry:
    """Open the database; it is made and upgraded as needed unless `upgrade` is off.

    Where keys and guard are is told by the settings, by default those of the environment.

    Raises ValueError for a URL that is none, SchemaMismatchError for a schema that cannot be worked with.
    """
    database = Database(parse_url(url), pool_size=pool_size)
    try:
        _bring_up_to_date(database, upgrade=upgrade)
        settings = settings or Settings()
        keys, guard = KeyFolder(settings.keys_folder()), FileGuard(settings.guard_folder())
        witnesses = Witnesses.from_policy(settings.log_policy, settings.witness_timeout)
        keeper = LogKeeper(database, Publisher(database, keys, guard, witnesses), settings.snapshot_every)
        database.work.hook = keeper
        chores = Chores(database)
        if upgrade:
            keeper.start()
            chores.start()
    except BaseException:
        database.close()
        raise
    return Registry(database, TokenDirectory(database), settings, keys, guard, keeper, chores)


def _bring_up_to_date(database: Database, *, upgrade: bool) -> None:
    revision = database.find_revision()
    if revision is not None and revision > HEAD:
        message = (
            f"the database {describe(database.url)} is at schema {revision}, and this Studbook knows schemas up to "
            f"{HEAD}; upgrade Studbook (pip install -U 'studbook[server]')"
        )
        raise SchemaMismatchError(message)
    if revision != HEAD and upgrade:
        database.upgrade()
