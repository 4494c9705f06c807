"""What each word of the language means, and how it is written in its canonical form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from studbook.filters.parsing import parse_filter
from studbook.filters.printing import format_filter
from studbook.filters.tree import (
    And,
    Comparison,
    Direction,
    Duration,
    Exists,
    Field,
    Membership,
    Moment,
    Not,
    Now,
    Operator,
    Or,
    Related,
    Value,
)

A, B, C = (Comparison(Field((name,)), Operator.EQUAL, 1) for name in "abc")


def value_of(text: str) -> Value:
    tree = parse_filter(f"field = {text}")
    assert isinstance(tree, Comparison)
    return tree.value


def field_of(text: str) -> Field:
    tree = parse_filter(f"{text} exists")
    assert isinstance(tree, Exists)
    return tree.field


@pytest.mark.parametrize("operator", Operator)
def test_each_operator_compares(operator: Operator) -> None:
    assert parse_filter(f"a {operator} b") == Comparison(Field(("a",)), operator, "b")
    assert parse_filter(f"a {operator.upper()} b") == parse_filter(f"a {operator} b")


@pytest.mark.parametrize("operator", ["=", "!=", ">", ">=", "<", "<="])
def test_signs_need_no_blanks(operator: str) -> None:
    assert parse_filter(f"a{operator}-1") == Comparison(Field(("a",)), Operator(operator), -1)


def test_membership_existence_and_lineage() -> None:
    assert parse_filter('a IN (1, b, "c d")') == Membership(Field(("a",)), (1, "b", "c d"))
    assert parse_filter("a Exists") == Exists(Field(("a",)))
    assert parse_filter("Upstream (churn/3)") == Related(Direction.UPSTREAM, "churn/3")


@pytest.mark.parametrize(
    "reference",
    [
        "datasets/churn-train",
        "models/churn/versions/3",
        "models/a%20b/versions/@top",
        "churn@champion",
        "sha256:ab12",
        "2026",
        "and",
    ],
)
def test_a_reference_is_a_word_or_quoted(reference: str) -> None:
    read = parse_filter(f"downstream({reference})")
    assert read == Related(Direction.DOWNSTREAM, reference)
    assert isinstance(read, Related)
    assert type(read.reference) is str
    assert parse_filter(f"downstream('{reference}')") == Related(Direction.DOWNSTREAM, reference)


def test_not_binds_tighter_than_and_and_tighter_than_or() -> None:
    assert parse_filter("a=1 or b=1 and c=1") == Or((A, And((B, C))))
    assert parse_filter("(a=1 or b=1) and c=1") == And((Or((A, B)), C))
    assert parse_filter("not a=1 and b=1") == And((Not(A), B))
    assert parse_filter("not (a=1 and b=1)") == Not(And((A, B)))
    assert parse_filter("NOT not a=1") == Not(Not(A))


def test_parentheses_that_change_nothing_leave_no_trace() -> None:
    assert parse_filter("((a=1) and (b=1)) and c=1") == And((A, B, C))
    assert parse_filter("a=1 or (b=1 or c=1)") == Or((A, B, C))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("model", Field(("model",))),
        ("run.job", Field(("run", "job"))),
        ("tags.cost-centre", Field(("tags", "cost-centre"))),
        ("metrics.5fold", Field(("metrics", "5fold"))),
        ('tags."cost centre"', Field(("tags", "cost centre"))),
        ("params.'a.b'", Field(("params", "a.b"))),
        (r'tags."a\"b"', Field(("tags", 'a"b'))),
        ("tags.not", Field(("tags", "not"))),
        ('"not"', Field(("not",))),
        ("upstream", Field(("upstream",))),
        ("order", Field(("order",))),
        ("metrics.auc@holdout", Field(("metrics", "auc"), "holdout")),
        ('metrics.auc@"my set"', Field(("metrics", "auc"), "my set")),
        ("license@studbook.model-version", Field(("license",), "studbook.model-version")),
        (
            'metrics.auc@holdout {tier=2, region="south"}',
            Field(("metrics", "auc"), "holdout", (("region", "south"), ("tier", 2))),
        ),
        ('metrics.auc{"a b"=true}', Field(("metrics", "auc"), None, (("a b", True),))),
    ],
)
def test_fields(text: str, field: Field) -> None:
    read = field_of(text)
    assert read == field
    assert {type(text) for text in (*read.name, read.qualifier or "", *(name for name, _ in read.labels))} == {str}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("growth", "growth"),
        ("größe", "größe"),
        ("models/churn/versions/3", "models/churn/versions/3"),
        ("sha256:9f86", "sha256:9f86"),
        ("1.2.3", "1.2.3"),
        ("2.0.1+cu118", "2.0.1+cu118"),
        ("9f86d081", "9f86d081"),
        ("nowhere", "nowhere"),
        ('"a b"', "a b"),
        ("'it is \"so\"'", 'it is "so"'),
        (r'"\"\'\\\n\t\u00e9"', "\"'\\\n\té"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ('"2026"', "2026"),
        ('""', ""),
        ("0", 0),
        ("-17", -17),
        ("0.9", 0.9),
        ("-1e-3", -0.001),
        ("1E5", 100000.0),
        ("true", True),
        ("FALSE", False),
        ("90s", Duration(90)),
        ("15m", Duration(900)),
        ("36h", Duration(129_600)),
        ("7d", Duration(604_800)),
        ("2w", Duration(1_209_600)),
        ("now", Now()),
        ("now-7d", Now(-604_800)),
        ("NOW+1h", Now(3_600)),
    ],
)
def test_values(text: str, value: Value) -> None:
    read = value_of(text)
    assert read == value
    assert type(read) is type(value)


def test_a_day_is_told_from_a_time() -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    assert value_of("2026-11-25") == Moment(midnight, whole_day=True)
    assert value_of("2026-11-25T00:00:00Z") == Moment(midnight)
    assert value_of("2026-11-25T00:00:00Z") != value_of("2026-11-25")


def test_a_time_is_brought_to_utc_and_to_microseconds() -> None:
    assert value_of("2026-11-25T01:30:00.1234567+02:00") == Moment(datetime(2026, 11, 24, 23, 30, 0, 123_456, tzinfo=UTC))


def test_nodes_know_their_column_and_are_equal_without_it() -> None:
    tree = parse_filter("  a = 1 and not b exists or upstream(x)")
    assert isinstance(tree, Or)
    both, related = tree.parts
    assert isinstance(both, And)
    first, negated = both.parts
    assert isinstance(negated, Not)
    assert [node.column for node in (tree, both, first, negated, negated.part, related)] == [3, 3, 3, 13, 17, 29]
    assert tree == parse_filter("a=1 and not b exists or upstream(x)")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("( A=1 )AND((b != 'x')) ", "A = 1 and b != x"),
        ("(a=1 and b=2) or c=3", "a = 1 and b = 2 or c = 3"),
        ("not(not(a=1 or b=2))", "not not (a = 1 or b = 2)"),
        ("not (a in ('x',\"y z\"))", 'not a in (x, "y z")'),
        ("\"tags\".'team' exists", "tags.team exists"),
        ('"in" = "in" and "a.b" = 1', '"in" = "in" and "a.b" = 1'),
        ("m@'x y'{b='1',a=x}>1e-05", 'm@"x y"{a=x, b="1"} > 1e-5'),
        ("UPSTREAM('churn/3') or upstream('a b')", 'upstream(churn/3) or upstream("a b")'),
        ("a = '\"' and b = \"'\" and c = '\\n'", 'a = \'"\' and b = "\'" and c = "\\n"'),
        ("a < 2026-11-25T09:30:00.500+01:00 and b > 60s", "a < 2026-11-25T08:30:00.5Z and b > 1m"),
        ("a > now-120m and b = now+0d", "a > now-2h and b = now"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert format_filter(parse_filter(text)) == canonical
