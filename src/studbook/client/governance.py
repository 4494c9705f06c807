"""Policies, verdicts, approvals and what is said of records, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.client.answers import TEXTS, TIME, Record, reads, reads_many
from studbook.client.errors import Notice
from studbook.client.records import Link, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_NOTICES: Final = {"read": lambda entries: tuple(Notice.read(entry) for entry in entries)}
_PRINCIPAL: Final = {"read": lambda who: str(who.get("principal") or "")}
_MAPPINGS: Final = {"read": tuple}


@dataclass(frozen=True, kw_only=True)
class Policy(StoredRecord):
    """A policy; `policy` is its bare name."""

    policy: str = ""
    latest_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyVersion(StoredRecord):
    """A version of a policy; `status` is draft, audit, warn, enforce or retired, `document` what it says."""

    policy: str = ""
    number: int = 0
    status: str = ""
    state_reason: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicyTests(Record):
    """What a policy's own tests came to; `errors` names what is wrong, with its place."""

    passed: bool = False
    tests: int = 0
    errors: tuple[Notice, ...] = field(default=(), metadata=_NOTICES)


@dataclass(frozen=True, kw_only=True)
class PolicyPack(Record):
    """A pack of policies that Studbook ships; `states` tells of each policy in which state it is asked, None for not at all."""

    pack: str = ""
    title: str = ""
    description: str = ""
    rules: int = 0
    states: Mapping[str, str | None] = field(
        default_factory=dict,
        metadata={"key": "policies", "read": lambda entries: {entry["policy"]: entry["state"] for entry in entries}},
    )


@dataclass(frozen=True, kw_only=True)
class FailedRule(Record):
    """A rule that was not met: why, where, and how to mend it; `waiver` names the waiver that stood against it."""

    rule: str = ""
    effect: str = ""
    outcome: str = ""
    message: str = ""
    field: str | None = None
    remediation: str | None = None
    severity: str | None = None
    waiver: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedPolicy(Record):
    """What one version of a policy said."""

    policy: str = ""
    version: int = 0
    state: str = ""
    rules: int = 0
    failed: tuple[FailedRule, ...] = field(default=(), metadata=reads_many(FailedRule))


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """What all policies said of an action; `outcome` is allow, warn or deny. `name` is empty for one that was not kept."""

    name: str = ""
    gate: str = ""
    target: str | None = None
    subject: Link | None = field(default=None, metadata=reads(Link))
    outcome: str = ""
    policies: tuple[JudgedPolicy, ...] = field(default=(), metadata=reads_many(JudgedPolicy))
    request: str | None = None
    bypassed: bool = False
    created_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class PolicyCheck(Record):
    """What policies would say of an action now; `verdict` is None when none of them is asked."""

    subject: str = ""
    gate: str = ""
    outcome: str = ""
    verdict: Verdict | None = field(default=None, metadata=reads(Verdict))


@dataclass(frozen=True, kw_only=True)
class ControlCoverage(Record):
    """A control of a framework, and whether the version meets it: met, missing, not applicable, not checked."""

    id: str = ""
    title: str = ""
    demand: str = ""
    applies_from: str | None = None
    owner: str = ""
    status: str = ""
    rules: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)


@dataclass(frozen=True, kw_only=True)
class Coverage(Record):
    """Which controls of a framework a version meets, by which evidence, what is missing, and who answers for it."""

    framework: str = ""
    title: str = ""
    version: str = ""
    subject: str = ""
    owners: tuple[str, ...] = field(default=(), metadata=TEXTS)
    met: int = 0
    missing: int = 0
    controls: tuple[ControlCoverage, ...] = field(default=(), metadata=reads_many(ControlCoverage))


@dataclass(frozen=True, kw_only=True)
class ApprovalDecision(Record):
    """What somebody decided, as what, and why."""

    by: str = field(default="", metadata=_PRINCIPAL)
    roles: tuple[str, ...] = field(default=(), metadata=TEXTS)
    decision: str = ""
    reason: str = ""
    decided_at: datetime | None = field(default=None, metadata=TIME)
    signature: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class ChangeRequest(StoredRecord):
    """A request for the approvals of an action.

    `binding` is the digest of what is asked for: the version, its artifacts, the policies. `status` is open, approved, executed,
    rejected, superseded or withdrawn. Of one that was read by itself, `current` tells whether the binding is still so.
    """

    subject: Link | None = field(default=None, metadata=reads(Link))
    passage: str = ""
    reason: str = ""
    requester: str = field(default="", metadata=_PRINCIPAL)
    status: str = ""
    expires_at: datetime | None = field(default=None, metadata=TIME)
    binding: str = ""
    quorum: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    decisions: tuple[ApprovalDecision, ...] = field(default=(), metadata=reads_many(ApprovalDecision))
    executed_at: datetime | None = field(default=None, metadata=TIME)
    closed_because: str | None = None
    current: bool | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None
    verdict: Verdict | None = field(default=None, metadata=reads(Verdict))


@dataclass(frozen=True, kw_only=True)
class Attestation(StoredRecord):
    """A statement about a model version, such as that its bias review was done."""

    subject: Link | None = field(default=None, metadata=reads(Link))
    type: str = ""
    statement: str | None = None
    evidence: Mapping[str, str | None] | None = None
    valid_until: datetime | None = field(default=None, metadata=TIME)
    by: str = field(default="", metadata=_PRINCIPAL)
    signature: Mapping[str, Any] | None = field(default=None, repr=False)
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiver(StoredRecord):
    """A rule that is not held against something until `ends_at`; `status` is requested, active, rejected or revoked."""

    policy: str = ""
    rule: str = ""
    scope: Mapping[str, str | None] = field(default_factory=dict)
    reason: str = ""
    compensating_control: str = ""
    ends_at: datetime | None = field(default=None, metadata=TIME)
    requester: str = field(default="", metadata=_PRINCIPAL)
    renewals: int = 0
    decisions: tuple[ApprovalDecision, ...] = field(default=(), metadata=reads_many(ApprovalDecision))
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding(StoredRecord):
    """Something that was found about a version; one that `blocks` stands against promoting what comes of it."""

    subject: Link | None = field(default=None, metadata=reads(Link))
    title: str = ""
    description: str | None = None
    severity: str = ""
    owner: str | None = None
    due_at: datetime | None = field(default=None, metadata=TIME)
    blocks: bool = False
    reviews: str | None = None
    status: str = ""
    resolution: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recall(StoredRecord):
    """The recall of a version; `affected` lists the versions, dataset versions and active deployments that came of it."""

    subject: Link | None = field(default=None, metadata=reads(Link))
    reason: str = ""
    severity: str = ""
    affected: Mapping[str, Any] = field(default_factory=dict, repr=False)
    status: str = ""
    resolution: str | None = None


@dataclass(frozen=True, kw_only=True)
class Review(StoredRecord):
    """A periodic review of a model or version."""

    subject: Link | None = field(default=None, metadata=reads(Link))
    every_days: int = 0
    next_due: datetime | None = field(default=None, metadata=TIME)
    last: Mapping[str, Any] | None = None
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class Standing(Record):
    """What stands for and against a version; `recalls` and blocking `findings` may lie upstream, with the `path` to them."""

    subject: str = ""
    recalled: bool = False
    recalls: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    findings: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    attestations: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    waivers: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    requests: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
    reviews: tuple[Mapping[str, Any], ...] = field(default=(), metadata=_MAPPINGS)
