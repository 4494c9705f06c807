"""Conditional reads (RFC 9110, 13): whoever has the present representation is told so instead of being sent it again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from studbook.http.answers import record_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.services.reading import Shown

_ETAG: Final = re.compile(r'(?:W/)?("[^"]*")')

# The documentation of the answer without a body.
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The ETag is one of those in `If-None-Match`."}}


def names(if_none_match: str, etag: str) -> bool:
    """Whether `If-None-Match` names this ETag: by the weak comparison, in a list, or by `*`."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def not_modified(etag: str) -> Response:
    """304: what the caller has is what there is."""
    return Response(status_code=304, headers={"ETag": etag})


def unless_known(if_none_match: str | None, read: Callable[[], Shown], read_etag: Callable[[], str] | None = None) -> Response:
    """A record, unless the caller has it; `read_etag` finds its ETag for less than the whole record."""
    if if_none_match is not None and read_etag is not None and names(if_none_match, etag := read_etag()):
        return not_modified(etag)
    shown = read()
    if if_none_match is not None and names(if_none_match, shown.etag):
        return not_modified(shown.etag)
    return record_response(shown)
