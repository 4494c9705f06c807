"""What a new version breaks, shown by documents; and what an attribute's id may become."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.schemas.bounds import find_schema_faults
from studbook.schemas.changes import describe_changes
from studbook.schemas.compatibility import BACKWARD, FORWARD, Break, check_compatibility, find_attribute_faults
from studbook.schemas.definition import Attribute, Mode
from studbook.schemas.examples import iter_examples
from studbook.schemas.standards import list_standards, load_standard
from studbook.schemas.validation import compile_validator
from tests.schemas.test_validation import REALISTIC

TEXT = {"type": "string"}
NUMBERS = {"type": "number"}


def closed(properties: Any, *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def opened(properties: Any, *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


# Old, new, and whether the new version reads old documents, and the old version new ones.
CHANGES: dict[str, tuple[Any, Any, bool, bool]] = {
    "identical": (closed({"a": TEXT}), closed({"a": TEXT}), True, True),
    "add optional": (closed({"a": TEXT}), closed({"a": TEXT, "b": TEXT}), True, False),
    "add required": (closed({"a": TEXT}), closed({"a": TEXT, "b": TEXT}, "b"), False, False),
    "now required": (closed({"a": TEXT}), closed({"a": TEXT}, "a"), False, True),
    "remove optional": (closed({"a": TEXT, "b": TEXT}), closed({"a": TEXT}), False, True),
    "enum widened": (closed({"a": {"enum": ["x"]}}), closed({"a": {"enum": ["x", "y"]}}), True, False),
    "enum narrowed": (closed({"a": {"enum": ["x", "y"]}}), closed({"a": {"enum": ["x"]}}), False, True),
    "range tightened": (closed({"a": {**NUMBERS, "maximum": 9}}), closed({"a": {**NUMBERS, "maximum": 5}}), False, True),
    "length added": (closed({"a": TEXT}), closed({"a": {**TEXT, "maxLength": 5}}), False, True),
    "pattern added": (closed({"a": TEXT}), closed({"a": {**TEXT, "pattern": "^[a-z]+$"}}), False, True),
    "format added": (closed({"a": TEXT}), closed({"a": {**TEXT, "format": "date"}}), False, True),
    "number to integer": (closed({"a": {"type": "number"}}), closed({"a": {"type": "integer"}}), False, True),
    "integer to number": (closed({"a": {"type": "integer"}}), closed({"a": {"type": "number"}}), True, False),
    "null allowed": (closed({"a": TEXT}), closed({"a": {"type": ["string", "null"]}}), True, False),
    "closed to open": (closed({"a": TEXT}), opened({"a": TEXT}), True, False),
    "open to closed": (opened({"a": TEXT}), closed({"a": TEXT}), False, True),
    "open, add typed optional": (opened({"a": TEXT}), opened({"a": TEXT, "b": TEXT}), False, True),
    "items narrowed": ({"items": {"type": "number"}}, {"items": {"type": "integer"}}, False, True),
    "words only": ({"title": "A", "type": "object"}, {"description": "B", "type": "object"}, True, True),
}  # fmt: skip


def verified(broken: Break, new: Any, old: Any) -> bool:
    """Whether the witness is accepted by one and refused by the other, in the direction that is named."""
    accepts, refuses = (old, new) if broken.direction == BACKWARD else (new, old)
    return compile_validator(accepts).is_valid(broken.witness) and not compile_validator(refuses).is_valid(broken.witness)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_breaks_what_it_breaks_and_a_document_shows_it(name: str) -> None:
    old, new, backward, forward = CHANGES[name]
    assert check_compatibility(new, [(1, old)], Mode.BACKWARD).compatible is backward
    assert check_compatibility(new, [(1, old)], Mode.FORWARD).compatible is forward
    both = check_compatibility(new, [(1, old)], Mode.FULL)
    assert both.compatible is (backward and forward)
    assert {broken.direction for broken in both.breaks} == {*([] if backward else [BACKWARD]), *([] if forward else [FORWARD])}
    assert all(broken.certain and verified(broken, new, old) for broken in both.breaks)


def changed(path: str, value: Any) -> Any:
    """The realistic schema with another value at a path of keys; a list gets the value added."""
    schema = copy.deepcopy(REALISTIC)
    *way, last = path.split()
    place = schema
    for step in way:
        place = place[step]
    place[last] = [*place[last], value] if isinstance(place[last], list) else value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "broken"),
    [
        ("$defs metric required", "split", BACKWARD),
        ("properties artifacts items required", "digest", BACKWARD),
        ("then required", "metrics", BACKWARD),
        ("properties attributes properties license", {"enum": ["MIT"]}, BACKWARD),
        ("$defs digest pattern", "^sha512:[0-9a-f]{128}$", BACKWARD),
        ("properties attributes properties framework", True, FORWARD),
        ("unevaluatedProperties", True, FORWARD),
    ],
)
def test_deep_in_a_realistic_schema_a_document_shows_the_break(path: str, value: Any, broken: str) -> None:
    new = changed(path, value)
    assert find_schema_faults(new) == []
    found = check_compatibility(new, [(1, REALISTIC)], Mode.FULL).breaks
    shown = [one for one in found if one.direction == broken]
    assert [one.certain and verified(one, new, REALISTIC) for one in shown] == [True]


def test_an_optional_attribute_of_a_realistic_schema_is_added_without_a_break() -> None:
    new = copy.deepcopy(REALISTIC)
    new["properties"]["attributes"]["properties"]["region"] = TEXT
    assert check_compatibility(new, [(1, REALISTIC)], Mode.BACKWARD_TRANSITIVE).compatible


@pytest.mark.parametrize("name", list_standards())
def test_what_studbook_ships_can_be_compared(name: str) -> None:
    schema = load_standard(name).json_schema
    assert isinstance(schema, dict)
    assert check_compatibility({**schema, "title": "another"}, [(1, schema)], Mode.FULL_TRANSITIVE).compatible
    broken = check_compatibility({**schema, "required": [*schema.get("required", ()), "zz"]}, [(1, schema)], Mode.BACKWARD).breaks
    assert [one.witness is not None for one in broken] == [True]


def test_what_is_not_proven_counts_as_a_break_and_says_so() -> None:
    schema = {
        "type": "object",
        "allOf": [{"not": {"required": [f"a{n}"], "properties": {f"b{n}": {"const": n}}}} for n in range(40)],
    }
    found = check_compatibility({**schema, "properties": {"z": True}}, [(3, schema)], Mode.BACKWARD)
    (broken,) = found.breaks
    assert (found.compatible, broken.certain, broken.witness, broken.version) == (False, False, None, 3)
    assert "not proven" in broken.message


def test_a_mode_looks_at_the_versions_it_names() -> None:
    first, second, new = closed({"a": TEXT, "b": TEXT}), closed({"a": TEXT}), closed({"a": TEXT, "c": TEXT})
    earlier = [(1, first), (2, second)]
    assert check_compatibility(new, earlier, Mode.BACKWARD).compatible
    assert [one.version for one in check_compatibility(new, earlier, Mode.BACKWARD_TRANSITIVE).breaks] == [1]
    assert [one.version for one in check_compatibility(new, earlier, Mode.FORWARD).breaks] == [2]
    assert [one.version for one in check_compatibility(new, earlier, Mode.FORWARD_TRANSITIVE).breaks] == [1, 2]
    full = check_compatibility(new, earlier, Mode.FULL_TRANSITIVE).breaks
    assert [(one.version, one.direction) for one in full] == [(1, BACKWARD), (1, FORWARD), (2, FORWARD)]
    assert check_compatibility(False, earlier, Mode.NONE).compatible
    assert check_compatibility(new, [], Mode.FULL_TRANSITIVE).compatible


def test_a_break_says_what_would_be_refused() -> None:
    old, new, *_ = CHANGES["enum narrowed"]
    (broken,) = check_compatibility(new, [(4, old)], Mode.BACKWARD).breaks
    assert broken.message == "version 4 accepts documents that the new version refuses: at /a: 'y' is none of: x"
    assert broken.witness == {"a": "y"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("add optional", "/b was added, optional"),
        ("add required", "/b was added, required"),
        ("now required", "/a is now required"),
        ("remove optional", "/b was removed"),
        ("enum widened", "/a now allows 'y' too"),
        ("enum narrowed", "/a no longer allows 'y'"),
        ("range tightened", "/a: maximum 9 became 5"),
        ("length added", "/a: maxLength is now 5"),
        ("number to integer", "/a: type number became integer"),
        ("null allowed", "/a: type string became string or null"),
        ("closed to open", "the document now takes members that it does not name"),
        ("open to closed", "the document no longer takes members that it does not name"),
        ("items narrowed", "/*: type number became integer"),
    ],
)
def test_a_change_is_told_in_words(name: str, sentence: str) -> None:
    old, new, *_ = CHANGES[name]
    assert describe_changes(old, new) == [sentence]
    assert check_compatibility(new, [(1, old)], Mode.NONE).changes == (sentence,)


def test_a_change_behind_a_reference_is_told_where_it_matters() -> None:
    def schema(**of_owner: Any) -> Any:
        return {"$defs": {"owner": {"type": "object", **of_owner}}, "properties": {"by": {"$ref": "#/$defs/owner"}}}

    assert describe_changes(schema(), schema(required=["email"])) == ["/by/email is now required"]


def test_changes_of_a_recursive_schema_come_to_an_end() -> None:
    tree = {"properties": {"children": {"items": {"$ref": "#"}}, "n": {"type": "integer"}}}
    new = {"properties": {"children": {"items": {"$ref": "#"}}, "n": {"type": "number"}}}
    assert describe_changes(tree, new)[0].endswith("/n: type integer became number")


SCALARS = st.sampled_from(
    [
        TEXT,
        {"type": "integer", "minimum": 3},
        {"enum": ["a", 1]},
        {"type": ["number", "null"]},
        {"pattern": "^[a-f]+$", **TEXT},
        True,
    ]
)
OBJECTS = st.builds(
    lambda properties, required, rest: (
        opened(properties, *(name for name in required if name in properties))
        | ({} if rest is None else {"additionalProperties": rest})
    ),
    st.dictionaries(st.sampled_from("abc"), SCALARS, max_size=3),
    st.lists(st.sampled_from("abc"), unique=True),
    st.sampled_from([None, False, TEXT]),
)


@settings(max_examples=150, deadline=None)
@given(OBJECTS, OBJECTS)
def test_what_is_called_compatible_accepts_every_example(old: Any, new: Any) -> None:
    """The examples are another way to the same answer: none of the old version's may be refused when the answer is yes."""
    found = check_compatibility(new, [(1, old)], Mode.BACKWARD)
    reader, writer = compile_validator(new), compile_validator(old)
    refused = [one for one in iter_examples(old) if writer.is_valid(one) and not reader.is_valid(one)]
    assert not (found.compatible and refused)
    assert all(verified(broken, new, old) for broken in found.breaks if broken.witness is not None)


@given(OBJECTS)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    assert check_compatibility(copy.deepcopy(schema), [(1, schema)], Mode.FULL_TRANSITIVE).compatible


def attribute(number: int = 1, name: str = "a", path: str | None = "/attributes/a", **more: Any) -> Attribute:
    return Attribute.model_validate({"id": number, "name": name, "path": path, "type": "string", "store": "column", **more})


INTEGER = {"type": "integer", "store": "document"}
NUMBER = {"type": "number", "store": "document"}
METRIC = {"path": "/metrics[name=auc]/value", "type": "number"}


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        (attribute(), attribute(), []),
        (attribute(), attribute(name="renamed"), []),
        (attribute(), attribute(facet=True, deprecated=True, index=False), []),
        (attribute(unique=True), attribute(), []),
        (attribute(), attribute(path="/attributes/b"), [("/attributes/0/path", "path_changed")]),
        (attribute(), attribute(type="integer"), [("/attributes/0/type", "type_changed")]),
        (attribute(), attribute(store="full-text"), []),
        (attribute(**INTEGER), attribute(**NUMBER), [("/attributes/0/type", "type_changed")]),
        (attribute(type="any", store="document"), attribute(), []),
        (attribute(), attribute(type="any", store="document"), [("/attributes/0/type", "type_changed")]),
        (attribute(), attribute(store="private"), [("/attributes/0/store", "privacy_changed")]),
        (attribute(store="private"), attribute(), [("/attributes/0/store", "privacy_changed")]),
        (attribute(**NUMBER), attribute(**INTEGER), [("/attributes/0/type", "type_changed")]),
        (attribute(type="integer"), attribute(type="number"), [("/attributes/0/type", "type_changed")]),
        (attribute(**INTEGER), attribute(type="number"), [("/attributes/0/type", "type_changed")]),
        (attribute(**METRIC), attribute(**METRIC, aggregate="max"), [("/attributes/0/aggregate", "aggregate_changed")]),
        (
            attribute(**METRIC, aggregate="min"),
            attribute(**METRIC, aggregate="max"),
            [("/attributes/0/aggregate", "aggregate_changed")],
        ),
        (attribute(), attribute(unique=True), [("/attributes/0/unique", "unique_added")]),
        (attribute(), attribute(path=None, alias_of="b"), [("/attributes/0/path", "path_changed")]),
        (
            attribute(),
            attribute(type="number", unique=True),
            [("/attributes/0/type", "type_changed"), ("/attributes/0/unique", "unique_added")],
        ),
    ],
)
def test_what_an_id_may_become(old: Attribute, new: Attribute, faults: list[tuple[str, str]]) -> None:
    assert [(fault.pointer, fault.code) for fault in find_attribute_faults([new], [[old]])] == faults


def test_an_id_is_not_used_again_after_it_was_left_out() -> None:
    other = attribute(2, "b", "/attributes/b")
    versions = [[attribute(), other], [other], [other]]
    (fault,) = find_attribute_faults([other, attribute(1, "c", "/attributes/c")], versions)
    assert (fault.pointer, fault.code) == ("/attributes/1/path", "path_changed")
    assert "was once that of /attributes/a" in fault.message
    assert find_attribute_faults([other, attribute()], versions) == []


def test_a_name_belongs_to_one_id() -> None:
    found = find_attribute_faults([attribute(), attribute(2, "a", "/attributes/b")], [])
    assert [(fault.pointer, fault.code) for fault in found] == [("/attributes/1/name", "duplicate_name")]
    swapped = [attribute(1, "b", "/attributes/a"), attribute(2, "a", "/attributes/b")]
    assert find_attribute_faults(swapped, [[attribute(), attribute(2, "b", "/attributes/b")]]) == []
