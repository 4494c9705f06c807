"""Schema definitions: drafted, tried, published, deprecated; and where their attributes are kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from studbook.domain.documents import NewInference
from studbook.http.answers import answered, json_response, page, record_response
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of, read_value
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import IfMatch, PathName, body_schema
from studbook.http.schema_answers import (
    CompatibilityAnswer,
    SchemaAnswer,
    SchemaVersionAnswer,
    StandardSchemasAnswer,
    StorageMapAnswer,
    ValidationAnswer,
)
from studbook.schemas.definition import Definition
from studbook.services import listing
from studbook.services.schemas import definitions, explaining, trying

router = APIRouter(tags=["schemas"])

_Definition = Annotated[Definition, Depends(body_of(Definition))]
_JSON_OR_YAML = ("application/json", "application/yaml")


async def _read_any(request: Request) -> Any:  # noqa: ANN401 - any JSON value
    return await read_value(request)


_AnyDocument = Annotated[Any, Depends(_read_any)]
_ANY_DOCUMENT = {"requestBody": {"required": True, "content": {kind: {"schema": {}} for kind in _JSON_OR_YAML}}}


@router.get("/schemas", responses=answered(page(SchemaAnswer)))
def list_schemas(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Schema definitions by name."""
    with session.database.read() as connection:
        return json_response(listing.list_schemas(connection, session.namespace_id, paging))


@router.post(
    "/schemas",
    status_code=201,
    responses=answered(SchemaVersionAnswer, 201),
    openapi_extra=body_schema(Definition, *_JSON_OR_YAML),
)
def draft_schema(
    session: CurrentSession, definition: _Definition, if_match: IfMatch = None, wait: Wait = WaitFor.NONE
) -> Response:
    """Keep a definition as a draft: the next version of its name, or in place of the draft there is."""
    return written(session, definitions.draft(session.database, session.caller, definition, if_match), wait, 201)


@router.post("/schemas:infer", responses=answered(Definition), openapi_extra=body_schema(NewInference))
def infer_schema(session: CurrentSession, document: Annotated[NewInference, Depends(body_of(NewInference))]) -> Response:
    """A definition that the versions of a model satisfy, to be corrected by a person; nothing is stored."""
    with session.database.read() as connection:
        return json_response(trying.draft_from(connection, session.namespace_id, document.model, document.name))


@router.get("/standard-schemas", responses=answered(StandardSchemasAnswer))
def list_standard_schemas(session: CurrentSession) -> Response:
    """The definitions that Studbook ships, and which of them the namespace has adopted."""
    with session.database.read() as connection:
        return json_response(definitions.list_standard_schemas(connection, session.namespace_id))


@router.get("/schemas/{schema}", responses=answered(SchemaAnswer))
def get_schema(session: CurrentSession, schema: PathName) -> Response:
    """A schema definition."""
    with session.database.read() as connection:
        return record_response(definitions.get_definition(connection, session.namespace_id, schema))


@router.get("/schemas/{schema}/versions", responses=answered(page(SchemaVersionAnswer)))
def list_schema_versions(session: CurrentSession, schema: PathName, paging: CurrentPaging) -> Response:
    """The versions of a definition, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_schema_versions(connection, session.namespace_id, schema, paging))


@router.get("/schemas/{schema}/versions/{version}", responses=answered(SchemaVersionAnswer))
def get_schema_version(session: CurrentSession, schema: PathName, version: PathName) -> Response:
    """A version of a definition by its number, or as `latest`."""
    with session.database.read() as connection:
        return record_response(definitions.get_schema_version(connection, session.namespace_id, schema, version))


@router.get("/schemas/{schema}/versions/{version}/compatibility", responses=answered(CompatibilityAnswer))
def get_compatibility(session: CurrentSession, schema: PathName, version: PathName) -> Response:
    """What publishing a version would break, and which stored versions it would refuse."""
    with session.database.read() as connection:
        return json_response(trying.report(connection, session.namespace_id, schema, version))


@router.get("/schemas/{schema}/storage-map", responses=answered(StorageMapAnswer))
def get_storage_map(session: CurrentSession, schema: PathName) -> Response:
    """Where each attribute of a definition is kept, what indexes it, and the SQL of a search for it."""
    with session.database.read() as connection:
        return json_response(explaining.explain(connection, session.namespace_id, schema))


@router.post("/schemas/{schema}:validate", responses=answered(ValidationAnswer), openapi_extra=_ANY_DOCUMENT)
def validate_document(
    session: CurrentSession,
    schema: PathName,
    document: _AnyDocument,
    version: Annotated[
        str | None, Query(max_length=16, description="a number, or latest; by default the newest published")
    ] = None,
) -> Response:
    """Hold a document against a definition; nothing is stored."""
    with session.database.read() as connection:
        return json_response(trying.validate(connection, session.namespace_id, schema, version, document))


@router.post("/schemas/{schema}:adopt", responses=answered(SchemaVersionAnswer))
def adopt_schema(session: CurrentSession, schema: PathName, wait: Wait = WaitFor.NONE) -> Response:
    """Take up a definition that Studbook ships: its versions are published in the namespace."""
    return written(session, definitions.adopt(session.database, session.caller, schema), wait)


@router.post("/schemas/{schema}/versions/{version}:publish", responses=answered(SchemaVersionAnswer))
def publish_schema(
    session: CurrentSession, schema: PathName, version: PathName, if_match: IfMatch = None, wait: Wait = WaitFor.NONE
) -> Response:
    """Publish a draft: it never changes again, and holds for the models that have the definition."""
    return written(session, definitions.publish(session.database, session.caller, schema, version, if_match), wait)


@router.post("/schemas/{schema}/versions/{version}:deprecate", responses=answered(SchemaVersionAnswer))
def deprecate_schema(
    session: CurrentSession, schema: PathName, version: PathName, if_match: IfMatch = None, wait: Wait = WaitFor.NONE
) -> Response:
    """Deprecate a published version: it holds only where a model's range leaves no other."""
    return written(session, definitions.deprecate(session.database, session.caller, schema, version, if_match), wait)
