"""Reads: records as the API shows them, as JSON bytes.

A record's stored bytes are already JSON, so a read adds what changes beside it (ETag, aliases) and decodes nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import canonical_json
from studbook.domain.errors import InvalidDocumentError, MalformedInputError, NotFoundError
from studbook.domain.names import ByAlias, ByNumber, Kind, Reference, dataset_name, model_name, version_name
from studbook.schemas.standards import list_standards
from studbook.services.recording import etag
from studbook.storage import reading as storage
from studbook.storage.references import Found, find_records

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.services.recording import Recorded, Recorder


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as JSON bytes, with its ETag, and after a write the events that it recorded."""

    body: bytes
    etag: str
    events: tuple[Recorded, ...] = ()
    verdict: JsonObject | None = None

    def value(self) -> Any:  # noqa: ANN401 - a JSON object
        """The record as a value."""
        return json.loads(self.body)

    def after(self, recorder: Recorder) -> Shown:
        """The record as the answer to a write."""
        return replace(self, events=tuple(recorder.recorded), verdict=recorder.verdict)


def show(row: Any, extra: JsonObject | None = None) -> Shown:  # noqa: ANN401 - a row of any record's table, of today or the past
    """A record's row as the API shows it."""
    mark = record_etag(row.id, row.revision, extra or {})
    added = json.dumps({"etag": mark, "updated_at": row.updated_at, **(extra or {})}, ensure_ascii=False)
    return Shown(added.encode()[:-1] + b"," + row.record[1:], mark)


def record_etag(record_id: UUID, revision: int, extra: JsonObject) -> str:
    """The ETag of what the API shows: of the record's revision and, where they are shown, of its aliases or latest version.

    Those change without the record, and `latest` or an alias may come to mean another version at the same revision.
    """
    beside = {name: extra[name] for name in _BESIDE if name in extra}
    if not beside:
        return etag(revision)
    return etag(revision, hashlib.sha256(canonical_json([str(record_id), beside])).hexdigest()[:8])


LATEST: Final = "latest"
# 2^31 has ten digits.
_NUMBER_DIGITS: Final = 9


def number_at(place: str, latest: int, what: str) -> int:
    """The number of a version as a path gives it: a number, or `latest`; `what` says of what it is a version.

    Raises InvalidDocumentError.
    """
    if place == LATEST:
        return latest
    if not (place.isascii() and place.isdigit() and len(place) <= _NUMBER_DIGITS):
        message = f"{place[:40]!r} is no version of a {what}; write its number, or latest"
        raise InvalidDocumentError.at("", "bad_version", message)
    return int(place)


# What is shown with a record and changes without it.
_BESIDE: Final = ("aliases", "latest_version")


def get_model(connection: Connection, namespace_id: int, name: str) -> Shown:
    """A registered model."""
    row = storage.find_by_name(connection, Kind.MODEL, namespace_id, name)
    if row is None:
        raise missing_model(name)
    return show(row, {"latest_version": row.last_version or None})


def get_version(connection: Connection, namespace_id: int, place: ByNumber | ByAlias) -> Shown:
    """A model version by number, latest or alias."""
    found = storage.find_version_with_aliases(connection, namespace_id, place)
    if found is None:
        raise missing_version(place)
    row, aliases = found
    return show(row, {"aliases": aliases})


def get_model_etag(connection: Connection, namespace_id: int, name: str) -> str:
    """The ETag of a model as it is shown, without reading the record."""
    row = storage.find_model_mark(connection, namespace_id, name)
    if row is None:
        raise missing_model(name)
    return record_etag(row.id, row.revision, {"latest_version": row.last_version or None})


def get_version_etag(connection: Connection, namespace_id: int, place: ByNumber | ByAlias) -> str:
    """The ETag of a model version as it is shown, without reading the record."""
    found = storage.find_version_mark(connection, namespace_id, place)
    if found is None:
        raise missing_version(place)
    row, aliases = found
    return record_etag(row.id, row.revision, {"aliases": aliases})


def get_alias_etag(connection: Connection, namespace_id: int, model: str, alias: str) -> str:
    """The ETag of an alias, which is its model's."""
    revision = storage.find_alias_mark(connection, namespace_id, model, alias)
    if revision is None:
        raise missing_version(ByAlias(model, alias))
    return etag(revision)


def missing_model(name: str) -> NotFoundError:
    """What to say of a model that is not there."""
    return NotFoundError(f"there is no model {name!r}; its versions would be under {model_name(name)}")


def missing_version(place: ByNumber | ByAlias) -> NotFoundError:
    """What to say of a place where no version is."""
    if isinstance(place, ByAlias):
        return NotFoundError(f"the model {place.model!r} has no alias {place.alias!r}")
    if place.number is None:
        return NotFoundError(f"there is no model {place.name!r} with a version")
    return NotFoundError(f"there is no {version_name(place.name, place.number)}")


def missing_definition(name: str) -> NotFoundError:
    """What to say of a name that no definition has."""
    more = "; Studbook ships it, and it is there once it was adopted" if name in list_standards() else ""
    return NotFoundError(f"there is no schema definition {name[:128]!r}{more}")


def missing_policy(name: str) -> NotFoundError:
    """What to say of a name that no policy has."""
    return NotFoundError(f"there is no policy {name[:128]!r}; studbook policy list shows those there are")


def get_dataset(connection: Connection, namespace_id: int, name: str) -> Shown:
    """A dataset."""
    row = storage.find_by_name(connection, Kind.DATASET, namespace_id, name)
    if row is None:
        raise NotFoundError(f"there is no {dataset_name(name)}")
    return show(row)


def get_dataset_version(connection: Connection, namespace_id: int, place: ByNumber) -> Shown:
    """A dataset version by number or latest."""
    row = storage.find_dataset_version(connection, namespace_id, place)
    if row is None:
        raise NotFoundError(f"the dataset {place.name!r} has no version {place.number or 'yet'}")
    return show(row)


def get_by_id(connection: Connection, kind: Kind, namespace_id: int, record_id: UUID) -> Shown:
    """A run, deployment or token by its id."""
    row = storage.find_by_id(connection, kind, namespace_id, record_id)
    if row is None:
        raise NotFoundError(f"there is no {kind.value.replace('_', ' ')} with the id {record_id}")
    return show(row)


def get_record(connection: Connection, namespace_id: int, reference: Reference, text: str) -> Found:
    """The one record that a reference means.

    Raises NotFoundError when it means none, MalformedInputError when it means several.
    """
    found = find_records(connection, namespace_id, [reference])[reference]
    if not found:
        raise NotFoundError(f"{text[:120]!r} means nothing in this namespace")
    if len(found) > 1:
        names = ", ".join(match.name for match in found[:4])
        raise MalformedInputError.at(
            "", "ambiguous_reference", f"{text[:120]!r} means several records: {names}; name one of them"
        )
    return found[0]
