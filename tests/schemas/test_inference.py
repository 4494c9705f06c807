"""A draft from documents: true of all of them, whatever they are, and with a place for each attribute."""

from __future__ import annotations

import copy
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.schemas.bounds import find_schema_faults
from studbook.schemas.checking import find_attribute_faults
from studbook.schemas.definition import Definition
from studbook.schemas.inference import METRIC_LIMIT, infer
from studbook.schemas.shapes import SHAPE_LIMIT
from studbook.schemas.subschemas import iter_subschemas
from studbook.schemas.validation import compile_validator
from tests.schemas.documents import TUMOUR_CLASSIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator


def sound(draft: dict[str, Any]) -> Definition:
    """The draft as a definition, if it can be stored as it stands."""
    definition = Definition.model_validate(yaml.safe_load(yaml.safe_dump(draft)))
    assert find_schema_faults(definition.json_schema) == []
    assert find_attribute_faults(definition) == []
    return definition


def attributes(documents: list[Any]) -> dict[str, dict[str, Any]]:
    draft = infer(documents, name="draft")
    sound(draft)
    return {attribute["path"]: attribute for attribute in draft["attributes"]}


def of(*values: Any, key: str = "it") -> list[dict[str, Any]]:
    return [{"attributes": {key: value}} for value in values]


def schema_of(documents: list[dict[str, Any]], *way: str) -> Any:
    place = infer(documents, name="draft")["json_schema"]
    for step in way or ("attributes", "it"):
        place = place["properties"][step]
    return place


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([1, 2], {"type": "integer"}),
        ([1, 2.5], {"type": "number"}),
        ([True, None], {"type": ["boolean", "null"]}),
        (["a", 1], {"type": ["string", "integer"]}),
        (["a", "b"] * 3, {"type": "string", "enum": ["a", "b"]}),
        (["a", "b", None] * 3, {"type": ["string", "null"], "enum": ["a", "b", None]}),
        (["a", "b", "c", "d"] * 2, {"type": "string"}),
        ([f"v{number}" for number in range(13)] * 4, {"type": "string"}),
        (["x" * 41] * 9, {"type": "string"}),
        (["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.5+01:00"], {"type": "string", "format": "date-time"}),
        (["2026-03-01"] * 9, {"type": "string", "format": "date"}),
        (["PT36H", "P2D"], {"type": "string", "format": "duration"}),
        (["2026-03-01", "tomorrow"], {"type": "string"}),
        (["P1M"], {"type": "string"}),
        ([[1, 2], [2.5], []], {"type": "array", "items": {"type": "number"}}),
        ([[]], {"type": "array"}),
        ([{}], {"type": "object", "additionalProperties": False}),
        (
            [{"a": 1, "b": "x"}, {"a": 2}],
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
        ([{f"k{n}": n} for n in range(20)], {"type": "object", "additionalProperties": {"type": "integer"}}),
    ],
)
def test_what_values_have_in_common(values: list[Any], schema: Any) -> None:
    assert schema_of(of(*values)) == schema


def test_only_attributes_are_closed_and_nothing_else_is_a_choice() -> None:
    document = {
        "parameters": {"lr": 0.1, "optimizer": "adam"},
        "metrics": [{"name": "auc", "value": 1}],
        "artifacts": [{"uri": "file:///a", "media_type": "x"}],
        "tags": {"team": "risk"},
        "identifiers": {"mlflow_run": "1"},
        "description": "a model",
        "attributes": {"weights": {"uri": "file:///a"}},
    }
    schema = infer([document] * 9, name="draft")["json_schema"]
    closed = [
        path for path, part in iter_subschemas(schema) if isinstance(part, dict) and part.get("additionalProperties") is False
    ]
    assert closed == [("properties", "attributes"), ("properties", "attributes", "properties", "weights")]
    choices = [path[-1] for path, part in iter_subschemas(schema) if isinstance(part, dict) and "enum" in part]
    assert choices == ["optimizer"]
    assert schema["required"] == sorted(document)
    assert schema["properties"]["tags"] == {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        ([1, 2], "", {"type": "integer", "store": "column"}),
        ([1.5], "", {"type": "number", "store": "column"}),
        ([True, None], "", {"type": "boolean", "store": "column"}),
        (["a", "b"] * 3, "", {"type": "string", "store": "column", "facet": True}),
        (["a", "b"], "", {"type": "string", "store": "column"}),
        (["2026-03-01T12:00:00Z"], "", {"type": "timestamp", "store": "column"}),
        (["2026-03-01"], "", {"type": "date", "store": "column"}),
        (["PT36H"], "", {"type": "duration", "store": "column"}),
        (["word " * 100], "", {"type": "string", "store": "full-text"}),
        (["two\nlines"], "", {"type": "string", "store": "full-text"}),
        ([["a"]], "", {"type": "any", "store": "document"}),
        ([{}], "", {"type": "any", "store": "document"}),
        ([{"a": 1}, None], "", {"type": "any", "store": "document"}),
        ([1, "a"], "", {"type": "any", "store": "document"}),
        ([None], "", {"type": "any", "store": "document"}),
        ([{"uri": "file:///a", "digest": "sha256:0"}], "", {"type": "any", "store": "artifact"}),
        ([{f"k{n}": "v"} for n in range(20)], "/*", {"type": "string", "store": "key-value"}),
        ([{f"k{n}": "v" if n else 1} for n in range(20)], "/*", {"type": "any", "store": "key-value"}),
        ([{f"k{n}": [n]} for n in range(20)], "", {"type": "any", "store": "document"}),
        ([{"seed": 1}], "/seed", {"type": "integer", "store": "column"}),
    ],
)
def test_where_an_attribute_is_kept(values: list[Any], path: str, expected: Any) -> None:
    found = attributes(of(*values))
    name = "it.seed" if path == "/seed" else "it"
    assert found == {f"/attributes/it{path}": {"id": 1, "name": name, "path": f"/attributes/it{path}", **expected}}


def test_attributes_that_nobody_can_foresee_are_one_open_set() -> None:
    found = attributes([{"attributes": {f"k{number}": number}} for number in range(30)])
    assert {path: one["store"] for path, one in found.items()} == {"/attributes/*": "key-value"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("License", "license"),
        ("9 Lives!", "a_9_lives"),
        ("é", "a"),
        ("tags", "its_tags"),
        ("params", "its_params"),
        ("metrics", "its_metrics"),
        ("a.b", "a_b"),
        ("a/b", "a_b"),
        ("x" * 90, "x" * 60),
    ],
)
def test_a_logical_name_is_made_of_the_path(key: str, name: str) -> None:
    (found,) = attributes(of(1, key=key)).values()
    assert found["name"] == name


def test_names_stay_different_and_what_no_path_can_name_is_left_out() -> None:
    found = attributes([{"attributes": {"a b": 1, "a-b": 2, "a_b": 3, "*": 4, "": 5, "[x]": 6}}])
    assert [one["name"] for one in found.values()] == ["a_b", "a_b_2", "a_b_3"]
    assert [one["id"] for one in found.values()] == [1, 2, 3]


def test_the_commonest_metrics_get_a_column() -> None:
    def metric(name: str, split: str | None = None) -> dict[str, Any]:
        return {"name": name, "value": 0.5, **({"split": split} if split else {})}

    metrics = [metric("auc", "test"), metric("loss"), *(metric(f"m{number:02}") for number in range(20)), metric("a,b", "x]")]
    rare = {"metrics": [metric("rare", "test")]}
    found = attributes([{"metrics": metrics}, {"metrics": metrics[:2]}, rare])
    assert len(found) == METRIC_LIMIT
    assert found["/metrics[name=auc,split=test]/value"] == {
        "id": 1,
        "name": "auc_test",
        "path": "/metrics[name=auc,split=test]/value",
        "type": "number",
        "store": "column",
        "aggregate": "last",
    }
    assert found["/metrics[name=loss]/value"]["name"] == "loss"
    assert "/metrics[name=rare,split=test]/value" not in found
    assert not [path for path in found if "a,b" in path]


def test_a_whole_record_makes_a_draft_that_it_satisfies_and_a_misspelling_does_not() -> None:
    draft = infer([TUMOUR_CLASSIFIER] * 3, name="tumour")
    validator = compile_validator(sound(draft).json_schema)
    assert validator.find_faults(TUMOUR_CLASSIFIER) == []
    wrong = copy.deepcopy(TUMOUR_CLASSIFIER)
    wrong["attributes"]["licence"] = "MIT"
    assert [fault.pointer for fault in validator.find_faults(wrong)] == ["/attributes/licence"]


def test_nothing_makes_an_empty_draft() -> None:
    assert sound(infer([], name="draft")).attributes == ()
    assert compile_validator(infer([], name="draft")["json_schema"]).is_valid({"parameters": {}})


# Text as the registry takes it.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)
KNOWN = ["a", "b", "MIT", "2026-03-01", "2026-03-01t12:00:60z", "P1W", "PT5M", "2026-03-01T00:00:00Z"]
TEXTS = st.one_of(WORDS, st.sampled_from(KNOWN))
NUMBERS = st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=6)), max_leaves=12
)
METRICS = st.lists(
    st.fixed_dictionaries({"name": TEXTS, "value": SCALARS}, optional={"split": TEXTS, "step": SCALARS}), max_size=3
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXTS,
        "parameters": st.dictionaries(TEXTS, SCALARS, max_size=5),
        "metrics": METRICS,
        "artifacts": st.lists(st.dictionaries(st.sampled_from(["uri", "digest", "size"]), SCALARS), max_size=2),
        "tags": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "attributes": st.dictionaries(TEXTS, VALUES, max_size=6),
        "identifiers": st.dictionaries(TEXTS, TEXTS, max_size=2),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(DOCUMENTS, max_size=6), st.integers(1, 4))
def test_every_document_satisfies_its_draft(documents: list[Any], times: int) -> None:
    definition = sound(infer(iter(documents * times), name="draft"))
    validator = compile_validator(definition.json_schema)
    assert [validator.find_faults(document) for document in documents] == [[]] * len(documents)


def ever_new(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "attributes": {"same": f"text {number}", f"k{number}": {"deep": {f"d{number}": [number]}}},
            "parameters": {f"p{number}": number},
            "metrics": [{"name": f"m{number}", "value": number}],
            "tags": {f"t{number}": "x"},
        }


def test_memory_does_not_grow_with_the_documents() -> None:
    tracemalloc.start()
    try:
        infer(ever_new(2_000), name="draft")
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        draft = infer(ever_new(8_000), name="draft")
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert grown < 4 << 20
    validator = compile_validator(sound(draft).json_schema)
    assert all(validator.is_valid(document) for document in ever_new(8_000))


def test_the_draft_of_a_wide_document_stays_within_the_bounds_of_schemas() -> None:
    document: dict[str, Any] = {"attributes": {f"k{a}": {f"k{b}": {"c": [a, b]} for b in range(40)} for a in range(40)}}
    draft = infer([document], name="draft")
    assert compile_validator(sound(draft).json_schema).is_valid(document)
    assert sum(1 for _ in iter_subschemas(draft["json_schema"])) < 2 * SHAPE_LIMIT + 10
    deep: Any = 1
    for _ in range(25):
        deep = {"in": deep}
    draft = infer(of(deep), name="draft")
    assert compile_validator(sound(draft).json_schema).is_valid({"attributes": {"it": deep}})
    assert len(json.dumps(draft)) < 5_000
