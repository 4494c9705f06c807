"""Registered models and their aliases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from studbook.domain.documents import AliasTarget, ModelPatch
from studbook.domain.names import Kind
from studbook.http.answers import AliasAnswer, LoggedEventAnswer, ModelAnswer, answered, json_response, page
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of, read_patch_of
from studbook.http.conditional import NOT_MODIFIED, unless_known
from studbook.http.receipts import Wait, WaitFor, event_headers, written
from studbook.http.routes import AsOf, Filter, IfMatch, IfNoneMatch, PathName, body_schema
from studbook.services import history, listing, models, past, reading

router = APIRouter(tags=["models"])

FIXED = frozenset({"id", "name", "model", "kind", "namespace", "created_at", "created_by", "latest_version", "aliases"})


@router.get("/models", responses=answered(page(ModelAnswer)))
def list_models(
    session: CurrentSession,
    paging: CurrentPaging,
    prefix: Filter = None,
    tag: Annotated[str | None, Query(max_length=4096, description="key:value")] = None,
    *,
    archived: Annotated[bool, Query(description="include archived models")] = False,
) -> Response:
    """Models by name."""
    with session.database.read() as connection:
        body = listing.list_models(connection, session.namespace_id, paging, prefix=prefix, tag=tag, archived=archived)
    return json_response(body)


@router.get("/models/{model}", responses=answered(ModelAnswer) | NOT_MODIFIED)
def get_model(session: CurrentSession, model: PathName, as_of: AsOf = None, if_none_match: IfNoneMatch = None) -> Response:
    """A registered model, as it is or was."""
    namespace_id = session.namespace_id
    with session.database.read() as connection:
        if as_of is not None:
            return unless_known(if_none_match, lambda: past.get_model(connection, namespace_id, model, as_of))
        return unless_known(
            if_none_match,
            lambda: reading.get_model(connection, namespace_id, model),
            lambda: reading.get_model_etag(connection, namespace_id, model),
        )


@router.get("/models/{model}/history", responses=answered(page(LoggedEventAnswer)))
def list_model_history(session: CurrentSession, model: PathName, paging: CurrentPaging) -> Response:
    """Every event of a model, newest first, each with the model before and after."""
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.MODEL, model, paging))


@router.patch("/models/{model}", responses=answered(ModelAnswer), openapi_extra=body_schema(ModelPatch))
def change_model(
    session: CurrentSession,
    model: PathName,
    patch: Annotated[ModelPatch, Depends(read_patch_of(ModelPatch, FIXED, "model"))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Change a model's description, owners, tags, or archive and restore it."""
    return written(session, models.change_model(session.database, session.caller, model, patch, if_match), wait)


@router.get("/models/{model}/aliases", responses=answered(page(AliasAnswer)))
def list_aliases(session: CurrentSession, model: PathName, paging: CurrentPaging) -> Response:
    """The aliases of a model by name."""
    with session.database.read() as connection:
        return json_response(models.list_aliases(connection, session.namespace_id, model, paging))


@router.get("/models/{model}/aliases/{alias}", responses=answered(AliasAnswer) | NOT_MODIFIED)
def get_alias(session: CurrentSession, model: PathName, alias: PathName, if_none_match: IfNoneMatch = None) -> Response:
    """The version an alias names."""
    with session.database.read() as connection:
        return unless_known(
            if_none_match,
            lambda: models.show_alias(connection, session.namespace_id, model, alias),
            lambda: reading.get_alias_etag(connection, session.namespace_id, model, alias),
        )


@router.put("/models/{model}/aliases/{alias}", responses=answered(AliasAnswer), openapi_extra=body_schema(AliasTarget))
def set_alias(
    session: CurrentSession,
    model: PathName,
    alias: PathName,
    target: Annotated[AliasTarget, Depends(body_of(AliasTarget))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Set an alias, or move it."""
    return written(session, models.set_alias(session.database, session.caller, model, alias, target, if_match), wait)


@router.delete("/models/{model}/aliases/{alias}", status_code=204)
def delete_alias(
    session: CurrentSession, model: PathName, alias: PathName, if_match: IfMatch = None, wait: Wait = WaitFor.NONE
) -> Response:
    """Remove an alias; the version stays."""
    shown = models.delete_alias(session.database, session.caller, model, alias, if_match)
    if wait is WaitFor.PROOF:
        return written(session, shown, wait)
    return Response(status_code=204, headers=event_headers([event.id for event in shown.events]))
