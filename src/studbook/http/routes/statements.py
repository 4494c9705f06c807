"""What is said of records: attestations, findings, recalls, periodic reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from studbook.domain.governance import (
    FindingClosure,
    FindingPatch,
    NewAttestation,
    NewFinding,
    NewRecall,
    NewReview,
    NewWithdrawal,
    ReviewReport,
)
from studbook.domain.names import Kind
from studbook.http.answers import answered, json_response, page, record_response
from studbook.http.auth import CurrentPaging, CurrentSession, Session
from studbook.http.bodies import body_of
from studbook.http.governance_answers import AttestationAnswer, FindingAnswer, RecallAnswer, ReviewAnswer, StandingAnswer
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import Filter, IfMatch, PathId, body_schema
from studbook.services.governance import standing, statements
from studbook.services.listing import Paging
from studbook.services.reading import show

router = APIRouter(tags=["attestations, findings, recalls, reviews"])

_Withdrawal = Annotated[NewWithdrawal, Depends(body_of(NewWithdrawal))]


def _list(session: Session, kind: Kind, paging: Paging, subject: str | None, status: str | None) -> Response:
    with session.database.read() as connection:
        found = statements.list_statements(connection, session.caller, kind, paging, subject=subject, status=status)
        return json_response(found)


def _get(session: Session, kind: Kind, record_id: PathId) -> Response:
    with session.database.read() as connection:
        return record_response(show(statements.get_row(connection, kind, session.caller, record_id)))


@router.post(
    "/attestations", status_code=201, responses=answered(AttestationAnswer, 201), openapi_extra=body_schema(NewAttestation)
)
def attest(
    session: CurrentSession,
    document: Annotated[NewAttestation, Depends(body_of(NewAttestation))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """State something about a model version, such as that its bias review was done."""
    return written(session, statements.attest(session.database, session.caller, document), wait, 201)


@router.get("/attestations", responses=answered(page(AttestationAnswer)))
def list_attestations(session: CurrentSession, paging: CurrentPaging, subject: Filter = None, status: Filter = None) -> Response:
    """Attestations, newest first; about a version, or of a status (`made`, `withdrawn`)."""
    return _list(session, Kind.ATTESTATION, paging, subject, status)


@router.get("/attestations/{attestation}", responses=answered(AttestationAnswer))
def get_attestation(session: CurrentSession, attestation: PathId) -> Response:
    """An attestation."""
    return _get(session, Kind.ATTESTATION, attestation)


@router.post(
    "/attestations/{attestation}:withdraw",
    responses=answered(AttestationAnswer),
    openapi_extra=body_schema(NewWithdrawal),
)
def withdraw_attestation(
    session: CurrentSession, attestation: PathId, document: _Withdrawal, wait: Wait = WaitFor.NONE
) -> Response:
    """Withdraw an attestation."""
    return written(session, statements.withdraw_attestation(session.database, session.caller, attestation, document), wait)


@router.post("/findings", status_code=201, responses=answered(FindingAnswer, 201), openapi_extra=body_schema(NewFinding))
def open_finding(
    session: CurrentSession, document: Annotated[NewFinding, Depends(body_of(NewFinding))], wait: Wait = WaitFor.NONE
) -> Response:
    """Write down something that was found about a version; one that `blocks` stands against promoting what comes of it."""
    return written(session, statements.open_finding(session.database, session.caller, document), wait, 201)


@router.get("/findings", responses=answered(page(FindingAnswer)))
def list_findings(session: CurrentSession, paging: CurrentPaging, subject: Filter = None, status: Filter = None) -> Response:
    """Findings, newest first; about a version, or of a status (`open`, `closed`)."""
    return _list(session, Kind.FINDING, paging, subject, status)


@router.get("/findings/{finding}", responses=answered(FindingAnswer))
def get_finding(session: CurrentSession, finding: PathId) -> Response:
    """A finding."""
    return _get(session, Kind.FINDING, finding)


@router.patch("/findings/{finding}", responses=answered(FindingAnswer), openapi_extra=body_schema(FindingPatch))
def change_finding(
    session: CurrentSession,
    finding: PathId,
    patch: Annotated[FindingPatch, Depends(body_of(FindingPatch))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Change a finding's owner, due date, severity, or whether it blocks."""
    return written(session, statements.change_finding(session.database, session.caller, finding, patch, if_match), wait)


@router.post("/findings/{finding}:close", responses=answered(FindingAnswer), openapi_extra=body_schema(FindingClosure))
def close_finding(
    session: CurrentSession,
    finding: PathId,
    document: Annotated[FindingClosure, Depends(body_of(FindingClosure))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Close a finding; the use of break-glass is reviewed by somebody else than whoever broke it."""
    return written(session, statements.close_finding(session.database, session.caller, finding, document), wait)


@router.post("/recalls", status_code=201, responses=answered(RecallAnswer, 201), openapi_extra=body_schema(NewRecall))
def recall(
    session: CurrentSession, document: Annotated[NewRecall, Depends(body_of(NewRecall))], wait: Wait = WaitFor.NONE
) -> Response:
    """Recall a model or dataset version; the answer lists every descendant and deployment that is affected."""
    return written(session, statements.recall(session.database, session.caller, document), wait, 201)


@router.get("/recalls", responses=answered(page(RecallAnswer)))
def list_recalls(session: CurrentSession, paging: CurrentPaging, subject: Filter = None, status: Filter = None) -> Response:
    """Recalls, newest first; of a version, or of a status (`open`, `resolved`)."""
    return _list(session, Kind.RECALL, paging, subject, status)


@router.get("/recalls/{recall}", responses=answered(RecallAnswer))
def get_recall(session: CurrentSession, recall: PathId) -> Response:
    """A recall."""
    return _get(session, Kind.RECALL, recall)


@router.post("/recalls/{recall}:resolve", responses=answered(RecallAnswer), openapi_extra=body_schema(NewWithdrawal))
def resolve_recall(session: CurrentSession, recall: PathId, document: _Withdrawal, wait: Wait = WaitFor.NONE) -> Response:
    """End a recall; it needs an administrator."""
    return written(session, statements.resolve_recall(session.database, session.caller, recall, document), wait)


@router.get("/standing", responses=answered(StandingAnswer))
def get_standing(
    session: CurrentSession, subject: Annotated[str, Query(max_length=1024, description="a model version")]
) -> Response:
    """What stands for and against a version: recalls and findings that reach it, attestations, waivers, requests, reviews."""
    with session.database.read() as connection:
        return json_response(standing.get_standing(connection, session.caller, subject))


@router.post("/reviews", status_code=201, responses=answered(ReviewAnswer, 201), openapi_extra=body_schema(NewReview))
def schedule_review(
    session: CurrentSession, document: Annotated[NewReview, Depends(body_of(NewReview))], wait: Wait = WaitFor.NONE
) -> Response:
    """Let a model or version be reviewed every so many days."""
    return written(session, statements.schedule_review(session.database, session.caller, document), wait, 201)


@router.get("/reviews", responses=answered(page(ReviewAnswer)))
def list_reviews(session: CurrentSession, paging: CurrentPaging, subject: Filter = None, status: Filter = None) -> Response:
    """Periodic reviews, newest first."""
    return _list(session, Kind.REVIEW, paging, subject, status)


@router.get("/reviews/{review}", responses=answered(ReviewAnswer))
def get_review(session: CurrentSession, review: PathId) -> Response:
    """A periodic review."""
    return _get(session, Kind.REVIEW, review)


@router.post("/reviews/{review}:report", responses=answered(ReviewAnswer), openapi_extra=body_schema(ReviewReport))
def report_review(
    session: CurrentSession,
    review: PathId,
    document: Annotated[ReviewReport, Depends(body_of(ReviewReport))],
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Write down what a review came to; the next one is due after as many days again."""
    return written(session, statements.report_review(session.database, session.caller, review, document), wait)
