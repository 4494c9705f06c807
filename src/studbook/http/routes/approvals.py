"""Change requests and waivers: asked for by one, decided by others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from studbook.domain.governance import (
    GlassBreaking,
    NewChangeRequest,
    NewDecision,
    NewWaiver,
    NewWithdrawal,
    WaiverDecision,
)
from studbook.domain.names import Kind
from studbook.http.answers import answered, json_response, page, record_response
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of
from studbook.http.governance_answers import ChangeRequestAnswer, WaiverAnswer
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import Filter, PathId, body_schema
from studbook.services.governance import requests, statements, waivers
from studbook.services.reading import show

router = APIRouter(tags=["approvals"])

_Withdrawal = Annotated[NewWithdrawal, Depends(body_of(NewWithdrawal))]


@router.post(
    "/change-requests",
    status_code=201,
    responses=answered(ChangeRequestAnswer, 201),
    openapi_extra=body_schema(NewChangeRequest),
)
def request_change(
    session: CurrentSession,
    document: Annotated[NewChangeRequest, Depends(body_of(NewChangeRequest))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Ask for the approvals of an action; it binds to the version, its artifacts and the policies as they are."""
    return written(session, requests.request(session.database, session.caller, document), wait, 201)


@router.get("/change-requests", responses=answered(page(ChangeRequestAnswer)))
def list_change_requests(
    session: CurrentSession, paging: CurrentPaging, subject: Filter = None, status: Filter = None
) -> Response:
    """Change requests, newest first; about a record, or of a status (`open`, `approved`, `executed` …)."""
    with session.database.read() as connection:
        kind = Kind.CHANGE_REQUEST
        found = statements.list_statements(connection, session.caller, kind, paging, subject=subject, status=status)
        return json_response(found)


@router.get("/change-requests/{request}", responses=answered(ChangeRequestAnswer))
def get_change_request(session: CurrentSession, request: PathId) -> Response:
    """A change request; while it is open, with the verdict as it would be now and whoever may not decide."""
    with session.database.read() as connection:
        return record_response(requests.get_request(connection, session.caller, request))


@router.post(
    "/change-requests/{request}/decisions",
    status_code=201,
    responses=answered(ChangeRequestAnswer, 201),
    openapi_extra=body_schema(NewDecision),
)
def decide_change(
    session: CurrentSession,
    request: PathId,
    document: Annotated[NewDecision, Depends(body_of(NewDecision))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Approve or reject a request, as somebody who has a role of its quorum and no hand in the matter."""
    return written(session, requests.decide(session.database, session.caller, request, document), wait, 201)


@router.post("/change-requests/{request}:execute", responses=answered(ChangeRequestAnswer))
def execute_change(session: CurrentSession, request: PathId, wait: Wait = WaitFor.NONE) -> Response:
    """Carry out an approved request; policies are asked again."""
    return written(session, requests.execute(session.database, session.caller, request), wait)


@router.post(
    "/change-requests/{request}:break-glass",
    responses=answered(ChangeRequestAnswer),
    openapi_extra=body_schema(GlassBreaking),
)
def break_glass(
    session: CurrentSession,
    request: PathId,
    document: Annotated[GlassBreaking, Depends(body_of(GlassBreaking))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Carry out a request without its approvals and whatever policies say; a finding asks for the review of that."""
    return written(session, requests.break_glass(session.database, session.caller, request, document), wait)


@router.post(
    "/change-requests/{request}:withdraw",
    responses=answered(ChangeRequestAnswer),
    openapi_extra=body_schema(NewWithdrawal),
)
def withdraw_change(session: CurrentSession, request: PathId, document: _Withdrawal, wait: Wait = WaitFor.NONE) -> Response:
    """Withdraw a request."""
    return written(session, requests.withdraw(session.database, session.caller, request, document), wait)


@router.post("/waivers", status_code=201, responses=answered(WaiverAnswer, 201), openapi_extra=body_schema(NewWaiver))
def request_waiver(
    session: CurrentSession, document: Annotated[NewWaiver, Depends(body_of(NewWaiver))], wait: Wait = WaitFor.NONE
) -> Response:
    """Ask that a rule be waived for a while; two people of the policy's roles must approve."""
    return written(session, waivers.request(session.database, session.caller, document), wait, 201)


@router.get("/waivers", responses=answered(page(WaiverAnswer)))
def list_waivers(session: CurrentSession, paging: CurrentPaging, status: Filter = None) -> Response:
    """Waivers, newest first; of a status (`requested`, `active`, `rejected`, `revoked`)."""
    with session.database.read() as connection:
        found = statements.list_statements(connection, session.caller, Kind.WAIVER, paging, subject=None, status=status)
        return json_response(found)


@router.get("/waivers/{waiver}", responses=answered(WaiverAnswer))
def get_waiver(session: CurrentSession, waiver: PathId) -> Response:
    """A waiver."""
    with session.database.read() as connection:
        return record_response(show(statements.get_row(connection, Kind.WAIVER, session.caller, waiver)))


@router.post(
    "/waivers/{waiver}/decisions",
    status_code=201,
    responses=answered(WaiverAnswer, 201),
    openapi_extra=body_schema(WaiverDecision),
)
def decide_waiver(
    session: CurrentSession,
    waiver: PathId,
    document: Annotated[WaiverDecision, Depends(body_of(WaiverDecision))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Approve or reject a waiver; the second approval makes it hold."""
    return written(session, waivers.decide(session.database, session.caller, waiver, document), wait, 201)


@router.post("/waivers/{waiver}:revoke", responses=answered(WaiverAnswer), openapi_extra=body_schema(NewWithdrawal))
def revoke_waiver(session: CurrentSession, waiver: PathId, document: _Withdrawal, wait: Wait = WaitFor.NONE) -> Response:
    """End a waiver before its time."""
    return written(session, waivers.revoke(session.database, session.caller, waiver, document), wait)
