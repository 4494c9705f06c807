"""For whoever runs the server: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from studbook.http.answers import StateAnswer, answered, json_response
from studbook.http.telemetry import render_metrics
from studbook.services.registry import Registry

router = APIRouter(tags=["operations"])


@router.get("/healthz", responses=answered(StateAnswer))
def healthz() -> Response:
    """The process answers."""
    return json_response(b'{"status":"ok","checks":{}}')


@router.get("/readyz", responses={**answered(StateAnswer), 503: {"model": StateAnswer}})
def readyz(request: Request) -> Response:
    """The database is at the current schema and can be written."""
    registry: Registry = request.app.state.registry
    checks = registry.check()
    ready = set(checks.values()) == {"ok"}
    return json_response({"status": "ok" if ready else "not ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
def metrics() -> Response:
    """Metrics of this process in the text format of Prometheus."""
    return Response(render_metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
