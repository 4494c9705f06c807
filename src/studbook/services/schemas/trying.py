"""Definitions tried out: documents held against one, a draft against what is stored, and a draft made from what is stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from studbook.domain.errors import InvalidDocumentError, NotFoundError
from studbook.domain.names import Kind
from studbook.schemas.definition import Describes
from studbook.schemas.inference import infer
from studbook.schemas.standards import UnknownStandardError, load_standard
from studbook.schemas.storage_map import described_version
from studbook.schemas.validation import compile_validator
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import missing_definition
from studbook.services.schemas.contracts import load_maps
from studbook.services.schemas.definitions import find_version_row
from studbook.services.schemas.judging import compare, judge_stored
from studbook.storage import reading
from studbook.storage import schemas as storage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.errors import Violation

# Enough to see every shape there is.
INFERRED_FROM = 100_000


def validate(connection: Connection, namespace_id: int, name: str, place: str | None, document: object) -> JsonObject:
    """Hold a document against a version of a definition (its newest published one), without storing anything."""
    found = _find_schema(connection, namespace_id, name, place)
    faults = compile_validator(found["json_schema"]).find_faults(document)
    faults += _misplaced(connection, namespace_id, name, document, faults)
    return {
        "schema": name,
        "version": found["number"],
        "valid": not faults,
        "errors": [fault.as_json() for fault in faults],
    }


def _misplaced(
    connection: Connection, namespace_id: int, name: str, document: object, faults: list[Violation]
) -> list[Violation]:
    head = storage.find_definition(connection, namespace_id, name)
    storage_map = load_maps(connection, namespace_id, [head.id]).get(head.id) if head else None
    if faults or storage_map is None or not isinstance(document, dict):
        return []
    return storage_map.find_faults(document, ())


def _find_schema(connection: Connection, namespace_id: int, name: str, place: str | None) -> JsonObject:
    """A version's content: that of a place, else the newest published one, else the draft; or a definition that is shipped."""
    head = storage.find_definition(connection, namespace_id, name)
    if head is None:
        try:
            standard = load_standard(name, int(place) if place and place.isdigit() else None)
        except UnknownStandardError:
            raise missing_definition(name) from None
        return {"json_schema": standard.json_schema, "number": int(place) if place and place.isdigit() else 1}
    if place is None:
        published = storage.list_published(connection, namespace_id, [head.id])
        current = [version for version in published if version.status == storage.PUBLISHED] or published
        place = str(current[-1].number) if current else "latest"
    return load_record(find_version_row(connection, namespace_id, name, place)[1].record)


def report(connection: Connection, namespace_id: int, name: str, place: str) -> JsonObject:
    """What a version of a definition would do: whether it keeps what was promised, and which stored versions it would refuse."""
    head, row = find_version_row(connection, namespace_id, name, place)
    record = load_record(row.record)
    compatibility, faults, _ = compare(connection, namespace_id, record)
    validator = compile_validator(record["json_schema"])
    judged = judge_stored(connection, namespace_id, head.id, row.number, validator) if _is_of_versions(record) else None
    return {
        "schema": name,
        "version": row.number,
        "compatible": compatibility.compatible and not faults,
        "breaks": [
            {
                "version": one.version,
                "direction": one.direction,
                "certain": one.certain,
                "message": one.message,
                "witness": one.witness,
            }
            for one in compatibility.breaks
        ],
        "errors": [fault.as_json() for fault in faults],
        "stored": judged.as_json() if judged else None,
    }


def _is_of_versions(record: JsonObject) -> bool:
    return bool(record["describes"] == Describes.MODEL_VERSION)


def draft_from(connection: Connection, namespace_id: int, model: str, name: str | None) -> JsonObject:
    """A definition that a model's versions satisfy, to be read and corrected by a person.

    Raises NotFoundError, InvalidDocumentError for a model without versions.
    """
    head = reading.find_by_name(connection, Kind.MODEL, namespace_id, model)
    if head is None:
        raise NotFoundError(f"there is no model {model!r}")
    if not head.last_version:
        raise InvalidDocumentError.at("/model", "no_versions", f"the model {model!r} has no version to learn from")
    return infer(_described(connection, namespace_id, head.id), name=name or _plain_name(model))


def _plain_name(model: str) -> str:
    """A name for a definition, from that of a model."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", model.lower()).strip("-")[:60]
    return plain if plain[:1].isalpha() else f"schema-{plain}".rstrip("-")


def _described(connection: Connection, namespace_id: int, model_id: UUID) -> Iterator[JsonObject]:
    for rows in storage.iter_versions_of(connection, namespace_id, [model_id], INFERRED_FROM):
        for row in rows:
            yield described_version(load_record(row.record))
