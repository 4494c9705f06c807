"""The documents of governance that clients send: requests and decisions, attestations, waivers, findings, recalls, reviews."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from studbook.domain.types import Attributes, Digest, Document, Label, Reference, Text, Timestamp, Uri

# Kept in the log for ever, so it must not be personal itself.
Reason = Annotated[str, StringConstraints(min_length=3, max_length=2000)]
_PassageText = Annotated[str, StringConstraints(min_length=1, max_length=300)]
_Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Type = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


class Severity(StrEnum):
    """How grave a finding or recall is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Decision(StrEnum):
    """What somebody decided."""

    APPROVE = "approve"
    REJECT = "reject"


_SeverityField = Annotated[Severity, Field(strict=False)]
_DecisionField = Annotated[Decision, Field(strict=False)]


class PolicyTransition(Document):
    """The state that a version of a policy shall have."""

    state: Literal["audit", "warn", "enforce", "retired"]
    reason: Reason | None = None


class NewAdoption(Document):
    """The state in which a shipped pack is adopted, parameters in the place of its own, and what alone it is asked about."""

    state: Literal["audit", "warn", "enforce"] = "enforce"
    params: Annotated[dict[str, Any], Field(max_length=100, default_factory=dict)]
    # Patterns of models, and of aliases or deployment targets, as in a policy's `match`.
    models: Annotated[tuple[Label, ...], Field(strict=False, min_length=1, max_length=100)] | None = None
    targets: Annotated[tuple[Label, ...], Field(strict=False, min_length=1, max_length=100)] | None = None


class NewCheck(Document):
    """A question without an act: whether something may be done with a version."""

    subject: Reference
    gate: _PassageText


class NewChangeRequest(Document):
    """A request for approvals: `promote:champion`, `deploy:prod/eu`, `archive` of a version; `policy:retired` of a policy."""

    # A reference to a model version, or `policies/NAME/versions/2`.
    subject: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    gate: _PassageText
    reason: Reason
    expires_at: Timestamp | None = None
    # Whether the action is carried out with the last approval; else when somebody executes it.
    automatic: bool = True
    # What a deployment is recorded with.
    url: Uri | None = None
    attributes: Annotated[Attributes, Field(default_factory=dict)]


class NewDecision(Document):
    """A decision about a request. `binding` says what was looked at: the decision holds for exactly that."""

    decision: _DecisionField
    binding: Digest
    reason: Reason
    # What the signature means, such as 'approval as independent validator' (21 CFR 11.50).
    meaning: Label | None = None
    signing_secret: _Secret | None = None


class GlassBreaking(Document):
    """An action that is carried out without its approvals and whatever policies say; it is reviewed afterwards."""

    reason: Reason


class NewWithdrawal(Document):
    """Why something is withdrawn, revoked or resolved."""

    reason: Reason


class Evidence(Document):
    """Where the evidence of a statement is, and its digest."""

    uri: Uri | None = None
    digest: Digest | None = None

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.uri is None and self.digest is None:
            raise PydanticCustomError("no_evidence", "give the evidence's 'uri', its 'digest', or both")
        return self


class NewAttestation(Document):
    """A statement about a model version, such as that its bias review was done."""

    subject: Reference
    type: _Type
    statement: Text | None = None
    evidence: Evidence | None = None
    valid_until: Timestamp | None = None
    signing_secret: _Secret | None = None


class Scope(Document):
    """What a waiver is for: one version, the versions of one model, or all of the namespace."""

    version: Reference | None = None
    model: Label | None = None
    namespace: bool = False

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.version is not None) + (self.model is not None) + self.namespace != 1:
            raise PydanticCustomError("bad_scope", "give one of 'version', 'model' and 'namespace: true'")
        return self


class NewWaiver(Document):
    """A request that a rule be waived for a while."""

    policy: Label
    rule: Label
    scope: Scope
    reason: Reason
    # What is done instead of what the rule asks for.
    compensating_control: Reason
    ends_at: Timestamp
    tickets: Annotated[tuple[Label, ...], Field(strict=False, max_length=20)] = ()


class WaiverDecision(Document):
    """A decision about a waiver."""

    decision: _DecisionField
    reason: Reason


class NewFinding(Document):
    """Something that was found about a model or dataset version."""

    subject: Reference
    title: Label
    description: Text | None = None
    severity: _SeverityField = Severity.MEDIUM
    owner: Label | None = None
    due_at: Timestamp | None = None
    # Whether it stands against promoting and deploying the version and whatever comes of it.
    blocks: bool = False


class FindingPatch(Document):
    """Later facts about a finding."""

    severity: _SeverityField | None = None
    owner: Label | None = None
    due_at: Timestamp | None = None
    blocks: bool | None = None


class FindingClosure(Document):
    """How a finding was resolved."""

    resolution: Reason


class NewRecall(Document):
    """The recall of a model or dataset version and of all that came of it."""

    subject: Reference
    reason: Reason
    severity: _SeverityField = Severity.HIGH


class NewReview(Document):
    """A periodic review of a model or a version."""

    subject: Reference
    every_days: Annotated[int, Field(ge=1, le=3650)]
    first_due: Timestamp | None = None


class ReviewReport(Document):
    """What a review came to."""

    outcome: Literal["confirmed", "failed"]
    note: Reason
