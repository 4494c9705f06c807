"""Schema definitions, and what the registry says of them, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.client.answers import TEXTS, TIME, Record, reads, reads_many
from studbook.client.errors import Notice
from studbook.client.records import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DEFINITION_SCHEMA: Final = "studbook.dev/definition/v1"
_NOTICES: Final = {"read": lambda entries: tuple(Notice.read(entry) for entry in entries)}
# How an attribute is written begins so, and what of it an alias has no use for.
_FIRST: Final = ("id", "name", "description", "path", "type", "store")
_OF_ALIAS: Final = {"type": "any", "store": "document"}
_NUMBERS: Final = {"read": tuple}


@dataclass(frozen=True, kw_only=True)
class SchemaDefinition(StoredRecord):
    """A schema definition; `schema` is its bare name, `describes` a kind of record, such as `model_version`."""

    schema: str = ""
    describes: str = ""
    number: int = 0
    latest_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class SchemaVersion(StoredRecord):
    """A version of a schema definition: its JSON Schema, its attributes; `status` is draft, published or deprecated."""

    schema: str = ""
    number: int = 0
    describes: str = ""
    status: str = ""
    description: str | None = None
    compatibility: str = ""
    json_schema: Mapping[str, Any] | bool = field(default_factory=dict, repr=False)
    attributes: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, metadata={"read": tuple})
    digest: str = ""
    published_at: datetime | None = field(default=None, metadata=TIME)
    deprecated_at: datetime | None = field(default=None, metadata=TIME)

    @property
    def definition(self) -> dict[str, Any]:
        """The definition as it is written: to be changed, and drafted again."""
        return {
            "schema": DEFINITION_SCHEMA,
            "name": self.schema,
            "describes": self.describes,
            **({"description": self.description} if self.description is not None else {}),
            "compatibility": self.compatibility,
            "json_schema": self.json_schema,
            "attributes": [_written(entry) for entry in self.attributes],
        }


def _written(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute as it is written: in the order of reading, without what is so unless it is written otherwise."""
    ordered = {**{key: attribute[key] for key in _FIRST if key in attribute}, **attribute}
    unsaid: dict[str, Any] = {"index": True, **(_OF_ALIAS if attribute.get("alias_of") else {})}
    return {key: value for key, value in ordered.items() if value != unsaid.get(key, False) and value not in (None, {})}


@dataclass(frozen=True, kw_only=True)
class StandardSchema(Record):
    """A schema definition that Studbook ships; it holds in the namespace once it is `adopted`."""

    name: str = ""
    versions: tuple[int, ...] = field(default=(), metadata=_NUMBERS)
    describes: str = ""
    description: str | None = None
    adopted: bool = False


@dataclass(frozen=True, kw_only=True)
class Validation(Record):
    """A document held against a version of a definition; `errors` names every fault with its place."""

    schema: str = ""
    version: int = 0
    valid: bool = False
    errors: tuple[Notice, ...] = field(default=(), metadata=_NOTICES)


@dataclass(frozen=True, kw_only=True)
class SchemaBreak(Record):
    """What a version breaks of an earlier one; `witness` is a document that shows it, where one was found.

    `direction` is backward (records that are stored would be refused) or forward (readers of the old version would be
    surprised). A break that is not `certain` could neither be shown nor ruled out.
    """

    version: int = 0
    direction: str = ""
    certain: bool = True
    message: str = ""
    witness: Any = None


@dataclass(frozen=True, kw_only=True)
class StoredVerdict(Record):
    """How many stored versions a definition would refuse, some by name; not `complete` when there were too many to look at."""

    looked_at: int = 0
    invalid: int = 0
    versions: tuple[str, ...] = field(default=(), metadata=TEXTS)
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class SchemaCompatibility(Record):
    """What publishing a version of a definition would do."""

    schema: str = ""
    version: int = 0
    compatible: bool = False
    breaks: tuple[SchemaBreak, ...] = field(default=(), metadata=reads_many(SchemaBreak))
    errors: tuple[Notice, ...] = field(default=(), metadata=_NOTICES)
    stored: StoredVerdict | None = field(default=None, metadata=reads(StoredVerdict))


@dataclass(frozen=True, kw_only=True)
class StoredAttribute(Record):
    """Where an attribute is kept, what indexes it, and a search by it with its SQL; `state` is ready or building."""

    id: int = 0
    name: str = ""
    names: tuple[str, ...] = field(default=(), metadata=TEXTS)
    path: str = ""
    type: str = ""
    store: str = ""
    table: str = ""
    column: str = ""
    column_type: str | None = None
    index: str | None = None
    unique: bool = False
    facet: bool = False
    aggregate: str | None = None
    deprecated: bool = False
    since: int = 0
    state: str = ""
    rule_type: str = ""
    export: Mapping[str, str] = field(default_factory=dict)
    filter: str | None = None
    sql: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlacingWork(Record):
    """Work that puts the values of stored versions in their places: `done` of `total` versions; `fault` says why it stopped."""

    done: int = 0
    total: int = 0
    started_at: datetime | None = field(default=None, metadata=TIME)
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class StorageMap(Record):
    """Where each attribute of a definition is kept; `table` holds its columns."""

    schema: str = ""
    table: str | None = None
    attributes: tuple[StoredAttribute, ...] = field(default=(), metadata=reads_many(StoredAttribute))
    work: tuple[PlacingWork, ...] = field(default=(), metadata=reads_many(PlacingWork))
