"""The main act on both engines: one document in, everything found again."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    import httpx

REFERENCES = [
    "models/churn/versions/1",
    "models/churn/versions/latest",
    "models/churn/versions/@champion",
    "churn/1",
    "churn/latest",
    "churn@champion",
    "registry:one",
    digest_of("first artifact"),
]


def ingest(api: httpx.Client, document: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    response = api.post("/ingest", json=document, headers={"Idempotency-Key": key} if key else {})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def first_version(api: httpx.Client) -> dict[str, Any]:
    document = make_document()
    document["version"]["identifiers"] = {"registry": "one"}
    document["version"]["artifacts"] = [{"uri": "file:///model.onnx", "digest": digest_of("first artifact")}]
    answer = ingest(api, document)
    assert api.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    return answer


def test_one_document_becomes_a_complete_record(api: httpx.Client) -> None:
    answer = ingest(api, make_document())
    assert answer["version"]["name"] == "models/churn/versions/1"
    assert answer["model"]["created"]
    assert answer["run"]["created"]
    assert [entry["created"] for entry in answer["datasets"]] == [True, True]
    assert {(edge["relation"], edge["role"]) for edge in answer["edges"]} == {
        ("input", "training"), ("input", "test"), ("output", None),
    }  # fmt: skip
    version = api.get("/models/churn/versions/1").json()
    assert version["parameters"] == {"learning_rate": 0.1, "max_depth": 6}
    assert version["metrics"][0] | {"recorded_at": ""} == {
        "name": "auc", "value": 0.9, "dataset": "datasets/churn-test/versions/1", "split": "test", "slice": None, "step": None,
        "recorded_at": "",
    }  # fmt: skip
    run = api.get(f"/{version['run']['name']}").json()
    assert (run["job"], run["seed"], len(run["inputs"])) == ("churn-weekly", 42, 2)


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_parent_is_named_in_any_way(api: httpx.Client, reference: str) -> None:
    first_version(api)
    document = make_document()
    document["version"]["parents"] = [{"ref": reference, "relation": "finetuned-from"}]
    ingest(api, document)
    parents = api.get("/models/churn/versions/2").json()["parents"]
    assert [(parent["name"], parent["relation"]) for parent in parents] == [("models/churn/versions/1", "finetuned-from")]


def test_a_parent_is_named_by_uuid(api: httpx.Client) -> None:
    document = make_document()
    document["version"]["parents"] = [first_version(api)["version"]["id"]]
    assert ingest(api, document)["version"]["number"] == 2


def test_datasets_are_matched_by_digest(api: httpx.Client) -> None:
    ingest(api, make_document())
    document = make_document("other")
    document["datasets"][1] = {"name": "churn-test", "digest": digest_of("changed"), "role": "test"}
    datasets = ingest(api, document)["datasets"]
    assert [(entry["name"], entry["created"]) for entry in datasets] == [
        ("datasets/churn-train/versions/1", False),
        ("datasets/churn-test/versions/2", True),
    ]


def test_a_run_is_continued_by_its_id(api: httpx.Client) -> None:
    run = {
        "id": "0198c1de-0000-7000-8000-000000000001",
        "status": "running",
        "metrics": [{"name": "loss", "value": 1, "step": 0}],
    }
    ingest(api, {"run": run})
    later = {"id": run["id"], "status": "completed", "metrics": [{"name": "loss", "value": 0.5, "step": 1}]}
    answer = ingest(api, make_document(run=later))
    assert not answer["run"]["created"]
    shown = api.get(f"/runs/{run['id']}").json()
    assert (shown["status"], len(shown["inputs"]), shown["etag"]) == ("completed", 2, '"2"')
    points = api.get(f"/runs/{run['id']}/metrics").json()["items"]
    assert [(point["step"], point["value"]) for point in points] == [(0, 1.0), (1, 0.5)]


def test_yaml_says_the_same_as_json(api: httpx.Client) -> None:
    body = yaml.safe_dump(make_document()).encode()
    response = api.post("/ingest", content=body, headers={"Content-Type": "application/yaml"})
    assert response.status_code == 201
    assert api.get("/models/churn/versions/1").json()["parameters"] == {"learning_rate": 0.1, "max_depth": 6}


def test_a_key_records_once(api: httpx.Client) -> None:
    document = make_document()
    first = ingest(api, document, "one")
    again = api.post("/ingest", json=document, headers={"Idempotency-Key": "one"})
    assert again.json() == first
    assert again.headers["Idempotency-Replayed"] == "true"
    other = api.post("/ingest", json=make_document(), headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(api.get("/models/churn/versions").json()["items"]) == 1


def test_a_key_used_by_many_at_once_records_once(api: httpx.Client) -> None:
    document, names = make_document(), []
    threads = [threading.Thread(target=lambda: names.append(ingest(api, document, "same")["version"]["name"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names == ["models/churn/versions/1"] * 8


def test_sixteen_at_once_get_dense_numbers(api: httpx.Client) -> None:
    numbers: list[int] = []

    def register() -> None:
        for _ in range(5):
            numbers.append(ingest(api, make_document())["version"]["number"])  # noqa: PERF401 - from several threads

    threads = [threading.Thread(target=register) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers) == list(range(1, 81))


def test_a_batch_answers_each_line(api: httpx.Client) -> None:
    child = make_document()
    child["version"]["parents"] = ["churn/1"]
    lines = [
        json.dumps(make_document()), "", json.dumps(child), "{broken", json.dumps(make_document(model={"name": "@bad"})),
        json.dumps({"idempotency_key": "k", "document": make_document("keyed")}),
        json.dumps({"idempotency_key": "k", "document": make_document("keyed")}),
    ]  # fmt: skip
    response = api.post("/ingest/batch", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    results = [json.loads(line) for line in response.text.splitlines()]
    assert [(result["line"], result["status"]) for result in results] == [
        (1, 201), (3, 201), (4, 400), (5, 422), (6, 201), (7, 409),
    ]  # fmt: skip
    assert results[1]["result"]["version"]["number"] == 2
    assert results[3]["problem"]["errors"][0]["pointer"] == "/model/name"


def test_a_large_batch_is_answered_completely(api: httpx.Client) -> None:
    lines = [json.dumps(make_document(f"model-{index % 7}")) for index in range(500)]
    response = api.post("/ingest/batch", content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    results = [json.loads(line) for line in response.text.splitlines()]
    assert [result["line"] for result in results] == list(range(1, 501))
    assert {result["status"] for result in results} == {201}
    assert api.get("/models/model-0").json()["latest_version"] == 72


@pytest.mark.parametrize("name", ["org/model", "with space", "ünïcødé 名前", "a%2Fb", "x:y@z", "s3://bucket/key"])
def test_names_may_hold_anything_printable(api: httpx.Client, name: str) -> None:
    answer = ingest(
        api, make_document(name, datasets=[{"name": name, "digest": digest_of(name)}]) | {"run": {}} | _without_metrics()
    )
    for linked in (answer["model"]["name"], answer["version"]["name"], answer["datasets"][0]["name"]):
        assert api.get(f"/{linked}").json()["name"] == linked
    assert api.get(f"/lineage/{answer['version']['name']}").json()["root"] == answer["version"]["name"]


def _without_metrics() -> dict[str, Any]:
    return {"version": {"parameters": {}}}
