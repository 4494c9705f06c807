"""The log's keeper: a thread of each process that integrates and publishes soon after a commit, and tells who waits for a proof.

On PostgreSQL the integrator runs in a transaction of its own, since hashing inside each change's transaction would make
all processes wait for one row. On SQLite there is one writer anyway, so the same integrator runs at the end of the
transaction that holds the changes, which saves a flush to disk.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import LogHaltedError, StudbookError
from studbook.services.audit.integration import BATCH, integrate
from studbook.services.audit.publishing import HaltError, Published, UnsignedError
from studbook.services.audit.snapshots import find_reach, take_snapshot
from studbook.services.caller import local_caller
from studbook.services.changes import Changes
from studbook.storage import log
from studbook.storage.database import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from studbook.services.audit.publishing import Publisher
    from studbook.services.audit.tiles import Known
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

_log = logging.getLogger(__name__)

# What another process left behind is found this soon; while somebody waits for another process's work, much sooner.
_IDLE_SECONDS: Final = 1.0
_WAITING_SECONDS: Final = 0.02
# While nobody waits for a proof, checkpoints are signed this far apart: one that covers more costs no more.
_SIGN_SECONDS: Final = 0.1
# A halted log is looked at again this often: it may have been recovered meanwhile.
_RECHECK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Events of a write in one shard of the log: their indexes, and the checkpoint that covers them all."""

    shard: int
    indexes: dict[UUID, int]
    size: int
    checkpoint: bytes
    tiles: Known = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Waiter:
    namespace_id: int
    events: frozenset[UUID]
    deadline: float
    done: Future[list[Placed]] = field(default_factory=Future)


class LogKeeper:
    """Keeps the logs of one database in this process."""

    def __init__(self, database: Database, publisher: Publisher, snapshot_every: int = 0) -> None:
        self._database = database
        self._publisher = publisher
        self._snapshot_every = snapshot_every
        # How far the last snapshot of each shard reaches, by namespace and shard.
        self._snapshots: dict[tuple[int, int], int] = {}
        # Who else wants to know of commits.
        self.changes = Changes()
        self._changed = threading.Condition()
        self._due: set[int] = set()
        self._waiters: list[_Waiter] = []
        # Integrated and not signed yet; and when each log was signed last.
        self._unsigned_yet: set[int] = set()
        self._signed_at: dict[int, float] = {}
        # Where the events stand that this process integrated last, so that those who wait for them need no look-up.
        self._integrated: dict[int, dict[UUID, tuple[int, int]]] = {}
        self._closed = False
        # Why each log is halted, or not signed here; read by whoever looks after the registry.
        self.halted: dict[int, str] = {}
        self._checked = time.monotonic()
        self.unsigned: dict[int, str] = {}
        self._thread = threading.Thread(target=self._serve, name="studbook-log", daemon=True)

    def start(self) -> None:
        """Look at what was signed before, then keep the logs."""
        self.check_all()
        self._thread.start()

    def close(self) -> None:
        """Publish what is due and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        for waiter in list(self._waiters):
            self._finish(waiter, [])

    def check_all(self) -> None:
        """Find logs that contradict their guard, before anything is added to them; and those that do so no more."""
        self._checked = time.monotonic()
        with self._database.read() as connection:
            namespaces = {row.namespace_id for row in log.list_logs(connection)}
        for namespace_id in namespaces:
            try:
                self._publisher.check(namespace_id)
                if namespace_id in self.halted:
                    # It was halted for whichever reason; only a checkpoint that can be signed shows that this is over.
                    with contextlib.suppress(UnsignedError):
                        self._publisher.publish(namespace_id)
                    del self.halted[namespace_id]
                    _log.warning("the audit log of namespace %d was recovered; it is written again", namespace_id)
            except HaltError as error:
                if self.halted.get(namespace_id) != str(error):
                    self._halt(namespace_id, str(error))

    def state(self) -> str:
        """`ok`, or why a log is halted, or not signed by this process."""
        troubles = [f"halted: {reason}" for reason in self.halted.values()]
        troubles += [f"not signed here: {reason}" for reason in self.unsigned.values()]
        return "; ".join(troubles) or "ok"

    def before_commit(self, transaction: Transaction) -> None:
        """Refuse to add to a halted log; on SQLite, integrate within the same transaction."""
        for namespace_id in transaction.logged:
            if reason := self.halted.get(namespace_id):
                raise LogHaltedError(f"the audit log is halted, so nothing is written: {reason}")
            if self._database.is_embedded:
                while _integrate_once(transaction, [namespace_id])[0].is_full:
                    pass

    def after_commit(self, namespaces: set[int]) -> None:
        """Something was logged: integrate and publish it soon."""
        with self._changed:
            self._due |= namespaces
            self._changed.notify()
        self.changes.tell(namespaces)

    def wait(self, namespace_id: int, events: Collection[UUID], seconds: float) -> Future[list[Placed]]:
        """Where events stand once signed checkpoints cover them; nowhere when that takes longer, or nobody here signs."""
        waiter = _Waiter(namespace_id, frozenset(events), time.monotonic() + seconds)
        with self._changed:
            if self._closed or not events:
                waiter.done.set_result([])
            else:
                self._waiters.append(waiter)
                self._due.add(namespace_id)
                self._changed.notify()
        return waiter.done

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._due and not self._closed:
                    pause = _SIGN_SECONDS if self._unsigned_yet else _IDLE_SECONDS
                    self._changed.wait(_WAITING_SECONDS if self._waiters else pause)
                due, self._due = self._due, set()
                closed = self._closed
                due |= self._unsigned_yet | {waiter.namespace_id for waiter in self._waiters}
            try:
                if self.halted and time.monotonic() - self._checked > _RECHECK_SECONDS:
                    self.check_all()
                for namespace_id in due or self._find_left():
                    self._keep(namespace_id)
            except (StudbookError, *UNANSWERED):
                _log.warning("the database did not answer; the log is kept on later")
                time.sleep(_IDLE_SECONDS)
            except Exception:  # noqa: BLE001 - the thread must outlive whatever it meets
                _log.exception("keeping the log failed; it is tried again")
                time.sleep(_IDLE_SECONDS)
            self._expire()
            if closed and not self._due:
                return

    def _find_left(self) -> set[int]:
        """The namespaces where another process stopped before it was done."""
        with self._database.read() as connection:
            left = {*log.list_waiting_namespaces(connection), *log.list_unpublished(connection)}
        return left - self.halted.keys()

    def _keep(self, namespace_id: int) -> None:
        if namespace_id in self.halted:
            self._answer(namespace_id, None)
            return
        try:
            self._integrate(namespace_id)
            if not self._is_to_be_signed(namespace_id):
                self._unsigned_yet.add(namespace_id)
                return
            self._unsigned_yet.discard(namespace_id)
            published = self._publisher.publish(namespace_id)
            self._signed_at[namespace_id] = time.monotonic()
        except HaltError as error:
            self._halt(namespace_id, str(error))
            self._answer(namespace_id, None)
        except UnsignedError as error:
            if self.unsigned.get(namespace_id) != str(error):
                self.unsigned[namespace_id] = str(error)
                _log.warning("a log is not signed here: %s", error)
            self._answer_from_others(namespace_id)
        else:
            self.unsigned.pop(namespace_id, None)
            self._answer(namespace_id, published)
            self._take_snapshot(namespace_id, published)

    def _is_to_be_signed(self, namespace_id: int) -> bool:
        """Whether somebody waits for a checkpoint, or the last one is old enough."""
        if self._closed or self._waiting(namespace_id):
            return True
        return time.monotonic() - self._signed_at.get(namespace_id, 0.0) >= _SIGN_SECONDS

    def _take_snapshot(self, namespace_id: int, published: Published) -> None:
        """Log a snapshot when enough was logged since the last one: at least a tenth of the log, so that they stay cheap."""
        if not self._snapshot_every:
            return
        place = (namespace_id, published.shard)
        if place not in self._snapshots:
            with self._database.read() as connection:
                self._snapshots[place] = find_reach(connection, *place)
        if published.size - self._snapshots[place] >= max(self._snapshot_every, published.size // 10):
            with self._database.read() as connection:
                name = next(row.namespace for row in log.list_logs(connection, namespace_id))
            take_snapshot(self._database, local_caller(namespace_id, name))
            self._snapshots[place] = published.size

    def _integrate(self, namespace_id: int) -> None:
        # On SQLite nothing waits but what a crash of an older version left.
        if self._database.is_embedded and (namespace_id in self._signed_at or not self._has_waiting(namespace_id)):
            return
        more = True
        while more:
            done = self._database.log_work.submit(_integrate_once, namespace_id, joint=("integrate", namespace_id)).result()
            self._integrated[namespace_id] = done.places
            more = done.is_full

    def _has_waiting(self, namespace_id: int) -> bool:
        with self._database.read() as connection:
            return namespace_id in log.list_waiting_namespaces(connection)

    def _halt(self, namespace_id: int, reason: str) -> None:
        self.halted[namespace_id] = reason
        _log.critical("ALARM: the audit log is halted, nothing is signed or written: %s", reason)

    def _waiting(self, namespace_id: int) -> list[_Waiter]:
        with self._changed:
            return [waiter for waiter in self._waiters if waiter.namespace_id == namespace_id]

    def _answer_from_others(self, namespace_id: int) -> None:
        """Another process may sign what this one cannot."""
        with self._database.read() as connection:
            tree = log.get_tree(connection, namespace_id)
            row = log.find_checkpoint(connection, namespace_id, tree.shard)
        if row is not None:
            self._answer(namespace_id, Published(tree.shard, row.size, row.note))

    def _answer(self, namespace_id: int, published: Published | None) -> None:
        """Tell those whose events the checkpoint covers; with no checkpoint to come, tell all that there is none."""
        waiting = self._waiting(namespace_id)
        if not waiting:
            return
        places: dict[UUID, tuple[int, int]] = {}
        if published is not None:
            places = self._find_places(namespace_id, frozenset().union(*(waiter.events for waiter in waiting)))
        for waiter in waiting:
            if published is None:
                self._finish(waiter, [])
            elif len(known := {event: places[event] for event in waiter.events if event in places}) == len(waiter.events):
                placed = [self._place(namespace_id, published, shard, known) for shard in {shard for shard, _ in known.values()}]
                if None not in placed:
                    self._finish(waiter, [part for part in placed if part is not None])

    def _find_places(self, namespace_id: int, events: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        known = self._integrated.get(namespace_id, {})
        places = {event: known[event] for event in events if event in known}
        if unknown := [event for event in events if event not in known]:
            with self._database.read() as connection:
                for start in range(0, len(unknown), BATCH):
                    places |= log.find_places(connection, namespace_id, unknown[start : start + BATCH])
        return places

    def _place(self, namespace_id: int, published: Published, shard: int, places: dict[UUID, tuple[int, int]]) -> Placed | None:
        """The events in one shard under its newest checkpoint; None while that does not cover them all."""
        indexes = {event: index for event, (of, index) in places.items() if of == shard}
        if shard == published.shard:
            size, note, tiles = published.size, published.note, dict(published.tiles)
        else:
            # What freezes a shard is logged in that one, and what opens the next one there.
            with self._database.read() as connection:
                row = log.find_checkpoint(connection, namespace_id, shard)
            size, note, tiles = (row.size, row.note, {}) if row is not None else (0, b"", {})
        return Placed(shard, indexes, size, note, tiles) if max(indexes.values()) < size else None

    def _expire(self) -> None:
        now = time.monotonic()
        with self._changed:
            late = [waiter for waiter in self._waiters if waiter.deadline <= now]
        for waiter in late:
            self._finish(waiter, [])

    def _finish(self, waiter: _Waiter, placed: list[Placed]) -> None:
        with self._changed, contextlib.suppress(ValueError):
            self._waiters.remove(waiter)
        # Whoever waited may have given up (a client that went away cancels its future).
        if waiter.done.set_running_or_notify_cancel():
            waiter.done.set_result(placed)


@dataclass(frozen=True, slots=True)
class _Integrated:
    """A batch that was integrated: where its events stand (shard and index), and whether another may wait."""

    places: dict[UUID, tuple[int, int]]
    is_full: bool


def _integrate_once(transaction: Transaction, namespaces: Sequence[int]) -> list[Any]:
    """Integrate one batch of a namespace's log."""
    namespace_id = namespaces[0]
    tree = log.get_tree(transaction.connection, namespace_id, lock=True)
    _, events = integrate(transaction, namespace_id, tree)
    transaction.flush()
    places = {event: (tree.shard, index) for index, event in enumerate(events, tree.size)}
    return [_Integrated(places, len(events) == BATCH)] * len(namespaces)
