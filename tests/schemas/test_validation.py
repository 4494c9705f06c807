"""A document against its schema: every fault, where it is, what it is called, and how it is mended."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.schemas.sentences import CODES, SEVERAL_ALTERNATIVES
from studbook.schemas.validation import compile_validator

LICENSE = {"enum": ["Apache-2.0", "MIT"]}

# Schema, faulty document, pointer, code, and a part of the sentence.
FAULTS: list[tuple[Any, Any, str, str, str]] = [
    ({"required": ["license"]}, {}, "/license", "missing_attribute", "'license' is missing here; add it"),
    ({"dependentRequired": {"a": ["b/c"]}}, {"a": 1}, "/b~1c", "missing_attribute", "'b/c' is missing here; add it"),
    (
        {"properties": {"license": True}, "additionalProperties": False}, {"licence": 1},
        "/licence", "unknown_attribute", "did you mean 'license'?",
    ),
    ({"additionalProperties": False}, {"a": 1}, "/a", "unknown_attribute", "'a' is not known here"),
    ({"unevaluatedProperties": False}, {"a": 1}, "/a", "unknown_attribute", "'a' is not known here"),
    (
        {"allOf": [{"properties": {"b": True}}], "unevaluatedProperties": False}, {"b": 1, "a": 1},
        "/a", "unknown_attribute", "'a' is not known here",
    ),
    ({"type": "number"}, "7", "", "wrong_type", "'7' stands here, and a number is expected; write it without quotes"),
    ({"type": "string"}, 7, "", "wrong_type", "7 stands here, and text is expected; put it in quotes"),
    ({"type": ["null", "object"]}, [1], "", "wrong_type", "a list of 1 stands here, and an object or null is expected"),
    (LICENSE, "MITT", "", "not_in_enum", "'MITT' is none of: Apache-2.0, MIT; did you mean 'MIT'?"),
    ({"enum": list(range(20))}, 99, "", "not_in_enum", "10, 11 and 8 more"),
    ({"const": 1}, 2, "", "not_the_constant", "2 stands here, and only 1 is allowed"),
    ({"pattern": "^a$"}, "b", "", "pattern_mismatch", "'b' does not match the pattern '^a$'"),
    ({"format": "date"}, "tomorrow", "", "bad_format", "'tomorrow' is not a day, such as 2026-03-01"),
    ({"format": "ipv6"}, "x", "", "bad_format", "'x' is not an IPv6 address"),
    ({"minimum": 5}, 3, "", "too_small", "3 is less than the minimum 5"),
    ({"exclusiveMinimum": 5}, 5, "", "too_small", "5 is not greater than 5"),
    ({"maximum": 5}, 7, "", "too_large", "7 is greater than the maximum 5"),
    ({"exclusiveMaximum": 5}, 5, "", "too_large", "5 is not less than 5"),
    ({"multipleOf": 3}, 4, "", "not_a_multiple", "4 is not a multiple of 3"),
    ({"minLength": 2}, "a", "", "too_short", "'a' has 1 character, and at least 2 are allowed"),
    ({"maxLength": 2}, "abc", "", "too_long", "'abc' has 3 characters, and at most 2 are allowed"),
    ({"minItems": 2}, [1], "", "too_few_items", "1 item here, and at least 2 are allowed; add some"),
    ({"maxItems": 1}, [1, 2], "", "too_many_items", "2 items here, and at most 1 are allowed; remove some"),
    ({"uniqueItems": True}, [1, 2, 1], "", "not_unique", "those at 0 and 2 are the same"),
    ({"contains": {"const": 1}}, [2], "", "wrong_count", "at least 1 item(s) must fit"),
    ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], "", "wrong_count", "more than 1 items fit"),
    ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2], "", "unknown_item", "remove those at its end"),
    ({"prefixItems": [True], "items": False}, [1, 2], "/1", "not_allowed", "nothing may stand here, and 2 does"),
    ({"minProperties": 1}, {}, "", "too_few_members", "0 members here"),
    ({"maxProperties": 1}, {"a": 1, "b": 2}, "", "too_many_members", "2 members here"),
    ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "", "bad_name", "the name 'ab' is not allowed here: 'ab' has 2 characters"),
    ({"not": {"type": "null"}}, None, "", "excluded", "null is what the schema excludes"),
    ({"properties": {"a": False}}, {"a": 1}, "/a", "not_allowed", "nothing may stand here, and 1 does; remove it"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "", "no_alternative", "none of the 2 alternatives"),
    ({"oneOf": [{"maxLength": 3}, {"type": "string"}]}, "a", "", "several_alternatives", "the 1st and the 2nd alternative"),
]  # fmt: skip


@pytest.mark.parametrize(("json_schema", "document", "pointer", "code", "sentence"), FAULTS)
def test_each_fault_has_its_place_name_and_sentence(
    json_schema: Any, document: Any, pointer: str, code: str, sentence: str
) -> None:
    validator = compile_validator(json_schema)
    (fault,) = validator.find_faults(document)
    assert not validator.is_valid(document)
    assert (fault.pointer, fault.code) == (pointer, code)
    assert sentence in fault.message


def test_each_code_is_shown_above() -> None:
    assert {code for *_, code, _ in FAULTS} == {*CODES.values(), SEVERAL_ALTERNATIVES}


def test_every_fault_is_found_and_each_once() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": LICENSE}, "required": ["c", "d"], "additionalProperties": False}
    found = compile_validator(schema).find_faults({"a": 1, "b": "x", "e": 2, "f": 3}, prefix=("version", "attributes"))
    assert sorted(fault.pointer for fault in found) == [f"/version/attributes/{name}" for name in "abcdef"]


def test_no_more_faults_are_named_than_asked_for() -> None:
    validator = compile_validator({"items": {"type": "string"}})
    assert len(validator.find_faults(list(range(500)))) == 100
    assert len(validator.find_faults(list(range(500)), limit=3)) == 3


def test_the_nearest_alternative_is_told() -> None:
    schema = {
        "oneOf": [
            {"type": "string"},
            {"properties": {"kind": {"const": "tree"}, "depth": {"type": "integer"}}, "required": ["kind", "depth"]},
            {"properties": {"kind": {"const": "net"}, "layers": {"type": "integer"}}, "required": ["kind", "layers"]},
        ]
    }
    (fault,) = compile_validator({"properties": {"m": schema}}).find_faults({"m": {"kind": "net", "layers": "many"}})
    assert "the 3rd comes nearest: at /m/layers: 'many' stands here, and a whole number is expected" in fault.message


@given(st.text(min_size=81), st.sampled_from([{"type": "integer"}, {"maxLength": 3}, {"const": 1}, {"pattern": "^$"}, LICENSE]))
def test_a_long_value_is_never_repeated_whole(text: str, schema: Any) -> None:
    for fault in compile_validator({"anyOf": [schema]}).find_faults(text):
        assert repr(text) not in fault.message
        assert len(fault.message) < 1_000


PERSONAL = "top secret 4711"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, PERSONAL),
        ({"enum": ["top secret 4712"]}, PERSONAL),
        ({"additionalProperties": False}, {PERSONAL: 1}),
        ({"propertyNames": {"maxLength": 1}}, {PERSONAL: 1}),
        ({"items": {"maxLength": 1}}, [PERSONAL]),
        ({"properties": {"x": {"anyOf": [{"const": "a"}, {"type": "null"}]}}}, {"x": PERSONAL}),
        ({"required": ["x"], "maxProperties": 0}, {"y": PERSONAL}),
    ],
)
def test_a_personal_value_is_never_repeated(schema: Any, value: Any) -> None:
    around = {"properties": {"p": schema}, "anyOf": [{"properties": {"p": schema}}], "not": {"required": ["p"]}}
    found = compile_validator(around).find_faults({"p": value}, prefix=("attributes",), hidden={"/attributes/p"})
    assert "/attributes/p" in {fault.pointer for fault in found}
    assert not [fault for fault in found if "secret" in fault.message or "secret" in fault.pointer]


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({"allOf": [{"maxProperties": number} for number in range(1_000)]}, "too_many_members"),
        ({"required": [f"r{number}" for number in range(20_000)]}, "missing_attribute"),
        ({"dependentRequired": {"k1": [f"r{number}" for number in range(20_000)]}}, "missing_attribute"),
        ({"propertyNames": {"maxLength": 1}}, "bad_name"),
    ],
)
def test_a_heavy_document_is_told_its_first_fault(schema: Any, code: str) -> None:
    """The library copies the value for every fault: here that would take gigabytes."""
    validator = compile_validator(schema)
    began = time.monotonic()
    found = validator.find_faults({f"k{number}": "x" * 100 for number in range(10_000)})
    assert time.monotonic() - began < 5
    assert [fault.code for fault in found] == [code, "more_faults"]


def test_a_large_choice_is_not_copied_for_each_fault() -> None:
    validator = compile_validator({"items": {"enum": [f"v{number}" for number in range(20_000)]}})
    began = time.monotonic()
    assert [fault.code for fault in validator.find_faults(list(range(10_000)))] == ["not_in_enum", "more_faults"]
    assert time.monotonic() - began < 5


def test_a_pattern_does_not_backtrack() -> None:
    began = time.monotonic()
    assert not compile_validator({"pattern": "^(a+)+$"}).is_valid("a" * 60_000 + "!")
    assert time.monotonic() - began < 1


REALISTIC: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
        "scalar": {"type": ["string", "number", "boolean", "null"]},
        "metric": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
                "value": {"type": "number"},
                "split": {"enum": ["train", "validation", "test"]},
                "recorded_at": {"type": "string", "format": "date-time"},
            },
            "required": ["name", "value"],
            "unevaluatedProperties": False,
        },
    },
    "properties": {
        "parameters": {"type": "object", "additionalProperties": {"$ref": "#/$defs/scalar"}, "maxProperties": 1_000},
        "metrics": {"type": "array", "items": {"$ref": "#/$defs/metric"}},
        "artifacts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"uri": {"type": "string", "format": "uri"}, "digest": {"$ref": "#/$defs/digest"}},
                "required": ["uri"],
            },
        },
        "attributes": {
            "type": "object",
            "properties": {"license": LICENSE, "framework": {"type": "string"}, "contact": {"type": "string", "format": "email"}},
            "required": ["license"],
            "additionalProperties": False,
        },
    },
    "if": {"properties": {"attributes": {"properties": {"framework": {"const": "torch"}}, "required": ["framework"]}}},
    "then": {"required": ["artifacts"]},
    "unevaluatedProperties": False,
}


def realistic_document() -> dict[str, Any]:
    return {
        "parameters": {f"parameter_{number}": number / 7 if number % 2 else f"value {number}" for number in range(30)},
        "metrics": [
            {"name": f"metric_{number}", "value": number / 3, "split": "test", "recorded_at": "2026-03-01T12:00:00Z"}
            for number in range(20)
        ],
        "artifacts": [{"uri": "https://example.org/model.onnx", "digest": "sha256:" + "0" * 64}],
        "attributes": {"license": "MIT", "framework": "torch", "contact": "a@example.org"},
    }


def test_a_realistic_document_is_judged_quickly() -> None:
    """Measured at 190,000 a second; the bound leaves room for a machine that is busy with other tests."""
    validator, document = compile_validator(REALISTIC), realistic_document()
    assert validator.find_faults(document) == []
    began = time.process_time()
    assert all(validator.is_valid(document) for _ in range(5_000))
    assert 5_000 / (time.process_time() - began) > 10_000
    document["metrics"][3]["value"] = "high"
    assert [fault.pointer for fault in validator.find_faults(document)] == ["/metrics/3/value"]
