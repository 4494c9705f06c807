"""The types of what the API answers about schema definitions and to searches (see answers)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from studbook.http.answers import RecordAnswer, VersionAnswer, ViolationAnswer


class SchemaAnswer(RecordAnswer):
    """A schema definition."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: str = Field(alias="schema")
    describes: str
    number: int = Field(description="of its table, schema_<number>")
    latest_version: int | None = None


class SchemaVersionAnswer(RecordAnswer):
    """A version of a schema definition."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: str = Field(alias="schema")
    number: int
    describes: str
    status: str
    description: str | None
    compatibility: str
    json_schema: dict[str, Any] | bool
    attributes: list[dict[str, Any]]
    digest: str
    published_at: str | None
    deprecated_at: str | None


class StandardSchemaAnswer(BaseModel):
    """A schema definition that Studbook ships."""

    name: str
    versions: list[int]
    describes: str
    description: str | None
    adopted: bool


class StandardSchemasAnswer(BaseModel):
    """The schema definitions that Studbook ships."""

    items: list[StandardSchemaAnswer]


class ValidationAnswer(BaseModel):
    """A document held against a schema definition."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: str = Field(alias="schema")
    version: int
    valid: bool
    errors: list[ViolationAnswer]


class BreakAnswer(BaseModel):
    """What a version of a definition breaks; `witness` is a document that shows it."""

    version: int
    direction: str
    certain: bool
    message: str
    witness: Any


class StoredAnswer(BaseModel):
    """How many stored versions a definition would refuse."""

    looked_at: int
    invalid: int
    versions: list[str]
    complete: bool


class CompatibilityAnswer(BaseModel):
    """What a version of a definition would do."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: str = Field(alias="schema")
    version: int
    compatible: bool
    breaks: list[BreakAnswer]
    errors: list[ViolationAnswer]
    stored: StoredAnswer | None


class PlaceAnswer(BaseModel):
    """Where an attribute is kept."""

    id: int
    name: str
    names: list[str]
    path: str
    type: str
    store: str
    table: str
    column: str
    column_type: str | None
    index: str | None
    unique: bool
    facet: bool
    aggregate: str | None
    deprecated: bool
    since: int
    state: str
    rule_type: str
    export: dict[str, str]
    filter: str | None
    sql: str | None


class WorkAnswer(BaseModel):
    """Work that puts stored attributes in their places."""

    done: int
    total: int
    started_at: str
    fault: str | None


class StorageMapAnswer(BaseModel):
    """Where the attributes of a definition are kept."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: str = Field(alias="schema")
    table: str | None
    attributes: list[PlaceAnswer]
    work: list[WorkAnswer]


class HighlightAnswer(BaseModel):
    """Where words were found: a piece of a text, and ranges of characters in it."""

    pointer: str
    fragment: str
    ranges: list[list[int]]


class FoundVersionAnswer(VersionAnswer):
    """A version that was found."""

    highlights: list[HighlightAnswer] | None = None


class FacetValueAnswer(BaseModel):
    """A value and how often it occurs."""

    value: str | int | float | bool
    count: int


class FacetAnswer(BaseModel):
    """The values of a field among what is found; `complete` unless there are more, `exact` unless too much was found."""

    values: list[FacetValueAnswer]
    complete: bool
    exact: bool


class TotalAnswer(BaseModel):
    """How much is found."""

    count: int
    exact: bool


class SearchAnswer(BaseModel):
    """A page of a search."""

    items: list[FoundVersionAnswer]
    next_page_token: str | None
    building: list[str] | None = None
    truncated: bool | None = Field(
        default=None,
        description="true when more records have the words than were looked at, the newest of them: look for rarer words",
    )
    total: TotalAnswer | None = None
    facets: dict[str, FacetAnswer] | None = None


class FieldAnswer(BaseModel):
    """A field that a filter may name; an open one takes any key after a dot."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    type: str
    open: bool
    schema_: str | None = Field(alias="schema")
    facet: bool
    ready: bool
