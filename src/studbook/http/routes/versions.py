"""Model versions and the facts that are added to them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from studbook.domain.documents import NewEvaluation, NewMetrics, NewSignature, VersionPatch
from studbook.domain.names import Kind, parse_place
from studbook.http.answers import (
    EvaluationAnswer,
    LoggedEventAnswer,
    MetricAnswer,
    VersionAnswer,
    answered,
    json_response,
    page,
    record_response,
)
from studbook.http.auth import CurrentPaging, CurrentSession, Session
from studbook.http.bodies import body_of, read_patch_of
from studbook.http.conditional import NOT_MODIFIED, not_modified, unless_known
from studbook.http.event_stream import MEDIA_TYPE, stream_version, until_gone, wants_events
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import AsOf, Filter, IfMatch, IfNoneMatch, PathName, body_schema
from studbook.http.watching import Watched
from studbook.services import history, listing, past, reading, signatures, versions
from studbook.services.reading import Shown

router = APIRouter(tags=["versions"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"model": VersionAnswer, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}
_WATCHED = _EVENTS | NOT_MODIFIED


@router.get("/models/{model}/versions", responses=answered(page(VersionAnswer)))
def list_versions(session: CurrentSession, model: PathName, paging: CurrentPaging) -> Response:
    """The versions of a model, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_versions(connection, session.namespace_id, model, paging))


@router.get("/models/{model}/versions/{version}", responses=answered(VersionAnswer) | NOT_MODIFIED)
def get_version(
    session: CurrentSession, model: PathName, version: PathName, as_of: AsOf = None, if_none_match: IfNoneMatch = None
) -> Response:
    """A version by its number, as `latest`, or by `@alias`; as it is or was."""
    place, namespace_id = parse_place(model, version), session.namespace_id
    with session.database.read() as connection:
        if as_of is not None:
            return unless_known(if_none_match, lambda: past.get_version(connection, namespace_id, place, as_of))
        return unless_known(
            if_none_match,
            lambda: reading.get_version(connection, namespace_id, place),
            lambda: reading.get_version_etag(connection, namespace_id, place),
        )


@router.get("/models/{model}/versions/{version}/watch", responses=_WATCHED)
async def watch_version(
    request: Request,
    session: CurrentSession,
    model: PathName,
    version: PathName,
    seconds: Annotated[float, Query(alias="timeout", ge=1, le=120, description="seconds after which the answer is 304")] = 30,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Wait until a version, `latest` or an `@alias` is another than the caller has, or else until it changes.

    Answered at once when a change is stored. With `Accept: text/event-stream` the answer is a stream: an event `version` with
    the version as it is and each time that it changes, `gone` when there is none any more, comments in between; its ids are
    ETags.
    """
    watched = Watched(session.namespace_id, parse_place(model, version))
    if wants_events(request):
        shown = await run_in_threadpool(_read_version, session, watched)
        return stream_version(request, session.caller.namespace, watched, shown, if_none_match)
    gone = asyncio.ensure_future(until_gone(request))
    try:
        seen = await request.app.state.lookout.find_change(watched, if_none_match, seconds, gone)
    finally:
        gone.cancel()
    return record_response(seen) if isinstance(seen, Shown) else not_modified(seen)


def _read_version(session: Session, watched: Watched) -> Shown:
    with session.database.read() as connection:
        return reading.get_version(connection, watched.namespace_id, watched.place)


@router.get("/models/{model}/versions/{version}/history", responses=answered(page(LoggedEventAnswer)))
def list_version_history(session: CurrentSession, model: PathName, version: PathName, paging: CurrentPaging) -> Response:
    """Every event of a version, newest first, each with the version before and after."""
    place = parse_place(model, version)
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.MODEL_VERSION, place, paging))


@router.patch("/models/{model}/versions/{version}", responses=answered(VersionAnswer), openapi_extra=body_schema(VersionPatch))
def change_version(
    session: CurrentSession,
    model: PathName,
    version: PathName,
    patch: Annotated[VersionPatch, Depends(read_patch_of(VersionPatch, versions.FIXED_FIELDS, "model version"))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Change a version's description and tags, or archive and restore it. What identifies it cannot change."""
    place = parse_place(model, version)
    return written(session, versions.change_version(session.database, session.caller, place, patch, if_match), wait)


@router.get("/models/{model}/versions/{version}/metrics", responses=answered(page(MetricAnswer)))
def list_metrics(
    session: CurrentSession, model: PathName, version: PathName, paging: CurrentPaging, name: Filter = None
) -> Response:
    """Every value recorded for a version, oldest first."""
    place = parse_place(model, version)
    with session.database.read() as connection:
        return json_response(listing.list_version_metrics(connection, session.namespace_id, place, name, paging))


@router.post(
    "/models/{model}/versions/{version}/metrics",
    status_code=201,
    responses=answered(VersionAnswer, 201),
    openapi_extra=body_schema(NewMetrics),
)
def add_metrics(
    session: CurrentSession,
    model: PathName,
    version: PathName,
    document: Annotated[NewMetrics, Depends(body_of(NewMetrics))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Record further metrics; nothing that was recorded is replaced."""
    place = parse_place(model, version)
    return written(session, versions.add_metrics(session.database, session.caller, place, document, if_match), wait, 201)


@router.post(
    "/models/{model}/versions/{version}/signatures",
    status_code=201,
    responses=answered(VersionAnswer, 201),
    openapi_extra=body_schema(NewSignature),
)
def add_signature(
    session: CurrentSession,
    model: PathName,
    version: PathName,
    document: Annotated[NewSignature, Depends(body_of(NewSignature))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Verify a signature over the version's artifacts and record it; 200 when it is recorded already, and nothing changes."""
    place = parse_place(model, version)
    shown = signatures.add_signature(session.database, session.caller, place, document, if_match)
    return written(session, shown, wait, 201 if shown.events else 200)


@router.post(
    "/models/{model}/versions/{version}/evaluations",
    status_code=201,
    responses=answered(EvaluationAnswer, 201),
    openapi_extra=body_schema(NewEvaluation),
)
def add_evaluation(
    session: CurrentSession,
    model: PathName,
    version: PathName,
    document: Annotated[NewEvaluation, Depends(body_of(NewEvaluation))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Record an evaluation: its run, the data it read, what it measured."""
    place = parse_place(model, version)
    answer, shown = versions.add_evaluation(session.database, session.caller, place, document, if_match)
    body = json.dumps(answer, ensure_ascii=False).encode()[:-1] + b',"version":' + shown.body + b"}"
    return written(session, replace(shown, body=body), wait, 201)
