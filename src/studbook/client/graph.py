"""What a registry answers about the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.answers import TEXTS, TIME, Record, reads, reads_many

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class LineageNode(Record):
    """A record in the graph: `distance` from the root in edges, negative upstream; `generation` from the first ancestor."""

    id: str = ""
    kind: str = ""
    name: str = ""
    title: str | None = None
    distance: int | None = None
    generation: int = 0
    # Whether a signature over a model version's artifacts was verified.
    signed: bool = False


@dataclass(frozen=True, kw_only=True)
class Edge(Record):
    """An edge of the lineage graph between two names, in the direction of time.

    `basis` says how it is known: declared (somebody says so), observed (a run or deployment shows it), derived (read from
    files), matched (the same digest), verified (and a signature covers it). `until` is when it was withdrawn.
    """

    source: str = ""
    target: str = ""
    relation: str = ""
    role: str | None = None
    basis: str | None = None
    run: str | None = None
    since: datetime | None = field(default=None, metadata=TIME)
    until: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class Lineage(Record):
    """The graph around a record; `truncated` says that depth or limit left something out."""

    root: str = ""
    nodes: tuple[LineageNode, ...] = field(default=(), metadata=reads_many(LineageNode))
    edges: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    truncated: bool = False
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class EdgeMoment(Record):
    """When an edge was drawn or withdrawn: by which event and whom, and the index of its entry in the log."""

    time: datetime | None = field(default=None, metadata=TIME)
    event: str = ""
    action: str | None = None
    by: str | None = None
    index: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExplainedEdge(Record):
    """What one source says of two records."""

    relation: str = ""
    role: str | None = None
    basis: str = ""
    run: str | None = None
    since: EdgeMoment | None = field(default=None, metadata=reads(EdgeMoment))
    until: EdgeMoment | None = field(default=None, metadata=reads(EdgeMoment))


_EXPLAINED = {"read": lambda entries: tuple(ExplainedEdge.read(entry) for entry in entries)}


@dataclass(frozen=True, kw_only=True)
class Explanation(Record):
    """Every edge from one record to another."""

    source: str = ""
    target: str = ""
    edges: tuple[ExplainedEdge, ...] = field(default=(), metadata=_EXPLAINED)


@dataclass(frozen=True, kw_only=True)
class Redrawn(Record):
    """The edges that a call declared or withdrew."""

    edges: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))


@dataclass(frozen=True, kw_only=True)
class Paths(Record):
    """Ways between two records, shortest first; `direction` is None where neither came of the other."""

    direction: str | None = None
    paths: tuple[tuple[str, ...], ...] = field(default=(), metadata={"read": lambda ways: tuple(tuple(way) for way in ways)})
    edges: tuple[Edge, ...] = field(default=(), metadata=reads_many(Edge))
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class SharedAncestor(Record):
    """A record that two others come from; `nearest` where nothing else that is common comes of it."""

    name: str = ""
    kind: str = ""
    distances: tuple[int, ...] = field(default=(), metadata=TEXTS)
    nearest: bool = False


@dataclass(frozen=True, kw_only=True)
class SharedAncestors(Record):
    """What two records come from, nearest first."""

    ancestors: tuple[SharedAncestor, ...] = field(default=(), metadata=reads_many(SharedAncestor))
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Reached(Record):
    """A version or deployment downstream, and who answers for it."""

    name: str = ""
    kind: str = ""
    distance: int = 0
    model: str = ""
    version: str = ""
    owners: tuple[str, ...] = field(default=(), metadata=TEXTS)
    aliases: tuple[str, ...] = field(default=(), metadata=TEXTS)
    target: str | None = None
    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Impact(Record):
    """What a change of a record would reach."""

    root: str = ""
    reached: tuple[Reached, ...] = field(default=(), metadata=reads_many(Reached))
    counts: Mapping[str, int] = field(default_factory=dict)
    owners: tuple[str, ...] = field(default=(), metadata=TEXTS)
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Inherited(Record):
    """What flows down to a record: `licenses`, `sensitivities` and `unverified` origins, each with the ways that lead there."""

    licenses: tuple[Mapping[str, Any], ...] = field(default=(), metadata=TEXTS)
    sensitivities: tuple[Mapping[str, Any], ...] = field(default=(), metadata=TEXTS)
    unverified: tuple[Mapping[str, Any], ...] = field(default=(), metadata=TEXTS)
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class LineageDifference(Record):
    """What differs upstream: `nodes` and `edges` each with `added` and `removed`; the two records themselves are called `.`."""

    nodes: Mapping[str, Any] = field(default_factory=dict)
    edges: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class LineageHealth(Record):
    """How far the lineage can be relied on: each with `count` (up to `counted_to`) and the first `items`."""

    orphans: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict)
    only_told: Mapping[str, Any] = field(default_factory=dict)
    counted_to: int = 0


@dataclass(frozen=True, slots=True)
class LineageFile:
    """A lineage as a file; `truncated` when there is more than the registry's bounds let in."""

    content: bytes = field(repr=False)
    truncated: bool
