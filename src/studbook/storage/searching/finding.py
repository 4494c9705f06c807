"""Runs searches: pages, counts, facets, and the candidates of full text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.words import marked
from studbook.storage.dialects import select_documents
from studbook.storage.listing import fetch_page
from studbook.storage.searching.conditions import compile_condition
from studbook.storage.searching.lineage import ROOTS
from studbook.storage.searching.plans import Plan, make_plan
from studbook.storage.tables import model_versions, registered_models, search_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.filters.ordering import Order
    from studbook.filters.tree import Expression
    from studbook.storage.graph import AnyRow
    from studbook.storage.searching.facets import Facet
    from studbook.storage.searching.scope import Scope

_VERSION: Final = model_versions.c
_SHOWN: Final = (_VERSION.id, _VERSION.revision, _VERSION.record, _VERSION.updated_at)
# Among so many of the newest matches the best are looked for.
CANDIDATES: Final = 1_000
# So many of the newest documents with the words are looked at, where something else than their fit decides the order.
_DOCUMENTS: Final = 10 * CANDIDATES
_MODELS: Final = 200


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: a checked filter, an order, words, and the roots that `upstream(…)` and `downstream(…)` mean."""

    scope: Scope
    expression: Expression | None = None
    order: Order | None = None
    words: Sequence[str] = ()
    roots: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    # Which versions have the words, once they were looked up.
    said: sa.ColumnElement[bool] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What is bound when a statement runs."""
        return {ROOTS + name: list(ids) for name, ids in self.roots.items()}


def find_page(connection: Connection, search: Search, after: tuple[Any, UUID] | None, size: int) -> Sequence[AnyRow]:
    """One row more than `size` after a key, each with what it was sorted by as `rank`."""
    plan = _plan(connection, search, [*_SHOWN], size)
    order = [(plan.rank, plan.descending), (plan.version_id, plan.descending)]
    if plan.rank is plan.version_id:
        order, after = order[:1], None if after is None else after[1:]  # type: ignore[assignment]
    statement = plan.statement.add_columns(plan.rank.label("rank"))
    return fetch_page(connection, statement, order, after, size, search.parameters)


def show_sql(connection: Connection, search: Search) -> str:
    """The statement of a search's first page, with the names of its parameters."""
    plan = _plan(connection, search, [_VERSION.id], 1)
    order = plan.rank.desc() if plan.descending else plan.rank.asc()
    return str(plan.statement.order_by(order).limit(100).compile(dialect=connection.dialect))


def is_cut(connection: Connection, search: Search) -> bool:
    """Whether more documents have the words now than are looked at, so that versions may be missing among what is found."""
    return with_words(connection, replace(search, said=None))[1]


def count_matches(connection: Connection, search: Search, bound: int) -> int:
    """How many versions are found, at most `bound`."""
    plan = _plan(connection, search, [_VERSION.id], bound)
    bounded = plan.statement.limit(bound).subquery("bounded")
    return connection.execute(sa.select(sa.func.count()).select_from(bounded), search.parameters).scalar_one()


def _plan(connection: Connection, search: Search, columns: list[Any], limit: int) -> Plan:
    plan = make_plan(connection, search.scope, search.expression, search.order, columns, search.parameters, limit)
    said = with_words(connection, search)[0].said
    return plan if said is None else replace(plan, statement=plan.statement.where(said))


def with_words(connection: Connection, search: Search) -> tuple[Search, bool]:
    """The search with its words looked up, for several statements; and whether more documents have them than are looked at."""
    if not search.words or search.said is not None:
        return search, False
    namespace_id, words = search.scope.namespace_id, marked(search.scope.namespace_id, search.words)
    # As a list, since an engine may not see that it is the same for every row.
    found = [row.id for row in connection.execute(select_documents(connection, words, _DOCUMENTS + 1))]
    own = found[:_DOCUMENTS]
    models = sa.select(registered_models.c.id).where(
        registered_models.c.namespace_id == namespace_id, registered_models.c.id.in_(own)
    )
    said = sa.or_(_VERSION.id.in_(own), _VERSION.model_id.in_(models))
    return replace(search, said=said), len(found) > _DOCUMENTS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that has the words, with where they stand: the words of its name, of its tags, and all of it."""

    id: UUID
    model_id: UUID
    words: str
    name_words: str
    tag_words: str


def find_candidates(connection: Connection, search: Search) -> tuple[list[Candidate], dict[UUID, Candidate], bool]:
    """The newest versions that hold the words and what the filter asks, by their own words or their model's; and those models.

    The last is whether there may be more than were looked at.
    """
    namespace_id, document = search.scope.namespace_id, search_documents.c
    found = select_documents(connection, marked(namespace_id, search.words), 2 * CANDIDATES).subquery("found")
    said = (document.words, document.name_words, document.tag_words)
    here = sa.and_(document.namespace_id == namespace_id, document.id == found.c.id)
    documents = connection.execute(
        sa.select(document.id, document.kind, *said).select_from(found.join(search_documents, here))
    ).all()
    words = {row.id: row[2:] for row in documents}
    models = {row.id: Candidate(row.id, row.id, *row[2:]) for row in documents if row.kind == "model"}
    checks = [] if search.expression is None else [compile_condition(search.expression, search.scope).check]
    version = sa.and_(_VERSION.namespace_id == namespace_id, _VERSION.id == found.c.id)
    own = sa.select(_VERSION.id, _VERSION.model_id).select_from(found.join(model_versions, version)).where(*checks)
    candidates = {
        version_id: Candidate(version_id, model_id, *words[version_id])
        for version_id, model_id in connection.execute(own.limit(CANDIDATES), search.parameters)
        if version_id in words
    }
    full = len(documents) == 2 * CANDIDATES or len(candidates) == CANDIDATES or len(models) > _MODELS
    if models:
        same = sa.and_(document.namespace_id == namespace_id, document.id == _VERSION.id)
        of_models = (
            sa.select(_VERSION.id, _VERSION.model_id, *said)
            .select_from(model_versions.join(search_documents, same))
            .where(_VERSION.namespace_id == namespace_id, _VERSION.model_id.in_(list(models)[:_MODELS]), *checks)
            .order_by(_VERSION.id.desc())
            .limit(CANDIDATES)
        )
        rows = connection.execute(of_models, search.parameters).all()
        full = full or len(rows) == CANDIDATES
        candidates = {row.id: Candidate(*row) for row in rows} | candidates
    return list(candidates.values()), models, full


def find_versions(connection: Connection, namespace_id: int, ids: Sequence[UUID]) -> dict[UUID, AnyRow]:
    """Versions by their ids."""
    statement = sa.select(*_SHOWN).where(_VERSION.namespace_id == namespace_id, _VERSION.id.in_(ids))
    return {row.id: row for row in connection.execute(statement)}


def list_facet(connection: Connection, search: Search, facet: Facet, bound: int, size: int) -> JsonObject:
    """The values of a field among what is found (at most `bound` of it), each with its count, the greatest first."""
    plan = _plan(connection, search, [_VERSION.id.label("id")], bound)
    matched = plan.statement.limit(bound).subquery("matched")
    rows_with_value = matched.join(facet.table if facet.through is None else facet.through, facet.same(matched.c.id))
    count = sa.func.count().label("count")
    statement = (
        sa.select(facet.value.label("value"), count)
        .select_from(rows_with_value)
        .where(facet.value.is_not(None))
        .group_by(facet.value)
        .order_by(count.desc(), facet.value)
        .limit(size + 1)
    )
    rows = connection.execute(statement, search.parameters).all()
    values = [{"value": facet.shown(row.value), "count": row.count} for row in rows[:size]]
    return {"values": values, "complete": len(rows) <= size}
