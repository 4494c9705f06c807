"""For whoever runs the server: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from studbook.http.answers import StateAnswer, answered, json_response
from studbook.http.telemetry import halted_logs, render_metrics, unsigned_logs
from studbook.services.registry import Registry

router = APIRouter(tags=["operations"])


@router.get("/healthz", responses=answered(StateAnswer))
def healthz() -> Response:
    """The process answers."""
    return json_response(b'{"status":"ok","checks":{}}')


@router.get("/readyz", responses={**answered(StateAnswer), 503: {"model": StateAnswer}})
def readyz(request: Request) -> Response:
    """The database is at the current schema and can be written. A halted log lets reads go on, so it is only told."""
    registry: Registry = request.app.state.registry
    checks = registry.check()
    ready = all(state == "ok" for name, state in checks.items() if name != "audit_log")
    status = ("ok" if checks["audit_log"] == "ok" else "degraded") if ready else "not ready"
    return json_response({"status": status, "checks": checks}, 200 if ready else 503)


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Metrics of this process in the text format of Prometheus."""
    registry: Registry = request.app.state.registry
    halted_logs.set(len(registry.log.halted))
    unsigned_logs.set(len(registry.log.unsigned))
    return Response(render_metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
