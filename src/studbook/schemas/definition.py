"""A schema definition as it is written: a JSON Schema (2020-12), and the attributes with their storage locations.

The JSON Schema describes what a writer says of a record: for a model version the members `description`, `parameters`,
`metrics`, `artifacts`, `tags`, `attributes` and `identifiers`, each left out where nothing was said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from studbook.domain.types import Document, Key, Label, Text

DEFINITION_SCHEMA = "studbook.dev/definition/v1"
ATTRIBUTE_LIMIT = 500


class Describes(StrEnum):
    """The kind of record that a definition describes."""

    MODEL = "model"
    MODEL_VERSION = "model_version"
    RUN = "run"
    DATASET_VERSION = "dataset_version"
    EVALUATION = "evaluation"
    DEPLOYMENT = "deployment"


class ValueType(StrEnum):
    """What an attribute's value is."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    # An RFC 3339 time; a day, as 2026-11-25; a length of time in ISO 8601, as PT36H (no months or years).
    TIMESTAMP = "timestamp"
    DATE = "date"
    DURATION = "duration"
    # Whatever JSON holds: for locations that compare nothing, and for open sets of values of several types.
    ANY = "any"


class Store(StrEnum):
    """Where an attribute's values are kept, beside the record that holds them all."""

    # A typed column of the definition's own table.
    COLUMN = "column"
    # Rows of key and value, for open sets: parameters, metrics, tags, an object with keys nobody can foresee.
    KEY_VALUE = "key-value"
    FULL_TEXT = "full-text"
    # In the record alone, not searched.
    DOCUMENT = "document"
    # Large or elsewhere: an object with `uri` and `digest`, found by its digest.
    ARTIFACT = "artifact"
    # Personal: kept where it can be erased, a commitment in the log.
    PRIVATE = "private"


class Aggregate(StrEnum):
    """Which of several measured values a column keeps."""

    MAX = "max"
    MIN = "min"
    LAST = "last"


class Mode(StrEnum):
    """What a new version must be able to do: read old records, be read by old readers, both; of the last version or of all."""

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"


# Logical names are written in filters, so they are plain words joined by dots.
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,7}$"
# The name of a definition qualifies an attribute in a filter (license@tabular).
DEFINITION_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,63}(\.[a-z][a-z0-9_-]{0,63}){0,3}$"

LogicalName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=256)]
DefinitionName = Annotated[str, Field(pattern=DEFINITION_NAME_PATTERN, max_length=128)]


class Attribute(Document):
    """A logical attribute and where it is stored.

    `path` is a JSON Pointer (RFC 6901) into the described document. Two forms go further: a last segment `*` means every
    member (`/parameters/*`), and `/metrics[name=auc,split=test]/value` means the metrics with these fields.
    """

    id: Annotated[int, Field(ge=1, le=9999)]
    name: LogicalName
    description: Text | None = None
    path: Annotated[str, Field(min_length=2, max_length=512, pattern="^/")] | None = None
    type: Annotated[ValueType, Field(strict=False)] = ValueType.ANY
    store: Annotated[Store, Field(strict=False)] = Store.DOCUMENT
    index: bool = True
    unique: bool = False
    facet: bool = False
    aggregate: Annotated[Aggregate | None, Field(strict=False)] = None
    deprecated: bool = False
    # Another name for an attribute, such as the one it had before; it has no place of its own.
    alias_of: LogicalName | None = None
    # How foreign formats call it: {"cyclonedx": "…", "spdx": "…", "annex-iv": "1(a)"}.
    export: Annotated[dict[Key, Label], Field(max_length=20, default_factory=dict)]


class Definition(Document):
    """A schema definition as a person writes it, in YAML or JSON."""

    schema_: Annotated[Literal["studbook.dev/definition/v1"], Field(alias="schema")] = DEFINITION_SCHEMA  # type: ignore[assignment]
    name: DefinitionName
    describes: Annotated[Describes, Field(strict=False)] = Describes.MODEL_VERSION
    description: Text | None = None
    compatibility: Annotated[Mode, Field(strict=False)] = Mode.BACKWARD
    json_schema: dict[str, Any] | bool
    attributes: Annotated[tuple[Attribute, ...], Field(strict=False, max_length=ATTRIBUTE_LIMIT)] = ()
