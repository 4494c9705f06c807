"""What is written as YAML is read as the same value, by the reader that the server has."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from studbook.cli.yaml_text import to_yaml
from studbook.domain.parsing import parse_yaml

AWKWARD = [
    "yes",
    "Y",
    "null",
    "1e5",
    "1e-05",
    "<<",
    "=",
    "2026-01-01",
    "0x1f",
    "12:30:45",
    "~",
    "a\n---\nb",
    "a\n\n b",
    "/a[b=c]/*",
]
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
    | st.text(" \n\t#:-?ab[]{},&*!|>'\"%@`0.eE+_=<~/yn", max_size=12)
    | st.sampled_from(AWKWARD)
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=15
)


@given(VALUES)
def test_the_same_value_is_read_again(value: Any) -> None:
    read = parse_yaml(to_yaml(value).encode())
    # 1 and 1.0 and true are equal to Python, and not the same.
    assert repr(read) == repr(value)


def test_a_person_can_read_it() -> None:
    definition = {
        "name": "tabular",
        "description": "Two\nlines.\n",
        "json_schema": {"enum": ["MIT", "no", 3, None], "properties": {}},
        "attributes": [{"id": 1, "path": "/parameters/*"}, []],
    }
    assert to_yaml(definition) == (
        "name: tabular\ndescription: |\n  Two\n  lines.\n"
        'json_schema:\n  enum:\n    - MIT\n    - "no"\n    - 3\n    - null\n  properties: {}\n'
        "attributes:\n  - id: 1\n    path: /parameters/*\n  - []\n"
    )


def test_a_key_may_be_long() -> None:
    value = {"k" * 3000: {"inner": ["x"]}, "other": "text\nof lines"}
    assert parse_yaml(to_yaml(value).encode()) == value
