"""What files hold: one document, or one a line."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.server_part import server_part

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


def read_bytes(name: str) -> tuple[bytes, Form]:
    """What a file holds (`-` is standard input), and its form.

    Raises CommandError.
    """
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror or error}", Exit.USAGE) from error
    head, _, rest = content.partition(b"\n")
    return content, guess_form(name, head, alone=not rest.strip())


def read_document(name: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON or YAML file; `-` is standard input.

    Raises CommandError.
    """
    content, form = read_bytes(name)
    if form is Form.YAML:
        return _read_yaml(name, content)
    try:
        return json.loads(content, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name}: not one JSON document: {error}", Exit.USAGE) from error


def _read_yaml(name: str, content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    # The base install has no reader of YAML, which is why `studbook ingest` leaves that to the server.
    with server_part():
        from studbook.domain.errors import StudbookError
        from studbook.domain.parsing import parse_yaml
    try:
        return parse_yaml(content)
    except StudbookError as error:
        raise CommandError(f"{name}: {error.detail}", Exit.USAGE) from error


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
