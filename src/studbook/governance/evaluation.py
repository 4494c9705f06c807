"""Policies asked: whether they apply, which of their rules are met, and what the others say."""

from __future__ import annotations

import hashlib
import math
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import canonical_json
from studbook.domain.types import format_time
from studbook.governance.expressions import ANYTHING, BOOL, STRING, Language, Outcome, activate, join_all
from studbook.governance.gates import Gate
from studbook.governance.policy import Effect, Failure
from studbook.governance.shapes import declared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from studbook.governance.expressions import Compiled
    from studbook.governance.gates import Passage
    from studbook.governance.policy import Match, Policy, Rule, Severity

# The bounds of what rules read.
FACTS_LIMIT: Final = 8 * 1024 * 1024
TEXT_LIMIT: Final = 64 * 1024
LIST_LIMIT: Final = 10_000
# Gates at which `object` is a model version.
VERSION_GATES: Final = frozenset({Gate.REGISTER, Gate.CHANGE, Gate.PROMOTE, Gate.DEPLOY, Gate.ARCHIVE})
_INTEGERS: Final = 2**63


class FactError(Exception):
    """A fact that cannot be had, or is larger than rules may read."""


class Facts:
    """What rules may read, each computed when it is first read. JSON's null is taken out: what is not known is absent."""

    def __init__(self, values: Mapping[str, Any], lazy: Mapping[str, Callable[[], Any]] | None = None) -> None:
        self._lazy: dict[str, Callable[[], Any]] = {
            **{name: _constantly(value) for name, value in values.items()},
            **(lazy or {}),
        }
        self._known: dict[str, Any] = {}
        self._faults: dict[str, str] = {}
        self.size = 0
        self.length = 0

    @property
    def used(self) -> frozenset[str]:
        """The facts that were read."""
        return frozenset(self._known)

    def gather(self, names: frozenset[str]) -> dict[str, Any]:
        """These facts as an expression names them.

        Raises FactError.
        """
        found: dict[str, Any] = {}
        for name in names:
            value = self._get(name)
            outer, _, inner = name.partition(".")
            if inner:
                found.setdefault(outer, {})[inner] = value
            else:
                found[outer] = value
        return found

    def _get(self, name: str) -> Any:  # noqa: ANN401 - any fact
        if name in self._faults:
            raise FactError(self._faults[name])
        if name not in self._known:
            if name not in self._lazy:
                self._refuse(name, f"{name} is not known here")
            try:
                value = self._lazy[name]()
            except Exception as error:  # noqa: BLE001 - a fact that cannot be had stands against whoever needs it
                self._refuse(name, str(error) or type(error).__name__)
            self._known[name] = value if isinstance(value, datetime) else self._bounded(name, value)
        return self._known[name]

    def _bounded(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        bounding = _Bounding()
        try:
            cleaned = bounding.clean(value)
        except FactError as error:
            self._refuse(name, str(error))
        if bounding.size + self.size > FACTS_LIMIT:
            self._refuse(name, f"the facts are larger than the {FACTS_LIMIT:,} bytes that rules may read")
        self.size += bounding.size
        self.length = max(self.length, bounding.length)
        return cleaned

    def _refuse(self, name: str, message: str) -> None:
        self._faults[name] = message
        raise FactError(message)

    def inputs_digest(self) -> str:
        """The SHA-256 of the facts that were read, as canonical JSON (RFC 8785)."""
        shown = {
            name: format_time(value) if isinstance(value, datetime) else value for name, value in sorted(self._known.items())
        }
        return f"sha256:{hashlib.sha256(canonical_json({'facts': shown, 'faults': self._faults})).hexdigest()}"


def _constantly(value: Any) -> Callable[[], Any]:  # noqa: ANN401 - any fact
    return lambda: value


class _Bounding:
    """Takes nulls out of a value and measures it on the way."""

    def __init__(self) -> None:
        self.size = 0
        self.length = 0
        # Lists that stand in several places, as ways to a record do, are looked at once.
        self._lists: dict[int, tuple[list[Any], int]] = {}

    def clean(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        kind = type(value)
        if kind is dict:
            return self._object(value)
        if kind is list or kind is tuple:
            return self._list(value)
        self._scalar(kind, value)
        return value

    def _scalar(self, kind: type, value: Any) -> None:  # noqa: ANN401 - a JSON scalar
        if kind is str:
            # Counted in characters: a bound need not be exact, and most text is ASCII.
            length = len(value)
            if length > TEXT_LIMIT:
                message = f"a text is longer than the {TEXT_LIMIT:,} characters that rules may read"
                raise FactError(message)
            self.size += length + 3
            return
        self.size += 8
        if (kind is int and not -_INTEGERS <= value < _INTEGERS) or (kind is float and not math.isfinite(value)):
            message = "a number is beyond what rules can read"
            raise FactError(message)

    def _list(self, value: Sequence[Any]) -> list[Any]:
        known = self._lists.get(id(value))
        if known is not None:
            self.size += known[1]
            return known[0]
        self._measure(len(value))
        before = self.size
        cleaned = [self.clean(element) for element in value if element is not None]
        self._lists[id(value)] = (cleaned, self.size - before)
        return cleaned

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        self._measure(len(value))
        found: dict[str, Any] = {}
        for name, element in value.items():
            if element is None:
                continue
            self.size += len(name) + 4
            kind = type(element)
            if kind is dict:
                found[name] = self._object(element)
            elif kind is list or kind is tuple:
                found[name] = self._list(element)
            else:
                self._scalar(kind, element)
                found[name] = element
        return found

    def _measure(self, length: int) -> None:
        if length > LIST_LIMIT:
            message = f"a list has more than the {LIST_LIMIT:,} elements that rules may read"
            raise FactError(message)
        self.length = max(self.length, length)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule that is not met, could not be evaluated, or was passed over because it could not."""

    id: str
    outcome: str
    message: str
    field: str | None
    remediation: str | None
    severity: Severity
    effect: Effect
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a policy says: whether it applies, how many rules were asked, and those that are not met."""

    applied: bool
    rules: int = 0
    failures: tuple[RuleResult, ...] = ()


@dataclass
class CompiledPolicy:
    """A policy whose expressions are compiled.

    Raises ExpressionError for one that was not checked before.
    """

    policy: Policy
    language: Language = field(init=False)

    def __post_init__(self) -> None:
        """Compile all expressions."""
        policy = self.policy
        versions = bool(VERSION_GATES.intersection(policy.match.gates))
        self.language = Language(declared(policy.params, versions=versions))
        self._variables: dict[str, Compiled] = {}
        for variable in policy.variables:
            self._variables[variable.name] = self.language.compile(variable.expression, ANYTHING)
            self.language.define(variable.name, self._variables[variable.name])
        self._conditions = [self.language.compile(condition.expression, BOOL) for condition in policy.conditions]
        self._rules = [(rule, self.language.compile(rule.expression, BOOL)) for rule in policy.rules]
        self._messages = {
            rule.id: self.language.compile(rule.message_expression, STRING)
            for rule in policy.rules
            if rule.message_expression is not None
        }

    @cached_property
    def reads(self) -> frozenset[str]:
        """The facts that any of its expressions reads."""
        return self._reads([*self._conditions, *(rule for _, rule in self._rules), *self._messages.values()])

    @cached_property
    def _all_rules(self) -> Compiled | None:
        return join_all([rule for _, rule in self._rules])

    def _reads(self, expressions: Sequence[Compiled]) -> frozenset[str]:
        found: set[str] = set()
        for expression in expressions:
            found |= expression.reads
            for name in expression.variables:
                found |= self._reads([self._variables[name]])
        return frozenset(found)

    def evaluate(self, facts: Facts, deadline: float = math.inf) -> PolicyResult:
        """Ask the policy about these facts; `deadline` is a moment of the monotonic clock after which rules are errors."""
        asking = _Asking(self, facts, deadline)
        for condition in self._conditions:
            outcome = asking.ask(condition)
            if outcome.error is not None and self.policy.failure is Failure.DENY:
                # What cannot be told to be outside is judged: else a crafted record would step outside.
                return PolicyResult(applied=True, rules=len(self._rules), failures=self._undecided(outcome))
            if not outcome.is_true:
                return PolicyResult(applied=False)
        # One look at all rules together finds them met, or not: the common case costs no more.
        if not self._rules or (self._all_rules is not None and asking.ask(self._all_rules).is_true):
            return PolicyResult(applied=True, rules=len(self._rules))
        failures = [result for rule, compiled in self._rules if (result := self._judge(asking, rule, compiled)) is not None]
        return PolicyResult(applied=True, rules=len(self._rules), failures=tuple(failures))

    def _judge(self, asking: _Asking, rule: Rule, compiled: Compiled) -> RuleResult | None:
        outcome = asking.ask(compiled)
        if outcome.is_true:
            return None
        if outcome.error is not None:
            if self.policy.failure is Failure.IGNORE:
                return self._result(rule, "ignored", f"passed over, for it could not be evaluated: {outcome.error}")
            said = f"{rule.message}: " if rule.message else ""
            return self._result(rule, "error", f"{said}the rule could not be evaluated ({outcome.error})")
        return self._result(rule, "fail", self._message(asking, rule))

    def _message(self, asking: _Asking, rule: Rule) -> str:
        expression = self._messages.get(rule.id)
        if expression is not None:
            outcome = asking.ask(expression, public=True)
            if outcome.error is None and isinstance(outcome.value, str) and outcome.value:
                return outcome.value[:TEXT_LIMIT]
        return rule.message or f"the rule {rule.id!r} is not met"

    def _undecided(self, outcome: Outcome) -> tuple[RuleResult, ...]:
        message = f"whether the policy applies could not be told ({outcome.error})"
        severity, effect = self.policy.severity, self.policy.effect
        return (RuleResult("conditions", "error", message, None, None, severity, effect, ()),)

    def _result(self, rule: Rule, outcome: str, message: str) -> RuleResult:
        return RuleResult(
            rule.id,
            outcome,
            message,
            rule.field,
            rule.remediation,
            rule.severity or self.policy.severity,
            rule.effect or self.policy.effect,
            rule.controls,
        )


class _Asking:
    """One evaluation of a policy: its variables are computed once, when they are read."""

    def __init__(self, compiled: CompiledPolicy, facts: Facts, deadline: float) -> None:
        self.facts = facts
        self._compiled = compiled
        self._deadline = deadline
        self._values: dict[str, Outcome] = {}

    def ask(self, expression: Compiled, *, public: bool = False) -> Outcome:
        """The outcome of one expression; a `public` one goes into the log, and so is not told who the owners are."""
        if time.monotonic() > self._deadline:
            return Outcome(error="the time for all rules together is over")
        values: dict[str, Any] = {}
        for name in expression.variables:
            outcome = self.ask(self._compiled._variables[name], public=True) if public else self._variable(name)  # noqa: SLF001
            if outcome.error is not None:
                return Outcome(error=f"variables.{name}: {outcome.error}")
            values[name] = outcome.value
        try:
            data = self.facts.gather(expression.reads)
            if public:
                data = {name: _without_owners(value) for name, value in data.items()}
            activation = activate({**data, "params": self._compiled.policy.params, "variables": values})
        except (FactError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            return Outcome(error=str(error)[:500])
        return expression.evaluate(activation, self.facts.size, self.facts.length)

    def _variable(self, name: str) -> Outcome:
        if name not in self._values:
            self._values[name] = self.ask(self._compiled._variables[name])  # noqa: SLF001 - two halves of one
        return self._values[name]


def _without_owners(fact: Any) -> Any:  # noqa: ANN401 - any fact
    """A version without the names and addresses of its model's owners; how many there are can still be told."""
    model = fact.get("registered_model") if isinstance(fact, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("owners"), list):
        return fact
    return {**fact, "registered_model": {**model, "owners": [{} for _ in model["owners"]]}}


def matches(match: Match, passage: Passage, model: str | None, namespace: str, definition: str | None) -> bool:
    """Whether a policy is asked about an action: every member that it gives must fit."""
    if passage.gate not in match.gates:
        return False
    for patterns, value in (
        (match.models, model),
        (match.namespaces, namespace),
        (match.schemas, definition),
        (match.targets, passage.target),
    ):
        if patterns is not None and not any(_fits(pattern, value or "") for pattern in patterns):
            return False
    return True


def _fits(pattern: str, value: str) -> bool:
    return bool(_pattern(pattern).fullmatch(value))


@lru_cache(maxsize=1000)
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern in which only `*` is special."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
