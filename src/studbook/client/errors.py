"""What can go wrong between a program and its registry.

    StudbookError
    ├── UnreachableError           no answer, a time-out, 429 or 5xx: worth trying again later
    ├── RefusedError               4xx: the registry understood and refused; nothing was stored
    │   ├── InvalidDocumentError        400, 413, 415, 422  the document breaks a rule
    │   ├── AuthenticationError         401  no token, or one that is unknown, expired or revoked
    │   ├── PermissionDeniedError       403  the token may not do this
    │   ├── PolicyDeniedError           403  policies refuse it; `errors` names every rule that is not met
    │   ├── NotFoundError               404  nothing carries that name
    │   ├── ConflictError               409  contradicts what is recorded
    │   └── StaleError                  412  the record has changed since it was read
    └── MissingServerError         an embedded registry needs `studbook[server]` (also an ImportError)

    StudbookWarning                a run goes on, but something about its record needs attention

The methods of `Run` raise none of them, except RefusedError for a registry opened with `strict=True`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class StudbookError(Exception):
    """Anything that Studbook's client raises."""


class StudbookWarning(UserWarning):
    """Something about a record needs attention; the program goes on."""


class UnreachableError(StudbookError):
    """The registry gave no usable answer: the network, a time-out, 429 or 5xx. Trying again later is safe.

    `status` is the HTTP status, or None when nothing answered.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing the registry remarks on: where (a JSON Pointer into the document), what, and how to mend it."""

    pointer: str
    code: str
    message: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Notice:
        """The notice in the registry's own form; what is missing is empty."""
        return cls(*(str(data.get(name) or "") for name in ("pointer", "code", "message")))

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.pointer or '(whole document)'}: {self.message} [{self.code}]"


class RefusedError(StudbookError):
    """The registry refused a request (4xx) and stored nothing.

    `status` is the HTTP status, `code` a stable word for the reason, `errors` every fault with its place,
    `problem` the whole answer (RFC 9457), and `request_id` finds the request in the server's log.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code") or "")
        self.request_id = problem.get("request_id")
        self.errors = tuple(Notice.read(error) for error in problem.get("errors") or ())
        super().__init__(self._describe())

    def _describe(self) -> str:
        title = self.problem.get("title") or "Refused"
        lines = [f"{title} ({self.status}): {self.problem.get('detail') or 'no detail was given'}"]
        return "\n  ".join(lines + [str(error) for error in self.errors])


class InvalidDocumentError(RefusedError):
    """The document breaks a rule (400, 413, 415 or 422)."""


class AuthenticationError(RefusedError):
    """No token was sent, or one that is unknown, expired or revoked (401)."""


class PermissionDeniedError(RefusedError):
    """The token may not do this (403)."""


class PolicyDeniedError(RefusedError):
    """Policies refuse it (403): `errors` tells rule by rule why, where, and how to mend it; `verdict` names what was kept."""

    @property
    def verdict(self) -> str | None:
        """The name of the verdict."""
        return self.problem.get("verdict")


class NotFoundError(RefusedError):
    """Nothing in the namespace carries that name (404)."""


class ConflictError(RefusedError):
    """The request contradicts what is recorded (409)."""


class StaleError(RefusedError):
    """The record has changed since its ETag was read (412)."""


class MissingServerError(StudbookError, ImportError):
    """An embedded registry was asked for, and the server part is not installed."""


_BY_POLICY = "policy_denied"
_KINDS: dict[int, type[RefusedError]] = {
    400: InvalidDocumentError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    412: StaleError,
    413: InvalidDocumentError,
    415: InvalidDocumentError,
    422: InvalidDocumentError,
}


def refusal(status: int, problem: Mapping[str, Any]) -> RefusedError:
    """The exception that stands for a 4xx answer."""
    if problem.get("code") == _BY_POLICY:
        return PolicyDeniedError(status, problem)
    return _KINDS.get(status, RefusedError)(status, problem)
