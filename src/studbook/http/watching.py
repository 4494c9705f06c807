"""Waiting until a version changes, without a thread for each who waits.

One task of the process looks after all of them. It looks when this process has committed something in a namespace, when
somebody begins to wait, and every second, for what other processes committed. A look reads the ETag of each watched place once,
however many watch it, and a record only where the ETag is a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool

from studbook.domain.errors import StudbookError, UnavailableError
from studbook.http.conditional import names
from studbook.services.reading import Shown, get_version, get_version_etag
from studbook.storage.database import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Collection

    from studbook.domain.names import ByAlias, ByNumber
    from studbook.services.registry import Registry

_log = logging.getLogger(__name__)

# How soon a commit of another process is seen.
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Watched:
    """Where somebody looks."""

    namespace_id: int
    place: ByNumber | ByAlias


@dataclass(slots=True, eq=False)
class _Waiter:
    watched: Watched
    # The ETags that are no news, as in `If-None-Match`; None until the first look, when whatever is found is none.
    known: str | None
    # The looks that had begun before: what they found may be older than what the client has.
    since: int
    etag: str | None = None
    # What ends the waiting: the version, why there is none, or None when everybody is let go.
    done: asyncio.Future[Shown | StudbookError | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def take(self, seen: Shown | StudbookError) -> None:
        """Take note of what a look found; ends the waiting when it is news."""
        if self.done.done():
            return
        if isinstance(seen, Shown):
            self.etag = seen.etag
            self.known = self.known or seen.etag
        if isinstance(seen, StudbookError) or not names(self.known or "", seen.etag):
            self.done.set_result(seen)


class Lookout:
    """Looks out for changes on behalf of all who wait in this process; used from one event loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._waiters: set[_Waiter] = set()
        self._due: set[Watched] = set()
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._looks = 0
        self._shown: dict[Watched, Shown] = {}
        self._closed = False

    async def find_change(self, watched: Watched, known: str | None, seconds: float, gone: asyncio.Future[None]) -> Shown | str:
        """The version once it is another than those `known`, or its ETag when so much time has passed or nobody waits any more.

        `known` is as in `If-None-Match`; None or `*` stand for the version as it is now.

        Raises NotFoundError as soon as there is none, UnavailableError while the registry shuts down.
        """
        waiter = _Waiter(watched, None if known is None or known.strip() == "*" else known, self._looks)
        self._admit(waiter)
        try:
            ends: set[asyncio.Future[Any]] = {waiter.done, gone}
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(waiter)
            if not self._waiters:
                self._stirred.set()
        seen = waiter.done.result() if waiter.done.done() else None
        if isinstance(seen, StudbookError):
            raise seen
        if seen is None and waiter.etag is None:
            message = "the version could not be read in time; try again"
            raise UnavailableError(message)
        return seen or waiter.etag or ""

    def close(self) -> None:
        """Let everybody go who waits; to be called on the event loop."""
        self._closed = True
        for waiter in tuple(self._waiters):
            if not waiter.done.done():
                waiter.done.set_result(None)
        self._stirred.set()

    def _admit(self, waiter: _Waiter) -> None:
        if self._closed:
            message = "the registry is shutting down; try again on another process"
            raise UnavailableError(message)
        self._waiters.add(waiter)
        self._due.add(waiter.watched)
        self._stirred.set()
        if self._task is None:
            self._task = asyncio.create_task(self._look_out())

    async def _look_out(self) -> None:
        loop = asyncio.get_running_loop()

        def hear(namespaces: set[int]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._stir, set(namespaces))

        self._registry.log.changes.listen(hear)
        try:
            next_round = time.monotonic() + _LOOK_SECONDS
            while self._waiters and not self._closed:
                if not self._due:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stirred.wait(), max(0.0, next_round - time.monotonic()))
                self._stirred.clear()
                if time.monotonic() >= next_round:
                    next_round = time.monotonic() + _LOOK_SECONDS
                    self._due |= {waiter.watched for waiter in self._waiters}
                if self._due:
                    await self._look()
        finally:
            self._registry.log.changes.forget(hear)
            self._shown.clear()
            self._task = None

    def _stir(self, namespaces: set[int]) -> None:
        self._due |= {waiter.watched for waiter in self._waiters if waiter.watched.namespace_id in namespaces}
        self._stirred.set()

    async def _look(self) -> None:
        self._looks += 1
        look, due, started = self._looks, self._due, time.monotonic()
        self._due = set()
        try:
            found = await run_in_threadpool(self._read, due)
        except (StudbookError, *UNANSWERED):
            _log.warning("the database did not answer; those who wait for changes go on waiting")
            found = {}
        except Exception:  # noqa: BLE001 - the others who wait must not be left alone by whatever went wrong
            _log.exception("looking for changes failed; it is tried again")
            found = {}
        watched = {waiter.watched for waiter in self._waiters}
        for place in self._shown.keys() - watched:
            del self._shown[place]
        for place, seen in found.items():
            if isinstance(seen, Shown) and place in watched:
                self._shown[place] = seen
        for waiter in tuple(self._waiters):
            if waiter.watched in found and waiter.since < look:
                waiter.take(found[waiter.watched])
        # As long again as the look took: however much is written and watched, looking takes half of a thread at most.
        await asyncio.sleep(time.monotonic() - started)

    def _read(self, due: Collection[Watched]) -> dict[Watched, Shown | StudbookError]:
        found: dict[Watched, Shown | StudbookError] = {}
        with self._registry.database.read() as connection:
            for watched in due:
                known = self._shown.get(watched)
                try:
                    if known is None or known.etag != get_version_etag(connection, watched.namespace_id, watched.place):
                        known = get_version(connection, watched.namespace_id, watched.place)
                except StudbookError as refusal:
                    found[watched] = refusal
                else:
                    found[watched] = known
        return found
