"""What is wrong with a policy: expressions that cannot be used, claims that are true of nothing, and tests that fail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.governance.evaluation import VERSION_GATES, CompiledPolicy, Facts
from studbook.governance.expressions import ANYTHING, BOOL, FACTS, STRING, ExpressionError, Language
from studbook.governance.policy import Expected
from studbook.governance.shapes import AROUND, LINEAGE, attributes_shape, declared, has_place, version_shape
from studbook.governance.syntax import Call, Comprehension, Const, Ident, ListLiteral, Node, Select, place_of, walk, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from studbook.domain.canonical import JsonObject
    from studbook.governance.expressions import Compiled
    from studbook.governance.policy import Policy, PolicyTest

# What a version always has, perhaps empty.
_CONTAINERS: Final[dict[str, type]] = {
    "tags": dict, "parameters": dict, "metrics": list, "artifacts": list, "attributes": dict, "identifiers": dict,
    "parents": list, "datasets": list, "aliases": list, "registered_model": dict,
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
        self._variables: dict[str, Compiled] = {}
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
            self._variables[variable] = compiled
        for loop in self._find_vacuous(compiled):
            line, column = place_of(text, compiled.tree.positions.get(loop.id, 0))
            message = (
                f"line {line}, column {column}: all() is true of an empty list, so a record that lists nothing would pass; "
                "write L.size() > 0 && L.all(…), or, where nothing is nothing wrong, L.size() == 0 || L.all(…)"
            )
            self.faults.append(Violation(pointer(place), "vacuous_all", message))

    def _follows(self, fault: ExpressionError) -> bool:
        return any(f"'variables.{name}'" in fault.message for name in self._faulty)

    def _find_vacuous(self, compiled: Compiled) -> Iterator[Comprehension]:
        """The loops that ask whether all are so, of what may be nothing."""
        roots = [compiled.tree.root]
        roots += [self._variables[name].tree.root for name in compiled.variables if name in self._variables]
        shown = {over for root in roots for over in _filled(root)}
        denied = {node.parts[0].id for node in walk(compiled.tree.root) if isinstance(node, Call) and node.function == "!_"}
        allowed = set(_deliberate(compiled.tree.root))
        for node in walk(compiled.tree.root):
            if not _is_all(node) or node.id in denied or node.id in allowed:
                continue
            over = _source(node.parts[0])
            if written(over) not in shown and not self._is_constant(over):
                yield node

    def _is_constant(self, over: Node) -> bool:
        """Whether it is a list that is written out or a parameter, and holds something."""
        if isinstance(over, ListLiteral):
            return bool(over.parts)
        if isinstance(over, Select) and isinstance(over.parts[0], Ident) and over.parts[0].name == "params":
            return bool(self._language.params.get(over.field))
        return False


def _is_all(node: Node) -> TypeGuard[Comprehension]:
    """Whether a loop is all(): its step is `gathered && …`."""
    if not isinstance(node, Comprehension):
        return False
    step = node.parts[3]
    return isinstance(step, Call) and step.function == "_&&_" and _is_name(step.parts[0], node.accumulator)


def _is_any(node: Node) -> TypeGuard[Comprehension]:
    """Whether a loop is exists() or exists_one(), which are true of something only."""
    if not isinstance(node, Comprehension):
        return False
    step = node.parts[3]
    return isinstance(step, Call) and (
        (step.function == "_||_" and _is_name(step.parts[0], node.accumulator)) or isinstance(node.parts[4], Call)
    )


def _is_name(node: Node, name: str) -> bool:
    return isinstance(node, Ident) and node.name == name


def _source(over: Node) -> Node:
    """What a list is made of by map(), which makes as many of it."""
    while isinstance(over, Comprehension) and isinstance(over.parts[3], Call) and over.parts[3].function == "_+_":
        over = over.parts[0]
    return over


# Comparisons of a number of elements with a number from which on they say that there are some, or none.
_SOME: Final = {"_>_": 0, "_>=_": 1, "_==_": 1}
_MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}


def _comparisons(root: Node) -> Iterator[tuple[Call, str, Node, Node]]:
    """Every comparison, both ways round."""
    for node in walk(root):
        if isinstance(node, Call) and node.function in _MIRRORED:
            one, other = node.parts
            yield node, node.function, one, other
            yield node, _MIRRORED[node.function], other, one


def _counted(node: Node) -> Node | None:
    return node.parts[0] if isinstance(node, Call) and node.function == "size" and len(node.parts) == 1 else None


def _number(node: Node) -> int | None:
    return node.value if isinstance(node, Const) and type(node.value) is int else None


def _filled(root: Node) -> Iterator[str]:
    """What is somewhere said to hold something, as it is written."""
    for _, function, one, other in _comparisons(root):
        over, number = _counted(one), _number(other)
        if over is not None and number is not None:
            if (function in _SOME and number >= _SOME[function]) or (function == "_!=_" and number == 0):
                yield written(_source(over))
        elif function == "_!=_" and isinstance(other, ListLiteral) and not other.parts:
            yield written(_source(one))
    for node in walk(root):
        if _is_any(node):
            yield written(_source(node.parts[0]))
        elif isinstance(node, Call) and node.function == "!_":
            yield from _emptied(node.parts[0])


def _deliberate(root: Node) -> Iterator[int]:
    """The loops beside which it is said that there may be nothing: L.size() == 0 || L.all(…), L.size() == 0 ? … : L.all(…)."""
    for node in walk(root):
        if not isinstance(node, Call) or node.function not in {"_||_", "_?_:_"}:
            continue
        sides = (node.parts, node.parts[::-1]) if node.function == "_||_" else ((node.parts[0], node.parts[2]),)
        for one, other in sides:
            empty = set(_emptied(one))
            yield from (loop.id for loop in walk(other) if _is_all(loop) and written(_source(loop.parts[0])) in empty)


def _emptied(root: Node) -> Iterator[str]:
    for _, function, one, other in _comparisons(root):
        over, number = _counted(one), _number(other)
        if over is not None and (function, number) in {("_==_", 0), ("_<_", 1), ("_<=_", 0)}:
            yield written(_source(over))
        elif function == "_==_" and isinstance(other, ListLiteral) and not other.parts:
            yield written(_source(one))


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
