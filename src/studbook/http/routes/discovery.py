"""Finding records: search, and what differs between two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from studbook.filters.ordering import ORDER_LIMIT
from studbook.http.answers import DiffAnswer, answered, json_response, page
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.schema_answers import FieldAnswer, SearchAnswer
from studbook.services.comparison import compare_versions
from studbook.services.searching import catalogue, searching
from studbook.services.searching.questions import Question

router = APIRouter(tags=["discovery"])

_Reference = Annotated[str, Query(min_length=1, max_length=1024)]


Asked = Annotated[
    str | None,
    Query(
        alias="filter",
        description='a filter such as `metrics.auc@holdout > 0.9 and tags.team = "growth" and upstream(datasets/churn-train)`',
    ),
]
Words = Annotated[
    str | None,
    Query(
        alias="q",
        max_length=1024,
        description="words, or their beginnings, in names, tags, descriptions and texts that a definition names",
    ),
]
OrderBy = Annotated[
    str | None,
    Query(
        max_length=ORDER_LIMIT,
        description="created_at, number, metrics.NAME, params.NAME, tags.KEY or an attribute; '-' for the greatest first. Only "
        "versions that have it are found. Without it the newest come first, or with q those that fit best",
    ),
]


@router.get("/search", responses=answered(SearchAnswer))
def search(
    session: CurrentSession,
    paging: CurrentPaging,
    asked: Asked = None,
    words: Words = None,
    order_by: OrderBy = None,
    facets: Annotated[
        str | None, Query(max_length=2048, description="fields whose values are counted, with commas between")
    ] = None,
    count: Annotated[bool, Query(description="count what is found, up to 10,000")] = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """Find model versions. What is archived is found only by a filter that speaks of `archived`."""
    named = tuple(name.strip() for name in (facets or "").split(",") if name.strip())
    question = Question(asked, words, order_by, named, count)
    with session.database.read() as connection:
        return json_response(searching.answer(connection, session.namespace_id, question, paging))


@router.get("/search/fields", responses=answered(page(FieldAnswer)))
def list_fields(session: CurrentSession) -> Response:
    """Every field that a filter may name, with its type."""
    with session.database.read() as connection:
        return json_response(catalogue.list_fields(connection, session.namespace_id))


@router.get("/diff", responses=answered(DiffAnswer))
def diff(
    session: CurrentSession, from_: Annotated[str, Query(alias="from", min_length=1, max_length=1024)], to: _Reference
) -> Response:
    """What differs between two model versions."""
    with session.database.read() as connection:
        return json_response(compare_versions(connection, session.namespace_id, from_, to))
