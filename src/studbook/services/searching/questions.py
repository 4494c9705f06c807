"""What is asked of a search, and what that means in a namespace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.domain.errors import MalformedInputError, Violation
from studbook.domain.names import Kind, parse_reference
from studbook.domain.words import words_of
from studbook.filters.catalogue import FieldType, resolve_field
from studbook.filters.checking import check
from studbook.filters.ordering import parse_order
from studbook.filters.parsing import parse_filter
from studbook.filters.tree import And, Comparison, Field, Not, Operator, Or, Related, all_of
from studbook.services.searching.catalogue import Askable, fields_of, load_askable
from studbook.storage import facts
from studbook.storage.references import find_records
from studbook.storage.searching.finding import Search
from studbook.storage.searching.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.filters.tree import Expression

_WORDS: Final = 20
# Versions of a dataset or a model, of which all are meant: the newest.
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
class Understood:
    """A question as it can be run."""

    search: Search
    askable: Askable
    # The kind of what is sorted by, and the names of attributes that are not in their places yet.
    rank: FieldType | None
    building: list[str]


def understand(connection: Connection, namespace_id: int, question: Question, askable: Askable | None = None) -> Understood:
    """What a question means in a namespace; `askable` is what can be asked there, when it was loaded already.

    Raises MalformedInputError with everything that is wrong with it, and what was perhaps meant.
    """
    parsed = parse_filter(question.filter) if question.filter and not question.filter.isspace() else None
    askable = askable or load_askable(connection, namespace_id, _first_words(question, parsed))
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
    building = {_name_of(field) for field in named if (found := scope.find(field)) is not None and not found.ready}
    search = Search(scope, _unless_archived(expression), order, words, roots)
    return Understood(search, askable, rank, sorted(building))


def _first_words(question: Question, parsed: Expression | None) -> Iterator[str]:
    """How each name begins that the question has."""
    yield from (field.name[0] for field in fields_of(parsed))
    named = [*question.facets, *([question.order_by] if question.order_by else [])]
    yield from (re.split(r"[.@{]", name.strip(" -"), maxsplit=1)[0] for name in named)


def _name_of(field: Field) -> str:
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
