"""Reads request bodies: bounded while they arrive, parsed strictly, checked as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from studbook.domain.errors import MalformedInputError, TooLargeError, UnsupportedMediaError
from studbook.domain.parsing import parse_json, parse_yaml
from studbook.domain.types import Document
from studbook.domain.validation import read_document, read_patch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


DocumentT = TypeVar("DocumentT", bound=Document)

_JSON: Final = frozenset({"application/json", "application/merge-patch+json", ""})
_YAML: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
# Parsing a body up to this size takes less time than handing it to another thread would save.
_INLINE_BYTES: Final = 64 * 1024


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises TooLargeError as soon as it exceeds `limit` bytes.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def read_value(request: Request) -> Any:  # noqa: ANN401 - any JSON value
    """The body as a JSON value, from JSON or YAML.

    Raises MalformedInputError, TooLargeError, UnsupportedMediaError.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON | _YAML:
        message = f"the body is {media_type[:80]!r}; send application/json or application/yaml"
        raise UnsupportedMediaError(message)
    body = await read_bytes(request, request.app.state.settings.max_body_bytes)
    if not body:
        raise MalformedInputError.at("", "empty_body", "the body is empty; a document is expected")
    parse = parse_yaml if media_type in _YAML else parse_json
    if len(body) <= _INLINE_BYTES:
        return parse(body)
    return await run_in_threadpool(parse, body)


def body_of(kind: type[DocumentT]) -> Callable[[Request], Awaitable[DocumentT]]:
    """A dependency that reads the body as a document of this kind."""

    async def read(request: Request) -> DocumentT:
        return read_document(kind, await read_value(request))

    return read


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"the body has more than {limit:,} bytes; send less, or ask the operator to raise STUDBOOK_MAX_BODY_BYTES"
    )


def read_patch_of(kind: type[DocumentT], fixed: frozenset[str], noun: str) -> Callable[[Request], Awaitable[DocumentT]]:
    """A dependency that reads later facts; a field in `fixed` is refused as unchangeable."""

    async def read(request: Request) -> DocumentT:
        return read_patch(kind, await read_value(request), fixed, noun)

    return read
