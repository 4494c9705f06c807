"""The history of records, from the events that made them: who did what when, and how a record was before and after."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.entries import opened, read_entry
from studbook.domain.errors import MalformedInputError, NotFoundError
from studbook.domain.names import BadReferenceError, ById, ByNumber, Kind, model_name, parse_reference
from studbook.domain.types import format_time
from studbook.merkle.hashing import leaf_hash
from studbook.storage import history, reading, scanning
from studbook.storage.history import Selection
from studbook.storage.references import find_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.names import ByAlias
    from studbook.services.listing import Paging
    from studbook.storage.graph import AnyRow

    Place = str | UUID | ByNumber | ByAlias

# An id holds the clock of the process that made it, which may differ from another's.
_CLOCKS_DIFFER: Final = timedelta(hours=1)


def list_events(connection: Connection, namespace_id: int, paging: Paging, selection: Selection) -> bytes:
    """A page of events, newest first, each opened: with those values in place that still are beside the log."""
    page = paging.read(f"events {namespace_id} {selection}", str)
    bounded = _bounded(selection)
    if page.after is not None:
        below = UUID(page.after[0])
        bounded = replace(bounded, below_id=below if bounded.below_id is None else min(below, bounded.below_id))
    rows = history.list_events(connection, namespace_id, bounded, page.size)
    shown = rows[: page.size]
    items = [_shown(row, entry) for row, entry in zip(shown, open_events(connection, namespace_id, shown), strict=True)]
    token = page.token((str(shown[-1].id),)) if len(rows) > page.size else None
    return json.dumps({"items": items, "next_page_token": token}, ensure_ascii=False).encode()


def list_history(connection: Connection, namespace_id: int, kind: Kind, place: Place, paging: Paging) -> bytes:
    """A page of the history of one record, newest first; a model, dataset or experiment is told by name, others by place or id.

    Raises NotFoundError.
    """
    row = _find_row(connection, namespace_id, kind, place)
    if row is None:
        raise NotFoundError(f"there is no such {kind.value.replace('_', ' ')}, so it has no history")
    return list_events(connection, namespace_id, paging, Selection(subject_id=row.id))


def _find_row(connection: Connection, namespace_id: int, kind: Kind, place: Place) -> Any:  # noqa: ANN401 - any record's row
    match place:
        case str():
            return reading.find_by_name(connection, kind, namespace_id, place)
        case UUID():
            return reading.find_by_id(connection, kind, namespace_id, place)
        case ByNumber() if kind is Kind.DATASET_VERSION:
            return reading.find_dataset_version(connection, namespace_id, place)
        case _:
            return reading.find_version(connection, namespace_id, place)


def select(
    connection: Connection,
    namespace_id: int,
    *,
    subject: str | None,
    actor: str | None,
    action: str | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """The events that a query means; `subject` is any reference to a record, or its exact name in the log.

    Raises MalformedInputError for what is no time.
    """
    chosen = Selection(actor=actor, action=action, since=_read_time("since", since), until=_read_time("until", until))
    if subject is None:
        return chosen
    subject_id = find_subject(connection, namespace_id, subject)
    return replace(chosen, subject=subject) if subject_id is None else replace(chosen, subject_id=subject_id)


def get_subject(connection: Connection, namespace_id: int, text: str) -> UUID:
    """The subject that `find_subject` finds.

    Raises NotFoundError.
    """
    subject_id = find_subject(connection, namespace_id, text)
    if subject_id is None:
        raise NotFoundError(
            f"nothing in the log is named {text[:120]!r}; studbook audit events shows the names of what was logged"
        )
    return subject_id


def find_subject(connection: Connection, namespace_id: int, text: str) -> UUID | None:
    """The id of the subject that a reference means, that has this exact name in the log, or that is the model of this name."""
    try:
        reference = parse_reference(text)
        # A bare id may be that of a record which no other reference reaches, such as a token or a log.
        if isinstance(reference, ById):
            return reference.id
        if len(found := find_records(connection, namespace_id, [reference])[reference]) == 1:
            return found[0].id
    except BadReferenceError:
        pass
    named = history.find_subject(connection, namespace_id, text)
    return history.find_subject(connection, namespace_id, model_name(text)) if named is None else named


def _read_time(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedInputError.at(f"/{name}", "bad_time", f"{text[:60]!r} is no RFC 3339 time") from None
    return format_time(moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC))


def get_event(connection: Connection, namespace_id: int, event_id: UUID) -> JsonObject:
    """One event, opened.

    Raises NotFoundError.
    """
    row = _get_row(connection, namespace_id, event_id)
    return _shown(row, open_events(connection, namespace_id, [row])[0])


def check_event(connection: Connection, namespace_id: int, event_id: UUID) -> None:
    """Raise NotFoundError when there is no such event."""
    if not history.has_event(connection, namespace_id, event_id):
        raise NotFoundError(f"there is no event with the id {event_id}")


def get_entry(connection: Connection, namespace_id: int, event_id: UUID) -> bytes:
    """The bytes under which an event is logged.

    Raises NotFoundError when there is no such event, or its entry was purged.
    """
    body = _get_row(connection, namespace_id, event_id).body
    if body is None:
        raise NotFoundError(f"the entry of event {event_id} was purged when its retention period ended; its hash remains")
    return bytes(body)


def _get_row(connection: Connection, namespace_id: int, event_id: UUID) -> AnyRow:
    row = history.find_event(connection, namespace_id, event_id)
    if row is None:
        raise NotFoundError(f"there is no event with the id {event_id}")
    return row


def open_events(connection: Connection, namespace_id: int, rows: Sequence[AnyRow]) -> list[JsonObject | None]:
    """The entries of events with their values in place, before and after; None for one that was purged."""
    entries = [None if row.body is None else read_entry(row.body) for row in rows]
    earlier = [
        (row.subject_id, row.revision - 1)
        for row, entry in zip(rows, entries, strict=True)
        if entry is not None and row.revision > 1 and (entry["private"] or entry["detached"])
    ]
    before = history.list_revisions(connection, namespace_id, earlier)
    marked = [row.id for row, entry in zip(rows, entries, strict=True) if entry and (entry["private"] or entry["detached"])]
    ids = [*marked, *before.values()]
    private = scanning.find_private_values(connection, namespace_id, ids) if ids else {}
    detached = scanning.find_detached_values(connection, namespace_id, ids) if ids else {}

    def values(known: Mapping[UUID, Mapping[str, AnyRow]], row: AnyRow) -> dict[str, bytes]:
        inherited = known.get(before.get((row.subject_id, row.revision - 1), row.id), {})
        # What stood after the event before stands before this one.
        found = {place.replace("/after/", "/before/", 1): value.value for place, value in inherited.items() if _is_after(place)}
        return found | {place: value.value for place, value in known.get(row.id, {}).items()}

    return [
        None if entry is None else opened(entry, values(private, row), values(detached, row))
        for row, entry in zip(rows, entries, strict=True)
    ]


def _is_after(place: str) -> bool:
    return place.startswith("/after/")


def _shown(row: AnyRow, entry: JsonObject | None) -> JsonObject:
    """An event as the API shows it: its entry, and where that stands in the log."""
    columns: dict[str, Any] = {
        "id": str(row.id),
        "action": row.action,
        "actor": row.actor,
        "occurred_at": row.occurred_at,
        "subject": row.subject,
        "subject_id": str(row.subject_id),
        "rev": row.revision,
        "purged": entry is None,
    }
    place = None if row.shard is None else {"shard": row.shard, "index": row.entry_index}
    leaf = None if row.body is None else base64.b64encode(leaf_hash(row.body)).decode()
    return {**columns, **(entry or {}), "log": place, "leaf_hash": leaf}


def _bounded(selection: Selection) -> Selection:
    """The selection with bounds of ids in the place of times, as far as those allow: ids are indexed."""
    since, until = selection.since, selection.until
    return replace(
        selection,
        from_id=_id_at(since, -_CLOCKS_DIFFER) if since else None,
        below_id=_id_at(until, _CLOCKS_DIFFER) if until else None,
    )


def _id_at(time: str, slack: timedelta) -> UUID:
    """The least UUIDv7 of a moment."""
    moment = datetime.fromisoformat(time) + slack
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=min(milliseconds, 2**48 - 1) << 80)
