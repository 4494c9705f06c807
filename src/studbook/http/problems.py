"""Refusals as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from studbook.domain.errors import (
    InvalidDocumentError,
    MethodNotAllowedError,
    NotFoundError,
    PolicyDeniedError,
    StudbookError,
    UnavailableError,
    Violation,
)
from studbook.domain.names import BadReferenceError
from studbook.domain.pointers import pointer
from studbook.storage.database import UNANSWERED

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_log = logging.getLogger(__name__)
_TYPE_BASE: Final = "https://studbook.dev/problems/"
PROBLEM_TYPE: Final = "application/problem+json"


def problem_of(error: StudbookError, request_id: str = "") -> dict[str, Any]:
    """The problem document of a refusal."""
    return {
        "type": _TYPE_BASE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "errors": [violation.as_json() for violation in error.violations],
        "request_id": request_id,
        **({"verdict": error.verdict} if isinstance(error, PolicyDeniedError) else {}),
    }


def respond(request: Request, error: StudbookError) -> JSONResponse:
    """The response to a refused request."""
    headers = {}
    if error.status == 401:  # noqa: PLR2004 - the one status that must say how to authenticate (RFC 9110, 15.5.2)
        headers["WWW-Authenticate"] = 'Bearer realm="studbook"'
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = "1"
    if isinstance(error, MethodNotAllowedError) and error.violations:
        headers["Allow"] = error.violations[0].message
    content = problem_of(error, request.scope.get("request_id", ""))
    return JSONResponse(content, status_code=error.status, headers=headers, media_type=PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Let every way a request can fail end in a problem document."""
    app.add_exception_handler(StudbookError, _on_refusal)
    app.add_exception_handler(BadReferenceError, _on_bad_reference)
    app.add_exception_handler(RequestValidationError, _on_bad_parameter)
    app.add_exception_handler(HTTPException, _on_routing_error)
    for kind in UNANSWERED:
        app.add_exception_handler(kind, _on_database_error)
    app.add_exception_handler(Exception, _on_bug)


def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudbookError)  # noqa: S101 - registered for this type
    return respond(request, error)


def _on_bad_reference(request: Request, error: Exception) -> JSONResponse:
    return respond(request, InvalidDocumentError.at("", "bad_reference", str(error)))


def _on_bad_parameter(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    violations = [
        # The first step says whether it stood in the path or the query; a caller knows its parameters by name.
        Violation(pointer(tuple(detail["loc"][1:])), str(detail["type"]), str(detail["msg"]))
        for detail in error.errors()
    ]
    return respond(request, InvalidDocumentError("a parameter of the request is wrong", violations))


def _on_routing_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    refusal: StudbookError
    if error.status_code == 405:  # noqa: PLR2004 - Method Not Allowed
        allowed = (error.headers or {}).get("Allow", "GET")
        refusal = MethodNotAllowedError(f"{request.method} is not offered here", [Violation("", "allowed_methods", allowed)])
    else:
        refusal = NotFoundError("no such address; /openapi.json lists those there are")
    return respond(request, refusal)


def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    _log.error("the database did not answer", exc_info=error)
    return respond(request, UnavailableError("the database does not answer at the moment; trying again is safe"))


def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("a request failed", exc_info=error)
    message = "something went wrong inside Studbook; the log has the details under this request_id"
    return respond(request, StudbookError(message))
