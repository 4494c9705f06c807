"""Claims about all elements of a list, which are true of an empty one.

`L.all(…)` is no proof when L is empty. Whether something beside it sees to that cannot be told from the words alone: in
`L.size() > 0 || L.all(…)` it is named and does nothing. So the expression is reckoned as if L were empty, as far as that is
certain without facts; where the loop may still lead to true, the claim is vacuous.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from studbook.governance.syntax import UNUSED, Call, Comprehension, Const, Ident, ListLiteral, Select, walk, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from studbook.governance.syntax import Node


def find_vacuous(root: Node, variables: Mapping[str, Node], params: Mapping[str, Any]) -> Iterator[Comprehension]:
    """The loops of an expression that may lead to true for want of elements; `variables` are those that it may read."""
    for loop in walk(root):
        if _is_all(loop) and not _holds_something(over := _source(loop.parts[0]), params):
            emptied = _Emptied(written(over), variables, params)
            if emptied.leads(root, loop, 1):
                yield loop


def _is_all(node: Node) -> TypeGuard[Comprehension]:
    """Whether it is all(): its step is `gathered && …`."""
    return _steps(node, "_&&_")


def _is_exists(node: Node) -> TypeGuard[Comprehension]:
    return _steps(node, "_||_")


def _steps(node: Node, function: str) -> TypeGuard[Comprehension]:
    if not isinstance(node, Comprehension) or node.variable == UNUSED:
        return False
    step = node.parts[3]
    if not isinstance(step, Call) or step.function != function:
        return False
    gathered = step.parts[0]
    return isinstance(gathered, Ident) and gathered.name == node.accumulator


def _is_exists_one(node: Node) -> TypeGuard[Comprehension]:
    """Whether it is exists_one(): a loop that compares what it counted."""
    return isinstance(node, Comprehension) and node.variable != UNUSED and isinstance(node.parts[4], Call)


def _gathers(node: Node) -> TypeGuard[Comprehension]:
    """Whether it is map() or filter(): a loop that begins with an empty list."""
    return isinstance(node, Comprehension) and node.variable != UNUSED and isinstance(node.parts[1], ListLiteral)


def _source(over: Node) -> Node:
    """What a list is made of by map(), which makes as many of it."""
    while _gathers(over) and isinstance(over.parts[3], Call) and over.parts[3].function == "_+_":
        over = over.parts[0]
    return over


def _parameter(node: Node, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(node, Select) and isinstance(node.parts[0], Ident) and node.parts[0].name == "params":
        return params.get(node.field)
    return None


def _holds_something(over: Node, params: Mapping[str, Any]) -> bool:
    """Whether it is a list that is written out or a parameter, and not empty."""
    return bool(over.parts) if isinstance(over, ListLiteral) else bool(_parameter(over, params))


_COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge, "_==_": operator.eq, "_!=_": operator.ne,
}  # fmt: skip


class _Emptied:
    """An expression reckoned as if one list were empty."""

    def __init__(self, over: str, variables: Mapping[str, Node], params: Mapping[str, Any]) -> None:
        self._over = over
        self._variables = variables
        self._params = params

    def leads(self, node: Node, loop: Node, sign: int) -> bool:
        """Whether the loop's being true may make the node true (`sign` 1), false (-1), or something else (0)."""
        if node is loop:
            return sign >= 0
        match node:
            case Call(function="!_"):
                return self.leads(node.parts[0], loop, -sign)
            case Call(function="_&&_" | "_||_"):
                one, other = node.parts
                settled = node.function == "_||_"
                return (self.leads(one, loop, sign) and self.truth(other) is not settled) or (
                    self.leads(other, loop, sign) and self.truth(one) is not settled
                )
            case Call(function="_?_:_"):
                asked, then, otherwise = node.parts
                truth = self.truth(asked)
                return (
                    self.leads(asked, loop, 0)
                    or (truth is not False and self.leads(then, loop, sign))
                    or (truth is not True and self.leads(otherwise, loop, sign))
                )
            case Comprehension():
                return self._leads_within(node, loop, sign)
            case _:
                return any(self.leads(part, loop, 0) for part in node.parts)

    def _leads_within(self, node: Comprehension, loop: Node, sign: int) -> bool:
        ranged, start, condition, step, result = node.parts
        if self.leads(ranged, loop, 0) or self.leads(start, loop, 0) or self.leads(result, loop, sign):
            return True
        if self._is_empty(ranged):
            # It goes round not once.
            return False
        inside = sign if _is_all(node) or _is_exists(node) else 0
        return self.leads(condition, loop, 0) or self.leads(step, loop, inside)

    def truth(self, node: Node) -> bool | None:  # noqa: PLR0911 - a case for each form
        """What a condition certainly is; None where that depends on facts."""
        match node:
            case Const() if isinstance(node.value, bool):
                return node.value
            case Call(function="!_"):
                inner = self.truth(node.parts[0])
                return None if inner is None else not inner
            case Call(function="_&&_" | "_||_"):
                settled = node.function == "_||_"
                sides = [self.truth(part) for part in node.parts]
                return settled if settled in sides else None if None in sides else not settled
            case Call(function="_?_:_"):
                return self._chosen(node)
            case Call() if node.function in _COMPARED:
                return self._compared(node)
            case Select(parts=(Ident(name="variables"),)) if node.field in self._variables:
                return self.truth(self._variables[node.field])
            case Comprehension(variable=variable) if variable == UNUSED:
                return self.truth(node.parts[4])
            case Comprehension() if self._is_empty(node.parts[0]):
                return True if _is_all(node) else False if _is_exists(node) or _is_exists_one(node) else None
            case _:
                return None

    def _chosen(self, node: Call) -> bool | None:
        asked, then, otherwise = (self.truth(part) for part in node.parts)
        if asked is None:
            return then if then is otherwise else None
        return then if asked else otherwise

    def _compared(self, node: Call) -> bool | None:
        one, other = node.parts
        compare = _COMPARED[node.function]
        for read in (self._number, self.truth, self._length) if node.function in {"_==_", "_!=_"} else (self._number,):
            sides = read(one), read(other)
            if None not in sides:
                # Two lists are alike for certain only when both are empty, and differ when one of them is.
                return compare(*sides) if read != self._length or 0 in sides else None
        return None

    def _number(self, node: Node) -> int | None:
        value = node.value if isinstance(node, Const) else _parameter(node, self._params)
        if type(value) is int:
            return value
        counts = isinstance(node, Call) and node.function == "size" and len(node.parts) == 1
        return 0 if counts and self._is_empty(node.parts[0]) else None

    def _length(self, node: Node) -> int | None:
        """How many elements a list has that is written out or empty."""
        return 0 if self._is_empty(node) else len(node.parts) if isinstance(node, ListLiteral) else None

    def _is_empty(self, node: Node) -> bool:
        """Whether it is the list that is empty, or made of its elements."""
        while written(node) != self._over:
            if not _gathers(node):
                return False
            node = node.parts[0]
        return True
