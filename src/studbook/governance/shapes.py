"""The declared types of what rules may read: so that a misspelt field is refused when a policy is saved, not when it is asked.

A shape is written as a table: a name of a basic type, `[shape]` for a list, `{"*": shape}` for a map with text keys, or members.
From the table protobuf messages are made, which is how CEL knows records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_DEPTH: Final = 12

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
        "attributes": attributes,
        "identifiers": _TEXTS,
        "parents": [{"name": "str", "relation": "str"}],
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


# A number stays open: 1.0 is stored as 1, and both are compared with whole numbers and others.
_BASIC: Final[dict[type, Shape]] = {bool: "bool", str: "str", dict: {"*": ANY}}


def shape_of(value: Any) -> Shape:  # noqa: ANN401 - any JSON value
    """The shape of a parameter's value."""
    if isinstance(value, list):
        shapes = [shape_of(element) for element in value]
        return [shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else ANY]
    return _BASIC.get(type(value), ANY)


def attributes_shape(schema: JsonObject | None) -> Shape:
    """The shape of the attributes that a definition's JSON Schema describes."""
    if schema is None:
        return ANY
    described = (schema.get("properties") or {}).get("attributes")
    return _from_schema(described, schema, 0) if isinstance(described, dict) else ANY


# A number stays open: a whole one is an int for CEL, and both are compared with either.
_BASIC_SCHEMAS: Final[dict[Any, Shape]] = {"string": "str", "integer": "int", "boolean": "bool"}


def _from_schema(schema: Any, whole: JsonObject, depth: int) -> Shape:  # noqa: ANN401 - a JSON Schema
    if not isinstance(schema, dict) or depth > _DEPTH:
        return ANY
    if isinstance(reference := schema.get("$ref"), str):
        return _from_schema(_referred(reference, whole), whole, depth + 1)
    kind = schema.get("type")
    if kind == "array":
        return [_from_schema(schema.get("items"), whole, depth + 1)]
    if kind == "object":
        members = schema.get("properties")
        if not members or not all(is_field(name) for name in members):
            return {"*": ANY}
        return {name: _from_schema(member, whole, depth + 1) for name, member in members.items()}
    return _BASIC_SCHEMAS.get(kind, ANY) if isinstance(kind, str) else ANY


def _referred(reference: str, whole: JsonObject) -> Any:  # noqa: ANN401 - a JSON Schema
    found: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def is_field(name: str) -> bool:
    """Whether a name can be read with a dot."""
    return bool(_IDENTIFIER.fullmatch(name)) and name not in _RESERVED


def find_at(shape: Shape, steps: list[str]) -> bool:
    """Whether a place, as the steps of a JSON Pointer, can be there."""
    if not steps or shape == ANY:
        return True
    if isinstance(shape, list):
        return find_at(shape[0], steps[1:])
    if isinstance(shape, dict):
        if "*" in shape:
            return find_at(shape["*"], steps[1:])
        return steps[0] in shape and find_at(shape[steps[0]], steps[1:])
    return False
