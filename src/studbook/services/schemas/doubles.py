"""Values of unique attributes that more than one version would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studbook.storage import schemas as storage
from studbook.storage.side_tables import side_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.schemas.storage_map import StorageMap


def find_doubles(
    connection: Connection, namespace_id: int, storage_map: StorageMap, rows: Sequence[tuple[UUID | None, dict[str, Any]]]
) -> list[tuple[str, Any, UUID | None]]:
    """The attribute, the value, and the version that has it already, for each of these rows that would have it too.

    A row is a version's id (None where it has none yet) and the values of its columns.
    """
    doubles: list[tuple[str, Any, UUID | None]] = []
    for stored in storage_map.columns:
        if not stored.unique:
            continue
        seen: dict[Any, UUID | None] = {}
        for version_id, columns in rows:
            value = columns[stored.column]
            if value is None:
                continue
            if value in seen:
                doubles.append((stored.name, value, seen[value]))
            seen[value] = version_id
        taken = storage.find_taken(connection, namespace_id, side_table(storage_map), stored.column, list(seen)) if seen else {}
        doubles += [(stored.name, value, holder) for value, holder in taken.items() if holder != seen[value]]
    return doubles
