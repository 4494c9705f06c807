"""Example documents of a JSON Schema: small ones, full ones, and ones that go to a limit.

They are proposals. A schema says things that no simple rule can fulfil (a pattern, `not`, `if`), so whoever uses an example
asks the validator about it first.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from studbook.schemas.subschemas import REFERENCES, Subschemas
from studbook.schemas.validation import compile_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from studbook.schemas.subschemas import JsonSchema

_DEPTH_LIMIT: Final = 16
# How many values an example may hold; past half of them, only what is required is filled in.
_VALUE_LIMIT: Final = 400
_TURNS: Final = 8
_MEMBERS: Final = 64
_NOTHING: Final = object()
_DIGEST: Final = "sha256:" + "0" * 64
# Texts of which one often matches a pattern or a format.
_TEXTS: Final = (
    "a", "A", "1", "aa", "a1", "1.0", "1.0.0", "en", "en-GB", "a@example.org", "2026-03-01T12:00:00Z", "2026-03-01", "12:00:00Z",
    "PT36H", "https://example.org/a", "example.org", "00000000-0000-4000-8000-000000000000", "192.0.2.1", "2001:db8::1", "/a",
    _DIGEST, _DIGEST[7:], "0" * 40, "models/a/versions/1", "a/b", "a-b", "a b", "", "unforeseen text",
)  # fmt: skip
_LONGEST: Final = 70_000
_NUMBERS: Final = (0, 1, 0.5, -1, 100, 1.5)
_LIMITS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SCALAR: Final = (*_LIMITS, "type", "minLength", "maxLength", "pattern", "format", "const", "enum")
_KINDS: Final = ("object", "string", "number", "boolean", "array", "null")
# Keywords that show what a schema without `type` is about.
_HINTS: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": _LIMITS,
}
_ALTERNATIVES: Final = ("anyOf", "oneOf")
_MERGED: Final = frozenset({*REFERENCES, *_ALTERNATIVES, "allOf"})
UNFORESEEN: Final = "unforeseen"


def iter_examples(json_schema: JsonSchema) -> Iterator[Any]:
    """Up to a few hundred proposals for documents that satisfy the schema, the smallest first."""
    first = _Maker(Subschemas.of(json_schema), 0)
    for turn, filled, extra in itertools.product(range(_TURNS), (False, True), (False, True)):
        example = replace(first, turn=turn, filled=filled, extra=extra).make(json_schema)
        if example is not _NOTHING:
            yield example
    yield from _one_by_one(first, json_schema)


def _one_by_one(first: _Maker, json_schema: JsonSchema) -> Iterator[Any]:
    """The smallest object with one member more or otherwise, for each member in turn."""
    smallest = replace(first).make(json_schema)
    whole = first.merged(json_schema)
    if not isinstance(smallest, dict) or not isinstance(whole, dict):
        return
    for name, inner in itertools.islice(whole.get("properties", {}).items(), _MEMBERS):
        for turn, filled in itertools.product(range(_TURNS), (False, True)):
            value = replace(first, turn=turn, filled=filled).make(inner)
            if value is not _NOTHING:
                yield {**smallest, name: value}


@dataclass(slots=True)
class _Maker:
    """Makes one example: of several values that would do, it takes the one whose turn it is."""

    subschemas: Subschemas
    turn: int
    # Whether members that may be left out are there, and one that the schema does not name.
    filled: bool = False
    extra: bool = False
    made: int = 0
    # The scalars that each schema of some allows, which all makers of one document share.
    allowed: dict[str, list[Any]] = field(default_factory=dict)

    def make(self, schema: JsonSchema, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value, or _NOTHING
        """A value for a schema, or _NOTHING."""
        schema = self.merged(schema)
        self.made += 1
        if schema is False or depth > _DEPTH_LIMIT or self.made > _VALUE_LIMIT:
            return _NOTHING
        if schema is True:
            return self._choose(["a", 1, None, {}, []])
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choose(schema["enum"])
        kind = self._kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        return self._array(schema, depth) if kind == "array" else self._scalar(schema, kind)

    def merged(self, schema: JsonSchema) -> Any:  # noqa: ANN401 - a schema; mypy tells True from False
        """The schema with what it refers to, all of `allOf`, and one of each set of alternatives."""
        for _ in range(_DEPTH_LIMIT):
            if isinstance(schema, bool):
                return schema
            places = [self.subschemas.find_target(schema[keyword]) for keyword in REFERENCES if keyword in schema]
            parts = [self.subschemas.by_pointer[place] for place in places if place is not None]
            parts += schema.get("allOf", ())
            parts += [self._choose(schema[keyword]) for keyword in _ALTERNATIVES if schema.get(keyword)]
            if not parts:
                return schema
            schema = _all_of([{key: value for key, value in schema.items() if key not in _MERGED}, *parts])
        return schema

    def _choose(self, options: Sequence[Any]) -> Any:  # noqa: ANN401 - any JSON value
        return options[self.turn % len(options)] if options else _NOTHING

    def _kind(self, schema: dict[str, Any]) -> str:
        kinds = schema.get("type", _KINDS)
        if isinstance(kinds, str):
            return kinds
        hinted = [kind for kind in kinds if any(keyword in schema for keyword in _HINTS.get(kind, ()))]
        return str(self._choose([*hinted, *(kind for kind in kinds if kind not in hinted)]))

    def _object(self, schema: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - an object, or _NOTHING
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        required = schema.get("required", ())
        wanted = dict.fromkeys(required)
        if self.filled and self.made < _VALUE_LIMIT // 2:
            wanted |= dict.fromkeys(properties)
        if self.extra:
            matching = _matching_names(schema)
            properties = {**matching, **properties}
            wanted |= dict.fromkeys([UNFORESEEN, *matching])
        missing = min(schema.get("minProperties", 0), _MEMBERS) - len(wanted)
        wanted |= dict.fromkeys(f"{UNFORESEEN}_{number}" for number in range(missing))
        made: dict[str, Any] = {}
        for name in wanted:
            value = self.make(properties.get(name, rest), depth + 1)
            if value is not _NOTHING:
                made[name] = value
            elif name in required:
                return _NOTHING
        return made

    def _array(self, schema: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - a list, or _NOTHING
        first = list(schema.get("prefixItems", ()))
        contained = [schema["contains"]] * min(schema.get("minContains", 1), _MEMBERS) if "contains" in schema else []
        # Two items are the same where they may be.
        least = max(schema.get("minItems", 0), len(contained), self.filled + self.extra)
        if least > _MEMBERS:
            return _NOTHING
        items = []
        for position in range(least):
            known = [first[position] if position < len(first) else schema.get("items", True), *contained[position : position + 1]]
            # Lists whose items may stand once need different ones.
            turn = self.turn + position if schema.get("uniqueItems") else self.turn
            maker = replace(self, turn=turn)
            value = maker.make(_all_of(known), depth + 1)
            self.made = maker.made
            if value is _NOTHING and position < max(schema.get("minItems", 0), len(contained)):
                return _NOTHING
            items += [] if value is _NOTHING else [value]
        return items

    def _scalar(self, schema: dict[str, Any], kind: str) -> Any:  # noqa: ANN401 - a scalar, or _NOTHING
        leaf = {keyword: value for keyword, value in schema.items() if keyword in _SCALAR} | {"type": kind}
        key = json.dumps([leaf, schema.get("examples"), schema.get("default")])
        if key not in self.allowed:
            self.allowed[key] = _allowed(leaf, _scalars(schema, kind))
        return self._choose(self.allowed[key])


def _allowed(leaf: dict[str, Any], values: list[Any]) -> list[Any]:
    try:
        validator = compile_schema(leaf)
    except ValueError:
        return []
    return [value for value in values if validator.is_valid(value)]


def _matching_names(schema: dict[str, Any]) -> dict[str, Any]:
    """A name for each pattern of names, as far as a known text matches it, with what is said of such members."""
    found: dict[str, Any] = {}
    for pattern, inner in itertools.islice(schema.get("patternProperties", {}).items(), _TURNS):
        try:
            matches = compile_schema({"pattern": pattern}).is_valid
        except ValueError:
            continue
        name = next((text for text in _TEXTS if matches(text)), None)
        if name is not None:
            found.setdefault(name, inner)
    return found


def _scalars(schema: dict[str, Any], kind: str) -> list[Any]:
    if kind == "null":
        return [None]
    if kind == "boolean":
        return [False, True]
    if kind == "string":
        said = [text for text in [*schema.get("examples", ()), schema.get("default")] if isinstance(text, str)]
        lengths = [schema.get("minLength", 0), schema.get("maxLength", 0)]
        return [*said, *_TEXTS, *("a" * length for length in lengths if 0 < length <= _LONGEST)]
    limits = [schema[keyword] for keyword in _LIMITS if keyword in schema]
    return [*limits, *(limit + step for limit in limits for step in (1, -1, 0.5, -0.5)), *_NUMBERS]


def _all_of(schemas: list[JsonSchema]) -> JsonSchema:
    """One schema that says what several say, as far as an example needs it."""
    result: dict[str, Any] = {}
    for schema in schemas:
        if schema is False:
            return False
        for keyword, value in schema.items() if isinstance(schema, dict) else ():
            if keyword not in result:
                result[keyword] = value
            elif result[keyword] != value:
                _add(result, keyword, value)
    return result


def _add(result: dict[str, Any], keyword: str, value: Any) -> None:  # noqa: ANN401 - a keyword's value
    """Say a keyword a second time."""
    said = result[keyword]
    if keyword == "properties":
        both = {name: {"allOf": [said[name], inner]} if name in said else inner for name, inner in value.items()}
        result[keyword] = {**said, **both}
    elif keyword == "required":
        result[keyword] = [*said, *value]
    elif keyword == "type":
        kinds = [value] if isinstance(value, str) else value
        result[keyword] = [kind for kind in ([said] if isinstance(said, str) else said) if kind in kinds] or said
    elif keyword == "enum":
        result[keyword] = [option for option in said if option in value] or said
    elif keyword in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
        result[keyword] = max(said, value)
    elif keyword in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
        result[keyword] = min(said, value)
    elif keyword in ("items", "additionalProperties", "contains"):
        result[keyword] = {"allOf": [said, value]}
    else:
        result.setdefault("allOf", [])
        result["allOf"] = [*result["allOf"], *(value if keyword == "allOf" else [{keyword: value}])]
