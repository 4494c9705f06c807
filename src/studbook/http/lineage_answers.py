"""What the routes of lineage answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from studbook.http.answers import DrawnEdgeAnswer, EventAnswer  # noqa: TC001 - Pydantic reads the annotations


class NodeAnswer(BaseModel):
    """A node of the lineage graph; `distance` is negative upstream of the root, and null where it was not reckoned."""

    id: str
    kind: str
    name: str
    generation: int
    distance: int | None
    signed: bool = Field(description="whether a signature over the artifacts of a model version was verified")


class EdgeAnswer(BaseModel):
    """An edge, from what came first to what came of it; `through` stands for ways through records that are not shown."""

    source: str
    target: str
    relation: str
    role: str | None
    basis: str | None = Field(description="how it is known: declared, observed, derived, matched or verified")
    run: str | None
    event: str | None
    since: str | None
    until: str | None = Field(description="when it was withdrawn, in an answer about the past")


class LineageAnswer(BaseModel):
    """A part of the lineage graph."""

    root: str
    nodes: list[NodeAnswer]
    edges: list[EdgeAnswer]
    truncated: bool
    direction: str
    depth: int
    as_of: str | None


class MomentAnswer(BaseModel):
    """When something became known, by which event, and where that stands in the log."""

    time: str | None
    event: str
    action: str | None
    by: str | None
    shard: int | None
    index: int | None


class ExplainedEdgeAnswer(BaseModel):
    """What one source says of two records."""

    relation: str
    role: str | None
    basis: str
    run: str | None
    since: MomentAnswer
    until: MomentAnswer | None


class ExplanationAnswer(BaseModel):
    """Every edge from one record to another."""

    source: str
    target: str
    edges: list[ExplainedEdgeAnswer]


class RedrawnAnswer(BaseModel):
    """The edges that were drawn or withdrawn."""

    edges: list[DrawnEdgeAnswer]
    events: list[EventAnswer]
    verdict: dict[str, Any] | None


class PathsAnswer(BaseModel):
    """Ways from one record to another in the direction of time."""

    from_: str = Field(alias="from")
    to: str
    direction: str | None = Field(description="downstream, upstream, or null where neither came of the other")
    paths: list[list[str]]
    edges: list[EdgeAnswer]
    truncated: bool


class SharedAncestorAnswer(BaseModel):
    """A record that two others come from."""

    name: str
    kind: str
    distances: list[int]
    nearest: bool


class SharedAnswer(BaseModel):
    """What two records have in common."""

    of: list[str]
    ancestors: list[SharedAncestorAnswer]
    truncated: bool


class ReachedAnswer(BaseModel):
    """A version or deployment downstream, and who answers for it."""

    name: str
    kind: str
    distance: int
    model: str
    version: str
    owners: list[str]
    aliases: list[str]
    target: str | None
    status: str | None


class ImpactAnswer(BaseModel):
    """What a change of a record would reach."""

    root: str
    reached: list[ReachedAnswer]
    counts: dict[str, int]
    owners: list[str]
    truncated: bool


class InheritedAnswer(BaseModel):
    """What flows down to a record, with the ways."""

    of: str
    licenses: list[dict[str, Any]]
    sensitivities: list[dict[str, Any]]
    unverified: list[dict[str, Any]]
    truncated: bool


class LineageDiffAnswer(BaseModel):
    """What differs between two lineages."""

    from_: dict[str, Any] = Field(alias="from")
    to: dict[str, Any]
    nodes: dict[str, Any]
    edges: dict[str, Any]
    truncated: bool


class CountedAnswer(BaseModel):
    """The first of many, and how many there are."""

    count: int
    items: list[dict[str, Any]]


class HealthAnswer(BaseModel):
    """How far the lineage can be relied on."""

    orphans: CountedAnswer
    references: CountedAnswer
    only_told: CountedAnswer
    counted_to: int
