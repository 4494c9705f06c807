"""The routes, one module a concept. A handler reads the request, calls one use case and shapes its answer."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import unquote
from uuid import UUID

from fastapi import Header, Path, Query
from pydantic import AfterValidator

PREFIX: Final = "/api/v1/namespaces/{namespace}"

# Path segments arrive percent-encoded (see studbook.http.edge) and are decoded here, once.
PathName = Annotated[str, Path(max_length=1024), AfterValidator(unquote)]
PathId = Annotated[UUID, Path()]
IfMatch = Annotated[str | None, Header(max_length=1024, description='the ETag that the record must still have, such as "3"')]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1024, description="ETags of which the caller has the record: 304 when it is one of them")
]
Filter = Annotated[str | None, Query(max_length=1024)]
AsOf = Annotated[
    str | None,
    Query(
        max_length=64,
        description="the record as it was: at a time (`2026-11-25T09:30:00Z`) or when the audit log had so many entries (`1200`, "
        "or `SHARD:1200` for an earlier shard)",
    ),
]


def body_schema(kind: type[Any], *media_types: str) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads by itself."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    types = media_types or ("application/json",)
    return {"requestBody": {"required": True, "content": {name: {"schema": schema} for name in types}}}
