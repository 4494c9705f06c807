"""Answers a search: a page of versions, counts, facets; or a stream of all that is found."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.errors import MalformedInputError, UnavailableError, Violation
from studbook.domain.names import Kind, parse_reference
from studbook.domain.parsing import find_text_fault
from studbook.domain.pointers import pointer
from studbook.domain.words import words_of
from studbook.filters.catalogue import FieldType, resolve_field
from studbook.filters.checking import check
from studbook.filters.coercion import SAFE_INTEGER
from studbook.filters.ordering import parse_order
from studbook.filters.parsing import parse_filter, read_field
from studbook.filters.tree import And, Comparison, Field, Not, Operator, Or, Related, all_of
from studbook.schemas.definition import Store
from studbook.services.listing import join_page, read_id
from studbook.services.reading import show
from studbook.services.schemas.contracts import load_maps
from studbook.services.searching.catalogue import Askable, fields_of, load_askable
from studbook.services.searching.ranking import highlights, score
from studbook.storage import facts, reading
from studbook.storage.references import find_records
from studbook.storage.searching import finding
from studbook.storage.searching.facets import find_facet
from studbook.storage.searching.finding import Search
from studbook.storage.searching.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.paging import Page
    from studbook.filters.tree import Expression
    from studbook.schemas.storage_map import StorageMap
    from studbook.services.listing import Paging
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.searching.scope import Attribute

COUNT_LIMIT: Final = 10_000
FACET_LIMIT: Final = 100_000
_FACET_VALUES: Final = 50
_WORDS: Final = 20
# How many versions are read at once where all are: a few at first, then so many as make about these bytes.
_FIRST_GROUP: Final = 50
_LARGEST_GROUP: Final = 500
_GROUP_BYTES: Final = 4 * 2**20
_ROOTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody looks for: a filter, words, an order, and what is counted besides."""

    filter: str | None = None
    text: str | None = None
    order_by: str | None = None
    facets: tuple[str, ...] = ()
    count: bool = False


@dataclass(frozen=True, slots=True)
class _Understood:
    """A question as it can be run."""

    search: Search
    askable: Askable
    # The kind of what is sorted by, and the names of attributes that are not in their places yet.
    rank: FieldType | None
    building: list[str]


def answer(connection: Connection, namespace_id: int, question: Question, paging: Paging) -> bytes:
    """A page of the versions that are found: the newest first, the best first where words are looked for, or as asked.

    Raises MalformedInputError that says what of the question is wrong, where, and what was perhaps meant.
    """
    understood = _understand(connection, namespace_id, question)
    asked = json.dumps([namespace_id, question.filter, question.text, question.order_by])
    search = understood.search
    if search.words and search.order is None:
        shown, token = _best(connection, namespace_id, search, paging.read(f"best {asked}", int, str), understood)
    else:
        shown, token = _next(connection, namespace_id, understood, paging.read(f"search {asked}", _RANKS[understood.rank], str))
    more: JsonObject = {"building": understood.building} if understood.building else {}
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
        search = _understand(connection, namespace_id, question).search
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


def show_sql(connection: Connection, namespace_id: int, question: Question) -> str:
    """The statement that a search begins with, as its engine gets it."""
    return finding.show_sql(connection, _understand(connection, namespace_id, question).search)


def list_fields(connection: Connection, namespace_id: int) -> JsonObject:
    """Every field that a filter may name, for whoever helps to write one."""
    askable = load_askable(connection, namespace_id)
    catalogue = askable.catalogue
    listed = [(name, kind, False) for name, kind in catalogue.fields.items()]
    listed += [(name, kind, True) for name, kind in catalogue.open_sets.items()]
    fields = [{"name": name, "type": kind.value, "open": is_open, **_attribute(askable, name)} for name, kind, is_open in listed]
    return {"items": fields, "next_page_token": None}


def _attribute(askable: Askable, name: str) -> JsonObject:
    attribute = askable.attributes.get(name)
    if attribute is None:
        return {"schema": None, "facet": name in ("model", "alias", "tags", "params"), "ready": True}
    return {"schema": attribute.map.schema, "facet": attribute.stored.facet, "ready": attribute.ready}


def _understand(connection: Connection, namespace_id: int, question: Question) -> _Understood:
    parsed = parse_filter(question.filter) if question.filter and not question.filter.isspace() else None
    askable = load_askable(connection, namespace_id, _first_words(question, parsed))
    expression = check(parsed, askable.catalogue) if parsed is not None else None
    order = parse_order(question.order_by, askable.catalogue) if question.order_by else None
    roots = _find_roots(connection, namespace_id, expression)
    scope = Scope(namespace_id, datetime.now(UTC), askable.attributes)
    words = list(words_of(question.text or ""))
    if question.text and not question.text.isspace() and not words:
        raise MalformedInputError.at("/q", "no_words", "there is no word in the text; a word is made of letters and digits")
    if len(words) > _WORDS:
        raise MalformedInputError.at("/q", "too_many_words", f"the text has {len(words)} words; look for at most {_WORDS}")
    rank = resolve_field(order.field, askable.catalogue)[1] if order else None
    named = [*fields_of(expression), *([order.field] if order else [])]
    building = {scope_name(field) for field in named if (found := scope.find(field)) is not None and not found.ready}
    search = Search(scope, _unless_archived(expression), order, words, roots)
    return _Understood(search, askable, rank, sorted(building))


def _first_words(question: Question, parsed: Expression | None) -> Iterator[str]:
    """How each name begins that the question has."""
    yield from (field.name[0] for field in fields_of(parsed))
    named = [*question.facets, *([question.order_by] if question.order_by else [])]
    yield from (re.split(r"[.@{]", name.strip(" -"), maxsplit=1)[0] for name in named)


def scope_name(field: Field) -> str:
    """A field's name as it was written, without quotes."""
    return ".".join(field.name)


def _unless_archived(expression: Expression | None) -> Expression:
    """What is archived is found only by a filter that speaks of it."""
    hidden = Comparison(Field(("archived",)), Operator.EQUAL, value=False)
    if expression is None:
        return hidden
    if any(field.name == ("archived",) for field in fields_of(expression)):
        return expression
    return all_of([expression, hidden])


def _find_roots(connection: Connection, namespace_id: int, expression: Expression | None) -> dict[str, list[UUID]]:
    """The records that `upstream(…)` and `downstream(…)` mean: of a dataset or a model, all its versions."""
    asked = list(_relations(expression))
    references = {}
    for related in asked:
        try:
            references[related] = parse_reference(related.reference)
        except ValueError as error:
            raise _bad_reference(related, str(error)) from None
    found = find_records(connection, namespace_id, list(references.values())) if references else {}
    roots: dict[str, list[UUID]] = {}
    for related, reference in references.items():
        matches = found[reference]
        if not matches:
            raise _bad_reference(related, f"{related.reference[:120]!r} means no record in this namespace")
        ids = [match.id for match in matches if match.kind not in (Kind.MODEL, Kind.DATASET)]
        for match in matches:
            if match.kind in (Kind.MODEL, Kind.DATASET):
                ids += facts.list_versions_of(connection, namespace_id, match.kind, match.id, _ROOTS)
        roots[related.direction.value + related.reference] = ids
    return roots


def _bad_reference(related: Related, message: str) -> MalformedInputError:
    text = f"column {related.column}: {message}"
    return MalformedInputError(text, [Violation("/filter", "bad_filter", text)])


def _relations(expression: Expression | None) -> Iterator[Related]:
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from _relations(part)
    elif isinstance(expression, Not):
        yield from _relations(expression.part)
    elif isinstance(expression, Related):
        yield expression


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


def _next(connection: Connection, namespace_id: int, understood: _Understood, page: Page) -> tuple[list[bytes], str | None]:
    after = None
    if page.after is not None:
        rank, record_id = page.after
        after = (read_id(rank) if understood.rank is None else _read_rank(rank), read_id(record_id))
    rows = finding.find_page(connection, understood.search, after, page.size)
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


def _best(
    connection: Connection, namespace_id: int, search: Search, page: Page, understood: _Understood
) -> tuple[list[bytes], str | None]:
    """A page in the order of how well the words fit, among the newest that have them."""
    candidates, models = finding.find_candidates(connection, search)
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
    return shown, page.token((chosen[-1][0], str(chosen[-1][1]))) if len(ranked) > page.size else None


def _show(connection: Connection, namespace_id: int, rows: Sequence[AnyRow], understood: _Understood) -> list[bytes]:
    known = reading.find_aliases(connection, namespace_id, [row.id for row in rows]) if rows else {}
    words = understood.search.words
    records = [json.loads(row.record) for row in rows] if words else []
    held = {UUID(record["schema"]["id"]) for record in records if record.get("schema")}
    maps = load_maps(connection, namespace_id, held) if held else {}
    shown = []
    for position, row in enumerate(rows):
        extra: JsonObject = {"aliases": known.get(row.id, [])}
        if words:
            extra["highlights"] = highlights(words, _texts(records[position], maps))
        shown.append(show(row, extra).body)
    return shown


def _texts(record: JsonObject, maps: dict[UUID, StorageMap]) -> Iterator[tuple[str, str]]:
    """The texts of a version that are searched, with their places; nothing personal."""
    yield "/model", record["model"]
    yield from ((pointer(("tags", key)), value) for key, value in record["tags"].items())
    hidden = record["personal"]
    if record["description"] and "/description" not in hidden:
        yield "/description", record["description"]
    storage_map = maps.get(UUID(record["schema"]["id"])) if record.get("schema") else None
    for stored in storage_map.stored_as(Store.FULL_TEXT) if storage_map else ():
        for place, text in _strings(stored.path.steps, stored.path.find(record)):
            if not any(f"{place}/".startswith(f"{other}/") for other in hidden):
                yield place, text


def _strings(place: tuple[str | int, ...], value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    """A text, or the texts of a list, with their places."""
    if isinstance(value, str):
        yield pointer(place), value
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _strings((*place, index), member)


def _count_facets(connection: Connection, search: Search, askable: Askable, names: Sequence[str]) -> JsonObject:
    counted: JsonObject = {}
    unordered = Search(search.scope, search.expression, None, search.words, search.roots)
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
    return f"{name!r} is no facet; use model, alias, run.kind, run.job, tags.KEY, params.NAME, or an attribute with facet: true"
