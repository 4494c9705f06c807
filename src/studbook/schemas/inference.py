"""A draft of a definition from the model versions there are: what they have in common, and where to keep it.

Every document that the draft was made of satisfies it. It takes one pass, and memory does not grow with the documents.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from studbook.domain.pointers import pointer
from studbook.schemas.checking import RESERVED
from studbook.schemas.definition import ATTRIBUTE_LIMIT, DEFINITION_SCHEMA, Describes, Mode, Store, ValueType
from studbook.schemas.paths import BadPathError, parse_path
from studbook.schemas.shapes import Room, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from studbook.domain.canonical import JsonObject
    from studbook.schemas.subschemas import Path

METRIC_LIMIT: Final = 10
_METRICS_COUNTED: Final = 1_000
# A longer text is read and searched for words, not compared; an index holds at most 512 characters.
_LONG_TEXT: Final = 200
_PATH_LIMIT: Final = 512
# Texts that are few only since few were seen.
_IDENTIFYING: Final = frozenset({"uri", "digest", "name", "id"})
# Maps whose keys are the writer's own.
_OPEN_MAPS: Final = frozenset({"tags", "identifiers"})
_TYPE_ORDER: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
_VALUE_TYPES: Final = {
    "string": ValueType.STRING,
    "integer": ValueType.INTEGER,
    "number": ValueType.NUMBER,
    "boolean": ValueType.BOOLEAN,
    "date-time": ValueType.TIMESTAMP,
    "date": ValueType.DATE,
    "duration": ValueType.DURATION,
}
_STEP_LENGTH: Final = 60
_STEPS_IN_NAME: Final = 8
_NAME_LENGTH: Final = 250


def infer(documents: Iterable[JsonObject], *, name: str) -> JsonObject:
    """A definition document, as YAML or JSON would hold it, that all these model versions' documents satisfy.

    `name` is the definition's, of the form that definitions' names have.
    """
    whole = Shape(Room())
    measured: Counter[tuple[str, str | None]] = Counter()
    for document in documents:
        whole.add(document)
        _count_metrics(document, measured)
    proposals = [*_metric_proposals(measured), *_proposals(whole)]
    return {
        "schema": DEFINITION_SCHEMA,
        "name": name,
        "describes": Describes.MODEL_VERSION.value,
        "description": f"A draft from {whole.count:,} model version{'' if whole.count == 1 else 's'}.",
        "compatibility": Mode.BACKWARD.value,
        "json_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(whole, ())},
        "attributes": list(_numbered(proposals[:ATTRIBUTE_LIMIT])),
    }


def _count_metrics(document: JsonObject, measured: Counter[tuple[str, str | None]]) -> None:
    metrics = document.get("metrics")
    for metric in metrics if isinstance(metrics, list) else ():
        if isinstance(metric, dict) and isinstance(metric.get("name"), str):
            split = metric.get("split")
            what = (metric["name"], split if isinstance(split, str) else None)
            if what in measured or len(measured) < _METRICS_COUNTED:
                measured[what] += 1


def _schema(shape: Shape, path: Path) -> JsonObject:
    """What all values of a shape satisfy."""
    types = _types(shape.types)
    if not types:
        return {}
    schema: JsonObject = {"type": types[0] if len(types) == 1 else types}
    choices = _choices(shape, path)
    if choices is not None:
        schema["enum"] = [*choices, *([None] if "null" in types else [])]
    elif shape.texts.format is not None:
        schema["format"] = shape.texts.format
    if "object" in types:
        schema |= _object_schema(shape, path)
    if shape.items is not None:
        schema["items"] = _schema(shape.items, (*path, "*"))
    return schema


def _choices(shape: Shape, path: Path) -> list[str] | None:
    """The few different texts of a place where they are a choice: not in lists, and not what identifies something."""
    chosen = path[:1] in (("attributes",), ("parameters",)) and "*" not in path and path[-1] not in _IDENTIFYING
    return shape.texts.choices if chosen and set(shape.types) <= {"string", "null"} else None


def _object_schema(shape: Shape, path: Path) -> JsonObject:
    if path and (path[0] in _OPEN_MAPS or shape.unforeseeable):
        types = _types(dict.fromkeys(shape.member_types, 1))
        return {"additionalProperties": {"type": types[0] if len(types) == 1 else types}} if types else {}
    schema: JsonObject = {}
    if shape.members:
        schema["properties"] = {name: _schema(member, (*path, name)) for name, member in sorted(shape.members.items())}
    if always := sorted(shape.iter_always()):
        schema["required"] = always
    # Closed by default, so that a misspelling is found and a later version can add members; what was seen is all named.
    if path[:1] == ("attributes",) and not shape.open:
        schema["additionalProperties"] = False
    return schema


def _types(counts: dict[str, int]) -> list[str]:
    """The types; 'number' includes whole numbers."""
    return [kind for kind in _TYPE_ORDER if kind in counts and not (kind == "integer" and "number" in counts)]


def _proposals(whole: Shape) -> Iterator[JsonObject]:
    """The attributes under /attributes, without ids and names; what stands on top comes first."""
    attributes = whole.members.get("attributes")
    pending: list[tuple[Path, Shape]] = [(("attributes",), attributes)] if attributes is not None else []
    while pending:
        path, shape = pending.pop(0)
        if _leads_on(path, shape):
            pending.extend(((*path, name), member) for name, member in sorted(shape.members.items()))
        elif len(path) > 1 or shape.unforeseeable:
            yield from _placed(path, shape)


def _leads_on(path: Path, shape: Shape) -> bool:
    """Whether the members are attributes rather than the whole."""
    alone = _types(shape.types) == ["object"] and bool(shape.members) and not shape.unforeseeable
    return alone and (len(path) == 1 or not _is_artifact(shape)) and len(path) < _STEPS_IN_NAME


def _is_artifact(shape: Shape) -> bool:
    return {"uri", "digest"} <= shape.members.keys() and set(shape.types) <= {"object", "null"}


def _placed(path: Path, shape: Shape) -> Iterator[JsonObject]:
    place = pointer(path)
    scalars = shape.member_types - {"null"}
    # In a path, '*' means every member.
    if len(place) > _PATH_LIMIT - 2 or "*" in path:
        return
    kinds = [kind for kind in _types(shape.types) if kind != "null"]
    if kinds == ["object"] and shape.unforeseeable and scalars and not scalars & {"object", "array"}:
        members = _types(dict.fromkeys(scalars, 1))
        kind = _VALUE_TYPES[members[0]] if len(members) == 1 else ValueType.ANY
        proposal: JsonObject = {"path": f"{place}/*", "type": kind.value, "store": Store.KEY_VALUE.value}
    elif kinds == ["object"] and _is_artifact(shape):
        proposal = {"path": place, "type": ValueType.ANY.value, "store": Store.ARTIFACT.value}
    elif kinds == ["string"] and (shape.texts.longest > _LONG_TEXT or shape.texts.lines):
        proposal = {"path": place, "type": ValueType.STRING.value, "store": Store.FULL_TEXT.value}
    elif len(kinds) == 1 and kinds[0] in _VALUE_TYPES:
        kind = _VALUE_TYPES[shape.texts.format or kinds[0]]
        proposal = {"path": place, "type": kind.value, "store": Store.COLUMN.value}
        if _choices(shape, path) is not None:
            proposal["facet"] = True
    else:
        proposal = {"path": place, "type": ValueType.ANY.value, "store": Store.DOCUMENT.value}
    if _is_path(proposal["path"]):
        yield {"name": ".".join(_word(str(step)) for step in path[1:][:_STEPS_IN_NAME]) or "attributes", **proposal}


def _metric_proposals(measured: Counter[tuple[str, str | None]]) -> Iterator[JsonObject]:
    """Columns for the metrics that most versions have."""
    ranked = sorted(measured.items(), key=lambda entry: (-entry[1], entry[0][0], entry[0][1] or ""))
    found = 0
    for (name, split), _ in ranked:
        chosen = f"name={name}" if split is None else f"name={name},split={split}"
        path = f"/metrics[{chosen}]/value"
        if found < METRIC_LIMIT and len(path) <= _PATH_LIMIT and _selects(path, name, split):
            found += 1
            word = _word(name if split is None else f"{name}_{split}")
            yield {
                "name": word,
                "path": path,
                "type": ValueType.NUMBER.value,
                "store": Store.COLUMN.value,
                # Which is best, the greatest or the smallest, cannot be told from the values.
                "aggregate": "last",
            }


def _selects(path: str, name: str, split: str | None) -> bool:
    """Whether a path means these metrics: a name with a comma or a bracket cannot be written in one."""
    return _is_path(path) and parse_path(path).metric == (name, None, split)


def _is_path(path: str) -> bool:
    try:
        parse_path(path)
    except BadPathError:
        return False
    return True


def _word(text: str) -> str:
    """A step of a logical name."""
    word = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:_STEP_LENGTH]
    return word if word[:1].isalpha() else f"a_{word}".rstrip("_")


def _numbered(proposals: list[JsonObject]) -> Iterator[JsonObject]:
    taken: set[str] = set()
    for number, proposal in enumerate(proposals, 1):
        name = str(proposal["name"])
        first, dot, rest = name.partition(".")
        if first in RESERVED:
            name = f"its_{first}{dot}{rest}"
        # A logical name has at most 256 characters.
        name = name[:_NAME_LENGTH].rstrip("._")
        unique = next(candidate for candidate in _candidates(name) if candidate not in taken)
        taken.add(unique)
        yield {"id": number, **proposal, "name": unique}


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in range(2, ATTRIBUTE_LIMIT + 2):
        yield f"{name}_{number}"
