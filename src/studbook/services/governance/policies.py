"""Policies as records: drafted, then asked (audit, warn, enforce), then retired. What is asked never changes in what it says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import JsonObject, canonical_json, read_canonical
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError, StudbookError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, policy_name
from studbook.governance.checking import find_policy_faults, run_policy_tests
from studbook.governance.gates import Gate, Passage
from studbook.governance.library import list_packs, load_pack
from studbook.governance.policy import Policy, State
from studbook.schemas.standards import list_standards, load_standard
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.people import POLICY_ADMIN, require_role
from studbook.services.governance.subjects import plain_subject
from studbook.services.reading import LATEST, Shown, missing_policy, number_at, show
from studbook.services.recording import Recorder, check_match, heading
from studbook.storage import governance as storage
from studbook.storage import schemas
from studbook.storage.references import Found

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.errors import Violation
    from studbook.domain.governance import NewAdoption, PolicyTransition
    from studbook.services.caller import Caller
    from studbook.services.governance.subjects import Subject
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

# Names of the policies that Studbook ships.
RESERVED_PREFIX: Final = "studbook."
_ASKED: Final = frozenset({State.AUDIT, State.WARN, State.ENFORCE})


def draft(database: Database, caller: Caller, policy: Policy, if_match: str | None = None) -> Shown:
    """Keep a policy as a draft: the next version of its name, or in place of the draft there is.

    Raises InvalidDocumentError with every fault of its expressions.
    """
    require_role(caller, POLICY_ADMIN, "change policies")
    if policy.name.startswith(RESERVED_PREFIX):
        message = f"names that begin with {RESERVED_PREFIX!r} are those of the policies that Studbook ships; choose another"
        raise InvalidDocumentError.at("/name", "reserved_name", message)
    with database.read() as connection:
        check(connection, caller.namespace_id, policy)
    return database.work.run(  # type: ignore[no-any-return]
        lambda transaction: _stage_draft(Recorder(transaction, caller), policy, if_match)
    )


def check(connection: Connection, namespace_id: int, policy: Policy) -> None:
    """Raise InvalidDocumentError for expressions that are misspelt, of the wrong type, without bound, or true of nothing."""
    if faults := find_policy_faults(policy, attributes_schema(connection, namespace_id, policy)):
        raise InvalidDocumentError(f"the policy has {len(faults)} fault(s); nothing was stored", faults)


def attributes_schema(connection: Connection, namespace_id: int, policy: Policy) -> JsonObject | None:
    """The JSON Schema that attributes are checked against: that of the one definition which the policy is asked about."""
    names = policy.match.schemas or ()
    if len(names) != 1 or "*" in names[0]:
        return None
    head = schemas.find_definition(connection, namespace_id, names[0])
    published = schemas.list_published(connection, namespace_id, [head.id]) if head is not None else []
    if published:
        held = published[-1]
        record = read_canonical(storage.find_records(connection, Kind.SCHEMA_VERSION, namespace_id, [held.id])[held.id])
        schema = record["json_schema"]
    elif names[0] in list_standards():
        schema = load_standard(names[0]).json_schema
    else:
        message = f"there is no schema definition {names[0]!r} whose attributes the rules could be checked against"
        raise InvalidDocumentError.at("/match/schemas/0", "unknown_schema", message)
    return schema if isinstance(schema, dict) else None


def test(connection: Connection, namespace_id: int, policy: Policy) -> list[Violation]:
    """What the policy's own tests find wrong."""
    return run_policy_tests(policy, attributes_schema(connection, namespace_id, policy))


def _stage_draft(recorder: Recorder, policy: Policy, if_match: str | None) -> Shown:
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    head = storage.find_policy(connection, namespace_id, policy.name, lock=True) or _stage_policy(recorder, policy)
    last = storage.find_policy_version(connection, namespace_id, head.id, head.last_version, lock=True)
    if last is not None and last.status == State.DRAFT:
        check_match(if_match, last.revision)
        record = {**read_canonical(last.record), **_content(policy)}
        if record != read_canonical(last.record):
            recorder.amend(Action.POLICY_REDRAFTED, last, record)
    elif last is None or read_canonical(last.record)["digest"] != _content(policy)["digest"] or last.status == State.RETIRED:
        _stage_version(recorder, head, policy)
    recorder.transaction.flush()
    return get_version(connection, namespace_id, policy.name, LATEST).after(recorder)


def _stage_policy(recorder: Recorder, policy: Policy) -> AnyRow:
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    found = Found(new_id(), Kind.POLICY, policy_name(policy.name))
    record = {**heading(recorder, Kind.POLICY, found), "policy": policy.name}
    recorder.register(Action.POLICY_CREATED, record, more={"last_version": 0})
    recorder.transaction.flush()
    head = storage.find_policy(connection, namespace_id, policy.name, lock=True)
    assert head is not None  # noqa: S101 - it was just stored; for the type checker
    return head


def _stage_version(recorder: Recorder, head: AnyRow, policy: Policy) -> None:
    number = head.last_version + 1
    found = Found(new_id(), Kind.POLICY_VERSION, f"{policy_name(policy.name)}/versions/{number}")
    record = {
        **heading(recorder, Kind.POLICY_VERSION, found),
        "policy": policy.name,
        "number": number,
        "status": State.DRAFT.value,
        "state_reason": None,
        **_content(policy),
    }
    recorder.register(Action.POLICY_DRAFTED, record, belongs_to=head.id)
    recorder.transaction.flush()
    storage.count_policy_version(recorder.transaction.connection, recorder.caller.namespace_id, head.id, number)


def _content(policy: Policy) -> JsonObject:
    """What a version says, and the digest of it."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"document": document, "digest": f"sha256:{hashlib.sha256(canonical_json(document)).hexdigest()}"}


def move(
    database: Database, caller: Caller, name: str, place: str, document: PolicyTransition, if_match: str | None = None
) -> Shown:
    """Let a version be asked (audit, warn, enforce), or retire it; the version that had the state before is retired.

    Raises ConflictError for a draft whose own tests fail, and for one that is retired.
    """
    require_role(caller, POLICY_ADMIN, "change policies")

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        if refused := stage_state(recorder, name, place, State(document.state), document.reason, if_match):
            return refused
        transaction.flush()
        return get_version(transaction.connection, caller.namespace_id, name, place).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def stage_state(
    recorder: Recorder, name: str, place: str, state: State, reason: str | None, if_match: str | None = None
) -> StudbookError | None:
    """Stage that a version of a policy has another state, if policies allow it; returns their refusal."""
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    head, row = find_version_row(connection, namespace_id, name, place, lock=True)
    check_match(if_match, row.revision)
    record = read_canonical(row.record)
    if row.status == state:
        return None
    if row.status == State.RETIRED:
        message = f"{record['name']} is retired; draft what it says anew: a version is asked once in its life"
        raise ConflictError.at("/state", "policy_retired", message)
    if row.status == State.DRAFT and state in _ASKED:
        _check_ready(connection, namespace_id, Policy.model_validate(record["document"]))
    question = Question(Passage(Gate.POLICY, state.value), policy_subject(record), recorder.caller, recorder.now, reason=reason)
    if refused := pass_gate(recorder, question):
        return refused
    if state in _ASKED:
        for other in storage.lock_in_force(connection, namespace_id, head.id):
            if other.id != row.id and other.status == state:
                retired = {**read_canonical(other.record), "status": State.RETIRED.value}
                retired["state_reason"] = f"version {row.number} took its place"
                recorder.amend(Action.POLICY_STATE_CHANGED, other, retired)
    recorder.amend(Action.POLICY_STATE_CHANGED, row, {**record, "status": state.value, "state_reason": reason})
    return None


def policy_subject(record: JsonObject) -> Subject:
    """A version of a policy as rules about policies see it: what it says, its number, and the state that it has."""
    shown = {**record, **record["document"], "name": record["name"], "state": record["status"]}
    subject = plain_subject(Kind.POLICY_VERSION, shown)
    subject.record = record
    return subject


def _check_ready(connection: Connection, namespace_id: int, policy: Policy) -> None:
    """Raise ConflictError unless a policy's own tests pass, and there are some for its rules."""
    if policy.rules and not policy.tests:
        message = "a policy is asked only when it was tested: give it 'tests' with an object that passes and one that does not"
        raise ConflictError.at("/tests", "policy_untested", message)
    check(connection, namespace_id, policy)
    if faults := test(connection, namespace_id, policy):
        raise ConflictError(f"{len(faults)} of the policy's own tests fail, so it is not asked", faults)


def list_shipped(connection: Connection, namespace_id: int) -> JsonObject:
    """The packs that Studbook ships, and which of their policies are asked in the namespace."""
    items = []
    for name in list_packs():
        pack = load_pack(name)
        states = {}
        for policy in pack.policies:
            head = storage.find_policy(connection, namespace_id, policy.name)
            row = storage.find_policy_version(connection, namespace_id, head.id, head.last_version) if head else None
            states[policy.name] = row.status if row is not None else None
        items.append(
            {
                "pack": name,
                "title": pack.title,
                "description": pack.description,
                "rules": sum(len(policy.rules) for policy in pack.policies),
                "policies": [{"policy": policy, "state": state} for policy, state in states.items()],
            }
        )
    return {"items": items}


def adopt(database: Database, caller: Caller, name: str, document: NewAdoption) -> list[Shown]:
    """Take up a shipped pack: its policies are asked from now on, with the given parameters, about what is named alone.

    Raises NotFoundError for a pack that Studbook does not ship, InvalidDocumentError for parameters that no policy has.
    """
    require_role(caller, POLICY_ADMIN, "change policies")
    if name not in list_packs():
        raise NotFoundError(f"Studbook ships no pack {name[:128]!r}; there are {', '.join(list_packs())}")
    policies, state = load_pack(name).policies, State(document.state)
    if unknown := sorted(set(document.params) - {key for policy in policies for key in policy.params}):
        known = ", ".join(sorted({key for policy in policies for key in policy.params})) or "none"
        message = f"no policy of this pack has the parameter {unknown[0]!r}; they have {known}"
        raise InvalidDocumentError.at(f"/params/{unknown[0]}", "unknown_parameter", message)
    chosen = [_adapted(policy, document) for policy in policies]
    with database.read() as connection:
        for policy in chosen:
            check(connection, caller.namespace_id, policy)

    def change(transaction: Transaction) -> list[Shown] | StudbookError:
        shown = []
        for policy in chosen:
            recorder = Recorder(transaction, caller)
            _stage_draft(recorder, policy, None)
            if refused := stage_state(recorder, policy.name, LATEST, state, f"the pack {name!r} was adopted"):
                return refused
            transaction.flush()
            shown.append(get_version(transaction.connection, caller.namespace_id, policy.name, LATEST).after(recorder))
        return shown

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _adapted(policy: Policy, document: NewAdoption) -> Policy:
    """A shipped policy with parameters of somebody's own, asked about some models or targets only."""
    params = {**policy.params, **{key: value for key, value in document.params.items() if key in policy.params}}
    aimed = {Gate.PROMOTE, Gate.DEPLOY}.issuperset(policy.match.gates)
    match = {
        **policy.match.model_dump(mode="json", exclude_none=True),
        **({"models": document.models} if document.models else {}),
        **({"targets": document.targets} if document.targets and aimed else {}),
    }
    return Policy.model_validate({**policy.model_dump(by_alias=True), "params": params, "match": match})


def get_policy(connection: Connection, namespace_id: int, name: str) -> Shown:
    """A policy with the number of its latest version."""
    row = storage.find_policy(connection, namespace_id, name)
    if row is None:
        raise missing_policy(name)
    return show(row, {"latest_version": row.last_version or None})


def get_version(connection: Connection, namespace_id: int, name: str, place: str) -> Shown:
    """A version of a policy by its number, or `latest`."""
    return show(find_version_row(connection, namespace_id, name, place)[1])


def load_policy(connection: Connection, namespace_id: int, name: str, place: str) -> tuple[JsonObject, Policy]:
    """A version's record, and the policy that it says."""
    record = read_canonical(find_version_row(connection, namespace_id, name, place)[1].record)
    return record, Policy.model_validate(record["document"])


def find_version_row(
    connection: Connection, namespace_id: int, name: str, place: str, *, lock: bool = False
) -> tuple[AnyRow, AnyRow]:
    """The rows of a policy and of one of its versions (a number, or `latest`).

    Raises NotFoundError, InvalidDocumentError.
    """
    head = storage.find_policy(connection, namespace_id, name, lock=lock)
    if head is None:
        raise missing_policy(name)
    number = number_at(place, head.last_version, "policy")
    row = storage.find_policy_version(connection, namespace_id, head.id, number, lock=lock)
    if row is None:
        raise NotFoundError(f"the policy {name!r} has no version {number}")
    return head, row
