"""Delivers what waits in the spool: oldest first, and exactly once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.client.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
    StudbookError,
    UnreachableError,
)
from studbook.client.spool import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from studbook.client.findings import Ingested
    from studbook.client.spool import Spool, SpooledDocument

# These say that the caller may not write here (a 404 means the namespace), not that the document is wrong.
NOT_THE_DOCUMENT: Final = (AuthenticationError, PermissionDeniedError, NotFoundError)
_INTERNAL_ERROR: Final = 500
# So many documents in a row, each met with an internal error, mean that the server is ill rather than the documents.
_FAILURES_IN_A_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Delivered:
    """A document that reached the registry: the file it waited in, and what it became."""

    path: Path
    result: Ingested


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that the registry refused: where it is kept now, and why (`problem` as in RFC 9457)."""

    path: Path
    problem: Mapping[str, Any]
    error: RefusedError | None = None


@dataclass(slots=True)
class SyncReport:
    """What a delivery did.

    `waiting` documents are left, `elsewhere` others are meant for another registry or namespace, `busy` says that
    another process is delivering, and `stopped_by` is what ended the delivery early.
    """

    delivered: list[Delivered] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    waiting: int = 0
    elsewhere: int = 0
    busy: bool = False
    stopped_by: StudbookError | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing that is meant for this registry is left waiting or was refused."""
        return not (self.waiting or self.refused or self.busy or self.stopped_by)


class Delivery:
    """One pass over the spool."""

    def __init__(
        self,
        spool: Spool,
        send: Callable[[Mapping[str, Any], str], Ingested],
        belongs: Callable[[SpooledDocument], bool],
        seconds: float | None = None,
    ) -> None:
        self._spool = spool
        self._send = send
        self._belongs = belongs
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._failures = 0
        self._report = SyncReport()

    def run(self, *, wait: bool) -> SyncReport:
        """Deliver what waits; with `wait` false, leave it to another process if one is at it.

        Raises OSError when the spool folder cannot be used.
        """
        if not self._spool.folder.is_dir():
            return self._report
        with self._spool.lock(wait=wait) as held:
            if not held:
                self._report.busy = True
                return self._report
            self._spool.adopt_leftovers()
            for path in self._spool.pending():
                self._deliver(path)
        return self._report

    def _deliver(self, path: Path) -> None:
        try:
            spooled = self._spool.read(path)
        except FileNotFoundError:
            return
        except OSError:
            # Somebody else's file in a shared folder; whoever may read it delivers it.
            self._report.waiting += 1
            return
        except UnreadableFileError as error:
            problem = {"title": "Unreadable file", "code": "unreadable_file", "detail": str(error)}
            self._report.refused.append(Refused(self._spool.refuse(path, problem), problem))
            return
        if not self._belongs(spooled):
            self._report.elsewhere += 1
        elif self._report.stopped_by is not None or self._is_late():
            self._report.waiting += 1
        else:
            self._attempt(path, spooled)

    def _attempt(self, path: Path, spooled: SpooledDocument) -> None:
        try:
            result = self._send(spooled.document, spooled.key)
        except UnreachableError as error:
            self._report.waiting += 1
            # An internal error may be this document's own doing, and should not hold up those behind it.
            self._failures = self._failures + 1 if error.status == _INTERNAL_ERROR else _FAILURES_IN_A_ROW
            if self._failures >= _FAILURES_IN_A_ROW:
                self._report.stopped_by = error
        except NOT_THE_DOCUMENT as error:
            self._report.waiting += 1
            self._report.stopped_by = error
        except RefusedError as error:
            self._failures = 0
            if self._report.waiting:
                # It may be refused only because it builds on one that waits before it: no verdict yet.
                self._report.waiting += 1
                return
            place = self._spool.refuse(path, error.problem)
            self._report.refused.append(Refused(place, error.problem, error))
        else:
            self._failures = 0
            self._spool.remove(path)
            self._report.delivered.append(Delivered(path, result))

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline
