"""What a fault means in words: the value, what was expected instead, and how to mend it."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import Violation
from studbook.domain.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema_rs import ValidationError

    from studbook.schemas.subschemas import JsonSchema, Path

SHOWN_LIMIT: Final = 80
_LISTED: Final = 12
_COMPARED: Final = 1000
# Every code of a fault, by the keyword that finds it. They are part of the API and stay as they are.
CODES: Final = {
    "required": "missing_attribute",
    "additionalProperties": "unknown_attribute",
    "unevaluatedProperties": "unknown_attribute",
    "type": "wrong_type",
    "enum": "not_in_enum",
    "const": "not_the_constant",
    "pattern": "pattern_mismatch",
    "format": "bad_format",
    "minimum": "too_small",
    "exclusiveMinimum": "too_small",
    "maximum": "too_large",
    "exclusiveMaximum": "too_large",
    "multipleOf": "not_a_multiple",
    "minLength": "too_short",
    "maxLength": "too_long",
    "minItems": "too_few_items",
    "maxItems": "too_many_items",
    "uniqueItems": "not_unique",
    "contains": "wrong_count",
    "unevaluatedItems": "unknown_item",
    "minProperties": "too_few_members",
    "maxProperties": "too_many_members",
    "propertyNames": "bad_name",
    "not": "excluded",
    "falseSchema": "not_allowed",
    "anyOf": "no_alternative",
    "oneOf": "no_alternative",
}
SEVERAL_ALTERNATIVES: Final = "several_alternatives"
_OTHER: Final = "invalid"

_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}
_FORMATS: Final = {
    "date-time": "an RFC 3339 time with its zone, such as 2026-03-01T12:00:00Z",
    "date": "a day, such as 2026-03-01",
    "time": "a time of day with its zone, such as 12:00:00Z",
    "duration": "a length of time in ISO 8601, such as PT36H",
    "email": "an e-mail address",
    "idn-email": "an e-mail address",
    "uri": "an absolute URI, such as https://example.org/a",
    "uri-reference": "a URI or a part of one",
    "uuid": "a UUID",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "regex": "a regular expression",
    "json-pointer": "a JSON Pointer, such as /attributes/license",
}


def shown(value: Any, limit: int = SHOWN_LIMIT) -> str:  # noqa: ANN401 - any JSON value
    """A value as it stands in a sentence: a scalar in at most `limit` characters, anything else by its kind."""
    if isinstance(value, dict | list):
        noun, count = ("an object", len(value)) if isinstance(value, dict) else ("a list", len(value))
        return f"{noun} of {count}"
    if isinstance(value, str):
        return repr(value) if len(value) <= limit else f"{value[: limit - 1]!r}…"
    text = json.dumps(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def closest(word: str, known: list[str]) -> str:
    """'; did you mean …?' when one of the known words is nearly the same."""
    if len(word) > SHOWN_LIMIT:
        return ""
    found = difflib.get_close_matches(word, known[:_COMPARED], n=1)
    return f"; did you mean {shown(found[0])}?" if found else ""


def one_of(kinds: list[str]) -> str:
    """The types in words: 'text or null'."""
    words = [_TYPES.get(kind, kind) for kind in sorted(kinds, key=lambda kind: (kind == "null", kind))]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says what is wrong with one document."""

    json_schema: JsonSchema
    document: Any
    prefix: Path
    # The pointers of the personal places.
    hidden: tuple[str, ...]

    def tell(self, error: ValidationError) -> Iterator[Violation]:
        """The violations that an error of the library stands for."""
        path = (*self.prefix, *error.instance_path)
        keyword = error.kind.name
        if keyword == "required":
            name = error.kind.as_dict()["property"]
            yield self._violation((*path, name), error, lambda _: f"{shown(name)} is missing here; add it")
        elif keyword in ("additionalProperties", "unevaluatedProperties") or self._is_closed_object(error):
            for name in self._unexpected(error):
                yield self._violation((*path, name), error, lambda _, name=name: self._unknown(error, name))  # type: ignore[misc]
        else:
            yield self._violation(path, error, lambda value: self._sentence(error, value))

    def _violation(self, path: Path, error: ValidationError, sentence: Callable[[Any], str]) -> Violation:
        place = pointer(path)
        code = _code(error)
        for private in self.hidden:
            if place == private or place.startswith(f"{private}/"):
                return Violation(private, code, _PRIVATE.get(code, _PRIVATE_OTHER))
        return Violation(place, code, sentence(self._at(error)))

    def _at(self, error: ValidationError) -> Any:  # noqa: ANN401 - any JSON value
        value = self.document
        for step in error.instance_path:
            value = value[step]
        return value

    def _is_closed_object(self, error: ValidationError) -> bool:
        # The library names the member only where the schema has other members to tell it from.
        return error.kind.name == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]

    def _unexpected(self, error: ValidationError) -> list[str]:
        names = error.kind.as_dict().get("unexpected")
        return list(self._at(error)) if names is None else list(names)

    def _unknown(self, error: ValidationError, name: str) -> str:
        known = list(self._keyword(error, "properties") or ())
        return f"{shown(name)} is not known here; remove it or look for a misspelling{closest(name, known)}"

    def _keyword(self, error: ValidationError, keyword: str) -> Any:  # noqa: ANN401 - a keyword's value
        """Another keyword of the schema that the error comes from, or None."""
        schema: Any = self.json_schema
        for step in error.schema_path[:-1]:
            inside = isinstance(schema, dict) or (isinstance(schema, list) and isinstance(step, int) and step < len(schema))
            if not inside or (isinstance(schema, dict) and step not in schema):
                return None
            schema = schema[step]
        return schema.get(keyword) if isinstance(schema, dict) else None

    def _sentence(self, error: ValidationError, value: Any) -> str:  # noqa: ANN401 - any JSON value
        kind = error.kind.as_dict()
        keyword = error.kind.name
        if keyword in ("anyOf", "oneOf"):
            return self._alternatives(error, kind["context"])
        if keyword == "contains":
            return _contained(error, self._keyword(error, "minContains"), self._keyword(error, "maxContains"))
        if keyword == "propertyNames":
            inner = kind["error"]
            name = inner.instance if isinstance(inner.instance, str) else ""
            return f"the name {shown(name)} is not allowed here: {_plain(inner, name)}"
        return _plain(error, value)

    def _alternatives(self, error: ValidationError, context: list[list[ValidationError]]) -> str:
        if _code(error) == SEVERAL_ALTERNATIVES:
            fitting = [_ordinal(number) for number, errors in enumerate(context) if not errors]
            return f"this fits the {' and the '.join(fitting)} alternative at once, and just one is allowed"
        number = _nearest(context, len(error.instance_path))
        if number is None:
            return f"this fits none of the {len(context)} alternatives"
        told = list(dict.fromkeys(violation for inner in context[number] for violation in self.tell(inner)))
        place = pointer((*self.prefix, *error.instance_path))
        parts = [
            violation.message if violation.pointer == place else f"at {_shortened(violation.pointer)}: {violation.message}"
            for violation in told[:3]
        ]
        return f"this fits none of the {len(context)} alternatives; the {_ordinal(number)} comes nearest: {'; '.join(parts)}"


def _code(error: ValidationError) -> str:
    if type(error.kind).__name__ == "OneOfMultipleValid":
        return SEVERAL_ALTERNATIVES
    keyword = error.kind.name
    if keyword == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]:
        keyword = "additionalProperties"
    return CODES.get(keyword, _OTHER)


_BARE: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null")
_PRIVATE: Final = {
    "missing_attribute": "something is missing in this personal value; see its schema",
    "unknown_attribute": "this personal value has a member that its schema does not know",
    "wrong_type": "this personal value has another type than its schema says",
    "not_in_enum": "this personal value is none of those that its schema allows",
    "bad_format": "this personal value is not written in the format that its schema says",
}
_PRIVATE_OTHER: Final = "this personal value is not as its schema says"


def _plain(error: ValidationError, value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A sentence for an error that needs nothing but the value and the keyword's own."""
    say = _SENTENCES.get(error.kind.name)
    return f"{shown(value)} is not as the schema says" if say is None else say(value, error.kind.as_dict())


def _enum(value: Any, kind: dict[str, Any]) -> str:  # noqa: ANN401 - any JSON value
    options = kind["options"]
    listed = ", ".join(str(option) if isinstance(option, str) else shown(option) for option in options[:_LISTED])
    listed = listed if len(listed) <= 4 * SHOWN_LIMIT else f"{listed[: 4 * SHOWN_LIMIT]}…"
    more = f" and {len(options) - _LISTED} more" if len(options) > _LISTED else ""
    words = [option for option in options if isinstance(option, str)]
    return f"{shown(value)} is none of: {listed}{more}{closest(value, words) if isinstance(value, str) else ''}"


def _type(value: Any, kind: dict[str, Any]) -> str:  # noqa: ANN401 - any JSON value
    types = kind["types"]
    remedy = ""
    if types == ["string"] and not isinstance(value, dict | list | None):
        remedy = "; put it in quotes"
    elif isinstance(value, str) and _BARE.fullmatch(value) and not {"object", "array"} & set(types):
        remedy = "; write it without quotes"
    return f"{shown(value)} stands here, and {one_of(types)} is expected{remedy}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bound(relation: str) -> Callable[[Any, dict[str, Any]], str]:
    return lambda value, kind: f"{shown(value)} is {relation} {shown(kind['limit'])}"


def _size(noun: str, allowed: str) -> Callable[[Any, dict[str, Any]], str]:
    remedy = "add some" if allowed == "at least" else "remove some"

    def say(value: Any, kind: dict[str, Any]) -> str:  # noqa: ANN401 - any JSON value
        return f"{_counted(len(value), noun)} here, and {allowed} {kind['limit']:,} are allowed; {remedy}"

    return say


def _length(allowed: str) -> Callable[[Any, dict[str, Any]], str]:
    def say(value: Any, kind: dict[str, Any]) -> str:  # noqa: ANN401 - any JSON value
        return f"{shown(value)} has {_counted(len(value), 'character')}, and {allowed} {kind['limit']:,} are allowed"

    return say


def _repeated(value: Any, _: dict[str, Any]) -> str:  # noqa: ANN401 - any JSON value
    seen: dict[str, int] = {}
    for position, item in enumerate(value):
        first = seen.setdefault(json.dumps(item, sort_keys=True), position)
        if first != position:
            return f"each item may stand once, and those at {first} and {position} are the same; remove one"
    return "each item may stand once, and some are the same"


_SENTENCES: Final[dict[str, Callable[[Any, dict[str, Any]], str]]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value, kind: f"{shown(value)} stands here, and only {shown(kind['expected_value'])} is allowed",
    "pattern": lambda value, kind: f"{shown(value)} does not match the pattern {shown(kind['pattern'])}",
    "format": lambda value, kind: f"{shown(value)} is not {_FORMATS.get(kind['format'], 'of the format ' + kind['format'])}",
    "minimum": _bound("less than the minimum"),
    "exclusiveMinimum": _bound("not greater than"),
    "maximum": _bound("greater than the maximum"),
    "exclusiveMaximum": _bound("not less than"),
    "multipleOf": lambda value, kind: f"{shown(value)} is not a multiple of {shown(kind['multiple_of'])}",
    "minLength": _length("at least"),
    "maxLength": _length("at most"),
    "minItems": _size("item", "at least"),
    "maxItems": _size("item", "at most"),
    "minProperties": _size("member", "at least"),
    "maxProperties": _size("member", "at most"),
    "uniqueItems": _repeated,
    "unevaluatedItems": lambda *_: "the list has items that its schema does not know; remove those at its end",
    "not": lambda value, _: f"{shown(value)} is what the schema excludes here (its 'not')",
    "falseSchema": lambda value, _: f"nothing may stand here, and {shown(value)} does; remove it",
}


def _contained(error: ValidationError, least: Any, most: Any) -> str:  # noqa: ANN401 - keywords' values
    if error.schema_path[-1:] == ["maxContains"]:
        return f"more than {most} items fit what the list may contain ('contains'); remove some"
    return f"at least {1 if least is None else least} item(s) must fit what the list has to contain ('contains'), and fewer do"


def _nearest(context: list[list[ValidationError]], depth: int) -> int | None:
    """The alternative with the least wrong: one whose own type fits, whose constants fit, with the fewest faults."""

    def distance(number: int) -> tuple[int, int, int, int]:
        errors = context[number]
        own = sum(error.kind.name in ("type", "enum", "const") and len(error.instance_path) == depth for error in errors)
        marks = sum(error.kind.name in ("const", "falseSchema") for error in errors)
        return own, marks, len(errors), number

    return min(range(len(context)), key=distance) if context else None


def _ordinal(number: int) -> str:
    position = number + 1
    ending = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending}"


def _shortened(place: str) -> str:
    return place if len(place) <= SHOWN_LIMIT else f"…{place[1 - SHOWN_LIMIT :]}"
