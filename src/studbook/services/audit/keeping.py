"""How long entries are kept: legal holds, retention periods, and the purge of what has outlived its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import Access
from studbook.domain.entries import read_entry
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, find_name_fault, quoted
from studbook.domain.types import format_time
from studbook.services.audit.erasing import check_held
from studbook.services.history import get_subject
from studbook.services.ingestion.resolution import load_record
from studbook.services.listing import list_by_id
from studbook.services.reading import Shown, get_by_id, show
from studbook.services.recording import Recorder, heading
from studbook.storage import log, reading, retention
from studbook.storage.references import Found

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import HoldPatch, NewHold, NewPurge, RetentionPeriod
    from studbook.services.caller import Caller
    from studbook.services.listing import Paging
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

_EVERYTHING_NAME: Final = "*"
# Entries about these tell how the log itself is to be read.
_KEPT_KINDS: Final = frozenset({Kind.LOG, Kind.LOG_KEY, Kind.RETENTION_CLASS, Kind.LEGAL_HOLD, Kind.NAMESPACE})
_KEPT_ACTIONS: Final = frozenset({Action.PRIVACY_ERASED, Action.LOG_PURGED})
_PART: Final = 5_000
# An entry has room for so many ranges of indexes.
_RANGES: Final = 1_500


def place_hold(database: Database, caller: Caller, document: NewHold) -> Shown:
    """Forbid that anything of a record, or of the whole namespace, is erased or purged.

    Raises NotFoundError.
    """
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        everything = document.subject == _EVERYTHING_NAME
        subject_id = retention.EVERYTHING if everything else get_subject(connection, namespace_id, document.subject)
        recorder, hold_id = Recorder(transaction, caller), new_id()
        record: JsonObject = {
            **heading(recorder, Kind.LEGAL_HOLD, Found(hold_id, Kind.LEGAL_HOLD, f"holds/{hold_id}")),
            "subject": document.subject,
            "subject_id": str(subject_id),
            "reason": document.reason,
            "released_at": None,
            "released_because": None,
        }
        recorder.register(Action.HOLD_PLACED, record)
        transaction.flush()
        return get_by_id(connection, Kind.LEGAL_HOLD, namespace_id, hold_id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def release_hold(database: Database, caller: Caller, hold_id: UUID, patch: HoldPatch) -> Shown:
    """End a legal hold; ending it twice changes nothing.

    Raises NotFoundError.
    """
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        row = reading.find_by_id(transaction.connection, Kind.LEGAL_HOLD, caller.namespace_id, hold_id, lock=True)
        if row is None:
            raise NotFoundError(f"there is no legal hold with the id {hold_id}")
        record, recorder = load_record(row.record), Recorder(transaction, caller)
        if record["released_at"] is None:
            ended = {**record, "released_at": recorder.now, "released_because": patch.reason}
            recorder.amend(Action.HOLD_RELEASED, row, ended)
        transaction.flush()
        return get_by_id(transaction.connection, Kind.LEGAL_HOLD, caller.namespace_id, hold_id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def list_holds(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """Legal holds, newest first."""
    query = f"holds {namespace_id}"
    return list_by_id(paging, query, lambda after, size: retention.list_holds(connection, namespace_id, after, size))


def set_retention(database: Database, caller: Caller, name: str, period: RetentionPeriod) -> Shown:
    """Make a retention class, or change it."""
    caller.require(Access.ADMIN)
    if fault := find_name_fault(name):
        raise InvalidDocumentError.at("", "bad_name", fault)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        recorder = Recorder(transaction, caller)
        row = reading.find_by_name(connection, Kind.RETENTION_CLASS, namespace_id, name, lock=True)
        values = {"class": name, "days": period.days, "kinds": sorted(kind.value for kind in period.kinds)}
        if row is None:
            found = Found(new_id(), Kind.RETENTION_CLASS, f"retention-classes/{quoted(name)}")
            recorder.register(Action.RETENTION_SET, {**heading(recorder, Kind.RETENTION_CLASS, found), **values})
        elif (record := load_record(row.record)) != {**record, **values}:
            recorder.amend(Action.RETENTION_SET, row, {**record, **values})
        transaction.flush()
        row = reading.find_by_name(connection, Kind.RETENTION_CLASS, namespace_id, name)
        return show(row).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def list_retention(connection: Connection, namespace_id: int) -> bytes:
    """The retention classes by name."""
    items = b",".join(show(row).body for row in retention.list_classes(connection, namespace_id))
    return b'{"items":[' + items + b'],"next_page_token":null}'


def purge(database: Database, caller: Caller, request: NewPurge) -> Shown:
    """Remove the bytes of those entries of a frozen shard that outlived their retention period; an entry says which.

    The last entry of each subject stays, as do those about the log itself, whatever is under a legal hold, and kinds
    without a retention class. Hashes, tiles and checkpoints stay, so everything else remains provable.

    Raises NotFoundError, and ConflictError for a shard that is open, or when nothing may be purged.
    """
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        shard = log.find_log(connection, namespace_id, request.shard)
        if shard is None:
            raise NotFoundError(f"the log of this namespace has no shard {request.shard}")
        if shard.status == "open":
            message = "only a frozen shard can be purged; studbook audit freeze opens another in its place"
            raise ConflictError.at("/shard", "shard_is_open", message)
        check_held(connection, namespace_id, [])
        doomed = _find_doomed(connection, namespace_id, request.shard)
        if not doomed:
            message = "no entry of this shard has outlived the period of a retention class"
            raise ConflictError.at("/shard", "nothing_to_purge", message)
        ranges = _ranges([index for index, _ in doomed])[:_RANGES]
        doomed = [(index, event) for index, event in doomed if index < ranges[-1][1]]
        open_shard = log.find_log(connection, namespace_id, lock=True)
        assert open_shard is not None  # noqa: S101 - a namespace always has an open shard
        detail = {"shard": request.shard, "entries": len(doomed), "ranges": ranges, "reason": request.reason}
        recorder = Recorder(transaction, caller)
        recorder.amend(Action.LOG_PURGED, open_shard, load_record(open_shard.record), detail=detail)
        transaction.flush()
        retention.purge_events(connection, namespace_id, [event for _, event in doomed])
        return get_by_id(connection, Kind.LOG, namespace_id, open_shard.id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _find_doomed(connection: Connection, namespace_id: int, shard: int) -> list[tuple[int, UUID]]:
    """The entries that may be purged: index and event."""
    now = datetime.now(UTC)
    limits: dict[str, str] = {}
    for record in (load_record(row.record) for row in retention.list_classes(connection, namespace_id)):
        limit = format_time(now - timedelta(days=record["days"]))
        # A kind that several classes name is kept as long as the longest of them says.
        limits |= {kind: min(limit, limits.get(kind, limit)) for kind in record["kinds"]}
    held = retention.list_held(connection, namespace_id)
    tree = log.find_tree(connection, namespace_id, shard)
    doomed: list[tuple[int, UUID]] = []
    for start in range(0, tree.size if tree else 0, _PART):
        rows = retention.list_purgeable(connection, namespace_id, shard, start, start + _PART)
        doomed += [(row.entry_index, row.id) for row in rows if row.subject_id not in held and _is_over(row, limits)]
    return doomed


def _is_over(row: Any, limits: dict[str, str]) -> bool:  # noqa: ANN401 - a row of an entry
    entry = read_entry(row.body)
    kind = entry["after"]["kind"]
    return kind not in _KEPT_KINDS and entry["action"] not in _KEPT_ACTIONS and kind in limits and row.occurred_at < limits[kind]


def _ranges(indexes: list[int]) -> list[list[int]]:
    """Rising indexes as ranges, each from its first up to, without, its end."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and ranges[-1][1] == index:
            ranges[-1][1] = index + 1
        else:
            ranges.append([index, index + 1])
    return ranges
