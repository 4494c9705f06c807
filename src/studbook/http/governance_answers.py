"""The types of what the API answers about policies, verdicts, approvals and what is said of records (see answers)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from studbook.http.answers import RecordAnswer, ViolationAnswer


class WhoAnswer(BaseModel):
    """Who did something: the token, and the person behind it."""

    actor: str
    principal: str


class SubjectAnswer(BaseModel):
    """What a record is about; without an id for a version that was refused and so is none."""

    name: str
    id: str | None


class PolicyAnswer(RecordAnswer):
    """A policy."""

    policy: str
    latest_version: int | None = None


class PolicyVersionAnswer(RecordAnswer):
    """A version of a policy."""

    policy: str
    number: int
    status: str = Field(description="draft, audit, warn, enforce or retired")
    state_reason: str | None
    document: dict[str, Any]
    digest: str


class PolicyTestAnswer(BaseModel):
    """What a policy's own tests came to."""

    passed: bool
    tests: int
    errors: list[ViolationAnswer]


class FailedRuleAnswer(BaseModel):
    """A rule that was not met."""

    rule: str
    effect: str = Field(description="deny, warn or audit: what came of it")
    outcome: str = Field(description="fail; error when it could not be evaluated; ignored when that is passed over")
    message: str
    field: str | None
    remediation: str | None
    severity: str | None
    controls: list[str]
    waiver: str | None


class JudgedAnswer(BaseModel):
    """What one version of a policy said."""

    policy: str
    version: int
    digest: str
    state: str
    rules: int
    failed: list[FailedRuleAnswer]


class InputsAnswer(BaseModel):
    """What the rules read."""

    digest: str
    facts: list[str]


class JudgementAnswer(BaseModel):
    """What all policies said of an action."""

    gate: str
    target: str | None
    subject: SubjectAnswer
    outcome: str
    policies: list[JudgedAnswer]
    inputs: InputsAnswer
    request: str | None
    bypassed: bool
    by: WhoAnswer


class CheckAnswer(BaseModel):
    """What policies would say; `verdict` is null when none is asked."""

    subject: str
    gate: str
    outcome: str
    verdict: JudgementAnswer | None


class VerdictAnswer(RecordAnswer, JudgementAnswer):
    """A verdict that was kept."""

    status: str


class PackedPolicyAnswer(BaseModel):
    """A policy of a pack, and the state that it has in the namespace."""

    policy: str
    state: str | None


class PackAnswer(BaseModel):
    """A pack that Studbook ships."""

    pack: str
    title: str
    description: str
    rules: int
    policies: list[PackedPolicyAnswer]


class PacksAnswer(BaseModel):
    """The packs that Studbook ships."""

    items: list[PackAnswer]


class AdoptedAnswer(BaseModel):
    """The policies of a pack that was adopted."""

    items: list[PolicyVersionAnswer]


class FrameworkAnswer(BaseModel):
    """A framework as of a day."""

    framework: str
    title: str
    version: str
    status: str
    retrieved: str
    sources: list[str]
    note: str | None
    controls: int | list[dict[str, Any]]


class FrameworksAnswer(BaseModel):
    """The frameworks that Studbook knows."""

    items: list[FrameworkAnswer]


class CoverageAnswer(BaseModel):
    """Which controls a version meets."""

    framework: str
    title: str
    version: str
    retrieved: str
    subject: str
    owners: list[str]
    evaluated_at: str
    met: int
    missing: int
    controls: list[dict[str, Any]]
    model: str | None = None
    versions: list[dict[str, Any]] | None = None


class DecisionAnswer(BaseModel):
    """What somebody decided about a request."""

    by: WhoAnswer
    roles: list[str]
    decision: str
    reason: str
    meaning: str | None = None
    decided_at: str
    binding: str | None = None
    signature: dict[str, Any] | None = None


class ChangeRequestAnswer(RecordAnswer):
    """A request for the approvals of an action."""

    subject: SubjectAnswer
    passage: str
    gate: str
    target: str | None
    action: dict[str, Any]
    reason: str
    requester: WhoAnswer
    automatic: bool
    status: str
    expires_at: str
    binding: str
    quorum: list[dict[str, Any]]
    decisions: list[DecisionAnswer]
    executed_at: str | None
    executed_by: WhoAnswer | None
    closed_because: str | None
    current: bool | None = Field(default=None, description="whether what it binds to is still so")
    excluded: dict[str, str] | None = Field(default=None, description="who may not decide, and why")
    refused: str | None = Field(default=None, description="why policies refused the act although it is approved")
    verdict: dict[str, Any] | None = None


class AttestationAnswer(RecordAnswer):
    """A statement about a model version."""

    subject: SubjectAnswer
    type: str
    statement: str | None
    evidence: dict[str, Any] | None
    valid_until: str | None
    by: WhoAnswer
    signature: dict[str, Any] | None
    status: str
    withdrawn_because: str | None


class WaiverAnswer(RecordAnswer):
    """A rule that is not held against something for a while."""

    subject: SubjectAnswer
    policy: str
    rule: str
    scope: dict[str, Any]
    reason: str
    compensating_control: str
    ends_at: str
    tickets: list[str]
    requester: WhoAnswer
    approvers: list[str]
    renewals: int
    decisions: list[DecisionAnswer]
    status: str
    closed_because: str | None


class FindingAnswer(RecordAnswer):
    """Something that was found about a version."""

    subject: SubjectAnswer
    title: str
    description: str | None
    severity: str
    owner: str | None
    due_at: str | None
    blocks: bool
    reviews: str | None
    by: WhoAnswer
    status: str
    resolution: str | None
    closed_at: str | None
    closed_by: WhoAnswer | None


class RecallAnswer(RecordAnswer):
    """The recall of a version and of what came of it."""

    subject: SubjectAnswer
    reason: str
    severity: str
    affected: dict[str, Any]
    by: WhoAnswer
    status: str
    resolution: str | None
    resolved_at: str | None
    resolved_by: WhoAnswer | None


class ReviewAnswer(RecordAnswer):
    """A periodic review."""

    subject: SubjectAnswer
    every_days: int
    next_due: str
    last: dict[str, Any] | None
    by: WhoAnswer
    status: str


class StandingAnswer(BaseModel):
    """What stands for and against a version; a recall or finding upstream comes with the way to it."""

    subject: str
    recalled: bool
    recalls: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    attestations: list[dict[str, Any]]
    waivers: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    reviews: list[dict[str, Any]]
