"""The declared types of what rules may read: so that a misspelt field is refused when a policy is saved, not when it is asked.

A shape is written as a table: a name of a basic type, `[shape]` for a list, `{"*": shape}` for a map with text keys, or members.
From the table protobuf messages are made, which is how CEL knows records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from studbook.domain.pointers import find_at as find_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from studbook.domain.canonical import JsonObject

# Basic: str, int, float, bool, any, time. A list is [shape]; a map is {"*": shape}; a record has members.
Shape: TypeAlias = "str | list[Shape] | dict[str, Shape]"

ANY: Final = "any"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that CEL keeps for itself (cel-spec, langdef: "Syntax").
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
# How far into a definition's schema attributes are typed, and how many types it may give rise to.
_DEPTH: Final = 12
_SHAPES: Final = 2_000

_TEXTS: Final[Shape] = {"*": "str"}
_OPEN: Final[Shape] = {"*": ANY}
_RUN: Final[Shape] = {
    "name": "str",
    "title": "str",
    "run_kind": "str",
    "job": "str",
    "status": "str",
    "seed": "int",
    "code": {"repository": "str", "commit": "str", "dirty": "bool", "entry_point": "str"},
    "environment": _OPEN,
    "started_at": "str",
    "ended_at": "str",
    "created_by": "str",
}
_PATH: Final[Shape] = ["str"]


def version_shape(attributes: Shape = ANY) -> dict[str, Shape]:
    """A model version as rules see it."""
    return {
        "kind": "str",
        "name": "str",
        "model": "str",
        "number": "int",
        "description": "str",
        "tags": _TEXTS,
        "parameters": _OPEN,
        "metrics": [
            {
                "name": "str",
                "value": "float",
                "dataset": "str",
                "split": "str",
                "slice": _TEXTS,
                "step": "int",
                "recorded_at": "str",
            }
        ],
        "artifacts": [{"name": "str", "uri": "str", "digest": "str", "size": "int", "media_type": "str"}],
        "signatures": [
            {
                "format": "str",
                "root_digest": "str",
                "files": "int",
                "statement_digest": "str",
                "bundle_digest": "str",
                "key": "str",
                "certificate": "str",
                "root_certificate": "str",
                "verified_at": "str",
                "verified_by": "str",
            }
        ],
        "attributes": attributes,
        "identifiers": _TEXTS,
        "parents": [{"name": "str", "relation": "str", "basis": "str"}],
        "references": [{"ref": "str", "relation": "str", "basis": "str"}],
        "datasets": [
            {
                "name": "str",
                "role": "str",
                "digest": "str",
                "uri": "str",
                "rows": "int",
                "license": "str",
                "sensitivity": "str",
                "description": "str",
                "profile": _OPEN,
            }
        ],
        "run": _RUN,
        "registered_model": {
            "name": "str",
            "model": "str",
            "description": "str",
            "owners": [{"name": "str", "email": "str"}],
            "tags": _TEXTS,
        },
        "definition": {"name": "str", "version": "int"},
        "aliases": ["str"],
        "archived_at": "str",
        "created_at": "str",
        "created_by": "str",
    }


LINEAGE: Final[dict[str, Shape]] = {
    "ancestors": "int",
    "depth": "int",
    "truncated": "bool",
    "tags": [{"key": "str", "value": "str", "node": "str", "path": _PATH}],
    "datasets": [
        {
            "name": "str",
            "digest": "str",
            "license": "str",
            "sensitivity": "str",
            "uri": "str",
            "rows": "int",
            "profile": _OPEN,
            "role": "str",
            "roles": ["str"],
            "path": _PATH,
        }
    ],
    "licenses": [{"license": "str", "node": "str", "path": _PATH}],
    "models": [
        {
            "name": "str",
            "model": "str",
            "number": "int",
            "license": "str",
            "supplier": "str",
            "digest": "str",
            "tags": _TEXTS,
            "external": "bool",
            "artifacts": [{"uri": "str", "digest": "str", "media_type": "str"}],
            "path": _PATH,
        }
    ],
    "unverified": [{"node": "str", "reason": "str", "path": _PATH}],
}

# What every policy may read beside the version.
AROUND: Final[dict[str, Shape]] = {
    "action": {"gate": "str", "target": "str", "reason": "str"},
    "principal": {"id": "str", "roles": ["str"], "access": "str"},
    "now": "time",
    "lineage": LINEAGE,
    "approvals": [{"request": "str", "by": "str", "role": "str", "decision": "str", "decided_at": "str", "signed": "bool"}],
    "attestations": [
        {
            "type": "str",
            "by": "str",
            "issued_at": "str",
            "valid_until": "str",
            "valid": "bool",
            "independent": "bool",
            "signed": "bool",
            "evidence": {"uri": "str", "digest": "str"},
        }
    ],
    "evaluations": [
        {
            "run": "str",
            "job": "str",
            "status": "str",
            "created_by": "str",
            "created_at": "str",
            "datasets": [{"name": "str", "digest": "str", "role": "str"}],
        }
    ],
    "deployments": [{"target": "str", "status": "str", "started_at": "str", "ended_at": "str", "url": "str"}],
    "reviews": [{"subject": "str", "next_due": "str", "overdue": "bool"}],
    "findings": [
        {
            "title": "str",
            "severity": "str",
            "status": "str",
            "owner": "str",
            "due_at": "str",
            "overdue": "bool",
            "blocks": "bool",
            "subject": "str",
        }
    ],
}


def declared(params: Mapping[str, Any], attributes: JsonObject | None = None, *, versions: bool = True) -> dict[str, Shape]:
    """The shapes of all that a policy may read; `attributes` is the JSON Schema of a definition, whose attributes are typed then.

    A policy that is not asked about versions reads `object` as it comes.
    """
    version: Shape = version_shape(attributes_shape(attributes)) if versions else ANY
    return {
        "object": version,
        "old": version,
        "current": version,
        **AROUND,
        "params": {name: shape_of(value) for name, value in params.items()},
    }


_BASIC: Final[dict[type, Shape]] = {bool: "bool", int: "int", float: "float", str: "str", dict: {"*": ANY}}


def shape_of(value: Any) -> Shape:  # noqa: ANN401 - any JSON value
    """The shape of a parameter's value."""
    if isinstance(value, list):
        shapes = [shape_of(element) for element in value]
        return [shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else ANY]
    if isinstance(value, dict):
        return {"*": ANY}
    # A number stays open: 1.0 is stored as 1, and both are compared with whole numbers and others.
    return {bool: "bool", str: "str"}.get(type(value), ANY)


def attributes_shape(schema: JsonObject | None) -> Shape:
    """The shape of the attributes that a definition's JSON Schema (2020-12) describes."""
    described = find_in(schema or {}, "/properties/attributes")
    return _Reading(schema or {}).shape(described) if isinstance(described, dict) else ANY


# With these beside it, a schema's properties are not all that may be there.
_MORE: Final = frozenset({"allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas", "$dynamicRef"})
_TYPES: Final = {"string": "str", "integer": "int", "boolean": "bool"}


class _Reading:
    """Reads shapes out of a JSON Schema; what is too deep, refers to itself, or is too much becomes any."""

    def __init__(self, whole: JsonObject) -> None:
        self._whole = whole
        self._left = _SHAPES

    def shape(self, schema: Any, depth: int = 0) -> Shape:  # noqa: ANN401 - a JSON Schema
        """The shape of what a schema describes."""
        self._left -= 1
        if not isinstance(schema, dict) or depth > _DEPTH or self._left < 0:
            return ANY
        reference = schema.get("$ref")
        if isinstance(reference, str):
            # Properties beside a reference add to what it describes.
            within = reference.startswith("#") and "properties" not in schema
            found = find_in(self._whole, reference[1:]) if within else None
            return self.shape(found, depth + 1)
        match _type_of(schema):
            case "array":
                return [self.shape(schema.get("items"), depth + 1)]
            case "object":
                return self._record(schema, depth)
            case named:
                # A number may be whole, and is an integer for CEL then: it is compared with either kind as any.
                return _TYPES.get(named, ANY)

    def _record(self, schema: JsonObject, depth: int) -> Shape:
        members = schema.get("properties")
        if not isinstance(members, dict) or not members or not _MORE.isdisjoint(schema):
            return {"*": ANY}
        # Protocol Buffers takes a_b and aB for one name.
        alike = {name.replace("_", "").lower() for name in members}
        if not all(map(is_field, members)) or len(alike) != len(members):
            return {"*": ANY}
        return {name: self.shape(member, depth + 1) for name, member in members.items()}


def _type_of(schema: JsonObject) -> str:
    """The one type that a schema allows beside null, which rules never see."""
    types = schema.get("type")
    named = [name for name in types if name != "null"] if isinstance(types, list) else [types]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else ""


# What rules may read where it is about versions; and the shapes whose values take no room that counts.
SHAPES: Final[dict[str, Shape]] = {**dict.fromkeys(("object", "old", "current"), version_shape()), **AROUND}
SMALL_SHAPES: Final = ("int", "float", "bool", "time")


def inner_shape(shape: Shape, key: str | int | None) -> Shape:
    """The shape of a member or element."""
    if isinstance(shape, list):
        return shape[0] if not isinstance(key, str) else ANY
    if isinstance(shape, dict):
        return shape.get("*", shape.get(key, ANY) if isinstance(key, str) else ANY)
    return ANY


_NUMBERS: Final[dict[str, tuple[type, ...]]] = {"int": (int, float), "float": (int, float), "bool": (bool,)}


def _numbered(shape: Shape) -> Shape | None:
    """What of a shape are numbers and booleans, and what holds such."""
    if isinstance(shape, list):
        inner = _numbered(shape[0])
        return [inner] if inner is not None else None
    if isinstance(shape, dict):
        members = {name: found for name, member in shape.items() if (found := _numbered(member)) is not None}
        return members or None
    return shape if shape in _NUMBERS else None


def _by_name(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Shape | None]]:
    for name, shape in shapes.items():
        yield name, _numbered(shape)
        if name == "lineage" and isinstance(shape, dict):
            yield from ((f"lineage.{part}", _numbered(member)) for part, member in shape.items())


_NUMBERED: Final = dict(_by_name(SHAPES))


def conform(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A fact with numbers and booleans where they are declared, and floats where JSON wrote 1.0 as 1.

    Raises ValueError where there is something else: what rules may take is told from what is declared (see growth).
    """
    shape = _NUMBERED.get(name)
    return value if shape is None else _conform(value, shape, name)


def _conform(value: Any, shape: Shape, name: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, dict):
        if isinstance(value, dict):
            for member, inner in shape.items():
                if member in value:
                    value[member] = _conform(value[member], inner, member)
    elif isinstance(shape, list):
        if isinstance(value, list):
            inner = shape[0]
            return [_conform(element, inner, name) for element in value]
    elif type(value) not in _NUMBERS[shape]:
        message = f"{name!r} is declared to be {'true or false' if shape == 'bool' else 'a number'}, and is not"
        raise ValueError(message)
    elif shape == "float":
        return float(value)
    return value


def is_field(name: str) -> bool:
    """Whether a name can be read with a dot."""
    return bool(_IDENTIFIER.fullmatch(name)) and name not in _RESERVED


def has_place(shape: Shape, place: str) -> bool:
    """Whether there can be something at a JSON Pointer."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in place.split("/")[1:]]
    for step in steps:
        if shape == ANY:
            return True
        if isinstance(shape, list) and (step.isdecimal() or step == "-"):
            shape = shape[0]
        elif isinstance(shape, dict) and (step in shape or "*" in shape):
            shape = shape["*"] if "*" in shape else shape[step]
        else:
            return False
    return True
