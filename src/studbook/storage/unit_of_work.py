"""The only place that commits: every change of the registry is one unit of work, done here.

Writes that wait in one process are committed together (decision 0002). A writer thread takes what waits, runs it in
one transaction and commits once, so that sixteen clients pay for one flush to disk instead of sixteen. Each
piece of work stays all-or-nothing by itself: several share a transaction through savepoints, and if the shared
transaction fails they are run again one by one.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import sqlalchemy as sa

from studbook.domain.errors import StudbookError, UnavailableError
from studbook.storage.dialects import insert_rows, is_retryable, is_unavailable
from studbook.storage.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

_log = logging.getLogger(__name__)

# Enough to spread the flush thin, few enough that the first in line does not wait long for the last.
_GROUP_LIMIT: Final = 64
# About what a group takes. A client alone never waits for it.
_PATIENCE_SECONDS: Final = 0.005
_ATTEMPTS: Final = 6
_FIRST_PAUSE_SECONDS: Final = 0.005
_INSERT_ORDER: Final = {table: position for position, table in enumerate(metadata.sorted_tables)}


def _place_in_order(table: sa.Table) -> int:
    # The tables that definitions have of their own refer to versions, and nothing refers to them.
    return _INSERT_ORDER.get(table, len(_INSERT_ORDER))


class Transaction:
    """An open transaction: run statements, and stage rows that are inserted together at its end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # The namespaces for whose log something was staged.
        self.logged: set[int] = set()
        self._staged: dict[sa.Table, list[Mapping[str, Any]]] = {}

    def stage(self, table: sa.Table, *rows: Mapping[str, Any]) -> None:
        """Insert these rows with the others of their table; all rows of a table have the same keys."""
        if rows:
            self._staged.setdefault(table, []).extend(rows)

    def flush(self) -> None:
        """Insert what is staged, each table after those it refers to."""
        staged, self._staged = self._staged, {}
        insert_rows(self.connection, [(table, staged[table]) for table in sorted(staged, key=_place_in_order)])

    def execute(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> sa.CursorResult[Any]:
        """Run a statement on what is already stored."""
        return self.connection.execute(statement, rows)


class CommitHook(Protocol):
    """Who is asked before a transaction that logs something is committed, and told afterwards."""

    def before_commit(self, transaction: Transaction) -> None:
        """Refuse the commit by raising, or add to the transaction."""

    def after_commit(self, namespaces: set[int]) -> None:
        """Take note of the namespaces for whose log something was committed."""


@dataclass(slots=True, eq=False)
class _Work:
    """Something to be done, and who waits for it. Works with equal `joint` may be done by one call."""

    joint: Hashable
    batch: Callable[[Transaction, Sequence[Any]], list[Any]]
    item: Any
    done: Future[Any] = field(default_factory=Future)


class UnitOfWork:
    """Runs writes and commits them; safe to be called from any thread."""

    def __init__(self, engine: Engine, name: str = "studbook-writer") -> None:
        self.hook: CommitHook | None = None
        self._engine = engine
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        # Held while work enters and while the door is shut, so that nothing enters behind the last.
        self._door = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, function: Callable[[Transaction], Any]) -> Any:  # noqa: ANN401 - what the function returns
        """Run one change in a transaction and return its result once it is committed.

        `function` may be called several times (a lost race, a failed group): it must take everything from the transaction.
        """
        return self.submit(_run_single, function, joint=object()).result()

    def submit(
        self,
        batch: Callable[[Transaction, Sequence[Any]], list[Any]],
        item: Any,  # noqa: ANN401 - whatever the batch function takes
        *,
        joint: Hashable,
    ) -> Future[Any]:
        """Queue an item for a batch function, which may be given other waiting items with an equal `joint` at once.

        The batch function returns one outcome an item, an exception for one that is refused and wrote nothing.
        """
        work = _Work(joint, batch, item)
        with self._door:
            if self._closed:
                msg = "the registry is shutting down; try again on another process"
                raise UnavailableError(msg)
            self._waiting.put(work)
        return work.done

    def close(self) -> None:
        """Finish what is queued and stop."""
        with self._door:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        before = 1
        while (first := self._waiting.get()) is not None:
            works = self._gather(first, before)
            before = len(works)
            # Whoever gave up waiting wants no answer; from here on nobody can give up any more.
            wanted = [work for work in works if work.done.set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)

    def _gather(self, first: _Work, before: int) -> list[_Work]:
        """The work that waits, up to the limit.

        Those who were answered together ask again one after the other: when the last group was one of many, a moment's
        patience brings them together again instead of committing the first of them alone.
        """
        works = [first]
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.suppress(queue.Empty):
            while len(works) < _GROUP_LIMIT:
                if len(works) < before:
                    work = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
                else:
                    work = self._waiting.get_nowait()
                if work is None:
                    self._waiting.put(None)
                    break
                works.append(work)
        return works

    def _commit(self, works: list[_Work]) -> None:
        try:
            outcomes = self._attempt(works)
        except sa.exc.DBAPIError as error:
            if len(works) > 1:
                for work in works:
                    self._commit([work])
                return
            outcomes = [self._attempt_again(works, error)]
        except Exception as error:  # noqa: BLE001 - whatever it is, its caller is waiting for it
            if len(works) > 1:
                for work in works:
                    self._commit([work])
                return
            if not isinstance(error, StudbookError):
                _log.exception("a write failed")
            outcomes = [error]
        for work, outcome in zip(works, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                work.done.set_exception(outcome)
            else:
                work.done.set_result(outcome)

    def _attempt(self, works: list[_Work]) -> list[Any]:
        groups = _joined(works)
        outcomes: list[Any] = []
        logged: set[int] = set()
        with self._engine.connect() as connection, connection.begin() as transaction:
            for group in groups:
                outcomes += _run_group(connection, group, logged, shared=len(groups) > 1)
            if logged and self.hook is not None:
                last = Transaction(connection)
                last.logged = logged
                self.hook.before_commit(last)
                last.flush()
            transaction.commit()
        if logged and self.hook is not None:
            self.hook.after_commit(logged)
        return outcomes

    def _attempt_again(self, works: list[_Work], error: sa.exc.DBAPIError) -> Any:  # noqa: ANN401 - an outcome
        """Another process won a race: what it wrote is visible now, so the work is planned afresh."""
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_ATTEMPTS - 1):
            if not is_retryable(error):
                break
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause *= 2
            try:
                return self._attempt(works)[0]
            except sa.exc.DBAPIError as again:
                error = again
            except StudbookError as refusal:
                return refusal
        _log.error("a write failed", exc_info=error)
        if is_unavailable(error) or is_retryable(error):
            return UnavailableError("the database could not take the write; nothing was stored, and trying again is safe")
        return error


def _joined(works: list[_Work]) -> list[list[_Work]]:
    groups: list[list[_Work]] = []
    for work in works:
        if groups and groups[-1][0].joint == work.joint:
            groups[-1].append(work)
        else:
            groups.append([work])
    return groups


def _run_group(connection: Connection, group: list[_Work], logged: set[int], *, shared: bool) -> list[Any]:
    transaction = Transaction(connection)
    try:
        with connection.begin_nested() if shared else contextlib.nullcontext():
            outcomes = group[0].batch(transaction, [work.item for work in group])
            transaction.flush()
    except StudbookError as refusal:
        if not shared:
            raise
        return [refusal] * len(group)
    logged |= transaction.logged
    return outcomes


def _run_single(transaction: Transaction, functions: Sequence[Callable[[Transaction], Any]]) -> list[Any]:
    return [functions[0](transaction)]
