"""How much room and time an expression may take, told before it is run.

The engine bounds how often loops run (10,000 rounds an evaluation), not how large values become or how long one call takes:
`[s].map(x, x + x)` thirty times over, or a text searched for a text as long, would hold or end the process. So the expression is
run here over sizes instead of values, and what comes out is held against a budget.

A size is a linear form over the shares that loops hand out: the elements of a list are together no larger than the list, so what
a loop makes of its elements adds up to what it would make of the list, and whatever else it uses counts once for every round.

What things cost was measured on the engine (cel-expr-python 0.1.3); the slowest of several shapes counts, rounded up. Notable:
map() and filter() copy the list that they gather in every round, so they take 16 bytes times the square of its length; a regular
expression is compiled whenever it is used, and one that repeats repetitions may take microseconds for every character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from studbook.governance.shapes import ANY, SHAPES, SMALL_SHAPES, inner_shape
from studbook.governance.syntax import UNUSED, Call, Comprehension, Const, Ident, ListLiteral, Select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from studbook.governance.shapes import Shape
    from studbook.governance.syntax import Node, Tree

ROOM: Final = 64 * 1024 * 1024
# In nanoseconds. All rules of an evaluation together have as much, and while one runs nothing stops it.
TIME: Final = 1_000_000_000
# What the engine allows in all loops of one evaluation.
ITERATIONS: Final = 10_000
# By what an expression is judged when it is saved: a record of a common size.
USUAL_BYTES: Final = 16 * 1024
USUAL_LENGTH: Final = 50
_USUAL_PIECES: Final = 200
_LENIENCY: Final = 5

# Bytes for an element of a list or map, for a literal or call, and for a round of a loop that gathers.
_SLOT: Final = 32
_NODE: Final = 64
_ROUND: Final = 800
# Bytes for every element gathered so far, in every round.
_COPYING: Final = 20
# For what split() makes: a piece's bytes and nanoseconds.
_PIECE: Final = 80
_SPLITTING: Final = 150
# Nanoseconds: for a round of a loop; for a byte that is copied, counted, searched, compared with another.
_ROUND_TIME: Final = 500
_COPY_TIME: Final = 3.5
_COUNTING: Final = 4.4
_SEARCHING: Final = 10
_EQUALING: Final = 7
# A search for a long text compares at every place.
_COMPARING: Final = 0.02
# For each instruction of a regular expression: to make it, in bytes too, and to match a character.
_COMPILING: Final = 1_000
_COMPILE_TIME: Final = 200
_STEP_TIME: Final = 4
# What a JSON value counts as at least.
_LEAST: Final = 8
_HUGE: Final = 1e18

_FIXED: Final = ""
_Form: TypeAlias = "dict[str, float]"
_UNKNOWN: Final = object()


class UnboundedError(Exception):
    """A part of an expression whose room or time cannot be told; `node` is its id."""

    def __init__(self, message: str, node: int) -> None:
        super().__init__(message)
        self.node = node


@dataclass(frozen=True, slots=True)
class Need:
    """What an expression may take at most: bytes and nanoseconds."""

    room: float
    time: float

    @property
    def is_within_budget(self) -> bool:
        """Whether it may be run."""
        return self.room <= ROOM and self.time <= TIME


class Growth:
    """What an expression needs, by the size of what it reads. `known` are the names whose values do not change: parameters."""

    def __init__(self, tree: Tree, known: Mapping[str, Any]) -> None:
        self._root = tree.root
        self._known = known
        self._judged: dict[tuple[int, int], bool] = {}

    def need(self, size: int, length: int, pieces: float = _HUGE) -> Need:
        """What it takes at most over facts of so many bytes, with a longest list of so many elements.

        No text is thought to split into more than so many pieces.

        Raises UnboundedError.
        """

        def fact(name: str) -> _Value:
            return _Value(_fixed(size), length, length, shape=SHAPES.get(name, ANY))

        return _Measuring(fact, self._known, pieces).need(self._root)

    def usual(self) -> tuple[Need, bool]:
        """What it takes for a common record, and whether that is too much already.

        Time is not judged as strictly as when it is run: here all lists are thought to be long, and each to be the whole record.

        Raises UnboundedError.
        """
        need = self.need(USUAL_BYTES, USUAL_LENGTH, _USUAL_PIECES)
        return need, need.room > ROOM or need.time > _LENIENCY * TIME

    def fits(self, size: int, length: int) -> bool:
        """Whether it is within its budget; told for the next powers of two, so that it is told once for most records."""
        key = (size.bit_length(), length.bit_length())
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = self.need(1 << key[0], 1 << key[1]).is_within_budget
        return judged

    def need_exactly(self, find: Callable[[str], Any]) -> Need:
        """What it takes at most over these very facts: slower to tell, and closer.

        Raises UnboundedError.
        """
        measuring = _Measuring(lambda name: replace(measuring.known(find(name)), shape=SHAPES.get(name, ANY)), self._known)
        return measuring.need(self._root)

    def fits_exactly(self, find: Callable[[str], Any]) -> bool:
        """Whether it is within its budget over these very facts."""
        return self.need_exactly(find).is_within_budget


@dataclass(frozen=True, slots=True)
class _Value:
    """What is known of a value: its size, its elements if it is a list or map, and those of the longest within it."""

    size: _Form
    length: float = 0
    inner: float = 0
    # What it certainly is, if anything: a small value (number, boolean, time, null), a text, or a list.
    kind: str = ""
    # The value itself; and what it is a part of.
    exactly: Any = _UNKNOWN
    within: Any = _UNKNOWN
    members: Mapping[str, _Value] | None = None
    # What it is declared to be; where that is a number or boolean, facts are (see evaluation).
    shape: Shape = ANY


def _fixed(amount: float) -> _Form:
    return {_FIXED: float(amount)}


_SMALL: Final = _Value(_fixed(16), kind="small")


def _plus(*forms: _Form) -> _Form:
    total: _Form = {}
    for form in forms:
        for symbol, amount in form.items():
            total[symbol] = min(_HUGE, total.get(symbol, 0.0) + amount)
    return total


def _times(form: _Form, factor: float) -> _Form:
    return {symbol: min(_HUGE, amount * factor) for symbol, amount in form.items()}


def _spread(form: _Form, share: str, whole: _Form, rounds: float) -> _Form:
    """What a loop over `whole` takes when each of its rounds takes this."""
    others = {symbol: amount for symbol, amount in form.items() if symbol != share}
    return _plus(_times(others, rounds), _times(whole, form.get(share, 0.0)))


def _part_of(of: _Value, key: str | int | None = None) -> _Value:
    shape = inner_shape(of.shape, key)
    return _SMALL if shape in SMALL_SHAPES else _Value(of.size, of.inner, of.inner, within=of.within, shape=shape)


def _either(values: Sequence[_Value]) -> _Value:
    """Whichever of these it is."""
    if len(values) == 1:
        return values[0]
    size: _Form = {}
    for value in values:
        size = {symbol: max(size.get(symbol, 0.0), value.size.get(symbol, 0.0)) for symbol in size.keys() | value.size}
    return _Value(
        size,
        max((value.length for value in values), default=0),
        max((value.inner for value in values), default=0),
        kind=values[0].kind if len({value.kind for value in values}) == 1 else "",
        shape=values[0].shape if values and all(value.shape == values[0].shape for value in values) else ANY,
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """The room and time that one part of an expression takes, and their limits whatever the loops around it are."""

    room: _Form
    time: _Form
    limit: float = _HUGE
    time_limit: float = _HUGE


class _Measuring:
    def __init__(self, fact: Callable[[str], _Value], known: Mapping[str, Any], pieces: float = _HUGE) -> None:
        self._fact = fact
        self._pieces = pieces
        # How large a loop's share can be at most.
        self._peaks: dict[str, float] = {_FIXED: 1.0}
        self._extents: dict[int, tuple[float, int]] = {}
        self._taken: list[_Taken] = []
        self._names: dict[str, _Value] = {name: self.known(value) for name, value in known.items()}

    def need(self, root: Node) -> Need:
        """All that is taken."""
        room, time = self._peak(self._value(root).size), 0.0
        for taken in self._taken:
            room += min(taken.limit, self._peak(taken.room))
            time += min(taken.time_limit, self._peak(taken.time))
        return Need(room, time + _COPY_TIME * room)

    def known(self, value: Any) -> _Value:  # noqa: ANN401 - any JSON value
        """A value that is there."""
        if not isinstance(value, list | dict):
            text = isinstance(value, str | bytes)
            size = len(value.encode()) if isinstance(value, str) else len(value) if text else 8
            return _Value(_fixed(size + 8), kind="text" if text else "small", exactly=value, within=value)
        if id(value) not in self._extents:
            self._extents[id(value)] = _extent(value)
        total, inner = self._extents[id(value)]
        kind = "list" if isinstance(value, list) else ""
        return _Value(_fixed(total), len(value), inner, kind=kind, exactly=value, within=value)

    def _peak(self, form: _Form) -> float:
        return min(_HUGE, sum(amount * self._peaks[symbol] for symbol, amount in form.items()))

    def _takes(self, *, room: _Form | None = None, time: _Form | None = None) -> None:
        self._taken.append(_Taken(room or {}, time or {}))

    def _value(self, node: Node) -> _Value:
        """What is known of a part's value; what is taken on the way is added up."""
        match node:
            case Const():
                return self.known(node.value)
            case Ident():
                if node.name not in self._names:
                    self._names[node.name] = self._fact(node.name)
                return self._names[node.name]
            case Select():
                of = self._value(node.parts[0])
                return _SMALL if node.tests else self._member(of, node.field)
            case Comprehension():
                return self._bind(node) if node.variable == UNUSED else self._loop(node)
            case Call():
                return self._call(node)
            case _:
                return self._literal(node)

    def _member(self, of: _Value, key: str | int) -> _Value:
        if of.members is not None:
            return of.members.get(key, _SMALL) if isinstance(key, str) else _SMALL
        if of.exactly is _UNKNOWN:
            return _part_of(of, key)
        try:
            return replace(self.known(of.exactly[key]), shape=inner_shape(of.shape, key))
        except (KeyError, IndexError, TypeError):
            # The engine will say that there is no such thing.
            return _SMALL

    def _literal(self, node: Node) -> _Value:
        values = [self._value(part) for part in node.parts]
        self._takes(room=_fixed(_NODE * (len(values) + 1)))
        size = _plus(_fixed(_SLOT * (len(values) + 1)), *(value.size for value in values))
        inner = max((max(value.inner, value.length) for value in values), default=0)
        if isinstance(node, ListLiteral):
            exactly = [value.exactly for value in values]
            within = _UNKNOWN if any(value is _UNKNOWN for value in exactly) else exactly
            return _Value(size, len(values), inner, kind="list", within=within)
        keys = [key.value for key in node.parts[::2] if isinstance(key, Const) and isinstance(key.value, str)]
        members = dict(zip(keys, values[1::2], strict=True)) if len(keys) * 2 == len(values) else None
        return _Value(size, len(values), inner, members=members)

    def _bind(self, node: Comprehension) -> _Value:
        """cel.bind(): a name for a value, which is computed once."""
        start = self._value(node.parts[1])
        return self._inside({node.accumulator: start}, node.parts[4:])

    def _loop(self, node: Comprehension) -> _Value:
        ranged, _, condition, step, _ = node.parts
        gathered = _gathered(step, node.accumulator)
        if gathered is None or node.second:
            message = "this loop is not one of all, exists, exists_one, filter and map"
            raise UnboundedError(message, node.id)
        over = self._value(ranged)
        rounds = min(over.length, ITERATIONS)
        share = f"{node.id}.{len(self._peaks)}"
        self._peaks[share] = self._largest(over)
        shape = over.shape[0] if isinstance(over.shape, list) else ANY
        element = _Value({share: 1.0}, over.inner, over.inner, within=over.within, shape=shape)
        names = {node.variable: _SMALL if shape in SMALL_SHAPES else element, node.accumulator: _SMALL}
        outside, self._taken = self._taken, []
        asked, added = gathered
        body = self._inside(names, (condition, *asked, *added))
        gathering = _fixed(_COPYING * rounds + _ROUND) if added else {}
        self._takes(room=gathering, time=_fixed(_ROUND_TIME))
        self._taken = outside + [self._repeated(taken, share, over.size, rounds) for taken in self._taken]
        if not added:
            return _SMALL
        size = _plus(_spread(body.size, share, over.size, rounds), _fixed(_SLOT * rounds))
        # Elements of the list, or members of each: no other texts than those in it.
        within = over.within if body.within is over.within else _UNKNOWN
        shape = "float" if body.kind == "small" else body.shape
        return _Value(size, rounds, max(body.inner, body.length), kind="list", within=within, shape=[shape])

    def _largest(self, over: _Value) -> float:
        """The size of the largest element."""
        if isinstance(over.exactly, list):
            return max((self._peak(self.known(element).size) for element in over.exactly), default=0.0)
        return self._peak(over.size)

    def _repeated(self, taken: _Taken, share: str, whole: _Form, rounds: float) -> _Taken:
        """What is taken in every round, in all rounds: of all loops together there are no more than the engine allows."""
        return _Taken(
            _spread(taken.room, share, whole, rounds),
            _spread(taken.time, share, whole, rounds),
            min(taken.limit, ITERATIONS * self._peak(taken.room)),
            min(taken.time_limit, ITERATIONS * self._peak(taken.time)),
        )

    def _inside(self, names: Mapping[str, _Value], parts: Sequence[Node]) -> _Value:
        """The last of these parts, which see these names."""
        outside = {name: self._names[name] for name in names if name in self._names}
        self._names.update(names)
        values = [self._value(part) for part in parts]
        for name in names:
            del self._names[name]
        self._names.update(outside)
        return values[-1]

    def _call(self, node: Call) -> _Value:
        name = node.function
        values = [self._value(part) for part in node.parts]
        if name in _TIMES or name.startswith("math."):
            self._takes(time=_times(_plus(*(value.size for value in values)), _TIMES.get(name, 0)))
            return _SMALL
        if name in _PASSED:
            return _either(values[_PASSED[name] :])
        if name == "matches":
            return self._match(node, values)
        make = self.MAKING.get(name)
        if make is None:
            message = f"{name.strip('_@')!r} is not offered to rules, for what it makes may grow without bound"
            raise UnboundedError(message, node.id)
        return make(self, values)

    def _select(self, values: Sequence[_Value]) -> _Value:
        key = values[1].exactly
        return self._member(values[0], key) if isinstance(key, str | int) else _part_of(values[0])

    def _sum(self, values: Sequence[_Value]) -> _Value:
        kinds = {value.kind for value in values}
        if "small" in kinds:
            # Nothing but a number, time or duration is added to such.
            return _SMALL
        size = _plus(_fixed(_NODE), *(value.size for value in values))
        length = sum(value.length for value in values)
        kind = next((kind for kind in ("text", "list") if kind in kinds), "")
        # A list's elements are not copied, their slots are.
        slots = _fixed(1.1 * _SLOT * length + _NODE)
        self._takes(room={"text": _times(size, 1.1), "list": slots}.get(kind) or _plus(_times(size, 1.1), slots))
        return _Value(size, length, max(value.inner for value in values), kind=kind)

    def _copy(self, values: Sequence[_Value]) -> _Value:
        size = _plus(_fixed(_NODE), values[0].size)
        self._takes(room=_times(size, 1.1), time=_times(size, _SEARCHING))
        return _Value(size, kind="text")

    def _join(self, values: Sequence[_Value]) -> _Value:
        separators = _times(values[1].size, values[0].length) if len(values) > 1 else {}
        size = _plus(_fixed(_NODE), values[0].size, separators)
        # A text that grows is moved to twice its room.
        self._takes(room=_times(size, 2.2))
        return _Value(size, kind="text")

    def _count(self, values: Sequence[_Value]) -> _Value:
        if values[0].kind != "list":
            # The characters of a text are counted.
            self._takes(time=_times(values[0].size, _COUNTING))
        return _SMALL

    def _compare(self, values: Sequence[_Value]) -> _Value:
        # No further than the smaller of both.
        size = min((value.size for value in values), key=self._peak)
        self._takes(time=_times(size, 2 * _EQUALING))
        return _SMALL

    def _search(self, values: Sequence[_Value]) -> _Value:
        text, sought = values[:2]
        self._takes(time=_times(text.size, _SEARCHING + _COMPARING * self._peak(sought.size)))
        return _SMALL

    def _split(self, values: Sequence[_Value]) -> _Value:
        self._search(values)
        text, separator = values[0].size, values[1].exactly
        most = self._peak(text) / max(1, len(separator) if isinstance(separator, str) else 1) + 1
        if isinstance(values[0].exactly, str) and isinstance(separator, str) and separator:
            most = values[0].exactly.count(separator) + 1
        limits = [value.exactly for value in values[2:] if isinstance(value.exactly, int) and value.exactly >= 0]
        most = min([most, self._pieces, *limits])
        # As many pieces as characters, unless they are known to be fewer.
        pieces = _fixed(most) if most < self._peak(text) else _plus(_fixed(1), text)
        self._takes(room=_times(pieces, _PIECE), time=_times(pieces, _SPLITTING))
        return _Value(_plus(text, _times(pieces, _SLOT)), most, kind="list")

    def _match(self, node: Call, values: Sequence[_Value]) -> _Value:
        text, pattern = values
        if pattern.within is _UNKNOWN:
            message = "write out the pattern of matches(), or take it from params: how long it takes depends on it"
            raise UnboundedError(message, node.id)
        steps = max((pattern_steps(found) for found in _texts(pattern.within)), default=0)
        # It is forgotten when it was matched, so many rounds take no more room than one.
        self._taken.append(_Taken(_fixed(_COMPILING * steps), _fixed(_COMPILE_TIME * steps), limit=_COMPILING * steps))
        self._takes(time=_times(text.size, _SEARCHING + _STEP_TIME * steps))
        return _SMALL

    MAKING: ClassVar[dict[str, Callable[[_Measuring, Sequence[_Value]], _Value]]] = {
        "_+_": _sum,
        "size": _count,
        "join": _join,
        "split": _split,
        **dict.fromkeys(("_==_", "_!=_"), _compare),
        **dict.fromkeys(("contains", "indexOf", "lastIndexOf"), _search),
        **dict.fromkeys(("string", "lowerAscii", "upperAscii", "trim", "substring", "charAt"), _copy),
        **dict.fromkeys(("_[_]", "_?._", "_[?_]"), _select),
    }


# Calls whose result takes no room that counts, with the time for every byte of what they are given.
_TIMES: Final[dict[str, float]] = {
    "_&&_": 0, "_||_": 0, "!_": 0, "@not_strictly_false": 0, "_-_": 0, "_*_": 0, "_/_": 0, "_%_": 0, "-_": 0,
    "@in": 6, "_<_": 1, "_<=_": 1, "_>_": 1, "_>=_": 1,
    "startsWith": 1, "endsWith": 1, "int": 1, "uint": 1, "double": 1, "bool": 1, "type": 0,
    "timestamp": 1, "duration": 1, "hasValue": 0,
    "getFullYear": 0, "getMonth": 0, "getDate": 0, "getDayOfMonth": 0, "getDayOfYear": 0, "getDayOfWeek": 0,
    "getHours": 0, "getMinutes": 0, "getSeconds": 0, "getMilliseconds": 0,
}  # fmt: skip
# Calls that pass on one of what they are given, from which on.
_PASSED: Final = {
    "dyn": 0, "_?_:_": 1, "optional.of": 0, "optional.none": 0, "optional.ofNonZeroValue": 0, "orValue": 0, "or": 0, "value": 0,
}  # fmt: skip


# Whatever an expression may call, beside math.*.
ALLOWED: Final = frozenset({*_TIMES, *_PASSED, *_Measuring.MAKING, "matches"})


def _gathered(step: Node, accumulator: str) -> tuple[tuple[Node, ...], tuple[Node, ...]] | None:
    """What a loop's step asks, and what it adds to a list in every round; None for a step of no macro."""

    def is_gathered(node: Node) -> bool:
        return isinstance(node, Ident) and node.name == accumulator

    if not isinstance(step, Call):
        return None
    if step.function in {"_&&_", "_||_"} and is_gathered(step.parts[0]):
        return step.parts[1:], ()
    if step.function == "_+_" and is_gathered(step.parts[0]):
        added = step.parts[1]
        return ((), added.parts) if isinstance(added, ListLiteral) else ((added,), ())
    if step.function == "_?_:_" and is_gathered(step.parts[2]):
        inner = _gathered(step.parts[1], accumulator)
        return ((step.parts[0], *inner[0]), inner[1]) if inner is not None else None
    return None


def _extent(value: Any) -> tuple[float, int]:  # noqa: ANN401 - any JSON value
    """The size of a JSON value as it is counted here, and the longest list or map within it."""
    size, longest = 0.0, 0
    waiting = [value]
    while waiting:
        found = waiting.pop()
        size += _LEAST
        if isinstance(found, str):
            size += len(found.encode())
        elif isinstance(found, list | dict):
            longest = max(longest, len(found) if found is not value else 0)
            waiting += [*found, *found.values()] if isinstance(found, dict) else found
    return size, longest


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


# The parts of a regular expression: quoted text, a class of Unicode, another escape, a class, a count, any other character.
_PARTS: Final = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|(?P<unicode>\\[pP](?:\{[^}]*\}|.)?)|\\."
    r"|\[(?P<set>\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*)\]?|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}|.",
    re.DOTALL,
)
_UNICODE_STEPS: Final = 700
_CHARACTER_STEPS: Final = 4
_ANY_STEPS: Final = 20


def pattern_steps(pattern: str) -> float:
    """How many instructions a regular expression comes to at most: what is repeated n times is there n times (RE2)."""
    groups = [[0.0, 0.0]]
    for part in _PARTS.finditer(pattern):
        text = part[0]
        total, last = groups[-1]
        if text == "(":
            groups.append([0.0, 0.0])
            continue
        if text == ")":
            inner = sum(groups.pop()) + 2
            groups = groups or [[0.0, 0.0]]
            groups[-1] = [sum(groups[-1]), inner]
        elif part["least"] is not None:
            count = max(int(part["least"][:6]), int((part["most"] or "0")[:6]))
            groups[-1] = [total, min(_HUGE, (last + 1) * (count + 1))]
        elif text in {"*", "+", "?"}:
            groups[-1] = [total, last + 1]
        elif part["quoted"] is not None:
            groups[-1] = [total + last + _CHARACTER_STEPS * len(part["quoted"]), _CHARACTER_STEPS]
        else:
            groups[-1] = [total + last, _steps_of(text, part["set"], part["unicode"])]
    # Letters of either case are more of everything.
    return min(_HUGE, (3 if _EITHER_CASE.search(pattern) else 1) * sum(sum(group) for group in groups))


_EITHER_CASE: Final = re.compile(r"\(\?[a-zA-Z]*i")


def _steps_of(text: str, members: str | None, of_unicode: str | None) -> float:
    if of_unicode is not None:
        return _UNICODE_STEPS
    if members is None:
        return _ANY_STEPS if text == "." or text.startswith("\\") else _CHARACTER_STEPS
    if members.isascii() and not members.startswith("^") and "\\" not in members:
        # A range of bytes is one instruction.
        return len(members) / 2 + 1
    classes = _UNICODE_STEPS * (members.count("\\p") + members.count("\\P"))
    return classes + _CHARACTER_STEPS * len(members) + _ANY_STEPS
