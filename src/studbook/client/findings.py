"""What a registry answers that is not a record: lineage, a comparison, the outcome of a write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.answers import Record, many, one
from studbook.client.errors import Notice, RefusedError, refusal
from studbook.client.records import DatasetUse, Link, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class LineageNode(Record):
    """A record in the graph: `distance` from the root in edges, negative upstream; `generation` from the first ancestor."""

    id: str = ""
    kind: str = ""
    name: str = ""
    title: str | None = None
    distance: int = 0
    generation: int = 0


@dataclass(frozen=True, kw_only=True)
class Edge(Record):
    """An edge of the lineage graph between two names, in the direction of time."""

    source: str = ""
    target: str = ""
    relation: str = ""
    role: str | None = None
    run: str | None = None


@dataclass(frozen=True, kw_only=True)
class Lineage(Record):
    """The graph around a record; `truncated` says that depth or limit left something out."""

    root: str = ""
    nodes: tuple[LineageNode, ...] = many(LineageNode)
    edges: tuple[Edge, ...] = many(Edge)
    truncated: bool = False
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class Changes(Record):
    """What differs, by key: `changed` maps a key to `{"from": …, "to": …}`."""

    added: Mapping[str, Any] = field(default_factory=dict)
    removed: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)


_READ_CHANGES = {"read": Changes.read}


@dataclass(frozen=True, kw_only=True)
class Difference(Record):
    """What differs from the version `from_` to the version `to`; metrics are keyed by name and what they were measured on."""

    from_: str = field(default="", metadata={"key": "from"})
    to: str = ""
    parameters: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)
    metrics: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)
    datasets: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)
    artifacts: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)
    code: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)
    environment: Changes = field(default_factory=Changes, metadata=_READ_CHANGES)


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


def _notices() -> Any:  # noqa: ANN401 - as above
    return field(default=(), metadata={"read": lambda entries: tuple(Notice.read(entry) for entry in entries)})


@dataclass(frozen=True, kw_only=True)
class Ingested(Record):
    """What an ingestion document became."""

    model: CreatedLink | None = one(CreatedLink)
    version: CreatedLink | None = one(CreatedLink)
    run: CreatedLink | None = one(CreatedLink)
    datasets: tuple[DatasetUse, ...] = many(DatasetUse)
    edges: tuple[Edge, ...] = many(Edge)
    events: tuple[EventLink, ...] = many(EventLink)
    warnings: tuple[Notice, ...] = _notices()


@dataclass(frozen=True, kw_only=True)
class Evaluated(Record):
    """What a later evaluation became: the version with its new metrics, and the run that measured them."""

    version: ModelVersion | None = one(ModelVersion)
    run: Link | None = one(Link)
    edges: tuple[Edge, ...] = many(Edge)
    events: tuple[EventLink, ...] = many(EventLink)
    warnings: tuple[Notice, ...] = _notices()


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
