"""Rules that loop, explode, err, read what they may not, or say something else than yes and no: each fails closed."""

from __future__ import annotations

import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from studbook.governance.checking import find_policy_faults, run_policy_tests
from studbook.governance.evaluation import CompiledPolicy, FactError, Facts, matches
from studbook.governance.expressions import ANYTHING, BOOL, ExpressionError, Language, activate
from studbook.governance.gates import Gate, Passage
from studbook.governance.policy import Match, Policy, RoleQuorum
from studbook.governance.quorum import find_missing
from studbook.governance.shapes import declared


def made(*expressions: str, **parts: Any) -> Policy:
    rules = [{"id": f"r{place}", "expression": text, "message": f"rule {place}"} for place, text in enumerate(expressions)]
    document: dict[str, Any] = {"name": "p", "match": {"gates": ["register"]}, "rules": rules, **parts}
    return Policy.model_validate(document)


def ask(policy: Policy, record: dict[str, Any], deadline: float = float("inf"), **facts: Any) -> dict[str, str]:
    """The outcome of every rule that is not met."""
    values = {"object": record, "now": datetime(2026, 1, 1, tzinfo=UTC), **facts}
    result = CompiledPolicy(policy).evaluate(Facts(values), deadline)
    return {failure.id: failure.outcome for failure in result.failures}


def faults(text: str, **parts: Any) -> list[str]:
    return [violation.message for violation in find_policy_faults(made(text, **parts))]


LANGUAGE = Language(declared({}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("object.metrcs.size() > 0", "line 1, column 7: there is no field 'metrcs' here (did you mean 'metrics'?)"),
        ("object.metrics.exists(m,\n  m.nam == 'a')", "line 2, column 4: there is no field 'nam' here (did you mean 'name'?)"),
        ("objct.name == 'a'", "nothing is called 'objct.name'"),
        ("object.number == 'a'", "line 1, column 15: no such operation: '_==_' of '(int, string)'"),
        ("object.name +", "line 1"),
        ("'true'", "this gives string, and true or false is expected"),
        ("object.number", "this gives int, and true or false is expected"),
        ("params.nothing == 1", "nothing is called 'params.nothing'"),
        ("variables.nothing == 1", "nothing is called 'variables.nothing'"),
        ("env.SECRET == 'a'", "nothing is called 'env.SECRET'"),
        ("object.name.replace('a', object.name) == 'a'", "'replace' is not offered"),
        ("'%s'.format([object.name]) == 'a'", "'format' is not offered"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_saved(text: str, said: str) -> None:
    (message,) = faults(text)
    assert said in message


@pytest.mark.parametrize(
    "text",
    [
        "[object.name]" + ".map(x, x + x)" * 30 + ".size() > 0",
        "[object.name]" + ".map(x, x + x + x + x)" * 12 + ".size() > 0",
        "cel.bind(a, object.name + object.name, " * 1 + "".join(
            f"cel.bind(v{n}, {'a' if n == 0 else f'v{n - 1}'} + {'a' if n == 0 else f'v{n - 1}'}, " for n in range(20)
        ) + "v19 == 'x'" + ")" * 21,
        "cel.bind(l, object.metrics + object.metrics, " + "".join(
            f"cel.bind(l{n}, {'l' if n == 0 else f'l{n - 1}'} + {'l' if n == 0 else f'l{n - 1}'}, " for n in range(20)
        ) + "l19.size() > 0" + ")" * 21,
        "object.name.split('').map(a, object.name).map(b, object.name.split('').map(c, object.name).join('')).size() > 0",
    ],
)  # fmt: skip
def test_memory_bombs_are_refused_when_they_are_saved(text: str) -> None:
    (message,) = faults(text)
    assert "memory" in message or "nest" in message.lower() or "recursion" in message.lower(), message


def test_what_is_modest_for_a_usual_record_is_an_error_for_a_huge_one_and_takes_no_memory() -> None:
    text = "object.metrics.map(m, object.description + m.name).size() >= 0"
    assert faults(text) == []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = {"description": "x" * 60_000, "metrics": [{"name": "a"}] * 9_000}
    assert ask(made(text), huge) == {"r0": "error"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
    assert ask(made(text), {"description": "x", "metrics": [{"name": "a"}]}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "object.datasets.filter(d, !has(d.digest)).map(d, d.name).join(', ') == ''",
        "object.metrics.exists(m, m.name == 'auc' && m.value >= 0.5)",
        "object.datasets.exists(d, object.metrics.exists(m, has(m.dataset) && m.dataset == d.name))",
        "object.metrics.size() > 0 && object.metrics.all(m, m.name.lowerAscii().startsWith('a') || m.value > 0.5)",
        "cel.bind(a, object.tags, 'team' in a && a.team != '')",
        "object.?description.orValue('') != ''",
    ],
)
def test_common_rules_are_within_bounds(text: str) -> None:
    assert faults(text) == []


def test_loops_end() -> None:
    text = "object.metrics.exists(a, object.metrics.exists(b, object.metrics.exists(c, a.value + b.value + c.value < 0.0)))"
    begin = time.perf_counter()
    assert ask(made(text), {"metrics": [{"name": "m", "value": 1.0}] * 2_000}) == {"r0": "error"}
    assert time.perf_counter() - begin < 1.0


def test_a_regular_expression_cannot_explode() -> None:
    begin = time.perf_counter()
    assert ask(made("object.name.matches('^(a+)+$')"), {"name": "a" * 5_000 + "!"}) == {"r0": "fail"}
    assert time.perf_counter() - begin < 0.5


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    # The engine counts negations: an even number of them is none.
    assert ask(made("!" * 2_000 + "true"), {}) == {}
    assert faults("(" * 500 + "true" + ")" * 500)
    assert faults("[" * 400 + "]" * 400 + " == []")


def test_an_expression_has_a_length() -> None:
    with pytest.raises(ValueError, match="4096"):
        made("true || " * 1_000 + "true")


@pytest.mark.parametrize("value", ["true", "NOT_FOUND: x", 1, [True], {"a": True}])
def test_only_the_real_boolean_true_passes(value: Any) -> None:
    # Attributes are of any type, so this is checked when it is asked.
    assert ask(made("object.attributes.ok"), {"attributes": {"ok": value}}) == {"r0": "fail"}
    assert ask(made("object.attributes.ok"), {"attributes": {"ok": True}}) == {}


def test_a_crafted_record_does_not_make_a_rule_err_and_pass() -> None:
    """What is absent, null, of another type, or too large is an error, and an error is a refusal."""
    policy = made("object.attributes.limits.max > 10")
    crafted: list[dict[str, Any]] = [
        {},
        {"attributes": {}},
        {"attributes": {"limits": None}},
        {"attributes": {"limits": "11"}},
        {"attributes": {"limits": {"max": "99999"}}},
        {"attributes": {"limits": {"max": [11]}}},
        {"attributes": {"limits": {"max": 2**70}}},
        {"attributes": {"limits": {"max": float("inf")}}},
        {"attributes": {"limits": {"max": 11}, "x": "y" * 70_000}},
        {"attributes": {"limits": {"max": 11}, "x": list(range(10_001))}},
        {"attributes": {"limits": {"max": 11}, "x": {str(n): "y" * 60_000 for n in range(200)}}},
        {"attributes": {"limits": {"max": 11}, "x": "\ud800"}},
    ]
    for record in crafted:
        assert ask(policy, record) == {"r0": "error"}, record.keys()
    assert ask(policy, {"attributes": {"limits": {"max": 11}}}) == {}


def test_an_error_beside_something_true_is_no_way_round() -> None:
    assert ask(made("object.attributes.a == 1 && true"), {"attributes": {}}) == {"r0": "error"}
    # As CEL has it: what is true needs not know the other side.
    assert ask(made("object.attributes.a == 1 || true"), {"attributes": {}}) == {}


def test_one_error_among_many_rules_is_found_although_they_are_asked_at_once() -> None:
    policy = made("true", "object.attributes.a == 1", "object.number > 0")
    assert ask(policy, {"number": 1, "attributes": {}}) == {"r1": "error"}
    assert ask(policy, {"number": 0, "attributes": {"a": 1}}) == {"r2": "fail"}


def test_errors_are_passed_over_only_where_the_policy_says_so() -> None:
    assert ask(made("object.attributes.a == 1", failure="ignore"), {"attributes": {}}) == {"r0": "ignored"}


def test_a_condition_that_errs_does_not_lead_outside_the_policy() -> None:
    policy = made("false", conditions=[{"name": "risky", "expression": "object.attributes.risk == 'high'"}])
    assert ask(policy, {"attributes": {}}) == {"conditions": "error"}
    assert ask(policy, {"attributes": {"risk": "low"}}) == {}
    assert ask(policy, {"attributes": {"risk": "high"}}) == {"r0": "fail"}


def test_time_runs_out_for_all_rules_together() -> None:
    assert ask(made("true"), {}, deadline=time.monotonic() - 1) == {"r0": "error"}


def test_facts_are_computed_only_when_a_rule_reads_them_and_once() -> None:
    asked: list[str] = []

    def fact(name: str) -> Any:
        def compute() -> list[Any]:
            asked.append(name)
            return []

        return compute

    facts = Facts({"object": {"name": "x"}}, {"lineage.tags": fact("tags"), "lineage.models": fact("models")})
    policy = CompiledPolicy(made("lineage.tags.size() == 0", "lineage.tags.size() < 1"))
    assert policy.reads == {"lineage.tags"}
    assert policy.evaluate(facts).failures == ()
    assert asked == ["tags"]
    assert facts.used == {"lineage.tags"}


@pytest.mark.parametrize("fault", [FactError("too much upstream"), KeyError("too much upstream")])
def test_a_fact_that_cannot_be_had_stands_against_whoever_needs_it(fault: Exception) -> None:
    read = []

    def broken() -> Any:
        read.append(1)
        raise fault

    policy = CompiledPolicy(made("lineage.tags.size() == 0", "object.name == 'x'", "lineage.tags.size() < 9"))
    facts = Facts({"object": {"name": "x"}}, {"lineage.tags": broken})
    result = policy.evaluate(facts)
    assert [(failure.id, failure.outcome) for failure in result.failures] == [("r0", "error"), ("r2", "error")]
    assert "too much upstream" in result.failures[0].message
    assert (len(read), facts.used) == (1, {"lineage.tags", "object"})
    whole = Facts({"object": {"name": "x"}}, {"lineage.tags": list})
    assert policy.evaluate(whole).failures == ()
    assert whole.inputs_digest() != facts.inputs_digest()


def test_what_fails_beneath_a_fact_is_no_verdict() -> None:
    """Else a transaction that the database wants to be tried again would refuse what it should let through."""

    def lost() -> Any:
        message = "the connection was lost"
        raise ConnectionError(message)

    policy = CompiledPolicy(made("lineage.tags.size() == 0"))
    with pytest.raises(ConnectionError):
        policy.evaluate(Facts({}, {"lineage.tags": lost}))


def test_the_digest_of_inputs_tells_apart_what_was_read() -> None:
    def digest(**record: Any) -> str:
        facts = Facts({"object": record})
        CompiledPolicy(made("object.name == 'x'")).evaluate(facts)
        return facts.inputs_digest()

    assert digest(name="x") == digest(name="x")
    assert digest(name="x") != digest(name="y")
    assert digest(name="x").startswith("sha256:")


def test_many_threads_ask_at_once() -> None:
    policy = CompiledPolicy(made("object.metrics.exists(m, m.value > 0.5)", "object.number > 0"))
    barrier = threading.Barrier(8)

    def work(number: int) -> list[int]:
        barrier.wait()
        found = []
        for _ in range(200):
            facts = Facts({"object": {"number": number, "metrics": [{"value": 0.9}]}})
            found.append(len(policy.evaluate(facts).failures))
        return found

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert results[0] == [1] * 200
    assert all(result == [0] * 200 for result in results[1:])


@pytest.mark.parametrize(
    ("text", "vacuous"),
    [
        ("object.datasets.all(d, has(d.digest))", True),
        ("has(object.description) && object.datasets.all(d, has(d.digest))", True),
        ("object.metrics.size() > 0 && object.datasets.all(d, has(d.digest))", True),
        ("object.datasets.size() > 0 && object.datasets.all(d, has(d.digest))", False),
        ("size(object.datasets) != 0 && object.datasets.all(d, has(d.digest))", False),
        ("object.datasets != [] && object.datasets.all(d, has(d.digest))", False),
        ("object.datasets.size() == 0 || object.datasets.all(d, has(d.digest))", False),
        ("object.datasets.exists(d, d.role == 'test') && object.datasets.all(d, has(d.digest))", False),
        ("!object.datasets.exists(d, !has(d.digest))", False),
    ],
)
def test_all_of_nothing_is_no_proof(text: str, vacuous: bool) -> None:
    assert bool(faults(text)) == vacuous
    if vacuous:
        assert find_policy_faults(made(text))[0].code == "vacuous_all"


def test_attributes_are_typed_from_a_json_schema() -> None:
    schema = {
        "type": "object",
        "$defs": {"party": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "properties": {
            "attributes": {
                "type": "object",
                "properties": {
                    "provider": {"$ref": "#/$defs/party"},
                    "layers": {"type": "integer"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "loss": {"type": "number"},
                    "free": {"type": "object"},
                    "odd": {"type": "object", "properties": {"not-a-name": {"type": "string"}}},
                },
            }
        },
    }

    def said(text: str) -> str:
        return " ".join(violation.message for violation in find_policy_faults(made(text), schema))

    assert said("object.attributes.provider.name == 'a' && object.attributes.layers > 3 && 'x' in object.attributes.tags") == ""
    assert (
        said("object.attributes.loss < 1.0 && object.attributes.free.any == 1 && object.attributes.odd['not-a-name'] == 'x'")
        == ""
    )
    assert "did you mean 'provider'" in said("object.attributes.providr.name == 'a'")
    assert "no such operation" in said("object.attributes.layers == 'three'")


def test_a_variable_uses_those_before_it_and_is_bounded_through() -> None:
    variables = [{"name": "a", "expression": "object.name"}, {"name": "b", "expression": "variables.a + variables.a"}]
    assert faults("variables.b != ''", variables=variables) == []
    assert faults("variables.a != ''", variables=list(reversed(variables)))
    many = [{"name": "v0", "expression": "object.name + object.name"}]
    many += [{"name": f"v{n}", "expression": f"variables.v{n - 1} + variables.v{n - 1}"} for n in range(1, 30)]
    assert any("memory" in message for message in faults("variables.v29 != ''", variables=many))


def test_an_error_in_a_variable_is_an_error_of_the_rule() -> None:
    policy = made("variables.limit > 1", "true", variables=[{"name": "limit", "expression": "object.attributes.limit"}])
    assert ask(policy, {"attributes": {}}) == {"r0": "error"}


def test_tests_of_a_policy_say_what_was_expected_and_what_came() -> None:
    tests = [{"name": "wrong", "object": {"name": "x"}, "expect": {"fail": ["r0"]}}]
    (violation,) = run_policy_tests(made("has(object.name)", tests=tests))
    assert violation.pointer == "/tests/0"
    assert violation.message == "wrong: 'r0' was expected to fail, and did not"


def test_places_that_no_version_has_are_refused() -> None:
    document = made("true").model_dump(by_alias=True)
    document["rules"][0]["field"] = "/metrcs"
    (violation,) = find_policy_faults(Policy.model_validate(document))
    assert (violation.pointer, violation.code) == ("/rules/0/field", "unknown_field")


def test_the_engine_is_asked_about_nothing_but_facts() -> None:
    with pytest.raises(ExpressionError):
        LANGUAGE.compile("studbook.Secrets{}.a == 1", BOOL)
    compiled = LANGUAGE.compile("object.tags", ANYTHING)
    outcome = compiled.evaluate(activate({"object": {"tags": {"a": "b"}}}), 10, 1)
    assert outcome.value == {"a": "b"}


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        ({}, True),
        ({"models": ["risk/*"]}, True),
        ({"models": ["risk"]}, False),
        ({"models": ["RISK/*"]}, False),
        ({"targets": ["champ*"]}, True),
        ({"targets": ["[c]hampion"]}, False),
        ({"namespaces": ["prod"]}, False),
        ({"schemas": ["tabular", "other"]}, True),
        ({"schemas": ["other"]}, False),
    ],
)
def test_what_a_policy_is_asked_about(parts: dict[str, Any], fits: bool) -> None:
    match = Match.model_validate({"gates": ["promote"], **parts})
    assert matches(match, Passage(Gate.PROMOTE, "champion"), "risk/a", "default", "tabular") == fits
    assert not matches(match, Passage(Gate.DEPLOY, "champion"), "risk/a", "default", "tabular")


@pytest.mark.parametrize(
    ("people", "missing"),
    [
        ({}, {"validator": 2, "risk-officer": 1}),
        ({"a": {"validator"}, "b": {"validator"}, "c": {"risk-officer"}}, {}),
        ({"a": {"validator", "risk-officer"}, "b": {"validator"}}, {"risk-officer": 1}),
        ({"a": {"validator", "risk-officer"}, "b": {"validator"}, "c": {"validator"}}, {}),
        ({"a": {"risk-officer"}, "b": {"risk-officer"}, "c": {"risk-officer"}}, {"validator": 2}),
    ],
)
def test_a_quorum_counts_distinct_people(people: dict[str, set[str]], missing: dict[str, int]) -> None:
    quorum = [RoleQuorum(role="validator", count=2), RoleQuorum(role="risk-officer", count=1)]
    found = find_missing(quorum, people)
    assert sum(found.values()) == sum(missing.values())
    assert bool(found) == bool(missing)
