"""Whatever a script logs becomes something a document can hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.client.values import as_number, as_scalar, clean_key, clean_text, flatten, to_json


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Settings:
    depth: int
    rate: float


class Rude:
    def __repr__(self) -> str:
        message = "no"
        raise RuntimeError(message)

    def item(self) -> int:
        message = "no"
        raise KeyError(message)


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        (1, 1),
        (True, True),
        (None, None),
        (0.1, 0.1),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**53, str(2**53)),
        (2**53 - 1, 2**53 - 1),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(1), True),
        pytest.param(np.float64("nan"), "nan", id="numpy-nan"),
        ([1, "a", None], '[1, "a", null]'),
        (np.array([1, 2]), "[1, 2]"),
        (Colour.RED, "red"),
        (Settings(3, 0.5), '{"depth": 3, "rate": 0.5}'),
        (Path("a/b"), "a/b"),
        (dt.date(2026, 3, 1), "2026-03-01"),
        (math.sqrt, "math.sqrt"),
        (Settings, f"{Settings.__module__}.Settings"),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        (Rude(), "<Rude>"),
    ],
)
def test_parameters(value: object, scalar: object) -> None:
    result = as_scalar(value)
    assert result == scalar
    assert type(result) is type(scalar)


def test_a_repr_has_no_memory_address() -> None:
    assert as_scalar(object()) == "<object object>"


def test_long_text_is_cut() -> None:
    assert len(str(as_scalar("x" * 10_000))) == 4_000


def test_nested_parameters_are_flattened() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e": {}, 3: 4}) == {"a.b.c": 1, "a.d": 2, "e": {}, "3": 4}


@pytest.mark.parametrize("value", [1, 1.5, True, np.float32(1), np.array([2.0]), np.array(3), dt.timedelta])
def test_numbers(value: Any) -> None:
    if isinstance(value, type):
        with pytest.raises(TypeError, match="'auc' must be one number"):
            as_number(value, "auc")
    else:
        assert as_number(value, "auc") == float(np.asarray(value).ravel()[0])


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1.0], np.array([1.0, 2.0]), {}, 1j])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(TypeError):
        as_number(value, "auc")


def test_long_names_stay_distinct() -> None:
    names = {clean_key("x" * 300 + end) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {256}


def test_deep_and_cyclic_values_end() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    json.dumps(to_json({"a": cycle}), allow_nan=False)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.frozensets(st.text()),
    max_leaves=20,
)


@settings(deadline=None)
@given(anything)
def test_everything_becomes_storable_json(value: object) -> None:
    text = json.dumps(to_json(value), allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text
    as_scalar(value)


@settings(deadline=None)
@given(st.text(st.characters()))
def test_clean_text_is_utf8(text: str) -> None:
    clean_text(text, 10).encode()
    assert len(clean_text(text, 10)) <= 10
