"""The main act, for one document and for many."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from studbook.domain.documents import IngestDocument
from studbook.domain.errors import InvalidDocumentError, MalformedInputError, StudbookError, TooLargeError, UnsupportedMediaError
from studbook.domain.parsing import parse_json
from studbook.domain.validation import read_document
from studbook.http.answers import IngestAnswer, answered, json_response
from studbook.http.auth import CurrentSession
from studbook.http.bodies import read_value
from studbook.http.problems import problem_of
from studbook.http.routes import body_schema
from studbook.http.telemetry import recorded_documents
from studbook.services.ingestion import Answer, Ingestion, body_digest, submit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from studbook.http.auth import Session

router = APIRouter(tags=["ingest"])

_KEY_LIMIT: Final = 255
# Documents in flight for one batch: enough to fill the writer's groups, few enough to bound memory.
_WINDOW: Final = 256


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
    request: Request, session: CurrentSession, idempotency_key: Annotated[str | None, Header(max_length=_KEY_LIMIT)] = None
) -> Response:
    """Record a model version with its run, data, artifacts, metrics and lineage: all or nothing."""
    value = await read_value(request)
    ingestion = _read(session, value, idempotency_key)
    try:
        answer = await _wait(submit(session.database, ingestion))
    except StudbookError:
        recorded_documents.labels("refused").inc()
        raise
    recorded_documents.labels("replayed" if answer.replayed else "recorded").inc()
    return json_response(answer.body, 201, {"Idempotency-Replayed": "true"} if answer.replayed else None)


@router.post(
    "/ingest/batch",
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "one result a line, in the order of the documents"}},
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def ingest_batch(request: Request, session: CurrentSession) -> Response:
    """Record many documents, one JSON object a line; each is all or nothing by itself."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/x-ndjson", "application/jsonl", "application/ndjson"}:
        message = f"the body is {media_type[:80]!r}; send application/x-ndjson, one document a line"
        raise UnsupportedMediaError(message)
    return DuplexResponse(_record_lines(request, session), media_type="application/x-ndjson")


async def _record_lines(request: Request, session: Session) -> AsyncIterator[bytes]:
    waiting: list[tuple[int, Future[Answer] | StudbookError]] = []
    limits = request.app.state.settings
    number = 0
    async for line in _lines(request, limits.max_body_bytes):
        number += 1
        if number > limits.max_batch_documents:
            waiting.append(
                (
                    number,
                    TooLargeError(f"a batch holds at most {limits.max_batch_documents:,} documents; send the rest in another"),
                )
            )
            break
        waiting.append((number, _start(session, line)))
        if len(waiting) >= _WINDOW:
            ready, waiting = waiting[: _WINDOW // 2], waiting[_WINDOW // 2 :]
            yield await _results(ready, request)
    yield await _results(waiting, request)


async def _results(entries: list[tuple[int, Future[Answer] | StudbookError]], request: Request) -> bytes:
    parts = []
    for number, outcome in entries:
        try:
            if isinstance(outcome, StudbookError):
                raise outcome
            answer = await _wait(outcome)
            replayed = b',"replayed":true' if answer.replayed else b""
            parts.append(b'{"line":%d,"status":201,"result":%b%b}\n' % (number, answer.body, replayed))
            recorded_documents.labels("replayed" if answer.replayed else "recorded").inc()
        except StudbookError as refusal:
            problem = problem_of(refusal, request.scope["request_id"])
            line = {"line": number, "status": refusal.status, "problem": problem}
            parts.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            recorded_documents.labels("refused").inc()
    return b"".join(parts)


async def _lines(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The lines of the body as they arrive; blank ones count but are passed over by the caller's parser."""
    rest = b""
    async for chunk in request.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > limit:
            yield rest
            return
    if rest.strip():
        yield rest


def _start(session: Session, line: bytes) -> Future[Answer] | StudbookError:
    try:
        value = parse_json(line)
        key = None
        if isinstance(value, dict) and value.keys() == {"idempotency_key", "document"}:
            key, value = value["idempotency_key"], value["document"]
            if not isinstance(key, str) or not 0 < len(key) <= _KEY_LIMIT:
                raise InvalidDocumentError.at("/idempotency_key", "bad_key", f"a key is text of 1 to {_KEY_LIMIT} characters")
        return submit(session.database, _read(session, value, key))
    except StudbookError as refusal:
        return refusal


def _read(session: Session, value: Any, key: str | None) -> Ingestion:  # noqa: ANN401 - any JSON value
    if key is not None and "\x00" in key:
        raise MalformedInputError.at("", "bad_key", "an Idempotency-Key holds no NUL character")
    document = read_document(IngestDocument, value)
    return Ingestion(session.caller, document, key, body_digest(value) if key is not None else b"")


async def _wait(future: Future[Answer]) -> Answer:
    """The future's outcome, without a thread that waits for it."""
    return await asyncio.wrap_future(future)
