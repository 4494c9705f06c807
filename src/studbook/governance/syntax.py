"""The tree of an expression, read from the engine's own serialization (cel.expr.CheckedExpr of google/cel-spec).

The few messages that matter are read by hand: a protobuf library refuses what nests deeper than 100 messages, and two nested
macros are a dozen. The tree is that of macros expanded, which is what the engine runs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Wire types of Protocol Buffers.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Fields of cel.expr.CheckedExpr, SourceInfo and Expr (proto/cel/expr/checked.proto, syntax.proto).
_EXPR, _SOURCE, _POSITIONS, _ID = 4, 5, 4, 2
# What a loop without a variable of its own has in its place: it is cel.bind().
UNUSED: Final = "#unused"
_Fields: TypeAlias = "dict[int, list[Any]]"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression."""

    id: int
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Const(Node):
    """A literal."""

    value: Any = None


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


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """A list that is written out."""


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """A map or record that is written out: keys and values in turns."""


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """A loop, as macros expand to; its parts are range, start, condition, step and result.

    Range and start are outside of its names, the result sees the accumulator, condition and step see both.
    """

    variable: str = ""
    accumulator: str = ""
    # A second variable, which no macro of this engine makes.
    second: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression, and where each of its nodes begins: the offset in characters by id."""

    root: Node
    positions: dict[int, int]


def read_tree(serialized: bytes) -> Tree:
    """The tree of a serialized expression (wrapped in google.protobuf.Any).

    Raises ValueError for what is none; RecursionError is left to whoever calls from far down.
    """
    try:
        checked = _fields(_one(_fields(serialized), 2))
        positions = {}
        for entry in _fields(_one(checked, _SOURCE)).get(_POSITIONS, ()):
            pair = _fields(entry)
            positions[_one(pair, 1, 0)] = _one(pair, 2, 0)
        return Tree(_node(_one(checked, _EXPR)), positions)
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        message = f"the engine's tree of the expression cannot be read: {error}"
        raise ValueError(message) from error


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(found.parts)


def free_names(root: Node) -> Iterator[tuple[Node, Node | None]]:
    """The names that no loop binds, each with the node that it is the first part of, if that selects a field of it."""
    waiting: list[tuple[Node, Node | None, frozenset[str]]] = [(root, None, frozenset())]
    while waiting:
        node, parent, bound = waiting.pop()
        if isinstance(node, Ident):
            if node.name not in bound:
                yield node, parent
        elif isinstance(node, Comprehension):
            ranged, start, condition, step, result = node.parts
            gathering = bound | {node.accumulator}
            inside = gathering | {node.variable, node.second}
            waiting += [(ranged, None, bound), (start, None, bound), (result, None, gathering)]
            waiting += [(condition, None, inside), (step, None, inside)]
        else:
            owner = node if isinstance(node, Select) else None
            waiting += [(part, owner, bound) for part in node.parts]


def written(node: Node) -> str:
    """A part of an expression without the ids of its parts: the same for the same meaning as written."""
    parts = ",".join(written(part) for part in node.parts)
    match node:
        case Const():
            return f"{type(node.value).__name__}:{node.value!r}"
        case Ident():
            return node.name
        case Select():
            return f"{parts}.{node.field}{'?' if node.tests else ''}"
        case Call():
            return f"{node.function}({parts})"
        case Comprehension():
            return f"loop({node.variable};{node.accumulator};{parts})"
        case _:
            return f"{type(node).__name__}[{parts}]"


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset in characters."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def _node(data: bytes) -> Node:
    """A cel.expr.Expr."""
    expr = _fields(data)
    for number, read in _KINDS.items():
        if number in expr:
            return read(_one(expr, _ID, 0), _fields(expr[number][0]))
    return Const(_one(expr, _ID, 0))


def _constant(node_id: int, constant: _Fields) -> Const:
    for number, read in _CONSTANTS.items():
        if number in constant:
            return Const(node_id, value=read(constant[number][0]))
    return Const(node_id)


def _ident(node_id: int, ident: _Fields) -> Ident:
    return Ident(node_id, name=_text(ident, 1))


def _select(node_id: int, select: _Fields) -> Select:
    return Select(node_id, (_node(_one(select, 1)),), field=_text(select, 2), tests=bool(_one(select, 3, 0)))


def _call(node_id: int, call: _Fields) -> Call:
    return Call(node_id, tuple(_node(part) for part in (*call.get(1, ()), *call.get(3, ()))), function=_text(call, 2))


def _list(node_id: int, literal: _Fields) -> ListLiteral:
    return ListLiteral(node_id, tuple(_node(part) for part in literal.get(1, ())))


def _map(node_id: int, literal: _Fields) -> MapLiteral:
    parts: list[Node] = []
    for entry in map(_fields, literal.get(2, ())):
        # A record's field has a name, a map's entry a key that is an expression.
        parts.append(Const(0, value=_text(entry, 2)) if 2 in entry else _node(_one(entry, 3)))
        parts.append(_node(_one(entry, 4)))
    return MapLiteral(node_id, tuple(parts))


def _comprehension(node_id: int, loop: _Fields) -> Comprehension:
    parts = tuple(_node(_one(loop, number)) for number in (2, 4, 5, 6, 7))
    return Comprehension(node_id, parts, variable=_text(loop, 1), accumulator=_text(loop, 3), second=_text(loop, 8))


# The fields of cel.expr.Expr that say what it is.
_KINDS: Final[dict[int, Callable[[int, _Fields], Node]]] = {
    3: _constant, 4: _ident, 5: _select, 6: _call, 7: _list, 8: _map, 9: _comprehension,
}  # fmt: skip
# Those of cel.expr.Constant: null, bool, int64, uint64, double, string, bytes.
_CONSTANTS: Final[dict[int, Callable[[Any], Any]]] = {
    1: lambda _: None,
    2: bool,
    3: lambda value: value - (1 << 64) if value >= 1 << 63 else value,
    4: int,
    5: lambda value: struct.unpack("<d", value)[0],
    6: lambda value: bytes(value).decode(),
    7: bytes,
}


def _one(fields: _Fields, number: int, default: Any = b"") -> Any:  # noqa: ANN401 - bytes or a number
    return fields[number][0] if number in fields else default


def _text(fields: _Fields, number: int) -> str:
    return bytes(_one(fields, number)).decode()


def _fields(data: bytes) -> _Fields:
    """The fields of a protobuf message by number; IndexError where it is cut off."""
    found: _Fields = {}
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        value: Any
        if kind == _VARINT:
            value, place = _varint(data, place)
        else:
            if kind == _BYTES:
                length, place = _varint(data, place)
            else:
                length = {_FIXED64: 8, _FIXED32: 4}[kind]
            value, place = data[place : place + length], place + length
            if place > len(data):
                message = "it is cut off"
                raise IndexError(message)
        found.setdefault(key >> 3, []).append(value)
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
