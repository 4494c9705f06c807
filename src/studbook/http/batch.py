"""Records a stream of documents while it arrives, and answers each in its turn.

The documents of one received chunk go to the writer together. Results flow back as soon as they are committed, so a client
that sends slowly is answered at once, and one that sends fast shares its commits.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import IngestDocument
from studbook.domain.errors import InvalidDocumentError, StudbookError, TooLargeError
from studbook.domain.parsing import parse_json
from studbook.domain.validation import read_document
from studbook.http.problems import problem_of
from studbook.http.receipts import WaitFor, gather_receipts, with_receipts
from studbook.http.telemetry import recorded_documents
from studbook.services.ingestion import Answer, Ingestion, body_digest, submit, submit_together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from studbook.http.auth import Session

_log = logging.getLogger(__name__)

KEY_LIMIT: Final = 255
# Documents that are written in one transaction, and how many such groups wait: enough to keep the writer busy.
_GROUP: Final = 64
_IN_FLIGHT: Final = 3

Outcome = Answer | StudbookError


@dataclass(frozen=True, slots=True)
class _Group:
    """Documents that were handed to the writer together, each with its line's number, or why it was not."""

    entries: list[tuple[int, Ingestion | StudbookError]]
    written: asyncio.Future[list[Outcome]]


async def record_lines(request: Request, session: Session, wait: WaitFor) -> AsyncIterator[bytes]:
    """Result lines for the documents of an NDJSON body, in their order; with their receipts for whoever waits."""
    waiting: deque[_Group] = deque()
    settings = request.app.state.settings
    async for lines in _groups_of_lines(request, settings.max_body_bytes, settings.max_batch_documents):
        waiting.append(_hand_over(session, lines))
        while len(waiting) > _IN_FLIGHT or (waiting and waiting[0].written.done()):
            yield await _results(session, waiting.popleft(), request, wait)
    while waiting:
        yield await _results(session, waiting.popleft(), request, wait)


async def _groups_of_lines(
    request: Request, line_limit: int, document_limit: int
) -> AsyncIterator[list[tuple[int, bytes | StudbookError]]]:
    """The numbered lines of the body as they arrive, a list for each chunk; blank lines are passed over."""
    rest, number, documents = b"", 0, 0
    async for chunk in _chunks(request):
        *complete, rest = (rest + chunk).split(b"\n")
        lines: list[tuple[int, bytes | StudbookError]] = []
        for number, line in enumerate(complete, number + 1):  # noqa: B020 - goes on counting
            if line.strip():
                documents += 1
                lines.append((number, line))
        if len(rest) > line_limit:
            message = f"the line has more than {line_limit:,} bytes; nothing after it was read"
            lines.append((number + 1, TooLargeError(message)))
        if documents > document_limit:
            message = f"a batch holds at most {document_limit:,} documents; nothing after this line was recorded"
            keep = len(lines) - (documents - document_limit)
            lines[keep:] = [(lines[keep][0], TooLargeError(message))]
        for start in range(0, len(lines), _GROUP):
            yield lines[start : start + _GROUP]
        if lines and isinstance(lines[-1][1], StudbookError):
            return


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives, ended by a line break."""
    async for chunk in request.stream():
        yield chunk
    yield b"\n"


def _hand_over(session: Session, lines: list[tuple[int, bytes | StudbookError]]) -> _Group:
    entries = [(number, line if isinstance(line, StudbookError) else _read_line(session, line)) for number, line in lines]
    ingestions = [entry for _, entry in entries if isinstance(entry, Ingestion)]
    return _Group(entries, asyncio.wrap_future(submit_together(session.database, session.caller, ingestions)))


def _read_line(session: Session, line: bytes) -> Ingestion | StudbookError:
    try:
        value = parse_json(line)
        key = None
        if isinstance(value, dict) and value.keys() == {"idempotency_key", "document"}:
            key, value = value["idempotency_key"], value["document"]
            if not isinstance(key, str) or not 0 < len(key) <= KEY_LIMIT:
                return InvalidDocumentError.at("/idempotency_key", "bad_key", f"a key is text of 1 to {KEY_LIMIT} characters")
        return read_ingestion(session, value, key)
    except StudbookError as refusal:
        return refusal


def read_ingestion(session: Session, value: Any, key: str | None) -> Ingestion:  # noqa: ANN401 - any JSON value
    """The ingestion that a body asks for."""
    document = read_document(IngestDocument, value)
    return Ingestion(session.caller, document, key, body_digest(value) if key is not None else b"")


async def _results(session: Session, group: _Group, request: Request, wait: WaitFor) -> bytes:
    ingestions = [entry for _, entry in group.entries if isinstance(entry, Ingestion)]
    try:
        written = await group.written
    except Exception:  # noqa: BLE001 - one of them broke the transaction; alone, each has its own outcome
        written = [await _write_alone(session, ingestion) for ingestion in ingestions]
    if wait is WaitFor.PROOF:
        written = await _proven(session, written)
    outcomes = iter(written)
    lines = []
    for number, entry in group.entries:
        outcome = entry if isinstance(entry, StudbookError) else next(outcomes)
        lines.append(_result_line(number, outcome, request.scope["request_id"]))
    return b"".join(lines)


async def _proven(session: Session, written: list[Outcome]) -> list[Outcome]:
    """The answers with their receipts, which one checkpoint gives to the whole group."""
    answers = [outcome for outcome in written if isinstance(outcome, Answer)]
    receipts = await gather_receipts(session, [event for answer in answers for event in answer.events])
    return [
        outcome
        if isinstance(outcome, StudbookError)
        else replace(
            outcome,
            body=with_receipts(
                outcome.body, {str(event): receipts[str(event)] for event in outcome.events if str(event) in receipts}
            ),
        )
        for outcome in written
    ]


async def _write_alone(session: Session, ingestion: Ingestion) -> Outcome:
    try:
        return await asyncio.wrap_future(submit(session.database, ingestion))
    except StudbookError as refusal:
        return refusal
    except Exception:  # noqa: BLE001 - the other documents' answers must still be sent
        _log.exception("a document of a batch failed")
        return StudbookError("something went wrong inside Studbook; the log has the details")


def _result_line(number: int, outcome: Outcome, request_id: str) -> bytes:
    if isinstance(outcome, StudbookError):
        recorded_documents.labels("refused").inc()
        line = {"line": number, "status": outcome.status, "problem": problem_of(outcome, request_id)}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"
    recorded_documents.labels("replayed" if outcome.replayed else "recorded").inc()
    replayed = b',"replayed":true' if outcome.replayed else b""
    return b'{"line":%d,"status":201,"result":%b%b}\n' % (number, outcome.body, replayed)
