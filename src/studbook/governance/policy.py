"""A policy as it is written: what it is asked about, its rules in CEL, its approvals, and tests of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from studbook.domain.types import Document, Label, RoleName, Text
from studbook.governance.gates import Gate

POLICY_SCHEMA = "studbook.dev/policy/v1"
EXPRESSION_LIMIT = 4096
RULE_LIMIT = 64
# A name of a policy, rule, variable or parameter: CEL reads the latter two as identifiers.
POLICY_NAME_PATTERN = r"^[a-z][a-z0-9-]{0,63}(\.[a-z0-9][a-z0-9-]{0,63}){0,3}$"
RULE_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,63}$"
IDENTIFIER_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
CONTROL_PATTERN = r"^[a-z0-9-]{1,64}:[A-Za-z0-9().,_/-]{1,64}$"

PolicyName = Annotated[str, Field(pattern=POLICY_NAME_PATTERN, max_length=128)]
RuleName = Annotated[str, Field(pattern=RULE_NAME_PATTERN)]
Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]
Control = Annotated[str, Field(pattern=CONTROL_PATTERN)]
Expression = Annotated[str, Field(min_length=1, max_length=EXPRESSION_LIMIT)]
# A name, or a pattern in which `*` stands for anything.
Pattern = Annotated[str, Field(min_length=1, max_length=256)]
Patterns = Annotated[tuple[Pattern, ...], Field(strict=False, min_length=1, max_length=100)]


class Effect(StrEnum):
    """What a rule does that is not met: it refuses the action, warns, or is only written down."""

    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"


class Severity(StrEnum):
    """How much a rule matters to whoever reads a report."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class State(StrEnum):
    """The states of a policy's version. Each is as strict as the effects that it allows."""

    DRAFT = "draft"
    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"
    RETIRED = "retired"


class Failure(StrEnum):
    """What a rule that cannot be evaluated means: not met, or passed over."""

    DENY = "deny"
    IGNORE = "ignore"


EffectField = Annotated[Effect, Field(strict=False)]
SeverityField = Annotated[Severity, Field(strict=False)]


class Match(Document):
    """What a policy is asked about: each member that is given must fit, one of its values is enough."""

    gates: Annotated[tuple[Annotated[Gate, Field(strict=False)], ...], Field(strict=False, min_length=1, max_length=8)]
    models: Patterns | None = None
    namespaces: Patterns | None = None
    # The definitions that the model's versions satisfy.
    schemas: Patterns | None = None
    # Aliases of a promotion, targets of a deployment, states of a policy.
    targets: Patterns | None = None


class Named(Document):
    """A condition or variable: a name and an expression."""

    name: Identifier
    expression: Expression


class Rule(Document):
    """One thing that must be so: an expression that must be true, and what to say and do when it is not."""

    id: RuleName
    expression: Expression
    message: Text | None = None
    # An expression that gives the message, where it should name what is wrong.
    message_expression: Expression | None = None
    # The place of the record that it is about, a JSON Pointer.
    field: Annotated[str, Field(pattern="^/", max_length=512)] | None = None
    remediation: Text | None = None
    severity: SeverityField | None = None
    effect: EffectField | None = None
    controls: Annotated[tuple[Control, ...], Field(strict=False, max_length=50)] = ()
    # Where the requirement comes from: a provision, a standard, a house rule.
    source: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.message is None and self.message_expression is None:
            raise PydanticCustomError("no_message", "give a 'message' or a 'message_expression': who is refused must learn why")
        return self


class RoleQuorum(Document):
    """So many distinct people with a role."""

    role: RoleName
    count: Annotated[int, Field(ge=1, le=20)] = 1


class Approvals(Document):
    """The approvals without which the action is refused."""

    quorum: Annotated[tuple[RoleQuorum, ...], Field(strict=False, min_length=1, max_length=10)]
    # How long a request may be decided and an approval used.
    expires_days: Annotated[int, Field(ge=1, le=365)] = 14
    # Decisions must be signed with the signing secret of whoever decides.
    signed: bool = False
    # Within how many days the use of break-glass must be reviewed.
    break_glass_review_days: Annotated[int, Field(ge=1, le=90)] = 3


class Waivable(Document):
    """Who may waive a rule of the policy, and for how long."""

    by: Annotated[tuple[RoleName, ...], Field(strict=False, min_length=1, max_length=10)]
    max_days: Annotated[int, Field(ge=1, le=3650)] = 90


class Expected(Document):
    """What a test expects: the rules that are not met, those that cannot be evaluated, or that the policy does not apply."""

    fail: Annotated[tuple[RuleName, ...], Field(strict=False, max_length=RULE_LIMIT)] = ()
    error: Annotated[tuple[RuleName, ...], Field(strict=False, max_length=RULE_LIMIT)] = ()
    skipped: bool = False


class PolicyTest(Document):
    """A test of a policy: facts, and what they lead to.

    `facts` hold what is not given as `object`; `params` those parameters that must be so for the test, whatever they are set to.
    """

    name: Label
    params: Annotated[dict[Identifier, Any], Field(max_length=100, default_factory=dict)]
    object: Annotated[dict[str, Any], Field(default_factory=dict)]
    facts: Annotated[dict[str, Any], Field(default_factory=dict)]
    expect: Literal["pass"] | Expected


class Policy(Document):
    """A policy as a person writes it, in YAML or JSON."""

    schema_: Annotated[Literal["studbook.dev/policy/v1"], Field(alias="schema")] = POLICY_SCHEMA  # type: ignore[assignment]
    name: PolicyName
    title: Label | None = None
    description: Text | None = None
    owner: Label | None = None
    severity: SeverityField = Severity.MEDIUM
    effect: EffectField = Effect.DENY
    failure: Annotated[Failure, Field(strict=False)] = Failure.DENY
    match: Match
    conditions: Annotated[tuple[Named, ...], Field(strict=False, max_length=64)] = ()
    params: Annotated[dict[Identifier, Any], Field(max_length=100, default_factory=dict)]
    variables: Annotated[tuple[Named, ...], Field(strict=False, max_length=64)] = ()
    rules: Annotated[tuple[Rule, ...], Field(strict=False, max_length=RULE_LIMIT)] = ()
    approvals: Approvals | None = None
    waivable: Waivable | None = None
    tests: Annotated[tuple[PolicyTest, ...], Field(strict=False, max_length=200)] = ()

    @model_validator(mode="after")
    def _has_parts(self) -> Self:
        if not self.rules and self.approvals is None:
            raise PydanticCustomError("empty_policy", "a policy has 'rules', 'approvals', or both; this one has neither")
        for part, names in (
            ("rules", [rule.id for rule in self.rules]),
            ("variables", [variable.name for variable in self.variables]),
            ("conditions", [condition.name for condition in self.conditions]),
            ("tests", [test.name for test in self.tests]),
        ):
            if len(set(names)) != len(names):
                raise PydanticCustomError("doubled_name", "two of the '{part}' have the same name", {"part": part})
        return self
