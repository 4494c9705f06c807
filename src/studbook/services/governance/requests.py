"""Change requests: an action waits until distinct people of the right roles approve exactly it, and is then carried out once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.documents import Access, NewDeployment, VersionPatch
from studbook.domain.errors import (
    ConflictError,
    InvalidDocumentError,
    NotFoundError,
    PermissionDeniedError,
    StudbookError,
)
from studbook.domain.events import Action
from studbook.domain.governance import Decision
from studbook.domain.ids import new_id
from studbook.domain.names import ByAlias, Kind, parse_place, parse_reference
from studbook.domain.types import format_time
from studbook.governance.gates import Gate, Passage
from studbook.governance.policy import State
from studbook.governance.signatures import STATEMENT
from studbook.services.deployments import served_version, stage_deployment
from studbook.services.governance import policies
from studbook.services.governance.approving import OPEN, binding_of, find_excluded, missing_people
from studbook.services.governance.gates import Gates, Question, record_verdict, settled
from studbook.services.governance.people import BREAK_GLASS, POLICY_ADMIN, described, require_exact_role, require_role, sign_as
from studbook.services.governance.statements import stage_finding
from studbook.services.governance.subjects import NOTHING, Subject, current_version, stored_version
from studbook.services.models import point_alias
from studbook.services.reading import LATEST, Shown, get_record, show
from studbook.services.recording import Recorder, heading
from studbook.services.versions import apply_patch
from studbook.storage import governance as storage
from studbook.storage import reading
from studbook.storage.references import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.governance import GlassBreaking, NewChangeRequest, NewDecision, NewWithdrawal
    from studbook.governance.policy import Approvals
    from studbook.services.caller import Caller
    from studbook.services.governance.approving import InForce
    from studbook.services.governance.gates import Verdict
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

_POLICY_REFERENCE: Final = re.compile(r"policies/([^/]+)(?:/versions/(latest|[1-9][0-9]{0,8}))?")
_REQUESTABLE: Final = frozenset({Gate.PROMOTE, Gate.DEPLOY, Gate.ARCHIVE, Gate.POLICY})
_DEFAULT_DAYS: Final = 14
_REVIEW_DAYS: Final = 3
_DECISIONS_LIMIT: Final = 100


def read_passage(text: str) -> Passage:
    """Read a gate with its target.

    Raises InvalidDocumentError.
    """
    try:
        return Passage.parse(text)
    except ValueError as error:
        raise InvalidDocumentError.at("/gate", "bad_gate", str(error)) from None


def find_subject(connection: Connection, namespace_id: int, text: str, now: str) -> Subject:
    """The model version or the policy's version that a question or request is about.

    Raises NotFoundError, InvalidDocumentError.
    """
    if match := _POLICY_REFERENCE.fullmatch(text):
        _, row = policies.find_version_row(connection, namespace_id, match[1], match[2] or LATEST)
        return policies.policy_subject(read_canonical(row.record))
    found = get_record(connection, namespace_id, parse_reference(text), text)
    if found.kind is not Kind.MODEL_VERSION:
        message = f"{found.name} is no model version; write models/NAME/versions/3, NAME@alias, or policies/NAME/versions/2"
        raise InvalidDocumentError.at("/subject", "wrong_kind", message)
    stored = storage.find_records(connection, Kind.MODEL_VERSION, namespace_id, [found.id])
    if found.id not in stored:
        raise NotFoundError(f"the record of {found.name} is gone; studbook audit fsck tells what happened")
    return stored_version(connection, namespace_id, read_canonical(stored[found.id]), now)


def ask(connection: Connection, caller: Caller, text: str, passage: Passage) -> tuple[Verdict | None, Subject]:
    """What policies would say of an action now; nothing is done, and nothing is written down."""
    now = format_time(datetime.now(UTC))
    subject = find_subject(connection, caller.namespace_id, text, now)
    gates = Gates(connection, caller.namespace_id, caller.namespace)
    return gates.ask(question_about(connection, caller, passage, subject, now)), subject


def question_about(connection: Connection, caller: Caller, passage: Passage, subject: Subject, now: str) -> Question:
    """A question with what the alias or target has now."""
    namespace_id = caller.namespace_id

    def current() -> JsonObject:
        if passage.gate is Gate.PROMOTE and subject.model is not None:
            row = reading.find_version(connection, namespace_id, ByAlias(subject.model, passage.target))
            return current_version(connection, namespace_id, row)
        if passage.gate is Gate.DEPLOY:
            return served_version(connection, namespace_id, passage.target)
        return NOTHING

    return Question(passage, subject, caller, now, current)


def request(database: Database, caller: Caller, document: NewChangeRequest) -> Shown:
    """Ask for the approvals of an action; the verdict of the policies as they are now stands in the answer.

    Raises NotFoundError, InvalidDocumentError, ConflictError when there is such a request already.
    """
    caller.require(Access.WRITE)
    passage = read_passage(document.gate)
    if passage.gate not in _REQUESTABLE:
        message = f"approvals are requested for {', '.join(sorted(_REQUESTABLE))}; {passage.gate} is done, or refused, at once"
        raise InvalidDocumentError.at("/gate", "bad_gate", message)
    if passage.gate is Gate.POLICY:
        # What is approved is carried out as the requester's act.
        require_role(caller, POLICY_ADMIN, "change policies")

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        recorder = Recorder(transaction, caller)
        subject = find_subject(connection, namespace_id, document.subject, recorder.now)
        if (passage.gate is Gate.POLICY) != (subject.kind is Kind.POLICY_VERSION):
            message = f"{passage} is nothing that is done with {subject.name}"
            raise InvalidDocumentError.at("/gate", "wrong_kind", message)
        _check_single(connection, namespace_id, subject, passage, recorder.now)
        gates = Gates(connection, namespace_id, caller.namespace)
        asked = gates.matching(passage, subject)
        wanted = [(held.name, held.policy.policy.approvals) for held in asked if held.policy.policy.approvals]
        request_id = new_id()
        found = Found(request_id, Kind.CHANGE_REQUEST, f"change-requests/{request_id}")
        record: JsonObject = {
            **heading(recorder, Kind.CHANGE_REQUEST, found),
            "subject": {"name": subject.name, "id": str(subject.id)},
            "passage": str(passage),
            "gate": passage.gate.value,
            "target": passage.target or None,
            "action": {"url": document.url, "attributes": document.attributes},
            "reason": document.reason,
            "requester": described(caller),
            "automatic": document.automatic,
            "status": "open",
            "expires_at": _expiry(document, wanted, recorder.now),
            "binding": binding_of(passage, subject, asked),
            "quorum": [
                {"policy": name, "roles": [entry.model_dump() for entry in approvals.quorum], "signed": approvals.signed}
                for name, approvals in wanted
            ],
            "decisions": [],
            "executed_at": None,
            "executed_by": None,
            "closed_because": None,
        }
        recorder.register(Action.CHANGE_REQUESTED, record)
        transaction.flush()
        verdict = gates.ask(question_about(connection, caller, passage, subject, recorder.now))
        extra = {"verdict": verdict.as_json()} if verdict else {}
        return show(_row(connection, namespace_id, request_id), extra).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _expiry(document: NewChangeRequest, wanted: Sequence[tuple[str, Approvals | None]], now: str) -> str:
    days = min((approvals.expires_days for _, approvals in wanted if approvals), default=_DEFAULT_DAYS)
    latest = format_time(datetime.fromisoformat(now) + timedelta(days=days))
    if document.expires_at is None:
        return latest
    if not now < document.expires_at <= latest:
        message = f"the policies let a request stand until {latest} at the latest, and it must end in the future"
        raise InvalidDocumentError.at("/expires_at", "bad_expiry", message)
    return document.expires_at


def _check_single(connection: Connection, namespace_id: int, subject: Subject, passage: Passage, now: str) -> None:
    assert subject.id is not None  # noqa: S101 - a stored record; for the type checker
    for row in storage.list_about(connection, Kind.CHANGE_REQUEST, namespace_id, [subject.id], OPEN):
        record = read_canonical(row.record)
        if record["passage"] == str(passage) and record["expires_at"] > now:
            message = f"{record['name']} asks for this already; decide about it, or withdraw it first"
            raise ConflictError.at("/gate", "request_exists", message)


def decide(database: Database, caller: Caller, request_id: UUID, document: NewDecision) -> Shown:
    """Approve or reject a request; with the last approval an automatic one is carried out in the same transaction.

    Raises PermissionDeniedError for whoever has no role in the quorum or a hand in the matter, ConflictError for a request that
    is closed, or whose subject or policies have changed since it was looked at.
    """
    return settled(database.work.run(lambda transaction: _decide(Recorder(transaction, caller), request_id, document)))  # type: ignore[no-any-return]


def _decide(recorder: Recorder, request_id: UUID, document: NewDecision) -> Shown | StudbookError:
    connection, caller = recorder.transaction.connection, recorder.caller
    row, record = _lock_open(recorder, request_id)
    subject, asked, superseded = _look_again(recorder, row, record)
    if superseded is not None:
        return superseded
    if document.binding != record["binding"]:
        message = f"you decided about {document.binding}, and the request binds to {record['binding']}; read it again"
        raise ConflictError.at("/binding", "wrong_binding", message)
    roles = {entry["role"] for wanted in record["quorum"] for entry in wanted["roles"]}
    held = require_exact_role(caller, roles, "decide about this request") if roles else set(caller.roles)
    _check_independent(connection, caller, subject, record)
    decision = _signed(recorder, record, document, sorted(held))
    changed = {**record, "decisions": [*record["decisions"], decision]}
    if document.decision is Decision.REJECT:
        changed |= {"status": "rejected", "closed_because": document.reason}
    elif not _missing(changed, asked):
        changed["status"] = "approved"
    recorder.amend(Action.CHANGE_DECIDED, row, changed)
    recorder.transaction.flush()
    if changed["status"] == "approved" and changed["automatic"]:
        refused = _execute(recorder, changed, subject)
        # The approval stands although policies refuse the act now; it can be executed when they allow it.
        extra = {"refused": refused.detail} if refused is not None else {}
        return show(_row(connection, caller.namespace_id, request_id), extra).after(recorder)
    return show(_row(connection, caller.namespace_id, request_id)).after(recorder)


def _missing(record: JsonObject, asked: Sequence[InForce]) -> bool:
    """Whether the quorum of any policy is still missing somebody; a request that no policy asks for needs one approval."""
    decisions = record["decisions"]
    wanted = [approvals for held in asked if (approvals := held.policy.policy.approvals)]
    approved = any(decision["decision"] == Decision.APPROVE for decision in decisions)
    return not approved or any(missing_people(approvals, decisions) for approvals in wanted)


def _check_independent(connection: Connection, caller: Caller, subject: Subject, record: JsonObject) -> None:
    """Whoever has a hand in the matter does not decide about it, an administrator no more than others; nobody decides twice."""
    excluded = find_excluded(connection, caller.namespace_id, subject, record)
    if why := excluded.get(caller.principal):
        message = f"{caller.principal} {why}, so somebody else must decide (separation of duties)"
        raise PermissionDeniedError.at("", "not_independent", message)
    if any(decision["by"]["principal"] == caller.principal for decision in record["decisions"]):
        message = f"{caller.principal} has decided about this request already; the quorum counts distinct people"
        raise ConflictError.at("", "already_decided", message)
    if len(record["decisions"]) >= _DECISIONS_LIMIT:
        raise ConflictError.at("", "too_many_decisions", "the request has as many decisions as it may have")


def _signed(recorder: Recorder, record: JsonObject, document: NewDecision, roles: list[str]) -> JsonObject:
    """A decision as it stands in its request, with a signature where a signing secret was given."""
    caller = recorder.caller
    decision: JsonObject = {
        "by": described(caller),
        "roles": roles,
        "decision": document.decision.value,
        "reason": document.reason,
        "meaning": document.meaning,
        "decided_at": recorder.now,
        "binding": record["binding"],
        "signature": None,
    }
    needs = [wanted["policy"] for wanted in record["quorum"] if wanted["signed"]]
    if document.signing_secret is None:
        if needs:
            message = f"{', '.join(needs)} want signed decisions; sign with your signing secret (it was shown with your token)"
            raise InvalidDocumentError.at("/signing_secret", "signature_needed", message)
        return decision
    if needs and document.meaning is None:
        message = "say what your signature means, such as 'approval as independent validator'"
        raise InvalidDocumentError.at("/meaning", "meaning_needed", message)
    statement = {
        "statement": STATEMENT,
        "request": record["name"],
        "subject": record["subject"]["name"],
        "passage": record["passage"],
        "printed_name": caller.printed_name or caller.principal,
        **{name: decision[name] for name in ("decision", "reason", "meaning", "decided_at", "binding")},
        "principal": caller.principal,
    }
    return {**decision, "signature": sign_as(caller, document.signing_secret, statement)}


def execute(database: Database, caller: Caller, request_id: UUID) -> Shown:
    """Carry out an approved request; policies are asked again.

    Raises PolicyDeniedError, ConflictError.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        row, record = _lock_open(recorder, request_id)
        subject, _, superseded = _look_again(recorder, row, record)
        if superseded is not None:
            return superseded
        if record["status"] != "approved":
            message = "the request is not approved yet; studbook change show tells who is missing"
            raise ConflictError.at("", "not_approved", message)
        if (refused := _execute(recorder, record, subject)) is not None:
            return refused
        return show(_row(transaction.connection, caller.namespace_id, request_id)).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _execute(recorder: Recorder, record: JsonObject, subject: Subject) -> StudbookError | None:
    """Carry out what a request is about; the gate on the way uses its approvals, or refuses."""
    caller, passage = recorder.caller, Passage.parse(record["passage"])
    if caller.access is Access.READ:
        # Whoever approves need not be able to write: the act is the registry's own, on their word.
        recorder.caller = replace(caller, access=Access.WRITE)
    refused = _act(recorder, record, subject, passage)
    recorder.transaction.flush()
    if refused is None:
        row = _row(recorder.transaction.connection, caller.namespace_id, UUID(record["id"]))
        now = read_canonical(row.record)
        if now["status"] != "executed":
            used = {**now, "status": "executed", "executed_at": recorder.now, "executed_by": described(caller)}
            recorder.amend(Action.CHANGE_EXECUTED, row, used)
            recorder.transaction.flush()
    return refused


def _act(recorder: Recorder, record: JsonObject, subject: Subject, passage: Passage) -> StudbookError | None:
    version = subject.record
    match passage.gate:
        case Gate.PROMOTE:
            return point_alias(recorder, version["model"], passage.target, str(version["number"]))
        case Gate.DEPLOY:
            document = NewDeployment(version=version["name"], target=passage.target, **record["action"])
            deployed = stage_deployment(recorder, document)
            return deployed if isinstance(deployed, StudbookError) else None
        case Gate.ARCHIVE:
            place = parse_place(version["model"], str(version["number"]))
            row = reading.find_version(recorder.transaction.connection, recorder.caller.namespace_id, place, lock=True)
            assert row is not None  # noqa: S101 - the subject was just read; for the type checker
            return apply_patch(recorder, row, read_canonical(row.record), VersionPatch(archived=True))
        case _:
            return policies.stage_state(
                recorder, version["policy"], str(version["number"]), State(passage.target), record["reason"]
            )


def break_glass(database: Database, caller: Caller, request_id: UUID, document: GlassBreaking) -> Shown:
    """Carry out a request at once, without approvals and whatever policies say; a finding asks for the review.

    Raises PermissionDeniedError without the role 'break-glass': being an administrator is not enough.
    """
    require_exact_role(caller, {BREAK_GLASS}, "break glass")

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        connection, namespace_id = transaction.connection, caller.namespace_id
        row, record = _lock_open(recorder, request_id)
        subject = find_subject(connection, namespace_id, record["subject"]["name"], recorder.now)
        passage = Passage.parse(record["passage"])
        gates = Gates(connection, namespace_id, caller.namespace)
        verdict = gates.ask(question_about(connection, caller, passage, subject, recorder.now))
        broken = {
            **record,
            "status": "executed",
            "executed_at": recorder.now,
            "executed_by": described(caller),
            "closed_because": f"glass was broken: {document.reason}",
        }
        recorder.amend(Action.GLASS_BROKEN, row, broken, detail={"reason": document.reason})
        if verdict is not None:
            verdict.bypassed = True
            record_verdict(recorder, verdict)
        recorder.unguarded = True
        if (refused := _act(recorder, record, subject, passage)) is not None:
            raise refused
        stage_finding(
            recorder,
            {"name": subject.name, "id": str(subject.id)},
            title=f"break-glass: {passage} without its approvals",
            description=document.reason,
            severity="high",
            owner=caller.principal,
            due_at=_review_by(gates.matching(passage, subject), recorder.now),
            reviews=record["name"],
        )
        transaction.flush()
        return show(_row(connection, namespace_id, request_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _review_by(asked: Sequence[InForce], now: str) -> str:
    days = [held.policy.policy.approvals.break_glass_review_days for held in asked if held.policy.policy.approvals]
    return format_time(datetime.fromisoformat(now) + timedelta(days=min(days, default=_REVIEW_DAYS)))


def withdraw(database: Database, caller: Caller, request_id: UUID, document: NewWithdrawal) -> Shown:
    """Withdraw a request; its requester and administrators may."""

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        row, record = _lock_open(recorder, request_id, expired=True)
        if caller.principal != record["requester"]["principal"]:
            require_role(caller, "admin", "withdraw somebody else's request")
        recorder.amend(Action.CHANGE_CLOSED, row, {**record, "status": "withdrawn", "closed_because": document.reason})
        transaction.flush()
        return show(_row(transaction.connection, caller.namespace_id, request_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def get_request(connection: Connection, caller: Caller, request_id: UUID) -> Shown:
    """A request, and whether what it binds to is still so."""
    row = _row(connection, caller.namespace_id, request_id)
    record = read_canonical(row.record)
    if record["status"] not in OPEN:
        return show(row, {"current": None})
    now = format_time(datetime.now(UTC))
    subject = find_subject(connection, caller.namespace_id, record["subject"]["name"], now)
    gates = Gates(connection, caller.namespace_id, caller.namespace)
    passage = Passage.parse(record["passage"])
    asked = gates.matching(passage, subject)
    current = record["binding"] == binding_of(passage, subject, asked) and record["expires_at"] > now
    excluded = find_excluded(connection, caller.namespace_id, subject, record)
    verdict = gates.ask(question_about(connection, caller, passage, subject, now))
    more = {"current": current, "excluded": excluded, "verdict": verdict.as_json() if verdict else None}
    return show(row, more)


def _lock_open(recorder: Recorder, request_id: UUID, *, expired: bool = False) -> tuple[AnyRow, JsonObject]:
    """A request that can still be decided, locked.

    Raises NotFoundError, ConflictError.
    """
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    row = storage.find_statement(connection, Kind.CHANGE_REQUEST, namespace_id, request_id, lock=True)
    if row is None:
        raise NotFoundError(f"there is no change request with the id {request_id}")
    record = read_canonical(row.record)
    if record["status"] not in OPEN:
        message = f"the request is {record['status']}; nothing can be decided about it any more"
        raise ConflictError.at("", "request_closed", message)
    if not expired and record["expires_at"] <= recorder.now:
        message = f"the request expired at {record['expires_at']}; ask anew"
        raise ConflictError.at("", "request_expired", message)
    return row, record


def _look_again(recorder: Recorder, row: AnyRow, record: JsonObject) -> tuple[Subject, Sequence[InForce], StudbookError | None]:
    """The subject and the policies as they are now; a request that bound to others is superseded, with its decisions."""
    connection, caller = recorder.transaction.connection, recorder.caller
    subject = find_subject(connection, caller.namespace_id, record["subject"]["name"], recorder.now)
    passage = Passage.parse(record["passage"])
    asked = Gates(connection, caller.namespace_id, caller.namespace).matching(passage, subject)
    if binding_of(passage, subject, asked) == record["binding"]:
        return subject, asked, None
    message = (
        f"{record['subject']['name']} or the policies about {passage} have changed since the request was made, "
        "so its decisions do not hold; make a new one"
    )
    recorder.amend(Action.CHANGE_CLOSED, row, {**record, "status": "superseded", "closed_because": message})
    return subject, asked, ConflictError.at("", "superseded", message)


def _row(connection: Connection, namespace_id: int, request_id: UUID) -> AnyRow:
    row = storage.find_statement(connection, Kind.CHANGE_REQUEST, namespace_id, request_id)
    if row is None:
        raise NotFoundError(f"there is no change request with the id {request_id}")
    return row
