"""What is said of records: attestations, findings, recalls and periodic reviews."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.documents import Access
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError, PermissionDeniedError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, parse_reference
from studbook.domain.types import format_time
from studbook.governance.signatures import STATEMENT
from studbook.services.governance.people import described, find_involved, sign_as
from studbook.services.listing import list_by_id
from studbook.services.reading import Shown, get_record, show
from studbook.services.recording import Recorder, check_match, heading
from studbook.storage import governance as storage
from studbook.storage import graph
from studbook.storage.dialects import bare
from studbook.storage.graph import Reach
from studbook.storage.references import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from studbook.domain.governance import (
        FindingClosure,
        FindingPatch,
        NewAttestation,
        NewFinding,
        NewRecall,
        NewReview,
        NewWithdrawal,
        ReviewReport,
    )
    from studbook.services.caller import Caller
    from studbook.services.listing import Paging
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

# The parts of addresses and names.
FAMILIES: Final = {
    Kind.VERDICT: "verdicts",
    Kind.CHANGE_REQUEST: "change-requests",
    Kind.ATTESTATION: "attestations",
    Kind.WAIVER: "waivers",
    Kind.FINDING: "findings",
    Kind.RECALL: "recalls",
    Kind.REVIEW: "reviews",
}
_AFFECTED_LIMIT: Final = 10_000
_AFFECTED: Final = Reach(upstream=False, successions=False, short=True)
_VERSIONS: Final = frozenset({Kind.MODEL_VERSION, Kind.DATASET_VERSION})


def attest(database: Database, caller: Caller, document: NewAttestation) -> Shown:
    """State something about a model version, such as that a review was done; signed where a signing secret is given."""
    caller.require(Access.WRITE)

    def make(recorder: Recorder, subject: Found) -> tuple[Action, JsonObject]:
        said: JsonObject = {
            "type": document.type,
            "statement": document.statement,
            "evidence": document.evidence.model_dump(mode="json") if document.evidence else None,
            "valid_until": document.valid_until,
        }
        signature = None
        if document.signing_secret is not None:
            printed = caller.printed_name or caller.principal
            signed = {
                **said,
                "statement": STATEMENT,
                "said": document.statement,
                "subject": subject.name,
                "printed_name": printed,
            }
            more = {"principal": caller.principal, "signed_at": recorder.now}
            signature = sign_as(caller, document.signing_secret, {**signed, **more})
        if document.valid_until is not None and document.valid_until <= recorder.now:
            raise InvalidDocumentError.at("/valid_until", "over_already", "the attestation would be over before it is made")
        return Action.ATTESTED, {
            **said,
            "by": described(caller),
            "signature": signature,
            "status": "made",
            "withdrawn_because": None,
        }

    return _say(database, caller, Kind.ATTESTATION, document.subject, {Kind.MODEL_VERSION}, make)


def withdraw_attestation(database: Database, caller: Caller, record_id: UUID, document: NewWithdrawal) -> Shown:
    """Withdraw an attestation; whoever made it and administrators may."""

    def end(_: Recorder, record: JsonObject) -> JsonObject:
        if record["by"]["principal"] != caller.principal:
            caller.require(Access.ADMIN)
        return {"status": "withdrawn", "withdrawn_because": document.reason}

    return _amend(database, caller, Kind.ATTESTATION, record_id, "made", Action.ATTESTATION_WITHDRAWN, end)


def open_finding(database: Database, caller: Caller, document: NewFinding) -> Shown:
    """Write down something that was found about a model or dataset version."""
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        subject = _find(transaction.connection, caller, document.subject, _VERSIONS)
        record_id = stage_finding(
            recorder,
            {"name": subject.name, "id": str(subject.id)},
            title=document.title,
            description=document.description,
            severity=document.severity.value,
            owner=document.owner,
            due_at=document.due_at,
            blocks=document.blocks,
        )
        transaction.flush()
        return show(get_row(transaction.connection, Kind.FINDING, caller, record_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def stage_finding(
    recorder: Recorder,
    subject: JsonObject,
    *,
    title: str,
    description: str | None,
    severity: str,
    owner: str | None,
    due_at: str | None,
    blocks: bool = False,
    reviews: str | None = None,
) -> UUID:
    """Stage a finding; `reviews` is the request whose use of break-glass it asks to be reviewed."""
    found = _named(Kind.FINDING)
    record = {
        **heading(recorder, Kind.FINDING, found),
        "subject": subject,
        "title": title,
        "description": description,
        "severity": severity,
        "owner": owner,
        "due_at": due_at,
        "blocks": blocks,
        "reviews": reviews,
        "by": described(recorder.caller),
        "status": "open",
        "resolution": None,
        "closed_at": None,
        "closed_by": None,
    }
    recorder.register(Action.FINDING_OPENED, record)
    return found.id


def change_finding(database: Database, caller: Caller, record_id: UUID, patch: FindingPatch, if_match: str | None) -> Shown:
    """Change what may change of an open finding."""
    caller.require(Access.WRITE)

    def amend(recorder: Recorder, record: JsonObject) -> JsonObject:
        _check_unconcerned(recorder, record)
        given = patch.model_dump(mode="json", exclude_unset=True)
        if record["reviews"] and given.keys() & {"due_at", "owner"}:
            message = "when the use of break-glass is reviewed, and whose use it was, is fixed"
            raise ConflictError.at("", "review_fixed", message)
        return {name: value for name, value in given.items() if name in {"owner", "due_at"} or value is not None}

    return _amend(database, caller, Kind.FINDING, record_id, "open", Action.FINDING_CHANGED, amend, if_match)


def close_finding(database: Database, caller: Caller, record_id: UUID, document: FindingClosure) -> Shown:
    """Close a finding; the use of break-glass is reviewed by somebody else than whoever broke it."""
    caller.require(Access.WRITE)

    def end(recorder: Recorder, record: JsonObject) -> JsonObject:
        _check_unconcerned(recorder, record)
        if record["reviews"] and record["by"]["principal"] == caller.principal:
            message = "whoever broke the glass does not review that; let somebody else close the finding"
            raise PermissionDeniedError.at("", "not_independent", message)
        closed = {"closed_at": recorder.now, "closed_by": described(caller)}
        return {"status": "closed", "resolution": document.resolution, **closed}

    return _amend(database, caller, Kind.FINDING, record_id, "open", Action.FINDING_CLOSED, end)


def _check_unconcerned(recorder: Recorder, record: JsonObject) -> None:
    """Raise PermissionDeniedError for whoever had a hand in the version that a finding blocks."""
    connection, caller = recorder.transaction.connection, recorder.caller
    subject_id = UUID(record["subject"]["id"])
    stored = storage.find_records(connection, Kind.MODEL_VERSION, caller.namespace_id, [subject_id]) if record["blocks"] else {}
    if subject_id not in stored:
        return
    if why := find_involved(connection, caller.namespace_id, read_canonical(stored[subject_id])).get(caller.principal):
        message = f"{caller.principal} {why}, so somebody else must say that what blocks it is resolved"
        raise PermissionDeniedError.at("", "not_independent", message)


def recall(database: Database, caller: Caller, document: NewRecall) -> Shown:
    """Recall a model or dataset version: neither it nor what came of it is promoted or deployed until that is resolved."""
    caller.require(Access.WRITE)

    def make(recorder: Recorder, subject: Found) -> tuple[Action, JsonObject]:
        affected = find_affected(recorder.transaction.connection, caller.namespace_id, subject)
        return Action.RECALLED, {
            "reason": document.reason,
            "severity": document.severity.value,
            "affected": affected,
            "by": described(caller),
            "status": "open",
            "resolution": None,
            "resolved_at": None,
            "resolved_by": None,
        }

    return _say(database, caller, Kind.RECALL, document.subject, _VERSIONS, make)


def find_affected(connection: Connection, namespace_id: int, subject: Found) -> JsonObject:
    """The versions that came of a record and the deployments that are active, at most 10,000 edges of the way."""
    rows = graph.walk(connection, namespace_id, [bare(connection, subject.id)], _AFFECTED, _AFFECTED_LIMIT + 1)
    reached = graph.find_bare_nodes(connection, namespace_id, {target for _, target, _ in rows[:_AFFECTED_LIMIT]})
    names: dict[str, set[str]] = {Kind.MODEL_VERSION: set(), Kind.DATASET_VERSION: set(), Kind.DEPLOYMENT: set()}
    for node in reached.values():
        if node.kind in names:
            names[node.kind].add(node.name)
    ids = [UUID(name.rpartition("/")[2]) for name in names[Kind.DEPLOYMENT]]
    records = [read_canonical(stored) for stored in storage.find_records(connection, Kind.DEPLOYMENT, namespace_id, ids).values()]
    active = [
        {"name": record["name"], "target": record["target"], "version": record["version"]["name"]}
        for record in records
        if record["status"] == "active"
    ]
    return {
        "versions": sorted(names[Kind.MODEL_VERSION]),
        "datasets": sorted(names[Kind.DATASET_VERSION]),
        "deployments": sorted(active, key=lambda entry: entry["target"]),
        "truncated": len(rows) > _AFFECTED_LIMIT,
    }


def resolve_recall(database: Database, caller: Caller, record_id: UUID, document: NewWithdrawal) -> Shown:
    """End a recall; whatever came of the version goes through gates again."""
    caller.require(Access.ADMIN)

    def end(recorder: Recorder, _: JsonObject) -> JsonObject:
        resolved = {"resolved_at": recorder.now, "resolved_by": described(caller)}
        return {"status": "resolved", "resolution": document.reason, **resolved}

    return _amend(database, caller, Kind.RECALL, record_id, "open", Action.RECALL_RESOLVED, end)


def schedule_review(database: Database, caller: Caller, document: NewReview) -> Shown:
    """Let a model or version be reviewed every so many days."""
    caller.require(Access.WRITE)

    def make(recorder: Recorder, _: Found) -> tuple[Action, JsonObject]:
        due = document.first_due or _in_days(recorder.now, document.every_days)
        said = {"every_days": document.every_days, "next_due": due, "last": None, "by": described(caller)}
        return Action.REVIEW_SCHEDULED, {**said, "status": "scheduled"}

    return _say(database, caller, Kind.REVIEW, document.subject, {Kind.MODEL, Kind.MODEL_VERSION}, make)


def report_review(database: Database, caller: Caller, record_id: UUID, document: ReviewReport) -> Shown:
    """Write down what a review came to; the next one is due so many days later."""
    caller.require(Access.WRITE)

    def amend(recorder: Recorder, record: JsonObject) -> JsonObject:
        last = {"outcome": document.outcome, "note": document.note, "at": recorder.now, "by": described(caller)}
        return {"last": last, "next_due": _in_days(recorder.now, record["every_days"])}

    return _amend(database, caller, Kind.REVIEW, record_id, "scheduled", Action.REVIEW_DONE, amend)


def _in_days(now: str, days: int) -> str:
    return format_time(datetime.fromisoformat(now) + timedelta(days=days))


def list_statements(
    connection: Connection, caller: Caller, kind: Kind, paging: Paging, *, subject: str | None, status: str | None
) -> bytes:
    """What is said of a kind, newest first; about a record (any reference), of a status."""
    subject_id = _find(connection, caller, subject, None).id if subject is not None else None
    query = f"{kind} {caller.namespace_id} {subject_id} {status}"

    def rows(after: tuple[UUID] | None, size: int) -> Any:  # noqa: ANN401 - rows
        return storage.list_statements(connection, kind, caller.namespace_id, after, size, subject_id=subject_id, status=status)

    return list_by_id(paging, query, rows)


def get_row(connection: Connection, kind: Kind, caller: Caller, record_id: UUID) -> AnyRow:
    """A statement's row.

    Raises NotFoundError.
    """
    row = storage.find_statement(connection, kind, caller.namespace_id, record_id)
    if row is None:
        raise NotFoundError(f"there is no {kind.value.replace('_', ' ')} with the id {record_id}")
    return row


def _find(connection: Connection, caller: Caller, text: str, kinds: frozenset[Kind] | set[Kind] | None) -> Found:
    found = get_record(connection, caller.namespace_id, parse_reference(text), text)
    if kinds is not None and found.kind not in kinds:
        wanted = " or ".join(sorted(kind.value.replace("_", " ") for kind in kinds))
        raise InvalidDocumentError.at("/subject", "wrong_kind", f"{found.name} is no {wanted}")
    return found


def _named(kind: Kind) -> Found:
    record_id = new_id()
    return Found(record_id, kind, f"{FAMILIES[kind]}/{record_id}")


def _say(
    database: Database,
    caller: Caller,
    kind: Kind,
    subject: str,
    kinds: frozenset[Kind] | set[Kind],
    make: Callable[[Recorder, Found], tuple[Action, JsonObject]],
) -> Shown:
    """Record a statement about the record that a reference means."""

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        about = _find(transaction.connection, caller, subject, kinds)
        action, said = make(recorder, about)
        found = _named(kind)
        named = {"subject": {"name": about.name, "id": str(about.id)}}
        recorder.register(action, {**heading(recorder, kind, found), **named, **said})
        transaction.flush()
        return show(get_row(transaction.connection, kind, caller, found.id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _amend(
    database: Database,
    caller: Caller,
    kind: Kind,
    record_id: UUID,
    status: str,
    action: Action,
    amend: Callable[[Recorder, JsonObject], JsonObject],
    if_match: str | None = None,
) -> Shown:
    """Amend a statement that still has a status.

    Raises NotFoundError, StaleRecordError, ConflictError.
    """

    def change(transaction: Transaction) -> Shown:
        connection = transaction.connection
        row = storage.find_statement(connection, kind, caller.namespace_id, record_id, lock=True)
        if row is None:
            raise NotFoundError(f"there is no {kind.value.replace('_', ' ')} with the id {record_id}")
        check_match(if_match, row.revision)
        record = read_canonical(row.record)
        if record["status"] != status:
            message = f"the {kind.value.replace('_', ' ')} is {record['status']} already"
            raise ConflictError.at("", "closed_already", message)
        recorder = Recorder(transaction, caller)
        changed = {**record, **amend(recorder, record)}
        if changed != record:
            recorder.amend(action, row, changed)
            transaction.flush()
        return show(get_row(connection, kind, caller, record_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]
