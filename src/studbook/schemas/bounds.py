"""What a JSON Schema must be to be taken in: every fault of it, each at its place.

A schema comes from outside and is run against documents from outside. So it is of the dialect 2020-12 and of bounded size,
refers to nothing outside itself, has patterns that an engine without backtracking runs, never goes in a circle, and cannot
make a document cost more than EVALUATION_LIMIT. And it means something: some document satisfies it, and each part of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jsonschema_rs import canonical

from studbook.domain.canonical import canonical_json
from studbook.domain.errors import MalformedInputError, Violation
from studbook.domain.parsing import check_value
from studbook.domain.pointers import find_at, pointer
from studbook.schemas.sentences import closest, shown
from studbook.schemas.subschemas import ANCHORS, REFERENCES, Subschemas, iter_subschemas
from studbook.schemas.validation import CANONICAL_OPTIONS, DIALECT, Validator, canonicalize, compile_schema
from studbook.schemas.workload import EVALUATION_LIMIT, count_evaluations, find_circle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from studbook.schemas.subschemas import JsonSchema

SIZE_LIMIT: Final = 256 * 1024
SUBSCHEMA_LIMIT: Final = 2_000
PATTERN_LENGTH_LIMIT: Final = 1_024
# Each may take 4 MiB once compiled.
PATTERN_LIMIT: Final = 128
# Comparing schemas takes time with the cube of the number of different steps: a tenth of a second for fifty.
MULTIPLE_LIMIT: Final = 50
_FAULT_LIMIT: Final = 100

FORMATS: Final = frozenset(
    {
        "date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri",
        "uri-reference", "iri", "iri-reference", "uuid", "uri-template", "json-pointer", "relative-json-pointer", "regex",
    }
)  # fmt: skip
# Keywords of earlier dialects that say nothing in this one: what was meant by them would silently not be checked.
_REPLACED: Final = {
    "dependencies": "'dependentRequired' or 'dependentSchemas'",
    "additionalItems": "'items' (and 'prefixItems' for what 'items' was)",
    "$recursiveRef": "'$dynamicRef'",
    "$recursiveAnchor": "'$dynamicAnchor'",
}
_UNESCAPED: Final = r"(?<!\\)(?:\\\\)*"
_LOOK_AROUND: Final = re.compile(_UNESCAPED + r"\(\?(?:=|!|<=|<!)")
_BACK_REFERENCE: Final = re.compile(_UNESCAPED + r"\\(?:[1-9]|k[<{])")
# What limits from below, and what from above.
_RANGES: Final = (
    ("minimum", "maximum"), ("exclusiveMinimum", "maximum"), ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"), ("minItems", "maxItems"),
    ("minProperties", "maxProperties"), ("minContains", "maxContains"),
)  # fmt: skip
# The dialect's own schema refers outside itself, so what it finds is not counted: at most a few faults for a value, each said
# by the eight vocabularies.
_DIALECT_SCHEMA: Final = {"$ref": DIALECT}
_DIALECT_VALIDATOR: Final = Validator(_DIALECT_SCHEMA, compile_schema(_DIALECT_SCHEMA), 64, judges_names=False, longest_choice=0)


def find_schema_faults(json_schema: Any) -> list[Violation]:  # noqa: ANN401 - whatever was sent as a schema
    """The faults of a JSON Schema, at most 100; none when it may be used."""
    if faults := _find_size_faults(json_schema):
        return faults
    faults = [*_dialect_faults(json_schema), *_keyword_faults(json_schema)]
    if not faults:
        faults = [*_reference_faults(Subschemas.of(json_schema)), *_pattern_faults(json_schema)]
    if not faults:
        faults = _find_work_faults(json_schema) or list(_contradictions(json_schema))
    return faults[:_FAULT_LIMIT]


def _find_size_faults(json_schema: Any) -> list[Violation]:  # noqa: ANN401 - whatever was sent as a schema
    if not isinstance(json_schema, dict | bool):
        return [Violation("", "wrong_type", "a JSON Schema is an object, or true or false")]
    try:
        check_value(json_schema)
    except MalformedInputError as error:
        return list(error.violations)
    size = len(canonical_json(json_schema))
    if size > SIZE_LIMIT:
        return [Violation("", "too_large", f"the schema takes {size:,} bytes of JSON; {SIZE_LIMIT:,} are allowed")]
    count = sum(1 for _ in iter_subschemas(json_schema))
    if count > SUBSCHEMA_LIMIT:
        message = (
            f"the schema consists of {count:,} subschemas; {SUBSCHEMA_LIMIT:,} are allowed; say repeated parts once in $defs"
        )
        return [Violation("", "too_many_subschemas", message)]
    return []


def _dialect_faults(json_schema: JsonSchema) -> Iterator[Violation]:
    for fault in _DIALECT_VALIDATOR.find_faults(json_schema):
        if fault.pointer.endswith("/items") or fault.pointer == "/items":
            yield Violation(fault.pointer, fault.code, f"{fault.message}; a list of schemas is 'prefixItems' in this dialect")
        else:
            yield fault


def _keyword_faults(json_schema: JsonSchema) -> Iterator[Violation]:
    """What the dialect allows and Studbook does not, or what means nothing."""
    steps: set[Any] = set()
    for path, schema in iter_subschemas(json_schema):
        if isinstance(schema, dict):
            for keyword, code, message in _bad_keywords(schema, inner=bool(path)):
                yield Violation(pointer((*path, keyword)), code, message)
            if isinstance(step := schema.get("multipleOf"), int | float):
                steps.add(step)
    if len(steps) > MULTIPLE_LIMIT:
        yield Violation("", "too_many_steps", f"'multipleOf' has {len(steps)} different values; {MULTIPLE_LIMIT} are allowed")


def _bad_keywords(schema: dict[str, Any], *, inner: bool) -> Iterator[tuple[str, str, str]]:
    """Keyword, code and message of each fault."""
    if schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        yield "$schema", "unknown_dialect", f"the dialect is {DIALECT}; write that, or leave '$schema' out"
    if inner and "$id" in schema:
        yield "$id", "nested_id", "only the whole schema may have an '$id'; name a part with '$anchor', or put it in $defs"
    if "$vocabulary" in schema:
        yield "$vocabulary", "vocabulary", "a schema of documents has no vocabularies; remove it"
    for keyword in _REPLACED.keys() & schema.keys():
        yield keyword, "replaced_keyword", f"{keyword!r} says nothing in this dialect; write {_REPLACED[keyword]}"
    known = schema.get("format")
    if isinstance(known, str) and known not in FORMATS:
        hint = closest(known, sorted(FORMATS)) or f"; there are {', '.join(sorted(FORMATS))}"
        yield "format", "unknown_format", f"{shown(known)} is no format{hint}"


def _reference_faults(subschemas: Subschemas) -> Iterator[Violation]:
    names: dict[str, str] = {}
    for place, schema in subschemas.by_pointer.items():
        if isinstance(schema, bool):
            continue
        for keyword in ANCHORS:
            first = names.setdefault(schema[keyword], place) if keyword in schema else place
            if first != place:
                message = f"{shown(schema[keyword])} names {first or 'the whole schema'} too; choose another name"
                yield Violation(f"{place}/{keyword}", "duplicate_anchor", message)
        for keyword in REFERENCES:
            fault = _find_reference_fault(subschemas, schema[keyword]) if keyword in schema else None
            if fault:
                code = "dangling_reference" if schema[keyword].startswith("#") else "foreign_reference"
                yield Violation(f"{place}/{keyword}", code, fault)


def _find_reference_fault(subschemas: Subschemas, reference: str) -> str | None:
    if not reference.startswith("#"):
        return (
            f"{shown(reference)} leads out of the schema, and nothing is fetched; copy what is meant into $defs and refer to that"
        )
    if subschemas.find_target(reference) is not None:
        return None
    if not reference.startswith("#/"):
        return f"no subschema has the anchor {shown(reference[1:])}{closest(reference[1:], sorted(subschemas.anchors))}"
    return f"{shown(reference)} leads to no subschema{closest(reference, [f'#{place}' for place in subschemas.by_pointer])}"


def _pattern_faults(json_schema: JsonSchema) -> Iterator[Violation]:
    places: dict[str, str] = {}
    for path, schema in iter_subschemas(json_schema):
        if isinstance(schema, dict):
            if "pattern" in schema:
                places.setdefault(schema["pattern"], pointer((*path, "pattern")))
            for pattern in schema.get("patternProperties", ()):
                places.setdefault(pattern, pointer((*path, "patternProperties", pattern)))
    if len(places) > PATTERN_LIMIT:
        yield Violation("", "too_many_patterns", f"the schema has {len(places)} different patterns; {PATTERN_LIMIT} are allowed")
        return
    for pattern, place in places.items():
        if fault := _find_pattern_fault(pattern):
            yield Violation(place, "bad_pattern", fault)


def _find_pattern_fault(pattern: str) -> str | None:
    if len(pattern) > PATTERN_LENGTH_LIMIT:
        return f"the pattern has {len(pattern):,} characters; {PATTERN_LENGTH_LIMIT:,} are allowed"
    try:
        compile_schema({"pattern": pattern})
    except ValueError:
        if _LOOK_AROUND.search(pattern):
            return (
                "look-around such as (?=…) is not available, since patterns must run in linear time; say it with 'not' or 'allOf'"
            )
        if _BACK_REFERENCE.search(pattern):
            return r"a back-reference such as \1 is not available, since patterns must run in linear time; say it without one"
        return f"{shown(pattern)} is no regular expression, or one too large; for long repetitions say minLength and maxLength"
    return None


def _find_work_faults(json_schema: JsonSchema) -> list[Violation]:
    subschemas = Subschemas.of(json_schema)
    circle = find_circle(subschemas)
    if circle is not None:
        message = (
            "this subschema comes back to itself at the same value, so it never says anything; refer to it from a member or item"
        )
        return [Violation(circle, "endless_reference", message)]
    if count_evaluations(subschemas) > EVALUATION_LIMIT:
        message = (
            f"one value of a document would be judged more than {EVALUATION_LIMIT:,} times, since parts refer to one another on "
            "many ways; refer to a part once, and say alternatives of it there"
        )
        return [Violation("", "too_much_work", message)]
    try:
        compile_schema(json_schema)
    except ValueError as error:
        return [Violation("", "not_usable", f"the schema cannot be compiled: {str(error).partition(chr(10))[0][:200]}")]
    return []


def _contradictions(json_schema: JsonSchema) -> Iterator[Violation]:
    try:
        found = canonical.find_unsatisfiable(json_schema, **CANONICAL_OPTIONS)
        # Reckoned only where it can be, since it takes as long again.
        endless = not found and _refers(json_schema) and canonicalize(json_schema).satisfiability() == canonical.Satisfiability.NO
    except ValueError:
        # What the library cannot compare is not known to be contradictory.
        return
    if endless:
        message = "no document can satisfy this schema: it requires a document within each document, without end"
        yield Violation("", "unsatisfiable", message)
    for place, reason in found.items():
        schema = find_at(json_schema, place)
        # `false`, and `not` of everything, are how one says that nothing may stand at a place.
        meant = place != "" and (not isinstance(schema, dict) or schema.get("not") in (True, {}))
        if not meant and not (isinstance(schema, dict) and _follows(schema, found.keys())):
            why = _find_impossible_member(schema, place, found.keys()) or _explain(json_schema, reason)
            yield Violation(place, "unsatisfiable", f"no document can satisfy {place or 'this schema'}: {why}")


def _refers(json_schema: JsonSchema) -> bool:
    return any(
        isinstance(schema, dict) and not schema.keys().isdisjoint(REFERENCES) for _, schema in iter_subschemas(json_schema)
    )


def _find_impossible_member(schema: Any, place: str, contradictory: Collection[str]) -> str | None:  # noqa: ANN401 - a subschema
    """That a member is required where nothing may stand, if that is so."""
    if not isinstance(schema, dict):
        return None
    for name in schema.get("required", ()):
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if inner is False or f"{place}{pointer(('properties', name))}" in contradictory:
            return f"{shown(name)} is required, and nothing may stand there"
    return None


def _follows(schema: dict[str, Any], contradictory: Collection[str]) -> bool:
    """Whether a subschema is contradictory since it refers to one that is, which is named itself."""
    return any(str(schema.get(keyword, "")).removeprefix("#") in contradictory for keyword in REFERENCES if keyword in schema)


def _explain(json_schema: JsonSchema, reason: canonical.UnsatisfiableReason) -> str:
    if isinstance(reason, canonical.UnsatisfiableReason.Conflict):
        parts = [(cause.pointer, keyword) for cause in reason.causes for keyword in cause.keywords]
    elif isinstance(reason, canonical.UnsatisfiableReason.Empty):
        parts = [(reason.cause.pointer, keyword) for keyword in reason.cause.keywords]
    else:
        return "it is false"
    values = {part: _keyword(json_schema, *part) for part in parts}
    for (place, low), least in values.items():
        for most in (most for lower, most in _RANGES if lower == low and (place, most) in values):
            relation = ">" if least > values[place, most] else "leaves nothing below"
            return f"{low} {shown(least)} {relation} {most} {shown(values[place, most])}"
    several = len({place for place, _ in values}) > 1
    said = [f"{keyword}{_brief(value)}{f' at {place}' if several else ''}" for (place, keyword), value in values.items()]
    return " and ".join(said) + " exclude one another" if len(said) > 1 else "".join(said) or "its parts exclude one another"


def _keyword(json_schema: JsonSchema, place: str, keyword: str) -> Any:  # noqa: ANN401 - a keyword's value
    schema = find_at(json_schema, place)
    return schema.get(keyword) if isinstance(schema, dict) else schema


def _brief(value: Any) -> str:  # noqa: ANN401 - a keyword's value
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        listed = ", ".join(shown(item, 40) for item in value[:4])
        return f" [{listed}{', …' if len(value) > 4 else ''}]"  # noqa: PLR2004 - enough to recognise it
    return "" if isinstance(value, dict | list) else f" {shown(value)}"
