"""What a JSON Schema from outside may not be: each fault by its name, and nothing that hangs or fetches."""

from __future__ import annotations

import http.server
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from studbook.schemas.bounds import PATTERN_LIMIT, SIZE_LIMIT, SUBSCHEMA_LIMIT, find_schema_faults
from studbook.schemas.standards import list_standards, load_standard
from studbook.schemas.subschemas import Subschemas
from studbook.schemas.validation import DIALECT, compile_schema
from studbook.schemas.workload import EVALUATION_LIMIT, count_evaluations

if TYPE_CHECKING:
    from pathlib import Path

# Nothing that is sent may keep a thread busy for longer; the library gives up comparing by itself, after some seconds.
PATIENCE_S = 20.0

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
    "additionalProperties": False,
}


def faults(json_schema: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in find_schema_faults(json_schema)]


def nested(depth: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "accepted",
    [
        True,
        {},
        TREE,
        {"$schema": DIALECT, "$id": "https://example.org/a", "type": "object"},
        {"$defs": {"a b/c": {"$anchor": "it", "type": "string"}}, "allOf": [{"$ref": "#it"}, {"$ref": "#/$defs/a%20b~1c"}]},
        {"$dynamicAnchor": "node", "properties": {"next": {"$dynamicRef": "#node"}}},
        {"properties": {"never": False, "neither": {"not": {}}}, "prefixItems": [True], "items": False},
        {"if": {"required": ["a"]}, "then": False},
        {"pattern": "^(a+)+$"},
        {"pattern": r"^\\(?:=)$"},
        {"$defs": {"unused": {"type": "string"}}},
        {"definitions": {"old": {"type": "string"}}, "$ref": "#/definitions/old"},
    ],
)
def test_a_sound_schema_is_accepted(accepted: Any) -> None:
    assert find_schema_faults(accepted) == []


@pytest.mark.parametrize("name", list_standards())
def test_what_studbook_ships_is_sound(name: str) -> None:
    assert find_schema_faults(load_standard(name).json_schema) == []


@pytest.mark.parametrize(
    ("json_schema", "expected"),
    [
        ("text", [("", "wrong_type")]),
        ({"minimum": float("nan")}, [("/minimum", "bad_number")]),
        ({"minimum": float("inf")}, [("/minimum", "bad_number")]),
        ({"minimum": 10**400}, [("/minimum", "bad_number")]),
        ({"const": "\ud800"}, [("/const", "bad_text")]),
        (nested(32), [("", "too_deep")]),
        (nested(10_000), [("", "too_deep")]),
        ({"description": "x" * SIZE_LIMIT}, [("", "too_large")]),
        ({"anyOf": [{}] * (SUBSCHEMA_LIMIT + 1)}, [("", "too_many_subschemas")]),
        ({"type": "strin"}, [("/type", "no_alternative")]),
        ({"properties": {"a": {"maxLength": -1}}}, [("/properties/a/maxLength", "too_small")]),
        ({"required": "a"}, [("/required", "wrong_type")]),
        ({"items": [{}]}, [("/items", "wrong_type")]),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, [("/$schema", "unknown_dialect")]),
        ({"properties": {"a": {"$id": "https://example.org/b"}}}, [("/properties/a/$id", "nested_id")]),
        ({"$vocabulary": {"https://example.org/v": True}}, [("/$vocabulary", "vocabulary")]),
        ({"dependencies": {"a": ["b"]}}, [("/dependencies", "replaced_keyword")]),
        ({"format": "datetime"}, [("/format", "unknown_format")]),
        ({"allOf": [{"multipleOf": 1 + number} for number in range(51)]}, [("", "too_many_steps")]),
        ({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, [("/$defs/b/$anchor", "duplicate_anchor")]),
        ({"$ref": "#/$defs/none"}, [("/$ref", "dangling_reference")]),
        ({"$ref": "#none"}, [("/$ref", "dangling_reference")]),
        ({"const": {"type": "string"}, "items": {"$ref": "#/const"}}, [("/items/$ref", "dangling_reference")]),
        ({"$ref": "https://example.org/a"}, [("/$ref", "foreign_reference")]),
        ({"$dynamicRef": "other#it"}, [("/$dynamicRef", "foreign_reference")]),
        ({"$ref": "file:///etc/passwd"}, [("/$ref", "foreign_reference")]),
        ({"properties": {"a": {"pattern": "^(?=a)b"}}}, [("/properties/a/pattern", "bad_pattern")]),
        ({"patternProperties": {r"(a)\1": {}}}, [(r"/patternProperties/(a)\1", "bad_pattern")]),
        ({"pattern": "((a{1,100}){1,100}){1,100}"}, [("/pattern", "bad_pattern")]),
        ({"pattern": "a" * 1_025}, [("/pattern", "bad_pattern")]),
        ({"anyOf": [{"pattern": str(number)} for number in range(PATTERN_LIMIT + 1)]}, [("", "too_many_patterns")]),
        ({"$ref": "#"}, [("", "endless_reference")]),
        ({"allOf": [{"$ref": "#"}]}, [("", "endless_reference")]),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, [("/$defs/a", "endless_reference")]),
        (False, [("", "unsatisfiable")]),
        ({"type": "string", "enum": [1, 2]}, [("", "unsatisfiable")]),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, [("", "unsatisfiable")]),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, [("", "unsatisfiable")]),
        (
            {"$defs": {"x": {"type": "integer", "minimum": 4, "maximum": 1}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
            [("/$defs/x", "unsatisfiable")],
        ),
    ],
)
def test_each_fault_has_its_name_and_place(json_schema: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(json_schema) == expected


def test_every_fault_is_named_at_once() -> None:
    found = faults(
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "properties": {"a": {"type": "sting", "format": "emial"}, "b": {"minLength": "1"}},
            "dependencies": {},
        }
    )
    assert sorted(found) == [
        ("/$schema", "unknown_dialect"),
        ("/dependencies", "replaced_keyword"),
        ("/properties/a/format", "unknown_format"),
        ("/properties/a/type", "no_alternative"),
        ("/properties/b/minLength", "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("json_schema", "sentence"),
    [
        ({"properties": {"a": {"type": "number", "minimum": 5, "maximum": 3}}}, "/properties/a: minimum 5 > maximum 3"),
        ({"type": "object", "required": ["b"], "additionalProperties": False}, "'b' is required, and nothing may stand there"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "this schema: minItems 3 > maxItems 2"),
        ({"enum": ["x"], "pattern": "^y$"}, "enum ['x'] and pattern '^y$' exclude one another"),
        ({"format": "emial"}, "did you mean 'email'?"),
        ({"type": "strin"}, "did you mean 'string'?"),
        ({"$ref": "#/$def/a", "$defs": {"a": {}}}, "did you mean '#/$defs/a'?"),
        ({"pattern": "a(?!b)"}, "look-around"),
        ({"pattern": r"(a)\1"}, "back-reference"),
        ({"items": [{}]}, "'prefixItems'"),
        ({"additionalItems": {}}, "'items'"),
    ],
)
def test_a_fault_says_how_to_mend_it(json_schema: Any, sentence: str) -> None:
    assert sentence in find_schema_faults(json_schema)[0].message


def test_nothing_is_fetched(tmp_path: Path) -> None:
    asked: list[str] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "there.json").write_text('{"type": "string"}')
    server = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for place in (f"http://127.0.0.1:{server.server_port}/there.json", f"file://{tmp_path}/there.json"):
            assert faults({"$ref": place}) == [("/$ref", "foreign_reference")]
            # Even one that was not looked at before is not followed.
            with pytest.raises(ValueError, match="Retrieval is disabled"):
                compile_schema({"$ref": place})
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def doubling(keyword: str) -> Any:
    parts: dict[str, Any] = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    return {"$defs": {**parts, "d40": {"type": "string"}}, "$ref": "#/$defs/d0"}


def test_work_that_doubles_is_refused() -> None:
    # The same value is judged 2^40 times; or a value 32 levels deep is, though each level alone is harmless.
    assert faults(doubling("allOf")) == [("", "too_much_work")]
    assert faults(doubling("anyOf")) == [("", "too_much_work")]
    node = {"properties": {"c": {"anyOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}}
    assert faults({"$defs": {"n": node}, "$ref": "#/$defs/n"}) == [("", "too_much_work")]


def test_ordinary_recursion_is_no_work() -> None:
    reference = {"$ref": "#/$defs/n"}
    lists = {"type": "array", "items": reference}
    value = {"anyOf": [{"type": "string"}, lists, {"type": "object", "additionalProperties": reference}]}
    branches = [{"properties": {"all": lists}}, {"properties": {"any": lists}}, {"properties": {"no": reference}}]
    expression = {"oneOf": [{**branch, "additionalProperties": False} for branch in branches]}
    for node in (value, expression):
        schema = {"$defs": {"n": node}, "$ref": "#/$defs/n"}
        assert find_schema_faults(schema) == []
        assert count_evaluations(Subschemas.of(schema)) < EVALUATION_LIMIT / 20


HOSTILE: dict[str, Any] = {
    "alternatives of alternatives": {
        "allOf": [{"oneOf": [{"required": [f"a{n}_{k}"]} for k in range(3)]} for n in range(10)],
    },
    "a long chain": {
        "$defs": {
            **{f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1_200)},
            "d1200": {"type": "string"},
        },
        "$ref": "#/$defs/d0",
    },
    "a huge enum": {"enum": [f"v{n}" for n in range(20_000)], "pattern": "^v1"},
    "a megabyte": {"enum": ["x" * 1_000] * 1_000},
    "astronomic counts": {"type": "array", "minItems": 2**53 - 1, "uniqueItems": True, "items": {"type": "integer"}},
    "steps without end": {"type": "integer", "allOf": [{"multipleOf": 1 + n / 1000} for n in range(50)]},
    "conditions": {
        "allOf": [{"if": {"properties": {f"k{n}": {"const": n}}}, "then": {"required": [f"z{n}"]}} for n in range(16)],
    },
    "patterns": {"allOf": [{"type": "string", "pattern": f"(a|b)*a(a|b){{{n}}}$"} for n in range(1, 100)]},
    "references everywhere": {
        "$defs": {
            f"m{n}": {"properties": {"a": {"anyOf": [{"$ref": f"#/$defs/m{(n * 7 + k) % 60}"} for k in range(10)]}}}
            for n in range(60)
        },
        "$ref": "#/$defs/m0",
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_judged_in_time(name: str) -> None:
    began = time.monotonic()
    found = find_schema_faults(HOSTILE[name])
    assert time.monotonic() - began < PATIENCE_S
    if not found:
        compile_schema(HOSTILE[name])
