"""What differs between two JSON Schemas, in sentences about their members."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.pointers import pointer
from studbook.schemas.sentences import shown
from studbook.schemas.subschemas import ANNOTATIONS, REFERENCES, Subschemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.schemas.subschemas import JsonSchema, Path

_SENTENCE_LIMIT: Final = 50
_DEPTH_LIMIT: Final = 12
_LISTED: Final = 5
# Keywords whose value a sentence can show before and after.
_SHOWN: Final = (
    "const", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "format", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip
_CONDITIONS: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
)


def describe_changes(old: JsonSchema, new: JsonSchema) -> list[str]:
    """Up to 50 sentences about what the members of a document may be from now on."""
    changes = _changes(_Side.of(old), _Side.of(new), (), 0)
    return list(dict.fromkeys(itertools.islice(changes, _SENTENCE_LIMIT)))


@dataclass(frozen=True, slots=True)
class _Side:
    """A subschema of one of the two, with the document that its references mean."""

    schema: dict[str, Any]
    subschemas: Subschemas

    @classmethod
    def of(cls, json_schema: JsonSchema) -> _Side:
        subschemas = Subschemas.of(json_schema)
        return cls({}, subschemas).at(json_schema)

    def at(self, schema: Any) -> _Side:  # noqa: ANN401 - a subschema, or nothing
        """A subschema with what it refers to; `false` as one that allows nothing."""
        for _ in range(_DEPTH_LIMIT):
            if not isinstance(schema, dict):
                break
            places = [self.subschemas.find_target(schema[keyword]) for keyword in REFERENCES if keyword in schema]
            target = self.subschemas.by_pointer[places[0]] if places and places[0] is not None else None
            if not isinstance(target, dict):
                break
            schema = {**target, **{key: value for key, value in schema.items() if key not in REFERENCES}}
        return _Side(schema if isinstance(schema, dict) else {"not": {}} if schema is False else {}, self.subschemas)


def _changes(old: _Side, new: _Side, path: Path, depth: int) -> Iterator[str]:
    if _meaning(old.schema) == _meaning(new.schema) and old.subschemas.by_pointer == new.subschemas.by_pointer:
        return
    place = pointer(path)
    yield from _own_changes(old.schema, new.schema, place)
    yield from _member_changes(old.schema, new.schema, path)
    if depth >= _DEPTH_LIMIT:
        return
    before, after = _members(old.schema), _members(new.schema)
    for name in before.keys() & after.keys():
        yield from _changes(old.at(before[name]), new.at(after[name]), (*path, name), depth + 1)
    for keyword in ("items", "additionalProperties"):
        if isinstance(old.schema.get(keyword), dict) and isinstance(new.schema.get(keyword), dict):
            yield from _changes(old.at(old.schema[keyword]), new.at(new.schema[keyword]), (*path, "*"), depth + 1)


def _members(schema: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = schema.get("properties", {})
    return dict(sorted(members.items()))


def _meaning(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ANNOTATIONS}


def _own_changes(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    subject = place or "the document"
    before, after = old.get("type"), new.get("type")
    if before != after:
        yield f"{subject}: type {_kinds(before)} became {_kinds(after)}"
    yield from _option_changes(old.get("enum"), new.get("enum"), subject)
    for keyword in _SHOWN:
        if old.get(keyword) != new.get(keyword):
            yield f"{subject}: {_shown_change(keyword, old, new)}"
    for keyword in _CONDITIONS:
        if old.get(keyword) != new.get(keyword):
            yield f"{subject}: the condition {keyword!r} {_verb(keyword, old, new)}"


def _kinds(said: Any) -> str:  # noqa: ANN401 - a keyword's value
    if said is None:
        return "anything"
    return said if isinstance(said, str) else " or ".join(said)


def _verb(keyword: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    if keyword not in old:
        return "was added"
    return "changed" if keyword in new else "was removed"


def _shown_change(keyword: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    if keyword not in old:
        return f"{keyword} is now {shown(new[keyword])}"
    if keyword not in new:
        return f"{keyword} {shown(old[keyword])} was removed"
    return f"{keyword} {shown(old[keyword])} became {shown(new[keyword])}"


def _option_changes(before: list[Any] | None, after: list[Any] | None, subject: str) -> Iterator[str]:
    if before is None and after is not None:
        yield f"{subject} now allows only {_listed(after)}"
    elif after is None and before is not None:
        yield f"{subject} is no longer limited to {_listed(before)}"
    elif before is not None and after is not None:
        if gone := [option for option in before if option not in after]:
            yield f"{subject} no longer allows {_listed(gone)}"
        if added := [option for option in after if option not in before]:
            yield f"{subject} now allows {_listed(added)} too"


def _listed(options: list[Any]) -> str:
    more = f" and {len(options) - _LISTED} more" if len(options) > _LISTED else ""
    return ", ".join(shown(option) for option in options[:_LISTED]) + more


def _member_changes(old: dict[str, Any], new: dict[str, Any], path: Path) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    must, must_now = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(after.keys() - before.keys()):
        yield f"{pointer((*path, name))} was added, {'required' if name in must_now else 'optional'}"
    for name in sorted(before.keys() - after.keys()):
        yield f"{pointer((*path, name))} was removed"
    for name in sorted(must_now - must - (after.keys() - before.keys())):
        yield f"{pointer((*path, name))} is now required"
    for name in sorted(must - must_now - (before.keys() - after.keys())):
        yield f"{pointer((*path, name))} is no longer required"
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if (old.get(keyword) is False) != (new.get(keyword) is False):
            closed = new.get(keyword) is False
            subject = pointer(path) or "the document"
            yield f"{subject} {'no longer takes' if closed else 'now takes'} members that it does not name"
