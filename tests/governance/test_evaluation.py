"""What policies say of facts: nothing but true is met, whatever stands there, and what is asked together is as if alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from studbook.governance.evaluation import (
    DEPTH_LIMIT,
    FACTS_LIMIT,
    LIST_LIMIT,
    MESSAGE_LIMIT,
    TEXT_LIMIT,
    CompiledPolicy,
    FactError,
    Facts,
    PolicyResult,
    evaluate_all,
    matches,
)
from studbook.governance.expressions import ANYTHING, Language, activate
from studbook.governance.gates import Gate, Passage
from studbook.governance.policy import Match, Policy

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(*expressions: str, **parts: Any) -> CompiledPolicy:
    rules = [{"id": f"r{place}", "expression": text, "message": f"rule {place}"} for place, text in enumerate(expressions)]
    document: dict[str, Any] = {"name": "p", "match": {"gates": ["register"]}, "rules": rules, **parts}
    return CompiledPolicy(Policy.model_validate(document))


def facts(record: dict[str, Any] | None = None, lazy: dict[str, Callable[[], Any]] | None = None, **more: Any) -> Facts:
    return Facts({"object": record or {}, "now": NOW, **more}, lazy)


def outcomes(result: PolicyResult) -> dict[str, str]:
    return {failure.id: failure.outcome for failure in result.failures}


def ask(policy: CompiledPolicy, record: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    return outcomes(policy.evaluate(facts(record, **more)))


def first_message(policy: CompiledPolicy, record: dict[str, Any] | None = None, **more: Any) -> str:
    return policy.evaluate(facts(record, **more)).failures[0].message


def test_a_comment_hides_no_rule_that_is_asked_together_with_it() -> None:
    """All rules are asked as one expression first; what one line comments out must not reach into the next rule."""
    assert ask(made("true // as it is", "object.number > 5\n&& true"), {"number": 1}) == {"r1": "fail"}
    assert ask(made("true // as it is", "object.number > 5\n|| false // so"), {"number": 9}) == {}
    variables = [{"name": "v", "expression": "object.number // its number"}]
    assert ask(made("variables.v > 5 // large", "true", variables=variables), {"number": 1}) == {"r0": "fail"}
    conditions = [{"name": "a", "expression": "true // always"}, {"name": "b", "expression": "object.number > 5\n&& true"}]
    assert not made("false", conditions=conditions).evaluate(facts({"number": 1})).applied


@pytest.mark.parametrize("rule", ["false || object.number > 5", "object.number > 5 ? true : false", "object.number > 5 && true"])
def test_operators_of_one_rule_do_not_bind_to_the_next(rule: str) -> None:
    for rules in (("true", rule, "true"), (rule, "true || true", "true"), ("true ? true : true", rule)):
        assert list(ask(made(*rules), {"number": 1}).values()) == ["fail"]
        assert ask(made(*rules), {"number": 6}) == {}


def test_rules_that_are_too_many_for_one_expression_are_asked_one_by_one() -> None:
    """Together they would loop more than the engine allows; each for itself does not."""
    rule = "object.metrics.exists(m, m.name == 'z') || object.metrics.size() > 0"
    assert ask(made(*[rule] * 8), {"metrics": [{"name": "a"}] * 2_000}) == {}
    assert ask(made(*["!" * 20 + "true"] * 40), {}) == {}


VALUES: list[Any] = ["true", "", 1, 0, [True], {"a": True}, 1.5]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("failure", ["deny", "ignore"])
def test_what_is_neither_true_nor_false_is_not_met_whatever_errors_are(value: Any, failure: str) -> None:
    """`failure: ignore` is about what cannot be evaluated; this could, and is not true."""
    policy = made("object.attributes.ok", failure=failure)
    assert ask(policy, {"attributes": {"ok": value}}) == {"r0": "fail"}
    assert "where true or false is expected" in first_message(policy, {"attributes": {"ok": value}})
    # Absent, it is an error.
    assert ask(policy, {"attributes": {"ok": None}}) == {"r0": "error" if failure == "deny" else "ignored"}


@pytest.mark.parametrize("value", VALUES)
def test_a_condition_that_is_neither_true_nor_false_does_not_lead_outside(value: Any) -> None:
    policy = made("true", conditions=[{"name": "c", "expression": "object.attributes.risky"}])
    result = policy.evaluate(facts({"attributes": {"risky": value}}))
    assert result.applied
    assert outcomes(result) == {"conditions": "error"}
    assert not policy.evaluate(facts({"attributes": {"risky": False}})).applied


def test_one_condition_that_is_false_leads_outside_whatever_the_others_are() -> None:
    conditions = [{"name": "a", "expression": "object.attributes.a == 1"}, {"name": "b", "expression": "object.number > 5"}]
    policy = made("false", conditions=conditions)
    assert not policy.evaluate(facts({"number": 1, "attributes": {}})).applied
    assert outcomes(policy.evaluate(facts({"number": 9, "attributes": {}}))) == {"conditions": "error"}
    assert outcomes(policy.evaluate(facts({"number": 9, "attributes": {"a": 1}}))) == {"r0": "fail"}


def test_a_condition_that_errs_is_passed_over_where_errors_are() -> None:
    policy = made("false", failure="ignore", conditions=[{"name": "c", "expression": "object.attributes.a == 1"}])
    assert ask(policy, {"attributes": {}}) == {"conditions": "ignored"}


def test_a_result_says_what_the_rule_says_and_else_what_the_policy_says() -> None:
    rules = [
        {"id": "own", "expression": "false", "message": "m", "severity": "low", "effect": "audit", "field": "/name"},
        {"id": "of-policy", "expression": "false", "message": "n", "remediation": "mend it", "controls": ["a:1", "b:2"]},
    ]
    own, of_policy = made(rules=rules, severity="critical", effect="warn").evaluate(facts()).failures
    assert (own.id, own.severity, own.effect, own.field, own.remediation) == ("own", "low", "audit", "/name", None)
    assert (of_policy.severity, of_policy.effect, of_policy.remediation) == ("critical", "warn", "mend it")
    assert of_policy.controls == ("a:1", "b:2")
    assert made("true", "false").evaluate(facts()).rules == 2


def told(expression: str, message: str | None = "plainly") -> CompiledPolicy:
    return made(rules=[{"id": "r", "expression": "false", "message_expression": expression, "message": message}])


@pytest.mark.parametrize(
    ("expression", "message", "said"),
    [
        ("object.name + ' is not good'", "plainly", "n is not good"),
        ("object.attributes.nothing", "plainly", "plainly"),
        ("object.attributes.number", "plainly", "plainly"),
        ("''", "plainly", "plainly"),
        ("object.attributes.nothing", None, "the rule 'r' is not met"),
    ],
)
def test_a_message_is_computed_and_else_as_it_is_written(expression: str, message: str | None, said: str) -> None:
    assert first_message(told(expression, message), {"name": "n", "attributes": {"number": 3}}) == said


def test_a_message_has_an_end() -> None:
    assert len(first_message(told("object.description"), {"description": "x" * 60_000})) == MESSAGE_LIMIT


def test_a_message_does_not_tell_who_the_owners_are_and_a_rule_may_ask() -> None:
    owner = {"name": "A. Person", "email": "owner@example.com"}
    record = {"registered_model": {"name": "m", "owners": [owner]}}
    for expression in ("object.registered_model.owners[0].email", "variables.mail", "current.registered_model.owners[0].name"):
        teller = {"id": "r", "expression": "false", "message_expression": expression, "message": "plainly"}
        variables = [{"name": "mail", "expression": "object.registered_model.owners[0].email"}]
        assert first_message(made(rules=[teller], variables=variables), record, current=record) == "plainly"
    policy = told("string(object.registered_model.owners.size()) + ' owner of ' + object.registered_model.name")
    assert first_message(policy, record) == "1 owner of m"
    assert ask(made("object.registered_model.owners.exists(o, o.email.endsWith('@example.com'))"), record) == {}
    # Asked in turns of the same facts.
    both = facts(record)
    rule = "object.registered_model.owners[0].email == 'owner@example.com'"
    for _ in range(2):
        assert outcomes(made(rule).evaluate(both)) == {}
        assert told("object.registered_model.owners[0].email").evaluate(both).failures[0].message == "plainly"


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("x" * TEXT_LIMIT, "x" * (TEXT_LIMIT + 1), "a text is longer"),
        ("é" * (TEXT_LIMIT // 2), "é" * (TEXT_LIMIT // 2 + 1), "a text is longer"),
        ([1] * LIST_LIMIT, [1] * (LIST_LIMIT + 1), "a list has more"),
        ({str(n): 1 for n in range(LIST_LIMIT)}, {str(n): 1 for n in range(LIST_LIMIT + 1)}, "a list has more"),
        (deep(DEPTH_LIMIT - 2), deep(DEPTH_LIMIT + 1), "nests deeper"),
        (["y" * 60_000] * (FACTS_LIMIT // 61_000), ["y" * 60_000] * (FACTS_LIMIT // 59_000), "larger than the"),
        (2**53 - 1, 2**53, "beyond those that JSON holds exactly"),
        (-(2**53) + 1, -(2**70), "beyond those that JSON holds exactly"),
        (1e300, float("inf"), "beyond those that JSON holds exactly"),
        (0.5, float("nan"), "beyond those that JSON holds exactly"),
        ("\U0001f600", "\ud83d", "lone surrogate"),
        ({"\U0001f600": 1}, {"\udc00": 1}, "lone surrogate"),
        (("a", "b"), {"a", "b"}, "set is nothing that JSON has"),
        ("x", b"x", "bytes is nothing that JSON has"),
    ],
)
def test_facts_are_within_bounds_or_stand_against_whoever_reads_them(good: Any, bad: Any, message: str) -> None:
    policy = made("object.name == 'n'", "true", "now > timestamp('2020-01-01T00:00:00Z')")
    assert ask(policy, {"name": "n", "attributes": good}) == {}
    large = facts({"name": "n", "attributes": bad})
    result = policy.evaluate(large)
    # A rule that does not read the record is not touched by it.
    assert outcomes(result) == {"r0": "error"}
    assert message in result.failures[0].message
    assert large.inputs_digest().startswith("sha256:")


def test_a_list_that_holds_itself_ends() -> None:
    round_and_round: list[Any] = []
    round_and_round.append(round_and_round)
    assert ask(made("object.name == 'n'"), {"name": "n", "attributes": round_and_round}) == {"r0": "error"}


def test_facts_are_bounded_together() -> None:
    half = {"description": "x" * 60_000, "attributes": ["y" * 60_000] * (FACTS_LIMIT // 61_000 - 1)}
    both = made("object.name == 'n'", "current.name == 'n'")
    assert ask(both, {"name": "n", **half}, current={"name": "n"}) == {}
    result = both.evaluate(facts({"name": "n", **half}, current={"name": "n", **half}))
    assert sorted(outcomes(result).values()) == ["error"]


def test_what_is_null_is_absent_however_deep() -> None:
    record = {
        "description": None,
        "attributes": {"a": None, "b": {"c": None, "d": 1}, "l": [None, 1, {"x": None}]},
        "datasets": [{"name": "d", "digest": None}],
    }
    policy = made(
        "!has(object.description) && !has(object.attributes.a) && !has(object.attributes.b.c) && object.attributes.b.d == 1",
        "object.attributes.l.size() == 2 && !has(object.attributes.l[1].x)",
        "!object.datasets.exists(d, has(d.digest))",
    )
    assert ask(policy, record) == {}


def test_numbers_are_what_they_are_declared_to_be() -> None:
    """JSON writes 1.0 as 1; a metric is a double nevertheless, and nothing else may stand there."""
    policy = made("object.metrics.exists(m, m.value >= 0.9)")
    assert ask(policy, {"metrics": [{"value": 1}]}) == {}
    assert ask(policy, {"metrics": [{"value": 1.0}]}) == {}
    strange: list[Any] = ["1", True, [1], {}]
    for value in strange:
        assert ask(policy, {"metrics": [{"value": value}]}) == {"r0": "error"}
    assert ask(made("object.run.code.dirty"), {"run": {"code": {"dirty": "true"}}}) == {"r0": "error"}
    assert ask(made("findings.exists(f, f.overdue)"), {}, findings=[{"overdue": 1}]) == {"r0": "error"}


def test_members_of_enumerations_are_text() -> None:
    class Role(StrEnum):
        TEST = "test"

    assert ask(made("object.datasets[0].role == 'test'"), {"datasets": [{"role": Role.TEST}]}) == {}


def test_a_fact_is_had_once_and_so_is_that_it_cannot_be_had() -> None:
    count = []

    def broken() -> Any:
        count.append(1)
        message = "not now"
        raise FactError(message)

    policy = made("attestations.size() == 0", "attestations.size() < 9", "object.name == 'n'")
    asked = facts({"name": "n"}, {"attestations": broken})
    for _ in range(2):
        assert outcomes(policy.evaluate(asked)) == {"r0": "error", "r1": "error"}
    assert len(count) == 1
    assert asked.used == {"attestations", "object"}


def test_facts_that_are_not_known_here_are_errors() -> None:
    assert ask(made("findings.size() == 0")) == {"r0": "error"}
    assert ask(made("lineage.tags.size() == 0"), lazy={"lineage.models": list}) == {"r0": "error"}


def test_the_whole_lineage_is_all_its_parts() -> None:
    parts = dict.fromkeys(("lineage.tags", "lineage.datasets", "lineage.licenses", "lineage.models", "lineage.unverified"), list)
    lazy: dict[str, Any] = {**parts, "lineage.ancestors": lambda: 2, "lineage.depth": lambda: 1, "lineage.truncated": bool}
    asked = facts({}, lazy)
    policy = made("cel.bind(l, lineage, l.ancestors == 2 && l.tags == [])")
    assert policy.reads == set(lazy)
    assert outcomes(policy.evaluate(asked)) == {}


def test_reads_are_those_of_conditions_rules_messages_and_variables() -> None:
    policy = made(
        rules=[{"id": "r", "expression": "variables.v == 1", "message_expression": "action.gate", "message": "m"}],
        conditions=[{"name": "c", "expression": "principal.access == 'admin'"}],
        variables=[{"name": "u", "expression": "lineage.tags.size()"}, {"name": "v", "expression": "variables.u + params.p"}],
        params={"p": 1},
    )
    assert policy.reads == {"lineage.tags", "action", "principal"}
    assert made("[1].exists(x, x == 1) && object.tags.exists(now2, now2 == 'a')").reads == {"object"}


def test_the_digest_of_inputs_is_of_what_was_read_and_of_nothing_else() -> None:
    def digest(policy: CompiledPolicy, **values: Any) -> str:
        asked = Facts(values)
        policy.evaluate(asked)
        return asked.inputs_digest()

    policy = made("object.name == 'n'")
    one = digest(policy, object={"name": "n", "number": 1, "tags": {"a": "b", "c": "d"}}, action={"gate": "register"})
    assert one == digest(policy, object={"tags": {"c": "d", "a": "b"}, "number": 1.0, "name": "n", "run": None}, action={})
    assert one != digest(policy, object={"name": "n", "number": 2, "tags": {"a": "b", "c": "d"}}, action={"gate": "register"})
    both = made("object.name == 'n'", "has(action.gate)")
    assert digest(both, object={}, action={"gate": "a"}) != digest(both, object={}, action={"gate": "b"})
    # That a fact could not be had is told too.
    assert digest(both, object={}) != digest(policy, object={})


def test_variables_are_values_and_those_of_one_policy_are_none_of_another() -> None:
    first = made("variables.v == 'a' && params.p == 1", variables=[{"name": "v", "expression": "'a'"}], params={"p": 1})
    second = made("variables.v == 'b' && params.p == 2", variables=[{"name": "v", "expression": "'b'"}], params={"p": 2})
    asked = facts()
    for policy in (first, second, first, second):
        assert outcomes(policy.evaluate(asked)) == {}


def test_parameters_are_what_they_are_when_they_are_read_again() -> None:
    """Canonical JSON writes 1.0 as 1, so a policy says the same before it is stored and after; null is absent, as in facts."""
    params = {"one": 1.0, "list": [2.0, None], "map": {"three": 3.0, "none": None}}
    policy = made(
        "params.one + 1 == 2", "params.list == [2] && params.map.three + 1 == 4 && !has(params.map.none)", params=params
    )
    assert ask(policy) == {}
    assert ask(made("params.half + 0.5 == 1.0", params={"half": 0.5})) == {}


def test_the_error_of_a_variable_is_that_of_who_needs_it() -> None:
    variables = [{"name": "bad", "expression": "object.attributes.nothing"}, {"name": "worse", "expression": "variables.bad"}]
    policy = made("variables.worse == 1", "true || variables.bad == 1", "true", variables=variables)
    assert ask(policy, {"attributes": {}}) == {"r0": "error"}


def test_all_policies_together_say_what_each_says_alone() -> None:
    policies = [
        made(f"object.number > {number}", "object.name == params.p", params={"p": "n" if number % 2 else "m"})
        for number in range(6)
    ]
    together = evaluate_all(policies, facts({"number": 3, "name": "n"}))
    alone = [policy.evaluate(facts({"number": 3, "name": "n"})) for policy in policies]
    assert together == alone
    assert [len(result.failures) for result in together] == [1, 0, 1, 1, 2, 1]


def test_what_is_asked_after_the_deadline_is_an_error_and_what_was_before_is_not() -> None:
    begun: list[float] = []

    def slow() -> list[Any]:
        time.sleep(0.05)
        begun.append(1)
        return []

    asked = facts({"number": 1}, {"attestations": slow})
    deadline = time.monotonic() + 0.02
    first, second = evaluate_all([made("attestations.size() == 0"), made("object.number == 1")], asked, deadline)
    assert outcomes(first) == {}
    assert outcomes(second) == {"r0": "error"}
    assert "time budget" in second.failures[0].message
    assert ask(made("true")) == {}


def test_what_cannot_be_compiled_is_an_error_of_its_rule_alone() -> None:
    """What rules may use changes; a policy that was saved before is asked nevertheless, and fails closed."""
    policy = made("object.name ==", "variables.gone == 1", "object.name.replace('a', 'b') == ''", "object.name == 'n'")
    result = policy.evaluate(facts({"name": "n"}))
    assert outcomes(result) == {"r0": "error", "r1": "error", "r2": "error"}
    assert all("the expression cannot be used" in failure.message for failure in result.failures)
    gone = made("true", conditions=[{"name": "c", "expression": "object.name =="}])
    assert ask(gone) == {"conditions": "error"}


def test_threads_share_policies_and_not_facts() -> None:
    variables = [{"name": "v", "expression": "object.number + params.add"}]
    policies = [
        made(f"variables.v == object.attributes.sum{add}", "object.metrics.exists(m, m.name == object.name)",
             variables=variables, params={"add": add})
        for add in range(4)
    ]  # fmt: skip
    barrier = threading.Barrier(8)

    def work(number: int) -> set[int]:
        barrier.wait()
        found = set()
        for turn in range(60):
            value = number * 1_000 + turn
            # The sum of the last is one too many, for every second thread.
            sums = {f"sum{add}": value + add + (number % 2 if add == 3 else 0) for add in range(4)}
            record = {"number": value, "name": f"n{value}", "metrics": [{"name": f"n{value}"}], "attributes": sums}
            results = evaluate_all(policies, facts(record))
            found.add(sum(len(result.failures) for result in results))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [{number % 2} for number in range(8)]


@pytest.mark.parametrize("fact", [2**70, float("nan"), "\ud800", {1: 2}, {"a": object()}, b"\xff", deep(500), {"a", "b"}])
def test_the_engine_never_raises_whatever_it_is_given(fact: Any) -> None:
    """Facts are bounded before; should something come through, it is the expression's error."""
    language = Language(None)
    for text in ("object == 1", "object.a == object.a", "string(object) == 'x'", "size(object) > 0", "object in [object]"):
        outcome = language.compile(text, ANYTHING).evaluate(activate({"object": fact}), 100, 10)
        assert outcome.error is not None or isinstance(outcome.value, bool)


CRASHING = [
    "(-9223372036854775807 - 1) / -1 == 0", "(-9223372036854775807 - 1) % -1 == 0", "-(-9223372036854775807 - 1) == 0",
    "math.abs(-9223372036854775807 - 1) == 0", "math.bitShiftLeft(1, -1) == 0", "math.bitShiftRight(1, 64) == 1",
    "1 / 0 == 0", "int(1e308) == 0", "int(0.0 / 0.0) == 0", "uint(-1) == 0u", "0u - 1u == 0u",
    "timestamp('9999-12-31T23:59:59Z') + duration('315576000000s') == now", "timestamp(9223372036854775807) == now",
    "duration('99999999999999999h') == duration('1s')",
    "duration('-315576000000s') + duration('-315576000000s') < duration('0s')",
    "now.getHours('no/where') == 0", "'é'.substring(2, 1) == ''", "'é'.substring(-1) == ''", "'é'.charAt(9) == ''",
    "'a'.indexOf('a', -1) == 0", "[1][9223372036854775807] == 1", "[1][-1] == 1", "optional.none().value() == 1",
    "'a'.matches('(') || false", "'a'.matches('((((a{100}){100}){100}){100})')", "[dyn(1), 'a'].join(',') == ''",
    "'\\\\' == ''", "string(b'\\xff') == ''", "{'a': 1, 'a': 2} == {}",
]  # fmt: skip


@pytest.mark.parametrize("text", CRASHING)
def test_extremes_are_errors_or_false_and_no_crash(text: str) -> None:
    assert list(ask(made(text)).values()) in (["error"], ["fail"])


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("*", "", True),
        ("*", "a\nb", True),
        ("a*", "a", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a**c", "abc", True),
        ("*b*", "abc", True),
        ("*ab*b*", "aab", False),
        ("a?c", "abc", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("Risk", "risk", False),
        ("risk", "risk/a", False),
        ("é*", "é/x", True),
    ],
)
def test_nothing_but_the_star_is_special_in_a_pattern(pattern: str, value: str, fits: bool) -> None:
    match = Match.model_validate({"gates": ["promote"], "models": ["no", pattern]})
    assert matches(match, Passage(Gate.PROMOTE, "champion"), value, "default", None) is fits


def test_where_there_is_no_model_or_definition_only_the_star_fits() -> None:
    def fits(**parts: Any) -> bool:
        match = Match.model_validate({"gates": ["policy"], **parts})
        return matches(match, Passage(Gate.POLICY, "enforce"), None, "default", None)

    assert fits()
    assert fits(models=["*"], schemas=["*"])
    assert not fits(models=["a*"])
    assert not fits(schemas=["tabular"])


def test_every_member_of_a_match_must_fit() -> None:
    parts = {"models": ["risk/*"], "namespaces": ["prod"], "schemas": ["tabular"], "targets": ["champion"]}
    passage = Passage(Gate.PROMOTE, "champion")
    whole = Match.model_validate({"gates": ["promote"], **parts})
    assert matches(whole, passage, "risk/a", "prod", "tabular")
    assert not matches(whole, passage, "other", "prod", "tabular")
    assert not matches(whole, passage, "risk/a", "dev", "tabular")
    assert not matches(whole, passage, "risk/a", "prod", "text")
    assert not matches(whole, Passage(Gate.PROMOTE, "next"), "risk/a", "prod", "tabular")
    assert not matches(whole, Passage(Gate.DEPLOY, "champion"), "risk/a", "prod", "tabular")


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    match = Match.model_validate({"gates": ["promote"], "models": ["*a" * 127 + "*"]})
    begin = time.thread_time()
    assert not matches(match, Passage(Gate.PROMOTE, "x"), "a" * 126 + "b" * 4_000, "default", None)
    assert time.thread_time() - begin < 0.1
