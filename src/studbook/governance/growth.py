"""How much room an expression may take.

The engine bounds how often loops run, not how large values become: doubling a text thirty times would end the process.
So an upper bound of all that is allocated is read off the expression, and held against a budget.

Sizes are linear forms over the size of the facts and over the shares that loops hand out, with polynomials in n, the length of
the longest list, as coefficients: the elements of a list are together no larger than the list, and whatever else a loop uses
is used n times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from studbook.governance.syntax import Call, Collection, Comprehension, Const, Ident, Node, Select, Tree, walk

ROOM: Final = 64 * 1024 * 1024
# What the engine allows in all loops of one evaluation.
ITERATIONS: Final = 10_000
# By what an expression is judged when it is saved: a document of a common size.
_USUAL_BYTES: Final = 16 * 1024
_USUAL_LENGTH: Final = 50
_SLOT: Final = 32
_DEGREE_LIMIT: Final = 12

_FACTS: Final = ""
_ONE: Final = "1"

_SMALL_RESULT: Final = frozenset(
    {
        "_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_-_", "_*_", "_/_", "_%_", "-_",
        "@not_strictly_false", "size", "contains", "startsWith", "endsWith", "matches", "indexOf", "lastIndexOf",
        "int", "uint", "double", "bool", "type", "timestamp", "duration", "hasValue",
        "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfYear", "getDayOfWeek", "getHours", "getMinutes",
        "getSeconds", "getMilliseconds",
    }
)  # fmt: skip
# Their result is no larger than what they are given.
_LINEAR: Final = frozenset(
    {
        "_[_]", "_?._", "_[?_]", "_?_:_", "dyn", "string", "lowerAscii", "upperAscii", "trim", "substring", "charAt",
        "optional.of", "optional.none", "optional.ofNonZeroValue", "orValue", "or", "value",
    }
)  # fmt: skip
ALLOWED: Final = _SMALL_RESULT | _LINEAR | {"_+_", "join", "split"}


class UnboundedError(Exception):
    """A part of an expression whose room cannot be told; `node` is its id."""

    def __init__(self, message: str, node: int) -> None:
        super().__init__(message)
        self.node = node


# Coefficients by the power of n.
_Polynomial = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """A linear form: for each symbol (the facts, one byte, a loop's share) a polynomial in n."""

    terms: dict[str, _Polynomial] = field(default_factory=dict)

    def __add__(self, other: Size) -> Size:
        """The sum."""
        terms = dict(self.terms)
        for symbol, powers in other.terms.items():
            terms[symbol] = _plus(terms.get(symbol, ()), powers)
        return Size(terms)

    def times(self, factor: float) -> Size:
        """The form, so many times."""
        return Size({symbol: tuple(power * factor for power in powers) for symbol, powers in self.terms.items()})

    def over(self, variable: str, whole: Size) -> Size:
        """What a loop over `whole` takes when each round takes this; `variable` is what it hands out."""
        total = Size()
        for symbol, powers in self.terms.items():
            if symbol == variable:
                total += whole._scaled(powers)
            else:
                total += Size({symbol: (0.0, *powers)})
        return total

    def _scaled(self, powers: _Polynomial) -> Size:
        return Size({symbol: _product(own, powers) for symbol, own in self.terms.items()})

    def at(self, size: int, length: int) -> float:
        """In bytes, for facts of so many bytes and a longest list of so many elements."""
        total = 0.0
        for symbol, powers in self.terms.items():
            unit = 1 if symbol == _ONE else size
            total += unit * sum(power * float(length) ** degree for degree, power in enumerate(powers))
        return total

    @property
    def loops(self) -> bool:
        """Whether the length of lists matters."""
        return any(power for powers in self.terms.values() for power in powers[1:])


def _plus(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return tuple(power + (shorter[place] if place < len(shorter) else 0.0) for place, power in enumerate(longer))


def _product(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    powers = [0.0] * max(0, len(one) + len(other) - 1)
    for left, first in enumerate(one):
        for right, second in enumerate(other):
            powers[left + right] += first * second
    return tuple(powers[:_DEGREE_LIMIT])


def _bytes(count: float) -> Size:
    return Size({_ONE: (float(count),)})


@dataclass(slots=True)
class Growth:
    """The room of an expression: that of its result, and of all that is made on the way."""

    result: Size
    total: Size
    # Lists are joined or made of text, so their length is bounded by the engine alone.
    makes_lists: bool

    def at(self, size: int, length: int) -> float:
        """All that is allocated, in bytes."""
        return self.total.at(size, ITERATIONS if self.makes_lists else min(length, ITERATIONS))

    @property
    def is_excessive(self) -> bool:
        """Whether even a document of a common size would need more than the budget."""
        length = _USUAL_LENGTH if not self.makes_lists else 4 * _USUAL_LENGTH
        return self.total.at(_USUAL_BYTES, length) > ROOM


def measure(tree: Tree, variables: dict[str, Size]) -> Growth:
    """The growth of an expression; `variables` are the sizes of the policy's variables that it may read.

    Raises UnboundedError.
    """
    measuring = _Measuring(tree, dict(variables))
    result = measuring.size(tree.root)
    return Growth(result, measuring.total + result, measuring.makes_lists)


class _Measuring:
    def __init__(self, tree: Tree, known: dict[str, Size]) -> None:
        self._tree = tree
        self._known = known
        self.total = Size()
        self.makes_lists = False

    def size(self, node: Node) -> Size:
        """The size of a part's value; what is made on the way is added to the total."""
        match node:
            case Const():
                return _bytes(node.size + 8)
            case Ident():
                return self._known.get(node.name, Size({_FACTS: (1.0,)}))
            case Select():
                inner = self.size(node.parts[0])
                return _bytes(8) if node.tests else inner
            case Collection():
                return self._made(self._sum(node.parts) + _bytes(_SLOT * (len(node.parts) + 1)))
            case Comprehension():
                return self._loop(node)
            case Call():
                return self._call(node)
            case _:
                message = "this part of the expression is not understood"
                raise UnboundedError(message, node.id)

    def _sum(self, parts: tuple[Node, ...]) -> Size:
        total = Size()
        for part in parts:
            total += self.size(part)
        return total

    def _made(self, size: Size) -> Size:
        self.total += size
        return size

    def _call(self, node: Call) -> Size:
        name = node.function
        if name not in ALLOWED and not name.startswith("math."):
            message = f"{name.strip('_@')!r} is not offered to rules, for its result may grow without bound"
            raise UnboundedError(message, node.id)
        given = self._sum(node.parts)
        if name in _SMALL_RESULT or name.startswith("math.") or node.id in self._tree.small:
            return _bytes(16)
        if name == "split":
            self.makes_lists = True
            return self._made(given.times(_SLOT))
        if name == "join":
            separators = self.size(node.parts[1]) if len(node.parts) > 1 else Size()
            return self._made(given + _each(separators))
        if name == "_+_":
            self.makes_lists = self.makes_lists or not any(_is_text(part) for part in node.parts)
        return self._made(given + _bytes(_SLOT))

    def _loop(self, node: Comprehension) -> Size:
        whole, start, condition, step, result = node.parts
        if node.variable == "#unused":
            # cel.bind: a name for a value.
            return self._within({node.accumulator: self.size(start)}, result)
        kind = _kind_of(step, node.accumulator)
        if kind is None:
            message = "this loop is not one of all, exists, exists_one, filter and map"
            raise UnboundedError(message, node.id)
        extent = self.size(whole)
        share = f"{node.variable}#{node.id}"
        before = self.total
        self.total = Size()
        body = self._within({node.variable: Size({share: (1.0,)}), node.accumulator: Size()}, *kind)
        self.total += self.size(condition) if isinstance(condition, Call) else Size()
        self.total = before + (self.total + _bytes(_SLOT)).over(share, extent)
        return _bytes(16) if node.id in self._tree.small else (body + _bytes(_SLOT)).over(share, extent)

    def _within(self, names: dict[str, Size], *parts: Node) -> Size:
        outside = {name: self._known.get(name) for name in names}
        self._known |= names
        size = self._sum(parts)
        for name, was in outside.items():
            if was is None:
                del self._known[name]
            else:
                self._known[name] = was
        return size


def _each(size: Size) -> Size:
    """The size once for every element of a list."""
    return Size({symbol: (0.0, *powers) for symbol, powers in size.terms.items()})


def _kind_of(step: Node, accumulator: str) -> tuple[Node, ...] | None:
    """The parts of a loop's step beside what it has gathered; None for a step of no macro."""

    def is_gathered(node: Node) -> bool:
        return isinstance(node, Ident) and node.name == accumulator

    if not isinstance(step, Call):
        return None
    if step.function in {"_&&_", "_||_"} and is_gathered(step.parts[0]):
        return step.parts[1:]
    if step.function == "_+_" and is_gathered(step.parts[0]):
        return step.parts[1:]
    if step.function == "_?_:_" and is_gathered(step.parts[2]):
        added = _kind_of(step.parts[1], accumulator)
        return (step.parts[0], *added) if added is not None else None
    return None


def _is_text(node: Node) -> bool:
    return isinstance(node, Const) and node.size > 0


def find_universal(tree: Tree) -> list[tuple[Comprehension, Node]]:
    """The loops of an expression that ask whether all elements are so, each with what it goes over."""
    return [
        (node, node.parts[0])
        for node in walk(tree.root)
        if isinstance(node, Comprehension)
        and isinstance(node.parts[3], Call)
        and node.parts[3].function == "_&&_"
        and isinstance(node.parts[3].parts[0], Ident)
        and node.parts[3].parts[0].name == node.accumulator
    ]


def find_reads(tree: Tree) -> frozenset[str]:
    """The facts that an expression reads; of the lineage which part."""
    reads: set[str] = set()
    bound = {name for node in walk(tree.root) if isinstance(node, Comprehension) for name in (node.variable, node.accumulator)}
    inner = {
        id(node.parts[0])
        for node in walk(tree.root)
        if isinstance(node, Select) and isinstance(node.parts[0], Ident) and node.parts[0].name == "lineage"
    }
    for node in walk(tree.root):
        if isinstance(node, Select) and id(node.parts[0]) in inner:
            reads.add(f"lineage.{node.field}")
        elif isinstance(node, Ident) and node.name not in bound and id(node) not in inner:
            reads.add(node.name)
    return frozenset(reads)
