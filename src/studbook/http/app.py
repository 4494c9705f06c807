"""The application: routes, error handling, the outer edge, and the OpenAPI document."""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from studbook.domain import documents, governance, identifiers
from studbook.governance.policy import Policy
from studbook.http import pages, problems
from studbook.http.answers import Problem
from studbook.http.downloads import Gate
from studbook.http.edge import Edge
from studbook.http.routes import (
    PREFIX,
    approvals,
    audit,
    custody,
    data,
    deployments,
    discovery,
    exporting,
    ingest,
    lineage,
    models,
    operations,
    policies,
    recipes,
    resolving,
    schemas,
    statements,
    tokens,
    versions,
)
from studbook.http.stopping import told_to_stop
from studbook.http.watching import Lookout
from studbook.schemas.definition import Definition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from studbook.config import Settings
    from studbook.services.caller import Caller
    from studbook.services.registry import Registry

_BODIES = (
    documents.IngestDocument,
    documents.ModelPatch,
    documents.VersionPatch,
    documents.AliasTarget,
    documents.NewMetrics,
    documents.NewEvaluation,
    documents.NewEdge,
    documents.WithdrawnEdge,
    documents.NewDeployment,
    documents.DeploymentPatch,
    documents.NewSignature,
    documents.NewToken,
    identifiers.IdentifierList,
    documents.NewShard,
    documents.NewLogKey,
    documents.LogKeyPatch,
    documents.NewErasure,
    documents.NewHold,
    documents.HoldPatch,
    documents.RetentionPeriod,
    documents.NewPurge,
    Definition,
    documents.NewInference,
    Policy,
    governance.PolicyTransition,
    governance.NewAdoption,
    governance.NewCheck,
    governance.NewChangeRequest,
    governance.NewDecision,
    governance.GlassBreaking,
    governance.NewWithdrawal,
    governance.NewWaiver,
    governance.WaiverDecision,
    governance.NewAttestation,
    governance.NewFinding,
    governance.FindingPatch,
    governance.FindingClosure,
    governance.NewRecall,
    governance.NewReview,
    governance.ReviewReport,
)
_ROUTES = (
    ingest, models, versions, recipes, data, deployments, discovery, lineage, exporting, resolving, schemas, policies, approvals,
    statements, tokens, audit, custody,
)  # fmt: skip
_PROBLEM = {
    "model": Problem,
    "description": "The request was refused; nothing was stored.",
    "content": {problems.PROBLEM_TYPE: {}},
}


def create_app(registry: Registry, settings: Settings, *, local_caller: Caller | None = None) -> FastAPI:
    """The API over an open registry, which is closed with it.

    With `local_caller` no token is asked for: only for an application that no network reaches.
    """
    lookout = Lookout(registry)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with told_to_stop(lookout.close):
            yield
        lookout.close()
        registry.close()

    app = FastAPI(
        title="Studbook",
        version=version("studbook"),
        summary="A registry of model metadata.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.registry = registry
    app.state.settings = settings
    app.state.local_caller = local_caller
    app.state.lookout = lookout
    app.state.exports = Gate()
    for module in _ROUTES:
        app.include_router(module.router, prefix=PREFIX, responses={"default": _PROBLEM})
    app.include_router(operations.router)
    app.include_router(pages.router, include_in_schema=False)
    problems.install(app)
    app.add_middleware(Edge)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    return app


def _describe(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the bodies that the routes read by themselves and the way to authenticate."""
    if app.openapi_schema:
        return app.openapi_schema
    described = FastAPI.openapi(app)
    components = described.setdefault("components", {})
    _, bodies = models_json_schema([(body, "validation") for body in _BODIES], ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update(bodies["$defs"])
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations_ in described["paths"].items():
        for operation in operations_.values():
            # FastAPI documents its own form of a validation error, which this application never sends.
            operation["responses"].pop("422", None)
            if path.startswith("/api/"):
                operation["security"] = [{"token": []}]
                default = operation["responses"]["default"]
                default["content"] = {problems.PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = described
    return described
