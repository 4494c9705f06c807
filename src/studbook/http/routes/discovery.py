"""Finding records: search, lineage, differences."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from studbook.domain.names import parse_reference
from studbook.http.answers import DiffAnswer, LineageAnswer, VersionAnswer, answered, json_response, page
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.routes import Filter
from studbook.services import lineage, listing, reading
from studbook.services.comparison import compare_versions

router = APIRouter(tags=["discovery"])

_Reference = Annotated[str, Query(min_length=1, max_length=1024)]


@router.get("/search", responses=answered(page(VersionAnswer)))
def search(
    session: CurrentSession,
    paging: CurrentPaging,
    q: Annotated[str | None, Query(max_length=256, description="words in a model's name or in the values of tags")] = None,
    model: Filter = None,
    tag: Annotated[str | None, Query(max_length=4096, description="key:value")] = None,
    order_by: Annotated[
        str | None, Query(max_length=512, description="metrics.NAME, created_at or number; '-' for the greatest first")
    ] = None,
) -> Response:
    """Model versions that are not archived."""
    with session.database.read() as connection:
        body = listing.search(connection, session.namespace_id, paging, text=q, model=model, tag=tag, order_by=order_by)
    return json_response(body)


@router.get("/lineage/{node:path}", responses=answered(LineageAnswer))
def get_lineage(
    session: CurrentSession,
    node: Annotated[str, Path(max_length=2048, description="a reference, such as models/churn/versions/3")],
    direction: lineage.Direction = lineage.Direction.BOTH,
    depth: Annotated[int, Query(ge=0, le=lineage.DEPTH_LIMIT)] = 3,
    limit: Annotated[int, Query(ge=1, le=lineage.NODE_LIMIT)] = 1000,
) -> Response:
    """What a record comes from and what came of it."""
    # A resource name keeps its own percent-encoding; any other reference is decoded here.
    text = node if node.startswith(("models/", "datasets/", "runs/", "deployments/")) else unquote(node)
    with session.database.read() as connection:
        root = reading.get_record(connection, session.namespace_id, parse_reference(text), text)
        body = lineage.get_lineage(connection, session.namespace_id, root, direction=direction, depth=depth, limit=limit)
    return json_response(body)


@router.get("/diff", responses=answered(DiffAnswer))
def diff(
    session: CurrentSession, from_: Annotated[str, Query(alias="from", min_length=1, max_length=1024)], to: _Reference
) -> Response:
    """What differs between two model versions."""
    with session.database.read() as connection:
        return json_response(compare_versions(connection, session.namespace_id, from_, to))
