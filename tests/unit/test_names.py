"""Names and references."""

from __future__ import annotations

import contextlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.domain.ids import IdSource
from studbook.domain.names import (
    BadReferenceError,
    ByAlias,
    ById,
    ByIdentifier,
    ByName,
    ByNumber,
    Kind,
    find_name_fault,
    model_name,
    parse_reference,
    version_name,
)
from studbook.domain.tokens import is_token, make_token

names = st.text(min_size=1, max_size=40).filter(lambda text: find_name_fault(text) is None)


@given(names, st.integers(1, 2**31 - 1))
def test_a_resource_name_means_what_it_was_made_from(name: str, number: int) -> None:
    assert parse_reference(model_name(name)) == ByName(Kind.MODEL, name)
    assert parse_reference(version_name(name, number)) == ByNumber(Kind.MODEL_VERSION, name, number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("churn/3", ByNumber(Kind.MODEL_VERSION, "churn", 3)),
        ("churn/latest", ByNumber(Kind.MODEL_VERSION, "churn", None)),
        ("churn@champion", ByAlias("churn", "champion")),
        ("models/a%2Fb/versions/@x", ByAlias("a/b", "x")),
        ("datasets/d/versions/latest", ByNumber(Kind.DATASET_VERSION, "d", None)),
        ("experiments/e", ByName(Kind.EXPERIMENT, "e")),
        ("oci:registry/x@sha256:ab", ByIdentifier("oci", "registry/x@sha256:ab")),
        ("0198c1de-0000-7000-8000-000000000001", ById(UUID("0198c1de-0000-7000-8000-000000000001"))),
        ("runs/0198c1de-0000-7000-8000-000000000001", ById(UUID("0198c1de-0000-7000-8000-000000000001"), Kind.RUN)),
    ],
)
def test_every_form_is_read(text: str, expected: object) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text", ["", "churn", "churn/0", "churn/x", "runs/7", "a/b/c", "models/x/versions/99999999999", "@x", "/3"]
)
def test_what_refers_to_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadReferenceError):
        parse_reference(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadReferenceError):
        parse_reference(text)


@pytest.mark.parametrize("name", ["", " a", "a ", "@a", "a\nb", "a\u200bb", "e\u0301", "x" * 257, ".", ".."])
def test_a_bad_name_has_a_fault(name: str) -> None:
    assert find_name_fault(name)


def test_ids_increase_and_say_when() -> None:
    source = IdSource()
    made = [source() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {made_id.version for made_id in made} == {7}


def test_a_token_with_a_typing_error_is_recognised() -> None:
    token = make_token()
    assert is_token(token)
    assert not is_token(token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert not is_token(token[:15] + ("a" if token[15] != "a" else "b") + token[16:])
