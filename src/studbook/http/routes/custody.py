"""Care for the audit log: snapshots, keys, shards; erasure, legal holds, retention. All of it needs an admin's token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from studbook.domain.documents import (
    HoldPatch,
    LogKeyPatch,
    NewErasure,
    NewHold,
    NewLogKey,
    NewPurge,
    NewShard,
    RetentionPeriod,
)
from studbook.http.answers import (
    ErasureAnswer,
    HoldAnswer,
    LogAnswer,
    LogKeyRecordAnswer,
    RetentionAnswer,
    answered,
    json_response,
    page,
)
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import PathId, PathName, body_schema
from studbook.services.audit import erasing, keeping, shards, snapshots

router = APIRouter(prefix="/audit", tags=["care for the audit log"])


@router.post("/snapshots", status_code=201, responses=answered(LogAnswer, 201))
def take_snapshot(session: CurrentSession, wait: Wait = WaitFor.NONE) -> Response:
    """Log how far every record has come, so that a bundle can show that nothing was left out."""
    return written(session, snapshots.take_snapshot(session.database, session.caller), wait, 201)


@router.post("/shards", status_code=201, responses=answered(LogAnswer, 201), openapi_extra=body_schema(NewShard))
def freeze_shard(
    session: CurrentSession, document: Annotated[NewShard, Depends(body_of(NewShard))], wait: Wait = WaitFor.NONE
) -> Response:
    """Freeze the open shard of the log and open the next one under a new origin."""
    return written(session, shards.freeze(session.registry, session.caller, document.reason), wait, 201)


@router.post("/keys", status_code=201, responses=answered(LogKeyRecordAnswer, 201), openapi_extra=body_schema(NewLogKey))
def add_key(
    session: CurrentSession, document: Annotated[NewLogKey, Depends(body_of(NewLogKey))], wait: Wait = WaitFor.NONE
) -> Response:
    """Make a further key; checkpoints carry its signature beside those of the others from now on."""
    return written(session, shards.rotate(session.registry, session.caller, document.algorithm), wait, 201)


@router.patch("/keys/{key}", responses=answered(LogKeyRecordAnswer), openapi_extra=body_schema(LogKeyPatch))
def retire_key(
    session: CurrentSession,
    key: PathId,
    _patch: Annotated[LogKeyPatch, Depends(body_of(LogKeyPatch))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Let a key sign no further checkpoint; what it signed stays verifiable."""
    return written(session, shards.retire(session.registry, session.caller, key), wait)


@router.post("/erasures", status_code=201, responses=answered(ErasureAnswer, 201), openapi_extra=body_schema(NewErasure))
def erase(
    session: CurrentSession, document: Annotated[NewErasure, Depends(body_of(NewErasure))], wait: Wait = WaitFor.NONE
) -> Response:
    """Erase personal values for good; the log keeps their commitments, which say nothing without them."""
    return written(session, erasing.erase(session.database, session.caller, document), wait, 201)


@router.get("/holds", responses=answered(page(HoldAnswer)))
def list_holds(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Legal holds, newest first."""
    with session.database.read() as connection:
        return json_response(keeping.list_holds(connection, session.namespace_id, paging))


@router.post("/holds", status_code=201, responses=answered(HoldAnswer, 201), openapi_extra=body_schema(NewHold))
def place_hold(
    session: CurrentSession, document: Annotated[NewHold, Depends(body_of(NewHold))], wait: Wait = WaitFor.NONE
) -> Response:
    """Forbid that anything of a record, or (`*`) of the namespace, is erased or purged."""
    return written(session, keeping.place_hold(session.database, session.caller, document), wait, 201)


@router.patch("/holds/{hold}", responses=answered(HoldAnswer), openapi_extra=body_schema(HoldPatch))
def release_hold(
    session: CurrentSession,
    hold: PathId,
    patch: Annotated[HoldPatch, Depends(body_of(HoldPatch))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """End a legal hold."""
    return written(session, keeping.release_hold(session.database, session.caller, hold, patch), wait)


@router.get("/retention", responses=answered(page(RetentionAnswer)))
def list_retention(session: CurrentSession) -> Response:
    """Retention classes by name."""
    with session.database.read() as connection:
        return json_response(keeping.list_retention(connection, session.namespace_id))


@router.put("/retention/{name}", responses=answered(RetentionAnswer), openapi_extra=body_schema(RetentionPeriod))
def set_retention(
    session: CurrentSession,
    name: PathName,
    period: Annotated[RetentionPeriod, Depends(body_of(RetentionPeriod))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Say how long the entries about records of some kinds are kept."""
    return written(session, keeping.set_retention(session.database, session.caller, name, period), wait)


@router.post("/purges", status_code=201, responses=answered(LogAnswer, 201), openapi_extra=body_schema(NewPurge))
def purge(
    session: CurrentSession, document: Annotated[NewPurge, Depends(body_of(NewPurge))], wait: Wait = WaitFor.NONE
) -> Response:
    """Remove the bytes of those entries of a frozen shard that outlived their retention period."""
    return written(session, keeping.purge(session.database, session.caller, document), wait, 201)
