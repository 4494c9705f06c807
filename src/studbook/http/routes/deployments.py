"""Deployments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from studbook.domain.documents import DeploymentPatch, NewDeployment
from studbook.domain.names import Kind
from studbook.http.answers import DeploymentAnswer, LoggedEventAnswer, answered, json_response, page, record_response
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import AsOf, Filter, IfMatch, PathId, body_schema
from studbook.services import deployments, history, listing, past, reading

router = APIRouter(tags=["deployments"])


@router.get("/deployments", responses=answered(page(DeploymentAnswer)))
def list_deployments(
    session: CurrentSession,
    paging: CurrentPaging,
    version: Annotated[str | None, Query(max_length=1024, description="a reference to a model version")] = None,
    status: Filter = None,
) -> Response:
    """Deployments, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_deployments(connection, session.namespace_id, paging, version=version, status=status))


@router.post("/deployments", status_code=201, responses=answered(DeploymentAnswer, 201), openapi_extra=body_schema(NewDeployment))
def deploy(
    session: CurrentSession, document: Annotated[NewDeployment, Depends(body_of(NewDeployment))], wait: Wait = WaitFor.NONE
) -> Response:
    """Record that a version is served on a target; what was served there before has ended."""
    return written(session, deployments.deploy(session.database, session.caller, document), wait, 201)


@router.get("/deployments/{deployment}", responses=answered(DeploymentAnswer))
def get_deployment(session: CurrentSession, deployment: PathId, as_of: AsOf = None) -> Response:
    """A deployment, as it is or was."""
    with session.database.read() as connection:
        if as_of is not None:
            return record_response(past.get_by_id(connection, Kind.DEPLOYMENT, session.namespace_id, deployment, as_of))
        return record_response(reading.get_by_id(connection, Kind.DEPLOYMENT, session.namespace_id, deployment))


@router.get("/deployments/{deployment}/history", responses=answered(page(LoggedEventAnswer)))
def list_deployment_history(session: CurrentSession, deployment: PathId, paging: CurrentPaging) -> Response:
    """Every event of a deployment, newest first."""
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.DEPLOYMENT, deployment, paging))


@router.patch("/deployments/{deployment}", responses=answered(DeploymentAnswer), openapi_extra=body_schema(DeploymentPatch))
def end_deployment(
    session: CurrentSession,
    deployment: PathId,
    _patch: Annotated[DeploymentPatch, Depends(body_of(DeploymentPatch))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Record that a deployment has ended."""
    return written(session, deployments.end_deployment(session.database, session.caller, deployment, if_match), wait)
