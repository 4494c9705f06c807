"""Two readers of one language: the quick one takes nothing that the careful one would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studbook.domain import parsing
from studbook.domain.errors import MalformedInputError
from tests.unit.test_canonical import values


def outcome(reader: Any, body: bytes) -> Any:
    try:
        return reader(body)
    except MalformedInputError as refusal:
        return sorted(violation.code for violation in refusal.violations)


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    body = json.dumps(value).encode()
    assert outcome(parsing.parse_json, body) == outcome(parsing._parse_carefully, body)


@given(st.lists(st.sampled_from([*'{}[]:,"a1\\u0e. \n', '"a":', '"a" :', '{"a":1}', "9007199254740993", "1e999"])))
@example(['{"a":1, "b" : 2, "a":3}'])
@example(['{"a": "x\\": 1", "a": 2}'])
def test_random_text_is_judged_alike(parts: list[str]) -> None:
    body = "".join(parts).encode()
    assert outcome(parsing.parse_json, body) == outcome(parsing._parse_carefully, body)


def test_every_fault_of_a_document_is_named() -> None:
    with pytest.raises(MalformedInputError) as refused:
        parsing.parse_json(b'{"a": [9007199254740993, "\\u0000"], "b~/": {"c": "\\ud800"}}')
    assert {violation.pointer for violation in refused.value.violations} == {"/a/0", "/a/1", "/b~0~1/c"}
