"""Connections: where they go, what they repeat, and what their answers mean."""

from __future__ import annotations

from typing import Any

import pytest

import studbook
from studbook.client.connecting import without_credentials


def problem(code: str = "c") -> dict[str, Any]:
    errors = [{"pointer": "/a", "code": "e", "message": "mend it"}]
    return {"title": "T", "detail": "D", "code": code, "errors": errors, "request_id": "r1"}


def test_the_request(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [(200, {"name": "models/a%2Fb%20c", "model": "a/b c", "unknown": 1}, {})]
    model = sdk.model("a/b c")
    request = fake.requests[0]
    assert request["path"] == "/api/v1/namespaces/default/models/a%2Fb%20c"
    assert request["headers"]["Authorization"] == "Bearer sbk_secret"
    assert model.model == "a/b c"
    assert model.raw["unknown"] == 1


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        ("churn/3", "models/churn/versions/3"),
        ("churn/latest", "models/churn/versions/latest"),
        ("churn@champion", "models/churn/versions/%40champion"),
        ("a%2Fb/3", "models/a%2Fb/versions/3"),
        ("models/a%2Fb%25/versions/3", "models/a%2Fb%25/versions/3"),
        ("models/ü/versions/@x y", "models/%C3%BC/versions/%40x%20y"),
    ],
)
def test_references_that_are_addresses(sdk: studbook.Registry, fake: Any, ref: str, path: str) -> None:
    fake.script = [(200, {}, {})]
    sdk.version(ref)
    assert fake.requests[0]["path"] == f"/api/v1/namespaces/default/{path}"


def test_references_that_must_be_resolved(sdk: studbook.Registry, fake: Any) -> None:
    items = [
        {"kind": "run", "name": "runs/x", "id": "x"},
        {"kind": "model_version", "name": "models/churn/versions/3", "id": "y"},
    ]
    fake.script = [(200, {"items": items}, {}), (200, {"number": 3}, {})]
    assert sdk.version("git:abc").number == 3
    assert fake.requests[0]["path"].endswith("/resolve?identifier=git%3Aabc&exact=true")
    assert fake.requests[1]["path"].endswith("/models/churn/versions/3")
    fake.script = [(200, {"items": [{**items[1], "name": f"models/churn/versions/{number}"} for number in (1, 2)]}, {})]
    with pytest.raises(LookupError, match="means several model versions: models/churn/versions/1, models/churn/versions/2"):
        sdk.version("sha256:abc")
    fake.script = [(200, {"items": items[:1]}, {})]
    with pytest.raises(LookupError, match="is no model version; it means runs/x"):
        sdk.version("mlflow_run:abc")
    with pytest.raises(LookupError, match="is no model version"):
        sdk.version("datasets/a/versions/1")


def test_lists_follow_their_pages(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [
        (200, {"items": [{"model": "a"}, {"model": "b"}], "next_page_token": "t/1"}, {}),
        (200, {"items": [{"model": "c"}], "next_page_token": None}, {}),
    ]
    assert [model.model for model in sdk.models(prefix="x", page_size=2)] == ["a", "b", "c"]
    assert fake.requests[1]["path"].endswith("models?prefix=x&page_size=2&page_token=t%2F1")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, studbook.InvalidDocumentError),
        (401, studbook.AuthenticationError),
        (403, studbook.PermissionDeniedError),
        (404, studbook.NotFoundError),
        (405, studbook.RefusedError),
        (409, studbook.ConflictError),
        (412, studbook.StaleError),
        (413, studbook.InvalidDocumentError),
        (422, studbook.InvalidDocumentError),
    ],
)
def test_refusals(sdk: studbook.Registry, fake: Any, status: int, kind: type[studbook.RefusedError]) -> None:
    fake.script = [(status, problem(), {})]
    with pytest.raises(kind) as caught:
        sdk.model("x")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "c", "r1")
    assert caught.value.errors == (studbook.Notice("/a", "e", "mend it"),)
    assert "/a: mend it [e]" in str(caught.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_answers_that_may_change(sdk: studbook.Registry, fake: Any, status: int) -> None:
    fake.script = [(status, problem(), {})]
    with pytest.raises(studbook.UnreachableError, match=f"{status} D") as caught:
        sdk.model("x")
    assert caught.value.status == status
    assert len(fake.requests) == 1, "a registry in trouble is not asked again at once"


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (200, {"Content-Type": "text/html"}, "not JSON"),
        (404, {"Content-Type": "text/html"}, "is this the address of a Studbook registry"),
        (302, {"Location": "https://elsewhere/"}, "redirect to https://elsewhere/"),
    ],
)
def test_somebody_else_answers(sdk: studbook.Registry, fake: Any, status: int, headers: dict[str, str], message: str) -> None:
    fake.script = [(status, b"<html>", headers)]
    with pytest.raises(studbook.UnreachableError, match=message):
        sdk.model("x")


def test_broken_connections_are_repeated_where_it_is_safe(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [(0, None, {}), (0, None, {}), (200, {"model": "x"}, {})]
    assert sdk.model("x").model == "x"
    fake.script = [(0, None, {}), (0, None, {}), (0, None, {}), (200, {}, {})]
    with pytest.raises(studbook.UnreachableError, match="cannot be reached"):
        sdk.model("x")


def test_a_repeated_document_keeps_its_key(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [(0, None, {}), (0, None, {})]
    assert sdk.ingest({"run": {"id": "x"}}).run is not None
    assert len({request["headers"]["Idempotency-Key"] for request in fake.requests}) == 1
    assert len(fake.requests) == 3


def test_a_change_without_key_is_not_repeated(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [(0, None, {}), (201, {}, {})]
    with pytest.raises(studbook.UnreachableError):
        sdk.deploy("churn/3", "prod")
    assert len(fake.requests) == 1


def test_nothing_answers(away: studbook.Registry) -> None:
    with pytest.raises(studbook.UnreachableError, match=r"registry at http://127\.0\.0\.1:9 cannot be reached") as caught:
        away.model("x")
    assert caught.value.status is None


def test_a_time_out_is_not_repeated(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    release = Event()
    respond = fake.respond

    def slow(request: dict[str, Any]) -> Any:
        release.wait(5)
        return respond(request)

    monkeypatch.setattr(fake, "respond", slow)
    with studbook.connect(fake.url, timeout=0.1) as sdk, pytest.raises(studbook.UnreachableError, match=r"0\.1 s"):
        sdk.model("x")
    release.set()


def test_if_match(sdk: studbook.Registry, fake: Any) -> None:
    fake.script = [(200, {"alias": "a", "etag": '"3"'}, {}), (204, None, {})]
    assert sdk.set_alias("m", "a", 1, if_match='"2"').etag == '"3"'
    sdk.delete_alias("m", "a")
    assert fake.requests[0]["headers"]["If-Match"] == '"2"'
    assert "If-Match" not in fake.requests[1]["headers"]


def test_a_batch_goes_out_in_parts(sdk: studbook.Registry, fake: Any) -> None:
    def lines(first: int, count: int) -> bytes:
        return b"".join(b'{"line":%d,"status":201,"result":{"events":[]}}\n' % line for line in range(first, first + count))

    fake.script = [
        (200, lines(1, 200), {"Content-Type": "application/x-ndjson"}),
        (200, lines(1, 49) + b'{"line":50,"status":422,"problem":{"code":"x"}}\n', {"Content-Type": "application/x-ndjson"}),
    ]
    documents = [{"run": {"id": str(index)}} for index in range(249)]
    keyed = {"idempotency_key": "mine", "document": {"run": {}}}
    outcomes = list(sdk.ingest_many([*documents, keyed]))
    assert [outcome.position for outcome in outcomes] == list(range(250))
    assert isinstance(outcomes[-1].refusal, studbook.InvalidDocumentError)
    assert all(outcome.result is not None for outcome in outcomes[:-1])
    assert b'"idempotency_key":"mine"' in fake.requests[1]["body"]
    fake.script = [(200, b'{"line":1,"status":201,"result":{}}\n', {})]
    with pytest.raises(studbook.UnreachableError, match="answered 1 of 2"):
        list(sdk.ingest_many([{}, {}]))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8765", "did you mean http://localhost:8765"),
        ("registry.example.org:80/x", "did you mean"),
        ("http://", "names no host"),
        ("https://me:pw@host", "holds a user or password"),
        ("", "neither a URL nor a file"),
    ],
)
def test_urls_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        studbook.connect(url)
    assert "pw" not in str(caught.value)


def test_the_token_shows_nowhere(sdk: studbook.Registry) -> None:
    assert "sbk_secret" not in repr(sdk) + repr(vars(sdk)) + repr(sdk._connection) + repr(vars(sdk._connection))
    with pytest.raises(ValueError, match="holds characters that no token has") as caught:
        studbook.connect("http://localhost", "sbk_\nsecret")
    assert "secret" not in str(caught.value)


def test_settings_from_the_environment(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_URL", fake.url + "/")
    monkeypatch.setenv("STUDBOOK_TOKEN", "sbk_environment")
    with studbook.connect(namespace="a b") as sdk:
        assert (sdk.url, sdk.namespace) == (fake.url, "a b")
        fake.script = [(200, {}, {})]
        sdk.model("x")
    assert fake.requests[0]["headers"]["Authorization"] == "Bearer sbk_environment"
    assert fake.requests[0]["path"] == "/api/v1/namespaces/a%20b/models/x"


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with studbook.connect(fake.url) as sdk:
        fake.script = [(200, {"model": "x"}, {})]
        assert sdk.model("x").model == "x"


def test_an_embedded_registry_without_the_server_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name, name="sqlalchemy")

    monkeypatch.setattr("studbook.client.connecting.importlib.import_module", missing)
    with pytest.raises(studbook.MissingServerError, match=r'pip install "studbook\[server\]"'):
        studbook.connect("studbook.db")


def test_urls_without_credentials() -> None:
    assert without_credentials("https://u:p@h:1/a?b#c") == "https://h:1/a"
    assert without_credentials("sqlite:////a/b.db?mode=ro") == "sqlite:////a/b.db"
    assert without_credentials("postgresql://u:p@h/db") == "postgresql://h/db"
