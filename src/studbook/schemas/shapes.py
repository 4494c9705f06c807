"""What many JSON values have in common, gathered one by one in bounded memory.

A shape forgets what goes beyond its limits and remembers that it did, so that nothing is claimed of what was forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.schemas.definition import ValueType
from studbook.schemas.validation import compile_schema
from studbook.schemas.values import read_value

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shapes in all, and the members that one object may have: a schema of them stays within the bounds of schemas.
SHAPE_LIMIT: Final = 600
MEMBER_LIMIT: Final = 200
DEPTH_LIMIT: Final = 10
KEY_LENGTH_LIMIT: Final = 100
OPTION_LIMIT: Final = 12
OPTION_LENGTH_LIMIT: Final = 40
# An object has keys that nobody can foresee when it was seen with this many, and none of them in every second object.
_FORESEEABLE: Final = 12
# A text is one of few options when each option stands for this many texts on average.
_TEXTS_PER_OPTION: Final = 3

_FORMATS: Final = {
    name: (kind, compile_schema({"format": name}))
    for name, kind in (("date-time", ValueType.TIMESTAMP), ("date", ValueType.DATE), ("duration", ValueType.DURATION))
}


@dataclass(slots=True)
class Texts:
    """The texts of one place: their few different ones, the longest, and the formats that all are written in."""

    count: int = 0
    options: set[str] | None = field(default_factory=set)
    longest: int = 0
    lines: bool = False
    formats: frozenset[str] = frozenset(_FORMATS)

    def add(self, text: str) -> None:
        """Take in one text."""
        self.count += 1
        self.longest = max(self.longest, len(text))
        self.lines = self.lines or "\n" in text
        if self.formats:
            self.formats = frozenset(name for name in self.formats if _is_written(name, text))
        if self.options is not None and text not in self.options:
            self.options.add(text)
            if len(self.options) > OPTION_LIMIT or len(text) > OPTION_LENGTH_LIMIT:
                self.options = None

    @property
    def format(self) -> str | None:
        """The format that all texts are written in, or None."""
        return next((name for name in _FORMATS if self.count and name in self.formats), None)

    @property
    def choices(self) -> list[str] | None:
        """The different texts, when they are few and each stands for several."""
        if not self.options or self.format is not None or self.count < _TEXTS_PER_OPTION * len(self.options):
            return None
        return sorted(self.options)


def _is_written(name: str, text: str) -> bool:
    """Whether a text has the format, both for a validator and for the column that would hold it."""
    kind, validator = _FORMATS[name]
    return read_value(kind, text) is not None and validator.is_valid(text)


@dataclass(slots=True)
class Room:
    """How many more shapes there may be."""

    left: int = SHAPE_LIMIT


@dataclass(slots=True)
class Shape:
    """What the values of one place have in common."""

    room: Room
    depth: int = 0
    count: int = 0
    # How many values were of each JSON type.
    types: dict[str, int] = field(default_factory=dict)
    texts: Texts = field(default_factory=Texts)
    members: dict[str, Shape] = field(default_factory=dict)
    # Whether an object had members that are forgotten; of which types the members of all objects were.
    open: bool = False
    member_types: set[str] = field(default_factory=set)
    items: Shape | None = None

    def add(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Take in one value."""
        kind = json_type(value)
        self.count += 1
        self.types[kind] = self.types.get(kind, 0) + 1
        if kind == "string":
            self.texts.add(value)
        elif kind == "object":
            self._add_members(value)
        elif kind == "array" and value and (self.items is not None or self._has_room()):
            self.items = self.items or self._inner()
            for item in value:
                self.items.add(item)

    def _add_members(self, value: dict[str, Any]) -> None:
        for key, member in value.items():
            self.member_types.add(json_type(member))
            shape = self.members.get(key)
            if shape is None:
                if len(self.members) >= MEMBER_LIMIT or len(key) > KEY_LENGTH_LIMIT or not self._has_room():
                    self.open = True
                    continue
                shape = self.members[key] = self._inner()
            shape.add(member)

    def _has_room(self) -> bool:
        return self.room.left > 0 and self.depth < DEPTH_LIMIT

    def _inner(self) -> Shape:
        self.room.left -= 1
        return Shape(self.room, self.depth + 1)

    @property
    def unforeseeable(self) -> bool:
        """Whether the members' names are an open set."""
        objects = self.types.get("object", 0)
        seldom = all(shape.count * 2 <= objects for shape in self.members.values())
        return self.open or (len(self.members) >= _FORESEEABLE and objects > 1 and seldom)

    def iter_always(self) -> Iterator[str]:
        """The members that each object had."""
        return (name for name, shape in self.members.items() if shape.count == self.types["object"])


def json_type(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The type of a JSON value in the words of JSON Schema."""
    if isinstance(value, bool):
        return "boolean"
    return _TYPES.get(type(value), "null")


_TYPES: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    tuple: "array",
}
