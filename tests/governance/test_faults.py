"""What is wrong with a policy is told when it is saved: each fault, where it is, and how to mend it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from studbook.governance.checking import find_policy_faults, run_policy_tests
from studbook.governance.policy import Policy
from studbook.governance.shapes import ANY, attributes_shape, has_place, version_shape


def made(*expressions: str, **parts: Any) -> Policy:
    rules = [{"id": f"r{place}", "expression": text, "message": f"rule {place}"} for place, text in enumerate(expressions)]
    document: dict[str, Any] = {"name": "p", "match": {"gates": ["register"]}, "rules": rules, **parts}
    return Policy.model_validate(document)


def faults(*expressions: str, attributes: dict[str, Any] | None = None, **parts: Any) -> list[tuple[str, str]]:
    found = find_policy_faults(made(*expressions, **parts), attributes)
    return [(fault.pointer, fault.message) for fault in found]


def said(text: str, attributes: dict[str, Any] | None = None, **parts: Any) -> str:
    return " | ".join(message for _, message in faults(text, attributes=attributes, **parts))


def test_every_fault_of_every_expression_is_told_with_its_place() -> None:
    document = {
        "name": "p",
        "match": {"gates": ["promote"]},
        "params": {"limit": 0.5},
        "variables": [{"name": "a", "expression": "object.nam"}, {"name": "b", "expression": "object.name"}],
        "conditions": [{"name": "c", "expression": "object.number"}],
        "rules": [
            {"id": "fine", "expression": "variables.b == 'x'", "message": "m"},
            {"id": "two", "expression": "object.nam == 'x' &&\n  params.limt > 0.1", "message": "m"},
            {"id": "said", "expression": "true", "message_expression": "object.number"},
            {"id": "follows", "expression": "variables.a == 'x'", "message": "m"},
            {"id": "place", "expression": "true", "message": "m", "field": "/metric"},
        ],
    }
    found = find_policy_faults(Policy.model_validate(document))
    assert [(fault.pointer, fault.code) for fault in found] == [
        ("/variables/0/expression", "bad_expression"),
        ("/conditions/0/expression", "bad_expression"),
        ("/rules/1/expression", "bad_expression"),
        ("/rules/1/expression", "bad_expression"),
        ("/rules/2/message_expression", "bad_expression"),
        ("/rules/4/field", "unknown_field"),
    ]
    messages = [fault.message for fault in found]
    assert messages[0].startswith("line 1, column 7: there is no field 'nam' here (did you mean 'name'?)")
    assert "this gives int, and true or false is expected" in messages[1]
    assert messages[3].startswith("line 2, column 9: nothing is called 'params.limt' (did you mean 'limit'?)")
    assert "this gives int, and a text is expected" in messages[4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lineage.tgs.size() > 0", "line 1, column 8: there is no field 'tgs' here (did you mean 'tags'?)"),
        ("objct.run.seed == 1", "line 1, column 1: nothing is called 'objct.run.seed' (did you mean 'object.run.seed'?)"),
        ("object.metrics.size() > 1.5", "beside a double a whole number is written 1.0"),
        ("object.metrics.exists(m, m.value > 1)", "beside a double a whole number is written 1.0"),
        ("object.name ==", "line 1, column 15: Syntax error: mismatched input the end of the expression"),
        ("timestamp(object.created_at) < object.archived_at", "no such operation: '_<_' of '(timestamp, string)'"),
        ("object.run == object.definition", "'(record, record)'"),
        ("object", "this gives a record, and true or false is expected"),
        ("variables", "nothing is called 'variables'"),
        ("[1].exists(object, object == 1)", "'object' is taken"),
        ("object.name.matches(object.model)", "write out the pattern of matches()"),
        ("(" * 40 + "true" + ")" * 40, "it nests too deep"),
    ],
)
def test_messages_say_what_is_wrong_and_how_to_mend_it(text: str, message: str) -> None:
    assert message in said(text)
    assert "<input>" not in said(text)
    assert "INVALID_ARGUMENT" not in said(text)


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("object.metrics.exists(m, m.value >= params.least)", {"least": 0.8}),
        ("object.metrics.exists(m, m.value >= params.least)", {"least": 1}),
        ("object.metrics.exists(m, m.value >= params.least)", {"least": 1.0}),
        ("object.metrics.exists(m, m.name in params.names)", {"names": ["auc", "f1"]}),
        ("params.limits.auc > 0.5 && has(params.limits.f1)", {"limits": {"auc": 0.9, "f1": 1}}),
        ("params.mixed.size() == 3 && params.mixed[0] == 'a'", {"mixed": ["a", 1, None]}),
        ("params.on || has(params.none)", {"on": True, "none": None}),
        ("params.matrix[0][1] == 2", {"matrix": [[1, 2], [3]]}),
        ("params.empty.size() == 0", {"empty": []}),
    ],
)
def test_parameters_have_the_types_of_their_values(text: str, params: dict[str, Any]) -> None:
    assert faults(text, params=params) == []
    assert "nothing is called 'params." in said(text, params={"other": 1})


def test_a_parameter_of_the_wrong_type_is_refused() -> None:
    assert "no such operation" in said("object.number == params.name", params={"name": "x"})
    assert "no such operation" in said("object.name in params.name", params={"name": "x"})
    assert "no such operation" in said("object.name == params.names", params={"names": ["x"]})


class TestAttributes:
    """Attributes are typed from the JSON Schema of a definition."""

    def schema(self, attributes: dict[str, Any], **others: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"attributes": attributes}, **others}

    def shape(self, described: Any, **others: Any) -> Any:
        found = attributes_shape(self.schema({"type": "object", "properties": {"x": described}}, **others))
        assert isinstance(found, dict)
        return found["x"]

    @pytest.mark.parametrize(
        ("described", "shape"),
        [
            ({"type": "string"}, "str"),
            ({"type": "integer"}, "int"),
            ({"type": "boolean"}, "bool"),
            ({"type": "number"}, ANY),
            ({"type": ["string", "null"]}, "str"),
            ({"type": ["string", "integer"]}, ANY),
            ({"enum": ["a", "b"]}, ANY),
            (True, ANY),
            ({"type": "array", "items": {"type": "string"}}, ["str"]),
            ({"type": "array"}, [ANY]),
            ({"type": "object"}, {"*": ANY}),
            ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": "str"}),
            ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, {"a": "str"}),
            ({"type": "object", "properties": {"a-b": {"type": "string"}}}, {"*": ANY}),
            ({"type": "object", "properties": {"in": {"type": "string"}}}, {"*": ANY}),
            ({"type": "object", "properties": {"a_b": {"type": "string"}, "aB": {"type": "string"}}}, {"*": ANY}),
            ({"type": "object", "properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}, {"*": ANY}),
            ({"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}}, {"*": ANY}),
            ({"$ref": "#/$defs/text"}, "str"),
            ({"$ref": "#/$defs/text", "properties": {"a": {}}}, ANY),
            ({"$ref": "#/$defs/nothing"}, ANY),
            ({"$ref": "https://example.com/elsewhere"}, ANY),
            ({"$ref": "#/$defs/with~1slash"}, "bool"),
        ],
    )
    def test_a_shape_is_what_the_schema_says(self, described: Any, shape: Any) -> None:
        definitions = {"text": {"type": "string"}, "with/slash": {"type": "boolean"}}
        assert self.shape(described, **{"$defs": definitions}) == shape

    @pytest.mark.parametrize("schema", [None, {}, {"properties": []}, {"properties": {"attributes": True}}, True])
    def test_without_a_description_they_are_of_any_type(self, schema: Any) -> None:
        assert attributes_shape(schema if isinstance(schema, dict) else None) == ANY

    def test_what_refers_to_itself_ends(self) -> None:
        node = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/node"}}}
        schema = self.schema({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}})
        assert said("object.attributes.child.child.name == 'x'", schema) == ""
        assert "no field 'nam'" in said("object.attributes.child.child.nam == 'x'", schema)
        deep = "object.attributes" + ".child" * 20 + ".whatever == 'x'"
        assert said(deep, schema) == ""

    def test_what_doubles_at_every_level_does_not_double_the_work(self) -> None:
        definitions = {
            f"d{n}": {
                "type": "object",
                "properties": {name: {"$ref": f"#/$defs/d{n + 1}"} for name in "abcdefghijklmnop"},
            }
            for n in range(11)
        }
        begun = time.perf_counter()
        schema = self.schema({"$ref": "#/$defs/d0"}, **{"$defs": definitions})
        assert said("has(object.attributes.a.b.c.d)", schema) == ""
        assert time.perf_counter() - begun < 3

    def test_fields_of_one_schema_are_not_named_for_another(self) -> None:
        one = self.schema({"type": "object", "properties": {"colour": {"type": "string"}}})
        other = self.schema({"type": "object", "properties": {"weight": {"type": "integer"}}})
        for _ in range(2):
            assert "did you mean 'colour'" in said("object.attributes.color == 'x'", one)
            assert "there are weight" in said("object.attributes.color == 'x'", other)

    def test_a_field_of_a_rule_may_point_into_them(self) -> None:
        schema = self.schema({"type": "object", "properties": {"license": {"type": "string"}, "open": {"type": "object"}}})
        document = made("true").model_dump(by_alias=True)
        for place, fault in [
            ("/attributes/license", False),
            ("/attributes/licence", True),
            ("/attributes/open/any~1thing", False),
            ("/attributes/license/x", True),
        ]:
            document["rules"][0]["field"] = place
            assert bool(find_policy_faults(Policy.model_validate(document), schema)) == fault, place
        document["rules"][0]["field"] = "/attributes/licence"
        assert find_policy_faults(Policy.model_validate(document)) == []


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("/metrics", True),
        ("/metrics/0/value", True),
        ("/metrics/-", True),
        ("/metrics/value", False),
        ("/metrics/0/valu", False),
        ("/tags/any/thing", False),
        ("/tags/any", True),
        ("/name/x", False),
        ("/run/code/commit", True),
        ("/run/code/comit", False),
        ("/", False),
        ("/parameters/a~1b", True),
    ],
)
def test_a_place_is_one_that_a_version_has(place: str, there: bool) -> None:
    assert has_place(version_shape(), place) == there


@pytest.mark.parametrize(
    "text",
    [
        "object.datasets.all(d, has(d.digest))",
        # What is said of other lists, of other texts as long, or in a direction that shows nothing.
        "object.metrics.size() > 0 && object.datasets.all(d, has(d.digest))",
        "object.parents.filter(p, p.name == 'a').size() > 0 && object.parents.filter(p, p.name == 'b').all(p, p.relation != '')",
        "object.datasets.size() < 5 && object.datasets.all(d, has(d.digest))",
        "object.datasets.size() >= 0 && object.datasets.all(d, has(d.digest))",
        "object.datasets.size() == 0 && object.datasets.all(d, has(d.digest))",
        "object.datasets == [] && object.datasets.all(d, has(d.digest))",
        "object.datasets.map(d, d.name).all(n, n != '')",
        "object.metrics.all(m, m.value > 0.5) || object.datasets.size() == 0",
        "params.none.all(n, n in object.aliases)",
        "object.metrics.exists(m, m.slice.all(k, k != ''))",
    ],
)
def test_a_claim_that_is_true_of_nothing_is_refused(text: str) -> None:
    (fault,) = find_policy_faults(made(text, params={"none": []}))
    assert (fault.pointer, fault.code) == ("/rules/0/expression", "vacuous_all")
    assert fault.message.startswith("line 1, column ")
    assert "L.size() > 0 && L.all(" in fault.message


@pytest.mark.parametrize(
    "text",
    [
        "object.datasets.size() > 0 && object.datasets.all(d, has(d.digest))",
        "object.datasets.all(d, has(d.digest)) && 0 < size(object.datasets)",
        "object.datasets.size() >= 1 && object.datasets.all(d, has(d.digest))",
        "object.datasets.size() == 2 && object.datasets.all(d, has(d.digest))",
        "object.datasets != [] && object.datasets.all(d, has(d.digest))",
        "!(object.datasets.size() == 0) && object.datasets.all(d, has(d.digest))",
        "object.datasets.size() == 0 || object.datasets.all(d, has(d.digest))",
        "object.datasets.size() == 0 ? object.parents.size() > 0 : object.datasets.all(d, has(d.digest))",
        "object.datasets.exists(d, d.role == 'test') && object.datasets.all(d, has(d.digest))",
        "object.datasets.size() > 0 && object.datasets.map(d, d.name).all(n, n != '')",
        "variables.any && object.datasets.all(d, has(d.digest))",
        "params.some.all(n, n in object.aliases)",
        "['a', 'b'].all(n, n in object.aliases)",
        "!object.datasets.all(d, has(d.digest))",
        "cel.bind(l, object.datasets.filter(d, d.role == 'test'), l.size() > 0 && l.all(d, has(d.digest)))",
    ],
)
def test_one_beside_which_it_is_shown_or_meant_is_not(text: str) -> None:
    variables = [{"name": "any", "expression": "object.datasets.size() > 0"}]
    assert faults(text, params={"some": ["a"]}, variables=variables) == []


def test_it_is_refused_in_variables_too() -> None:
    variables = [{"name": "digested", "expression": "object.datasets.all(d, has(d.digest))"}]
    (fault,) = find_policy_faults(made("variables.digested", variables=variables))
    assert (fault.pointer, fault.code) == ("/variables/0/expression", "vacuous_all")


def test_a_policy_is_about_versions_or_about_something_else() -> None:
    (fault,) = find_policy_faults(made("true", match={"gates": ["promote", "erase"]}))
    assert (fault.pointer, fault.code) == ("/match/gates", "mixed_gates")
    # What is not a version is read as it comes.
    assert faults("object.reason.size() > 10 && object.anything.at.all == 1", match={"gates": ["erase"]}) == []
    assert faults("principal.role == 'x'", match={"gates": ["erase"]}) != []


class TestOwnTests:
    """The tests inside a policy say what was expected and what came."""

    def run(self, *tests: dict[str, Any], rules: tuple[str, ...] = ("object.metrics.size() > 0",), **parts: Any) -> list[str]:
        named = [{"name": f"t{place}", **test} for place, test in enumerate(tests)]
        found = run_policy_tests(made(*rules, tests=named, **parts))
        assert all(fault.pointer.startswith(("/tests/", "/rules/")) for fault in found)
        return [fault.message for fault in found]

    def test_a_partial_record_is_completed_with_what_is_always_there(self) -> None:
        rules = tuple(
            f"object.{name}.size() == 0"
            for name in (
                "tags",
                "parameters",
                "metrics",
                "artifacts",
                "attributes",
                "identifiers",
                "parents",
                "datasets",
                "aliases",
            )
        )
        around = (
            "approvals == [] && attestations == [] && evaluations == [] && deployments == [] && reviews == [] && findings == []",
            "lineage.ancestors == 0 && !lineage.truncated && lineage.tags == [] && lineage.models == []",
            "!has(current.name) && !has(old.name) && !has(object.run)",
            "action.gate == 'promote' && action.target == 'champion' && principal.roles.size() == 0",
        )
        match = {"gates": ["promote"], "targets": ["champion"]}
        assert self.run({"expect": "pass"}, {"object": {}, "expect": "pass"}, rules=rules + around, match=match) == []

    def test_facts_of_a_test_are_those_that_it_gives(self) -> None:
        facts = {
            "now": "2030-01-01T00:00:00Z",
            "principal": {"roles": ["validator"]},
            "action": {"target": "prod"},
            "lineage": {"depth": 3, "tags": [{"key": "pii", "value": "yes", "node": "n"}]},
            "current": {"name": "x"},
            "approvals": [{"by": "a", "decision": "approve"}],
        }
        rules = (
            "now == timestamp('2030-01-01T00:00:00Z')",
            "'validator' in principal.roles && principal.id != '' && action.target == 'prod' && action.gate == 'register'",
            "lineage.depth == 3 && lineage.tags[0].key == 'pii' && lineage.models == []",
            "current.name == 'x' && current.metrics == [] && approvals[0].by == 'a'",
        )
        assert self.run({"facts": facts, "expect": "pass"}, rules=rules) == []

    @pytest.mark.parametrize(
        ("test", "message"),
        [
            ({"expect": "pass"}, "t0: 'r0' came to fail: rule 0"),
            ({"object": {"metrics": [{}]}, "expect": {"fail": ["r0"]}}, "t0: 'r0' was expected to fail, and did not"),
            ({"expect": {"error": ["r0"]}}, "t0: 'r0' was expected to error, and 'r0' came to fail: rule 0"),
            ({"expect": {"fail": ["r7"]}}, "t0: no rule is called 'r7'"),
            ({"expect": {"skipped": True}}, "t0: the policy applies, and was expected not to"),
            ({"facts": {"attestation": []}, "expect": "pass"}, "t0: there is no fact 'attestation' for 'facts'"),
            ({"facts": {"lineage": {"tag": []}}, "expect": "pass"}, "t0: the lineage has no 'tag'; it has ancestors"),
            ({"facts": {"now": "yesterday"}, "expect": "pass"}, "t0: the fact 'now' is a time, as in 2026-01-31T12:00:00Z"),
            ({"facts": {"now": 3}, "expect": "pass"}, "t0: the fact 'now' is a time"),
            ({"facts": {"principal": ["x"]}, "expect": "pass"}, "t0: the fact 'principal' is a record"),
            ({"facts": {"current": "x"}, "expect": "pass"}, "t0: the fact 'current' is a record"),
        ],
    )
    def test_one_that_fails_says_why(self, test: dict[str, Any], message: str) -> None:
        (found,) = self.run(test)
        assert found.startswith(message)

    def test_a_policy_that_does_not_apply_is_told_from_one_that_passes(self) -> None:
        conditions = [{"name": "c", "expression": "object.name == 'x'"}]
        assert self.run({"object": {"name": "y"}, "expect": {"skipped": True}}, conditions=conditions) == []
        (found,) = self.run({"object": {"name": "y"}, "expect": "pass"}, conditions=conditions)
        assert "does not apply" in found
        # Its name is absent, so whether it applies cannot be told.
        assert self.run({"object": {}, "expect": {"error": ["conditions"]}}, conditions=conditions) == []

    def test_parameters_of_a_test_replace_those_of_the_policy_for_it_alone(self) -> None:
        rules, params = ("object.number > params.least",), {"least": 5}
        test = {"object": {"number": 3}, "expect": "pass", "params": {"least": 2}}
        other = {"object": {"number": 3}, "expect": {"fail": ["r0"]}}
        assert self.run(test, other, rules=rules, params=params) == []

    def test_whole_numbers_of_metrics_are_measured_values(self) -> None:
        test = {"object": {"metrics": [{"name": "a", "value": 1}]}, "expect": "pass"}
        assert self.run(test, rules=("object.metrics.size() > 0 && object.metrics.all(m, m.value - 0.5 == 0.5)",)) == []

    def test_they_are_not_run_while_expressions_are_faulty(self) -> None:
        (found,) = self.run({"expect": "pass"}, rules=("object.nam == 'x'",))
        assert "no field 'nam'" in found
