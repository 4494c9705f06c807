"""Erasure: personal values are deleted beside the log, and an entry says so. Every proof and checkpoint stays valid.

What is erased of a record's present is set to null by the same event, so the record goes on without it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import canonical_json
from studbook.domain.documents import Access
from studbook.domain.entries import read_entry
from studbook.domain.errors import ConflictError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.names import Kind
from studbook.domain.privacy import blanked
from studbook.governance.gates import Gate, Passage
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import plain_subject
from studbook.services.history import get_subject
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown
from studbook.services.recording import Recorder
from studbook.storage import history, reading, retention

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.documents import NewErasure
    from studbook.domain.errors import StudbookError
    from studbook.services.caller import Caller
    from studbook.services.recording import Recorded
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

# As many as an entry can name with certainty; what is more goes into a further one.
VALUES_IN_ENTRY: Final = 300


def erase(database: Database, caller: Caller, request: NewErasure) -> Shown:
    """Erase personal values for good; tells how many, of how many records, and the events that say so.

    Raises NotFoundError for an unknown subject, ConflictError where a legal hold forbids it (nothing is erased then).
    """
    caller.require(Access.ADMIN)
    value = canonical_json(request.value) if request.value is not None else None
    settled(database.work.run(partial(_ask, caller, request)))
    with database.read() as connection:
        subject_id = get_subject(connection, caller.namespace_id, request.subject) if request.subject is not None else None
        found = retention.list_personal(connection, caller.namespace_id, subject_id=subject_id, value=value)
        subjects = list(dict.fromkeys(row.subject_id for row in found))
        check_held(connection, caller.namespace_id, subjects)
    events: list[Recorded] = []
    erased = 0
    for subject in subjects:
        count = VALUES_IN_ENTRY
        while count == VALUES_IN_ENTRY:
            count, recorded = database.work.run(partial(_erase_some, caller, request, subject, value))
            erased += count
            events += recorded
    answer = {"values": erased, "subjects": len(subjects), "events": [event.as_json() for event in events]}
    return Shown(json.dumps(answer).encode(), "", tuple(events))


def _ask(caller: Caller, request: NewErasure, transaction: Transaction) -> StudbookError | None:
    """What policies say of an erasure; it is asked once, before the first value is gone."""
    recorder = Recorder(transaction, caller)
    name = request.subject or "personal values"
    record = {"name": name, "kind": "erasure", "subject": request.subject, "reason": request.reason}
    question = Question(Passage(Gate.ERASE), plain_subject(Kind.NAMESPACE, record), caller, recorder.now, reason=request.reason)
    return pass_gate(recorder, question)


def check_held(connection: Connection, namespace_id: int, subjects: Sequence[UUID]) -> None:
    """Raise ConflictError when a legal hold stands on one of these, or on the whole namespace."""
    held = retention.list_held(connection, namespace_id)
    if retention.EVERYTHING in held:
        message = "a legal hold on the whole namespace forbids erasing and purging; release it first"
        raise ConflictError.at("", "legal_hold", message)
    if blocked := [subject for subject in subjects if subject in held]:
        message = f"a legal hold forbids it for {len(blocked)} of the records, such as {blocked[0]}; release it first"
        raise ConflictError.at("/subject", "legal_hold", message)


def _erase_some(
    caller: Caller, request: NewErasure, subject_id: UUID, value: bytes | None, transaction: Transaction
) -> tuple[int, list[Recorded]]:
    connection, namespace_id = transaction.connection, caller.namespace_id
    row = _lock_subject(connection, namespace_id, subject_id)
    check_held(connection, namespace_id, [subject_id])
    found = retention.list_personal(connection, namespace_id, subject_id=subject_id, value=value)[:VALUES_IN_ENTRY]
    if not found:
        return 0, []
    present = [value.pointer.removeprefix("/after") for value in found if value.revision == row.revision]
    detail = {
        "reason": request.reason,
        "values": [{"event": str(value.event_id), "pointer": value.pointer} for value in found],
    }
    recorder = Recorder(transaction, caller)
    recorder.amend(Action.PRIVACY_ERASED, row, blanked(load_record(row.record), present), detail=detail)
    transaction.flush()
    retention.erase_personal(connection, namespace_id, [(value.event_id, value.pointer) for value in found])
    return len(found), recorder.recorded


def _lock_subject(connection: Connection, namespace_id: int, subject_id: UUID) -> Any:  # noqa: ANN401 - any record's row
    head: AnyRow | None = history.find_head(connection, namespace_id, subject_id)
    if head is None or head.body is None:
        raise NotFoundError(f"the log has no subject {subject_id}")
    kind = Kind(read_entry(head.body)["after"]["kind"])
    row = reading.find_by_id(connection, kind, namespace_id, subject_id, lock=True)
    if row is None:
        raise NotFoundError(f"the record of {subject_id} is gone; studbook audit fsck tells what happened")
    return row
