"""By which field answers are sorted."""

from __future__ import annotations

import pytest

from studbook.filters.ordering import Order, format_order, parse_order
from studbook.filters.tree import Field
from tests.filters.catalogues import CATALOGUE, refusal


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("created_at", Order(Field(("created_at",)))),
        ("-created_at", Order(Field(("created_at",)), descending=True)),
        (" - number ", Order(Field(("number",)), descending=True)),
        ("-metrics.auc@holdout", Order(Field(("metrics", "auc"), "holdout"), descending=True)),
        ("metrics.auc{region=south}", Order(Field(("metrics", "auc"), None, (("region", "south"),)))),
        ("params.lr", Order(Field(("params", "lr")))),
        ("-params.a.b", Order(Field(("params", "a.b")), descending=True)),
        ("license@tabular", Order(Field(("license",), "tabular"))),
        ('tags."cost centre"', Order(Field(("tags", "cost centre")))),
    ],
)
def test_orders(text: str, order: Order) -> None:
    assert parse_order(text, CATALOGUE) == order
    assert parse_order(format_order(order), CATALOGUE) == order


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the order names no field; write one such as created_at, or -created_at for the newest first"),
        ("\n", "the order names no field; write one such as created_at, or -created_at for the newest first"),
        ("- asc", "column 3: `asc` is not a field; did you mean `metrics.asc`, `params.asc` or `tags.asc`?"),
        ("-", "the order names no field; write one such as created_at, or -created_at for the newest first"),
        ("-modle", "column 2: `modle` is not a field; did you mean `model`?"),
        ("auc", "column 1: `auc` is not a field; did you mean `metrics.auc`, `params.auc` or `tags.auc`?"),
        ("metrics", "column 1: `metrics` is a set of keys; write the key after a dot, as in `metrics.key`"),
        ("aliases", "column 1: `aliases` holds several values, so nothing can be sorted by it"),
        ("created_at DESC", "column 12: `DESC` is written as a sign: `-created_at`"),
        ("-created_at asc", "column 13: `asc` is written as a sign: `created_at`"),
        ("+number", "column 1: the smallest comes first without a sign; leave out `+`"),
        ("number,model", "column 7: answers are sorted by one field; leave out the others"),
        ("number = 3", "column 8: `=` is not expected here; expected the end"),
        ("--number", "column 2: `-number` is not expected here; expected a field such as created_at"),
        ("metrics.val/loss", "column 12: the name `metrics.val` goes on with `/loss`; a part of a name"),
        ("x" * 1_025, "the order has 1,025 characters; one field of at most 1,024 is read"),
    ],
)
def test_faults(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_order(text, CATALOGUE), "/order_by", "bad_order").startswith(sentence)
