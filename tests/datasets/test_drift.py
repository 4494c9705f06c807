"""Drift tells what differs between two tables, and no more than what both have recorded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from studbook.domain.drift import Thresholds, compare_schemas

CHANGES = ("added", "removed", "types", "nullability", "ranges", "missing")


def record(rows: int | None = 100, **columns: dict[str, Any]) -> dict[str, Any]:
    """A dataset version as far as drift reads it; each column with members of its schema and of its statistics."""
    schema = [
        {"name": name, **{key: entry[key] for key in ("type", "nullable") if key in entry}} for name, entry in columns.items()
    ]
    statistics = {
        name: {key: entry[key] for key in ("missing", "minimum", "maximum") if key in entry} for name, entry in columns.items()
    }
    return {
        "name": "datasets/d/versions/1",
        "rows": rows,
        "schema": {"columns": schema},
        "profile": {"statistics": {"columns": statistics}},
    }


def changes(before: dict[str, Any], after: dict[str, Any], **options: Any) -> dict[str, Any]:
    found = compare_schemas(before, after, **options)
    told = {name: found[name] for name in CHANGES if found[name]}
    assert found["drifted"] is bool(told)
    return told


def test_the_same_has_no_drift() -> None:
    same = record(a={"type": "integer", "nullable": False, "missing": 3, "minimum": 0, "maximum": 10})

    assert changes(same, same) == {}
    assert compare_schemas(same, same)["compared"] == ["columns", "statistics"]


def test_another_name_is_one_column_less_and_one_more() -> None:
    found = changes(record(a={"type": "text"}, b={"type": "date"}), record(b={"type": "date"}, A={"type": "text"}))

    assert found == {"added": {"A": "text"}, "removed": {"a": "text"}}


def test_types_and_nullability() -> None:
    before = record(a={"type": "integer", "nullable": False}, b={"type": "text"})
    after = record(a={"type": "text", "nullable": True}, b={"type": "text", "nullable": True})

    assert changes(before, after) == {
        "types": {"a": {"from": "integer", "to": "text"}},
        "nullability": {"a": {"from": False, "to": True}},
    }


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ((0, 100), (0, 110), False),
        ((0, 100), (0, 111), True),
        ((0, 100), (-10, 100), False),
        ((0, 100), (-11, 100), True),
        ((0, 100), (11, 100), True),
        ((5, 5), (5, 5), False),
        ((5, 5), (5, 6), True),
        (("2026-01-01", "2026-12-31"), ("2026-01-01", "2027-01-10"), False),
        (("2026-01-01", "2026-12-31"), ("2026-01-01", "2027-12-31"), True),
        (("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"), True),
        (("a", "z"), ("a", "z"), False),
        (("a", "z"), ("b", "z"), True),
        ((1, 2), ("a", "z"), False),  # that is a change of type
        (("9007199254740993", "9007199254740999"), ("9007199254740993", "99007199254740999"), True),
        ((None, None), (1, 2), False),
    ],
)
def test_ranges(old: tuple[Any, Any], new: tuple[Any, Any], *, moved: bool) -> None:
    before, after = (record(a={"minimum": low, "maximum": high}) for low, high in (old, new))

    expected = {"ranges": {"a": {"from": list(old), "to": list(new)}}} if moved else {}
    assert changes(before, after) == expected


@pytest.mark.parametrize(("rows", "missing", "jumped"), [(100, 15, False), (100, 16, True), (1000, 160, True), (None, 90, False)])
def test_the_share_of_missing_values(rows: int | None, missing: int, *, jumped: bool) -> None:
    found = changes(record(100, a={"missing": 10}), record(rows, a={"missing": missing}))

    assert found == ({"missing": {"a": {"from": 0.1, "to": missing / (rows or 1)}}} if jumped else {})


def test_thresholds_are_the_callers() -> None:
    before, after = record(a={"missing": 10, "minimum": 0, "maximum": 10}), record(a={"missing": 12, "minimum": 0, "maximum": 15})

    assert set(changes(before, after, thresholds=Thresholds(0.6, 0.01))) == {"missing"}
    assert set(changes(before, after, thresholds=Thresholds(0.4, 0.05))) == {"ranges"}


def test_what_is_not_recorded_is_not_compared() -> None:
    full = record(a={"type": "text", "missing": 1})

    assert compare_schemas(full, {**full, "schema": None})["compared"] == ["statistics"]
    assert compare_schemas({**full, "profile": None}, full)["compared"] == ["columns"]
    empty = compare_schemas({"schema": None, "profile": None}, full)
    assert (empty["compared"], empty["drifted"]) == ([], False)


def test_an_object_of_types_is_a_schema() -> None:
    assert changes({"schema": {"columns": {"a": "text"}}}, {"schema": {"columns": {"a": "date", "b": "text"}}}) == {
        "added": {"b": "text"},
        "types": {"a": {"from": "text", "to": "date"}},
    }


KEYS = st.sampled_from(["columns", "name", "type", "statistics", "a"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=10,
)


@seed(17)
@settings(max_examples=80, deadline=None)
@given(*[st.fixed_dictionaries({"schema": JSON, "profile": JSON, "rows": JSON})] * 2)
def test_whatever_somebody_recorded_is_compared_or_left(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = compare_schemas(before, after)

    assert set(found["compared"]) <= {"columns", "statistics"}
    assert not any(compare_schemas(before, before)[name] for name in CHANGES)
