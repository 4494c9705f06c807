"""Where the attributes of a namespace's versions are kept, for whoever reads all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.services.schemas.contracts import load_maps
from studbook.storage import schemas as storage

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.schemas.storage_map import StorageMap


class Places:
    """The storage maps of a namespace, and which models they are for."""

    def __init__(self, connection: Connection, namespace_id: int) -> None:
        self.maps = load_maps(connection, namespace_id)
        self._models = {row.name: row.schema_id for row in storage.list_models_with_schema(connection, namespace_id)}
        jobs = storage.list_backfills(connection, namespace_id)
        self._pending: set[UUID] = {job.schema_id for job in jobs if job.model_id is None}
        self._pending_models: set[UUID] = {job.model_id for job in jobs if job.model_id is not None}

    def find_map(self, record: JsonObject) -> StorageMap | None:
        """The map for a version, if its model has a definition."""
        schema_id = self._models.get(record["model"])
        return self.maps.get(schema_id) if schema_id else None

    def is_pending(self, record: JsonObject, model_id: UUID) -> bool:
        """Whether a version's attributes may not be in their places yet."""
        return model_id in self._pending_models or self._models.get(record["model"]) in self._pending
