"""What a registry answers that is not a record: a comparison, the outcome of a write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.answers import TEXTS, Record, reads, reads_many
from studbook.client.errors import Notice, RefusedError, refusal
from studbook.client.graph import Edge
from studbook.client.records import DatasetUse, Link, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Changes(Record):
    """What differs, by key: `changed` maps a key to `{"from": …, "to": …}`."""

    added: Mapping[str, Any] = field(default_factory=dict)
    removed: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Difference(Record):
    """What differs from the version `from_` to the version `to`; metrics are keyed by name and what they were measured on.

    `causes` names what could be the reason of other metrics: datasets, code, parameters, environment, seed, parents.
    """

    from_: str = field(default="", metadata={"key": "from"})
    to: str = ""
    causes: tuple[str, ...] = field(default=(), metadata=TEXTS)
    parameters: Changes = field(default_factory=Changes, metadata=reads(Changes))
    metrics: Changes = field(default_factory=Changes, metadata=reads(Changes))
    datasets: Changes = field(default_factory=Changes, metadata=reads(Changes))
    artifacts: Changes = field(default_factory=Changes, metadata=reads(Changes))
    code: Changes = field(default_factory=Changes, metadata=reads(Changes))
    environment: Changes = field(default_factory=Changes, metadata=reads(Changes))


@dataclass(frozen=True, kw_only=True)
class CreatedLink(Record):
    """A model, version or run that a document named, and whether the document made it."""

    name: str = ""
    id: str = ""
    number: int | None = None
    etag: str | None = None
    created: bool | None = None


@dataclass(frozen=True, kw_only=True)
class EventLink(Record):
    """An event of the audit log: `action` such as `model_version.registered`, `subject` the record's name."""

    id: str = ""
    action: str = ""
    subject: str = ""


_NOTICES = {"read": lambda entries: tuple(Notice.read(entry) for entry in entries)}


@dataclass(frozen=True, kw_only=True)
class Ingested(Record):
    """What an ingestion document became; `links` are edges drawn to records that had waited for what it brought."""

    model: CreatedLink | None = field(default=None, metadata=reads(CreatedLink))
    version: CreatedLink | None = field(default=None, metadata=reads(CreatedLink))
    run: CreatedLink | None = field(default=None, metadata=reads(CreatedLink))
    datasets: tuple[DatasetUse, ...] = field(default=(), metadata=reads_many(DatasetUse))
    edges: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    links: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    events: tuple[EventLink, ...] = field(default=(), metadata=reads_many(EventLink))
    warnings: tuple[Notice, ...] = field(default=(), metadata=_NOTICES)


@dataclass(frozen=True, kw_only=True)
class Evaluated(Record):
    """What a later evaluation became: the version with its new metrics, and the run that measured them."""

    version: ModelVersion | None = field(default=None, metadata=reads(ModelVersion))
    run: Link | None = field(default=None, metadata=reads(Link))
    edges: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    links: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    events: tuple[EventLink, ...] = field(default=(), metadata=reads_many(EventLink))
    warnings: tuple[Notice, ...] = field(default=(), metadata=_NOTICES)


@dataclass(frozen=True, kw_only=True)
class BatchOutcome:
    """What became of one document of a batch: `position` from 0, and either `result` or `refusal`."""

    position: int
    result: Ingested | None = None
    refusal: RefusedError | None = None

    @classmethod
    def read(cls, position: int, data: Mapping[str, Any]) -> BatchOutcome:
        """The outcome in one line of the registry's answer."""
        if data.get("result") is not None:
            return cls(position=position, result=Ingested.read(data["result"]))
        return cls(position=position, refusal=refusal(int(data.get("status") or 0), data.get("problem") or {}))


@dataclass(frozen=True, kw_only=True)
class Resolved(Record):
    """What one of several identifiers means; `error` says why the text can mean nothing, `truncated` that there are more."""

    identifier: str = ""
    matches: tuple[Link, ...] = field(default=(), metadata=reads_many(Link))
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Recognised:
    """A file or folder on this machine, and the model versions and dataset versions that have it.

    `part_of` is the nearest folder around it that the registry knows as a whole. `known` says whether the registry knows it,
    by itself or as a part; of a folder, whether it knows the folder or everything in it.
    """

    path: str
    is_folder: bool
    digest: str
    size: int
    matches: tuple[Link, ...]
    part_of: str | None
    known: bool
