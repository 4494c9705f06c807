"""The export of a search: all that is found, as a file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from studbook.http.auth import CurrentSession
from studbook.http.downloads import Download
from studbook.http.routes.discovery import Asked, OrderBy, Words
from studbook.services.searching.exporting import ExportFormat, export
from studbook.services.searching.questions import Question

router = APIRouter(tags=["discovery"])

_MEDIA_TYPES: Final = {
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv",
    ExportFormat.ARROW: "application/vnd.apache.arrow.stream",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
_ENDINGS: Final = {ExportFormat.ARROW: "arrows"}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {media_type: {} for media_type in _MEDIA_TYPES.values()},
        "description": "one JSON record a line, or a table with a column for each attribute of the definitions",
    }
}


@router.get("/search/export", responses=_FILE, response_class=Response)
def export_search(
    request: Request,
    session: CurrentSession,
    asked: Asked = None,
    words: Words = None,
    order_by: OrderBy = None,
    written: Annotated[
        ExportFormat | None,
        Query(alias="format", description="by default what the Accept header names first of these, else jsonl"),
    ] = None,
) -> Response:
    """All model versions that a search finds, streamed; without `order_by` the newest come first.

    A connection that ends before the response does means that the file is not complete. Arrow and Parquet need `pyarrow` on the
    server.
    """
    written = written or _find_accepted(request.headers.get("accept", "")) or ExportFormat.JSONL
    pieces = export(session.database, session.namespace_id, Question(asked, words, order_by), written)
    filename = f"versions.{_ENDINGS.get(written, written.value)}"
    return Download(pieces, request.app.state.exports, _MEDIA_TYPES[written], filename)


def _find_accepted(accept: str) -> ExportFormat | None:
    named = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    formats = {media_type: written for written, media_type in _MEDIA_TYPES.items()}
    return next((formats[name] for name in named if name in formats), None)
