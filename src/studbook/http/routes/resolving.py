"""What identifiers mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from studbook.domain.identifiers import LENGTH_LIMIT, IdentifierList
from studbook.http.answers import MatchesAnswer, ResolvedListAnswer, answered, json_response
from studbook.http.auth import CurrentSession
from studbook.http.bodies import body_of
from studbook.http.routes import body_schema
from studbook.services import resolving

router = APIRouter(tags=["discovery"])


@router.get("/resolve", responses=answered(MatchesAnswer))
def resolve(
    session: CurrentSession,
    identifier: Annotated[
        str,
        Query(
            min_length=1,
            max_length=LENGTH_LIMIT,
            description="a name, an id, a digest (or the beginning of either), `git:COMMIT`, `SCHEME:VALUE`, a URI, an OCI image",
        ),
    ],
    *,
    exact: Annotated[bool, Query(description="only what it would mean in a document: no URIs, no beginnings")] = False,
) -> Response:
    """Every record that an identifier means, the first recorded first."""
    with session.database.read() as connection:
        found = resolving.resolve(connection, session.namespace_id, identifier, exact=exact)
    return json_response({"items": found.matches_as_json(), "truncated": found.truncated})


@router.post("/resolve", responses=answered(ResolvedListAnswer), openapi_extra=body_schema(IdentifierList))
def resolve_many(session: CurrentSession, wanted: Annotated[IdentifierList, Depends(body_of(IdentifierList))]) -> Response:
    """What each of up to 1,000 identifiers means, in their order; one that can mean nothing says so and fails alone."""
    with session.database.read() as connection:
        found = resolving.resolve_many(connection, session.namespace_id, wanted.identifiers)
    return json_response({"items": [resolved.as_json() for resolved in found]})
