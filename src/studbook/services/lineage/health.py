"""How far the lineage can be relied on: versions that come from nothing, references that mean nothing, edges nobody checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.storage import graph_health as storage

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject

# As far as is counted: beyond, the number itself tells nobody more.
COUNT_LIMIT: Final = 10_000


def report(connection: Connection, namespace_id: int, limit: int) -> JsonObject:
    """The first of each, oldest first, and how many there are, up to 10,000."""
    orphans = storage.list_orphans(connection, namespace_id, limit)
    waiting = storage.list_pending(connection, namespace_id, limit)
    told = storage.list_only_told(connection, namespace_id, limit)
    return {
        "orphans": {
            "count": storage.count_orphans(connection, namespace_id, COUNT_LIMIT),
            "items": [{"name": row.name, "kind": row.kind} for row in orphans],
        },
        "references": {
            "count": storage.count_pending(connection, namespace_id, COUNT_LIMIT),
            "items": [
                {"name": row.name, "ref": f"{row.scheme}:{row.value}", "relation": row.relation, "basis": row.basis}
                for row in waiting
            ],
        },
        "only_told": {
            "count": storage.count_only_told(connection, namespace_id, COUNT_LIMIT),
            "items": [{"source": row.source, "target": row.target, "relation": row.relation} for row in told],
        },
        "counted_to": COUNT_LIMIT,
    }
