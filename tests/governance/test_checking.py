"""Faults of policies are found when they are saved: each with its place, in words that help, and no others on account of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from studbook.governance.checking import facts_of_test, find_policy_faults, run_policy_tests
from studbook.governance.expressions import Language
from studbook.governance.policy import Policy
from studbook.governance.shapes import attributes_shape


def made(*expressions: str, **parts: Any) -> Policy:
    rules = [{"id": f"r{place}", "expression": text, "message": f"rule {place}"} for place, text in enumerate(expressions)]
    document: dict[str, Any] = {"name": "p", "match": {"gates": ["register"]}, "rules": rules, **parts}
    return Policy.model_validate(document)


def faults(policy: Policy, schema: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.message) for violation in find_policy_faults(policy, schema)]


def said(text: str, schema: dict[str, Any] | None = None, **parts: Any) -> str:
    return "; ".join(message for _, message in faults(made(text, **parts), schema))


def described(properties: dict[str, Any], **definitions: Any) -> dict[str, Any]:
    """A definition's JSON Schema with these attributes."""
    attributes = {"type": "object", "properties": properties}
    return {"type": "object", "$defs": definitions, "properties": {"attributes": attributes}}


def test_every_fault_has_its_pointer() -> None:
    policy = made(
        "object.nme == ''",
        "true",
        "object.number == 'x' && object.descripton == ''",
        variables=[{"name": "good", "expression": "object.name"}, {"name": "bad", "expression": "object.tag"}],
        conditions=[{"name": "c", "expression": "object.name"}],
    )
    rule = {"id": "last", "expression": "true", "message_expression": "object.number", "field": "/no/such"}
    policy = Policy.model_validate({**policy.model_dump(by_alias=True), "rules": [*policy.model_dump()["rules"], rule]})
    found = faults(policy)
    assert [pointer for pointer, _ in found] == [
        "/variables/1/expression",
        "/conditions/0/expression",
        "/rules/0/expression",
        "/rules/2/expression",
        "/rules/2/expression",
        "/rules/3/message_expression",
        "/rules/3/field",
    ]
    assert [message.split(":")[0] for _, message in found[2:5]] == ["line 1, column 7", "line 1, column 15", "line 1, column 31"]


def test_whoever_reads_a_faulty_variable_has_no_fault_of_his_own() -> None:
    variables = [{"name": "bad", "expression": "object.nme"}]
    ((pointer, _),) = faults(made("variables.bad == 'a' && variables.bad != 'b'", variables=variables))
    assert pointer == "/variables/0/expression"
    assert [pointer for pointer, _ in faults(made("variables.bad == 'a' && object.nme == ''", variables=variables))] == [
        "/variables/0/expression",
        "/rules/0/expression",
    ]


def test_variables_have_the_type_of_what_they_are() -> None:
    variables = [{"name": "many", "expression": "object.metrics.size()"}]
    assert said("variables.many > 3", variables=variables) == ""
    assert "no such operation" in said("variables.many == 'three'", variables=variables)


def test_parameters_have_the_type_of_their_values() -> None:
    params = {"word": "a", "words": ["a"], "mixed": ["a", 1], "yes": True, "map": {"a": 1}, "number": 0.5, "none": []}
    assert said("params.words.exists(w, w == params.word) && params.yes && params.map.a == 1", params=params) == ""
    # 1.0 is stored as 1, so numbers are compared with either kind.
    assert said("params.number < 1.0 && params.number < 2 && params.mixed[1] == 1 && params.none == []", params=params) == ""
    assert "no such operation" in said("params.word > 3", params=params)
    assert "no such operation" in said("params.words.exists(w, w > 3)", params=params)
    assert "did you mean 'words'" in said("params.wrods == []", params=params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1].exists(object, true)", "'object' is taken; call the loop's variable otherwise"),
        ("cel.bind(params, {'a': 1}, params.a == 1)", "'params' is taken"),
        ("cel.bind(variables, {'a': 1}, variables.a == 1)", "'variables' is taken"),
        ("[1].exists(__a, true)", "'__a' is taken"),
        ("parameters.p1 == 1", "nothing is called 'parameters"),
        ("variables == {}", "nothing is called 'variables'"),
        ("object.?description == 'a'", "no such operation"),
        ("object.metrics.exists(m, m.value > 1)", "beside a double a whole number is written 1.0"),
    ],
)
def test_names_and_types_that_mislead(text: str, message: str) -> None:
    assert message in said(text)


def test_a_policy_is_about_versions_or_about_something_else() -> None:
    ((pointer, message),) = faults(made("true", match={"gates": ["register", "erase"]}))
    assert pointer == "/match/gates"
    assert "erase are about something else" in message
    # What it is about then is not described, so any field may be read.
    assert said("object.anything.there == 'is'", match={"gates": ["erase"]}) == ""
    assert "no field 'anything'" in said("object.anything.there == 'is'")


@pytest.mark.parametrize(
    ("place", "is_there"),
    [
        ("/description", True),
        ("/attributes/anything/0", True),
        ("/metrics/0/value", True),
        ("/metrics/-/value", True),
        ("/tags/a~1b", True),
        ("/run/code/commit", True),
        ("/metrics/value", False),
        ("/metrics/0/valu", False),
        ("/name/x", False),
    ],
)
def test_a_rule_points_to_what_may_be_there(place: str, is_there: bool) -> None:
    rules = [{"id": "r", "expression": "true", "message": "m", "field": place}]
    assert ([pointer for pointer, _ in faults(made(rules=rules))] == []) is is_there


def test_a_rule_points_to_attributes_that_the_definition_has() -> None:
    rules = [{"id": "r", "expression": "true", "message": "m", "field": "/attributes/lyers"}]
    assert faults(made(rules=rules)) == []
    assert [pointer for pointer, _ in faults(made(rules=rules), described({"layers": {"type": "integer"}}))] == ["/rules/0/field"]


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {name: {"$ref": "#/$defs/node"} for name in "abcdef"}}
    begin = time.thread_time()
    assert said("object.attributes.root.a.b.c.d == 'x'", described({"root": {"$ref": "#/$defs/node"}}, node=node)) == ""
    assert time.thread_time() - begin < 2.0
    loop = {"one": {"$ref": "#/$defs/two"}, "two": {"$ref": "#/$defs/one"}}
    assert said("object.attributes.root == 'x'", described({"root": {"$ref": "#/$defs/one"}}, **loop)) == ""


def test_a_schema_of_very_many_attributes_is_typed_in_part() -> None:
    group = {"type": "object", "properties": {f"q{number}": {"type": "string"} for number in range(100)}}
    schema = described({f"p{number}": group for number in range(100)})
    begin = time.thread_time()
    assert "no field 'zz'" in said("object.attributes.p0.zz == 'a'", schema)
    assert said("object.attributes.p99.q3 == 'a'", schema) == ""
    assert time.thread_time() - begin < 2.0


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, {"a": "str"}),
        ({"type": "object", "properties": {"a": {"type": ["string", "integer"]}}}, {"a": "any"}),
        ({"type": "object", "properties": {"a": {"enum": ["x"]}}}, {"a": "any"}),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": "any"}),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, {"a": ["any"]}),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "boolean"}}}}, {"a": ["bool"]}),
        ({"type": "object"}, {"*": "any"}),
        ({"type": "object", "properties": {"for": {"type": "string"}}}, {"*": "any"}),
        ({"type": "object", "properties": {"a-b": {"type": "string"}}}, {"*": "any"}),
        # Protocol Buffers would refuse these as one name.
        ({"type": "object", "properties": {"a_b": {"type": "string"}, "aB": {"type": "string"}}}, {"*": "any"}),
        ({"type": "object", "properties": {"a": {"type": "object"}, "A": {"type": "object"}}}, {"*": "any"}),
        # More may be there than the properties.
        ({"type": "object", "properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"b": {}}}]}, {"*": "any"}),
        ({"$ref": "#/$defs/part"}, {"x": "int"}),
        ({"$ref": "#/$defs/a~1b"}, {"y": "str"}),
        ({"$ref": "#/$defs/nothing"}, "any"),
        ({"$ref": "https://example.com/other"}, "any"),
        ({"$ref": "#/$defs/part", "properties": {"z": {"type": "string"}}}, "any"),
        (True, "any"),
    ],
)
def test_shapes_are_read_out_of_a_json_schema(attributes: Any, shape: Any) -> None:
    definitions = {
        "part": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "a/b": {"type": "object", "properties": {"y": {"type": "string"}}},
    }
    assert attributes_shape({"$defs": definitions, "properties": {"attributes": attributes}}) == shape


@pytest.mark.parametrize(
    "properties",
    [
        {"a_b": {"type": "object"}, "aB": {"type": "object"}},
        {"_": {"type": "object"}, "__": {"type": "string"}},
        {"Entry": {"type": "object"}, "entry": {"type": "array", "items": {"type": "object"}}},
        {"list": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}},
        {"x" * 200: {"type": "object", "properties": {"y": {"type": "object"}}}},
    ],
)
def test_no_names_of_attributes_are_too_odd(properties: dict[str, Any]) -> None:
    assert said("has(object.attributes) && object.name != ''", described(properties)) == ""


def test_a_misspelt_attribute_is_told_of_this_definition_and_of_no_other() -> None:
    secret = described({"salaries": {"type": "string"}, "layers": {"type": "integer"}})
    other = described({"layers": {"type": "integer"}})
    assert "salaries" in said("object.attributes.layrs == 1", secret)
    message = said("object.attributes.layrs == 1", other)
    assert "did you mean 'layers'" in message
    assert "salaries" not in message


ALL = "object.datasets.all(d, has(d.digest))"
VARIABLES = [
    {"name": "some", "expression": "object.datasets.size() > 0"},
    {"name": "none", "expression": "size(object.datasets) == 0"},
    {"name": "inner", "expression": "variables.some && has(object.run)"},
]


@pytest.mark.parametrize(
    "text",
    [
        ALL,
        # Named, and no proof.
        f"object.datasets.size() > 0 || {ALL}",
        f"object.datasets.size() >= 0 && {ALL}",
        f"object.datasets.size() < 9 && {ALL}",
        f"object.datasets.size() == 0 && {ALL}",
        f"object.datasets.size() != 1 && {ALL}",
        f"object.datasets == [] && {ALL}",
        f"!(object.datasets.size() > 0 && has(object.run)) && {ALL}",
        f"(object.datasets.size() > 0 || has(object.run)) && {ALL}",
        f"(has(object.run) ? object.datasets.size() > 0 : true) && {ALL}",
        f"object.datasets.size() > 0 ? true : {ALL}",
        f"object.datasets.exists(d, d.role == 'test') || {ALL}",
        f"object.metrics.size() > 0 && {ALL}",
        f"variables.none && {ALL}",
        f"variables.some || {ALL}",
        f"{ALL} == true",
        f"!!{ALL}",
        f"params.zero <= object.datasets.size() && {ALL}",
        "object.datasets.filter(d, d.role == 'test').all(d, has(d.digest))",
        "object.datasets.size() > 0 && object.datasets.filter(d, d.role == 'test').all(d, has(d.digest))",
        "object.attributes['abc'].size() > 0 && object.attributes['xyz'].all(d, d == 1)",
        "object.metrics.all(m, m.value > 0.5 || object.metrics.size() > 0)",
        "object.metrics.exists(m, object.datasets.all(d, d.name != m.name))",
        "params.empty.all(p, p in object.tags)",
        "[].all(p, p == 1)",
        "cel.bind(l, object.datasets, l.all(d, has(d.digest)))",
    ],
)
def test_all_of_nothing_may_decide(text: str) -> None:
    policy = made(text, params={"zero": 0, "empty": []}, variables=VARIABLES)
    assert [violation.code for violation in find_policy_faults(policy)] == ["vacuous_all"]


@pytest.mark.parametrize(
    "text",
    [
        f"object.datasets.size() > 0 && {ALL}",
        f"{ALL} && 0 < size(object.datasets)",
        f"object.datasets.size() >= 1 && has(object.run) && {ALL}",
        f"object.datasets.size() == 2 && {ALL}",
        f"object.datasets.size() != 0 && {ALL}",
        f"object.datasets != [] && {ALL}",
        f"!(object.datasets == []) && {ALL}",
        f"!(object.datasets.size() == 0) && {ALL}",
        f"!(object.datasets.size() == 0 || has(object.run)) && {ALL}",
        f"object.datasets.size() > 0 ? {ALL} : has(object.run)",
        f"(has(object.run) ? object.datasets.size() > 0 : false) && {ALL}",
        f"object.datasets.exists(d, d.role == 'test') && {ALL}",
        f"object.datasets.exists_one(d, d.role == 'test') && {ALL}",
        f"object.datasets.filter(d, d.role == 'test').size() > 0 && {ALL}",
        f"variables.some && {ALL}",
        f"variables.inner && {ALL}",
        f"!variables.none && {ALL}",
        f"object.datasets.size() >= params.least && {ALL}",
        f"cel.bind(l, object.datasets, l.size() > 0 && l.all(d, has(d.digest))) && {ALL.replace('all', 'exists')}",
        f"has(object.run) || (object.datasets.size() > 0 && {ALL})",
        "object.datasets.size() > 0 && object.datasets.map(d, d.name).all(n, n != '')",
        "object.metrics.exists(m, object.datasets.size() > 0 && object.datasets.all(d, d.name != m.name))",
        "object.datasets.exists(d, object.datasets.all(e, e.role == d.role))",
        # As it is meant.
        f"object.datasets.size() == 0 || {ALL}",
        f"{ALL} || object.datasets == []",
        f"object.datasets.size() == 0 ? has(object.run) : {ALL}",
        f"variables.none || {ALL}",
        # Not met where there is nothing.
        f"!{ALL}",
        "!object.datasets.exists(d, !has(d.digest))",
        # Never nothing.
        "params.words.all(p, p in object.tags)",
        "['a', 'b'].all(p, p in object.tags)",
    ],
)
def test_all_of_something_decides(text: str) -> None:
    assert said(text, params={"least": 1, "words": ["a"]}, variables=VARIABLES) == ""


def test_a_variable_that_is_true_of_nothing_is_refused_where_it_is_defined() -> None:
    variables = [{"name": "ok", "expression": ALL}]
    found = find_policy_faults(made("variables.ok", variables=variables))
    assert [(violation.pointer, violation.code) for violation in found] == [("/variables/0/expression", "vacuous_all")]
    assert "line 1, column 20: all() is true of an empty list" in found[0].message


def test_a_message_may_say_anything_of_nothing() -> None:
    rule = {"id": "r", "expression": "has(object.run)", "message_expression": f"{ALL} ? 'all have digests' : 'some lack one'"}
    assert faults(made(rules=[rule])) == []


def outcome(test: dict[str, Any], *expressions: str, **parts: Any) -> str:
    """What is wrong with a policy's test, empty when it passes."""
    document = {"name": "t", "expect": "pass", **test}
    found = run_policy_tests(made(*expressions, tests=[document], **parts))
    assert all(violation.pointer == "/tests/0" and violation.code == "test_failed" for violation in found)
    assert all(violation.message.startswith("t: ") for violation in found)
    return "; ".join(violation.message.removeprefix("t: ") for violation in found)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"facts": {"approvls": []}}, "there is no fact 'approvls' for 'facts'"),
        ({"facts": {"object": {}}}, "there is no fact 'object' for 'facts'"),
        ({"facts": {"lineage": 5}}, "the fact 'lineage' is a record"),
        ({"facts": {"lineage": {"tgas": []}}}, "the lineage has no 'tgas'"),
        ({"facts": {"action": [1]}}, "the fact 'action' is a record"),
        ({"facts": {"current": "x"}}, "the fact 'current' is a record"),
        ({"facts": {"now": 5}}, "the fact 'now' is a time"),
        ({"facts": {"now": "yesterday"}}, "the fact 'now' is a time"),
        ({"expect": {"fail": ["r9"]}}, "no rule is called 'r9'"),
        ({"expect": {"error": ["r9"]}}, "no rule is called 'r9'"),
        ({"object": {"metrics": 5}}, "came to error"),
        ({"object": {"metrics": [3]}}, "came to error"),
        ({"object": {"metrics": [{"value": "0.9"}]}}, "'value' is declared to be a number, and is not"),
        ({"object": {"attributes": {"a": 2**60}}}, "beyond those that JSON holds exactly"),
        ({"object": {}}, "'r0' came to fail: rule 0"),
        ({"object": {"metrics": [{"value": 1}]}, "expect": {"fail": ["r0"]}}, "'r0' was expected to fail, and did not"),
        ({"expect": {"error": ["r0"]}}, "'r0' was expected to error, and 'r0' came to fail: rule 0"),
        ({"expect": {"skipped": True}}, "the policy applies, and was expected not to"),
    ],
)
def test_a_test_that_fails_or_is_none_says_so(test: dict[str, Any], message: str) -> None:
    text = "object.metrics.exists(m, m.value > 0.5) && object.metrics[0].value < 2.0"
    assert message in outcome(test, text)


def test_a_test_may_expect_failures_errors_and_that_nothing_applies() -> None:
    conditions = [{"name": "c", "expression": "object.model != 'sandbox'"}]
    rules = ("object.number > 0", "object.attributes.risk == 'low'")
    given = {"model": "m", "number": 1, "attributes": {"risk": "low"}}
    assert outcome({"object": given}, *rules, conditions=conditions) == ""
    assert outcome({"object": {**given, "number": 0}, "expect": {"fail": ["r0"]}}, *rules, conditions=conditions) == ""
    assert outcome({"object": {**given, "attributes": {}}, "expect": {"error": ["r1"]}}, *rules, conditions=conditions) == ""
    assert outcome({"object": {**given, "model": "sandbox"}, "expect": {"skipped": True}}, *rules, conditions=conditions) == ""
    assert "does not apply" in outcome({"object": {**given, "model": "sandbox"}}, *rules, conditions=conditions)
    assert outcome({"object": {"number": 1}, "expect": {"error": ["conditions"]}}, *rules, conditions=conditions) == ""


def test_what_is_always_there_is_there_in_tests() -> None:
    always = (
        "object.tags.size() + object.parameters.size() + object.metrics.size() + object.artifacts.size() == 0",
        "object.identifiers.size() + object.parents.size() + object.datasets.size() + object.aliases.size() == 0",
        "approvals.size() + attestations.size() + evaluations.size() + deployments.size() == 0",
        "reviews.size() + findings.size() + lineage.tags.size() + lineage.unverified.size() + lineage.ancestors == 0",
        "!has(object.run) && !has(current.name) && !has(current.tags) && !has(old.name) && !lineage.truncated",
        "action.gate == 'promote' && action.target == 'champion' && principal.roles.size() == 0",
        "now == timestamp('2026-01-01T00:00:00Z')",
    )
    match = {"gates": ["promote"], "targets": ["prod-*", "champion"]}
    assert outcome({}, *always, match=match) == ""


def test_facts_of_a_test_are_what_is_given() -> None:
    given = {
        "now": "2026-05-01T00:00:00",
        "principal": {"roles": ["validator"]},
        "action": {"target": "other"},
        "lineage": {"tags": [{"key": "pii", "value": "yes"}], "depth": 3},
        "current": {"number": 2},
        "approvals": [{"by": "a", "decision": "approve"}],
    }
    rules = (
        "now == timestamp('2026-05-01T00:00:00Z')",
        "'validator' in principal.roles && principal.access == 'write'",
        "action.target == 'other' && action.gate == 'register'",
        "lineage.tags[0].key == 'pii' && lineage.depth == 3 && lineage.models == []",
        "current.number == 2 && current.metrics == []",
        "approvals.exists(a, a.by == 'a' && a.decision == 'approve')",
    )
    assert outcome({"facts": given}, *rules) == ""


def test_a_time_without_a_zone_is_that_of_no_machine() -> None:
    policy = made("true", tests=[{"name": "t", "facts": {"now": "2026-05-01T00:00:00"}, "expect": "pass"}])
    facts = facts_of_test(policy, policy.tests[0])
    facts.ask(Language(None).compile("now == now"), Language(None))
    assert facts._find("now") == datetime(2026, 5, 1, tzinfo=UTC)


def test_a_test_may_set_parameters() -> None:
    assert outcome({"object": {"number": 3}, "params": {"least": 3}}, "object.number >= params.least", params={"least": 9}) == ""
    assert "came to fail" in outcome({"object": {"number": 3}}, "object.number >= params.least", params={"least": 9})
    # Of another type than it is declared to be: not met, and no crash.
    assert "'r0' came to" in outcome(
        {"object": {"number": 3}, "params": {"least": ["x"]}}, "3 >= params.least", params={"least": 1}
    )


def test_the_tests_of_a_faulty_policy_are_not_run() -> None:
    tests = [{"name": "t", "object": {}, "expect": {"fail": ["r0"]}}]
    assert [violation.code for violation in run_policy_tests(made("object.nme == ''", tests=tests))] == ["bad_expression"]


def test_a_test_of_something_else_than_versions_gets_its_object_as_it_is() -> None:
    match = {"gates": ["erase"]}
    assert outcome({"object": {"subject": "a"}}, "object.subject == 'a' && !has(object.tags)", match=match) == ""
