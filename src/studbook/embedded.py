"""An embedded registry: the same application, called in this process instead of over a network (decision 0006)."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx

from studbook.config import Settings
from studbook.http.app import create_app
from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.services.tokens import first_caller
from studbook.storage.database import UNANSWERED, describe, parse_url

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


class EmbeddedTransport(httpx.BaseTransport):
    """Answers requests from a database file; whoever can open the file needs no token."""

    def __init__(self, database_url: str) -> None:
        settings = Settings()
        self._registry = open_registry(database_url, settings=settings)
        prepare(self._registry)
        self._app = create_app(self._registry, settings, local_caller=first_caller(self._registry.database))
        self._transport = httpx.ASGITransport(app=self._app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="studbook-embedded", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; may be called from several threads."""
        return self._wait(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        asynchronous = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._transport.handle_async_request(asynchronous)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        """Answer what is under way, finish waiting writes and close the database."""
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._registry.close()

    async def _finish(self) -> None:
        """Let those go who wait for a change, and everybody else come to an end."""
        self._app.state.lookout.close()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    def _wait(self, work: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return answer.result()
        except BaseException:
            # Whoever waited was interrupted: nobody wants the answer any more.
            answer.cancel()
            raise


def open_transport(place: str) -> EmbeddedTransport:
    """A transport over the database file at a path, or over a database URL.

    Raises ValueError for a URL that is none, or a database that cannot be opened.
    """
    url = place if "://" in place else f"sqlite:///{place}"
    try:
        return EmbeddedTransport(url)
    except UNANSWERED as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        message = f"the database {describe(parse_url(url))} cannot be opened: {reason}"
        raise ValueError(message) from error
