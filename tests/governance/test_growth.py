"""What expressions may take is told before they are run: enough for what they do take, and no more than makes rules useless."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.governance.evaluation import Facts
from studbook.governance.expressions import ANYTHING, BOOL, OVER_BUDGET, Compiled, ExpressionError, Language
from studbook.governance.growth import ITERATIONS, ROOM, TIME, Need, UnboundedError, pattern_steps
from studbook.governance.shapes import declared
from studbook.governance.syntax import Comprehension

MIB = 1024 * 1024
STATUS, STATM, CLEAR = (Path("/proc/self") / name for name in ("status", "statm", "clear_refs"))


def compiled(text: str, params: dict[str, Any] | None = None) -> Compiled:
    """As a policy is compiled when it is asked: not held against a usual record."""
    return Language(None, params).compile(text, ANYTHING)


def asked(text: str, record: dict[str, Any], params: dict[str, Any] | None = None) -> Any:
    language = Language(None, params)
    return Facts({"object": record}).ask(language.compile(text, ANYTHING), language)


def refused(text: str, params: dict[str, Any] | None = None) -> ExpressionError:
    params = params or {}
    with pytest.raises(ExpressionError) as caught:
        Language(declared(params), params).compile(text, ANYTHING)
    return caught.value


# Rules as people write them, with what they may take of a record of 16 KiB with lists of 50: room in KiB, time in milliseconds.
COMMON = [
    ("object.datasets.filter(d, !has(d.digest)).map(d, d.name).join(', ')", 256, 1.0),
    ("object.metrics.exists(m, m.name == 'auc' && m.value >= params.min_auc)", 1, 0.1),
    ("object.metrics.size() > 0 && object.metrics.all(m, m.value > 0.5)", 1, 0.1),
    ("has(object.run) && object.run.seed > 0 && !object.run.code.dirty", 1, 0.1),
    ("'team' in object.tags && object.tags.team.lowerAscii() == 'risk'", 32, 1.0),
    ("object.datasets.all(d, d.license in params.licenses) || object.datasets.size() == 0", 1, 1.0),
    ("timestamp(object.created_at) > now - duration('720h')", 1, 0.1),
]


@pytest.mark.parametrize(("text", "room", "duration"), COMMON)
def test_common_rules_are_cheap(text: str, room: float, duration: float) -> None:
    params = {"min_auc": 0.8, "licenses": ["mit", "apache-2.0"]}
    need, is_excessive = Language(declared(params), params).compile(text, ANYTHING).growth.usual()
    assert not is_excessive
    assert need.room <= room * 1024
    assert need.time <= duration * 1e6


def record(text: int, length: int) -> dict[str, Any]:
    return {
        "name": "models/a/versions/1",
        "description": "x" * text,
        "metrics": [{"name": f"m{place % 7}", "value": 0.5} for place in range(length)],
        "aliases": ["x" * (place % 90) for place in range(length)],
    }


# Expressions near what may be run, over a record near the largest for each: a text of so many characters, a list of so many.
DEAR = [
    ("object.metrics.map(m, object.description + m.name).size()", 60_000, 150),
    ("object.metrics.map(m, object.description.lowerAscii()).size()", 60_000, 150),
    ("object.metrics.all(m, object.description.trim() != m.name)", 60_000, 300),
    ("object.metrics.map(m, m).size()", 10, 1_800),
    ("object.metrics.filter(m, m.value > 0.0).map(m, [m.name, m.name]).size()", 10, 1_200),
    ("object.aliases.join(object.description).size()", 10_000, 2_000),
    ("(object.aliases + object.aliases + object.aliases).join('y').size()", 10, 9_000),
    ("object.description.split('').size()", 60_000, 1),
    ("object.description.split('').join(object.name).size()", 20_000, 1),
    ("[object.description].map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).size()", 60_000, 1),
    ("cel.bind(a, object.aliases + object.aliases, cel.bind(b, a + a, b + b)).size()", 10, 9_000),
    ("object.description.contains('y' + object.description) || object.description.indexOf('xxy') > 0", 20_000, 1),
    ("object.metrics.exists(m, object.description.contains('y'))", 60_000, 1_000),
    ("object.metrics.exists(m, object.aliases == [m.name])", 10, 1_000),
    ("object.metrics.exists(m, object.aliases != object.aliases)", 10, 500),
    ("object.metrics.exists(m, m.name + '!' in object.aliases)", 10, 500),
    ("object.description.matches('(a|x|b)*y')", 60_000, 1),
    ("object.description.matches('(x?){200}y')", 60_000, 1),
    ("object.metrics.exists(a, object.metrics.exists(b, a.value + b.value < 0.0))", 10, 95),
]


def test_what_is_taken_is_within_what_was_told() -> None:
    """Each in turn, for memory that one expression left behind would hide what the next one takes."""
    if not CLEAR.exists():
        pytest.skip("the most memory that was ever held can be read and reset on Linux only")
    for text, size, length in DEAR:
        expression = compiled(text)
        facts = Facts({"object": record(size, length)})
        # Converted before, for that is no part of an expression.
        facts.ask(compiled("size(object) > 0"), Language(None))
        extent = facts._gather(expression.reads)
        need = expression.growth.need(*extent)
        assert expression.growth.fits_exactly(facts._find), f"this shall be run, to be measured: {text}"
        activation = facts._activate(expression, Language(None), public=False)
        gc.collect()
        CLEAR.write_text("5")
        before, begin = held(), time.thread_time()
        outcome = expression.evaluate(activation, *extent, facts._find)
        taken, room = time.thread_time() - begin, most_held() - before
        assert outcome.error is None, (text, outcome)
        # What an allocator takes beside, and what a busy machine takes.
        assert room <= need.room + 16 * MIB, (text, room / MIB, need.room / MIB)
        assert taken * 1e9 <= need.time + 2e8, (text, taken, need.time / 1e9)


def held() -> int:
    return int(STATM.read_text().split()[1]) * 4096


def most_held() -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("object.metrics.map(m, object.description + m.name).size() > 0", record(60_000, 9_000)),
        ("object.metrics.map(m, m).size() > 0", record(10, 9_900)),
        ("object.aliases.join(object.description).size() > 0", record(60_000, 9_000)),
        # The pieces of a text are more than the longest list there is, and more than the rounds that loops may run.
        ("(object.description.split('') + object.description.split('')).join(object.description) != ''", record(60_000, 1)),
        ("object.metrics.exists(m, object.description.contains('y' + object.description))", record(60_000, 9_000)),
        ("object.metrics.exists(m, object.description.matches('(x?){200}y'))", record(60_000, 9_000)),
        ("object.metrics.exists(m, object.metrics == object.metrics && false)", record(10, 9_000)),
        ("object.description.split('').exists(a, object.description.split('').exists(b, a + b == 'y'))", record(60_000, 1)),
    ],
)
def test_what_would_take_too_much_of_a_huge_record_is_not_run(text: str, value: dict[str, Any]) -> None:
    begin = time.thread_time()
    assert asked(text, value) is OVER_BUDGET
    assert time.thread_time() - begin < 1.0
    assert asked(text, record(3, 2)).error is None


def test_the_text_that_joins_counts_once_for_every_piece() -> None:
    """A list that was joined of many may be far longer than any of a record's."""
    few = compiled("object.aliases.join('" + "y" * 1_000 + "')").growth.need(8 * 100, 100)
    many = compiled("(" + " + ".join(["object.aliases"] * 20) + ").join('" + "y" * 1_000 + "')").growth.need(8 * 100, 100)
    assert few.room >= 100 * 1_000
    assert many.room >= 20 * 100 * 1_000
    # And than the rounds that loops may run.
    pieces = compiled("object.description.split('').join('" + "y" * 1_000 + "')").growth.need(8 * ITERATIONS, 1)
    assert pieces.room >= 8 * ITERATIONS * 1_000


def test_parameters_count_although_they_are_no_part_of_a_record() -> None:
    params = {"text": "x" * 20_000, "list": ["aa"] * 5_000}
    assert compiled("params.text + params.text", params).growth.need(0, 0).room >= 40_000
    assert asked("params.text.split('').map(a, params.text).join('') != ''", {}, params) is OVER_BUDGET
    assert asked("params.list.map(a, params.list.map(b, a + b)).size() > 0", {}, params) is OVER_BUDGET


def test_variables_count_where_they_are_read() -> None:
    language = Language(None)
    language.define("once", language.compile("object.description + object.description", ANYTHING))
    language.define("twice", language.compile("variables.once + variables.once", ANYTHING))
    plain = compiled("object.description").growth.need(10_000, 1)
    assert language.compile("variables.twice + variables.twice", ANYTHING).growth.need(10_000, 1).room >= 8 * plain.room


def test_a_record_for_which_it_cannot_be_told_roughly_is_looked_at_closely() -> None:
    """Nine thousand tags are no list that this goes over."""
    text = "object.metrics.map(m, object.description + m.name).size() == 2"
    value = {"description": "x" * 60_000, "metrics": [{"name": "a"}] * 2, "tags": {f"t{place}": "v" for place in range(9_000)}}
    expression = compiled(text)
    facts = Facts({"object": value})
    assert not expression.growth.fits(*facts._gather(expression.reads))
    assert asked(text, value).value is True


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([text for text, _, _ in DEAR]), st.integers(0, 2**20), st.integers(0, ITERATIONS), st.integers(1, 9))
def test_more_is_never_told_to_take_less(text: str, size: int, length: int, factor: int) -> None:
    growth = compiled(text).growth
    less, more = growth.need(size, length), growth.need(size * factor, length * factor)
    assert less.room <= more.room
    assert less.time <= more.time
    # What is told for many records at once is told for the largest of them.
    if growth.fits(size, length):
        assert less.is_within_budget


def test_a_budget_is_of_both_room_and_time() -> None:
    assert Need(ROOM, TIME).is_within_budget
    assert not Need(ROOM + 1, 0).is_within_budget
    assert not Need(0, TIME + 1).is_within_budget


@pytest.mark.parametrize(
    "text",
    [
        "object.name.replace('a', object.description) == ''",
        "'%s'.format([object.name]) == ''",
        "object.name.reverse() == ''",
        "strings.quote(object.name) == ''",
    ],
)
def test_functions_whose_results_may_grow_without_bound_are_not_offered(text: str) -> None:
    assert "is not offered to rules, for what it makes may grow without bound" in str(refused(text))


def test_what_is_not_offered_is_shown_where_it_stands() -> None:
    error = refused("object.name != '' &&\n  object.name.replace('a', 'b') == ''")
    assert (error.line, error.column) == (2, 22)
    # Parameters and variables are bound around what was written, and do not move it.
    error = refused("params.a == 'a' &&\n  object.name.replace('a', 'b') == ''", {"a": "a"})
    assert (error.line, error.column) == (2, 22)


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("object.name.matches('^[a-z]+$')", True),
        ("object.name.matches(params.one)", True),
        ("params.many.exists(p, object.name.matches(p))", True),
        ("params.deep.some.exists(p, object.name.matches(p))", True),
        ("object.name.matches(object.description)", False),
        ("object.name.matches('a' + object.name)", False),
        ("object.tags.exists(t, object.name.matches(t))", False),
        ("params.many.exists(p, object.name.matches(p + p))", False),
        ("cel.bind(p, object.description, object.name.matches(p))", False),
        ("[object.description].exists(p, object.name.matches(p))", False),
    ],
)
def test_a_pattern_does_not_come_from_a_record(text: str, is_known: bool) -> None:
    """How long a pattern takes depends on it, so whoever wrote the record would decide that."""
    params = {"one": "a+", "many": ["a", "b+"], "deep": {"some": ["c"]}}
    if is_known:
        assert Language(declared(params), params).compile(text, BOOL).growth.usual()
    else:
        assert "write out the pattern of matches(), or take it from params" in str(refused(text, params))
        with pytest.raises(ExpressionError):
            compiled(text, params)


def test_the_dearest_pattern_of_parameters_counts() -> None:
    cheap = compiled("params.p.exists(p, object.name.matches(p))", {"p": ["a", "b"]}).growth.need(1_000, 1)
    dear = compiled("params.p.exists(p, object.name.matches(p))", {"p": ["a", "(x{100}){9}y"]}).growth.need(1_000, 1)
    assert dear.time > 100 * cheap.time


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("abc", 3),
        ("a{100}", 100),
        ("a{2,50}", 50),
        ("(a{100}){100}", 10_000),
        ("((ab{30}){20}){10}", 6_200),
        ("[a-z]{300}", 300),
        (r"\pL{20}", 20 * 300),
        (r"[\pL\pN]{20}", 40 * 300),
        (r"\Qa{9}\E{1}", 4),
        ("a(b(c{50}", 50),
        ("a){50}", 1),
    ],
)
def test_a_pattern_takes_as_many_steps_as_it_repeats(pattern: str, least: int) -> None:
    assert pattern_steps(pattern) >= least


def test_an_escaped_brace_repeats_nothing() -> None:
    assert pattern_steps(r"a\{1000\}") < 100
    assert pattern_steps("[{1000}]") < 100


def test_a_loop_that_no_macro_makes_is_not_understood() -> None:
    growth = compiled("[1].exists(a, a == 1)").growth
    loop = growth._root
    assert isinstance(loop, Comprehension)
    ranged, start, condition, _, result = loop.parts
    growth._root = replace(loop, parts=(ranged, start, condition, ranged, result))
    with pytest.raises(UnboundedError, match="this loop is not one of all, exists"):
        growth.need(1, 1)
