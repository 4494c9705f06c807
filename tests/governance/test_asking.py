"""Policies asked about facts: what is read, what is true, what is said, and what nobody gets past."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from studbook.governance.expressions import ANYTHING, ExpressionError, Language, activate
from studbook.governance.gates import Gate, Passage
from studbook.governance.policy import Match, Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(*expressions: str, name: str = "p", **parts: Any) -> CompiledPolicy:
    rules = [{"id": f"r{place}", "expression": text, "message": f"rule {place}"} for place, text in enumerate(expressions)]
    document = {"name": name, "match": {"gates": ["register"]}, "rules": rules, **parts}
    return CompiledPolicy(Policy.model_validate(document))


def facts(record: Any = None, **others: Any) -> Facts:
    return Facts({"object": {} if record is None else record, "now": NOW, **others})


def outcomes(result: PolicyResult) -> dict[str, str]:
    return {failure.id: failure.outcome for failure in result.failures}


def ask(policy: CompiledPolicy, record: Any = None, **others: Any) -> dict[str, str]:
    return outcomes(policy.evaluate(facts(record, **others)))


# What a rule may come to, and how it is written.
RULES = {
    "true": ("pass", ["true", "object.a == 1", "variables.one == 1", "params.p == 'x'", "true // whatever", "(\n true\n)"]),
    "false": ("fail", ["false", "object.a != 1", "variables.one > 1", "params.p == 'y'"]),
    "error": ("error", ["object.b == 1", "variables.none == 1", "params.q == 1", "1 / (object.a - 1) == 1"]),
    "no boolean": ("fail", ["object.text", "object.a", "object.list", "dyn('true')", "variables.text"]),
}
CHOICES = [(expected, text) for expected, texts in RULES.values() for text in texts]
RECORD = {"a": 1, "text": "true", "list": [True]}
VARIABLES = [
    {"name": "one", "expression": "object.a // the number"},
    {"name": "none", "expression": "object.b"},
    {"name": "text", "expression": "object.text"},
]


@given(st.lists(st.sampled_from(CHOICES), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_rules_asked_together_come_to_what_each_comes_to(chosen: list[tuple[str, str]]) -> None:
    policy = made(*(text for _, text in chosen), variables=VARIABLES, params={"p": "x"})
    wanted = {f"r{place}": expected for place, (expected, _) in enumerate(chosen) if expected != "pass"}
    result = policy.evaluate(facts(RECORD))
    assert outcomes(result) == wanted
    assert (result.applied, result.rules) == (True, len(chosen))


@pytest.mark.parametrize("text", ["false) || (true", "false)\n|| (true", "true // )", "(true", "true) && (false", "true, true"])
def test_a_rule_cannot_reach_out_of_itself(text: str) -> None:
    """Rules are asked together as one expression; what is none by itself is none there."""
    if "//" in text:
        assert ask(made(text, "false")) == {"r1": "fail"}
    else:
        assert ask(made("true", text)) == {"r1": "error"}
        assert ask(made(text, "false")) == {"r0": "error", "r1": "fail"}


@pytest.mark.parametrize("text", ["__one == 1", "parameters.p1.p == 'x'", "[1].exists(__one, __one == 1)", "variables == {}"])
def test_names_that_stand_for_variables_are_not_to_be_had(text: str) -> None:
    assert ask(made(text, variables=VARIABLES, params={"p": "x"}), RECORD) == {"r0": "error"}
    with pytest.raises(ExpressionError):
        Language(None, {"p": "x"}).compile(text)


@pytest.mark.parametrize("name", ["object", "params", "variables", "lineage", "now", "parameters"])
def test_a_loop_takes_no_name_of_a_fact(name: str) -> None:
    with pytest.raises(ExpressionError, match=f"{name!r} is taken"):
        Language(None).compile(f"[1].exists({name}, {name} == 1)")


class TestConditions:
    def test_one_that_is_false_leaves_the_policy_out_whatever_the_others_are(self) -> None:
        conditions = [{"name": "a", "expression": "object.b == 1"}, {"name": "b", "expression": "object.a == 2"}]
        result = made("false", conditions=conditions).evaluate(facts(RECORD))
        assert result == PolicyResult(applied=False)

    @pytest.mark.parametrize("text", ["object.text", "object.a", "dyn('false')", "object.b", "object.list"])
    def test_one_that_is_no_boolean_does_not_lead_outside(self, text: str) -> None:
        conditions = [{"name": "a", "expression": text}]
        result = made("true", conditions=conditions).evaluate(facts(RECORD))
        assert (result.applied, outcomes(result)) == (True, {"conditions": "error"})

    def test_errors_that_are_passed_over_are_told_of(self) -> None:
        conditions = [{"name": "a", "expression": "object.b"}]
        result = made("false", conditions=conditions, failure="ignore").evaluate(facts(RECORD))
        assert (result.applied, outcomes(result)) == (True, {"conditions": "ignored"})

    def test_facts_of_rules_are_not_computed_for_what_is_left_out(self) -> None:
        policy = made("lineage.tags.size() == 0", conditions=[{"name": "a", "expression": "object.a == 2"}])
        record = Facts({"object": RECORD}, {"lineage.tags": lambda: pytest.fail("it was read")})
        assert policy.evaluate(record) == PolicyResult(applied=False)
        assert record.used == {"object"}


def test_what_is_neither_true_nor_false_is_not_met_where_errors_are_passed_over_too() -> None:
    result = made("object.text", "object.b", failure="ignore").evaluate(facts(RECORD))
    assert outcomes(result) == {"r0": "fail", "r1": "ignored"}
    assert result.failures[0].message == "rule 0 (it gave a text, where true or false is expected)"


def test_an_expression_that_cannot_be_compiled_any_more_is_an_error_of_its_rule_and_locks_nobody_out() -> None:
    policy = made("object.a == 1", "object.a.replace('a', 'b') == ''", "gone(object.a)", failure="deny")
    result = policy.evaluate(facts(RECORD))
    assert outcomes(result) == {"r1": "error", "r2": "error"}
    assert "'replace' is not offered" in result.failures[0].message


class TestVariables:
    def test_one_is_computed_only_when_it_is_read_itself(self) -> None:
        """Two variables of one rule: the error of that which is not needed is none of the rule."""
        text = "(!has(object.run) || variables.seed > 0) && variables.one == 1"
        variables = [*VARIABLES, {"name": "seed", "expression": "object.run.seed"}]
        assert ask(made(text, variables=variables), RECORD) == {}
        assert ask(made(text, variables=variables), {**RECORD, "run": {}}) == {"r0": "error"}

    def test_times_durations_and_lists_come_through(self) -> None:
        variables = [
            {"name": "born", "expression": "timestamp(object.created_at)"},
            {"name": "age", "expression": "now - variables.born"},
            {"name": "long", "expression": "object.list.filter(x, x > 1)"},
        ]
        text = "variables.age > duration('24h') && variables.born < now && variables.long == [2, 3]"
        record = {"created_at": "2025-12-01T00:00:00Z", "list": [1, 2, 3]}
        assert ask(made(text, variables=variables), record) == {}
        assert ask(made(text, variables=variables), {**record, "created_at": "2025-12-31T12:00:00Z"}) == {"r0": "fail"}

    def test_what_is_read_through_variables_is_read(self) -> None:
        variables = [
            {"name": "tags", "expression": "lineage.tags"},
            {"name": "tagged", "expression": "variables.tags.size() > 0"},
        ]
        assert made("variables.tagged", variables=variables).reads == {"lineage.tags"}

    def test_more_than_can_be_nested_are_an_error_and_no_crash(self) -> None:
        variables = [{"name": "v0", "expression": "object.a"}]
        variables += [{"name": f"v{n}", "expression": f"variables.v{n - 1} + 1"} for n in range(1, 50)]
        policy = made("variables.v5 == 6", "variables.v49 == 50", variables=variables)
        assert ask(policy, RECORD) == {"r1": "error"}


class TestManyPolicies:
    def test_parameters_and_variables_are_those_of_each(self) -> None:
        policies = [
            made(
                "object.a == params.p && variables.v == params.p",
                params={"p": n},
                variables=[{"name": "v", "expression": f"{n}"}],
            )
            for n in (1, 2, 1)
        ]
        together = evaluate_all(policies, shared := facts(RECORD))
        assert [outcomes(result) for result in together] == [{}, {"r0": "fail"}, {}]
        assert [outcomes(policy.evaluate(shared)) for policy in policies] == [{}, {"r0": "fail"}, {}]

    def test_facts_that_only_some_read_are_computed_once_and_stay_away_from_the_digest_of_others(self) -> None:
        count: list[int] = []

        def tags() -> list[Any]:
            count.append(1)
            return []

        policies = [made("object.a == 1"), made("lineage.tags.size() == 0"), made("lineage.tags == [] && object.a == 1")]
        shared = Facts({"object": RECORD}, {"lineage.tags": tags, "lineage.models": lambda: pytest.fail("nobody reads it")})
        assert [outcomes(result) for result in evaluate_all(policies, shared)] == [{}, {}, {}]
        assert count == [1]
        alone = Facts({"object": RECORD}, {"lineage.tags": tags})
        policies[0].evaluate(alone)
        assert (alone.used, shared.used) == ({"object"}, {"object", "lineage.tags"})
        assert alone.inputs_digest() != shared.inputs_digest()

    def test_ten_policies_of_five_rules_are_asked_in_well_under_a_millisecond(self) -> None:
        record = {"description": "x", "tags": {"a": "b"}, "metrics": [{"name": f"m{n}", "value": 0.9} for n in range(20)]}
        texts = [
            "object.description != ''",
            "object.metrics.exists(m, m.name == 'm7' && m.value >= params.p)",
            "object.tags.a == 'b'",
        ]
        policies = [made(*texts, *texts[:2], params={"p": n / 100}) for n in range(10)]
        shared = facts(record)
        best = 1.0
        for _ in range(20):
            begun = time.perf_counter()
            results = evaluate_all(policies, shared)
            best = min(best, time.perf_counter() - begun)
        assert all(result.failures == () for result in results)
        # Measured: 0.1 ms. One conversion of the facts for each policy would be more than this.
        assert best < 0.0006


class TestFacts:
    """What rules are given: JSON, without nulls, within bounds, and numbers where numbers are declared."""

    def given_as(self, value: Any, text: str = "object.x") -> Any:
        asked = facts({"x": value})
        outcome = asked.ask(Language(None).compile(text, ANYTHING), Language(None))
        return outcome.value if outcome.error is None else outcome.error

    def test_nulls_are_absent_at_every_depth(self) -> None:
        assert self.given_as({"a": None, "b": [None, 1, {"c": None}]}) == {"b": [1, {}]}
        assert self.given_as(None, "has(object.x)") is False

    def test_members_of_enumerations_and_tuples_are_what_json_has_for_them(self) -> None:
        class Colour(StrEnum):
            RED = "red"

        assert self.given_as((Colour.RED, "x")) == ["red", "x"]

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("\ud800", "lone surrogate"),
            ({"\udfff": 1}, "lone surrogate"),
            (2**53, "beyond those"),
            (-(2**63), "beyond those"),
            (2**100, "beyond those"),
            (float("nan"), "beyond those"),
            (float("-inf"), "beyond those"),
            (NOW, "datetime is nothing that JSON has"),
            ({1, 2}, "set is nothing"),
            (b"x", "bytes is nothing"),
            (object(), "object is nothing"),
            ("x" * (TEXT_LIMIT + 1), "longer than"),
            ("é" * (TEXT_LIMIT // 2 + 1), "longer than"),
            ([0] * (LIST_LIMIT + 1), "more than the 10,000"),
            ({str(n): 0 for n in range(LIST_LIMIT + 1)}, "more than the 10,000"),
            ([["x" * 60_000] * 100] * 2, "larger than"),
        ],
    )
    def test_what_is_none_of_it_is_an_error_of_all_that_read_the_fact_and_of_nothing_else(self, value: Any, said: str) -> None:
        policy = made("object.b == 1", "now > timestamp('2020-01-01T00:00:00Z')")
        asked = facts({"b": 1, "x": value})
        result = policy.evaluate(asked)
        assert outcomes(result) == {"r0": "error"}
        assert said in result.failures[0].message
        assert asked.inputs_digest().startswith("sha256:")

    def test_the_largest_of_each_are_read(self) -> None:
        assert self.given_as("é" * (TEXT_LIMIT // 2), "object.x.size()") == TEXT_LIMIT // 2
        assert self.given_as([0] * LIST_LIMIT, "object.x.size()") == LIST_LIMIT
        assert self.given_as([2**53 - 1, 1e300, -0.5, 1e16]) == [2**53 - 1, 1e300, -0.5, 1e16]

    def test_a_deep_fact_is_refused_and_not_a_crash(self) -> None:
        deep: Any = 1
        for level in range(DEPTH_LIMIT):
            deep = [deep] if level % 2 else {"a": deep}
        assert self.given_as(deep, "true || object.x == 1") is True
        assert "nests deeper" in self.given_as([[deep]], "object.x == 1")
        for _ in range(100_000):
            deep = [deep]
        assert "nests deeper" in self.given_as(deep, "object.x == 1")
        while isinstance(deep, list):
            # Else it is taken apart by recursion when it is given up.
            deep = deep[0]

    def test_a_list_in_many_places_counts_in_each(self) -> None:
        path = ["x" * 1_000] * 100
        assert "larger than" in self.given_as({str(n): path for n in range(FACTS_LIMIT // 100_000 + 1)})

    def test_facts_that_are_too_large_together_are_refused_from_the_one_on_that_is_too_much(self) -> None:
        large = {"x": ["y" * 60_000] * (FACTS_LIMIT // 60_000 * 2 // 3)}
        result = made("old.x.size() > 1", "object.x.size() > 1").evaluate(facts(large, old=large))
        assert outcomes(result) == {"r0": "error"}
        assert "the facts are larger than" in result.failures[0].message

    @pytest.mark.parametrize(
        ("record", "said"),
        [
            ({"metrics": [{"name": "a", "value": 0.5}, {"name": "a", "value": "0.9"}]}, "'value' is declared to be a number"),
            ({"metrics": [{"name": "a", "step": True}]}, "'step' is declared to be a number"),
            ({"run": {"code": {"dirty": "no"}}}, "'dirty' is declared to be true or false"),
            ({"number": [3]}, "'number' is declared"),
        ],
    )
    def test_numbers_are_numbers_where_they_are_declared(self, record: Any, said: str) -> None:
        result = made("object.name == 'x'").evaluate(facts({"name": "x", **record}))
        assert outcomes(result) == {"r0": "error"}
        assert said in result.failures[0].message

    def test_a_metric_of_exactly_one_is_reckoned_with_like_any_other(self) -> None:
        policy = made("object.metrics.all(m, m.value - 0.1 > 0.5) && current.metrics[0].value + 0.5 == 2.5")
        for one in (1, 1.0):
            assert ask(policy, {"metrics": [{"value": one}]}, current={"metrics": [{"value": 2}]}) == {}

    def test_one_and_one_point_nought_are_the_same_fact(self) -> None:
        policy = made("object.parameters.depth + 1 == 7", "type(object.parameters.depth) == int")
        digests = set()
        for depth in (6, 6.0):
            asked = facts({"parameters": {"depth": depth}})
            assert outcomes(policy.evaluate(asked)) == {}
            digests.add(asked.inputs_digest())
        assert len(digests) == 1

    def test_a_parameter_is_the_same_before_and_after_it_was_stored(self) -> None:
        for limit in (1, 1.0):
            policy = made(
                "object.metrics.all(m, m.value <= params.limit && m.value <= double(params.limit))", params={"limit": limit}
            )
            assert ask(policy, {"metrics": [{"value": 0.5}, {"value": 1}]}) == {}
            assert ask(made("params.limit + 1 == 2", params={"limit": limit})) == {}

    def test_a_fact_that_nobody_gave_is_an_error(self) -> None:
        result = made("findings.size() == 0").evaluate(facts())
        assert outcomes(result) == {"r0": "error"}
        assert "findings is not known here" in result.failures[0].message

    def test_a_fault_is_part_of_what_was_read(self) -> None:
        def failing(said: str) -> Facts:
            def broken() -> Any:
                raise FactError(said)

            asked = Facts({"object": {}}, {"lineage.tags": broken})
            made("lineage.tags == []").evaluate(asked)
            return asked

        assert failing("too much upstream").used == {"lineage.tags"}
        assert failing("too much upstream").inputs_digest() == failing("too much upstream").inputs_digest()
        assert failing("too much upstream").inputs_digest() != failing("no answer").inputs_digest()


class TestMessages:
    def messages(self, record: Any, **rule: Any) -> str:
        policy = made("false")
        document = policy.policy.model_dump(by_alias=True, exclude_none=True)
        document["rules"] = [{"id": "r0", "expression": "false", **rule}]
        (failure,) = CompiledPolicy(Policy.model_validate(document)).evaluate(facts(record)).failures
        return failure.message

    def test_one_names_what_is_wrong(self) -> None:
        record = {"datasets": [{"name": "a"}, {"name": "b", "digest": "x"}, {"name": "c"}]}
        text = "'no digest: ' + object.datasets.filter(d, !has(d.digest)).map(d, d.name).join(', ')"
        assert self.messages(record, message_expression=text) == "no digest: a, c"

    @pytest.mark.parametrize(
        "text", ["object.nothing", "object.a", "''", "object.list", "'a' + 1", "(", "object.a.replace('a', 'b')"]
    )
    def test_one_that_comes_to_no_text_gives_way_to_what_is_written(self, text: str) -> None:
        assert self.messages(RECORD, message_expression=text, message="as written") == "as written"
        assert self.messages(RECORD, message_expression=text) == "the rule 'r0' is not met"

    def test_one_that_is_long_is_cut(self) -> None:
        assert self.messages({"a": "x" * 60_000}, message_expression="object.a") == "x" * MESSAGE_LIMIT

    def test_owners_are_not_named_in_what_goes_into_the_log(self) -> None:
        record = {"registered_model": {"owners": [{"name": "somebody", "email": "somebody@example.com"}], "model": "churn"}}
        for text in (
            "object.registered_model.owners[0].name",
            "object.registered_model.owners.map(o, o.?email.orValue('')).join(',')",
        ):
            assert "somebody" not in self.messages(record, message_expression=text, message="as written")
        counted = "object.registered_model.model + ': ' + string(object.registered_model.owners.size())"
        assert self.messages(record, message_expression=counted) == "churn: 1"
        assert ask(made("object.registered_model.owners[0].name == 'somebody'"), record) == {}


def test_what_is_late_is_an_error_and_the_rest_is_not() -> None:
    policy = made("true", "true")
    assert outcomes(policy.evaluate(facts(), time.monotonic() + 60)) == {}
    late = policy.evaluate(facts(), time.monotonic() - 1)
    assert outcomes(late) == {"r0": "error", "r1": "error"}
    assert "time budget" in late.failures[0].message
    lenient = made("true", failure="ignore", conditions=[{"name": "c", "expression": "true"}])
    assert outcomes(lenient.evaluate(facts(), time.monotonic() - 1)) == {"conditions": "ignored"}


def test_loops_of_one_rule_do_not_use_up_the_rounds_of_another() -> None:
    """The engine counts the rounds of all that is asked at once, so what is too much together is asked one by one."""
    texts = ["object.metrics.all(m, m.value < 1.0)"] * 3
    assert ask(made(*texts), {"metrics": [{"value": 0.5}] * 6_000}) == {}


def test_what_a_rule_gives_is_told_of_by_the_engine_in_our_words() -> None:
    result = made("object.b == 1", "object.text > 1", "object.list[7]").evaluate(facts(RECORD))
    said = [failure.message for failure in result.failures]
    assert "there is no 'b'; ask has(…) first" in said[0]
    assert "no such operation" in said[1]
    assert "index=7" in said[2]
    assert not any("NOT_FOUND" in message or "INVALID" in message for message in said)


def test_threads_compile_and_ask_at_once() -> None:
    def work(number: int) -> list[dict[str, str]]:
        found = []
        for turn in range(15):
            policy = made(
                f"object.a == {number}",
                "variables.v == params.p",
                params={"p": turn},
                variables=[{"name": "v", "expression": f"{turn}"}],
            )
            found += [ask(policy, {"a": number}), ask(policy, {"a": -1})]
        return found

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(work, range(8)):
            assert found == [{}, {"r0": "fail"}] * 15


def test_one_policy_is_asked_by_many_threads_at_once() -> None:
    policy = made("object.list.exists(x, x == params.p)", params={"p": 7})

    def work(number: int) -> list[dict[str, str]]:
        return [ask(policy, {"list": [number] * 50}) for _ in range(100)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(4, 12)))
    assert [found[0] for found in results] == [{} if number == 7 else {"r0": "fail"} for number in range(4, 12)]
    assert all(len({str(one) for one in found}) == 1 for found in results)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "", True),
        ("*", "a/b", True),
        ("**", "", True),
        ("a*", "a", True),
        ("a*", "b", False),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a?", "ab", False),
        ("a.c", "abc", False),
        ("A", "a", False),
        ("a*\n", "a", False),
        ("a", "a\n", False),
    ],
)
def test_only_a_star_is_special_in_a_pattern(pattern: str, name: str, fits: bool) -> None:
    match = Match.model_validate({"gates": ["promote"], "models": [pattern]})
    assert matches(match, Passage(Gate.PROMOTE, "x"), name, "default", None) == fits


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    match = Match.model_validate({"gates": ["promote"], "models": ["*a" * 127 + "*"]})
    begun = time.perf_counter()
    assert not matches(match, Passage(Gate.PROMOTE, "x"), "a" * 126 + "b" * 1_000, "default", None)
    assert time.perf_counter() - begun < 0.05


def test_what_an_activation_holds_is_what_was_given() -> None:
    compiled = Language(None, {"p": [1]}).compile("params.p.size() == 1 && object.a == 1")
    assert compiled.evaluate(activate({"object": {"a": 1}}), 10, 1).error is not None
    language = Language(None, {"p": [1]})
    compiled = language.compile("params.p.size() == 1 && now > timestamp(object.a)")
    activation = activate({"object": {"a": "2026-01-01T00:00:00Z"}, "now": NOW + timedelta(1)}, {language.key: language.params})
    assert compiled.evaluate(activation, 10, 1).is_true
