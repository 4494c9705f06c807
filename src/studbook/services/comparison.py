"""Compares two model versions, each with its run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from studbook.domain.diff import diff_versions
from studbook.domain.errors import InvalidDocumentError
from studbook.domain.names import Kind, parse_reference
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import get_by_id, get_record

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject


def compare_versions(connection: Connection, namespace_id: int, first: str, second: str) -> JsonObject:
    """What differs from the first version to the second.

    Raises NotFoundError, InvalidDocumentError for what is no model version.
    """
    versions = [_get(connection, namespace_id, text, place) for text, place in ((first, "/from"), (second, "/to"))]
    runs = [_find_run(connection, namespace_id, version) for version in versions]
    return diff_versions(*versions, *runs)


def _get(connection: Connection, namespace_id: int, text: str, place: str) -> JsonObject:
    found = get_record(connection, namespace_id, parse_reference(text), text)
    if found.kind is not Kind.MODEL_VERSION:
        raise InvalidDocumentError.at(place, "wrong_kind", f"{found.name} is no model version; only those are compared")
    return load_record(get_by_id(connection, Kind.MODEL_VERSION, namespace_id, found.id).body)


def _find_run(connection: Connection, namespace_id: int, version: JsonObject) -> JsonObject | None:
    if version["run"] is None:
        return None
    return load_record(get_by_id(connection, Kind.RUN, namespace_id, UUID(version["run"]["id"])).body)
