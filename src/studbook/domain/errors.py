"""Every way a request can be refused.

    StudbookError
    ├── MalformedInputError      400  the bytes are not JSON or YAML we accept
    ├── InvalidDocumentError     422  well-formed, but breaks the document's rules
    ├── AuthenticationError      401  no token, or one that is unknown, expired or revoked
    ├── PermissionDeniedError    403  the token may not do this
    ├── PolicyDeniedError        403  a policy refuses it
    ├── NotFoundError            404  nothing carries that name
    │   └── PendingError              it is recorded, and its proof is not there yet
    ├── MethodNotAllowedError    405  the address exists, the method does not
    ├── NotAcceptableError       406  the answer cannot be given in that format here
    ├── ConflictError            409  contradicts what is recorded
    │   ├── ImmutableFieldError       identity of a version is fixed
    │   ├── IdempotencyConflictError  same key, other body
    │   └── TamperedRecordError       the stored record is not what the log says
    ├── StaleRecordError         412  If-Match names an older revision
    ├── TooLargeError            413  body over the limit
    ├── UnsupportedMediaError    415  body of a type we do not read
    └── UnavailableError         503  the database cannot be written now
        └── LogHaltedError            the audit log contradicts what was signed before

A refusal changes nothing and carries *all* its violations, each with the place in the document
(a JSON Pointer, RFC 6901), a stable code and a sentence that says how to mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: where (JSON Pointer, empty for the whole), what, and how to mend it."""

    pointer: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """The violation as it stands in a problem document."""
        return {"pointer": self.pointer, "code": self.code, "message": self.message}


class StudbookError(Exception):
    """A request was refused; nothing was stored."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, violations: Iterable[Violation] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.violations = tuple(violations)

    @classmethod
    def at(cls, pointer: str, code: str, message: str) -> Self:
        """A refusal with a single violation."""
        return cls(message, [Violation(pointer, code, message)])


class MalformedInputError(StudbookError):
    """The bytes cannot be read as the JSON or YAML that Studbook accepts."""

    status = 400
    code = "malformed_input"
    title = "Malformed input"


class InvalidDocumentError(StudbookError):
    """The document is well-formed but breaks its rules."""

    status = 422
    code = "invalid_document"
    title = "Invalid document"


class AuthenticationError(StudbookError):
    """No valid token came with the request."""

    status = 401
    code = "not_authenticated"
    title = "Not authenticated"


class PermissionDeniedError(StudbookError):
    """The token is valid but does not allow this."""

    status = 403
    code = "permission_denied"
    title = "Permission denied"


class PolicyDeniedError(StudbookError):
    """Policies refuse the action; each rule that is not met is a violation, and the verdict that says so is kept."""

    status = 403
    code = "policy_denied"
    title = "Refused by policy"

    def __init__(self, detail: str, violations: Iterable[Violation] = (), verdict: str | None = None) -> None:
        super().__init__(detail, violations)
        self.verdict = verdict


class NotFoundError(StudbookError):
    """Nothing in the namespace carries that name."""

    status = 404
    code = "not_found"
    title = "Not found"


class PendingError(NotFoundError):
    """An event is recorded, and no signed checkpoint covers it yet."""

    code = "receipt_pending"
    title = "Not there yet"


class MethodNotAllowedError(StudbookError):
    """The address exists, but not for this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class NotAcceptableError(StudbookError):
    """This server cannot write the answer in the format that is asked for."""

    status = 406
    code = "not_acceptable"
    title = "Format not offered"


class ConflictError(StudbookError):
    """The request contradicts what is recorded."""

    status = 409
    code = "conflict"
    title = "Conflict"


class ImmutableFieldError(ConflictError):
    """What identifies a record is fixed when it is registered (invariant I5)."""

    code = "immutable_field"
    title = "Field cannot be changed"


class IdempotencyConflictError(ConflictError):
    """An idempotency key was used again with another body."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class TamperedRecordError(ConflictError):
    """A stored record is not what its last event says, so nothing is built upon it."""

    code = "record_differs_from_log"
    title = "Record differs from the audit log"


class StaleRecordError(StudbookError):
    """`If-Match` names a revision that is no longer the current one."""

    status = 412
    code = "stale_etag"
    title = "Record has changed"


class TooLargeError(StudbookError):
    """The body is larger than the server accepts."""

    status = 413
    code = "too_large"
    title = "Too large"


class UnsupportedMediaError(StudbookError):
    """The body's media type is not one the route reads."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class UnavailableError(StudbookError):
    """The database cannot take the write now; trying again later is safe."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"


class LogHaltedError(UnavailableError):
    """The database's log contradicts the last checkpoint that was signed: nothing is written until that is resolved."""

    code = "log_halted"
    title = "Audit log halted"
