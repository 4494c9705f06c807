"""The recipe of a model version, and whether a re-run reproduced it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from studbook.domain.errors import InvalidDocumentError
from studbook.domain.names import Kind, parse_place, parse_reference
from studbook.domain.recipes import find_inputs, make_recipe
from studbook.domain.reproduction import compare_recipes, parse_tolerance
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import LATEST, get_by_id, get_record, get_version
from studbook.storage.reading import find_by_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.names import ByAlias, ByNumber


def get_recipe(connection: Connection, namespace_id: int, place: ByNumber | ByAlias) -> JsonObject:
    """What it takes to make a version again, as far as it was recorded.

    Raises NotFoundError.
    """
    return _recipe_of(connection, namespace_id, load_record(get_version(connection, namespace_id, place).body))


def verify_reproduction(
    connection: Connection, namespace_id: int, place: ByNumber | ByAlias, other: str, tolerance: Sequence[str]
) -> JsonObject:
    """Whether the version `other`, of a re-run, reproduced the version at the place.

    Raises NotFoundError, InvalidDocumentError for what is no re-run of it and for a tolerance that says nothing.
    """
    allowed = parse_tolerance(tolerance)
    original = load_record(get_version(connection, namespace_id, place).body)
    rerun = _get_other(connection, namespace_id, original["model"], other)
    if rerun["id"] == original["id"]:
        message = f"{original['name']} is the original itself; name the version that the re-run registered"
        raise InvalidDocumentError.at("/other", "same_version", message)
    if original["run"] is not None and original["run"] == rerun["run"]:
        message = (
            f"{original['run']['name']} made both versions, neither is a re-run of the other; name what another run registered"
        )
        raise InvalidDocumentError.at("/other", "same_run", message)
    first, second = (_recipe_of(connection, namespace_id, version) for version in (original, rerun))
    return compare_recipes(first, second, allowed)


def _get_other(connection: Connection, namespace_id: int, model: str, text: str) -> JsonObject:
    """The version that a number, `latest` or `@alias` (of the same model) or another reference means."""
    if text == LATEST or text.isdecimal() or text.startswith("@"):
        return load_record(get_version(connection, namespace_id, parse_place(model, text)).body)
    found = get_record(connection, namespace_id, parse_reference(text), text)
    if found.kind is not Kind.MODEL_VERSION:
        raise InvalidDocumentError.at(
            "/other", "wrong_kind", f"{found.name} is no model version; name one that a re-run registered"
        )
    return load_record(get_by_id(connection, Kind.MODEL_VERSION, namespace_id, found.id).body)


def _recipe_of(connection: Connection, namespace_id: int, version: JsonObject) -> JsonObject:
    run = None
    if version["run"] is not None:
        run = load_record(get_by_id(connection, Kind.RUN, namespace_id, UUID(version["run"]["id"])).body)
    arrived = [entry["resolved"] for entry in version.get("references", ()) if entry["resolved"]]
    data = _records(connection, Kind.DATASET_VERSION, namespace_id, find_inputs(version, run))
    parents = _records(connection, Kind.MODEL_VERSION, namespace_id, [*version["parents"], *arrived])
    return make_recipe(version, run, data, parents)


def _records(connection: Connection, kind: Kind, namespace_id: int, entries: Iterable[JsonObject]) -> dict[str, JsonObject]:
    """The records that the entries name, by name."""
    rows = find_by_ids(connection, kind, namespace_id, {UUID(entry["id"]) for entry in entries})
    records = (load_record(row.record) for row in rows)
    return {record["name"]: record for record in records}
