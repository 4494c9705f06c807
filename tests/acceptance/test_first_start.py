"""What an operator meets: the first start, tokens, the address, the browser's way in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def server(make_server: MakeServer) -> Iterator[ServerProcess]:
    started = make_server().start().wait_ready()
    yield started
    started.stop()


def test_the_secret_is_shown_once(make_server: MakeServer) -> None:
    first = make_server(STUDBOOK_BOOTSTRAP_TOKEN="")
    del first.environment["STUDBOOK_BOOTSTRAP_TOKEN"]
    first.start().wait_ready().stop()
    shown = re.search(r"sbk_api_\w{36}", first.log.read_text())
    assert shown
    again = make_server().start().wait_ready()
    assert "sbk_" not in again.log.read_text()
    again.token = shown[0]
    assert again.client().get("/models").status_code == 200


def test_a_public_address_needs_tls_or_a_word(make_server: MakeServer) -> None:
    refused = make_server(STUDBOOK_HOST="0.0.0.0").start()  # noqa: S104 - refused before anything is bound
    assert refused.process.wait(20) != 0
    assert "--allow-public-without-tls" in refused.log.read_text()


def test_rights_are_what_the_token_says(server: ServerProcess) -> None:
    admin = server.client()
    assert httpx.get(f"{admin.base_url}models").status_code == 401
    made = {access: admin.post("/tokens", json={"name": access, "access": access}).json() for access in ("read", "write")}
    for access, expected in (("read", (200, 403, 403)), ("write", (200, 201, 403))):
        headers = {"Authorization": f"Bearer {made[access]['token']}"}
        run = {"run": {"job": "x"}}
        statuses = (
            admin.get("/models", headers=headers).status_code,
            admin.post("/ingest", json=run, headers=headers).status_code,
            admin.get("/tokens", headers=headers).status_code,
        )
        assert statuses == expected
    elsewhere = str(admin.base_url).replace("default", "other")
    assert httpx.get(f"{elsewhere}models", headers=admin.headers).status_code == 404
    revoked = {"Authorization": f"Bearer {made['read']['token']}"}
    assert admin.delete(f"/tokens/{made['read']['id']}").status_code == 200
    assert admin.get("/models", headers=revoked).status_code == 401
    past = admin.post("/tokens", json={"name": "old", "access": "read", "expires_at": "2020-01-01T00:00:00Z"}).json()
    assert admin.get("/models", headers={"Authorization": f"Bearer {past['token']}"}).status_code == 401
    assert admin.get("/models", headers={"Authorization": "Bearer sbk_api_wrong"}).status_code == 401


def test_a_browser_logs_in_by_link_and_only_reads(server: ServerProcess) -> None:
    link = server.client().post("/login-links").json()["url"]
    base, _, secret = link.partition("/login#")
    with httpx.Client(base_url=base) as browser:
        assert "Log in" in browser.get("/login").text
        answer = browser.post("/login", content=secret)
        assert answer.status_code == 204
        assert all(word in answer.headers["set-cookie"] for word in ("HttpOnly", "SameSite=strict"))
        assert browser.get("/api/v1/namespaces/default/models").status_code == 200
        assert browser.post("/api/v1/namespaces/default/ingest", json={"run": {}}).status_code == 401
        assert browser.get("/").headers["content-security-policy"].startswith("default-src 'self'")
        assert browser.get("/pages/home.js").status_code == 200
        assert browser.get("/pages/..%2Fconfig.py").status_code == 404


def test_operations(server: ServerProcess) -> None:
    base = f"http://127.0.0.1:{server.port}"
    assert httpx.get(f"{base}/readyz").json() == {
        "status": "ok",
        "checks": {"migrations": "ok", "database": "ok", "audit_log": "ok"},
    }
    answer = httpx.get(f"{base}/healthz", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    server.client().get("/models/none")
    metrics = httpx.get(f"{base}/metrics").text
    assert 'route="/models/{model}",status="404"' in metrics
    assert '"request_id": "abc-1"' in server.log.read_text()
    assert server.token not in server.log.read_text()
