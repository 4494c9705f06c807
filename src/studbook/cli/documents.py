"""What the files of `studbook ingest` hold: one document, or one a line."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Form(StrEnum):
    """The forms of a file."""

    YAML = "yaml"
    JSON = "json"
    NDJSON = "ndjson"


_BY_SUFFIX: Final = {
    ".yaml": Form.YAML,
    ".yml": Form.YAML,
    ".json": Form.JSON,
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
}


class BadLine(NamedTuple):
    """A line that is no JSON object."""

    number: int
    message: str


class Line(NamedTuple):
    """A document of an NDJSON file: where it stands, its bytes, and what they say."""

    number: int
    content: bytes
    document: dict[str, Any]


def guess_form(name: str, head: bytes, *, alone: bool) -> Form:
    """The form of a file by its name, or else by its first line (`alone` when there is no other)."""
    if known := _BY_SUFFIX.get(PurePath(name).suffix.lower()):
        return known
    if not head.lstrip().startswith(b"{"):
        return Form.YAML
    try:
        json.loads(head)
    except ValueError:
        return Form.JSON
    return Form.JSON if alone else Form.NDJSON


def read_lines(lines: Iterable[bytes], tell_bad: Callable[[BadLine], None]) -> Iterator[Line]:
    """The documents of an NDJSON file; a line that holds none is told and passed over, an empty one passed over."""
    for number, line in enumerate(lines, 1):
        content = line.strip()
        if not content:
            continue
        try:
            value = json.loads(content, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            tell_bad(BadLine(number, f"the line is no JSON: {error}"))
            continue
        if isinstance(value, dict):
            yield Line(number, content, value)
        else:
            tell_bad(BadLine(number, "the line is no JSON object"))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = f"the key {twice!r} stands twice in one object"
        raise ValueError(message)
    return value
