"""Answers a search: a page of versions, counts, facets; or a stream of all that is found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.errors import MalformedInputError, UnavailableError
from studbook.domain.parsing import SAFE_INTEGER, find_text_fault
from studbook.domain.pointers import pointer
from studbook.filters.catalogue import FieldType, resolve_field
from studbook.filters.parsing import read_field
from studbook.services.listing import join_page, read_id
from studbook.services.reading import show
from studbook.services.schemas.places import Places
from studbook.services.searching.catalogue import OPEN_SETS
from studbook.services.searching.questions import Question, Understood, understand
from studbook.services.searching.ranking import highlights, score
from studbook.storage import reading
from studbook.storage.searching import finding
from studbook.storage.searching.facets import FACETS, find_facet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.paging import Page
    from studbook.services.listing import Paging
    from studbook.services.searching.catalogue import Askable
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.searching.finding import Search
    from studbook.storage.searching.scope import Attribute

COUNT_LIMIT: Final = 10_000
FACET_LIMIT: Final = 100_000
_FACET_VALUES: Final = 50
# How many versions are read at once where all are: a few at first, then so many as make about these bytes.
_FIRST_GROUP: Final = 50
_LARGEST_GROUP: Final = 500
_GROUP_BYTES: Final = 4 * 2**20


def answer(connection: Connection, namespace_id: int, question: Question, paging: Paging) -> bytes:
    """A page of the versions that are found: the newest first, the best first where words are looked for, or as asked.

    Raises MalformedInputError that says what of the question is wrong, where, and what was perhaps meant.
    """
    understood = understand(connection, namespace_id, question)
    asked = json.dumps([namespace_id, question.filter, question.text, question.order_by])
    search = understood.search
    if search.words and search.order is None:
        shown, token, cut = _best(connection, namespace_id, understood, paging.read(f"best {asked}", int, str))
    else:
        search, cut = finding.with_words(connection, search)
        page = paging.read(f"search {asked}", _RANKS[understood.rank], str)
        shown, token = _next(connection, namespace_id, search, understood, page)
    if question.count or question.facets:
        search, also_cut = finding.with_words(connection, search)
        cut = cut or also_cut
    more: JsonObject = {"building": understood.building} if understood.building else {}
    if cut:
        more["truncated"] = True
    if question.count:
        count = finding.count_matches(connection, search, COUNT_LIMIT + 1)
        more["total"] = {"count": min(count, COUNT_LIMIT), "exact": count <= COUNT_LIMIT}
    if question.facets:
        more["facets"] = _count_facets(connection, search, understood.askable, question.facets)
    return join_page(shown, token, more)


def iter_found(database: Database, namespace_id: int, question: Question) -> Iterator[Sequence[AnyRow]]:
    """The rows of all versions that are found, in groups and in constant memory; without an order the newest first.

    The first group is looked for by this call, so that what is wrong with the question is raised here. Between groups no
    connection is held, however long whoever reads may take. What is there, fits and keeps its place in the order all the while is
    found once, whatever is written.
    """
    with database.read() as connection:
        search = understand(connection, namespace_id, question).search
        if finding.is_cut(connection, search):
            message = "so many records have these words that not all could be given; look for rarer words, or filter instead"
            raise MalformedInputError.at("/q", "too_much_found", message)
        first = finding.find_page(connection, search, None, _FIRST_GROUP)
    return _groups(database, search, first)


def _groups(database: Database, search: Search, found: Sequence[AnyRow]) -> Iterator[Sequence[AnyRow]]:
    size = _FIRST_GROUP
    while rows := found[:size]:
        yield rows
        if len(found) <= size:
            break
        # Records of megabytes are as legal as those of a kilobyte.
        weight = sum(len(row.record) for row in rows) // len(rows)
        size = max(1, min(_LARGEST_GROUP, _GROUP_BYTES // weight))
        with database.read() as connection:
            found = finding.find_page(connection, search, (rows[-1].rank, rows[-1].id), size)
    with database.read() as connection:
        if finding.is_cut(connection, search):
            message = "while this was read, so many records came to have the words that some may have been passed over"
            raise UnavailableError(message)


def show_sql(connection: Connection, namespace_id: int, question: Question, askable: Askable) -> str:
    """The statement that a search begins with, as its engine gets it."""
    return finding.show_sql(connection, understand(connection, namespace_id, question, askable).search)


_RANKS: Final[dict[FieldType | None, Any]] = {
    None: str,
    FieldType.TEXT: str,
    FieldType.TIME: str,
    FieldType.DATE: str,
    FieldType.INTEGER: int,
    FieldType.BOOLEAN: int,
    FieldType.NUMBER: (int, float),
    FieldType.DURATION: (int, float),
    FieldType.SCALAR: (int, float),
}


def _next(
    connection: Connection, namespace_id: int, search: Search, understood: Understood, page: Page
) -> tuple[list[bytes], str | None]:
    after = None
    if page.after is not None:
        rank, record_id = page.after
        after = (read_id(rank) if understood.rank is None else _read_rank(rank), read_id(record_id))
    rows = finding.find_page(connection, search, after, page.size)
    shown = _show(connection, namespace_id, rows[: page.size], understood)
    if len(rows) <= page.size:
        return shown, None
    last = rows[page.size - 1]
    return shown, page.token((str(last.rank) if isinstance(last.rank, UUID) else last.rank, str(last.id)))


def _read_rank(rank: Any) -> Any:  # noqa: ANN401 - text or a number
    """A page token's value, as long as a column may hold it."""
    sound = find_text_fault(rank) is None if isinstance(rank, str) else isinstance(rank, float) or abs(rank) <= SAFE_INTEGER
    if not sound or isinstance(rank, bool):
        raise MalformedInputError.at("/page_token", "bad_page_token", "the page token is damaged; begin the list again")
    return rank


def _best(connection: Connection, namespace_id: int, understood: Understood, page: Page) -> tuple[list[bytes], str | None, bool]:
    """A page in the order of how well the words fit, among the newest that have them; and whether there are more than these."""
    search = understood.search
    candidates, models, cut = finding.find_candidates(connection, search)
    of_models = {model_id: score(search.words, namespace_id, model) for model_id, model in models.items()}
    # A version's own words count twice as much as those of its model.
    scored = [
        (2 * score(search.words, namespace_id, candidate) + of_models.get(candidate.model_id, 0), candidate.id)
        for candidate in candidates
    ]
    ranked = sorted(scored, key=lambda pair: (-pair[0], -pair[1].int))
    if page.after is not None:
        best, last = page.after[0], read_id(page.after[1])
        ranked = [pair for pair in ranked if (-pair[0], -pair[1].int) > (-best, -last.int)]
    chosen = ranked[: page.size]
    found = finding.find_versions(connection, namespace_id, [record_id for _, record_id in chosen])
    rows = [found[record_id] for _, record_id in chosen if record_id in found]
    shown = _show(connection, namespace_id, rows, understood)
    token = page.token((chosen[-1][0], str(chosen[-1][1]))) if len(ranked) > page.size else None
    return shown, token, cut


def _show(connection: Connection, namespace_id: int, rows: Sequence[AnyRow], understood: Understood) -> list[bytes]:
    known = reading.find_aliases(connection, namespace_id, [row.id for row in rows]) if rows else {}
    words = understood.search.words
    places = Places(connection, namespace_id) if words and rows else None
    shown = []
    for row in rows:
        extra: JsonObject = {"aliases": known.get(row.id, [])}
        if places is not None:
            extra["highlights"] = highlights(words, _texts(json.loads(row.record), places))
        shown.append(show(row, extra).body)
    return shown


def _texts(record: JsonObject, places: Places) -> Iterator[tuple[str, str]]:
    """The texts of a version that are searched, with their places; nothing personal."""
    yield "/model", record["model"]
    yield from ((pointer(("tags", key)), value) for key, value in record["tags"].items())
    hidden = record["personal"]
    if record["description"] and "/description" not in hidden:
        yield "/description", record["description"]
    storage_map = places.find_map(record)
    if storage_map is not None:
        yield from storage_map.iter_texts(record, hidden)


def _count_facets(connection: Connection, search: Search, askable: Askable, names: Sequence[str]) -> JsonObject:
    counted: JsonObject = {}
    unordered = replace(search, order=None)
    every = finding.count_matches(connection, unordered, FACET_LIMIT + 1)
    for name in names:
        try:
            field, _ = resolve_field(read_field(name), askable.catalogue)
        except ValueError as error:
            raise MalformedInputError.at("/facets", "bad_facet", str(error)) from None
        facet = find_facet(field, search.scope)
        if facet is None:
            raise MalformedInputError.at("/facets", "bad_facet", _no_facet(name[:80], search.scope.find(field)))
        values = finding.list_facet(connection, unordered, facet, FACET_LIMIT, _FACET_VALUES)
        counted[name] = {**values, "exact": every <= FACET_LIMIT}
    return counted


def _no_facet(name: str, attribute: Attribute | None) -> str:
    if attribute is not None and attribute.stored.facet and not attribute.ready:
        return f"the values of {name!r} are still put in their places, and are counted once they are there; ask again in a while"
    known = ", ".join(f"{field}.KEY" if field in OPEN_SETS else field for field in FACETS)
    return f"{name!r} is no facet; use {known}, or an attribute with facet: true"
