"""Later facts about registered models: description, owners, tags, archiving, aliases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.documents import Access, AliasTarget, ModelPatch
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.names import ByAlias, Kind, find_name_fault, parse_place, version_name
from studbook.governance.gates import Gate, Passage
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import current_version, stored_version
from studbook.services.ingestion.resolution import load_record
from studbook.services.listing import page_of_values
from studbook.services.reading import Shown, get_model, missing_version
from studbook.services.recording import Recorder, check_match, etag
from studbook.services.schemas.backfilling import start_backfill
from studbook.services.schemas.contracts import find_choices, load_contracts, unknown_schema
from studbook.storage import facts
from studbook.storage import reading as storage
from studbook.storage.listing import list_aliases as list_alias_rows
from studbook.storage.tables import aliases

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from studbook.domain.canonical import JsonObject
    from studbook.domain.errors import StudbookError
    from studbook.services.caller import Caller
    from studbook.services.listing import Paging
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


def change_model(database: Database, caller: Caller, name: str, patch: ModelPatch, if_match: str | None) -> Shown:
    """Change what may change of a model.

    Raises NotFoundError, StaleRecordError.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        row = _lock(transaction, caller, name)
        check_match(if_match, row.revision)
        record = load_record(row.record)
        recorder = Recorder(transaction, caller)
        changed = _patched(record, patch, recorder.now)
        if "schema_" in patch.model_fields_set:
            changed["schema"] = _choose_schema(transaction, caller, name, patch)
        if changed != record:
            action = archiving_action(record, changed, Action.MODEL_ARCHIVED, Action.MODEL_RESTORED, Action.MODEL_CHANGED)
            recorder.amend(action, row, changed)
            _move_attributes(transaction, caller, row.id, record.get("schema"), changed.get("schema"), recorder.now)
        transaction.flush()
        return get_model(transaction.connection, caller.namespace_id, name).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _patched(record: JsonObject, patch: ModelPatch, now: str) -> JsonObject:
    changed = dict(record)
    given = patch.model_fields_set
    if "description" in given:
        changed["description"] = patch.description
    if patch.owners is not None:
        if len({owner.name for owner in patch.owners}) != len(patch.owners):
            raise InvalidDocumentError.at("/owners", "duplicate_owner", "an owner stands twice; name each once")
        changed["owners"] = [owner.model_dump(mode="json") for owner in patch.owners]
    if patch.tags:
        changed["tags"] = merge_tags(record["tags"], patch.tags)
    if patch.archived is not None:
        changed["archived_at"] = archived_at(record, now, archived=patch.archived)
    return changed


def _choose_schema(transaction: Transaction, caller: Caller, name: str, patch: ModelPatch) -> JsonObject | None:
    """What the record says of the definition that the patch gives the model."""
    if patch.schema_ is None:
        return None
    connection, namespace_id = transaction.connection, caller.namespace_id
    chosen = find_choices(connection, namespace_id, {name: patch.schema_})[name]
    if chosen is None:
        raise InvalidDocumentError.at("/schema", "unknown_schema", unknown_schema(patch.schema_.name))
    contract = load_contracts(connection, namespace_id, {name: chosen})[name]
    if isinstance(contract, ConflictError):
        raise contract
    return chosen


def _move_attributes(
    transaction: Transaction, caller: Caller, model_id: UUID, before: JsonObject | None, after: JsonObject | None, now: str
) -> None:
    """Begin to put the attributes of a model's versions where another definition says."""
    if (before or {}).get("id") == (after or {}).get("id"):
        return
    transaction.flush()
    for chosen in (before, after):
        if chosen is not None:
            start_backfill(transaction, caller.namespace_id, UUID(chosen["id"]), now, model_id=model_id)


def merge_tags(tags: dict[str, str], patch: dict[str, str | None]) -> dict[str, str]:
    """The tags after a patch; a tag set to null is removed."""
    merged = {**tags, **patch}
    return {key: value for key, value in merged.items() if value is not None}


def archived_at(record: JsonObject, now: str, *, archived: bool) -> str | None:
    """When a record was archived, after it is archived or restored; archiving twice keeps the first time."""
    return (record["archived_at"] or now) if archived else None


def archiving_action(before: JsonObject, after: JsonObject, archived: Action, restored: Action, other: Action) -> Action:
    """The action that a change of a record amounts to."""
    if bool(before["archived_at"]) == bool(after["archived_at"]):
        return other
    return archived if after["archived_at"] else restored


def show_alias(connection: Connection, namespace_id: int, model: str, alias: str) -> Shown:
    """An alias as the API shows it, with the model's ETag."""
    row = storage.find_by_name(connection, Kind.MODEL, namespace_id, model)
    number = load_record(row.record)["aliases"].get(alias) if row else None
    if row is None or number is None:
        raise missing_version(parse_place(model, f"@{alias}"))
    version_id = facts.find_alias(connection, namespace_id, row.id, alias)
    version = {"name": version_name(model, number), "number": number, "id": str(version_id)}
    mark = etag(row.revision)
    shown = {"alias": alias, "model": model, "version": version, "etag": mark}
    return Shown(json.dumps(shown, ensure_ascii=False).encode(), mark)


def list_aliases(connection: Connection, namespace_id: int, model: str, paging: Paging) -> bytes:
    """The aliases of a model by name."""
    row = storage.find_by_name(connection, Kind.MODEL, namespace_id, model)
    if row is None:
        raise NotFoundError(f"there is no model {model!r}")
    page = paging.read(f"aliases {namespace_id} {model}", str)
    rows = list_alias_rows(connection, namespace_id, page.after, page.size, model_id=row.id)
    mark = etag(row.revision)
    return page_of_values(
        rows,
        page,
        lambda entry: (entry.name,),
        lambda entry: {
            "alias": entry.name,
            "model": model,
            "version": {"name": version_name(model, entry.number), "number": entry.number, "id": str(entry.version_id)},
            "etag": mark,
        },
    )


def set_alias(database: Database, caller: Caller, model: str, alias: str, target: AliasTarget, if_match: str | None) -> Shown:
    """Set or move an alias.

    Raises NotFoundError, StaleRecordError, ConflictError for an archived version.
    """
    caller.require(Access.WRITE)
    if fault := find_name_fault(alias) or (None if alias != "latest" else "'latest' always means the newest version"):
        raise InvalidDocumentError.at("", "bad_alias", fault)

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        if refused := point_alias(recorder, model, alias, target.version, if_match):
            return refused
        return show_alias(transaction.connection, caller.namespace_id, model, alias).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def point_alias(recorder: Recorder, model: str, alias: str, place_text: str, if_match: str | None = None) -> StudbookError | None:
    """Stage that an alias names another version, if policies allow it; returns their refusal.

    Raises NotFoundError, StaleRecordError, ConflictError.
    """
    transaction, caller = recorder.transaction, recorder.caller
    connection, namespace_id = transaction.connection, caller.namespace_id
    row = _lock(transaction, caller, model)
    check_match(if_match, row.revision)
    place = parse_place(model, place_text)
    version = storage.find_version(connection, namespace_id, place)
    if version is None:
        raise missing_version(place)
    version_record = load_record(version.record)
    if version_record["archived_at"]:
        message = f"{version_name(model, version.number)} is archived; restore it before an alias names it"
        raise ConflictError.at("/version", "version_archived", message)
    record = load_record(row.record)
    before = record["aliases"].get(alias)
    if before == version.number:
        return None
    question = Question(
        Passage(Gate.PROMOTE, alias),
        stored_version(connection, namespace_id, version_record, recorder.now),
        caller,
        recorder.now,
        lambda: current_version(connection, namespace_id, storage.find_version(connection, namespace_id, ByAlias(model, alias))),
    )
    if refused := pass_gate(recorder, question):
        return refused
    changed = {**record, "aliases": {**record["aliases"], alias: version.number}}
    recorder.amend(Action.ALIAS_MOVED if before else Action.ALIAS_SET, row, changed)
    facts.delete_rows(connection, aliases, namespace_id, model_id=row.id, name=alias)
    transaction.stage(aliases, {"namespace_id": namespace_id, "model_id": row.id, "name": alias, "version_id": version.id})
    transaction.flush()
    return None


def delete_alias(database: Database, caller: Caller, model: str, alias: str, if_match: str | None) -> Shown:
    """Remove an alias; the answer is empty but for its event.

    Raises NotFoundError, StaleRecordError.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        row = _lock(transaction, caller, model)
        check_match(if_match, row.revision)
        record = load_record(row.record)
        if alias not in record["aliases"]:
            raise missing_version(parse_place(model, f"@{alias}"))
        remaining = {name: number for name, number in record["aliases"].items() if name != alias}
        recorder = Recorder(transaction, caller)
        recorder.amend(Action.ALIAS_DELETED, row, {**record, "aliases": remaining})
        facts.delete_rows(transaction.connection, aliases, caller.namespace_id, model_id=row.id, name=alias)
        return Shown(b"{}", "").after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _lock(transaction: Transaction, caller: Caller, model: str) -> Row[Any]:
    row = storage.find_by_name(transaction.connection, Kind.MODEL, caller.namespace_id, model, lock=True)
    if row is None:
        raise NotFoundError(f"there is no model {model!r}")
    return row
