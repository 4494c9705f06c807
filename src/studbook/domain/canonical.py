"""Canonical JSON: one value, one sequence of bytes (RFC 8785, "JCS").

The C encoder of the standard library writes the same bytes as RFC 8785 for most values, twenty times
faster than the reference library. Where the two could differ (a float that ECMAScript writes otherwise, a
key outside ASCII) the library does the work; a property test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

JsonScalar = str | int | float | bool | None
JsonObject = dict[str, Any]

# ECMAScript writes a float in this range without an exponent, just as Python's repr does.
_SMALLEST_PLAIN: Final = 1e-4
_LARGEST_PLAIN: Final = 1e16
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_encode_text = json.encoder.encode_basestring


class _NeedsLibraryError(Exception):
    """The fast encoder might write other bytes than RFC 8785."""


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The RFC 8785 bytes of a JSON value.

    Raises ValueError for what JSON cannot hold: NaN, integers beyond 2^53 - 1, lone surrogates.
    """
    try:
        return _encode(_plain(value)).encode()
    except _NeedsLibraryError:
        return rfc8785.dumps(value)


def read_canonical(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of canonical bytes, such that its canonical bytes are the same again.

    RFC 8785 writes a large float as an integer's digits; beyond 2^53 only a float can be meant.
    """
    return _decode(text.decode())


def _read_integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _SAFE_DIGITS or abs(int(digits)) < 2**53 else float(digits)


_SAFE_DIGITS: Final = 16
_decode = json.JSONDecoder(parse_int=_read_integer).decode


def scalar_text(value: Any) -> str:  # noqa: ANN401 - a JSON scalar
    """The RFC 8785 text of a scalar."""
    kind = type(value)
    if kind is str:
        return _encode_text(value)
    if kind is int and -(2**53) < value < 2**53:
        return str(value)
    if kind is float:
        try:
            return repr(_plain_float(value))
        except _NeedsLibraryError:
            return rfc8785.dumps(value).decode()
    return canonical_json(value).decode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with integral floats as integers, if the fast encoder is safe for all of it."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is float:
        return _plain_float(value)
    if kind is dict:
        plain = {}
        for key, member in value.items():
            if not key.isascii():
                raise _NeedsLibraryError
            plain[key] = member if type(member) is str else _plain(member)
        return plain
    if kind is list or kind is tuple:
        return [_plain(member) for member in value]
    if kind is int and -(2**53) < value < 2**53:
        return value
    raise _NeedsLibraryError


def _plain_float(value: float) -> float | int:
    size = abs(value)
    if size >= _LARGEST_PLAIN or (size < _SMALLEST_PLAIN and value):
        raise _NeedsLibraryError
    return int(value) if value.is_integer() else value
