"""Waivers: a rule is not held against something for a while, on the word of two people who are not its beneficiaries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.documents import Access
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError, PermissionDeniedError
from studbook.domain.events import Action
from studbook.domain.governance import Decision
from studbook.domain.ids import new_id
from studbook.domain.names import ByNumber, Kind, parse_reference, policy_name
from studbook.domain.types import format_time
from studbook.services.governance.gates import load_in_force
from studbook.services.governance.people import described, find_involved, require_exact_role, require_role
from studbook.services.governance.statements import get_row
from studbook.services.governance.waiving import UNWAIVABLE
from studbook.services.reading import Shown, get_record, show
from studbook.services.recording import Recorder, heading
from studbook.storage import governance as storage
from studbook.storage import reading
from studbook.storage.references import Found

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.governance import NewWaiver, NewWithdrawal, Scope, WaiverDecision
    from studbook.governance.policy import Waivable
    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

_APPROVERS: Final = 2


def request(database: Database, caller: Caller, document: NewWaiver) -> Shown:
    """Ask that a rule be waived; it is so when two people of the policy's roles approve.

    Raises NotFoundError, InvalidDocumentError for a rule that is not waivable, or not for so long.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        recorder = Recorder(transaction, caller)
        head = storage.find_policy(connection, namespace_id, document.policy)
        if head is None:
            raise NotFoundError(f"there is no policy {document.policy!r}")
        waivable = _waivable(connection, namespace_id, document.policy, document.rule)
        latest = format_time(datetime.fromisoformat(recorder.now) + timedelta(days=waivable.max_days))
        if not recorder.now < document.ends_at <= latest:
            message = f"this policy lets a rule be waived for {waivable.max_days} days, that is until {latest} at the latest"
            raise InvalidDocumentError.at("/ends_at", "bad_end", message)
        scope = _scope(connection, namespace_id, document.scope)
        waiver_id = new_id()
        record: JsonObject = {
            **heading(recorder, Kind.WAIVER, Found(waiver_id, Kind.WAIVER, f"waivers/{waiver_id}")),
            "subject": {"name": policy_name(document.policy), "id": str(head.id)},
            "policy": document.policy,
            "rule": document.rule,
            "scope": scope,
            "reason": document.reason,
            "compensating_control": document.compensating_control,
            "ends_at": document.ends_at,
            "tickets": list(document.tickets),
            "requester": described(caller),
            "approvers": sorted(waivable.by),
            "renewals": _count_earlier(connection, namespace_id, head.id, document, scope),
            "decisions": [],
            "status": "requested",
            "closed_because": None,
        }
        recorder.register(Action.WAIVER_REQUESTED, record)
        transaction.flush()
        return show(get_row(connection, Kind.WAIVER, caller, waiver_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _waivable(connection: Connection, namespace_id: int, policy: str, rule: str) -> Waivable:
    """What the policy in force says of waivers of a rule."""
    for held in load_in_force(connection, namespace_id):
        if held.name == policy and any(known.id == rule for known in held.policy.policy.rules):
            if held.policy.policy.waivable is None or rule in UNWAIVABLE:
                message = f"the policy {policy!r} does not let its rules be waived"
                raise InvalidDocumentError.at("/rule", "not_waivable", message)
            return held.policy.policy.waivable
    message = f"no version of {policy!r} that is asked has a rule {rule!r}"
    raise InvalidDocumentError.at("/rule", "unknown_rule", message)


def _scope(connection: Connection, namespace_id: int, scope: Scope) -> JsonObject:
    if scope.version is not None:
        found = get_record(connection, namespace_id, parse_reference(scope.version), scope.version)
        if found.kind is not Kind.MODEL_VERSION:
            raise InvalidDocumentError.at("/scope/version", "wrong_kind", f"{found.name} is no model version")
        return {"kind": "version", "name": found.name, "id": str(found.id)}
    if scope.model is not None:
        row = reading.find_by_name(connection, Kind.MODEL, namespace_id, scope.model)
        if row is None:
            raise NotFoundError(f"there is no model {scope.model!r}")
        return {"kind": "model", "name": scope.model, "id": str(row.id)}
    return {"kind": "namespace", "name": None, "id": None}


def _count_earlier(connection: Connection, namespace_id: int, policy_id: UUID, document: NewWaiver, scope: JsonObject) -> int:
    """How often the same was waived before: a waiver that is renewed again and again is a rule nobody keeps."""
    rows = storage.list_about(connection, Kind.WAIVER, namespace_id, [policy_id], ["active", "revoked"])
    earlier = [read_canonical(row.record) for row in rows]
    return sum(record["rule"] == document.rule and record["scope"] == scope for record in earlier)


def decide(database: Database, caller: Caller, waiver_id: UUID, document: WaiverDecision) -> Shown:
    """Approve or reject a waiver; the second approval makes it hold.

    Raises PermissionDeniedError for whoever asked for it or had a hand in what it is for, and for those without the role.
    """

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        row, record = _lock(transaction, caller, waiver_id, "requested")
        held = require_exact_role(caller, set(record["approvers"]), "decide about this waiver")
        _check_independent(transaction.connection, caller, record)
        if record["ends_at"] <= recorder.now:
            raise ConflictError.at("", "waiver_over", "the waiver would be over already; ask for a new one")
        decision = {
            "by": described(caller),
            "roles": sorted(held),
            "decision": document.decision.value,
            "reason": document.reason,
            "decided_at": recorder.now,
        }
        changed = {**record, "decisions": [*record["decisions"], decision]}
        if document.decision is Decision.REJECT:
            changed |= {"status": "rejected", "closed_because": document.reason}
        elif len(changed["decisions"]) >= _APPROVERS:
            changed["status"] = "active"
        recorder.amend(Action.WAIVER_DECIDED, row, changed)
        transaction.flush()
        return show(get_row(transaction.connection, Kind.WAIVER, caller, waiver_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _check_independent(connection: Connection, caller: Caller, record: JsonObject) -> None:
    """Neither whoever asked nor whoever has a hand in the version decides, and nobody twice."""
    beneficiaries = {record["requester"]["principal"]: "asked for it"}
    scope = record["scope"]
    if scope["kind"] == "version":
        row = reading.find_by_id(connection, Kind.MODEL_VERSION, caller.namespace_id, UUID(scope["id"]))
        if row is not None:
            beneficiaries |= find_involved(connection, caller.namespace_id, read_canonical(row.record))
    elif scope["kind"] == "model":
        row = reading.find_version(connection, caller.namespace_id, ByNumber(Kind.MODEL_VERSION, scope["name"], None))
        if row is not None:
            beneficiaries |= find_involved(connection, caller.namespace_id, read_canonical(row.record))
    if why := beneficiaries.get(caller.principal):
        message = f"{caller.principal} {why}, so somebody else must decide about the waiver"
        raise PermissionDeniedError.at("", "not_independent", message)
    if any(decision["by"]["principal"] == caller.principal for decision in record["decisions"]):
        message = f"{caller.principal} has decided about this waiver already; it takes {_APPROVERS} people"
        raise ConflictError.at("", "already_decided", message)


def revoke(database: Database, caller: Caller, waiver_id: UUID, document: NewWithdrawal) -> Shown:
    """End a waiver, or its request, before its time; its requester, its approvers and administrators may."""

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        row, record = _lock(transaction, caller, waiver_id, "requested", "active")
        if caller.principal != record["requester"]["principal"] and not caller.roles.intersection(record["approvers"]):
            require_role(caller, "admin", "revoke somebody else's waiver")
        recorder.amend(Action.WAIVER_REVOKED, row, {**record, "status": "revoked", "closed_because": document.reason})
        transaction.flush()
        return show(get_row(transaction.connection, Kind.WAIVER, caller, waiver_id)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _lock(transaction: Transaction, caller: Caller, waiver_id: UUID, *status: str) -> tuple[AnyRow, JsonObject]:
    row = storage.find_statement(transaction.connection, Kind.WAIVER, caller.namespace_id, waiver_id, lock=True)
    if row is None:
        raise NotFoundError(f"there is no waiver with the id {waiver_id}")
    record = read_canonical(row.record)
    if record["status"] not in status:
        raise ConflictError.at("", "waiver_closed", f"the waiver is {record['status']}; ask for a new one")
    return row, record
