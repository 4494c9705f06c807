"""What holds for every tree and every text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from studbook.domain.errors import MalformedInputError
from studbook.filters.checking import check
from studbook.filters.ordering import Order, format_order, parse_order
from studbook.filters.parsing import parse_filter
from studbook.filters.printing import format_filter
from studbook.filters.tree import Comparison, Field, Operator
from tests.filters.catalogues import CATALOGUE
from tests.filters.trees import fields, trees

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.domain.errors import Violation
    from studbook.filters.tree import Expression

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIECES = [
    *(
        '"',
        "'",
        "(",
        ")",
        "{",
        "}",
        ",",
        ".",
        "@",
        "=",
        "!",
        ">",
        "<",
        "&",
        "\\",
        " ",
        "\n",
        "-",
        "+",
        "\ud800",
        "\x00",
        "é",
        "“",
    ),
    *(
        " and ",
        " or ",
        "not ",
        " in ",
        " exists",
        "upstream(",
        "model",
        "tags.",
        "metrics.auc",
        "params.",
        "created_at",
        "number",
    ),
    *("now", "now-7d", "2026-11-25", "T09:30:00Z", "7d", "1e5", "007", "null", "true", '"a b"', "\\u00"),
]
VALID = [
    'model = churn and metrics.auc@holdout{region="south", tier=2} > 0.9',
    'not tags.team in (growth, "new markets") or aliases contains champion',
    "created_at >= now-7d and (upstream(datasets/churn-train) or number = 3)",
    "created_at = 2026-11-25 and released < 2026-11-25 and run.duration > 36h",
]


def is_same(tree: Expression, other: Expression) -> bool:
    # 1, 1.0 and True are equal for Python, and not for a reader.
    return tree == other and format_filter(tree) == format_filter(other)


def violations(act: Callable[[], object]) -> tuple[Violation, ...]:
    """What is wrong, in words that can be sent; nothing else may be raised."""
    try:
        act()
    except MalformedInputError as refused:
        refused.detail.encode()
        return refused.violations
    return ()


def judge(text: str) -> None:
    """Read and check the text: it is refused in words, or means the same when it is written again."""
    if faults := violations(lambda: parse_filter(text)):
        assert [(fault.pointer, fault.code) for fault in faults] == [("/filter", "bad_filter")]
        return
    tree = parse_filter(text)
    assert is_same(parse_filter(format_filter(tree)), tree)
    if faults := violations(lambda: check(tree, CATALOGUE)):
        assert {(fault.pointer, fault.code) for fault in faults} == {("/filter", "bad_filter")}
        return
    checked = check(tree, CATALOGUE)
    assert is_same(check(checked, CATALOGUE), checked)
    assert is_same(parse_filter(format_filter(checked)), checked)


@quick
@given(trees)
@example(Comparison(Field(("a",)), Operator.EQUAL, True))
@example(Comparison(Field(("a",)), Operator.EQUAL, -0.0))
@example(Comparison(Field(("a",)), Operator.EQUAL, "\x85\u2028\x7f"))
def test_a_tree_is_written_and_read_again(tree: Expression) -> None:
    text = format_filter(tree)
    assert is_same(parse_filter(text), tree)
    assert repr(parse_filter(format_filter(parse_filter(text)))) == repr(parse_filter(text))


@quick
@given(st.text(max_size=60))
def test_random_text_is_refused_in_words(text: str) -> None:
    judge(text)


@quick
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_random_words_are_refused_in_words(text: str) -> None:
    judge(text)


@quick
@given(st.sampled_from(VALID), st.data())
def test_damaged_filters_are_refused_in_words(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 4))
        text = text[:place] + data.draw(st.sampled_from(["", *PIECES])) + text[place + cut :]
    judge(text)


@quick
@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=20))
def test_random_orders_are_refused_in_words(text: str) -> None:
    if faults := violations(lambda: parse_order(text, CATALOGUE)):
        assert [(fault.pointer, fault.code) for fault in faults] == [("/order_by", "bad_order")]
        return
    order = parse_order(text, CATALOGUE)
    assert parse_order(format_order(order), CATALOGUE) == order


@quick
@given(fields.filter(lambda field: not field.labels), st.booleans())
def test_an_order_is_written_and_read_again(field: Field, descending: bool) -> None:
    key = ".".join(field.name)
    order = Order(Field(("metrics", key), field.qualifier), descending)
    assert parse_order(format_order(order), CATALOGUE) == order
