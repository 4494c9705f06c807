"""Whether a filter can be asked of a catalogue, and what its values become."""

from __future__ import annotations

import pytest

from studbook.domain.errors import MalformedInputError
from studbook.filters.checking import check
from studbook.filters.parsing import parse_filter
from studbook.filters.printing import format_filter
from studbook.filters.tree import Comparison, Now
from tests.filters.catalogues import CATALOGUE, refusal


def checked(text: str) -> str:
    return format_filter(check(parse_filter(text), CATALOGUE))


@pytest.mark.parametrize(
    "text",
    [
        "model = churn and model startswith ch or model contains u and model != x",
        "number >= 3 and number in (1, 2) and number exists",
        "metrics.auc@holdout{region=south} > 0.9",
        "params.lr > 0.1 and params.opt = adam and params.deep = true and params.opt in (adam, 3, true)",
        "aliases = champion and aliases contains x and aliases in (a, b) and aliases exists",
        "signed != false and released <= 2026-11-25 and run.duration < 36h",
        "license@tabular = mit and slots.a@tabular > 1.5 and training.hyper.depth = 3",
        "upstream(churn/3) and not downstream(anything)",
        "created_at > 2026-11-25T09:30:00Z and created_at <= now-2w and released > now-1d",
    ],
)
def test_what_needs_no_change_stays(text: str) -> None:
    assert checked(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("tags.year = 2026", 'tags.year = "2026"'),
        ("tags.build in (123456789012345678901234567890, x)", 'tags.build in ("123456789012345678901234567890", x)'),
        ("tags.day = 2026-11-25", 'tags.day = "2026-11-25"'),
        ("aliases contains 3", 'aliases contains "3"'),
        ("params.name startswith 5", 'params.name startswith "5"'),
        ("metrics.auc > 1", "metrics.auc > 1.0"),
        ("params.seed = 100000000000000000000", "params.seed = 1e20"),
        ('released = "2026-11-25"', "released = 2026-11-25"),
        ('run.duration > "36h"', "run.duration > 36h"),
        ('created_at > "2026-11-25T09:30:00+01:00"', "created_at > 2026-11-25T08:30:00Z"),
        ("params.a.b = 1", 'params."a.b" = 1'),
    ],
)
def test_values_are_made_what_the_field_holds(text: str, mended: str) -> None:
    assert checked(text) == mended


BEGINS, ENDS = "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"


@pytest.mark.parametrize(
    ("condition", "meaning"),
    [
        ("= 2026-11-25", f"created_at >= {BEGINS} and created_at < {ENDS}"),
        ("= '2026-11-25'", f"created_at >= {BEGINS} and created_at < {ENDS}"),
        ("!= 2026-11-25", f"created_at < {BEGINS} or created_at >= {ENDS}"),
        ("< 2026-11-25", f"created_at < {BEGINS}"),
        ("<= 2026-11-25", f"created_at < {ENDS}"),
        ("> 2026-11-25", f"created_at >= {ENDS}"),
        (">= 2026-11-25", f"created_at >= {BEGINS}"),
        ("in (2026-11-25)", f"created_at >= {BEGINS} and created_at < {ENDS}"),
        ("in (2026-11-25, now)", f"created_at in (now) or created_at >= {BEGINS} and created_at < {ENDS}"),
        ("= 9999-12-31", "created_at >= 9999-12-31T00:00:00Z and created_at < 9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_day_is_all_of_its_hours(condition: str, meaning: str) -> None:
    assert checked(f"created_at {condition}") == meaning


def test_a_day_joins_the_conditions_around_it_flat() -> None:
    assert checked("number = 1 and created_at = 2026-11-25") == (f"number = 1 and created_at >= {BEGINS} and created_at < {ENDS}")
    assert checked("not created_at = 2026-11-25") == f"not (created_at >= {BEGINS} and created_at < {ENDS})"


def test_now_stays_and_so_do_columns() -> None:
    tree = check(parse_filter("  created_at > now-7d"), CATALOGUE)
    assert isinstance(tree, Comparison)
    assert (tree.value, tree.column, tree.field.column) == (Now(-604_800), 3, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('number = "abc"', '`number` is a whole number; "abc" is text: write one without quotes, such as 3'),
        ("number = 1.5", "`number` is a whole number; 1.5 is a number: write one without quotes, such as 3"),
        ("number = true", "`number` is a whole number; true is a boolean: write one without quotes, such as 3"),
        (
            "number > 9007199254740992",
            "`number` is a whole number; 9007199254740992 is beyond 2^53 - 1, which no stored whole number exceeds",
        ),
        ("metrics.auc > high", '`metrics.auc` is a number; "high" is text: write one without quotes, such as 0.9'),
        ("metrics.auc > true", "`metrics.auc` is a number; true is a boolean: write one without quotes, such as 0.9"),
        ("model = 1.50", "`model` is text; 1.5 is a number: put it in quotes if a text is meant"),
        ("tags.keep = 7d", "`tags.keep` is text; 1w is a duration: put it in quotes if a text is meant"),
        ("tags.at = 2026-11-25T09:30:00+01:00", "`tags.at` is text; 2026-11-25T08:30:00Z is a time: put it in quotes"),
        ("tags.gpu = true", "`tags.gpu` is text; true is a boolean: put it in quotes if a text is meant"),
        ('signed = "true"', '`signed` is a boolean; "true" is text: write true or false, without quotes'),
        ("created_at > 7d", "`created_at` is a time; 1w is a duration: write now-1w for that long ago"),
        (
            "created_at = yesterday",
            '`created_at` is a time; "yesterday" is text: write 2026-11-25, 2026-11-25T09:30:00Z or now-7d',
        ),
        ("created_at in (now, '2026-02-30')", '`created_at` is a time; "2026-02-30" is text'),
        (
            "released = 2026-11-25T09:30:00Z",
            "`released` is a day; 2026-11-25T09:30:00Z is a time: write a day alone, such as 2026-11-25",
        ),
        ("run.duration > 90", "`run.duration` is a duration; 90 is a whole number: write its unit, as in 90s or 90h"),
        ("run.duration > 1.5h", '`run.duration` is a duration; "1.5h" is text: write a whole number with its unit'),
        ("model > m", "`model` is text, which has no `>`; ask with =, !=, contains, startswith, in or exists"),
        ("number contains 3", "`number` is a whole number, which has no `contains`; ask with =, !=, >, >=, <, <=, in or exists"),
        ("signed > false", "`signed` is a boolean, which has no `>`; ask with =, !=, in or exists"),
        (
            "aliases != old",
            "`aliases` is a set of texts, which has no `!=`; ask with =, contains, in or exists, or write `not aliases = …`",
        ),
        ("params.lr > high", "`params.lr` is compared by `>` with a number only; write one without quotes, such as 0.9"),
        ("params.lr > true", "`params.lr` is compared by `>` with a number only; write one without quotes, such as 0.9"),
    ],
)
def test_types(text: str, sentence: str) -> None:
    assert refusal(lambda: checked(text)).startswith(f"column 1: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle = x", "`modle` is not a field; did you mean `model`?"),
        ("Model = x", "`Model` is not a field; did you mean `model`?"),
        ("job = x", "`job` is not a field; did you mean `run.job`?"),
        ("training exists", "`training` is not a field; did you mean `training.energy_kwh`?"),
        ("training.energy > 1", "`training.energy` is not a field; did you mean `training.energy_kwh`?"),
        ("param.lr > 1", "`param.lr` is not a field; did you mean `params.lr`?"),
        ('tag."a b" = 1', '`tag."a b"` is not a field; did you mean `tags."a b"`?'),
        ("auc > 0.9", "`auc` is not a field; did you mean `metrics.auc`, `params.auc` or `tags.auc`?"),
        ('"run.job" = x', '`"run.job"` is not a field; did you mean `run.job`?'),
        ("xyzzy.foo = 1", "`xyzzy.foo` is not a field; fields are `model`, `number`, `created_at` and others"),
        ("tags exists", "`tags` is a set of keys; write the key after a dot, as in `tags.key`"),
        ("notes contains x", "`notes` cannot be asked: notes are personal; ask for `owners exists`"),
        ("card.body.text = 1", "`card.body.text` cannot be asked: it is kept in the record alone; read the record"),
        ("license = mit", "`license` is told apart by a qualifier; write `license@tabular` or `license@vision`"),
        ("license@audio = mit", "`license` is not qualified by `audio`; write `license@tabular` or `license@vision`"),
        ("slots.a > 1", "`slots.a` is told apart by a qualifier; write `slots.a@tabular`"),
        ("model@tabular = x", "`model` takes no qualifier; write `model` without `@`"),
        ("tags.a@tabular = x", "`tags.a` takes no qualifier; write `tags.a` without `@`"),
        ("tags.a{region=south} = x", "`tags.a` takes no labels in braces: only metrics are measured on slices"),
    ],
)
def test_names(text: str, sentence: str) -> None:
    assert refusal(lambda: checked(f"not {text}")) == f"column 5: {sentence}"


def test_every_fault_is_named_with_its_column() -> None:
    with pytest.raises(MalformedInputError) as refused:
        checked("modle = x and (number = abc or not model > 3) and signed = true")
    assert refused.value.detail == "the filter has 3 faults"
    assert [violation.message.partition(":")[0] for violation in refused.value.violations] == [
        "column 1",
        "column 16",
        "column 36",
    ]
    assert {(violation.pointer, violation.code) for violation in refused.value.violations} == {("/filter", "bad_filter")}
