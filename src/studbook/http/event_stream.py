"""A version and every change of it as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

from studbook.domain.errors import NotFoundError, StudbookError
from studbook.http.auth import open_session
from studbook.http.conditional import names
from studbook.http.problems import problem_of
from studbook.services.reading import Shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from studbook.http.watching import Lookout, Watched

MEDIA_TYPE: Final = "text/event-stream"
# Proxies close a connection on which nothing is sent for a minute or so.
_HEARTBEAT_SECONDS: Final = 15.0
_HEARTBEAT: Final = b": nothing new\n\n"


def wants_events(request: Request) -> bool:
    """Whether the caller takes a stream; an embedded registry, which answers in one piece, offers none."""
    return MEDIA_TYPE in request.headers.get("accept", "") and request.app.state.local_caller is None


def stream_version(request: Request, namespace: str, watched: Watched, shown: Shown, known: str | None) -> StreamingResponse:
    """The version as it is now, unless it is known, and as it becomes, until the caller leaves."""
    known = request.headers.get("last-event-id") or known
    first = None if known is not None and names(known, shown.etag) else shown
    # A proxy that gathered what it passes on would hold back the news.
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, namespace, watched, first, shown.etag), media_type=MEDIA_TYPE, headers=headers)


async def until_gone(request: Request) -> None:
    """Wait until the caller is no longer there."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(request: Request, namespace: str, watched: Watched, first: Shown | None, known: str) -> AsyncIterator[bytes]:
    lookout: Lookout = request.app.state.lookout
    gone = asyncio.ensure_future(until_gone(request))
    try:
        yield _event("version", first.body, first.etag) if first is not None else _HEARTBEAT
        while not gone.done():
            seen = await lookout.find_change(watched, known, _HEARTBEAT_SECONDS, gone)
            if isinstance(seen, Shown):
                known = seen.etag
                yield _event("version", seen.body, known)
            else:
                # Whoever lost the right to read is told nothing more.
                await open_session(request, namespace)
                yield _HEARTBEAT
    except NotFoundError as error:
        yield _event("gone", json.dumps(problem_of(error, request.scope.get("request_id", ""))).encode())
    except StudbookError:
        return
    finally:
        gone.cancel()


def _event(kind: str, data: bytes, etag: str | None = None) -> bytes:
    mark = f"id: {etag}\n" if etag else ""
    return f"event: {kind}\n{mark}data: ".encode() + data + b"\n\n"
