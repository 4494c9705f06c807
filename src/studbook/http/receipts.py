"""Answers to writes: the events they recorded and, for whoever waits, the receipts that prove them logged."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Query
from starlette.concurrency import run_in_threadpool

from studbook.http.answers import json_response
from studbook.services.audit.receipts import make_receipts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from starlette.responses import Response

    from studbook.http.auth import Session
    from studbook.services.audit.keeper import Placed
    from studbook.services.reading import Shown

# A header stays far below the 8 KiB that proxies allow; the body of an ingestion lists all its events.
_HEADER_EVENTS: Final = 50
_INLINE_EVENTS: Final = 16


class WaitFor(StrEnum):
    """What a write waits for before it is answered."""

    NONE = "none"
    PROOF = "proof"


Wait = Annotated[
    WaitFor,
    Query(
        description="`proof`: answer when the events stand in a signed checkpoint, with their receipts (C2SP tlog-proof) in "
        "`receipts`; `none`: answer once they are stored"
    ),
]


def written(session: Session, shown: Shown, wait: WaitFor, status: int = 200) -> Response:
    """The answer to a write that changed a record."""
    events = [event.id for event in shown.events]
    body = shown.body
    if shown.verdict is not None:
        body = with_member(body, "verdict", shown.verdict)
    if wait is WaitFor.PROOF:
        placed = session.registry.log.wait(session.namespace_id, events, session.registry.settings.receipt_timeout).result()
        body = with_receipts(body, _receipts(session, placed))
    headers = {"ETag": shown.etag} if shown.etag else {}
    return json_response(body, status, headers | event_headers(events))


async def gather_receipts(session: Session, events: Sequence[UUID]) -> dict[str, str]:
    """The receipts of these events by id, as soon as they can be had."""
    waiting = session.registry.log.wait(session.namespace_id, events, session.registry.settings.receipt_timeout)
    placed = await asyncio.wrap_future(waiting)
    if sum(len(part.indexes) for part in placed) <= _INLINE_EVENTS:
        # Their signer read the tiles that they need, so this takes less time than handing it to another thread would.
        return _receipts(session, placed)
    return await run_in_threadpool(_receipts, session, placed)


def event_headers(events: Sequence[UUID]) -> dict[str, str]:
    """The header that names the events of a write."""
    return {"Studbook-Events": ",".join(str(event) for event in events[:_HEADER_EVENTS])} if events else {}


def with_receipts(body: bytes, receipts: dict[str, str]) -> bytes:
    """A JSON object with a member more, without decoding it."""
    return with_member(body, "receipts", receipts)


def with_member(body: bytes, name: str, value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """A JSON object with a member more, without decoding it."""
    member = json.dumps(name).encode() + b":" + json.dumps(value, ensure_ascii=False).encode()
    return b"{" + member + (b"," if len(body) > len(b"{}") else b"") + body[1:]


def _receipts(session: Session, placed: Sequence[Placed]) -> dict[str, str]:
    """The receipts by event id; none when no checkpoint came in time: they are fetched later under `/audit/receipts`."""
    made = [make_receipts(session.database, session.namespace_id, part) for part in placed]
    return {str(event_id): receipt.decode() for receipts in made for event_id, receipt in receipts.items()}
