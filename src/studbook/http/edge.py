"""The outermost layer of every request: address, id, limits of the head, log line, metrics, security headers."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from studbook.http.telemetry import observe

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("studbook.access")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# A percent-encoded NUL: PostgreSQL text cannot hold it, and no name or filter needs it.
_NUL = b"%00"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
]


class Edge:
    """ASGI middleware. It leaves the path percent-encoded, so that a name may hold a slash (decision 0005)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _find_request_id(scope) or uuid4().hex
        scope["request_id"] = request_id
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = raw_path.partition(b"?")[0].decode("ascii", "replace")
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                defaults = [header for header in _HEADERS if header[0] not in given]
                message["headers"] = [*message["headers"], *defaults, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            if fault := _find_fault(raw_path, scope["query_string"]):
                await _refuse(send_marked, fault, request_id)
            else:
                await self._app(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - started
            observe(scope, status, seconds)
            if _log.isEnabledFor(logging.INFO):
                _log.info("request", extra={"fields": _log_fields(scope, status, seconds)})


def _find_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value).decode()
    return None


def _find_fault(path: bytes, query: bytes) -> str | None:
    if b"%" not in path and b"%" not in query and b"\x00" not in path:
        return None
    if _NUL in path or _NUL in query or b"\x00" in path:
        return "the address holds the NUL character (%00), which no name can"
    if _BAD_ESCAPE.search(path):
        return "the address holds a '%' that begins no percent-encoding; write %25 for the character itself"
    try:
        _unescaped(path)
        _unescaped(query)
    except UnicodeDecodeError:
        return "the address is not UTF-8 when its percent-encoding is undone"
    return None


def _unescaped(text: bytes) -> str:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text).decode()


async def _refuse(send: Send, message: str, request_id: str) -> None:
    problem = {
        "type": "https://studbook.dev/problems/bad_address",
        "title": "Malformed input",
        "status": 400,
        "detail": message,
        "code": "bad_address",
        "errors": [{"pointer": "", "code": "bad_address", "message": message}],
        "request_id": request_id,
    }
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode()})


def _log_fields(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    return {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "milliseconds": round(seconds * 1000, 2),
        "request_id": scope["request_id"],
        "actor": scope.get("actor"),
    }
