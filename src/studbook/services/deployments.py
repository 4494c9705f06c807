"""Deployments: which version is served on which target, from when until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studbook.domain.documents import Access, NewDeployment
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, parse_reference
from studbook.services.edges import Edge
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown, get_by_id, get_record
from studbook.services.recording import Recorder, check_match, heading
from studbook.storage import facts
from studbook.storage import reading as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Row

    from studbook.domain.canonical import JsonObject
    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


def deploy(database: Database, caller: Caller, document: NewDeployment) -> Shown:
    """Record that a version is served on a target; what was served there before has ended.

    Raises NotFoundError, InvalidDocumentError, ConflictError for an archived version.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown:
        version = get_record(transaction.connection, caller.namespace_id, parse_reference(document.version), document.version)
        if version.kind is not Kind.MODEL_VERSION:
            message = f"{version.name} is no model version; only those are deployed"
            raise InvalidDocumentError.at("/version", "wrong_kind", message)
        row = storage.find_by_id(transaction.connection, Kind.MODEL_VERSION, caller.namespace_id, version.id)
        if row is not None and load_record(row.record)["archived_at"]:
            raise ConflictError.at("/version", "version_archived", f"{version.name} is archived; restore it before serving it")
        recorder = Recorder(transaction, caller)
        active = facts.find_active_deployment(transaction.connection, caller.namespace_id, document.target)
        if active is not None:
            _end(recorder, active)
        found = _stage(recorder, document, version)
        transaction.flush()
        return get_by_id(transaction.connection, Kind.DEPLOYMENT, caller.namespace_id, found.id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


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
