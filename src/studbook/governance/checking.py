"""What is wrong with a policy: expressions that cannot be used, claims that are true of nothing, and tests that fail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.governance.emptiness import find_vacuous
from studbook.governance.evaluation import VERSION_GATES, CompiledPolicy, Facts
from studbook.governance.expressions import ANYTHING, BOOL, FACTS, STRING, ExpressionError, Language
from studbook.governance.policy import Expected
from studbook.governance.shapes import AROUND, LINEAGE, attributes_shape, declared, has_place, version_shape
from studbook.governance.syntax import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studbook.domain.canonical import JsonObject
    from studbook.governance.policy import Policy, PolicyTest
    from studbook.governance.syntax import Node

# What a version always has, perhaps empty.
_CONTAINERS: Final[dict[str, type]] = {
    "tags": dict, "parameters": dict, "metrics": list, "artifacts": list, "attributes": dict, "identifiers": dict,
    "parents": list, "references": list, "datasets": list, "aliases": list, "registered_model": dict,
}  # fmt: skip
_TEST_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


def find_policy_faults(policy: Policy, attributes: JsonObject | None = None) -> list[Violation]:
    """Everything that is wrong with a policy's expressions; `attributes` is the JSON Schema that attributes are held against."""
    versions = bool(VERSION_GATES.intersection(policy.match.gates))
    if versions and not VERSION_GATES.issuperset(policy.match.gates):
        others = ", ".join(gate for gate in policy.match.gates if gate not in VERSION_GATES)
        message = f"{others} are about something else than model versions; write a policy of their own for them"
        return [Violation("/match/gates", "mixed_gates", message)]
    shapes = declared(policy.params, attributes, versions=versions)
    checking = _Checking(Language(shapes, policy.params))
    for place, variable in enumerate(policy.variables):
        checking.check(("variables", place, "expression"), variable.expression, ANYTHING, variable.name)
    for place, condition in enumerate(policy.conditions):
        checking.check(("conditions", place, "expression"), condition.expression, BOOL)
    version = version_shape(attributes_shape(attributes))
    for place, rule in enumerate(policy.rules):
        checking.check(("rules", place, "expression"), rule.expression, BOOL)
        if rule.message_expression is not None:
            checking.check(("rules", place, "message_expression"), rule.message_expression, STRING)
        if rule.field is not None and versions and not has_place(version, rule.field):
            message = f"a model version has no place {rule.field!r}; see the reference of policies for those there are"
            checking.faults.append(Violation(pointer(("rules", place, "field")), "unknown_field", message))
    return checking.faults


class _Checking:
    def __init__(self, language: Language) -> None:
        self.faults: list[Violation] = []
        self._language = language
        self._variables: dict[str, Node] = {}
        # Variables that are no good themselves: whoever reads them has no fault of his own.
        self._faulty: set[str] = set()

    def check(self, place: tuple[str | int, ...], text: str, want: str, variable: str | None = None) -> None:
        """Note the faults of an expression; if it defines a variable, later ones may read that."""
        try:
            compiled = self._language.compile(text, want)
        except ExpressionError as error:
            faults = [fault for fault in (error, *error.more) if not self._follows(fault)]
            self.faults += [Violation(pointer(place), "bad_expression", str(fault)) for fault in faults]
            if variable is not None:
                self._faulty.add(variable)
            return
        if variable is not None:
            self._language.define(variable, compiled)
            self._variables[variable] = compiled.tree.root
        if want == STRING:
            # A message lets nothing pass.
            return
        for loop in find_vacuous(compiled.tree.root, self._variables, self._language.params):
            line, column = place_of(text, compiled.tree.positions.get(loop.id, 0))
            message = (
                f"line {line}, column {column}: all() is true of an empty list, so a record that lists nothing would pass; "
                "write L.size() > 0 && L.all(…), or, where nothing is nothing wrong, L.size() == 0 || L.all(…)"
            )
            self.faults.append(Violation(pointer(place), "vacuous_all", message))

    def _follows(self, fault: ExpressionError) -> bool:
        return any(f"'variables.{name}'" in fault.message for name in self._faulty)


def run_policy_tests(policy: Policy, attributes: JsonObject | None = None) -> list[Violation]:
    """What the policy's own tests find wrong; none of them is run for a policy whose expressions are faulty."""
    if faults := find_policy_faults(policy, attributes):
        return faults
    compiled = CompiledPolicy(policy)
    found = []
    for place, test in enumerate(policy.tests):
        params = {**policy.params, **test.params}
        chosen = compiled if params == policy.params else CompiledPolicy(policy.model_copy(update={"params": params}))
        if fault := _run(chosen, test):
            found.append(Violation(pointer(("tests", place)), "test_failed", f"{test.name}: {fault}"))
    return found


def _run(compiled: CompiledPolicy, test: PolicyTest) -> str | None:
    expected = Expected() if test.expect == "pass" else test.expect
    known = {rule.id for rule in compiled.policy.rules} | {"conditions"}
    if unknown := sorted({*expected.fail, *expected.error} - known):
        return f"no rule is called {unknown[0]!r}"
    try:
        facts = facts_of_test(compiled.policy, test)
    except ValueError as error:
        return str(error)
    result = compiled.evaluate(facts)
    if not result.applied:
        return None if expected.skipped else "the policy does not apply to this object, as one of its conditions is not true"
    if expected.skipped:
        return "the policy applies, and was expected not to"
    came = {failure.id: failure for failure in result.failures if failure.outcome != "ignored"}
    wanted = {**dict.fromkeys(expected.fail, "fail"), **dict.fromkeys(expected.error, "error")}
    wrong = []
    for name in {**wanted, **came}:
        found = came.get(name)
        outcome = found.outcome if found else "pass"
        if outcome != wanted.get(name, "pass"):
            came_to = f"{name!r} came to {found.outcome}: {found.message}" if found else "did not"
            wrong.append(f"{name!r} was expected to {wanted[name]}, and {came_to}" if name in wanted else came_to)
    return "; ".join(wrong) or None


def facts_of_test(policy: Policy, test: PolicyTest) -> Facts:
    """The facts of a test, completed with what is always there.

    Raises ValueError for facts that there are not.
    """
    versions = bool(VERSION_GATES.intersection(policy.match.gates))
    if unknown := sorted(set(test.facts) - (FACTS - {"object"})):
        message = f"there is no fact {unknown[0]!r} for 'facts'; there are {', '.join(sorted(FACTS - {'object'}))}"
        raise ValueError(message)
    given = test.facts
    parts = {"ancestors": 0, "depth": 0, "truncated": False, **_record_of(given, "lineage")}
    if unknown := sorted(set(parts) - set(LINEAGE)):
        message = f"the lineage has no {unknown[0]!r}; it has {', '.join(LINEAGE)}"
        raise ValueError(message)
    target = next((target for target in policy.match.targets or () if "*" not in target), "")
    values: dict[str, Any] = {
        **{name: [] for name, shape in AROUND.items() if isinstance(shape, list)},
        **given,
        "object": _completed(test.object) if versions else test.object,
        "old": _completed(old) if (old := _record_of(given, "old")) else {},
        "current": _completed(current) if (current := _record_of(given, "current")) else {},
        "action": {"gate": policy.match.gates[0].value, "target": target, **_record_of(given, "action")},
        "principal": {"id": "somebody", "roles": [], "access": "write", **_record_of(given, "principal")},
        "now": _time_of(given),
        **{f"lineage.{name}": parts.get(name, []) for name in LINEAGE},
    }
    return Facts(values)


def _record_of(given: Mapping[str, Any], name: str) -> JsonObject:
    value = given.get(name, {})
    if not isinstance(value, dict):
        message = f"the fact {name!r} is a record"
        raise ValueError(message)  # noqa: TRY004 - a fault of the document, like the others
    return value


def _time_of(given: Mapping[str, Any]) -> datetime:
    """The time at which a test is run; YAML may have read it already."""
    now = given.get("now", _TEST_TIME)
    try:
        found = now if isinstance(now, datetime) else datetime.fromisoformat(now)
    except (TypeError, ValueError):
        message = "the fact 'now' is a time, as in 2026-01-31T12:00:00Z"
        raise ValueError(message) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _completed(version: JsonObject) -> JsonObject:
    """A version of a test with the containers that are always there."""
    return {**{name: kind() for name, kind in _CONTAINERS.items()}, **version}
