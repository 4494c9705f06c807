"""JSON Pointers (RFC 6901): places in a JSON value."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def pointer(path: tuple[str | int, ...]) -> str:
    """The pointer along these keys and positions."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def find_at(value: Any, place: str) -> Any:  # noqa: ANN401 - any JSON value
    """What stands at a JSON Pointer, or None when there is nothing."""
    for step in _steps(place):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def replaced(value: Any, changes: Iterable[tuple[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a JSON value with other values at these pointers; a place that is not there is passed over."""
    changes = list(changes)
    if not changes:
        return value
    result = copy.deepcopy(value)
    for place, replacement in changes:
        *way, last = _steps(place)
        parent = find_at(result, pointer(tuple(way)))
        if isinstance(parent, dict) and last in parent:
            parent[last] = replacement
        elif isinstance(parent, list) and last.isdigit() and int(last) < len(parent):
            parent[int(last)] = replacement
    return result


def _steps(place: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in place.split("/")[1:]]
