"""Page tokens: where a list goes on. A token carries the last key and a mark of the query it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from studbook.domain.errors import MalformedInputError

PAGE_SIZE: Final = 100
PAGE_LIMIT: Final = 1000
_MARK_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Page:
    """How many records, after which key (None: from the beginning)."""

    size: int
    after: tuple[Any, ...] | None
    query: str

    def token(self, key: tuple[Any, ...]) -> str:
        """The token of the page that follows the record with this key."""
        return base64.urlsafe_b64encode(json.dumps([_mark(self.query), *key]).encode()).decode().rstrip("=")


def read_page(size: int, token: str | None, query: str, types: tuple[type, ...]) -> Page:
    """The page that a request asks for; `query` names the list with its filters, `types` those of its key.

    Raises MalformedInputError for a token that is forged, cut, or from another list.
    """
    if token is None:
        return Page(size, None, query)
    try:
        mark, *key = json.loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
        if mark == _mark(query) and len(key) == len(types) and all(map(isinstance, key, types)):
            return Page(size, tuple(key), query)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        pass
    message = "the page token does not belong to this list; take it from 'next_page_token' of the same query"
    raise MalformedInputError.at("/page_token", "bad_page_token", message)


def _mark(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:_MARK_LENGTH]
