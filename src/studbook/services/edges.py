"""Lineage edges as an event draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.lineage import usual_basis
from studbook.domain.names import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from studbook.domain.canonical import JsonObject
    from studbook.storage.references import Found


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge to be drawn, from what came first to what came of it."""

    source: Found
    target: Found
    relation: str
    role: str = ""
    # How it is known; the usual way of its relation unless it is said.
    basis: str = ""

    def __post_init__(self) -> None:
        """Fill in the usual basis."""
        if not self.basis:
            object.__setattr__(self, "basis", usual_basis(self.relation).value)

    def as_json(self) -> dict[str, Any]:
        """The edge as it stands in an answer."""
        return {**self.as_entry(), "basis": self.basis}

    def as_entry(self) -> dict[str, Any]:
        """The edge as it stands in its event, which names the basis where it is not the usual one."""
        said = {"source": self.source.name, "target": self.target.name, "relation": self.relation, "role": self.role or None}
        return said if self.basis == usual_basis(self.relation) else {**said, "basis": self.basis}


def basis_of(entry: JsonObject) -> str:
    """How the edge of an event is known."""
    return entry.get("basis") or usual_basis(entry["relation"]).value


def each_once(edges: Iterable[Edge]) -> list[Edge]:
    """The edges without repetition."""
    return list({(edge.source.id, edge.target.id, edge.relation, edge.role, edge.basis): edge for edge in edges}.values())


def following(sources: Iterable[Found], *, least: int = 0) -> int:
    """The generation of a node that comes of these."""
    return max((source.generation + 1 for source in sources), default=least)


def edge_row(namespace_id: int, edge: Edge, record: JsonObject, event_id: UUID, now: str) -> dict[str, Any]:
    """The row of an edge that an event on `record` draws."""
    return {
        "namespace_id": namespace_id,
        "source_id": edge.source.id,
        "target_id": edge.target.id,
        "relation": edge.relation,
        "role": edge.role,
        "basis": edge.basis,
        "source_generation": edge.source.generation,
        "target_generation": edge.target.generation,
        "run_id": _run_of(edge, record),
        "event_id": event_id,
        "created_at": now,
    }


def withdrawn_row(row: Mapping[str, Any], event_id: UUID, now: str) -> dict[str, Any]:
    """The row of an edge that an event withdrew, from the row that it had."""
    kept = {name: value for name, value in row.items() if name not in {"source_generation", "target_generation"}}
    return {**kept, "withdrawn_at": now, "withdrawn_by": event_id}


def _run_of(edge: Edge, record: JsonObject) -> UUID | None:
    """The run that made the edge: one of its ends, or the run of the version it belongs to."""
    for end in (edge.target, edge.source):
        if end.kind is Kind.RUN:
            return end.id
    run = record.get("run") if record["kind"] == Kind.MODEL_VERSION else None
    return UUID(run["id"]) if run else None
