"""A filter that is too large is refused by name, at once, and never by the interpreter's own limits."""

from __future__ import annotations

import time

import pytest

from studbook.domain.errors import MalformedInputError
from studbook.filters.catalogue import Catalogue, FieldType
from studbook.filters.checking import FAULT_LIMIT, check
from studbook.filters.parsing import parse_filter
from studbook.filters.printing import format_filter
from tests.filters.catalogues import CATALOGUE, refusal

# On a busy machine; an idle one needs a tenth of it.
SECONDS = 0.1


def quickest(text: str) -> float:
    """The best of three, so that a pause of the machine is not taken for a slow parser."""
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        with pytest.raises(MalformedInputError):
            parse_filter(text)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def test_8192_characters_are_read_and_one_more_is_not() -> None:
    text = "a = " + "x" * 8_188
    assert parse_filter(text)
    assert refusal(lambda: parse_filter(text + "x")) == (
        "the filter has 8,193 characters; at most 8,192 are read: ask in several steps, or by a tag"
    )


def test_200_conditions_are_read_and_one_more_is_not() -> None:
    text = " or ".join(["a=1"] * 199 + ["upstream(x)"])
    assert parse_filter(text)
    assert refusal(lambda: parse_filter(f"{text} and b=1")) == (
        f"column {len(text) + 6}: the filter has more than 200 conditions; `field in (a, b)` counts as one"
    )


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("(", ")"), ("not ", ""), ("not(not(", "))"), ("(b=1 or not ", ")")],
)
def test_50_levels_are_read_and_one_more_is_not(opening: str, closing: str) -> None:
    levels = opening.count("(") + opening.count("not")
    times, more = divmod(50, levels)
    deep = opening * times + "(" * more + "a=1" + ")" * more + closing * times
    assert format_filter(parse_filter(deep))
    assert "parentheses and `not` nest deeper than 50 levels" in refusal(lambda: parse_filter(f"({deep})"))
    assert "parentheses and `not` nest deeper than 50 levels" in refusal(lambda: parse_filter(f"not {deep}"))


def test_levels_beside_one_another_do_not_add_up() -> None:
    assert parse_filter(" and ".join(["not (not (a in (1, 2)))", "upstream(x)"] * 60))


def test_1000_values_are_read_and_one_more_is_not() -> None:
    text = "a in (" + ",".join(["1"] * 1_000)
    assert parse_filter(f"{text})")
    assert refusal(lambda: parse_filter(f"{text},1)")) == (
        f"column {len(text) + 1}: `in` takes at most 1,000 values; ask in several steps"
    )


def test_20_labels_and_32_parts_are_read_and_one_more_is_not() -> None:
    labels = ",".join(f"l{number}=1" for number in range(20))
    assert parse_filter(f"metrics.auc{{{labels}}} > 1")
    assert "at most 20 labels" in refusal(lambda: parse_filter(f"metrics.auc{{{labels},x=1}} > 1"))
    assert parse_filter("a" + ".a" * 31 + " exists")
    assert refusal(lambda: parse_filter("a" + ".a" * 32 + " exists")).startswith("column 1: the name has more than 32 parts")


HOSTILE = {
    "10,000 terms": " or ".join(["a=1"] * 10_000),
    "terms as short as can be": ("a=1or " * 1_360) + "a=1",
    "5,000 parentheses": "(" * 5_000 + "a=1" + ")" * 5_000,
    "4,000 open parentheses": "(" * 4_000,
    "5,000 not": "not " * 5_000 + "a=1",
    "2,000 not": "not " * 2_000 + "a=1",
    "4,000 values": "a in (" + "1," * 4_000 + "1)",
    "2,000 labels": "a{" + "b=1," * 2_000,
    "quotes": '"' * 8_192,
    "an open quote of backslashes": 'a="' + "\\" * 8_001,
    "an open quote after quoted parts": 'a."b"' + '."b"' * 2_000 + '."',
    "a name of 4,000 parts": "a" + ".a" * 4_000 + "=1",
    "a sign of 8,000": "a " + "=" * 8_000,
    "a number of 8,000 digits": "a = " + "9" * 8_000,
    "an exponent of 8,000 digits": "a = 1e" + "9" * 8_000,
    "a duration of 8,000 digits": "a = " + "9" * 8_000 + "d",
    "a word and nothing": "a" * 8_000 + "=",
    "blanks before a fault": "a = 1" + " " * 8_000 + "=",
    "a value cut off": "a = " + "x" * 8_000 + " y",
    "escapes": 'a = "' + "\\n" * 4_000 + '\\q"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_no_time(name: str) -> None:
    parse_filter("a = 1")  # The parser is built once, and not measured here.
    assert quickest(HOSTILE[name]) < SECONDS


def test_the_largest_filters_are_read_in_no_time() -> None:
    begun = time.perf_counter()
    parse_filter("a in (" + ",".join(["1"] * 1_000) + ")")
    parse_filter(" or ".join(["a.b@c{d=1} >= 1.5"] * 200))
    assert time.perf_counter() - begun < 2 * SECONDS


def test_many_unknown_names_in_a_large_catalogue_cost_little() -> None:
    catalogue = Catalogue({f"attribute_{number}.some_name": FieldType.TEXT for number in range(1_000)})
    tree = parse_filter(" or ".join(f"atribute_{number}.some_nam = 1" for number in range(200)))
    begun = time.perf_counter()
    with pytest.raises(MalformedInputError) as refused:
        check(tree, catalogue)
    assert time.perf_counter() - begun < 1
    assert refused.value.detail == "the filter has more than 20 faults; the first 20 are named"
    assert len(refused.value.violations) == FAULT_LIMIT


def test_a_filter_at_the_limit_can_be_read_in_its_canonical_form() -> None:
    for value in ("1234567", "1e5", "-25e-9", "'a b c'"):
        count = min(1_000, (8_192 - len("a in ()") + 1) // (len(value) + 1))
        tree = parse_filter(f"a in ({','.join([value] * count)})")
        assert len(format_filter(tree)) <= 8_192
        assert parse_filter(format_filter(tree)) == tree


def test_the_deepest_filter_is_checked_and_written() -> None:
    text = "not (number = 1 or not (model = a and " * 12 + "signed = true" + "))" * 12
    tree = parse_filter(text)
    assert format_filter(check(tree, CATALOGUE)) == text
