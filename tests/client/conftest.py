"""A small registry over real HTTP, that answers as it is told; and an environment without anybody's settings."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import studbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Scripted = tuple[int, dict[str, Any] | bytes | None, dict[str, str]]


class FakeRegistry:
    """Keeps every request; answers from `script` while it lasts, then as a registry that takes all documents."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.script: list[Scripted] = []
        # Decides on a document before it is taken: None, or the status and problem to answer with.
        self.verdict: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _: None
        self.taken: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path, _, query = self.path.partition("?")
                # What every write asks for is of interest to the tests that name it alone.
                shown = path if query in {"", "wait=proof"} else self.path
                request = {"method": self.command, "path": shown, "query": query, "headers": dict(self.headers), "body": body}
                status, value, headers = fake.respond(request)
                if status == 0:  # break off without an answer
                    self.close_connection = True
                    return
                content = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                default = "application/problem+json" if status >= 400 else "application/json"
                for name, text in {"Content-Type": default, "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - named by the base class

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def respond(self, request: dict[str, Any]) -> Scripted:
        with self._lock:
            self.requests.append(request)
            if self.script:
                return self.script.pop(0)
            if request["path"].endswith("/ingest"):
                return self._ingest(request["headers"]["Idempotency-Key"], json.loads(request["body"]))
            return 404, problem("not_found", "nothing here"), {}

    def documents(self) -> list[dict[str, Any]]:
        """What was taken, in the order of taking."""
        return [self.taken[key] for key in self.order]

    def _ingest(self, key: str, document: dict[str, Any]) -> Scripted:
        if key not in self.taken:
            if refused := self.verdict(document):
                return *refused, {}
            self.taken[key] = document
            self.order.append(key)
        elif self.taken[key] != document:
            return 409, problem("idempotency_key_reused", "another document"), {}
        return 201, self._answer(key, document), {}

    def _answer(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        number = self.order.index(key) + 1
        name = document["model"]["name"] if "model" in document else None
        version = {"name": f"models/{name}/versions/{number}", "id": str(uuid4()), "number": number, "etag": '"1"'}
        return {
            "model": {"name": f"models/{name}", "id": str(uuid4()), "created": True} if name else None,
            "version": version if name else None,
            "run": {"name": f"runs/{document['run']['id']}", "id": document["run"]["id"], "created": True},
            "datasets": [],
            "edges": [],
            "events": [],
            "warnings": [],
            "a_field_of_the_future": {"x": 1},
        }


def problem(code: str, detail: str, *errors: dict[str, str]) -> dict[str, Any]:
    return {"type": f"problems/{code}", "title": code, "detail": detail, "code": code, "errors": list(errors)}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STUDBOOK_URL", "STUDBOOK_TOKEN", "STUDBOOK_SPOOL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path / "home"))


@pytest.fixture
def fake() -> Iterator[Any]:
    server = FakeRegistry()
    yield server
    server.close()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def sdk(fake: FakeRegistry, spool: Path) -> Iterator[studbook.Registry]:
    """The SDK, connected to the small registry."""
    with studbook.connect(fake.url, "sbk_secret", spool=spool) as opened:
        yield opened


@pytest.fixture
def away(spool: Path) -> Iterator[studbook.Registry]:
    """The SDK, connected to an address where nothing answers."""
    with studbook.connect("http://127.0.0.1:9", "sbk_secret", spool=spool) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses."""
    monkeypatch.setattr("studbook.client.connection._FIRST_DELAY", 0.001)
