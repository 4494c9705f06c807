"""JSON values of foreign origin, read with their types checked: each function raises VerificationError and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, canonical_json, read_canonical
from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Collection

# Records nest up to 32 levels; what is far deeper would exhaust the stack of whoever walks it.
DEPTH_LIMIT: Final = 64
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def read_json(data: bytes, what: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of RFC 8785 bytes."""
    try:
        value = read_canonical(data)
        _check_depth(value, what)
        canonical = canonical_json(value)
    except (ValueError, RecursionError):
        raise VerificationError(f"{what} is not JSON") from None
    if canonical != data:
        raise VerificationError(f"{what} is not in canonical form (RFC 8785)")
    return value


def _check_depth(value: Any, what: str) -> None:  # noqa: ANN401 - any JSON value
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [member for parent in level if isinstance(parent, dict | list) for member in _members(parent)]
        if not level:
            return
    raise VerificationError(f"{what} nests deeper than {DEPTH_LIMIT} levels")


def _members(parent: dict[str, Any] | list[Any]) -> Collection[Any]:
    return parent.values() if isinstance(parent, dict) else parent


def as_object(value: Any, what: str, members: Collection[str] | None = None) -> JsonObject:  # noqa: ANN401
    """An object; with `members`, it has exactly these."""
    if not isinstance(value, dict):
        raise VerificationError(f"{what} is not a JSON object")
    if members is not None and value.keys() != set(members):
        raise VerificationError(f"{what} has not exactly the members {', '.join(sorted(members))}")
    return value


def as_list(value: Any, what: str) -> list[Any]:  # noqa: ANN401
    """A list."""
    if not isinstance(value, list):
        raise VerificationError(f"{what} is not a JSON list")
    return value


def as_text(value: Any, what: str) -> str:  # noqa: ANN401
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise VerificationError(f"{what} is not a text")
    return value


def as_count(value: Any, what: str) -> int:  # noqa: ANN401
    """A whole number from 0; that it is at most 2^53 - 1 comes with RFC 8785."""
    if type(value) is not int or value < 0:
        raise VerificationError(f"{what} is not a whole number from 0 up")
    return value


def as_uuid(value: Any, what: str) -> str:  # noqa: ANN401
    """A UUID in its usual form with small letters."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise VerificationError(f"{what} is not a UUID")
    return str(UUID(value))


def as_hex_digest(value: Any, what: str) -> bytes:  # noqa: ANN401
    """A SHA-256 digest in hexadecimal digits, small letters."""
    if not isinstance(value, str) or not _HEX_DIGEST.fullmatch(value):
        raise VerificationError(f"{what} is not a SHA-256 digest in hexadecimal digits")
    return bytes.fromhex(value)


def as_digest(value: Any, what: str) -> bytes:  # noqa: ANN401
    """A digest as `sha256:HEX`."""
    if not isinstance(value, str) or not value.startswith("sha256:"):
        raise VerificationError(f"{what} is not a digest of the form sha256:HEX")
    return as_hex_digest(value.removeprefix("sha256:"), what)


def decode_base64url(value: Any, what: str) -> bytes:  # noqa: ANN401
    """Base64url without padding, in its one canonical form."""
    text = as_text(value, what)
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError(f"{what} is not base64url") from None
    if encode_base64url(data) != text:
        raise VerificationError(f"{what} is not base64url in canonical form")
    return data


def encode_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
