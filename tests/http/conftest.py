"""A registry that listens on a socket in this process, on both engines."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from studbook.config import Settings
from studbook.domain.documents import Access, NewToken
from studbook.http.app import create_app
from studbook.services.tokens import create_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.services.caller import Caller
    from studbook.services.registry import Registry


@dataclass(slots=True)
class Served:
    """The registry and its application, a client that may do everything, and what another client needs."""

    registry: Registry
    app: Any
    client: httpx.Client
    port: int
    token: str
    token_id: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/namespaces/default"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def served(registry: Registry, caller: Caller) -> Iterator[Served]:
    made = json.loads(create_token(registry.database, caller, NewToken(name="tests", access=Access.ADMIN)).body)
    app = create_app(registry, Settings())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with httpx.Client(timeout=60) as client:
            opened = Served(registry, app, client, listening.getsockname()[1], made["token"], made["id"])
            client.base_url = opened.url
            client.headers.update(opened.headers)
            yield opened
        server.should_exit = True
        thread.join()
