"""Schema definitions as records: drafted, published, deprecated. What is published never changes again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.documents import Access
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError, Violation
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.governance.gates import Gate, Passage
from studbook.schemas.bounds import find_schema_faults
from studbook.schemas.checking import find_attribute_faults
from studbook.schemas.definition import Definition, Describes
from studbook.schemas.standards import STANDARD_PREFIX, list_standards, load_standard
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import plain_subject
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import LATEST, Shown, missing_definition, number_at, show
from studbook.services.recording import Recorder, check_match, heading
from studbook.services.schemas.backfilling import start_backfill
from studbook.services.schemas.contracts import load_maps
from studbook.services.schemas.judging import check_evolution
from studbook.storage import schemas as storage
from studbook.storage.references import Found
from studbook.storage.side_tables import ensure_side_table

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row

    from studbook.domain.errors import StudbookError
    from studbook.schemas.storage_map import StorageMap
    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


def draft(database: Database, caller: Caller, definition: Definition, if_match: str | None = None) -> Shown:
    """Keep a definition as a draft: the next version of its name, or in place of the draft there is.

    What the latest version says already is not drafted again: that version is the answer.
    Raises InvalidDocumentError with every fault of the JSON Schema and of the attributes.
    """
    caller.require(Access.WRITE)
    if definition.name.startswith(STANDARD_PREFIX):
        message = f"names that begin with {STANDARD_PREFIX!r} are those of the definitions that Studbook ships; choose another"
        raise InvalidDocumentError.at("/name", "reserved_name", message)
    _check(definition)

    def change(transaction: Transaction) -> Shown:
        return _stage_draft(Recorder(transaction, caller), definition, if_match)

    return database.work.run(change)  # type: ignore[no-any-return]


def _check(definition: Definition) -> None:
    faults = [
        Violation(f"/json_schema{fault.pointer}", fault.code, fault.message)
        for fault in find_schema_faults(definition.json_schema)
    ]
    faults += find_attribute_faults(definition)
    if faults:
        raise InvalidDocumentError(f"the definition has {len(faults)} fault(s); nothing was stored", faults)


def _stage_draft(recorder: Recorder, definition: Definition, if_match: str | None) -> Shown:
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    head = storage.find_definition(connection, namespace_id, definition.name, lock=True)
    if head is None:
        head = _stage_definition(recorder, definition)
    elif (described := load_record(head.record)["describes"]) != definition.describes:
        message = f"the definition {definition.name!r} describes a {described}; another kind needs another name"
        raise ConflictError.at("/describes", "schema_kind_fixed", message)
    last = storage.find_schema_version(connection, namespace_id, head.id, head.last_version, lock=True)
    if last is not None and last.status == storage.DRAFT:
        check_match(if_match, last.revision)
        record = {**load_record(last.record), **_content(definition)}
        if record != load_record(last.record):
            recorder.amend(Action.SCHEMA_REDRAFTED, last, record)
    elif last is None or last.status != storage.PUBLISHED or not _says_the_same(load_record(last.record), definition):
        _stage_version(recorder, head, definition, storage.DRAFT)
    recorder.transaction.flush()
    return get_schema_version(connection, namespace_id, definition.name, LATEST).after(recorder)


def _stage_definition(recorder: Recorder, definition: Definition) -> Row[Any]:
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    found = Found(new_id(), Kind.SCHEMA, f"schemas/{definition.name}")
    record: JsonObject = {
        **heading(recorder, Kind.SCHEMA, found),
        "schema": definition.name,
        "describes": definition.describes.value,
        "number": storage.last_table_number(connection) + 1,
    }
    recorder.register(Action.SCHEMA_CREATED, record, more={"last_version": 0})
    recorder.transaction.flush()
    head = storage.find_definition(connection, namespace_id, definition.name, lock=True)
    assert head is not None  # noqa: S101 - it was just stored; for the type checker
    return head


def _stage_version(recorder: Recorder, head: Row[Any], definition: Definition, status: str) -> None:
    number = head.last_version + 1
    found = Found(new_id(), Kind.SCHEMA_VERSION, f"schemas/{definition.name}/versions/{number}")
    record: JsonObject = {
        **heading(recorder, Kind.SCHEMA_VERSION, found),
        "schema": definition.name,
        "number": number,
        "describes": definition.describes.value,
        "status": status,
        "published_at": None if status == storage.DRAFT else recorder.now,
        "deprecated_at": None,
        **_content(definition),
    }
    action = Action.SCHEMA_DRAFTED if status == storage.DRAFT else Action.SCHEMA_PUBLISHED
    recorder.register(action, record, belongs_to=head.id)
    recorder.transaction.flush()
    storage.count_schema_version(recorder.transaction.connection, recorder.caller.namespace_id, head.id, number)


def _says_the_same(record: JsonObject, definition: Definition) -> bool:
    return {**record, **_content(definition)} == record


def _content(definition: Definition) -> JsonObject:
    """What a version says: the members that are fixed when it is published, and their digest."""
    content = {
        "json_schema": definition.json_schema,
        "attributes": [attribute.model_dump(mode="json") for attribute in definition.attributes],
    }
    digest = hashlib.sha256(canonical_json(content)).hexdigest()
    return {
        **content,
        "description": definition.description,
        "compatibility": definition.compatibility.value,
        "digest": f"sha256:{digest}",
    }


def publish(database: Database, caller: Caller, name: str, place: str, if_match: str | None = None) -> Shown:
    """Publish a draft: from now on it holds for the models that have the definition, and its attributes have their places.

    Publishing twice changes nothing.
    Raises ConflictError when it breaks what the definition promises (its compatibility mode), with the documents and the
    stored versions that would become invalid.
    """
    caller.require(Access.WRITE)
    with database.read() as connection:
        head, row = find_version_row(connection, caller.namespace_id, name, place)
        number, seen = row.number, _seen(connection, caller.namespace_id, head, row)
        if row.status == storage.DRAFT:
            check_evolution(connection, caller.namespace_id, load_record(row.record))

    def change(transaction: Transaction) -> Shown | StudbookError:
        connection, namespace_id = transaction.connection, caller.namespace_id
        head, row = find_version_row(connection, namespace_id, name, str(number), lock=True)
        record = load_record(row.record)
        recorder = Recorder(transaction, caller)
        if row.status == storage.PUBLISHED:
            return show(row).after(recorder)
        if row.status != storage.DRAFT:
            message = f"version {number} of {name!r} is {row.status}; draft another one"
            raise ConflictError.at("", "not_a_draft", message)
        check_match(if_match, row.revision)
        # Comparing schemas may take seconds, for which no other write should wait: only when something came in between.
        if _seen(connection, namespace_id, head, row) != seen:
            check_evolution(connection, namespace_id, record, counting=False)
        question = Question(
            Passage(Gate.SCHEMA), plain_subject(Kind.SCHEMA_VERSION, record, definition=name), caller, recorder.now
        )
        if refused := pass_gate(recorder, question):
            return refused
        before = load_maps(connection, namespace_id, [head.id]).get(head.id)
        recorder.amend(Action.SCHEMA_PUBLISHED, row, {**record, "status": storage.PUBLISHED, "published_at": recorder.now})
        transaction.flush()
        if record["describes"] == Describes.MODEL_VERSION:
            prepare_places(transaction, namespace_id, head.id, recorder.now, before)
        return get_schema_version(connection, namespace_id, name, str(number)).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _seen(connection: Connection, namespace_id: int, head: Row[Any], row: Row[Any]) -> tuple[Any, ...]:
    """What a comparison of a draft with the versions before it depends on."""
    return row.revision, *((one.id, one.revision) for one in storage.list_published(connection, namespace_id, [head.id]))


def prepare_places(transaction: Transaction, namespace_id: int, schema_id: UUID, now: str, before: StorageMap | None) -> None:
    """Make the places of a definition's attributes, and begin to fill those that are new to what is stored."""
    storage_map = load_maps(transaction.connection, namespace_id, [schema_id], lock=True)[schema_id]
    ensure_side_table(transaction.connection, storage_map)
    if before is not None:
        known = {(stored.id, stored.store) for stored in before.attributes}
        fresh = [stored.id for stored in storage_map.attributes if (stored.id, stored.store) not in known]
        start_backfill(transaction, namespace_id, schema_id, now, attributes=fresh)


def deprecate(database: Database, caller: Caller, name: str, place: str, if_match: str | None = None) -> Shown:
    """Deprecate a published version: it holds only for models whose range leaves no other.

    Raises ConflictError for a draft.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        _, row = find_version_row(connection, namespace_id, name, place, lock=True)
        check_match(if_match, row.revision)
        if row.status == storage.DRAFT:
            raise ConflictError.at(
                "", "not_published", f"version {row.number} of {name!r} is a draft; there is nothing to deprecate"
            )
        recorder = Recorder(transaction, caller)
        if row.status == storage.PUBLISHED:
            record = {**load_record(row.record), "status": storage.DEPRECATED, "deprecated_at": recorder.now}
            recorder.amend(Action.SCHEMA_DEPRECATED, row, record)
            transaction.flush()
        return get_schema_version(connection, namespace_id, name, str(row.number)).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def list_standard_schemas(connection: Connection, namespace_id: int) -> JsonObject:
    """The definitions that are shipped, and which of them the namespace has."""
    items = []
    for name, versions in sorted(list_standards().items()):
        newest = load_standard(name)
        items.append(
            {
                "name": name,
                "versions": versions,
                "describes": newest.describes.value,
                "description": newest.description,
                "adopted": storage.find_definition(connection, namespace_id, name) is not None,
            }
        )
    return {"items": items}


def adopt(database: Database, caller: Caller, name: str) -> Shown:
    """Publish the versions of a shipped definition that the namespace does not have yet.

    Raises NotFoundError when Studbook ships none of that name.
    """
    caller.require(Access.WRITE)
    known = list_standards().get(name)
    if known is None:
        raise NotFoundError(f"Studbook ships no definition {name[:128]!r}; there are {', '.join(sorted(list_standards()))}")

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        _adopt_versions(recorder, name, known)
        return get_schema_version(transaction.connection, caller.namespace_id, name, LATEST).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _adopt_versions(recorder: Recorder, name: str, known: list[int]) -> None:
    transaction = recorder.transaction
    connection, namespace_id = transaction.connection, recorder.caller.namespace_id
    for number in known:
        definition = load_standard(name, number)
        head = storage.find_definition(connection, namespace_id, name, lock=True) or _stage_definition(recorder, definition)
        if head.last_version < number:
            before = load_maps(connection, namespace_id, [head.id]).get(head.id)
            _stage_version(recorder, head, definition, storage.PUBLISHED)
            if definition.describes is Describes.MODEL_VERSION:
                prepare_places(transaction, namespace_id, head.id, recorder.now, before)


def get_definition(connection: Connection, namespace_id: int, name: str) -> Shown:
    """A definition with the number of its latest version."""
    row = storage.find_definition(connection, namespace_id, name)
    if row is None:
        raise missing_definition(name)
    return show(row, {"latest_version": row.last_version or None})


def get_schema_version(connection: Connection, namespace_id: int, name: str, place: str) -> Shown:
    """A version of a definition by its number, or `latest`."""
    return show(find_version_row(connection, namespace_id, name, place)[1])


def find_version_row(
    connection: Connection, namespace_id: int, name: str, place: str, *, lock: bool = False
) -> tuple[Row[Any], Row[Any]]:
    """The rows of a definition and of one of its versions (a number, or `latest`).

    Raises NotFoundError, InvalidDocumentError.
    """
    head = storage.find_definition(connection, namespace_id, name, lock=lock)
    if head is None:
        raise missing_definition(name)
    number = number_at(place, head.last_version, "definition")
    row = storage.find_schema_version(connection, namespace_id, head.id, number, lock=lock)
    if row is None:
        raise NotFoundError(f"the definition {name!r} has no version {number}")
    return head, row
