"""Definitions tried out: documents held against one, a draft against what is stored, and a draft made from what is stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from studbook.domain.errors import InvalidDocumentError, NotFoundError
from studbook.domain.names import Kind
from studbook.schemas.definition import Describes
from studbook.schemas.inference import infer
from studbook.schemas.standards import UnknownStandardError, list_standards, load_standard
from studbook.schemas.storage_map import StorageMap, compile_map, described_version
from studbook.schemas.validation import Validator, compile_validator
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import missing_definition
from studbook.services.schemas.contracts import ANY_VERSION, choose_version, find_contract, read_attributes
from studbook.services.schemas.definitions import find_version_row
from studbook.services.schemas.judging import compare, judge_stored
from studbook.storage import reading
from studbook.storage import schemas as storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject

# Enough to see every shape there is.
INFERRED_FROM: Final = 100_000
# What is not adopted has no table.
_NOWHERE: Final = UUID(int=0)


def validate(connection: Connection, namespace_id: int, name: str, place: str | None, document: object) -> JsonObject:
    """Hold a document against a version of a definition (its newest published one), without storing anything."""
    number, validator, storage_map = _find_version(connection, namespace_id, name, place)
    faults = validator.find_faults(document)
    if not faults and isinstance(document, dict):
        faults = storage_map.find_faults(document, ())
    return {"schema": name, "version": number, "valid": not faults, "errors": [fault.as_json() for fault in faults]}


def _find_version(connection: Connection, namespace_id: int, name: str, place: str | None) -> tuple[int, Validator, StorageMap]:
    """A version of a place, else the newest published one, else the draft; or one that is shipped and was not adopted."""
    head = storage.find_definition(connection, namespace_id, name)
    if head is None:
        return _find_shipped(name, place)
    if place is None:
        newest = choose_version(storage.list_published(connection, namespace_id, [head.id]), ANY_VERSION)
        place = str(newest.number) if newest else "latest"
    row = find_version_row(connection, namespace_id, name, place)[1]
    contract = find_contract(connection, namespace_id, head.id, row.number)
    if contract is not None:
        return contract.number, contract.validator, contract.storage_map
    record = load_record(row.record)
    attributes = read_attributes(record) if _is_of_versions(record) else []
    drafted = compile_map(head.id, name, head.number, [(row.number, attributes)])
    return row.number, compile_validator(record["json_schema"]), drafted


def _find_shipped(name: str, place: str | None) -> tuple[int, Validator, StorageMap]:
    versions = list_standards().get(name)
    if versions is None:
        raise missing_definition(name)
    number = versions[-1] if place in (None, "latest") else int(place) if place and place.isdigit() else 0
    try:
        shipped = load_standard(name, number)
    except UnknownStandardError as error:
        raise NotFoundError(str(error)) from None
    attributes = shipped.attributes if shipped.describes is Describes.MODEL_VERSION else ()
    return number, compile_validator(shipped.json_schema), compile_map(_NOWHERE, name, 0, [(number, attributes)])


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
