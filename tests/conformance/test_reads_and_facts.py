"""Finding records again, and adding what becomes known later; on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    import httpx


def chain(api: httpx.Client, length: int, model: str = "churn") -> None:
    for number in range(length):
        document = make_document(model)
        document["version"]["parents"] = [f"{model}/{number}"] if number else []
        document["version"]["metrics"][0]["value"] = 0.5 + number / 1000
        response = api.post("/ingest", json=document)
        assert response.status_code == 201, response.text


def pages(api: httpx.Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    items, token = [], None
    while True:
        page = api.get(path, params={**parameters, **({"page_token": token} if token else {})}).json()
        items += page["items"]
        token = page["next_page_token"]
        if token is None:
            return items


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/models", 1), ("/models/churn/versions", 5), ("/datasets", 2), ("/datasets/churn-train/versions", 1), ("/runs", 5),
        ("/search?order_by=-metrics.auc", 5), ("/search?order_by=number", 5), ("/models/churn/versions/1/metrics", 1),
    ],
)  # fmt: skip
def test_paging_meets_each_record_once(api: httpx.Client, path: str, expected: int) -> None:
    chain(api, 5)
    base, _, query = path.partition("?")
    parameters = dict([query.split("=")]) if query else {}
    found = pages(api, base, page_size=2, **parameters)
    assert len(found) == expected
    assert found == pages(api, base, **parameters)


def test_paging_is_stable_while_records_are_added(api: httpx.Client) -> None:
    chain(api, 4)
    first = api.get("/models/churn/versions?page_size=2").json()
    chain(api, 1, "other")
    api.post("/ingest", json=make_document())
    second = api.get("/models/churn/versions", params={"page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [item["number"] for item in first["items"] + second["items"]] == [4, 3, 2, 1]


def test_a_page_token_of_another_list_is_refused(api: httpx.Client) -> None:
    chain(api, 3)
    token = api.get("/models/churn/versions?page_size=1").json()["next_page_token"]
    for path in ("/runs", "/models", "/models/churn/versions/1/metrics"):
        response = api.get(path, params={"page_token": token})
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "bad_page_token")


def test_search_orders_by_the_best_value(api: httpx.Client) -> None:
    chain(api, 3)
    chain(api, 1, "other")
    best = api.get("/search?order_by=-metrics.auc").json()["items"]
    assert [item["name"] for item in best[:2]] == ["models/churn/versions/3", "models/churn/versions/2"]
    # Words are found by their beginnings, in any case; what stands within a word is not.
    assert [item["model"] for item in api.get("/search?q=OTH").json()["items"]] == ["other"]
    assert api.get("/search?q=ther").json()["items"] == []
    assert api.get("/search?order_by=color").status_code == 400


def test_facts_are_added_and_identity_is_not_changed(api: httpx.Client) -> None:
    chain(api, 2)
    patched = api.patch(
        "/models/churn", json={"description": "churn", "tags": {"team": "growth"}, "owners": [{"name": "a", "email": "a@b"}]}
    )
    assert (patched.status_code, patched.headers["ETag"].partition(".")[0]) == (200, '"2')
    assert api.patch("/models/churn", json={"tags": {"team": None}}).json()["tags"] == {}
    version = api.patch("/models/churn/versions/1", json={"description": "old", "tags": {"a": "b"}, "archived": True}).json()
    assert version["archived_at"]
    assert version["tags"] == {"a": "b"}
    assert api.patch("/models/churn/versions/1", json={"archived": False}).json()["archived_at"] is None
    refused = api.patch("/models/churn/versions/1", json={"parameters": {}, "artifacts": []})
    assert (refused.status_code, refused.json()["code"]) == (409, "immutable_field")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/artifacts", "/parameters"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/models/churn", {"description": "x"}),
        ("PATCH", "/models/churn/versions/1", {"description": "x"}),
        ("PUT", "/models/churn/aliases/champion", {"version": 1}),
        ("DELETE", "/models/churn/aliases/first", None),
        ("POST", "/models/churn/versions/1/metrics", {"metrics": [{"name": "f1", "value": 1}]}),
        ("POST", "/models/churn/versions/1/evaluations", {"metrics": [{"name": "f1", "value": 1}]}),
    ],
)
def test_a_stale_etag_changes_nothing(api: httpx.Client, method: str, path: str, body: dict[str, Any] | None) -> None:
    chain(api, 1)
    api.put("/models/churn/aliases/first", json={"version": 1})
    response = api.request(method, path, json=body, headers={"If-Match": '"99"'})
    assert (response.status_code, response.json()["code"]) == (412, "stale_etag")
    current = api.get(path.removesuffix("/metrics").removesuffix("/evaluations").partition("/aliases")[0]).headers["ETag"]
    assert api.request(method, path, json=body, headers={"If-Match": current}).status_code < 300


def test_a_large_number_survives_later_changes(api: httpx.Client) -> None:
    document = make_document()
    document["version"]["metrics"] = [{"name": "flops", "value": 3.650367381044613e16}]
    document["version"]["parameters"] = {"scale": 1e300, "tiny": 5e-324}
    api.post("/ingest", json=document)
    changed = api.patch("/models/churn/versions/1", json={"tags": {"a": "b"}})
    assert changed.status_code == 200, changed.text
    assert float(changed.json()["metrics"][0]["value"]) == 3.650367381044613e16
    assert changed.json()["parameters"] == {"scale": 1e300, "tiny": 5e-324}


def test_an_alias_is_set_moved_and_deleted(api: httpx.Client) -> None:
    chain(api, 2)
    assert api.put("/models/churn/aliases/champion", json={"version": 1}).json()["version"]["number"] == 1
    assert api.put("/models/churn/aliases/champion", json={"version": "latest"}).json()["version"]["number"] == 2
    assert api.get("/models/churn/versions/@champion").json()["aliases"] == ["champion"]
    assert api.get("/models/churn/versions/1").json()["aliases"] == []
    assert api.patch("/models/churn/versions/2", json={"archived": True}).status_code == 409
    assert [item["alias"] for item in api.get("/models/churn/aliases").json()["items"]] == ["champion"]
    assert api.delete("/models/churn/aliases/champion").status_code == 204
    assert api.get("/models/churn/versions/@champion").status_code == 404
    assert api.put("/models/churn/aliases/champion", json={"version": 9}).status_code == 404


def test_metrics_and_evaluations_are_added(api: httpx.Client) -> None:
    chain(api, 1)
    evaluation = {
        "run": {"kind": "evaluation"},
        "datasets": [{"name": "churn-holdout", "digest": digest_of("holdout"), "role": "evaluation"}],
        "metrics": [{"name": "auc", "value": 0.87, "dataset": "churn-holdout", "slice": {"region": "south"}}],
    }
    answer = api.post("/models/churn/versions/1/evaluations", json=evaluation)
    assert answer.status_code == 201, answer.text
    assert {edge["relation"] for edge in answer.json()["edges"]} == {"input", "evaluated"}
    api.post("/models/churn/versions/1/metrics", json={"metrics": [{"name": "auc", "value": 0.86}]})
    history = api.get("/models/churn/versions/1/metrics?name=auc").json()["items"]
    assert [entry["value"] for entry in history] == [0.5, 0.87, 0.86]
    assert history[1]["slice"] == {"region": "south"}


def test_a_deployment_replaces_the_one_on_its_target(api: httpx.Client) -> None:
    chain(api, 2)
    first = api.post("/deployments", json={"version": "churn/1", "target": "prod/eu"}).json()
    second = api.post("/deployments", json={"version": "churn/2", "target": "prod/eu"}).json()
    assert api.get(f"/{first['name']}").json()["status"] == "ended"
    assert [item["id"] for item in api.get("/deployments?status=active").json()["items"]] == [second["id"]]
    ended = api.patch(f"/{second['name']}", json={"status": "ended"}).json()
    assert ended["ended_at"]
    assert [item["id"] for item in api.get("/deployments?version=churn/1").json()["items"]] == [first["id"]]


def test_lineage_has_exact_depth_and_says_when_it_is_cut(api: httpx.Client) -> None:
    chain(api, 6)
    shallow = api.get("/lineage/churn/6?direction=upstream&depth=1").json()
    assert {node["distance"] for node in shallow["nodes"]} == {0, -1}
    assert shallow["truncated"]
    whole = api.get("/lineage/churn/6?direction=upstream&depth=50").json()
    assert not whole["truncated"]
    assert sum(node["kind"] == "model_version" for node in whole["nodes"]) == 6
    both = api.get("/lineage/churn/3?depth=50").json()
    assert {node["distance"] for node in both["nodes"] if node["kind"] == "model_version"} == {-2, -1, 0, 1, 2, 3}
    cut = api.get("/lineage/churn/6?direction=upstream&depth=50&limit=3").json()
    assert cut["truncated"]
    assert len(cut["nodes"]) <= 5
    names = {node["name"] for node in whole["nodes"]}
    assert all(edge["source"] in names and edge["target"] in names for edge in whole["edges"])


def test_resolve_finds_digests_commits_and_identifiers(api: httpx.Client) -> None:
    document = make_document(run={"code": {"commit": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"}, "identifiers": {"ci": "77"}})
    document["version"]["artifacts"] = [{"uri": "x", "digest": digest_of("a")}]
    document["version"]["identifiers"] = {"mlflow_run": "8d1f"}
    answer = api.post("/ingest", json=document).json()
    expected = {
        digest_of("a"): {"model_version"},
        digest_of("train"): {"dataset_version"},
        "git:2fd4e1c67a2d28fced849ee1bb76e7391b93eb12": {"run", "model_version"},
        "mlflow_run:8d1f": {"model_version"},
        "ci:77": {"run"},
        answer["run"]["id"]: {"run"},
        "models/churn": {"model"},
        "datasets/churn-train": {"dataset"},
    }
    for text, kinds in expected.items():
        items = api.get("/resolve", params={"identifier": text}).json()["items"]
        assert {item["kind"] for item in items} == kinds, text
    assert api.get("/resolve?identifier=mlflow_run:none").status_code == 404


def test_diff_names_what_changed(api: httpx.Client) -> None:
    first = make_document(run={"environment": {"python": "3.11"}, "seed": 1})
    second = make_document(run={"environment": {"python": "3.12"}, "seed": 2})
    second["version"]["parameters"] = {"max_depth": 8, "rounds": 10}
    second["datasets"][0]["digest"] = digest_of("newer")
    for document in (first, second):
        api.post("/ingest", json=document)
    diff = api.get("/diff?from=churn/1&to=churn/2").json()
    assert diff["parameters"] == {
        "added": {"rounds": 10}, "removed": {"learning_rate": 0.1}, "changed": {"max_depth": {"from": 6, "to": 8}},
    }  # fmt: skip
    assert diff["environment"]["changed"] == {"python": {"from": "3.11", "to": "3.12"}}
    assert diff["datasets"]["changed"]["training: datasets/churn-train"]["to"] == "datasets/churn-train/versions/2"
    assert api.get("/diff?from=churn/1&to=models/churn").status_code == 422
