"""How much work a JSON Schema makes of a document, reckoned before it meets one.

A validator judges one value by many subschemas, and by one that is reached on two ways twice. Where such a subschema leads
on to itself in a member, the work doubles with each level of the document. What that comes to at most is counted here, along
one way into a document as deep as documents may be, so that no schema makes a document cost minutes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from studbook.domain.parsing import DEPTH_LIMIT
from studbook.domain.pointers import pointer
from studbook.schemas.subschemas import SAME, iter_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from studbook.schemas.subschemas import JsonSchema, Subschemas

# How often the values along one way into a document may be judged. Real schemas stay below 500.
EVALUATION_LIMIT: Final = 10_000

_NAMED: Final = {"properties": "object", "prefixItems": "array"}
# What judges the members that 'properties' does not name, the items that 'prefixItems' does not reach.
_REST: Final = {"additionalProperties": "object", "items": "array"}
_EACH: Final = {
    "patternProperties": "object",
    "propertyNames": "object",
    "unevaluatedProperties": "object",
    "contains": "array",
    "unevaluatedItems": "array",
}


@dataclass(slots=True)
class _Inside:
    """What judges a value inside an object, or inside a list: by any name, and by each name in particular."""

    always: Counter[str] = field(default_factory=Counter)
    named: dict[str | int, Counter[str]] = field(default_factory=dict)

    def cost(self, costs: dict[str, int]) -> int:
        """The work of the name that makes the most."""
        most = max((sum(times * costs[part] for part, times in parts.items()) for parts in self.named.values()), default=0)
        return sum(times * costs[part] for part, times in self.always.items()) + max(most, 0)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that a subschema judges: what all that judge it in the end weigh, and what they lead on to."""

    weight: int
    insides: tuple[_Inside, ...]


def find_circle(subschemas: Subschemas) -> str | None:
    """The pointer of a subschema that refers to itself without going deeper into the document, or None."""
    return _order(_links(subschemas))[1]


def count_evaluations(subschemas: Subschemas) -> int:
    """How often the values along one way into a document are judged at most; EVALUATION_LIMIT + 1 stands for any more."""
    return _sum(subschemas, lambda _: 1, EVALUATION_LIMIT + 1)


def count_faults(subschemas: Subschemas, most: int) -> int:
    """How many faults the values along one way into a document can have; `most` stands for any more.

    A value's members may add one each where their names are judged (`propertyNames`), which is not counted.
    """
    return _sum(subschemas, _possible_faults, most)


def _possible_faults(schema: JsonSchema) -> int:
    if isinstance(schema, bool):
        return 1
    dependent = schema.get("dependentRequired", {}).values()
    return len(schema) + len(schema.get("required", ())) + sum(len(names) for names in dependent)


def _sum(subschemas: Subschemas, weigh: Callable[[JsonSchema], int], most: int) -> int:
    """What the subschemas that judge the values along one way weigh, on the way where that is the most."""
    links = _links(subschemas)
    order, circle = _order(links)
    if circle is not None:
        return most
    rank = {place: position for position, place in enumerate(order)}
    weights = {place: weigh(schema) for place, schema in subschemas.by_pointer.items()}
    values: dict[str, _Value] = {}
    pending = [""]
    while pending:
        place = pending.pop()
        if place not in values:
            times = _judging(place, rank, links, most)
            insides = _insides(subschemas, times)
            values[place] = _Value(min(sum(weights[part] * count for part, count in times.items()), most), insides)
            pending.extend(part for inside in insides for parts in (inside.always, *inside.named.values()) for part in parts)
    costs = dict.fromkeys(values, 0)
    for _ in range(DEPTH_LIMIT + 1):
        deeper = {
            place: min(value.weight + max(inside.cost(costs) for inside in value.insides), most)
            for place, value in values.items()
        }
        if deeper == costs:
            break
        costs = deeper
    return costs[""]


def _links(subschemas: Subschemas) -> dict[str, list[str]]:
    """Of each subschema, those that judge the same value on its behalf."""
    links = {}
    for place, schema in subschemas.by_pointer.items():
        parts = iter_parts(schema) if isinstance(schema, dict) else ()
        inner = [place + pointer(path) for path, part in parts if path[0] in SAME and isinstance(part, bool | dict)]
        links[place] = subschemas.references(place) + inner
    return links


def _judging(start: str, rank: dict[str, int], links: dict[str, list[str]], most: int) -> Counter[str]:
    """How often each subschema judges the value which the one at `start` judges."""
    reached = {start}
    pending = [start]
    while pending:
        for part in links[pending.pop()]:
            if part not in reached:
                reached.add(part)
                pending.append(part)
    times: Counter[str] = Counter({start: 1})
    # Those come first that the others are judged on behalf of.
    for place in sorted(reached, key=rank.__getitem__, reverse=True):
        times[place] = min(times[place], most)
        for part in links[place]:
            times[part] += times[place]
    return times


def _insides(subschemas: Subschemas, times: Counter[str]) -> tuple[_Inside, ...]:
    insides = {"object": _Inside(), "array": _Inside()}
    for place, count in times.items():
        _lead_on(subschemas, place, count, insides)
    return tuple(insides.values())


def _lead_on(subschemas: Subschemas, place: str, count: int, insides: dict[str, _Inside]) -> None:
    schema = subschemas.by_pointer[place]
    if isinstance(schema, bool):
        return
    for path, part in iter_parts(schema):
        keyword = str(path[0])
        inner = place + pointer(path)
        if not isinstance(part, bool | dict):
            continue
        if keyword in _NAMED:
            named = insides[_NAMED[keyword]].named.setdefault(path[1], Counter())
            named[inner] += count
            # The member that is named here is none of the rest.
            rest = "additionalProperties" if keyword == "properties" else "items"
            if isinstance(schema.get(rest), bool | dict):
                named[place + pointer((rest,))] -= count
        elif keyword in _REST or keyword in _EACH:
            insides[(_REST | _EACH)[keyword]].always[inner] += count


def _order(links: dict[str, list[str]]) -> tuple[list[str], str | None]:
    """The pointers such that each comes after those that judge the same value, and one that closes a circle."""
    order: dict[str, None] = {}
    open_now: set[str] = set()
    for start, first in links.items():
        way: list[tuple[str, Iterator[str]]] = [] if start in order else [_enter(start, first, open_now)]
        while way:
            place, rest = way[-1]
            following = next((part for part in rest if part not in order), None)
            if following is None:
                way.pop()
                open_now.discard(place)
                order[place] = None
            elif following in open_now:
                return list(order), following
            else:
                way.append(_enter(following, links[following], open_now))
    return list(order), None


def _enter(place: str, parts: Iterable[str], open_now: set[str]) -> tuple[str, Iterator[str]]:
    open_now.add(place)
    return place, iter(parts)
