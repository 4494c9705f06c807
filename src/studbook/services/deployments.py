"""Deployments: which version is served on which target, from when until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.documents import Access, NewDeployment
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError, StudbookError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, parse_reference
from studbook.governance.gates import Gate, Passage
from studbook.services.edges import Edge
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import NOTHING, current_version, stored_version
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown, get_by_id, get_record
from studbook.services.recording import Recorder, check_match, heading
from studbook.storage import facts
from studbook.storage import reading as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from studbook.domain.canonical import JsonObject
    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


def deploy(database: Database, caller: Caller, document: NewDeployment) -> Shown:
    """Record that a version is served on a target; what was served there before has ended.

    Raises NotFoundError, InvalidDocumentError, ConflictError for an archived version.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        found = stage_deployment(recorder, document)
        if isinstance(found, StudbookError):
            return found
        return get_by_id(transaction.connection, Kind.DEPLOYMENT, caller.namespace_id, found.id).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def stage_deployment(recorder: Recorder, document: NewDeployment) -> Found | StudbookError:
    """Stage a deployment, if policies allow it; returns it, or their refusal.

    Raises NotFoundError, InvalidDocumentError, ConflictError.
    """
    transaction, caller = recorder.transaction, recorder.caller
    connection, namespace_id = transaction.connection, caller.namespace_id
    version = get_record(connection, namespace_id, parse_reference(document.version), document.version)
    if version.kind is not Kind.MODEL_VERSION:
        message = f"{version.name} is no model version; only those are deployed"
        raise InvalidDocumentError.at("/version", "wrong_kind", message)
    row = storage.find_by_id(connection, Kind.MODEL_VERSION, namespace_id, version.id)
    if row is None:
        raise NotFoundError(f"the record of {version.name} is gone; studbook audit fsck tells what happened")
    record = load_record(row.record)
    if record["archived_at"]:
        raise ConflictError.at("/version", "version_archived", f"{version.name} is archived; restore it before serving it")
    question = Question(
        Passage(Gate.DEPLOY, document.target),
        stored_version(connection, namespace_id, record, recorder.now),
        caller,
        recorder.now,
        lambda: served_version(connection, namespace_id, document.target),
    )
    if refused := pass_gate(recorder, question):
        return refused
    active = facts.find_active_deployment(connection, namespace_id, document.target)
    if active is not None:
        _end(recorder, active)
    found = _stage(recorder, document, version)
    transaction.flush()
    return found


def served_version(connection: Connection, namespace_id: int, target: str) -> JsonObject:
    """The version that is served on a target, as rules see it."""
    active = facts.find_active_deployment(connection, namespace_id, target)
    if active is None:
        return NOTHING
    version_id = UUID(load_record(active.record)["version"]["id"])
    row = storage.find_by_id(connection, Kind.MODEL_VERSION, namespace_id, version_id)
    return current_version(connection, namespace_id, row)


def end_deployment(database: Database, caller: Caller, deployment_id: UUID, if_match: str | None) -> Shown:
    """Record that a deployment has ended; ending it twice changes nothing.

    Raises NotFoundError, StaleRecordError.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        row = storage.find_by_id(transaction.connection, Kind.DEPLOYMENT, caller.namespace_id, deployment_id, lock=True)
        if row is None:
            raise NotFoundError(f"there is no deployment with the id {deployment_id}")
        check_match(if_match, row.revision)
        recorder = Recorder(transaction, caller)
        if load_record(row.record)["status"] == "active":
            _end(recorder, row)
        transaction.flush()
        return get_by_id(transaction.connection, Kind.DEPLOYMENT, caller.namespace_id, deployment_id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def _stage(recorder: Recorder, document: NewDeployment, version: Found) -> Found:
    deployment_id = new_id()
    found = Found(deployment_id, Kind.DEPLOYMENT, f"deployments/{deployment_id}", version.generation + 1)
    record: JsonObject = {
        **heading(recorder, Kind.DEPLOYMENT, found),
        "version": {"name": version.name, "id": str(version.id)},
        "target": document.target,
        "url": document.url,
        "attributes": document.attributes,
        "status": "active",
        "started_at": recorder.now,
        "ended_at": None,
    }
    recorder.register(Action.DEPLOYMENT_RECORDED, record, generation=found.generation, edges=[Edge(version, found, "deployed")])
    return found


def _end(recorder: Recorder, row: Row[Any]) -> None:
    record = {**load_record(row.record), "status": "ended", "ended_at": recorder.now}
    recorder.amend(Action.DEPLOYMENT_ENDED, row, record)
