"""ETags that cover what is shown, and reads that answer 304 for less than the whole record; on both engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.domain.names import parse_place
from studbook.http.conditional import names
from studbook.services import reading
from studbook.testing import make_document

if TYPE_CHECKING:
    import httpx

    from studbook.services.caller import Caller
    from studbook.services.registry import Registry

VERSION = "/models/churn/versions/1"
PLACES = [
    VERSION,
    "/models/churn/versions/latest",
    "/models/churn/versions/@champion",
    "/models/churn",
    "/models/churn/aliases/champion",
]


@pytest.fixture
def recorded(api: httpx.Client) -> httpx.Client:
    """The API with one version that has an alias."""
    assert api.post("/ingest", json=make_document()).status_code == 201
    assert api.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    return api


def known(etag: str) -> dict[str, str]:
    return {"If-None-Match": etag}


@pytest.mark.parametrize("path", PLACES)
def test_who_has_a_record_is_not_sent_it_again(recorded: httpx.Client, path: str) -> None:
    first = recorded.get(path)
    etag = first.headers["ETag"]
    assert first.json()["etag"] == etag
    for header in (etag, f"W/{etag}", f'"other", W/"x,y" , {etag}', "*"):
        again = recorded.get(path, headers=known(header))
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag), header
        assert "content-length" not in again.headers
    for header in ('"other"', etag.strip('"'), f'"{etag}', "", f'{etag[:-1]}0"'):
        assert recorded.get(path, headers=known(header)).json() == first.json(), header


@pytest.mark.parametrize(
    "path", ["/models/churn/versions/9", "/models/churn/versions/@none", "/models/none", "/models/churn/aliases/none"]
)
def test_what_is_not_there_has_no_representation(recorded: httpx.Client, path: str) -> None:
    assert recorded.get(path, headers=known("*")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/models/churn/aliases/second", {"version": 1}),
        ("DELETE", "/models/churn/aliases/champion", None),
        ("PUT", "/models/churn/aliases/champion", {"version": 2}),
        ("POST", f"{VERSION}/metrics", {"metrics": [{"name": "f1", "value": 1}]}),
        ("POST", f"{VERSION}/evaluations", {"metrics": [{"name": "f1", "value": 1}]}),
        ("PATCH", VERSION, {"tags": {"a": "b"}}),
        ("PATCH", VERSION, {"description": "x"}),
    ],
)
def test_every_change_of_a_version_changes_its_etag(recorded: httpx.Client, method: str, path: str, body: Any) -> None:
    recorded.post("/ingest", json=make_document())
    before = recorded.get(VERSION)
    assert recorded.request(method, path, json=body).status_code < 300
    after = recorded.get(VERSION, headers=known(before.headers["ETag"]))
    assert after.status_code == 200
    assert after.json() != before.json()
    assert after.headers["ETag"] == after.json()["etag"] != before.headers["ETag"]


def test_an_alias_that_moves_to_a_version_of_the_same_revision_is_seen(recorded: httpx.Client) -> None:
    before = recorded.get("/models/churn/versions/@champion").headers["ETag"]
    latest = recorded.get("/models/churn/versions/latest").headers["ETag"]
    recorded.post("/ingest", json=make_document())
    assert recorded.get("/models/churn/versions/latest", headers=known(latest)).json()["number"] == 2
    recorded.put("/models/churn/aliases/champion", json={"version": 2})
    moved = recorded.get("/models/churn/versions/@champion", headers=known(before))
    assert (moved.status_code, moved.json()["number"]) == (200, 2)


def test_a_new_version_changes_its_models_etag(recorded: httpx.Client) -> None:
    before = recorded.get("/models/churn").headers["ETag"]
    recorded.post("/ingest", json=make_document())
    after = recorded.get("/models/churn", headers=known(before))
    assert (after.status_code, after.json()["latest_version"]) == (200, 2)
    assert after.headers["ETag"].partition(".")[0] == before.partition(".")[0]


def test_every_answer_tells_the_same_etag(recorded: httpx.Client) -> None:
    made = recorded.post("/ingest", json=make_document()).json()["version"]
    shown = recorded.get("/models/churn/versions/2")
    listed = recorded.get("/models/churn/versions").json()["items"][0]
    assert made["etag"] == shown.headers["ETag"] == shown.json()["etag"] == listed["etag"]
    model = recorded.get("/models/churn")
    assert model.headers["ETag"] == recorded.get("/models").json()["items"][0]["etag"]
    patched = recorded.patch("/models/churn/versions/2", json={"description": "x"})
    assert patched.headers["ETag"] == patched.json()["etag"] == recorded.get("/models/churn/versions/2").headers["ETag"]
    time = patched.json()["updated_at"]
    past = recorded.get("/models/churn/versions/2", params={"as_of": time})
    assert past.headers["ETag"] == patched.headers["ETag"]
    assert (
        recorded.get("/models/churn/versions/2", params={"as_of": time}, headers=known(past.headers["ETag"])).status_code == 304
    )


def test_a_write_asks_for_the_revision_alone(recorded: httpx.Client) -> None:
    def change(if_match: str) -> int:
        return recorded.patch(VERSION, json={"tags": {"a": if_match}}, headers={"If-Match": if_match}).status_code

    etag = recorded.get(VERSION).headers["ETag"]
    recorded.put("/models/churn/aliases/second", json={"version": 1})
    assert recorded.get(VERSION).headers["ETag"] != etag
    assert etag.startswith('"1.')
    assert [change(header) for header in (f"W/{etag}", 'W/"1"', '"x"', '"1.xyz"', "1")] == [412] * 5
    assert change(etag) == 200
    assert change(etag) == 412
    assert change('"9", "2"') == 200
    assert change("*") == 200


def test_an_etag_is_read_without_the_record(registry: Registry, caller: Caller, recorded: httpx.Client) -> None:
    seen: list[str] = []
    here = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.get_ident() == here:
            seen.append(statement)

    sa.event.listen(registry.database._reading, "before_cursor_execute", note)
    with registry.database.read() as connection:
        namespace_id = caller.namespace_id
        for place in ("1", "latest", "@champion"):
            expected = recorded.get(f"/models/churn/versions/{place}").headers["ETag"]
            assert reading.get_version_etag(connection, namespace_id, parse_place("churn", place)) == expected
        assert reading.get_model_etag(connection, namespace_id, "churn") == recorded.get("/models/churn").headers["ETag"]
        alias = recorded.get("/models/churn/aliases/champion").headers["ETag"]
        assert reading.get_alias_etag(connection, namespace_id, "churn", "champion") == alias
    sa.event.remove(registry.database._reading, "before_cursor_execute", note)
    assert len(seen) == 5
    assert [statement for statement in seen if "record" in statement] == []


@pytest.mark.parametrize(
    ("header", "expected"), [('"1"', True), ('W/"1"', True), ('"2","1"', True), ("1", False), ('"11"', False)]
)
def test_if_none_match_is_read_as_a_list(header: str, *, expected: bool) -> None:
    assert names(header, '"1"') is expected
