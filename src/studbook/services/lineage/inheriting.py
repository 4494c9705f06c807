"""What flows down to a version: licenses and sensitivities of all data and models that it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.services.governance.pedigree import Pedigree

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.references import Found


def find_inherited(connection: Connection, namespace_id: int, record: Found) -> JsonObject:
    """The licenses, sensitivities and unverified origins upstream of a record, each with the ways that lead there."""
    pedigree = Pedigree(connection, namespace_id, own=record.id)
    facts = pedigree.facts()
    truncated = bool(facts["lineage.truncated"]())
    if truncated:
        return {"of": record.name, "licenses": [], "sensitivities": [], "unverified": [], "truncated": True}
    sensitivities: dict[str, list[JsonObject]] = {}
    for entry in facts["lineage.datasets"]():
        if entry.get("sensitivity"):
            sensitivities.setdefault(entry["sensitivity"], []).append({"name": entry["name"], "path": entry["path"]})
    return {
        "of": record.name,
        "licenses": facts["lineage.licenses"](),
        "sensitivities": [{"sensitivity": name, "datasets": found} for name, found in sorted(sensitivities.items())],
        "unverified": facts["lineage.unverified"](),
        "truncated": False,
    }
