"""Compares dataset versions by what was recorded of their data: how columns drifted, and how many rows two share."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from studbook.domain.drift import compare_schemas
from studbook.domain.errors import InvalidDocumentError
from studbook.domain.names import ByNumber, Kind, parse_dataset_place, parse_reference
from studbook.formats.datasets.errors import DataError
from studbook.formats.datasets.sketch import overlap, read_sketch
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import LATEST, get_by_id, get_dataset_version, get_record

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.formats.datasets.sketch import RowSketch


def find_drift(connection: Connection, namespace_id: int, place: ByNumber, against: str | None) -> JsonObject:
    """What differs from another dataset version to this one; from the one before, unless another is named.

    Raises NotFoundError, InvalidDocumentError for a first version and what is no dataset version.
    """
    after = load_record(get_dataset_version(connection, namespace_id, place).body)
    if against is not None:
        before = _get_other(connection, namespace_id, place.name, against, "/against")
    elif after["number"] == 1:
        message = f"{after['name']} is the first version of its dataset; name the version to compare with in 'against'"
        raise InvalidDocumentError.at("/against", "no_version_before", message)
    else:
        earlier = parse_dataset_place(place.name, str(after["number"] - 1))
        before = load_record(get_dataset_version(connection, namespace_id, earlier).body)
    return compare_schemas(before, after)


def estimate_overlap(connection: Connection, namespace_id: int, place: ByNumber, other: str) -> JsonObject:
    """How many distinct rows two dataset versions share, by the sketches that were recorded with them.

    Raises NotFoundError, InvalidDocumentError where a sketch is missing or the two cannot be compared.
    """
    first = load_record(get_dataset_version(connection, namespace_id, place).body)
    second = _get_other(connection, namespace_id, place.name, other, "/with")
    try:
        found = overlap(_get_sketch(first, ""), _get_sketch(second, "/with"))
    except DataError as error:
        raise InvalidDocumentError.at("/with", "not_comparable", str(error)) from error
    return {"first": first["name"], "second": second["name"], "rows": asdict(found)}


def _get_other(connection: Connection, namespace_id: int, dataset: str, text: str, pointer: str) -> JsonObject:
    """The dataset version that a number, `latest` (of the same dataset), `NAME/3` or another reference means."""
    if text == LATEST or text.isdecimal():
        return load_record(get_dataset_version(connection, namespace_id, parse_dataset_place(dataset, text)).body)
    reference = parse_reference(text)
    if isinstance(reference, ByNumber) and not text.startswith("models/"):
        reference = replace(reference, kind=Kind.DATASET_VERSION)  # where datasets are spoken of, the short form means one
    found = get_record(connection, namespace_id, reference, text)
    if found.kind is not Kind.DATASET_VERSION:
        raise InvalidDocumentError.at(pointer, "wrong_kind", f"{found.name} is no dataset version; only those are compared")
    return load_record(get_by_id(connection, Kind.DATASET_VERSION, namespace_id, found.id).body)


def _get_sketch(record: JsonObject, pointer: str) -> RowSketch:
    extra = (record["profile"] or {}).get("extra")
    stored = extra.get("rows_sketch") if isinstance(extra, dict) else None
    if not isinstance(stored, dict):
        message = (
            f"{record['name']} was recorded without a sketch of its rows (profile.extra.rows_sketch); record a profile of it"
        )
        raise InvalidDocumentError.at(pointer, "no_sketch", message)
    return read_sketch(stored)
