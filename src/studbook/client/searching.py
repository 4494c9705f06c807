"""Searches: what is found, how much, and what can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from studbook.client.addressing import Addressing
from studbook.client.answers import Record, reads_many
from studbook.client.records import ModelVersion

if TYPE_CHECKING:
    from studbook.client.connection import Connection

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OR: Final = re.compile(r"\bor\b", re.IGNORECASE)
_WRITTEN: Final = {"\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, kw_only=True)
class Highlight(Record):
    """Where words were found: a place in the version, a piece of the text there, and ranges of characters in that piece."""

    pointer: str = ""
    fragment: str = ""
    ranges: tuple[tuple[int, int], ...] = field(
        default=(), metadata={"read": lambda pairs: tuple((begin, end) for begin, end in pairs)}
    )


@dataclass(frozen=True, kw_only=True)
class FoundVersion(ModelVersion):
    """A model version that a search found; `highlights` says where the words stand that were looked for."""

    highlights: tuple[Highlight, ...] = field(default=(), metadata=reads_many(Highlight))


@dataclass(frozen=True, kw_only=True)
class Total(Record):
    """How much is found; not `exact` when there is more than the registry counts (10,000)."""

    count: int = 0
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class FacetValue(Record):
    """A value, and how many of the versions that are found have it."""

    value: str | float | bool = ""
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Facet(Record):
    """The values of a field, the most frequent first.

    Not `complete` when there are more values, not `exact` when so much is found that only a part was counted.
    """

    values: tuple[FacetValue, ...] = field(default=(), metadata=reads_many(FacetValue))
    complete: bool = True
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class SearchField(Record):
    """A field that a filter may name; an `open` one takes any key after a dot (`tags.team`).

    `schema` is the definition whose attribute it is. Until it is `ready`, versions stored before it are still put in place.
    """

    name: str = ""
    type: str = ""
    open: bool = False
    schema: str | None = None
    facet: bool = False
    ready: bool = True


class Found(Iterator[FoundVersion]):
    """The versions that a search finds, fetched page after page while they are read.

    `building` names attributes of the question whose values are still put in their places, so that the search takes longer and
    finds all the same. `truncated` says that more records have the words than were looked at (the newest): look for rarer words.
    Both are known once the first version was asked for.
    """

    def __init__(self, connection: Connection, params: Mapping[str, str | int | None]) -> None:
        self.building: tuple[str, ...] = ()
        self.truncated = False
        self._versions = self._read(connection, dict(params))

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> FoundVersion:
        """The next version."""
        return next(self._versions)

    def _read(self, connection: Connection, params: dict[str, str | int | None]) -> Iterator[FoundVersion]:
        while True:
            page = connection.call("GET", ("search",), params=params)
            self.building = tuple(page.get("building") or ())
            self.truncated = bool(page.get("truncated"))
            yield from (FoundVersion.read(entry) for entry in page["items"])
            if not page.get("next_page_token"):
                return
            params["page_token"] = page["next_page_token"]


class Searches(Addressing):
    """The calls that search. Each raises UnreachableError, and InvalidDocumentError for what cannot be asked.

    `text` is words, or their beginnings, in names, tags, descriptions and the texts that a definition names.
    `filter` is a condition such as `metrics.auc@holdout > 0.9 and tags.team = "growth" and upstream(datasets/churn-train)`;
    `model` and `tag` (`key:value`, or a mapping of several) narrow it further. What is archived is found only by a filter
    that speaks of `archived`.
    """

    def search(
        self,
        text: str | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the API
        order_by: str | None = None,
        model: str | None = None,
        tag: str | Mapping[str, str] | None = None,
        page_size: int | None = None,
    ) -> Found:
        """Model versions that have all words of the text and fit the filter, each with its `highlights`.

        `order_by` is a field such as `created_at`, `metrics.NAME`, `tags.KEY` or an attribute, with `-` before it for the
        greatest first. Without it the newest come first, or with a text those that fit best.
        """
        asked = {**_question(text, filter, model, tag), "order_by": order_by, "page_size": page_size}
        return Found(self._connection, asked)

    def count(
        self,
        text: str | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - as above
        model: str | None = None,
        tag: str | Mapping[str, str] | None = None,
    ) -> Total:
        """How many model versions a search finds."""
        params = {**_question(text, filter, model, tag), "count": "true", "page_size": 1}
        return Total.read(self._connection.call("GET", ("search",), params=params)["total"])

    def facets(
        self,
        *fields: str,
        text: str | None = None,
        filter: str | None = None,  # noqa: A002 - as above
        model: str | None = None,
        tag: str | Mapping[str, str] | None = None,
    ) -> dict[str, Facet]:
        """By field, the values that the versions of a search have, and how many have each.

        A field is `model`, `alias`, `run.kind`, `run.job`, `tags.KEY`, `params.NAME`, or an attribute that its definition
        calls a facet.
        """
        if not fields:
            return {}
        params = {**_question(text, filter, model, tag), "facets": ",".join(fields), "page_size": 1}
        counted = self._connection.call("GET", ("search",), params=params)["facets"]
        return {name: Facet.read(facet) for name, facet in counted.items()}

    def search_fields(self) -> list[SearchField]:
        """Every field that a filter may name."""
        return [SearchField.read(entry) for entry in self._connection.pages(("search", "fields"))]


def join_filter(
    filter: str | None = None,  # noqa: A002 - as above
    *,
    model: str | None = None,
    tag: str | Mapping[str, str] | None = None,
) -> str | None:
    """The filter that asks for a model, for tags and for what another filter says; that one stands last.

    Raises ValueError for a tag without a value.
    """
    parts = [] if model is None else [f"model = {quote_text(model)}"]
    parts += [f"tags.{quote_text(key)} = {quote_text(value)}" for key, value in _tags(tag)]
    if filter is None or not filter.strip():
        return " and ".join(parts) or None
    if not parts:
        return filter
    # Without an `or` it needs no parentheses, and is shown as it was written where it is wrong.
    whole = f"({filter})" if _OR.search(filter) else filter
    return " and ".join([*parts, whole])


def quote_text(text: str) -> str:
    """A text as a filter writes it, in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda match: _WRITTEN.get(match[0]) or f"\\u{ord(match[0]):04x}", escaped) + '"'


def _tags(tag: str | Mapping[str, str] | None) -> list[tuple[str, str]]:
    if tag is None:
        return []
    if isinstance(tag, Mapping):
        return list(tag.items())
    key, colon, value = tag.partition(":")
    if not key or not colon:
        message = f"a tag is 'key:value' or a mapping, not {tag!r}"
        raise ValueError(message)
    return [(key, value)]


def _question(
    text: str | None,
    asked: str | None,
    model: str | None,
    tag: str | Mapping[str, str] | None,
) -> dict[str, Any]:
    return {"q": text, "filter": join_filter(asked, model=model, tag=tag)}
