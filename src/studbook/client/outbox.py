"""Hands over what a run recorded, and never lets it get lost: what the registry does not take goes to disk."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studbook.client.delivery import NOT_THE_DOCUMENT
from studbook.client.errors import RefusedError, StudbookError, UnreachableError
from studbook.client.ids import new_id
from studbook.client.notices import warn, warn_loudly
from studbook.client.registration import Registration
from studbook.client.spool import Spool, SpooledDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from studbook.client.connection import Target
    from studbook.client.delivery import SyncReport
    from studbook.client.findings import Ingested

# Seconds that a run may spend on delivering what earlier runs left in the spool, before its own document.
_BACKLOG_SECONDS: Final = 10.0


class Outbox:
    """Delivers documents of runs to one registry, or keeps them."""

    def __init__(
        self,
        target: Target,
        spool: Spool,
        send: Callable[[Mapping[str, Any], str], Ingested],
        deliver_backlog: Callable[[float], SyncReport],
        *,
        strict: bool,
    ) -> None:
        self._target = target
        self._spool = spool
        self._send = send
        self._deliver_backlog = deliver_backlog
        self._strict = strict

    def hand_over(self, document: Mapping[str, Any], run_id: str, *, may_raise: bool) -> Registration:
        """Deliver a document, or keep it on disk.

        Raises RefusedError when the registry refuses it, the registry was opened as strict, and `may_raise`.
        """
        key = str(new_id())
        try:
            self._clear_backlog()
            result = self._send(document, key)
        except NOT_THE_DOCUMENT as error:
            return self._keep(document, key, run_id, error, "the registry does not let this program write")
        except RefusedError as error:
            registration = self._put_aside(document, key, run_id, error)
            if self._strict and may_raise:
                raise
            return registration
        except Exception as error:  # noqa: BLE001 - whatever it is, a training must not end over its record
            return self._keep(document, key, run_id, error, "the registry could not take the record")
        except BaseException:
            # The program is being stopped while it waits for the registry: the record is kept, then it stops.
            self._keep(document, key, run_id, None, "the program was interrupted")
            raise
        version = result.version
        return Registration(
            status="stored",
            document=document,
            idempotency_key=key,
            run_id=result.run.id if result.run else run_id,
            name=version.name if version else None,
            number=version.number if version else None,
            id=version.id if version else None,
            warnings=result.warnings,
            edges=result.edges,
            events=result.events,
            receipts=result.receipts,
        )

    def _clear_backlog(self) -> None:
        """Deliver what waits from before, as this document may build on it.

        Raises UnreachableError when it cannot be delivered: then this document waits behind it.
        """
        try:
            report = self._deliver_backlog(_BACKLOG_SECONDS) if self._spool.pending() else None
        except OSError as error:
            warn(f"the spool {self._spool.folder} cannot be read: {error}")
            return
        if report is None:
            return
        for refused in report.refused:
            warn_loudly(f"a record that waited was refused; it is kept in {refused.path}\n  {refused.error or refused.problem}")
        if isinstance(report.stopped_by, UnreachableError):
            raise report.stopped_by

    def _keep(self, document: Mapping[str, Any], key: str, run_id: str, error: BaseException | None, why: str) -> Registration:
        reason = f"{why}: {error}" if error else why
        try:
            path = self._on_disk(lambda spool: spool.put(self._spooled(document, key)))
        except Exception as fault:  # noqa: BLE001 - as above
            return self._lose(document, key, run_id, error, f"{reason}; and no disk takes it: {fault}")
        known = error if isinstance(error, StudbookError) else None
        warn_loudly(f"{reason}\n  The record waits in {path}; `studbook sync` delivers it.")
        return Registration(status="spooled", document=document, idempotency_key=key, run_id=run_id, path=path, error=known)

    def _put_aside(self, document: Mapping[str, Any], key: str, run_id: str, error: RefusedError) -> Registration:
        try:
            path = self._on_disk(lambda spool: spool.put_refused(self._spooled(document, key), error.problem))
        except Exception as fault:  # noqa: BLE001 - as above
            message = f"the registry refused the record: {error}; and no disk takes it: {fault}"
            return self._lose(document, key, run_id, error, message)
        warn_loudly(f"the registry refused the record; it is kept in {path}\n  {error}")
        return Registration(status="refused", document=document, idempotency_key=key, run_id=run_id, path=path, error=error)

    def _lose(
        self, document: Mapping[str, Any], key: str, run_id: str, error: BaseException | None, message: str
    ) -> Registration:
        warn_loudly(f"THE RECORD IS LOST unless the program keeps it (Registration.document): {message}")
        known = error if isinstance(error, StudbookError) else None
        return Registration(status="lost", document=document, idempotency_key=key, run_id=run_id, error=known)

    def _on_disk(self, put: Callable[[Spool], Path]) -> Path:
        """Put something into the spool, or, if that folder cannot be used, into one beside the temporary files."""
        try:
            return put(self._spool)
        except OSError as error:
            user = os.getuid() if hasattr(os, "getuid") else "user"
            refuge = Spool(Path(tempfile.gettempdir()) / f"studbook-spool-{user}")
            path = put(refuge)
            warn_loudly(
                f"the spool {self._spool.folder} cannot be used ({error}); the record is in {refuge.folder}, "
                f"which may be emptied at the next start: STUDBOOK_SPOOL={refuge.folder} studbook sync"
            )
            return path

    def _spooled(self, document: Mapping[str, Any], key: str) -> SpooledDocument:
        return SpooledDocument(document, key, self._target.label, self._target.namespace, time.time())
