"""JSON values written as YAML that a person edits; the base install has no YAML library, and writing needs little.

What a reader of YAML 1.1 or 1.2 could take for something else than text stands in quotes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./*=\[\],-]*(?: [A-Za-z0-9_./*=\[\](),;-]+)*")
# What YAML 1.1 reads as true, false or null.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
# A key of more than 1,024 characters is not read before its colon.
_KEY_LIMIT: Final = 1_000


def to_yaml(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value as a YAML document in block style, from which the same value is read."""
    return "".join(f"{line}\n" for line in _lines(value, ""))


def _lines(value: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _entry(_key(key, indent), member, indent)
    elif isinstance(value, list | tuple) and value:
        for member in value:
            first, *rest = _lines(member, f"{indent}  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
    else:
        yield indent + _scalar(value)


def _entry(key: str, member: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(member, dict | list | tuple) and member:
        yield f"{indent}{key}:"
        yield from _lines(member, f"{indent}  ")
    elif isinstance(member, str) and _is_block(member):
        yield f"{indent}{key}: {'|' if member.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}  {line}" if line else "" for line in member.removesuffix("\n").split("\n"))
    else:
        yield f"{indent}{key}: {_scalar(member)}"


def _key(key: str, indent: str) -> str:
    written = _text(key)
    return written if len(written) <= _KEY_LIMIT else f"? {written}\n{indent}"


def _scalar(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        # 1e-05 is text to YAML 1.1, 1.0e-05 a number.
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")
    return str(value) if isinstance(value, int) else "{}" if isinstance(value, dict) else "[]"


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = (_ESCAPES.get(char) or (char if char.isprintable() else f"\\U{ord(char):08x}") for char in text)
    return f'"{"".join(escaped)}"'


def _is_block(text: str) -> bool:
    """Whether a text of several lines stands as they are; what begins with blanks or ends with empty lines is quoted."""
    lines = text.split("\n")
    printable = all(line.isprintable() for line in lines)
    return len(lines) > 1 and printable and bool(lines[0]) and lines[0][0] != " " and not text.endswith("\n\n")
