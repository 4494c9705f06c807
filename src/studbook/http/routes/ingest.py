"""The main act, for one document and for many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from studbook.domain.documents import Access, IngestDocument
from studbook.domain.errors import StudbookError, UnsupportedMediaError
from studbook.http.answers import IngestAnswer, answered, json_response
from studbook.http.auth import CurrentSession
from studbook.http.batch import KEY_LIMIT, read_ingestion, record_lines
from studbook.http.bodies import read_value
from studbook.http.receipts import Wait, WaitFor, gather_receipts, with_receipts
from studbook.http.routes import body_schema
from studbook.http.telemetry import recorded_documents
from studbook.services.ingestion import submit

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

router = APIRouter(tags=["ingest"])

_NDJSON = frozenset({"application/x-ndjson", "application/jsonl", "application/ndjson"})


class DuplexResponse(StreamingResponse):
    """A response that is written while the request's body is still read.

    Starlette's own would listen for the client's departure meanwhile, and so swallow parts of the body.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send the parts as they come."""
        await self.stream_response(send)


@router.post(
    "/ingest",
    status_code=201,
    responses=answered(IngestAnswer, 201),
    openapi_extra=body_schema(IngestDocument, "application/json", "application/yaml"),
)
async def ingest(
    request: Request,
    session: CurrentSession,
    idempotency_key: Annotated[str | None, Header(max_length=KEY_LIMIT)] = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Record a model version with its run, data, artifacts, metrics and lineage: all or nothing."""
    value = await read_value(request)
    try:
        answer = await asyncio.wrap_future(submit(session.database, read_ingestion(session, value, idempotency_key)))
    except StudbookError:
        recorded_documents.labels("refused").inc()
        raise
    recorded_documents.labels("replayed" if answer.replayed else "recorded").inc()
    body = answer.body
    if wait is WaitFor.PROOF:
        body = with_receipts(body, await gather_receipts(session, answer.events))
    return json_response(body, 201, {"Idempotency-Replayed": "true"} if answer.replayed else None)


@router.post(
    "/ingest/batch",
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "one result a line, in the order of the documents"}},
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def ingest_batch(request: Request, session: CurrentSession, wait: Wait = WaitFor.NONE) -> Response:
    """Record many documents, one JSON object a line; each is all or nothing by itself."""
    session.caller.require(Access.WRITE)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _NDJSON:
        message = f"the body is {media_type[:80]!r}; send application/x-ndjson, one document a line"
        raise UnsupportedMediaError(message)
    return DuplexResponse(record_lines(request, session, wait), media_type="application/x-ndjson")
