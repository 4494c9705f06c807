"""The schema definitions that Studbook ships: `standard/<kind>.<version>.json`, each a whole definition document.

A version that was shipped stays as it is; a later one lies beside it. Their names begin with `studbook.`, and no others do.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.pointers import find_at
from studbook.schemas.definition import Definition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from studbook.domain.canonical import JsonObject

STANDARD_PREFIX: Final = "studbook."
_SUFFIX: Final = ".json"


class UnknownStandardError(LookupError):
    """There is no such definition, or no such version of it; the message says which there are."""


def list_standards() -> dict[str, list[int]]:
    """The versions of each definition, oldest first, by its name."""
    return {name: sorted(versions) for name, versions in sorted(_shipped().items())}


def load_standard(name: str, version: int | None = None) -> Definition:
    """A version of a definition, by default the newest. It is shared by all who ask, so nobody may change it.

    Raises UnknownStandardError.
    """
    versions = _shipped().get(name)
    if versions is None:
        raise UnknownStandardError(f"Studbook ships no definition {name!r}; it ships {', '.join(sorted(_shipped()))}")
    number = max(versions) if version is None else version
    if number not in versions:
        there = ", ".join(str(known) for known in sorted(versions))
        raise UnknownStandardError(f"{name} has no version {number}; it has {there}")
    return _read(name, number)


def find_property(definition: Definition, path: str) -> JsonObject | None:
    """The JSON Schema of what stands at an attribute's path; of the members' values, for a path that ends in `/*`.

    What a reference says of itself (its title, its description) comes before what it refers to.
    """
    schema: Any = definition.json_schema
    for step in path.split("/")[1:]:
        schema = _followed(definition, schema)
        schema = schema.get("additionalProperties") if step == "*" else schema.get("properties", {}).get(step)
        if not isinstance(schema, dict):
            return {} if schema is True else None
    return _followed(definition, schema)


def _followed(definition: Definition, schema: JsonObject) -> JsonObject:
    place = schema.get("$ref")
    return schema if place is None else {**find_at(definition.json_schema, place.removeprefix("#")), **schema}


@functools.cache
def _shipped() -> Mapping[str, Mapping[int, Traversable]]:
    found: dict[str, dict[int, Traversable]] = {}
    for file in (files("studbook.schemas") / "standard").iterdir():
        if file.name.endswith(_SUFFIX):
            kind, _, version = file.name.removesuffix(_SUFFIX).rpartition(".")
            found.setdefault(STANDARD_PREFIX + kind, {})[int(version)] = file
    return found


@functools.cache
def _read(name: str, version: int) -> Definition:
    return Definition.model_validate(json.loads(_shipped()[name][version].read_text(encoding="utf-8")))
