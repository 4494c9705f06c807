"""How a record is made and amended: always its rows, its event and the event's outbox row together (invariant I1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, canonical_json, read_canonical
from studbook.domain.entries import NOTHING, Happening, Side, after_of, read_entry, render_entry
from studbook.domain.errors import StaleRecordError, TamperedRecordError, Violation
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.domain.privacy import blanked, seal
from studbook.domain.types import format_time
from studbook.merkle.hashing import leaf_hash
from studbook.services.edges import edge_row
from studbook.services.projection import BELONGS_TO, DETAIL_KEYS, columns_of, details_of
from studbook.services.schemas.contracts import find_map
from studbook.storage import facts, history
from studbook.storage.reading import TABLES
from studbook.storage.tables import detached_values, events, lineage_edges, lineage_nodes, outbox, private_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.schemas.storage_map import StorageMap
    from studbook.services.caller import Caller
    from studbook.services.edges import Edge
    from studbook.storage.references import Found
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


@dataclass(frozen=True, slots=True)
class _Predecessor:
    """The event of a subject that a new one follows: its id, leaf hash and revision, and the record after it."""

    id: UUID
    leaf_hash: bytes
    after: Side
    revision: int


@dataclass(slots=True)
class Recorder:
    """Stages records and their events for one request within a transaction."""

    transaction: Transaction
    caller: Caller
    now: str = field(default_factory=lambda: format_time(datetime.now(UTC)))
    recorded: list[Recorded] = field(default_factory=list)
    # What policies said of the request, as its answer shows it.
    verdict: JsonObject | None = None
    # Glass was broken: gates let everything pass (the act itself is recorded as what it is).
    unguarded: bool = False

    def register(
        self,
        action: str,
        record: JsonObject,
        *,
        belongs_to: UUID | None = None,
        more: dict[str, Any] | None = None,
        generation: int | None = None,
        edges: Sequence[Edge] = (),
        detail: JsonObject | None = None,
        storage_map: StorageMap | None = None,
    ) -> UUID:
        """Stage a new record with its rows, its edges and its first event, and return the event's id.

        `belongs_to` is the id of the model, dataset or experiment it belongs to; `more` are columns beside the record.
        With a generation the record becomes a node of the lineage graph. `storage_map` says where the attributes of a
        version are kept, when its model has a definition.
        """
        kind, record_id, namespace_id = Kind(record["kind"]), UUID(record["id"]), self.caller.namespace_id
        rendered = canonical_json(record)
        # A namespace is no record of its own namespace; its row is staged by whoever makes it.
        if kind is not Kind.NAMESPACE:
            row = {
                "namespace_id": namespace_id,
                "id": record_id,
                "revision": 1,
                "record": rendered,
                "created_at": self.now,
                "updated_at": self.now,
                **columns_of(record),
                **(more or {}),
            }
            if kind in BELONGS_TO:
                row[BELONGS_TO[kind]] = belongs_to
            self.transaction.stage(TABLES[kind], row)
            for table, rows in details_of(namespace_id, record, storage_map).items():
                self.transaction.stage(table, *rows)
        if generation is not None:
            node = {"namespace_id": namespace_id, "id": record_id, "kind": kind.value, "name": record["name"]}
            self.transaction.stage(lineage_nodes, {**node, "generation": generation})
        return self._stage_event(action, record, rendered, None, edges, detail)

    def amend(
        self,
        action: str,
        row: Any,  # noqa: ANN401 - a row of any record's table
        record: JsonObject,
        *,
        edges: Sequence[Edge] = (),
        detail: JsonObject | None = None,
    ) -> UUID:
        """Update a locked record (`row` has id, revision and record) and its rows with its next event; returns the event's id.

        Raises StaleRecordError, or TamperedRecordError when the stored record is not what its last event says.
        """
        self.transaction.flush()
        connection, namespace_id = self.transaction.connection, self.caller.namespace_id
        last_id, last = history.get_event(connection, namespace_id, row.id, row.revision)
        before = after_of(read_entry(last))
        was = _checked(row.record, before, record["name"])
        table = TABLES[Kind(record["kind"])]
        rendered = canonical_json(record)
        statement = (
            table.update()
            .where(table.c.namespace_id == namespace_id, table.c.id == row.id, table.c.revision == row.revision)
            .values(revision=row.revision + 1, record=rendered, updated_at=self.now, **columns_of(record))
        )
        if self.transaction.execute(statement).rowcount != 1:
            message = "the record was changed by somebody else meanwhile; read it again"
            raise StaleRecordError(message)
        self._amend_details(was, record)
        follows = _Predecessor(last_id, leaf_hash(last), before, row.revision)
        return self._stage_event(action, record, rendered, follows, edges, detail)

    def _amend_details(self, before: JsonObject, after: JsonObject) -> None:
        """Replace the detail rows that differ."""
        connection, namespace_id = self.transaction.connection, self.caller.namespace_id
        versioned = after["kind"] == Kind.MODEL_VERSION
        storage_map = find_map(connection, namespace_id, after["model"]) if versioned else None
        old, new = details_of(namespace_id, before, storage_map), details_of(namespace_id, after, storage_map)
        for table in {**old, **new}:
            rows, names = new.get(table, []), DETAIL_KEYS.get(table, ())
            known = {tuple(row[name] for name in names): row for row in old.get(table, ())}
            wanted = {tuple(row[name] for name in names): row for row in rows}
            gone = [row for key, row in known.items() if wanted.get(key) != row]
            facts.delete_details(self.transaction.connection, table, gone)
            self.transaction.stage(table, *(row for key, row in wanted.items() if known.get(key) != row))

    def _stage_event(
        self,
        action: str,
        record: JsonObject,
        rendered: bytes,
        follows: _Predecessor | None,
        edges: Sequence[Edge],
        detail: JsonObject | None,
    ) -> UUID:
        event_id, namespace_id = new_id(follows.id if follows else None), self.caller.namespace_id
        revision = follows.revision + 1 if follows else 1
        subject_id, subject = UUID(record["id"]), record["name"]
        public, hidden = seal(record, rendered)
        happening = Happening(
            id=event_id,
            action=action,
            actor=self.caller.actor,
            authenticated_by=self.caller.authenticated_by,
            occurred_at=self.now,
            subject_id=subject_id,
            subject=subject,
            revision=revision,
            previous=follows.leaf_hash if follows else None,
            edges=[edge.as_entry() for edge in edges],
            detail=detail,
        )
        body, outside = render_entry(
            happening, follows.after if follows else NOTHING, Side(public, {value.pointer: value.commitment for value in hidden})
        )
        key = {"namespace_id": namespace_id, "event_id": event_id}
        self.transaction.stage(
            events,
            {
                "namespace_id": namespace_id,
                "id": event_id,
                "subject_id": subject_id,
                "revision": revision,
                "action": action,
                "actor": self.caller.actor,
                "subject": subject,
                "occurred_at": self.now,
                "body": body,
            },
        )
        self.transaction.stage(outbox, key)
        self.transaction.logged.add(namespace_id)
        self.transaction.stage(
            private_values,
            *({**key, "pointer": f"/after{value.pointer}", "salt": value.salt, "value": value.value} for value in hidden),
        )
        self.transaction.stage(detached_values, *({**key, "pointer": value.pointer, "value": value.value} for value in outside))
        self.transaction.stage(lineage_edges, *(edge_row(namespace_id, edge, record, event_id, self.now) for edge in edges))
        self.recorded.append(Recorded(event_id, action, subject))
        return event_id


def _checked(stored: bytes, before: Side, name: str) -> JsonObject:
    """A stored record as a value.

    Raises TamperedRecordError when it is not what the last event says.
    """
    record: JsonObject = read_canonical(stored)
    public = blanked(record, before.private)
    if canonical_json(blanked(public, before.detached)) != before.body:
        message = (
            f"the stored record of {name} is not what its last event says, so nothing is built upon it; "
            "ask the registry's operator to run studbook audit fsck"
        )
        raise TamperedRecordError(message)
    return record


def check_match(if_match: str | None, revision: int) -> None:
    """Raise StaleRecordError when `If-Match` names another revision than the current one."""
    if if_match is None or if_match.strip() == "*":
        return
    # What an ETag says beside the revision is of other records, and is not what this write would overwrite.
    given = {int(match[1]) for part in if_match.split(",") if (match := _ETAG.fullmatch(part.strip()))}
    if revision not in given:
        message = f"the record is at {etag(revision)}, not at {if_match.strip()[:80]}; read it again and decide anew"
        raise StaleRecordError(message, [Violation("", StaleRecordError.code, message)])


def etag(revision: int, beside: str = "") -> str:
    """The ETag of a record at a revision; `beside` marks what is shown with it and changes without it."""
    return f'"{revision}.{beside}"' if beside else f'"{revision}"'


_ETAG: Final = re.compile(r'"([0-9]{1,10})(?:\.[0-9a-f]{8})?"')


def heading(recorder: Recorder, kind: Kind, found: Found) -> JsonObject:
    """What every record begins with."""
    return {
        "kind": kind.value,
        "id": str(found.id),
        "name": found.name,
        "namespace": recorder.caller.namespace,
        "created_at": recorder.now,
        "created_by": recorder.caller.actor,
    }
