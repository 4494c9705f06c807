"""API tokens, and links that log a browser in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from studbook.domain.documents import Access, NewToken
from studbook.http.answers import (
    LoginLinkAnswer,
    NewTokenAnswer,
    TokenAnswer,
    answered,
    json_response,
    page,
)
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import PathId, body_schema
from studbook.services import listing, tokens

router = APIRouter(tags=["tokens"])


@router.post("/tokens", status_code=201, responses=answered(NewTokenAnswer, 201), openapi_extra=body_schema(NewToken))
def create_token(
    session: CurrentSession, document: Annotated[NewToken, Depends(body_of(NewToken))], wait: Wait = WaitFor.NONE
) -> Response:
    """Make a token; its secret stands in this answer alone."""
    return written(session, tokens.create_token(session.database, session.caller, document), wait, 201)


@router.get("/tokens", responses=answered(page(TokenAnswer)))
def list_tokens(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Tokens, newest first."""
    session.caller.require(Access.ADMIN)
    with session.database.read() as connection:
        return json_response(listing.list_tokens(connection, session.namespace_id, paging))


@router.delete("/tokens/{token}", responses=answered(TokenAnswer))
def revoke_token(session: CurrentSession, token: PathId, wait: Wait = WaitFor.NONE) -> Response:
    """Make a token worthless at once."""
    shown = tokens.revoke_token(session.database, session.caller, token)
    session.registry.tokens.forget()
    return written(session, shown, wait)


@router.post("/login-links", status_code=201, responses=answered(LoginLinkAnswer, 201))
def create_login_link(session: CurrentSession, request: Request) -> Response:
    """A link that logs a browser in to read, for twelve hours."""
    link = tokens.create_login_link(session.database, session.caller, str(request.base_url).rstrip("/"))
    return json_response(link, 201)
