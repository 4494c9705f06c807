"""An open registry: everything a program can ask of it or tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from studbook.client.auditing import AuditReads
from studbook.client.changing import LaterFacts
from studbook.client.custody import LogCare
from studbook.client.data_questions import DataQuestions
from studbook.client.exporting import Exports
from studbook.client.finding import Questions
from studbook.client.governing import GovernanceCalls
from studbook.client.ingesting import Ingestion
from studbook.client.lifecycle import Lifecycle, RunKind
from studbook.client.outbox import Outbox
from studbook.client.reading import RecordReads
from studbook.client.reproducing import Reproducing
from studbook.client.run import Run
from studbook.client.schemas import SchemaCalls
from studbook.client.searching import Searches
from studbook.client.tracing import LineageQuestions

if TYPE_CHECKING:
    from types import TracebackType

    from studbook.client.connection import Connection
    from studbook.client.spool import Spool


class Registry(
    RecordReads,
    Searches,
    Exports,
    Questions,
    LineageQuestions,
    DataQuestions,
    Reproducing,
    LaterFacts,
    SchemaCalls,
    GovernanceCalls,
    AuditReads,
    LogCare,
    Ingestion,
):
    """An open registry; made by `studbook.connect`. May be used from several threads.

    Calls raise UnreachableError when the registry gives no usable answer, and RefusedError (NotFoundError,
    ConflictError, …) when it refuses. Those of `Run` do not: see there.
    """

    def __init__(self, connection: Connection, spool: Spool, *, strict: bool = False) -> None:
        super().__init__(connection, spool)
        self._outbox = Outbox(
            connection.target,
            spool,
            self.ingest,
            lambda seconds: self._deliver_spooled(wait=False, seconds=seconds),
            strict=strict,
        )

    @property
    def url(self) -> str:
        """Where the registry is: its URL, or that of the embedded database."""
        return self._connection.target.label

    @property
    def namespace(self) -> str:
        """The tenant whose records are read and written."""
        return self._connection.target.namespace

    def run(
        self,
        kind: RunKind = "training",
        *,
        job: str | None = None,
        name: str | None = None,
        experiment: str | None = None,
        seed: int | None = None,
        capture: bool = True,
    ) -> Run:
        """A run, to be used in a `with` statement.

        `kind` is training, evaluation or data-preparation; `job` names what runs again and again; `experiment` groups
        runs; `seed` is recorded, not set. With `capture`, the git commit, branch, remote and dirty flag, the command line
        (secrets masked), Python and package versions, operating system and hardware are recorded. Host and user names
        and environment variables never are.
        """
        return Run(Lifecycle(kind, job, name, experiment, seed, capture), self._outbox)

    def close(self) -> None:
        """Close the connections; an embedded registry finishes its writes and closes its database."""
        self._connection.close()

    def __enter__(self) -> Self:
        """The registry itself; it is closed at the end of the `with` statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the registry."""
        self.close()

    def __repr__(self) -> str:
        """Where it is, never what opens it."""
        return f"<studbook.Registry {self.url} namespace={self.namespace!r}>"
