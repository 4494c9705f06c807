"""What is known of the edges between two records: who or what says so, since when, and in which entry of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.storage import graph, log
from studbook.storage.history import find_heads
from studbook.storage.references import find_nodes

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.graph import AnyRow
    from studbook.storage.references import Found


def explain(connection: Connection, namespace_id: int, source: Found, target: Found) -> JsonObject:
    """Every edge from one record to the other, those that were withdrawn after those that hold."""
    drawn = graph.list_edges_into(connection, namespace_id, target.id, [source.id])
    withdrawn = graph.list_withdrawn_into(connection, namespace_id, target.id, source.id)
    ids = {row.event_id for row in (*drawn, *withdrawn)} | {row.withdrawn_by for row in withdrawn}
    heads = find_heads(connection, namespace_id, ids)
    places = log.find_places(connection, namespace_id, ids)
    runs = find_nodes(connection, namespace_id, {row.run_id for row in (*drawn, *withdrawn) if row.run_id})

    def moment(event_id: UUID) -> JsonObject:
        head = heads.get(event_id)
        shard, index = places.get(event_id, (None, None))
        return {
            "time": head.occurred_at if head else None,
            "event": str(event_id),
            "action": head.action if head else None,
            "by": head.actor if head else None,
            "shard": shard,
            "index": index,
        }

    def shown(row: AnyRow, until: JsonObject | None) -> JsonObject:
        run = runs.get(row.run_id)
        return {
            "relation": row.relation,
            "role": row.role or None,
            "basis": row.basis,
            "run": run.name if run else None,
            "since": moment(row.event_id),
            "until": until,
        }

    edges = [shown(row, None) for row in drawn] + [shown(row, moment(row.withdrawn_by)) for row in withdrawn]
    return {"source": source.name, "target": target.name, "edges": edges}
