"""The quick encoder writes the same bytes as the reference library, for every value that it takes on itself."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from studbook.domain.canonical import canonical_json, read_canonical, scalar_text
from studbook.domain.parsing import SAFE_INTEGER

floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-SAFE_INTEGER, SAFE_INTEGER) | floats | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_bytes_are_those_of_rfc_8785(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(scalars)
def test_a_scalar_is_written_likewise(value: Any) -> None:
    assert scalar_text(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1.0, -0.0, 1e16, 1e15, 123456789.125, 1e-4, 9.9e-5, 1e-7, 5e-324, 1e21, 1e300, 0.1 + 0.2])
def test_floats_at_the_limits(value: float) -> None:
    assert canonical_json({"x": [value]}) == rfc8785.dumps({"x": [value]})
    assert scalar_text(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical_json({"x": value})


@given(values)
def test_reading_back_and_writing_again_changes_nothing(value: Any) -> None:
    written = canonical_json(value)
    assert read_canonical(written) == value
    assert canonical_json(read_canonical(written)) == written
