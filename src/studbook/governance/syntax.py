"""The tree of a checked expression, read from the engine's own serialization (cel.expr.CheckedExpr of google/cel-spec).

Only what is asked of it is read: constants, names, fields, calls, lists, maps and comprehensions, each with its id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

# Wire types of Protocol Buffers.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Fields: TypeAlias = "dict[int, list[Any]]"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression."""

    id: int
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Const(Node):
    """A literal; `size` is its length in bytes where it is text."""

    size: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Ident(Node):
    """A name."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Select(Node):
    """A field of its one part; `tests` when it only asks whether the field is there."""

    field: str = ""
    tests: bool = False


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function or operator: its target first, if it has one."""

    function: str = ""
    member: bool = False


@dataclass(frozen=True, slots=True)
class Collection(Node):
    """A list or map that is written out."""


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """A loop, as macros expand to: range, start, condition, step, result."""

    variable: str = ""
    accumulator: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A checked expression."""

    root: Node
    # The macro calls by the id of what they expanded to.
    macros: dict[int, Call]
    positions: dict[int, int]
    # The nodes whose type is a number, boolean, time or duration: they take no room that counts.
    small: frozenset[int]
    names: frozenset[str] = field(default_factory=frozenset)


def read_tree(serialized: bytes) -> Tree:
    """The tree of a serialized checked expression (wrapped in google.protobuf.Any)."""
    checked = _fields(_one(_fields(serialized), 2))
    source = _fields(_one(checked, 5))
    macros = {}
    for entry in source.get(5, ()):
        pair = _fields(entry)
        node = _node(_one(pair, 2))
        if isinstance(node, Call):
            macros[_one(pair, 1, 0)] = node
    positions = {}
    for entry in source.get(4, ()):
        pair = _fields(entry)
        positions[_one(pair, 1, 0)] = _one(pair, 2, 0)
    small = set()
    for entry in checked.get(3, ()):
        pair = _fields(entry)
        if _is_small(_fields(_one(pair, 2))):
            small.add(_one(pair, 1, 0))
    names = set()
    for entry in checked.get(2, ()):
        reference = _fields(_one(_fields(entry), 2))
        if 3 not in reference and 1 in reference:
            names.add(reference[1][0].decode())
    return Tree(_node(_one(checked, 4)), macros, positions, frozenset(small), frozenset(names))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.parts


# cel.expr.Type.primitive: bool 1, int64 2, uint64 3, double 4; wrapper alike; well_known: timestamp 2, duration 3.
_SMALL_PRIMITIVES: Final = frozenset({1, 2, 3, 4})
_SMALL_WELL_KNOWN: Final = frozenset({2, 3})


def _is_small(kind: Fields) -> bool:
    if 3 in kind or 4 in kind:
        return kind.get(3, kind.get(4, [0]))[0] in _SMALL_PRIMITIVES
    return 2 in kind or (5 in kind and kind[5][0] in _SMALL_WELL_KNOWN)


def _node(data: bytes) -> Node:
    """A cel.expr.Expr."""
    expr = _fields(data)
    node_id = _one(expr, 2, 0)
    if 3 in expr:
        return _constant(node_id, _fields(expr[3][0]))
    if 4 in expr:
        return Ident(node_id, name=_text(_fields(expr[4][0]), 1))
    if 5 in expr:
        select = _fields(expr[5][0])
        return Select(node_id, (_node(_one(select, 1)),), field=_text(select, 2), tests=bool(_one(select, 3, 0)))
    if 6 in expr:
        call = _fields(expr[6][0])
        parts = [_node(part) for part in (*call.get(1, ()), *call.get(3, ()))]
        return Call(node_id, tuple(parts), function=_text(call, 2), member=1 in call)
    if 7 in expr:
        return Collection(node_id, tuple(_node(part) for part in _fields(expr[7][0]).get(1, ())))
    if 8 in expr:
        entries = [_fields(entry) for entry in _fields(expr[8][0]).get(2, ())]
        return Collection(node_id, tuple(_node(entry[key][0]) for entry in entries for key in (3, 4) if key in entry))
    if 9 in expr:
        loop = _fields(expr[9][0])
        parts = [_node(_one(loop, number)) for number in (2, 4, 5, 6, 7)]
        return Comprehension(node_id, tuple(parts), variable=_text(loop, 1), accumulator=_text(loop, 3))
    return Const(node_id)


def _constant(node_id: int, constant: Fields) -> Const:
    for number in (6, 7):
        if number in constant:
            return Const(node_id, size=len(constant[number][0]))
    return Const(node_id, number=_signed(constant[3][0]) if 3 in constant else None)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _one(fields: Fields, number: int, default: Any = b"") -> Any:  # noqa: ANN401 - bytes or a number
    return fields[number][0] if number in fields else default


def _text(fields: Fields, number: int) -> str:
    return bytes(_one(fields, number)).decode()


def _fields(data: bytes) -> Fields:
    """The fields of a protobuf message by number."""
    found: Fields = {}
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == _VARINT:
            value, place = _varint(data, place)
        elif kind == _BYTES:
            length, place = _varint(data, place)
            value, place = data[place : place + length], place + length
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[kind]
            value, place = data[place : place + length], place + length
        found.setdefault(number, []).append(value)
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
