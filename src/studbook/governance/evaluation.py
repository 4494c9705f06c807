"""Policies asked: whether they apply, which of their rules are met, and what the others say."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeAlias

from studbook.domain.canonical import canonical_json
from studbook.domain.types import format_time
from studbook.governance.expressions import ANYTHING, BOOL, STRING, ExpressionError, Language, Outcome, activate
from studbook.governance.gates import Gate
from studbook.governance.policy import Failure
from studbook.governance.shapes import conform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.governance.expressions import Compiled
    from studbook.governance.gates import Passage
    from studbook.governance.policy import Effect, Match, Policy, Rule, Severity

# The bounds of what rules read. The size is counted as JSON text would be, a little over: no number counts less than 8 bytes.
FACTS_LIMIT: Final = 8 * 1024 * 1024
TEXT_LIMIT: Final = 64 * 1024
LIST_LIMIT: Final = 10_000
DEPTH_LIMIT: Final = 64
MESSAGE_LIMIT: Final = 4096
# Gates at which `object` is a model version.
VERSION_GATES: Final = frozenset({Gate.REGISTER, Gate.CHANGE, Gate.PROMOTE, Gate.DEPLOY, Gate.ARCHIVE})
# Beyond this, JSON's numbers are not exact, and canonical JSON has no integers (RFC 8785).
_INTEGERS: Final = 2**53


class FactError(Exception):
    """A fact that cannot be had, or is larger than rules may read."""


# What a fact fails by when records are not as expected: it stands against whoever needs the fact. Whatever else is raised is no
# answer: a database that asks for the transaction to be tried again is to be heard.
_UNREADABLE: Final = (FactError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Facts:
    """What rules may read, each computed when it is first read. JSON's null is taken out: what is not known is absent.

    `lazy` are facts that are dear; those of the lineage have a name each, as in `lineage.tags`. For one question, in one thread.
    """

    def __init__(self, values: Mapping[str, Any], lazy: Mapping[str, Callable[[], Any]] | None = None) -> None:
        self._given = values
        self._lazy = lazy or {}
        self._known: dict[str, Any] = {}
        self._faults: dict[str, str] = {}
        # Bytes and longest list: of each fact, and of those that an expression reads.
        self._measures: dict[str, tuple[int, int]] = {}
        self._extents: dict[frozenset[str], tuple[int, int]] = {}
        self._size = 0
        self._parameters: dict[str, JsonObject] = {}
        self._activated: dict[bool, tuple[frozenset[str], int, Any]] = {}

    @property
    def used(self) -> frozenset[str]:
        """The facts that were read, or that rules tried to read."""
        return frozenset(self._known) | frozenset(self._faults)

    def expect(self, policies: Iterable[CompiledPolicy]) -> None:
        """Make ready for all of these policies, so that the facts are converted for the engine once for all."""
        for policy in policies:
            self._parameters[policy.language.key] = policy.language.params

    def ask(self, expression: Compiled, language: Language, *, public: bool = False) -> Outcome:
        """The outcome of an expression over these facts; an error where one of them cannot be had.

        What a `public` one gives goes into the log, and so it is not told who the owners are.
        """
        reads = expression.reads
        extent = self._extents.get(reads)
        if extent is None:
            try:
                extent = self._extents[reads] = self._gather(reads)
            except FactError as error:
                return Outcome(error=str(error))
        return expression.evaluate(self._activate(expression, language, public=public), *extent, self._find)

    def _gather(self, names: frozenset[str]) -> tuple[int, int]:
        """How large these facts are together, and their longest list.

        Raises FactError.
        """
        size, length = 0, 0
        # In an order, so that the same fact is too much every time.
        for name in sorted(names):
            if name not in self._known:
                self._measures[name] = self._read(name)
            measure = self._measures[name]
            size, length = size + measure[0], max(length, measure[1])
        return size, length

    def _find(self, name: str) -> Any:  # noqa: ANN401 - any fact
        """A fact as an expression names it, of those that were read: the lineage as a record of its parts."""
        if name != "lineage":
            return self._known.get(name)
        return {part.partition(".")[2]: value for part, value in self._known.items() if part.startswith("lineage.")}

    def _activate(self, expression: Compiled, language: Language, *, public: bool) -> Any:  # noqa: ANN401 - of the engine
        """The facts as the engine takes them: those that were read, and the parameters of all who asked."""
        if expression.reads_params and language.key not in self._parameters:
            self._parameters[language.key] = language.params
        held = self._activated.get(public)
        if held is None or held[1] != len(self._parameters) or not expression.reads <= held[0]:
            names = frozenset(self._known)
            found = {name: value for name, value in self._known.items() if "." not in name}
            if len(found) < len(self._known):
                found["lineage"] = self._find("lineage")
            if public:
                found = {name: _without_owners(value) for name, value in found.items()}
            held = self._activated[public] = (names, len(self._parameters), activate(found, dict(self._parameters)))
        return held[2]

    def _read(self, name: str) -> tuple[int, int]:
        if name in self._faults:
            raise FactError(self._faults[name])
        try:
            if name in self._lazy:
                value = self._lazy[name]()
            elif name in self._given:
                value = self._given[name]
            else:
                self._refuse(name, f"{name} is not known here")
        except _UNREADABLE as error:
            self._refuse(name, str(error) or type(error).__name__)
        if name == "now" and isinstance(value, datetime):
            self._known[name] = value
            return 8, 0
        bounding = _Bounding()
        try:
            cleaned = conform(name, bounding.clean(value))
        except (FactError, ValueError) as error:
            self._refuse(name, f"{name}: {error}")
        if bounding.size + self._size > FACTS_LIMIT:
            self._refuse(name, f"the facts are larger than the {FACTS_LIMIT:,} bytes that rules may read")
        self._size += bounding.size
        self._known[name] = cleaned
        return bounding.size, bounding.length

    def _refuse(self, name: str, message: str) -> NoReturn:
        self._faults[name] = message
        raise FactError(message)

    def inputs_digest(self) -> str:
        """The SHA-256 of the facts that were read, as canonical JSON (RFC 8785)."""
        shown = {name: format_time(value) if isinstance(value, datetime) else value for name, value in self._known.items()}
        return f"sha256:{hashlib.sha256(canonical_json({'facts': shown, 'faults': self._faults})).hexdigest()}"


class _Bounding:
    """Takes nulls out of a value and measures it on the way. What it gives is what canonical JSON holds: 1.0 is 1."""

    def __init__(self) -> None:
        self.size = 0
        self.length = 0
        # Lists that stand in several places, as ways to a record do, are looked at once.
        self._lists: dict[int, tuple[list[Any], int]] = {}

    def clean(self, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """The value as rules see it.

        Raises FactError for what JSON does not have, and for what is too large.
        """
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is dict:
            self._enter(len(value), depth)
            return {self._text(name): self.clean(member, depth + 1) for name, member in value.items() if member is not None}
        if kind is list or kind is tuple:
            return self._list(value, depth)
        self.size += 8
        if kind is bool:
            return value
        if kind is int or kind is float:
            return _number(value)
        if isinstance(value, str):
            # A member of an enumeration.
            return self._text(str.__str__(value))
        message = f"{kind.__name__} is nothing that JSON has"
        raise FactError(message)

    def _list(self, value: Sequence[Any], depth: int) -> list[Any]:
        known = self._lists.get(id(value))
        if known is not None:
            self.size += known[1]
            return known[0]
        before = self.size
        self._enter(len(value), depth)
        cleaned = [self.clean(element, depth + 1) for element in value if element is not None]
        self._lists[id(value)] = (cleaned, self.size - before)
        return cleaned

    def _enter(self, length: int, depth: int) -> None:
        if length > LIST_LIMIT:
            message = f"a list has more than the {LIST_LIMIT:,} elements that rules may read"
            raise FactError(message)
        if depth > DEPTH_LIMIT:
            message = f"it nests deeper than the {DEPTH_LIMIT} levels that rules may read"
            raise FactError(message)
        if self.size > FACTS_LIMIT:
            message = f"it is larger than the {FACTS_LIMIT:,} bytes that rules may read"
            raise FactError(message)
        self.size += 4
        self.length = max(self.length, length)

    def _text(self, text: str) -> str:
        length = len(text)
        if not text.isascii():
            try:
                length = len(text.encode())
            except UnicodeEncodeError:
                message = "a text has a lone surrogate, which is no character"
                raise FactError(message) from None
        if length > TEXT_LIMIT:
            message = f"a text is longer than the {TEXT_LIMIT:,} bytes that rules may read"
            raise FactError(message)
        self.size += length + 4
        return text


def _without_owners(fact: Any) -> Any:  # noqa: ANN401 - any fact
    """A version without the names and addresses of its model's owners; how many there are can still be told."""
    model = fact.get("registered_model") if isinstance(fact, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("owners"), list):
        return fact
    return {**fact, "registered_model": {**model, "owners": [{} for _ in model["owners"]]}}


def _number(value: float) -> float:
    if not -_INTEGERS < value < _INTEGERS and (isinstance(value, int) or not math.isfinite(value)):
        message = "a number is beyond those that JSON holds exactly"
        raise FactError(message)
    return int(value) if isinstance(value, float) and abs(value) < _INTEGERS and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule that is not met ("fail"), could not be evaluated ("error"), or was passed over because it could not ("ignored")."""

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


# What stands for an expression that cannot be compiled, which a policy that was checked when it was saved does not have.
_Expression: TypeAlias = "Compiled | Outcome"


class _Ask(Protocol):
    def __call__(self, expression: _Expression, *, public: bool = False) -> Outcome: ...


@dataclass
class CompiledPolicy:
    """A policy whose expressions are compiled, to be asked by any thread.

    An expression that cannot be compiled, since what rules may use has changed, is an error of its rule.
    """

    policy: Policy
    language: Language = field(init=False)

    def __post_init__(self) -> None:
        """Compile all expressions."""
        policy = self.policy
        self.language = Language(None, policy.params)
        for variable in policy.variables:
            compiled = self._compile(variable.expression, ANYTHING)
            if not isinstance(compiled, Outcome):
                self.language.define(variable.name, compiled)
        self._conditions = [self._compile(condition.expression, BOOL) for condition in policy.conditions]
        self._rules = [(rule, self._compile(rule.expression, BOOL)) for rule in policy.rules]
        self._messages = {
            rule.id: self._compile(rule.message_expression, STRING)
            for rule in policy.rules
            if rule.message_expression is not None
        }

    def _compile(self, text: str, want: str) -> _Expression:
        try:
            return self.language.compile(text, want)
        except ExpressionError as error:
            return Outcome(error=f"the expression cannot be used: {error}")

    @cached_property
    def reads(self) -> frozenset[str]:
        """The facts that any of its expressions reads."""
        expressions = [*self._conditions, *(rule for _, rule in self._rules), *self._messages.values()]
        return frozenset().union(*(one.reads for one in expressions if not isinstance(one, Outcome)))

    @cached_property
    def _all_rules(self) -> Compiled | None:
        return self._joined([rule for _, rule in self._rules])

    @cached_property
    def _all_conditions(self) -> Compiled | None:
        return self._joined(self._conditions)

    def _joined(self, expressions: Sequence[_Expression]) -> Compiled | None:
        compiled = [one for one in expressions if not isinstance(one, Outcome)]
        if len(compiled) < len(expressions) or not compiled:
            return None
        return compiled[0] if len(compiled) == 1 else self.language.join(compiled)

    def evaluate(self, facts: Facts, deadline: float = math.inf) -> PolicyResult:
        """Ask the policy about these facts; `deadline` is a moment of the monotonic clock after which rules are errors."""

        def ask(expression: _Expression, *, public: bool = False) -> Outcome:
            if isinstance(expression, Outcome):
                return expression
            return facts.ask(expression, self.language, public=public) if time.monotonic() <= deadline else _LATE

        # One look at all together finds them true, or not: the common case costs no more. As && is, it is true only when all are.
        if self._conditions and not (self._all_conditions is not None and ask(self._all_conditions).is_true):
            outcomes = [ask(condition) for condition in self._conditions]
            if any(outcome.is_false for outcome in outcomes):
                return PolicyResult(applied=False)
            unclear = next((outcome for outcome in outcomes if not outcome.is_true), None)
            if unclear is not None:
                # What cannot be told to be outside is judged: else a crafted record would step outside.
                return PolicyResult(applied=True, failures=(self._undecided(unclear),))
        count = len(self._rules)
        if not count or (self._all_rules is not None and ask(self._all_rules).is_true):
            return PolicyResult(applied=True, rules=count)
        results = [self._judge(rule, ask(expression), ask) for rule, expression in self._rules]
        return PolicyResult(applied=True, rules=count, failures=tuple(result for result in results if result is not None))

    def _judge(self, rule: Rule, outcome: Outcome, ask: _Ask) -> RuleResult | None:
        if outcome.is_true:
            return None
        if outcome.error is None:
            message = self._message(rule, ask)
            # What is neither true nor false is not met, whatever errors are to this policy.
            return self._result(rule, "fail", message if outcome.is_false else f"{message} ({_strange(outcome)})")
        if self.policy.failure is Failure.IGNORE:
            return self._result(rule, "ignored", f"passed over, for it could not be evaluated: {outcome.error}")
        said = f"{rule.message}: " if rule.message else ""
        return self._result(rule, "error", f"{said}the rule could not be evaluated ({outcome.error})")

    def _message(self, rule: Rule, ask: _Ask) -> str:
        expression = self._messages.get(rule.id)
        if expression is not None:
            outcome = ask(expression, public=True)
            if outcome.error is None and isinstance(outcome.value, str) and outcome.value:
                return outcome.value[:MESSAGE_LIMIT]
        return rule.message or f"the rule {rule.id!r} is not met"

    def _undecided(self, outcome: Outcome) -> RuleResult:
        message = f"whether the policy applies could not be told ({outcome.error or _strange(outcome)})"
        name = "ignored" if self.policy.failure is Failure.IGNORE else "error"
        return RuleResult("conditions", name, message, None, None, self.policy.severity, self.policy.effect, ())

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


_LATE: Final = Outcome(error="the time budget of all rules together is used up")
_KINDS: Final = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a map"}


def _strange(outcome: Outcome) -> str:
    return f"it gave {_KINDS.get(type(outcome.value), 'something else')}, where true or false is expected"


def evaluate_all(policies: Sequence[CompiledPolicy], facts: Facts, deadline: float = math.inf) -> list[PolicyResult]:
    """What each of these policies says: as `evaluate` of each, and the facts are converted for the engine once for all."""
    facts.expect(policies)
    return [policy.evaluate(facts, deadline) for policy in policies]


def matches(match: Match, passage: Passage, model: str | None, namespace: str, definition: str | None) -> bool:
    """Whether a policy is asked about an action: every member that it gives must fit. Where there is none, only `*` does."""
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
    """Whether a value is as a pattern in which only `*` is special. Linear: each part is taken where it comes first."""
    first, *others = pattern.split("*")
    if not others:
        return value == pattern
    if not value.startswith(first):
        return False
    *between, last = others
    place = len(first)
    for part in between:
        found = value.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return value.endswith(last) and len(value) - len(last) >= place
