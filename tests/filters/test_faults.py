"""What a writer reads who made a mistake: where it is, what was expected, and how to write it."""

from __future__ import annotations

import pytest

from studbook.filters.parsing import parse_filter
from tests.filters.catalogues import refusal

OPERATORS = "=, !=, >, >=, <, <=, contains, startswith, in or exists"
A_VALUE = "a value such as churn, 0.9 or 2026-11-25"
A_CONDITION = "a condition such as `model = churn`"
JOINED = "`and`, `or` or the end"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"the filter is empty; write {A_CONDITION}"),
        ("  ", f"the filter is empty; write {A_CONDITION}"),
        ("a == 1", "column 3: `==` is no operator; write `=`"),
        ("a => 1", "column 3: `=>` is no operator; write `>=`"),
        ("a =< 1", "column 3: `=<` is no operator; write `<=`"),
        ("a <> 1", "column 3: `<>` is no operator; write `!=`"),
        ("a ! = 1", "column 3: `!` is no operator; write `!=`"),
        ("a ~ x", "column 3: `~` is no operator; write `contains` or `startswith`"),
        ("a <=> x", f"column 3: `<=>` is no operator; expected {OPERATORS}"),
        ("a > = 1", "column 5: `>` and `=` are written together, without a blank: `>=`"),
        ("model:churn", "column 6: `:churn` is no operator; write `=`, as in `model = churn`"),
        ("a like x", "column 3: `like` is no operator; write `contains` or `startswith`"),
        ("a IS null", "column 3: `IS` is no operator; write `=`, or `exists` to ask whether there is a value"),
        ("a between 1 and 2", "column 3: `between` is no operator; write `field >= low and field <= high`"),
        ("a not in (b)", "column 3: `not` is no operator; write `not` before the field, as in `not field in (a, b)`"),
        ("a b", f"column 3: an operator is missing before `b`; expected {OPERATORS}"),
        ("a", f"column 2: an operator is missing after `a`; expected {OPERATORS}"),
        ("upstream x", "column 10: `upstream` is followed by `x`; functions are upstream(reference) and downstream(reference)"),
        ("count(a) = 1", "column 6: `count` is followed by `(`; functions are upstream(reference) and downstream(reference)"),
    ],
)
def test_operators(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_filter(text)) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a =", f"column 4: a value is missing after `=`; expected {A_VALUE}"),
        ("(a = )", f"column 6: a value is missing before `)`; expected {A_VALUE}"),
        ("a = and b = 1", 'column 5: a value is missing before `and`; a text that is a keyword is quoted, "and"'),
        ("a in (b, OR)", 'column 10: a value is missing before `OR`; a text that is a keyword is quoted, "OR"'),
        ("a in b", "column 6: the values of `in` stand in parentheses: write in (b)"),
        ("a in ()", f"column 7: the parentheses are empty; expected {A_VALUE}"),
        ("a in (b,)", f"column 9: a value is missing before `)`; expected {A_VALUE}"),
        ("a in (b", "column 8: the parenthesis at column 6 is not closed; write `)`"),
        ("a in (b c)", "column 9: `c` is not expected here; expected `,` or `)`"),
        ("a = null", 'column 5: nothing equals `null`: write `not field exists`, or "null" if it is a text'),
        ("a = 007", 'column 5: a number has no leading zero; write "007" in quotes if it is a text'),
        ("a = 1e999", "column 5: the number `1e999` is too large; put it in quotes if it is a text"),
        ("a = -5x", 'column 5: `-5x` is not a number; write "-5x" in quotes if it is a text'),
        ("a = -x", "column 5: `-x` cannot begin a value; put the text in quotes"),
        ("a = $x", "column 5: `$` cannot begin a value; put the text in quotes"),
        ("a = b$c", "column 6: `$` cannot stand in a word; put the text in quotes"),
        ("a = 2026-02-30", "column 5: `2026-02-30` is in no calendar; put it in quotes if it is a text"),
        ("a = 2026-11-25T25:00:00Z", "column 5: `2026-11-25T25:00:00` is in no calendar; put it in quotes if it is a text"),
        ("a = 0001-01-01T00:00:00+01:00", "column 5: `0001-01-01T00:00:00` is in no calendar; put it in quotes if it is a text"),
        (
            "a = 2026-11-25T09:30",
            "column 5: `2026-11-25T09:30` is not a whole time: write hours, minutes, seconds and zone, 2026-11-25T09:30:00Z",
        ),
        ("a = 5218w", "column 5: the duration `5218w` is longer than a hundred years (36525d)"),
        ("a = now-7", 'column 5: `now-7` is not a time: write now-7d or now+1h, or "now-7" if it is a text'),
        (
            "a > now - 7d",
            "column 9: an offset is written without blanks: now-7d or now+1h (in the address of a page, + is written %2B)",
        ),
    ],
)
def test_values(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_filter(text)) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('a = "b', 'the quote " is not closed; write another " at the end of the text, and \\" for one inside it'),
        ("a = 'b\\'", "the quote ' is not closed; write another ' at the end of the text, and \\' for one inside it"),
        ("a = “b”", "`“` is not a quote here; write straight quotes, \" or '"),
        (
            r'a = "\q"',
            r"`\q` is not an escape; known are \", \', \\, \n, \t and \uXXXX with four digits; a backslash is written \\",
        ),
        ('a = "b\nc"', "a quoted text holds a control character or a line break; write it as \\n, \\t or \\uXXXX"),
        (r'a = "\u0000"', "a text may not hold the NUL character"),
        (r'a = "\ud83d"', "a text may not hold a lone surrogate (half of a character)"),
    ],
)
def test_quotes(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_filter(text)) == f"column 5: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = 1 && b = 2", "column 7: `&&` joins nothing here; write `and`"),
        ("a = 1 || b = 2", "column 7: `||` joins nothing here; write `or`"),
        ("a = 1, b = 2", "column 6: `,` joins nothing here; write `and` or `or` between conditions"),
        ("!a = 1", "column 1: `!` is not read here; write `not`"),
        ("a = 1 not b = 2", "column 7: a condition is joined to the one before: write `and not` or `or not`"),
        (
            "a = new markets",
            f'column 9: `markets` is not expected here; expected {JOINED}; a text of several words is quoted, "like this"',
        ),
        ('a = "x" "y"', f'column 9: `"y"` is not expected here; expected {JOINED}'),
        ("a = 1 and", f"column 10: nothing follows `and`; expected {A_CONDITION}"),
        ("not", f"column 4: nothing follows `not`; expected {A_CONDITION}"),
        (
            "a = 1 and or b = 2",
            f"column 11: a condition is missing after `and`, before `or`; expected {A_CONDITION}; a field of that name is",
        ),
        ("a = 1 or in", "column 10: a condition is missing after `or`, before `in`; expected"),
        ("exists(a)", "column 1: the field stands before `exists`: write `model exists`"),
        ("3 = a", "column 1: `3` is not a field; a condition begins with a field: write `number = 3`, not `3 = number`"),
        ("(a = 1", "column 7: the parenthesis at column 1 is not closed; write `)`"),
        ("((a = ')') or b = 1", "column 20: the parenthesis at column 1 is not closed; write `)`"),
        ("a = 1)", f"column 6: no parenthesis is open that `)` could close; expected {JOINED}"),
        ("(a = 1))", f"column 8: no parenthesis is open that `)` could close; expected {JOINED}"),
    ],
)
def test_joining(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_filter(text)).startswith(sentence)


NAME_GOES_ON = "a part of a name that holds anything else than letters, digits, _ and - is put in quotes, as in tags."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metrics.val/loss > 1", f"column 12: the name `metrics.val` goes on with `/loss`; {NAME_GOES_ON}"),
        ("tags. = 1", "column 5: a part of the name is missing after `.`"),
        ("a@ = 1", "column 2: a part of the name is missing after `@`"),
        ('tags."" = 1', "column 1: a part of the name is empty; write what it is called, or leave it out"),
        (
            'tags."cost = 1',
            'column 6: the quote " is not closed; write another " at the end of the text, and \\" for one inside it',
        ),
        (r'tags."\q" = 1', r"column 1: `\q` is not an escape"),
        ("m.x{a==1} > 1", "column 6: the labels of a slice are given with `=` only, not `==`: write metrics.auc{region=south}"),
        ("m.x{a=1, a=2} > 1", "column 1: the label `a` stands twice in one slice; keep one"),
        ("m.x{} > 1", "column 5: `}` is not expected here; expected a label such as region"),
        ("m.x{a} > 1", "column 6: `}` is not expected here; expected `=`"),
        ("m.x{a=1 > 1", "column 9: `>` is not expected here; expected `,` or `}`"),
        ("m.x{a=1", "column 8: the braces of the slice are not closed; write `}`"),
        ("m.x{a=7d} > 1", "column 5: a label is text, a number, true or false; put the value of `a` in quotes"),
        ("upstream()", "column 10: the parentheses are empty; expected a reference such as churn/3 or datasets/churn-train"),
        ('upstream("")', "column 10: the reference is empty; write one such as churn/3 or datasets/churn-train"),
        ("upstream(x", "column 11: the parenthesis at column 9 is not closed; write `)`"),
    ],
)
def test_names_slices_and_references(text: str, sentence: str) -> None:
    assert refusal(lambda: parse_filter(text)).startswith(sentence)


def test_what_cannot_be_seen_is_shown_by_its_number() -> None:
    assert refusal(lambda: parse_filter("a = \ud800")) == r"column 5: `\ud800` cannot begin a value; put the text in quotes"


def test_a_column_counts_characters_over_lines() -> None:
    assert refusal(lambda: parse_filter("a = 1\nand b == 2")).startswith("column 13: ")
