"""Stages the nodes and edges that a write draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studbook.storage.tables import lineage_edges, lineage_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from studbook.services.recording import Recorder
    from studbook.storage.references import Found


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge to be drawn, from what came first to what came of it."""

    source: Found
    target: Found
    relation: str
    role: str = ""

    def as_json(self) -> dict[str, Any]:
        """The edge as it stands in an answer."""
        return {"source": self.source.name, "target": self.target.name, "relation": self.relation, "role": self.role or None}


def following(sources: Iterable[Found], *, least: int = 0) -> int:
    """The generation of a node that comes of these."""
    return max((source.generation + 1 for source in sources), default=least)


def stage_node(recorder: Recorder, found: Found) -> None:
    """Stage a lineage node for a new record."""
    recorder.transaction.stage(
        lineage_nodes,
        {
            "namespace_id": recorder.caller.namespace_id,
            "id": found.id,
            "kind": found.kind.value,
            "name": found.name,
            "generation": found.generation,
        },
    )


def stage_edges(recorder: Recorder, edges: Iterable[Edge], *, run_id: UUID | None, event_id: UUID) -> list[Edge]:
    """Stage edges, each once, and return them."""
    unique = list({(edge.source.id, edge.target.id, edge.relation, edge.role): edge for edge in edges}.values())
    recorder.transaction.stage(
        lineage_edges,
        *(
            {
                "namespace_id": recorder.caller.namespace_id,
                "source_id": edge.source.id,
                "target_id": edge.target.id,
                "relation": edge.relation,
                "role": edge.role,
                "source_generation": edge.source.generation,
                "target_generation": edge.target.generation,
                "run_id": run_id,
                "event_id": event_id,
                "created_at": recorder.now,
            }
            for edge in unique
        ),
    )
    return unique
