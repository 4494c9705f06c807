"""How a record is made and amended: always its row, its event and the event's outbox row together (invariant I1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.errors import StaleRecordError, Violation
from studbook.domain.events import event_body
from studbook.domain.ids import new_id
from studbook.domain.types import format_time
from studbook.storage.tables import events, outbox

if TYPE_CHECKING:
    from uuid import UUID

    import sqlalchemy as sa

    from studbook.services.caller import Caller
    from studbook.storage.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event, as the answer to a write names it."""

    id: UUID
    action: str
    subject: str

    def as_json(self) -> JsonObject:
        """The event as it stands in an answer."""
        return {"id": str(self.id), "action": self.action, "subject": self.subject}


@dataclass(slots=True)
class Recorder:
    """Stages records and their events for one request within a transaction."""

    transaction: Transaction
    caller: Caller
    now: str = field(default_factory=lambda: format_time(datetime.now(UTC)))
    recorded: list[Recorded] = field(default_factory=list)

    def register(self, table: sa.Table, record_id: UUID, action: str, record: JsonObject, columns: dict[str, Any]) -> UUID:
        """Stage a new record with its first event, and return the event's id."""
        rendered = canonical_json(record)
        self.transaction.stage(
            table,
            {
                "namespace_id": self.caller.namespace_id,
                "id": record_id,
                "revision": 1,
                "record": rendered,
                "created_at": self.now,
                "updated_at": self.now,
                **columns,
            },
        )
        return self._stage_event(action, record_id, record["name"], 1, b"null", rendered)

    def amend(self, table: sa.Table, row: Any, action: str, record: JsonObject, columns: dict[str, Any]) -> UUID:  # noqa: ANN401 - a row of any record's table
        """Update a locked record (`row` has id, revision and record) with its next event, and return the event's id."""
        rendered = canonical_json(record)
        statement = (
            table.update()
            .where(table.c.namespace_id == self.caller.namespace_id, table.c.id == row.id, table.c.revision == row.revision)
            .values(revision=row.revision + 1, record=rendered, updated_at=self.now, **columns)
        )
        if self.transaction.execute(statement).rowcount != 1:
            message = "the record was changed by somebody else meanwhile; read it again"
            raise StaleRecordError(message)
        return self._stage_event(action, row.id, record["name"], row.revision + 1, row.record, rendered)

    def _stage_event(self, action: str, subject_id: UUID, subject: str, revision: int, before: bytes, after: bytes) -> UUID:
        event_id = new_id()
        namespace_id = self.caller.namespace_id
        body = event_body(
            event_id=event_id,
            action=action,
            actor=self.caller.actor,
            authenticated_by=self.caller.authenticated_by,
            occurred_at=self.now,
            subject_id=subject_id,
            subject=subject,
            revision=revision,
            before=before,
            after=after,
        )
        self.transaction.stage(
            events,
            {
                "namespace_id": namespace_id,
                "id": event_id,
                "subject_id": subject_id,
                "revision": revision,
                "action": action,
                "subject": subject,
                "occurred_at": self.now,
                "body": body,
            },
        )
        self.transaction.stage(outbox, {"namespace_id": namespace_id, "event_id": event_id})
        self.recorded.append(Recorded(event_id, action, subject))
        return event_id


def check_match(if_match: str | None, revision: int) -> None:
    """Raise StaleRecordError when `If-Match` names another revision than the current one."""
    if if_match is None or if_match.strip() == "*":
        return
    current = etag(revision)
    if current not in {part.strip() for part in if_match.split(",")}:
        message = f"the record is at {current}, not at {if_match.strip()[:80]}; read it again and decide anew"
        raise StaleRecordError(message, [Violation("", StaleRecordError.code, message)])


def etag(revision: int) -> str:
    """The ETag of a record at a revision."""
    return f'"{revision}"'
