"""The subschemas of a JSON Schema: where they stand, and which refers to which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from studbook.domain.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

JsonSchema = dict[str, Any] | bool
Path = tuple[str | int, ...]

# Keywords whose subschemas judge the same value again.
_SAME_ONE: Final = ("not", "if", "then", "else")
_SAME_LIST: Final = ("allOf", "anyOf", "oneOf")
_SAME_MAP: Final = ("dependentSchemas",)
# Keywords whose subschemas judge a member, an item or a name.
_INNER_ONE: Final = ("items", "contains", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames")
_INNER_LIST: Final = ("prefixItems",)
_INNER_MAP: Final = ("properties", "patternProperties")
# Subschemas that judge nothing where they stand.
_APART_ONE: Final = ("contentSchema",)
_APART_MAP: Final = ("$defs", "definitions")

_ONE: Final = (*_SAME_ONE, *_INNER_ONE, *_APART_ONE)
_LIST: Final = (*_SAME_LIST, *_INNER_LIST)
_MAP: Final = (*_SAME_MAP, *_INNER_MAP, *_APART_MAP)
SAME: Final = frozenset({*_SAME_ONE, *_SAME_LIST, *_SAME_MAP})
APPLICATORS: Final = frozenset({*_ONE, *_LIST, *_MAP})
# What a schema says without judging.
ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"})
REFERENCES: Final = ("$ref", "$dynamicRef")
ANCHORS: Final = ("$anchor", "$dynamicAnchor")


def iter_subschemas(json_schema: JsonSchema) -> Iterator[tuple[Path, JsonSchema]]:
    """Every subschema with its path, the whole first. What is not a schema is passed over."""
    pending: list[tuple[Path, Any]] = [((), json_schema)]
    while pending:
        path, current = pending.pop()
        if isinstance(current, bool | dict):
            yield path, current
        if isinstance(current, dict):
            # The last that is put in comes out first, and parts come in the order they are written in.
            pending.extend(reversed([(path + step, inner) for step, inner in iter_parts(current)]))


def iter_parts(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """What stands directly in a schema where a subschema belongs, with the way to it."""
    for keyword in _ONE:
        if keyword in schema:
            yield (keyword,), schema[keyword]
    for keyword in _LIST:
        if isinstance(branches := schema.get(keyword), list):
            yield from (((keyword, position), inner) for position, inner in enumerate(branches))
    for keyword in _MAP:
        if isinstance(members := schema.get(keyword), dict):
            yield from (((keyword, name), inner) for name, inner in members.items())


@dataclass(frozen=True, slots=True)
class Subschemas:
    """The subschemas of one document by their pointers, and the anchors that name some of them."""

    by_pointer: dict[str, JsonSchema]
    anchors: dict[str, str]

    @classmethod
    def of(cls, json_schema: JsonSchema) -> Subschemas:
        """The subschemas of a JSON Schema."""
        by_pointer = {pointer(path): inner for path, inner in iter_subschemas(json_schema)}
        named = [
            (inner[keyword], place)
            for place, inner in by_pointer.items()
            if isinstance(inner, dict)
            for keyword in ANCHORS
            if isinstance(inner.get(keyword), str)
        ]
        return cls(by_pointer, dict(named))

    def find_target(self, reference: str) -> str | None:
        """The pointer that a reference within the document leads to, or None when no subschema stands there."""
        fragment = unquote(reference.removeprefix("#"))
        place = fragment if not fragment or fragment.startswith("/") else self.anchors.get(fragment)
        return place if place in self.by_pointer else None

    def references(self, place: str) -> list[str]:
        """Where the subschema at a pointer refers to."""
        schema = self.by_pointer[place]
        if isinstance(schema, bool):
            return []
        found = [self.find_target(schema[keyword]) for keyword in REFERENCES if isinstance(schema.get(keyword), str)]
        return [target for target in found if target is not None]
