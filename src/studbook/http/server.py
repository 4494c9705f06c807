"""Runs the server: opens the registry, says how to get in, and serves until it is told to stop."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvicorn

from studbook.config import Settings
from studbook.http.app import create_app
from studbook.http.telemetry import set_up_logging
from studbook.services.namespaces import prepare
from studbook.services.registry import Registry, open_registry
from studbook.services.tokens import create_login_link, first_caller

if TYPE_CHECKING:
    from fastapi import FastAPI

# Settings of the parent for the server processes that it starts.
_INHERITED = "_STUDBOOK_SETTINGS"
_GRACE_SECONDS = 20


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished.

    Raises ValueError or SchemaMismatchError, before anything is bound, when the database cannot be used.
    """
    set_up_logging(settings.log_format, settings.log_level)
    registry = _open(settings)
    preset = settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else None
    secret = prepare(registry, preset)
    if secret is not None:
        _introduce(registry, settings, secret, shown=preset is None)
    options = {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": "httptools",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
        "ssl_certfile": settings.ssl_certfile,
        "ssl_keyfile": settings.ssl_keyfile,
    }
    # Uvicorn stops in good order and then raises the signal again; being told to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if settings.workers == 1:
        uvicorn.run(create_app(registry, settings), **options)  # type: ignore[arg-type]
        return
    registry.close()
    os.environ[_INHERITED] = json.dumps(_plain(settings))
    uvicorn.run("studbook.http.server:make_worker", factory=True, workers=settings.workers, **options)  # type: ignore[arg-type]


def make_worker() -> FastAPI:
    """The application of one of several server processes."""
    settings = Settings.model_validate(json.loads(os.environ[_INHERITED]))
    set_up_logging(settings.log_format, settings.log_level)
    return create_app(_open(settings), settings)


def collect_seldom() -> None:
    """Let the collector of garbage look at what is made from now on, and less often.

    What is loaded by now stays for good; requests make few cycles, and looking for them at Python's default pace cost a quarter
    of the time of a batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _open(settings: Settings) -> Registry:
    collect_seldom()
    return open_registry(settings.database(), pool_size=settings.pool_size, settings=settings)


def _plain(settings: Settings) -> dict[str, object]:
    plain = settings.model_dump(mode="json", exclude={"bootstrap_token"})
    return {**plain, "database_url": settings.database()}


def _introduce(registry: Registry, settings: Settings, secret: str, *, shown: bool) -> None:
    """Say once, to whoever started the server, how to get in."""
    link = create_login_link(registry.database, first_caller(registry.database), settings.url)
    lines = ["Studbook is new here. This is shown once:", ""]
    if shown:
        lines += [f"  admin token   {secret}", f"                export STUDBOOK_URL={settings.url} STUDBOOK_TOKEN={secret}"]
    lines += [f"  in a browser  {link['url']}", ""]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
