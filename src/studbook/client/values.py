"""From the values a training script has to the values a document can hold.

A document holds JSON that every reader understands alike: no NaN or infinity, no integer beyond 2^53, no NUL and
no half characters. What a script logs is turned into that rather than refused: a run must not fail over it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any, Final

# Limits of the registry's documents.
KEY_LIMIT: Final = 256
_SAFE_INTEGER: Final = 2**53 - 1
_DEPTH_LIMIT: Final = 16
# A parameter is for reading; what is longer belongs in an artifact.
_TEXT_LIMIT: Final = 4_000
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

Scalar = str | int | float | bool | None


def clean_text(text: str, limit: int | None = None) -> str:
    """The text without NUL and lone surrogates (each becomes U+FFFD), cut to `limit` characters."""
    cleaned = _UNSTORABLE.sub("\ufffd", text)
    return cleaned if limit is None or len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def clean_key(name: str) -> str:
    """The name cut to what the registry takes; a long one keeps a mark by which it stays distinct."""
    cleaned = clean_text(name)
    if len(cleaned) <= KEY_LIMIT:
        return cleaned
    return f"{cleaned[: KEY_LIMIT - 9]}~{hashlib.sha256(cleaned.encode()).hexdigest()[:8]}"


def as_number(value: object, name: str) -> float:
    """A metric's value as a float, possibly not finite.

    Numbers, numpy scalars and one-element arrays or tensors (anything with `.item()` or `__float__`) are taken.
    Raises TypeError for anything else.
    """
    if not isinstance(value, str | bytes):
        try:
            plain = value.item() if hasattr(value, "item") else value
            return float(plain)  # type: ignore[arg-type]  # whatever cannot be a float is refused below
        except (TypeError, ValueError, RuntimeError, OverflowError):
            pass
    message = f"the metric {name!r} must be one number; {type(value).__name__} is not"
    raise TypeError(message)


def as_scalar(value: object) -> Scalar:
    """A parameter's value as text, number, true, false or null.

    NaN and infinities, and integers beyond 2^53, become text; lists become JSON text; a function or class becomes
    its dotted name; anything else its `repr` without memory addresses, at most 4,000 characters.
    """
    plain = to_json(value)
    if isinstance(plain, dict | list):
        return clean_text(json.dumps(plain, ensure_ascii=False), _TEXT_LIMIT)
    return clean_text(plain, _TEXT_LIMIT) if isinstance(plain, str) else plain


def flatten(values: Mapping[Any, object], prefix: str = "") -> dict[str, object]:
    """Nested mappings as one, keys joined by dots: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and name.count(".") < _DEPTH_LIMIT:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def to_json(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """The value as JSON that can be stored exactly; never raises, whatever the value."""
    if isinstance(value, enum.Enum) and depth < _DEPTH_LIMIT:
        return to_json(value.value, depth + 1)
    if value is None or isinstance(value, bool | int | float | str):
        return _plain(value)
    if depth >= _DEPTH_LIMIT:
        return _described(value)
    try:
        return _compound(value, depth + 1)
    except Exception:  # noqa: BLE001 - a value's own methods may raise anything, and a run must not fail over it
        return _described(value)


def _plain(value: Scalar) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= _SAFE_INTEGER else _big_integer(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return clean_text(str(value))


def _compound(value: object, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {clean_text(str(key)): to_json(member, depth) for key, member in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((to_json(member, depth) for member in value), key=repr)
    if isinstance(value, list | tuple | range):
        return [to_json(member, depth) for member in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name), depth) for field in dataclasses.fields(value)}
    return _foreign(value, depth)


def _foreign(value: object, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, os.PathLike):
        return clean_text(os.fsdecode(value))
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    # numpy scalars have .item(); arrays and tensors of more elements refuse it and have .tolist().
    for method in ("item", "tolist"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            with contextlib.suppress(TypeError, ValueError, RuntimeError):
                return to_json(getattr(value, method)(), depth)
    return _described(value)


def _described(value: object) -> str:
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return clean_text(f"{getattr(value, '__module__', '')}.{name}".lstrip("."), _TEXT_LIMIT)
    try:
        return clean_text(_ADDRESS.sub("", repr(value)), _TEXT_LIMIT)
    except Exception:  # noqa: BLE001 - a repr may raise anything
        return f"<{type(value).__name__}>"


def _big_integer(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # thousands of digits, more than Python turns into text
        return hex(value)[:_TEXT_LIMIT]
