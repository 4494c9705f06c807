"""From bytes to a JSON value, refusing everything that two readers could understand differently.

Refused: duplicate keys, NaN and infinities, integers beyond 2^53 - 1 (a JavaScript reader would round them), lone
surrogates and NUL (PostgreSQL cannot hold them in text), and nesting or counts beyond the limits.
All faults of a well-formed document are reported together.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

import yaml
from pydantic_core import from_json

from studbook.domain.errors import MalformedInputError, Violation
from studbook.domain.pointers import pointer

DEPTH_LIMIT: Final = 32
VALUE_LIMIT: Final = 200_000
FAULT_LIMIT: Final = 100
SAFE_INTEGER: Final = 2**53 - 1
_KEY_ENDS: Final = re.compile(rb'"\s*:')
_PLAIN_LENGTH: Final = 10_000


class _DuplicateKeyError(ValueError):
    pass


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def _refuse_constant(text: str) -> NoReturn:
    msg = f"{text} is not a JSON number; leave the value out or write it as a string"
    raise ValueError(msg)


def _parse_integer(text: str) -> int | float:
    # A number of thousands of digits is refused below by size; int() would refuse it with its own words.
    return int(text) if len(text) <= 20 else math.inf  # noqa: PLR2004 - 20 digits hold any 64-bit number


_decoder = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant, parse_int=_parse_integer
)


class _NeedsCareError(Exception):
    """The quick reader cannot tell whether the document is acceptable."""


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read one JSON value.

    Raises MalformedInputError, with a pointer for each value that cannot be accepted.
    """
    # Almost every document is plain; a quick reader takes those and leaves every doubt to the careful one.
    if body.isascii() and b"\\u" not in body:
        try:
            value = from_json(body, allow_inf_nan=False)
            # Each key of the text is followed by a colon, so an equal count means that no key stood twice.
            if _count_keys(value, DEPTH_LIMIT) == len(_KEY_ENDS.findall(body)):
                return value
        except (ValueError, _NeedsCareError):
            pass
    return _parse_carefully(body)


def _count_keys(value: Any, depth: int) -> int:  # noqa: ANN401 - any JSON value
    """The number of keys in a value all of whose numbers are safe and that is not too deep."""
    kind = type(value)
    if kind is dict:
        if depth == 0:
            raise _NeedsCareError
        count = len(value)
        for member in value.values():
            if type(member) is not str:
                count += _count_keys(member, depth - 1)
        return count
    if kind is list:
        if depth == 0 or len(value) > _PLAIN_LENGTH:
            raise _NeedsCareError
        return sum([_count_keys(member, depth - 1) for member in value])
    if kind is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        raise _NeedsCareError
    if kind is float and not math.isfinite(value):
        raise _NeedsCareError
    return 0


def _parse_carefully(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("not_utf8", f"the body is not UTF-8 (byte {error.start})") from None
    try:
        value = _decoder.decode(text.removeprefix("\ufeff"))
    except _DuplicateKeyError as error:
        raise _malformed("duplicate_key", f"the key {str(error)[:80]!r} stands twice in one object; keep one") from None
    except json.JSONDecodeError as error:
        raise _malformed("not_json", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _malformed("too_deep", f"the document nests deeper than {DEPTH_LIMIT} levels") from None
    except ValueError as error:
        raise _malformed("not_a_number", str(error)) from None
    check_value(value)
    return value


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML restricted to JSON's types: a date stays text, and a key is text and stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        keys: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _malformed("key_not_text", f"the key {str(key)[:80]!r} is not text; put it in quotes")
            if key in keys:
                raise _malformed("duplicate_key", f"the key {key[:80]!r} stands twice in one object; keep one")
            keys.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read one YAML document that holds nothing JSON could not.

    Raises MalformedInputError. Anchors are allowed, but the document may not unfold beyond VALUE_LIMIT values.
    """
    try:
        text = body.decode("utf-8")
        value = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - _PlainLoader is a SafeLoader
    except UnicodeDecodeError as error:
        raise _malformed("not_utf8", f"the body is not UTF-8 (byte {error.start})") from None
    except yaml.YAMLError as error:
        raise _malformed("not_yaml", "not YAML: " + " ".join(str(error).split())[:300]) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise _malformed("not_yaml", f"not YAML that can be read: {str(error)[:200]}") from None
    check_value(value)
    return value


def check_value(value: Any) -> None:  # noqa: ANN401 - any value
    """Refuse a value that JSON, PostgreSQL or a JavaScript reader could not hold exactly."""
    faults: list[Violation] = []
    count = 0
    pending: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    while pending and len(faults) < FAULT_LIMIT:
        current, path = pending.pop()
        count += 1
        if count > VALUE_LIMIT:
            raise _malformed("too_many_values", f"the document holds more than {VALUE_LIMIT:,} values")
        kind = type(current)
        if kind is str:
            if fault := find_text_fault(current):
                faults.append(Violation(pointer(path), "bad_text", fault))
        elif kind is dict or kind is list:
            if len(path) >= DEPTH_LIMIT:
                raise _malformed("too_deep", f"the document nests deeper than {DEPTH_LIMIT} levels")
            members = current.items() if kind is dict else enumerate(current)
            pending.extend((member, (*path, str(key))) for key, member in members)
            if kind is dict and (fault := _find_key_fault(current)):
                faults.append(Violation(pointer(path), "bad_text", f"in a key: {fault}"))
        elif fault := _find_number_fault(current):
            faults.append(Violation(pointer(path), "bad_number", fault))
    if faults:
        raise MalformedInputError(f"{len(faults)} value(s) cannot be stored exactly", reversed(faults))


def _find_key_fault(value: dict[str, Any]) -> str | None:
    return next((fault for key in value if (fault := find_text_fault(key))), None)


def find_text_fault(text: str) -> str | None:
    """Why a text cannot be stored, or None when it can."""
    if text.isascii():
        return "text may not hold the NUL character" if "\x00" in text else None
    if "\x00" in text:
        return "text may not hold the NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "text may not hold a lone surrogate (half of a character)"
    return None


def _find_number_fault(value: Any) -> str | None:  # noqa: ANN401 - any scalar
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if abs(value) <= SAFE_INTEGER else "integers go up to 2^53 - 1; write a larger one as a string"
    if isinstance(value, float):
        return None if math.isfinite(value) else "the number is not finite or too large; leave it out or write a string"
    return f"a value of type {type(value).__name__} has no place in JSON; write it as text"


def _malformed(code: str, message: str) -> MalformedInputError:
    return MalformedInputError(message, [Violation("", code, message)])
