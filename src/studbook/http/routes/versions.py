"""Model versions and the facts that are added to them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from studbook.domain.documents import NewEvaluation, NewMetrics, VersionPatch
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
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of, read_patch_of
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import AsOf, Filter, IfMatch, PathName, body_schema
from studbook.services import history, listing, past, reading, versions

router = APIRouter(tags=["versions"])


@router.get("/models/{model}/versions", responses=answered(page(VersionAnswer)))
def list_versions(session: CurrentSession, model: PathName, paging: CurrentPaging) -> Response:
    """The versions of a model, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_versions(connection, session.namespace_id, model, paging))


@router.get("/models/{model}/versions/{version}", responses=answered(VersionAnswer))
def get_version(session: CurrentSession, model: PathName, version: PathName, as_of: AsOf = None) -> Response:
    """A version by its number, as `latest`, or by `@alias`; as it is or was."""
    place = parse_place(model, version)
    with session.database.read() as connection:
        if as_of is None:
            return record_response(reading.get_version(connection, session.namespace_id, place))
        return record_response(past.get_version(connection, session.namespace_id, place, as_of))


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
