"""Gates: every action that policies may refuse passes here, in the transaction that would carry it out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.errors import PolicyDeniedError, StudbookError, Violation
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.governance.evaluation import CompiledPolicy, Facts, evaluate_all, matches
from studbook.governance.gates import Gate, Passage
from studbook.governance.policy import Effect, Policy, State
from studbook.services.governance.approving import InForce, find_support
from studbook.services.governance.pedigree import NODE_LIMIT
from studbook.services.governance.people import described
from studbook.services.governance.subjects import NOTHING, Subject, given
from studbook.services.governance.waiving import find_waivers
from studbook.services.recording import heading
from studbook.storage import governance as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.governance.evaluation import RuleResult
    from studbook.services.caller import Caller
    from studbook.services.recording import Recorder
    from studbook.storage.graph import AnyRow

BUILT_IN: Final = "studbook.built-in"
# How long all rules of one question may take together.
_SECONDS: Final = 1.0
_KEPT: Final = 2000
_CEILING: Final = {State.ENFORCE: Effect.DENY, State.WARN: Effect.WARN, State.AUDIT: Effect.AUDIT}
_STRICTNESS: Final = {Effect.AUDIT: 0, Effect.WARN: 1, Effect.DENY: 2}
# The actions that a recall or a blocking finding upstream stands against.
_GUARDED: Final = frozenset({Gate.PROMOTE, Gate.DEPLOY})
_OPEN_LIMIT: Final = 10_000


@dataclass(slots=True)
class Question:
    """What a gate is asked: whether a caller may do something with a subject."""

    passage: Passage
    subject: Subject
    caller: Caller
    now: str
    # The version that the alias or target has now.
    current: Callable[[], JsonObject] = lambda: NOTHING
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A rule that was not met, and what came of that."""

    policy: str
    rule: str
    effect: Effect
    outcome: str
    message: str
    field: str | None = None
    remediation: str | None = None
    severity: str | None = None
    controls: tuple[str, ...] = ()
    # The waiver that stands against it.
    waiver: str | None = None

    def as_json(self) -> JsonObject:
        """As it stands in a verdict."""
        return {
            "rule": self.rule,
            "effect": self.effect.value,
            "outcome": self.outcome,
            "message": self.message,
            "field": self.field,
            "remediation": self.remediation,
            "severity": self.severity,
            "controls": list(self.controls),
            "waiver": self.waiver,
        }

    def as_violation(self) -> Violation:
        """As it stands in a problem document."""
        mend = f" ({self.remediation})" if self.remediation else ""
        return Violation(self.field or "", f"{self.policy}/{self.rule}", f"{self.message}{mend}")


@dataclass(frozen=True, slots=True)
class Judged:
    """What one version of a policy says."""

    policy: str
    version: int
    digest: str
    state: str
    rules: int
    failed: tuple[Failed, ...]

    def as_json(self) -> JsonObject:
        """As it stands in a verdict."""
        return {
            "policy": self.policy,
            "version": self.version,
            "digest": self.digest,
            "state": self.state,
            "rules": self.rules,
            "failed": [failed.as_json() for failed in self.failed],
        }


@dataclass(slots=True)
class Verdict:
    """The answer to a question: what every policy says, and what follows."""

    question: Question
    judged: list[Judged]
    inputs_digest: str
    facts: list[str]
    # The request whose approvals were counted.
    request: JsonObject | None = None
    # Its row, to be amended once it is used.
    request_row: AnyRow | None = None
    bypassed: bool = False
    failed: list[Failed] = field(init=False)

    def __post_init__(self) -> None:
        """Gather what was not met."""
        self.failed = [failed for judged in self.judged for failed in judged.failed]

    @property
    def outcome(self) -> str:
        """`allow`, `warn` or `deny`."""
        effects = {failed.effect for failed in self.failed if failed.waiver is None}
        if Effect.DENY in effects:
            return "deny"
        return "warn" if Effect.WARN in effects else "allow"

    def as_json(self) -> JsonObject:
        """As an answer shows it."""
        subject = self.question.subject
        return {
            "gate": self.question.passage.gate.value,
            "target": self.question.passage.target or None,
            "subject": {"name": subject.name, "id": str(subject.id) if subject.id else None},
            "outcome": self.outcome,
            "policies": [judged.as_json() for judged in self.judged],
            "inputs": {"digest": self.inputs_digest, "facts": self.facts},
            "request": self.request["name"] if self.request else None,
            "bypassed": self.bypassed,
            "by": {"actor": self.question.caller.actor, "principal": self.question.caller.principal},
        }


# Policies by the digest of what they say, compiled; and by version and revision: in force, nothing but the state changes.
_compiled: Final[dict[str, CompiledPolicy]] = {}
_known: Final[dict[tuple[UUID, int], tuple[str, str, CompiledPolicy]]] = {}


def compile_document(digest: str, document: JsonObject) -> CompiledPolicy:
    """A policy ready to be asked, compiled once."""
    found = _compiled.get(digest)
    if found is None:
        if len(_compiled) >= _KEPT:
            _compiled.clear()
        found = _compiled[digest] = CompiledPolicy(Policy.model_validate(document))
    return found


class Gates:
    """The policies in force in a namespace, as one transaction sees them."""

    def __init__(self, connection: Connection, namespace_id: int, namespace: str) -> None:
        self._connection = connection
        self._namespace_id = namespace_id
        self._namespace = namespace
        self.in_force = load_in_force(connection, namespace_id)

    @cached_property
    def obstacles(self) -> list[tuple[Kind, JsonObject]]:
        """The open recalls and blocking findings of the namespace."""
        found = []
        for kind in (Kind.RECALL, Kind.FINDING):
            rows = storage.list_with_status(self._connection, kind, self._namespace_id, "open", _OPEN_LIMIT)
            found += [(kind, record) for row in rows if (record := read_canonical(row.record)).get("blocks", True)]
        return found

    def concern(self, gate: Gate) -> bool:
        """Whether anything could be said at a gate, so that it is worth asking."""
        return bool(self.obstacles) or any(gate in held.policy.policy.match.gates for held in self.in_force)

    def matching(self, passage: Passage, subject: Subject) -> list[InForce]:
        """The policies that are asked about this."""
        return [
            held
            for held in self.in_force
            if matches(held.policy.policy.match, passage, subject.model, self._namespace, subject.definition)
        ]

    def ask(self, question: Question) -> Verdict | None:
        """What the policies say; None when there is none to ask and nothing stands against it."""
        asked = self.matching(question.passage, question.subject)
        built_in = self._find_obstacles(question)
        if not asked and built_in is None:
            return None
        support = find_support(self._connection, self._namespace_id, question, asked)
        facts = Facts(
            given(question.passage, question.caller, datetime.fromisoformat(question.now), question.reason),
            {**question.subject.facts, "current": question.current, "approvals": support.facts},
        )
        deadline = time.monotonic() + _SECONDS
        waivers = find_waivers(self._connection, self._namespace_id, question.now) if asked else None
        judged = [] if built_in is None else [built_in]
        for held, result in zip(asked, evaluate_all([held.policy for held in asked], facts, deadline), strict=True):
            if not result.applied:
                continue
            ceiling = _CEILING[held.state]
            failed = [_failed(held, one, ceiling) for one in result.failures]
            if (approvals := held.policy.policy.approvals) and (lacking := support.find_lacking(approvals)):
                effect = _least(ceiling, held.policy.policy.effect)
                failed.append(Failed(held.name, "approvals", effect, "fail", lacking.message, None, lacking.remediation))
            if waivers is not None:
                failed = [waivers.apply(one, held.policy.policy, question.subject) for one in failed]
            judged.append(Judged(held.name, held.number, held.digest, held.state.value, result.rules, tuple(failed)))
        if not judged:
            return None
        return Verdict(question, judged, facts.inputs_digest(), sorted(facts.used), support.request, support.row)

    def _find_obstacles(self, question: Question) -> Judged | None:
        """Recalls and blocking findings that stand against an action, on the version or upstream of it."""
        subject, gate = question.subject, question.passage.gate
        if subject.pedigree is None or gate not in _GUARDED | {Gate.REGISTER}:
            return None
        effect = Effect.DENY if gate in _GUARDED else Effect.WARN
        failed = [
            (_recalled if kind is Kind.RECALL else _found)(record, path, effect)
            for kind, record, path in self.find_reaching(subject)
        ]
        if self.obstacles and subject.pedigree.nodes and subject.pedigree.truncated:
            # What was not looked at may have been recalled.
            message = f"more lies upstream than the {NODE_LIMIT:,} records that are looked at, and some records are recalled"
            failed.append(Failed(BUILT_IN, "pedigree", effect, "error", message, None, "resolve the open recalls and findings"))
        return Judged(BUILT_IN, 1, "", State.ENFORCE.value, len(failed), tuple(failed)) if failed else None

    def find_reaching(self, subject: Subject) -> Iterator[tuple[Kind, JsonObject, list[str]]]:
        """The open recalls and blocking findings on a version and upstream of it, each with the way to it."""
        for kind, record in self.obstacles:
            record_id = UUID(record["subject"]["id"])
            if record_id == subject.id:
                yield kind, record, []
            elif subject.pedigree is not None and (node := subject.pedigree.find(record_id)) is not None:
                yield kind, record, node.path


def load_in_force(connection: Connection, namespace_id: int) -> list[InForce]:
    """The policies that are asked in a namespace, by name."""
    rows = storage.list_in_force(connection, namespace_id)
    fresh = [row.id for row in rows if (row.id, row.revision) not in _known]
    records = storage.find_records(connection, Kind.POLICY_VERSION, namespace_id, fresh) if fresh else {}
    found = []
    for row in rows:
        name, digest, policy = _known.get((row.id, row.revision)) or _remember(row, read_canonical(records[row.id]))
        found.append(InForce(name, row.number, digest, State(row.status), policy))
    return sorted(found, key=lambda held: (held.name, held.number))


def _remember(row: AnyRow, record: JsonObject) -> tuple[str, str, CompiledPolicy]:
    if len(_known) >= _KEPT:
        _known.clear()
    policy = compile_document(record["digest"], record["document"])
    known = _known[row.id, row.revision] = (record["policy"], record["digest"], policy)
    return known


def _failed(held: InForce, result: RuleResult, ceiling: Effect) -> Failed:
    effect = Effect.AUDIT if result.outcome == "ignored" else _least(ceiling, result.effect)
    return Failed(
        held.name,
        result.id,
        effect,
        result.outcome,
        result.message,
        result.field,
        result.remediation,
        result.severity.value,
        tuple(result.controls),
    )


def _least(one: Effect, other: Effect) -> Effect:
    return min(one, other, key=_STRICTNESS.__getitem__)


def _way(path: Sequence[str]) -> str:
    return f" (upstream: {' ← '.join(path)})" if path else ""


def _recalled(record: JsonObject, path: Sequence[str], effect: Effect) -> Failed:
    message = f"{record['subject']['name']} was recalled: {record['reason']}{_way(path)}"
    remedy = f"use what does not come of it, or resolve the recall: studbook recall resolve {record['id']} --reason …"
    return Failed(BUILT_IN, "recall", effect, "fail", message, None, remedy, record["severity"])


def _found(record: JsonObject, path: Sequence[str], effect: Effect) -> Failed:
    message = f"a finding on {record['subject']['name']} is open: {record['title']}{_way(path)}"
    owner = record["owner"] or "its owner"
    remedy = f"let {owner} resolve it: studbook finding close {record['id']} --resolution …"
    return Failed(BUILT_IN, "finding", effect, "fail", message, None, remedy, record["severity"])


def pass_gate(recorder: Recorder, question: Question) -> StudbookError | None:
    """Ask, and write the verdict down with whatever else the transaction does; returns the refusal, if it is one.

    A caller that gets a refusal stores nothing else and returns it from the transaction (see `settled`): so the verdict is kept.
    """
    caller = recorder.caller
    if recorder.unguarded:
        return None
    verdict = Gates(recorder.transaction.connection, caller.namespace_id, caller.namespace).ask(question)
    if verdict is None:
        return None
    name = record_verdict(recorder, verdict)
    if verdict.outcome == "deny":
        return refusal(verdict, name)
    _use_request(recorder, verdict)
    return None


def _use_request(recorder: Recorder, verdict: Verdict) -> None:
    """Close the request whose approvals an action used: they are good for it once."""
    if verdict.request is None or verdict.request_row is None:
        return
    used = {**verdict.request, "status": "executed", "executed_at": recorder.now, "executed_by": described(recorder.caller)}
    recorder.amend(Action.CHANGE_EXECUTED, verdict.request_row, used)


def record_verdict(recorder: Recorder, verdict: Verdict) -> str:
    """Stage a verdict's record; returns its name."""
    verdict_id = new_id()
    found = Found(verdict_id, Kind.VERDICT, f"verdicts/{verdict_id}")
    shown = verdict.as_json()
    recorder.verdict = {"name": found.name, **shown}
    recorder.register(Action.VERDICT_GIVEN, {**heading(recorder, Kind.VERDICT, found), **shown, "status": verdict.outcome})
    return found.name


def refusal(verdict: Verdict, name: str | None) -> PolicyDeniedError:
    """What whoever asked is told."""
    against = [failed for failed in verdict.failed if failed.effect is Effect.DENY and failed.waiver is None]
    policies = ", ".join(dict.fromkeys(failed.policy for failed in against))
    passage, subject = verdict.question.passage, verdict.question.subject.name
    message = f"{policies} refuse{'s' if ',' not in policies else ''} {passage} of {subject}: {len(against)} rule(s) not met"
    return PolicyDeniedError(message, [failed.as_violation() for failed in against], verdict=name)


def settled(outcome: Any) -> Any:  # noqa: ANN401 - whatever the transaction gave
    """What a transaction gave, once it is committed.

    Raises the refusal that it returned: what it stored is the verdict alone.
    """
    if isinstance(outcome, StudbookError):
        raise outcome
    return outcome
