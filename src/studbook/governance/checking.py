"""What is wrong with a policy: expressions that cannot be compiled, questions that nothing answers, and tests that fail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer
from studbook.governance.evaluation import VERSION_GATES, CompiledPolicy, Facts
from studbook.governance.expressions import ANYTHING, BOOL, STRING, ExpressionError, Language
from studbook.governance.growth import find_universal
from studbook.governance.policy import Expected
from studbook.governance.shapes import AROUND, declared, find_at, version_shape
from studbook.governance.syntax import Call, Comprehension, Const, Ident, Node, Select, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.domain.canonical import JsonObject
    from studbook.governance.expressions import Compiled
    from studbook.governance.policy import Policy, PolicyTest
    from studbook.governance.syntax import Tree

# What a version always has, perhaps empty.
CONTAINERS: Final[dict[str, type]] = {
    **dict.fromkeys(("tags", "parameters", "attributes", "identifiers", "registered_model"), dict),
    **dict.fromkeys(("metrics", "artifacts", "parents", "datasets", "aliases"), list),
}
# What tells whether there is anything in a list.
_COUNTING: Final = frozenset({"size", "_!=_", "_==_"})
_TEST_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


def find_policy_faults(policy: Policy, attributes: JsonObject | None = None) -> list[Violation]:
    """Everything that is wrong with a policy's expressions; `attributes` is the JSON Schema of what they read in attributes."""
    versions = bool(VERSION_GATES.intersection(policy.match.gates))
    if versions and not VERSION_GATES.issuperset(policy.match.gates):
        others = ", ".join(gate for gate in policy.match.gates if gate not in VERSION_GATES)
        message = f"{others} are about something else than model versions; write a policy of their own for them"
        return [Violation("/match/gates", "mixed_gates", message)]
    checking = _Checking(Language(declared(policy.params, attributes, versions=versions)))
    for place, variable in enumerate(policy.variables):
        compiled = checking.check(("variables", place, "expression"), variable.expression, ANYTHING)
        if compiled is not None:
            checking.language.define(variable.name, compiled)
    for place, condition in enumerate(policy.conditions):
        checking.check(("conditions", place, "expression"), condition.expression, BOOL)
    for place, rule in enumerate(policy.rules):
        checking.check(("rules", place, "expression"), rule.expression, BOOL)
        if rule.message_expression is not None:
            checking.check(("rules", place, "message_expression"), rule.message_expression, STRING)
        if rule.field is not None and versions and not find_at(version_shape(), rule.field.split("/")[1:]):
            message = f"a model version has no place {rule.field!r}; see the reference of policies for those there are"
            checking.faults.append(Violation(pointer(("rules", place, "field")), "unknown_field", message))
    return checking.faults


class _Checking:
    def __init__(self, language: Language) -> None:
        self.language = language
        self.faults: list[Violation] = []

    def check(self, place: tuple[str | int, ...], text: str, want: str) -> Compiled | None:
        """The expression, if it can be used; else its fault is noted."""
        try:
            compiled = self.language.compile(text, want)
        except ExpressionError as error:
            self.faults.append(Violation(pointer(place), "bad_expression", str(error)))
            return None
        if want == BOOL:
            for loop, over in find_universal(compiled.tree):
                if not _is_shown_to_hold_something(compiled.tree, loop, over):
                    message = (
                        f"{_place_of(compiled, loop)}: all() is true of an empty list, so a record without any would pass; "
                        "write L.size() > 0 && L.all(…), or, where nothing is nothing wrong, L.size() == 0 || L.all(…)"
                    )
                    self.faults.append(Violation(pointer(place), "vacuous_all", message))
        return compiled


def _place_of(compiled: Compiled, node: Node) -> str:
    offset = compiled.tree.positions.get(node.id, 0)
    before = compiled.text[:offset]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
    return f"line {line}, column {column}"


def _is_shown_to_hold_something(tree: Tree, loop: Comprehension, over: Node) -> bool:
    """Whether anywhere in the expression it is asked how many there are of what a loop goes over."""
    wanted = _written(over)
    for node in walk(tree.root):
        if (
            isinstance(node, Call)
            and node.function in {"size", "_!=_", "_==_"}
            and any(_written(part) == wanted for part in node.parts)
        ):
            return True
        # Something exists in it, which shows as much.
        if isinstance(node, Comprehension) and node is not loop and _written(node.parts[0]) == wanted:
            step = node.parts[3]
            if isinstance(step, Call) and step.function == "_||_":
                return True
    return False


def _written(node: Node) -> str:
    """An expression without the ids of its parts, to be compared."""
    parts = ",".join(_written(part) for part in node.parts)
    match node:
        case Ident():
            return node.name
        case Select():
            return f"{parts}.{node.field}?" if node.tests else f"{parts}.{node.field}"
        case Call():
            return f"{node.function}({parts})"
        case Const():
            return f"{node.size}:{node.number}"
        case Comprehension():
            return f"loop({node.variable};{parts})"
        case _:
            return f"[{parts}]"


def run_policy_tests(policy: Policy, attributes: JsonObject | None = None) -> list[Violation]:
    """What the policy's own tests find wrong; none for a policy whose expressions are faulty."""
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
    result = compiled.evaluate(facts_of_test(compiled.policy, test))
    expected = Expected() if test.expect == "pass" else test.expect
    if not result.applied:
        return None if expected.skipped else "the policy does not apply to this object, as one of its conditions is not true"
    if expected.skipped:
        return "the policy applies, and was expected not to"
    wrong = []
    for outcome, wanted in (("fail", expected.fail), ("error", expected.error)):
        came = {failure.id: failure.message for failure in result.failures if failure.outcome == outcome}
        wrong += [f"{name!r} was expected to {outcome}, and did not" for name in wanted if name not in came]
        wrong += [f"{name!r} came to {outcome}: {message}" for name, message in came.items() if name not in wanted]
    return "; ".join(wrong) or None


def facts_of_test(policy: Policy, test: PolicyTest) -> Facts:
    """The facts of a test, completed with what is always there."""
    versions = bool(VERSION_GATES.intersection(policy.match.gates))
    given: dict[str, Any] = dict(test.facts)
    now = given.pop("now", None)
    lineage = {"ancestors": 0, "depth": 0, "truncated": False, **given.pop("lineage", {})}
    shape = AROUND["lineage"]
    assert isinstance(shape, dict)  # noqa: S101 - see shapes; for the type checker
    values: dict[str, Any] = {
        "object": _completed(test.object) if versions else test.object,
        "old": _completed(given.pop("old", {})),
        "current": _completed(given.pop("current", {})),
        "action": {"gate": policy.match.gates[0].value, "target": "", **given.pop("action", {})},
        "principal": {"id": "somebody", "roles": [], "access": "write", **given.pop("principal", {})},
        "now": datetime.fromisoformat(now) if now else _TEST_TIME,
        **{f"lineage.{name}": lineage.get(name, []) for name in shape},
        **{name: [] for name, member in AROUND.items() if isinstance(member, list)},
        **given,
    }
    lazy: dict[str, Callable[[], Any]] = {}
    return Facts(values, lazy)


def _completed(version: JsonObject) -> JsonObject:
    """A version of a test with the containers that are always there; nothing stays nothing."""
    if not version:
        return {}
    completed = {**{name: kind() for name, kind in CONTAINERS.items()}, **version}
    measured = [{**metric, "value": float(metric["value"])} if "value" in metric else metric for metric in completed["metrics"]]
    return {**completed, "metrics": measured}
