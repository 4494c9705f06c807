"""Records as they were: at a time, or when the log had so many entries. They are read from the events, not from the tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.errors import MalformedInputError, NotFoundError
from studbook.domain.names import ByAlias, ByNumber, Kind, dataset_name, model_name, version_name
from studbook.domain.types import format_time
from studbook.services.history import open_events
from studbook.services.reading import Shown, missing_version, show
from studbook.storage import history, log, reading
from studbook.storage.history import Moment

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

_TREE_SIZE: Final = re.compile(r"(?:([1-9][0-9]{0,8}):)?(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class _Past:
    """What a record's row was."""

    id: UUID
    revision: int
    record: bytes
    updated_at: str
    value: JsonObject


def read_moment(connection: Connection, namespace_id: int, text: str) -> Moment:
    """What `as_of` means: an RFC 3339 time, a day, or a tree size (of the newest shard, or `SHARD:SIZE`).

    Raises MalformedInputError.
    """
    if match := _TREE_SIZE.fullmatch(text):
        shard = int(match[1]) if match[1] else log.get_tree(connection, namespace_id).shard
        tree = log.find_tree(connection, namespace_id, shard)
        if tree is None or int(match[2]) > tree.size:
            size = "no such shard" if tree is None else f"{tree.size:,} entries"
            raise MalformedInputError.at("/as_of", "bad_as_of", f"the log has not grown to {text} yet: it has {size}")
        return Moment(shard=shard, size=int(match[2]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text[:60]!r} is neither a time such as 2026-11-25T09:30:00Z nor the size of the log's tree"
        raise MalformedInputError.at("/as_of", "bad_as_of", message) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Moment(time=format_time(moment.astimezone(UTC)))


def read_time(connection: Connection, namespace_id: int, text: str) -> str:
    """The time that `as_of` means; a tree size means that of the last of so many entries.

    Raises MalformedInputError.
    """
    moment = read_moment(connection, namespace_id, text)
    if moment.time is not None:
        return moment.time
    time = history.find_time_at(connection, namespace_id, moment)
    if time is None:
        message = "the log had no entry then, so there was no lineage; name a later size or a time"
        raise MalformedInputError.at("/as_of", "bad_as_of", message)
    return time


def get_model(connection: Connection, namespace_id: int, name: str, as_of: str) -> Shown:
    """A registered model as it was."""
    moment = read_moment(connection, namespace_id, as_of)
    past = _model(connection, namespace_id, name, moment)
    return show(past, {"latest_version": history.find_last_number_at(connection, namespace_id, past.id, moment)})


def get_version(connection: Connection, namespace_id: int, place: ByNumber | ByAlias, as_of: str) -> Shown:
    """A model version as it was; `latest` and aliases mean what they meant then."""
    moment = read_moment(connection, namespace_id, as_of)
    model = _model(connection, namespace_id, place.model if isinstance(place, ByAlias) else place.name, moment)
    name = model.value["model"]
    if isinstance(place, ByAlias):
        number = model.value["aliases"].get(place.alias)
    else:
        number = place.number or history.find_last_number_at(connection, namespace_id, model.id, moment)
    if number is None:
        raise NotFoundError(f"{missing_version(place).detail} at that time")
    found = reading.find_version(connection, namespace_id, ByNumber(Kind.MODEL_VERSION, name, number))
    past = _find(connection, namespace_id, found, moment)
    if past is None:
        raise NotFoundError(f"there was no {version_name(name, number)} at that time")
    aliases = sorted(alias for alias, pointed in model.value["aliases"].items() if pointed == number)
    return show(past, {"aliases": aliases})


def get_dataset(connection: Connection, namespace_id: int, name: str, as_of: str) -> Shown:
    """A dataset as it was."""
    moment = read_moment(connection, namespace_id, as_of)
    row = reading.find_by_name(connection, Kind.DATASET, namespace_id, name)
    return show(_get(connection, namespace_id, row, moment, dataset_name(name)))


def get_dataset_version(connection: Connection, namespace_id: int, place: ByNumber, as_of: str) -> Shown:
    """A dataset version as it was, by its number."""
    moment = read_moment(connection, namespace_id, as_of)
    row = reading.find_dataset_version(connection, namespace_id, place)
    return show(_get(connection, namespace_id, row, moment, f"dataset version {place.name}/{place.number or 'latest'}"))


def get_by_id(connection: Connection, kind: Kind, namespace_id: int, record_id: UUID, as_of: str) -> Shown:
    """A run or deployment as it was."""
    moment = read_moment(connection, namespace_id, as_of)
    row = reading.find_by_id(connection, kind, namespace_id, record_id)
    return show(_get(connection, namespace_id, row, moment, f"{kind.value.replace('_', ' ')} with the id {record_id}"))


def _model(connection: Connection, namespace_id: int, name: str, moment: Moment) -> _Past:
    row = reading.find_by_name(connection, Kind.MODEL, namespace_id, name)
    return _get(connection, namespace_id, row, moment, model_name(name))


def _get(connection: Connection, namespace_id: int, row: Any, moment: Moment, what: str) -> _Past:  # noqa: ANN401 - any record's row
    past = _find(connection, namespace_id, row, moment)
    if past is None:
        raise NotFoundError(f"there {'is' if row is None else 'was'} no {what}{'' if row is None else ' at that time'}")
    return past


def _find(connection: Connection, namespace_id: int, row: Any, moment: Moment) -> _Past | None:  # noqa: ANN401 - as above
    """What a record of today was; it is read from the last event up to the moment."""
    event = None if row is None else history.find_event_at(connection, namespace_id, row.id, moment)
    if event is None:
        return None
    entry = open_events(connection, namespace_id, [event])[0]
    if entry is None:
        raise NotFoundError(f"the entries of {event.subject} at that time were purged when their retention period ended")
    return _Past(event.subject_id, event.revision, canonical_json(entry["after"]), event.occurred_at, entry["after"])
