"""Bombs of several kinds are refused when they are saved, and not run when they are not; what is taken was told before."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from studbook.governance.expressions import ANYTHING, BOOL, OVER_BUDGET, ExpressionError, Language, activate
from studbook.governance.growth import ITERATIONS, ROOM, TIME, Need, pattern_steps
from studbook.governance.shapes import declared
from studbook.governance.syntax import Comprehension, free_names, read_tree, walk

CHECKED = Language(declared({}))
KIB = 1024


def compiled(text: str, params: dict[str, Any] | None = None) -> Any:
    return Language(None, params).compile(text, ANYTHING)


def told(text: str, size: int = 64 * KIB, length: int = 1_000) -> bool:
    return bool(compiled(text).growth.fits(size, length))


def chain(first: str, times: int, end: str, more: str = "{0} + {0}") -> str:
    """A name for `first`, another for what comes of that, and so on; `end` is said of the last."""
    values = [first, *(more.format(f"v{number}") for number in range(times - 1))]
    names = "".join(f"cel.bind(v{number}, {value}, " for number, value in enumerate(values))
    return names + end.format(f"v{times - 1}") + ")" * times


# Each doubles or multiplies what it is given again and again, in a way of its own.
BOMBS = {
    "map after map": "[object.name]" + ".map(x, x + x)" * 20 + ".size() > 0",
    "bind in bind": chain("object.name", 22, "{} != ''"),
    "bytes": chain("b'abcdefgh'", 26, "{} != b''"),
    "lists": chain("object.metrics", 24, "{} != []"),
    # A macro may be used but eight times, so it starts from more.
    "optional": "optional.of(object.name + object.name)" + ".optMap(x, x + x + x)" * 8 + ".hasValue()",
    "conditional": chain("object.name", 15, "{} != ''", "true ? {0} + {0} : ''"),
    "members": chain("{'a': object.name}", 15, "{}.a != ''", "{{'a': {0}.a + {0}.a}}"),
    "a loop in a loop": "object.metrics.map(a, object.metrics.map(b, object.description + object.name)).size() > 0",
    "join in join": chain("object.aliases.map(a, object.name).join('')", 3, "{} != ''", "object.aliases.map(a, {0}).join('')"),
    "lists of lists": "object.aliases" + ".map(x, object.aliases.map(y, x + y).join(''))" * 3 + ".size() > 0",
    # What is said of a type in one place does not hold in another: && and || take errors away.
    "a type that is not": "object.attributes.a.optMap(y, y + 1 > 0 || " + chain("y", 22, "dyn({}) != ''") + ").hasValue()",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_when_it_is_saved_and_says_why(name: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        CHECKED.compile(BOMBS[name], BOOL)
    assert "memory" in refused.value.message
    assert "do not join texts or lists again and again" in refused.value.message


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_that_was_not_checked_is_an_error_and_is_not_run(name: str) -> None:
    bomb = Language(None).compile(BOMBS[name])
    record = {
        "name": "x" * 60_000,
        "description": "y" * 60_000,
        "metrics": [{"name": "m"}] * 1_000,
        "aliases": ["z" * 900] * 1_000,
    }
    facts = {"object": {**record, "attributes": {"a": "q" * 60_000}}}
    outcome = bomb.evaluate(activate(facts), 1_000_000, 1_000, facts.get)
    assert outcome is OVER_BUDGET


@pytest.mark.parametrize(
    "text",
    [
        "object.datasets.filter(d, !has(d.digest)).map(d, d.name).join(', ')",
        "object.metrics.exists(m, m.name == 'auc' && m.value >= params.min_auc)",
        "object.metrics.all(m, object.datasets.exists(d, d.name == m.dataset))",
        "object.metrics.map(m, m.value * 2.0).exists(v, v + v + v > 1.0)",
        "'the owners are ' + object.registered_model.owners.map(o, o.name).join(', ') + ' of ' + object.name",
        "lineage.models.filter(m, m.external && !has(m.digest)).map(m, m.name + ' (' + m.path.join(' > ') + ')').join('; ')",
        "object.artifacts.all(a, a.digest.matches('^sha256:[0-9a-f]{64}$'))",
        "object.name.split('/').exists(part, part in ['models', 'datasets'])",
        "timestamp(object.created_at) + duration('240h') < now",
    ],
)
def test_what_rules_usually_ask_is_cheap(text: str) -> None:
    language = Language(declared({"min_auc": 0.8}), {"min_auc": 0.8})
    growth = language.compile(text, ANYTHING).growth
    assert growth.fits(60 * KIB, 250)
    assert growth.need(16 * KIB, 50).room < 4 * KIB * KIB


def test_numbers_are_added_for_nothing_where_they_are_declared() -> None:
    assert compiled("object.metrics.map(m, m.value + m.value + m.value).size()").growth.need(KIB, 10).room < 10 * KIB
    texts = compiled("object.metrics.map(m, m.name + m.name + m.name).size()").growth
    assert texts.need(100 * KIB, 10).room > 500 * KIB


def test_what_gathers_takes_the_square_of_the_length_and_what_asks_does_not() -> None:
    gathering = compiled("object.metrics.filter(m, m.name == 'a').size() == 0").growth
    assert gathering.need(KIB, 2_000).room > 3.5 * gathering.need(KIB, 1_000).room
    assert not told("object.metrics.filter(m, m.name == 'a').size() == 0", length=9_000)
    assert told("object.metrics.exists(m, m.name == 'a')", length=9_000)


def test_what_is_needed_grows_with_the_record() -> None:
    for text in BOMBS.values():
        growth = compiled(text).growth
        needs = [growth.need(size, length) for size, length in ((10, 1), (100, 10), (1_000, 10), (100_000, 1_000))]
        assert needs == sorted(needs, key=lambda need: need.room)
        assert growth.need(1 << 20, 10_000).room > ROOM


def test_room_and_time_are_budgets_of_their_own() -> None:
    assert Need(ROOM, TIME).is_within_budget
    assert not Need(ROOM * 1.01, 0).is_within_budget
    assert not Need(0, TIME * 1.01).is_within_budget


def test_a_long_list_beside_does_no_harm_to_a_short_one() -> None:
    """Judged by the longest list of all it would not be run; judged by the very record it is."""
    short = compiled("object.datasets.filter(d, !has(d.digest)).size() == 1")
    record = {"object": {"datasets": [{"name": "a"}], "metrics": [{"name": "m", "value": 0.5}] * 9_000}}
    size = len(json.dumps(record))
    assert not short.growth.fits(size, 9_000)
    assert short.evaluate(activate(record), size, 9_000, record.get).value is True
    assert short.evaluate(activate(record), size, 9_000) is OVER_BUDGET
    long = compiled("object.metrics.filter(m, m.value > 0.4).size() == 9000")
    assert long.evaluate(activate(record), size, 9_000, record.get) is OVER_BUDGET


def test_a_loop_stands_for_no_more_rounds_than_the_engine_goes() -> None:
    asking = compiled("object.metrics.all(a, object.metrics.all(b, object.metrics.all(c, a.name == c.name)))").growth
    bound = asking.need(100 * KIB, 1_000).time
    assert bound <= 3 * ITERATIONS * 100 * KIB * 20
    joining = compiled("object.metrics.all(a, object.metrics.all(b, a.name + b.name != ''))").growth
    # Either texts, or lists of five hundred with a slot for each.
    assert joining.need(KIB, 500).room <= ITERATIONS * (3 * KIB + 2 * 500 * 36)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("object.name.replace('a', object.description) == ''", "replace"),
        ("'%s'.format([object.name]) == ''", "format"),
        ("object.name.reverse() == ''", "reverse"),
        ("strings.quote(object.name) == ''", "strings.quote"),
        ("bytes(object.name) == b''", "bytes"),
        ("object.metrics.first().hasValue()", "first"),
    ],
)
def test_functions_that_are_not_offered_are_refused_with_their_place(text: str, function: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        CHECKED.compile(f"true &&\n  {text}")
    assert (refused.value.message.split(" is not")[0], refused.value.line) == (repr(function), 2)
    assert refused.value.column > 3


def test_the_place_is_that_of_the_text_as_it_was_written() -> None:
    """Also where parameters and variables are bound around it, and characters take several bytes."""
    language = Language(declared({"a": "x"}), {"a": "x"})
    language.define("long_name_of_a_variable", language.compile("object.name", ANYTHING))
    language.define("b", language.compile("object.name", ANYTHING))
    text = "'é' != params.a && variables.b != variables.long_name_of_a_variable && object.name.reverse() == ''"
    with pytest.raises(ExpressionError) as refused:
        language.compile(text)
    assert refused.value.column in range(text.index(".reverse") + 1, text.index(" == ''") + 1)


@pytest.mark.parametrize("macro", ["optMap(x, x)", "optFlatMap(x, optional.of(x))"])
def test_macros_that_double_what_they_are_given_are_refused_before_the_engine_writes_them_out(macro: str) -> None:
    with pytest.raises(ExpressionError, match="8 times"):
        CHECKED.compile("optional.of(object.name)" + f".{macro}" * 40 + ".hasValue()")
    assert compiled("optional.of(object.number)" + f".{macro}" * 8 + ".hasValue()").growth.fits(16 * KIB, 50)


class TestPatterns:
    """Regular expressions take linear time, and as much for every character as they have instructions."""

    @pytest.mark.parametrize(
        ("smaller", "larger"),
        [
            ("a{10}", "a{1000}"),
            ("(a{10}){10}", "(a{30}){30}"),
            ("(a|b|c){5}", "(a|b|c){5}{5}"),
            (r"\Q(\E{2}", r"(\Q)\E....){100}"),
            ("[a-z]{3}", r"[\pL]{3}"),
            ("(?:x){2,3}", "(?:x){2,900}"),
            ("[)(]{2}", "([)(]{2}){50}"),
            ("x", "(?i)x"),
        ],
    )
    def test_repetitions_are_counted(self, smaller: str, larger: str) -> None:
        assert pattern_steps(smaller) * 2 < pattern_steps(larger)

    @pytest.mark.parametrize(
        "pattern", ["", "(", ")", "[", "[]", "{", "a{", "a{1", "a{,3}", "\\", "(?", "a{99999999999999}", "))){9}"]
    )
    def test_what_is_no_expression_has_a_count_too(self, pattern: str) -> None:
        assert 0 <= pattern_steps(pattern) <= 1e18

    def test_a_pattern_from_the_record_is_refused(self) -> None:
        for text in ("object.name.matches(object.description)", "object.name.matches('(' + params.a + '){9}')"):
            with pytest.raises(ExpressionError, match="write out the pattern"):
                Language(declared({"a": "x"}), {"a": "x"}).compile(text)

    def test_one_from_the_parameters_counts_as_what_it_is(self) -> None:
        text = "params.patterns.exists(p, object.name.matches(p))"
        easy = Language(None, {"patterns": ["^a+$", "[.]pt$"]}).compile(text).growth.need(16 * KIB, 50)
        hard = Language(None, {"patterns": ["^a+$", "((y{0,10}){0,10}){0,10}z"]}).compile(text).growth.need(16 * KIB, 50)
        assert easy.time * 20 < hard.time
        assert easy.is_within_budget

    def test_one_that_would_hold_the_server_is_not_run(self) -> None:
        slow = compiled("object.attributes.l.all(x, object.name.matches('((y{0,10}){0,10}){0,10}z') || true)")
        facts = {"object": {"name": "y" * 60_000, "attributes": {"l": [1] * 100}}}
        assert slow.evaluate(activate(facts), 61_000, 100, facts.get) is OVER_BUDGET
        facts = {"object": {"name": "y" * 20, "attributes": {"l": [1] * 10}}}
        assert slow.evaluate(activate(facts), 200, 10, facts.get).value is True


# What is needed at most, and what the engine took: run apart, for memory is given back to the process and not to the machine.
MEASURING = """
    import ctypes, json, sys
    from studbook.governance.expressions import ANYTHING, Language, activate
    record = {
        "description": "y" * 60_000, "name": "y" * 9_000, "aliases": ["y" * 5_000] * 10,
        "attributes": {
            "l": list(range(1_000)), "q": list(range(95)), "ld": [{"n": "z" * 100, "l": [1, 2, 3]} for _ in range(1_500)],
            "m": {f"k{n}": "v" for n in range(1_000)}, "s": ["a,b,c " * 50] * 60, "deep": [[["x"] * 20] * 20] * 20,
        },
    }
    libc = ctypes.CDLL("libc.so.6")
    def status(name):
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    class Seen(Exception): ...
    facts, language, found = {"object": record}, Language(None), []
    activation = activate(facts)
    language.compile("object.name", ANYTHING).program.eval(activation=activation)
    for text in json.loads(sys.stdin.read()):
        expression = language.compile(text, ANYTHING)
        need = expression.growth.need_exactly(facts.get)
        libc.malloc_trim(0)
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        try:
            expression.program.eval(activation=activation).value()
        except RuntimeError:
            pass
        found.append([text, status("VmHWM") - before, need.room])
    print(json.dumps(found))
"""
TAKING = [
    "object.attributes.l.map(x, object.description).join('').size()",
    "object.attributes.l.map(x, object.description + 'a').size()",
    "object.attributes.l.map(x, object.description.lowerAscii()).size()",
    "object.attributes.l.filter(x, x > 1).map(y, [y]).size()",
    "object.attributes.q.map(x, object.attributes.q.map(y, y)).size()",
    "object.attributes.ld.map(x, x.n + x.n).size()",
    "object.attributes.m.map(k, k + k).size()",
    "object.attributes.l.map(x, {'a': x, 'b': x}).size()",
    "object.attributes.s.map(x, x.split(',')).size()",
    "object.description.split('').size()",
    "object.attributes.l.all(x, (object.attributes.ld + object.attributes.ld).size() > 1)",
    "object.aliases.map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).size()",
    "cel.bind(a, object.description + object.description, cel.bind(b, a + a, cel.bind(c, b + b, c + c))).size()",
    "object.attributes.deep.map(x, x.map(y, y.map(z, z + z).join(''))).size()",
    "object.aliases.map(a, object.aliases.map(b, a + b).join('')).size()",
    "object.description.matches('(y{1,30}){1,30}z')",
    "object.description.split('').map(x, x).size()",
]


@pytest.mark.skipif(sys.platform != "linux", reason="the memory that a process took is told by Linux")
def test_the_engine_takes_no_more_than_is_told() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURING)], input=json.dumps(TAKING), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    # Half a mebibyte is what measuring itself and the rounding of pages come to.
    assert [row for row in found if row[1] > row[2] + KIB * KIB / 2] == []
    # And what is told is not told of something else: several of them take much.
    assert sum(took > 10 * KIB * KIB for _, took, _ in found) >= 5


class TestTree:
    """The engine's serialization is read as it is, or not at all."""

    def test_names_that_loops_bind_are_told_from_those_of_facts(self) -> None:
        tree = compiled("object.metrics.exists(m, m.value > params.a) && [1].all(n, n > 0 || has(old.name))").tree
        assert {getattr(node, "name", "") for node, _ in free_names(tree.root)} == {"object", "params", "old"}

    def test_positions_count_characters(self) -> None:
        text = "'é😀' == object.name && object.number == 1"
        tree = compiled(text).tree
        places = sorted(tree.positions[node.id] for node, _ in free_names(tree.root))
        assert places == [8, 23]

    def test_what_is_cut_off_is_no_tree(self) -> None:
        whole = compiled("object.metrics.exists(m, m.name == 'auc')").program.serialize()
        assert any(isinstance(node, Comprehension) for node in walk(read_tree(whole).root))
        for length in range(1, len(whole), 7):
            with pytest.raises(ValueError, match="cannot be read"):
                read_tree(whole[:length])

    def test_the_deepest_expression_is_read(self) -> None:
        text = "true"
        for level in range(30):
            text = f"[1].exists(v{level}, {text})"
        assert compiled(text).evaluate(activate({}), 0, 0).value is True
