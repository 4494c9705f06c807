"""Logs and metrics of a server process."""

from __future__ import annotations

import functools
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from studbook.domain.types import format_time

if TYPE_CHECKING:
    from starlette.types import Scope

_registry: Final = CollectorRegistry()
ProcessCollector(registry=_registry)
_requests: Final = Counter(
    "studbook_http_requests", "Requests by method, route and status.", ["method", "route", "status"], registry=_registry
)
_latency: Final = Histogram(
    "studbook_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["method", "route"],
    registry=_registry,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
halted_logs: Final = Gauge(
    "studbook_audit_logs_halted", "Audit logs that contradict what was signed before; any is an alarm.", registry=_registry
)
unsigned_logs: Final = Gauge(
    "studbook_audit_logs_unsigned",
    "Audit logs that this process cannot sign: its key or its witnesses are missing.",
    registry=_registry,
)
recorded_documents: Final = Counter("studbook_documents", "Ingestion documents by outcome.", ["outcome"], registry=_registry)


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Count a request under its route's template, so that names never become label values."""
    route = getattr(scope.get("route"), "path", "none")
    counter, histogram = _series(scope["method"], route, status)
    counter.inc()
    histogram.observe(seconds)


@functools.cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The library's own look-up of a series takes longer than counting; there are as many as routes and statuses."""
    return _requests.labels(method, route, status), _latency.labels(method, route)


def render_metrics() -> bytes:
    """This process's metrics in the text format of Prometheus."""
    return generate_latest(_registry)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The log line of a record."""
        line: dict[str, Any] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For people at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The log line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        text = f"{moment} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up_logging(kind: str, level: str) -> None:
    """Send every log line of the process to standard error in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("alembic").setLevel("WARNING")
    logging.getLogger("httpx").setLevel("WARNING")
