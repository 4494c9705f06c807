"""Approvals: what a request binds to, whose decisions count, and whether they make a quorum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from studbook.domain.canonical import canonical_json, read_canonical
from studbook.domain.governance import Decision
from studbook.domain.names import Kind
from studbook.governance.policy import State
from studbook.governance.quorum import find_missing
from studbook.services.governance.people import find_involved
from studbook.storage import governance as storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.governance.evaluation import CompiledPolicy
    from studbook.governance.gates import Passage
    from studbook.governance.policy import Approvals
    from studbook.services.governance.subjects import Subject
    from studbook.storage.graph import AnyRow

OPEN = ("open", "approved")


@dataclass(frozen=True, slots=True)
class InForce:
    """A version of a policy that is asked."""

    name: str
    number: int
    digest: str
    state: State
    policy: CompiledPolicy


class Asking(Protocol):
    """A question at a gate, as far as approvals go."""

    passage: Passage
    subject: Subject
    now: str


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why the approvals are not there, and how they can be had."""

    message: str
    remediation: str


@dataclass(slots=True)
class Support:
    """The request that stands behind an action, and the decisions about it that count."""

    passage: str
    subject: str
    row: AnyRow | None = None
    request: JsonObject | None = None
    # Why the newest request does not help, if it does not.
    fault: str | None = None
    counted: list[JsonObject] = field(default_factory=list)

    def facts(self) -> list[JsonObject]:
        """The decisions, as rules see them."""
        name = self.request["name"] if self.request else None
        return [
            {
                "request": name,
                "by": decision["by"]["principal"],
                "role": role,
                "decision": decision["decision"],
                "decided_at": decision["decided_at"],
                "signed": decision["signature"] is not None,
            }
            for decision in self.counted
            for role in decision["roles"]
        ]

    def find_lacking(self, approvals: Approvals) -> Lacking | None:
        """What is missing of a policy's approvals."""
        missing = missing_people(approvals, self.counted)
        if not missing:
            return None
        wanted = " and ".join(f"{entry.count} {entry.role}" for entry in approvals.quorum)
        still = ", ".join(f"{count} {role}" for role, count in missing.items())
        signed = "signed " if approvals.signed else ""
        asked = f"studbook change request {self.subject} --gate {self.passage} --reason …"
        if self.request is None:
            reason = self.fault or "nobody has requested them"
            return Lacking(f"this needs the {signed}approval of {wanted}; {reason}", asked)
        remedy = f"studbook change approve {self.request['id']} --reason …"
        return Lacking(f"this needs the {signed}approval of {wanted}; still missing: {still}", remedy)


def missing_people(approvals: Approvals, decisions: Iterable[JsonObject]) -> dict[str, int]:
    """How many are missing in each role where these decisions count; only signed ones where signing is asked for."""
    people = {
        decision["by"]["principal"]: frozenset(decision["roles"])
        for decision in decisions
        if decision["decision"] == Decision.APPROVE and (decision["signature"] is not None or not approvals.signed)
    }
    return find_missing(approvals.quorum, people)


def binding_of(passage: Passage, subject: Subject, asked: Sequence[InForce]) -> str:
    """What an approval binds to: the version as it is, where it shall go, and the policies that will be asked, by digest."""
    bound = {
        "passage": str(passage),
        "subject": hashlib.sha256(canonical_json(subject.record)).hexdigest(),
        "policies": [[held.name, held.number, held.digest, held.state.value] for held in asked if held.state is not State.AUDIT],
    }
    return f"sha256:{hashlib.sha256(canonical_json(bound)).hexdigest()}"


def find_support(connection: Connection, namespace_id: int, question: Asking, asked: Sequence[InForce]) -> Support:
    """The newest open request for exactly this action, if it binds to what is there now and has not expired."""
    subject, passage = question.subject, str(question.passage)
    support = Support(passage, subject.name)
    if subject.id is None or not any(held.policy.policy.approvals or "approvals" in held.policy.reads for held in asked):
        return support
    rows = storage.list_about(connection, Kind.CHANGE_REQUEST, namespace_id, [subject.id], OPEN)
    binding = binding_of(question.passage, subject, asked)
    for row in reversed(rows):
        request = read_canonical(row.record)
        if request["passage"] != passage:
            continue
        if request["expires_at"] <= question.now:
            support.fault = support.fault or f"{request['name']} expired at {request['expires_at']}"
        elif request["binding"] != binding:
            support.fault = support.fault or (
                f"{request['name']} was for another state of the version or of the policies, so its decisions do not count"
            )
        else:
            support.row, support.request = row, request
            excluded = find_excluded(connection, namespace_id, subject, request)
            support.counted = [decision for decision in request["decisions"] if decision["by"]["principal"] not in excluded]
            break
    return support


def find_excluded(connection: Connection, namespace_id: int, subject: Subject, request: JsonObject) -> dict[str, str]:
    """Who may not decide about a request, by principal: whoever made it or had a hand in the version."""
    versioned = subject.kind is Kind.MODEL_VERSION
    involved = find_involved(connection, namespace_id, subject.record) if versioned else {}
    return {**involved, request["requester"]["principal"]: "requested it"}
