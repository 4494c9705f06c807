"""Reads of the audit log: who did what when, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from studbook.client.addressing import Addressing
from studbook.client.answers import TIME, Record, reads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class PlaceInLog(Record):
    """Where an event stands in the log: the index of its entry, from 0, in a shard."""

    shard: int = 1
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class LoggedEvent(Record):
    """An event of the audit log with the record before and after it; `log` is None until it is in the tree."""

    id: str = ""
    action: str = ""
    actor: str = ""
    authenticated_by: str = ""
    occurred_at: datetime | None = field(default=None, metadata=TIME)
    subject: str = ""
    rev: int = 0
    before: Mapping[str, Any] | None = field(default=None, repr=False)
    after: Mapping[str, Any] | None = field(default=None, repr=False)
    detail: Mapping[str, Any] | None = field(default=None, repr=False)
    purged: bool = False
    log: PlaceInLog | None = field(default=None, metadata=reads(PlaceInLog))
    leaf_hash: str | None = None


class AuditReads(Addressing):
    """The calls that read the audit log. Each raises UnreachableError and RefusedError."""

    def events(
        self,
        *,
        subject: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        page_size: int | None = None,
    ) -> Iterator[LoggedEvent]:
        """Events, newest first; `subject` is any reference to a record, `action` such as `alias.moved`."""
        params = {
            "subject": subject,
            "actor": actor,
            "action": action,
            "since": _text(since),
            "until": _text(until),
            "page_size": page_size,
        }
        return (LoggedEvent.read(entry) for entry in self._connection.pages(("audit", "events"), params))

    def history(self, ref: str, *, page_size: int | None = None) -> Iterator[LoggedEvent]:
        """Everything that ever happened to a record, newest first."""
        return self.events(subject=ref, page_size=page_size)

    def receipt(self, event_id: str) -> str:
        """The receipt of an event (C2SP tlog-proof): waits until a signed checkpoint covers it."""
        return self._connection.content(("audit", "receipts", event_id), {"wait": "proof"}).decode()

    def entry(self, event_id: str) -> bytes:
        """The exact bytes under which an event is logged: what its receipt is verified against."""
        return self._connection.content(("audit", "events", event_id, "entry"))

    def checkpoint(self) -> str:
        """The newest signed checkpoint of the namespace's log: keep it, and no later state can deny it."""
        return self._connection.content(("audit", "log", "checkpoint")).decode()


def _text(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
