"""Every kind of bad input is refused with its place, a code and a sentence, and leaves nothing behind; on both engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    import httpx

JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}

MALFORMED: dict[str, tuple[bytes, dict[str, str], str]] = {
    "empty": (b"", JSON, "empty_body"),
    "cut": (b'{"model": ', JSON, "not_json"),
    "text behind": (b"{} {}", JSON, "not_json"),
    "nan": (b'{"run": {"seed": NaN}}', JSON, "not_a_number"),
    "infinity": (b'{"run": {"seed": -Infinity}}', JSON, "not_a_number"),
    "too large a float": (b'{"run": {"seed": 1e999}}', JSON, "bad_number"),
    "integer beyond 2^53": (b'{"run": {"seed": 9007199254740993}}', JSON, "bad_number"),
    "integer of 5000 digits": (b'{"run": {"seed": ' + b"9" * 5000 + b"}}", JSON, "bad_number"),
    "duplicate key": (b'{"run": {"seed": 1, "seed": 2}}', JSON, "duplicate_key"),
    "escaped lone surrogate": (b'{"run": {"job": "\\ud800"}}', JSON, "bad_text"),
    "escaped NUL": (b'{"run": {"job": "a\\u0000b"}}', JSON, "bad_text"),
    "NUL in a key": (b'{"run": {"a\\u0000": 1}}', JSON, "bad_text"),
    "not UTF-8": (b'{"run": {"job": "\xff"}}', JSON, "not_utf8"),
    "depth": (b"[" * 100_000, JSON, "too_deep"),
    "depth within the parser's": (b'{"run": {"environment": ' + b'{"a":' * 60 + b"1" + b"}" * 62, JSON, "too_deep"),
    "yaml nan": (b"run: {seed: .nan}", YAML, "bad_number"),
    "yaml duplicate key": (b"run: {seed: 1, seed: 2}", YAML, "duplicate_key"),
    "yaml object": (b"run: !!python/object/apply:os.system ['true']", YAML, "not_yaml"),
    "yaml number as key": (b"run: {environment: {1: a}}", YAML, "key_not_text"),
    "yaml laughs": (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
            b"%c: &%c [%b]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 10)) for i in range(8)
        ), YAML, "too_many_values",
    ),
    "yaml without end": (b"run: {", YAML, "not_yaml"),
    "yaml loop": (b"a: &a [*a]", YAML, "too_deep"),
}  # fmt: skip


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    return body


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bytes(api: httpx.Client, name: str) -> None:
    body, headers, code = MALFORMED[name]
    response = api.post("/ingest", content=body, headers=headers)
    assert response.status_code == 400, response.text
    assert {error["code"] for error in problem(response)["errors"]} == {code}


def document(**version: Any) -> dict[str, Any]:
    made = make_document()
    made["version"] |= version
    return made


INVALID: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "a list": ([], [("", "model_type")]),
    "a string": ("x", [("", "model_type")]),
    "nothing said": ({}, [("", "empty_document")]),
    "half a version": ({"model": {"name": "a"}}, [("", "half_a_version")]),
    "unknown fields": (document(colour=1) | {"extra": 1}, [("/version/colour", "unknown_field"), ("/extra", "unknown_field")]),
    "wrong types": (
        document(parameters={"a~b/c": []}, metrics=[{"name": "auc", "value": "0.9"}]),
        [("/version/parameters/a~0b~1c", "not_a_scalar"), ("/version/metrics/0/value", "float_type")],
    ),
    "a digest that is none": (
        document(artifacts=[{"uri": "x", "digest": "sha256:ABC"}]), [("/version/artifacts/0/digest", "bad_digest")],
    ),
    "a name with control characters": (make_document("a\u0007"), [("/model/name", "bad_name")]),
    "a name that is a folder": (make_document(".."), [("/model/name", "bad_name")]),
    "no zone": (make_document(run={"started_at": "2026-03-01T12:00:00"}), [("/run/started_at", "bad_time")]),
    "no such moment": (make_document(run={"started_at": "2026-02-30T12:00:00Z"}), [("/run/started_at", "bad_time")]),
    "ends before it starts": (
        make_document(run={"started_at": "2026-03-01T12:00:00Z", "ended_at": "2026-03-01T11:00:00Z"}),
        [("/run", "ends_before_start")],
    ),
    "a reserved scheme": (document(identifiers={"sha256": "x"}), [("/version/identifiers", "reserved_scheme")]),
    "unknown parents": (
        document(parents=["churn/9", "models/none/versions/1", "???"]), [("/version/parents/2/ref", "bad_reference")],
    ),
    "parents that do not exist": (
        document(parents=["churn/9", "models/none/versions/1", "sha256:00"]),
        [(f"/version/parents/{index}/ref", "unknown_reference") for index in range(3)],
    ),
    "a parent of another kind": (
        document(parents=["datasets/churn-train/versions/1"]), [("/version/parents/0/ref", "unknown_reference")],
    ),
    "a parent twice": (document(parents=["known/1", "known/latest"]), [("/version/parents/1", "duplicate_parent")]),
    "a metric on an unknown dataset": (
        document(metrics=[{"name": "a", "value": 1, "dataset": "nope"}]), [("/version/metrics/0/dataset", "unknown_reference")],
    ),
    "a dataset version that is none": (
        make_document(datasets=[{"name": "churn-train", "version": 7}, {"name": "churn-test", "digest": digest_of("test")}]),
        [("/datasets/0/version", "unknown_reference")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID)
def test_invalid_documents_name_every_fault(api: httpx.Client, name: str) -> None:
    assert api.post("/ingest", json=make_document("known")).status_code == 201
    body, expected = INVALID[name]
    response = api.post("/ingest", json=body)
    assert response.status_code == 422, response.text
    assert [(error["pointer"], error["code"]) for error in problem(response)["errors"]] == expected
    assert all(len(error["message"]) > 20 for error in response.json()["errors"])
    assert [item["model"] for item in api.get("/models").json()["items"]] == ["known"]


def _contradictions() -> dict[str, tuple[dict[str, Any], str, str]]:
    taken = document(identifiers={"mlflow_run": "1"})
    other_rows = make_document(datasets=[{"name": "churn-train", "digest": digest_of("train"), "rows": 7}], version={})
    other_digest = make_document(datasets=[{"name": "churn-train", "version": 1, "digest": digest_of("x")}], version={})
    other_run = make_document(run={"id": "0198c1de-0000-7000-8000-000000000001", "job": "other"})
    twice = document(identifiers={"ci": "2"})
    twice["datasets"][0]["identifiers"] = {"ci": "2"}
    return {
        "an identifier of another record": (taken, "/version/identifiers/mlflow_run", "identifier_taken"),
        "another number of rows": (other_rows, "/datasets/0/rows", "dataset_contradicted"),
        "another digest of the same version": (other_digest, "/datasets/0/digest", "dataset_contradicted"),
        "another job of the same run": (other_run, "/run/job", "run_contradicted"),
        "an identifier twice in one document": (twice, "/version/identifiers/ci", "identifier_taken"),
    }


@pytest.mark.parametrize("name", _contradictions())
def test_contradictions_are_conflicts(api: httpx.Client, name: str) -> None:
    first = document(identifiers={"mlflow_run": "1"}) | {"run": {"id": "0198c1de-0000-7000-8000-000000000001", "job": "one"}}
    assert api.post("/ingest", json=first).status_code == 201
    body, pointer, code = _contradictions()[name]
    response = api.post("/ingest", json=body)
    assert response.status_code == 409, response.text
    assert [(error["pointer"], error["code"]) for error in problem(response)["errors"]] == [(pointer, code)]
    assert api.get("/models/churn").json()["latest_version"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/churn/versions/0", 422), ("/models/churn/versions/-1", 422), ("/models/churn/versions/99999999999999", 422),
        ("/models/churn/versions/٣", 422), ("/models/churn/versions/7", 404), ("/models/a%00b", 400), ("/models/%zz", 400),
        ("/models/%ff", 400), ("/models?page_size=0", 422), ("/models?page_size=100000", 422), ("/models?page_token=x", 400),
        ("/models?tag=x", 400), ("/runs/none", 422), ("/lineage/%3F%3F", 422), ("/resolve?identifier=x", 422), ("/resolve", 422),
        ("/diff?from=churn/1&to=churn/1", 404), ("/nowhere", 404),
    ],
)  # fmt: skip
def test_bad_addresses(api: httpx.Client, path: str, status: int) -> None:
    response = api.get(path)
    assert (response.status_code, problem(response)["status"]) == (status, status)


def test_other_methods_and_types_and_sizes(api: httpx.Client) -> None:
    assert problem(api.delete("/models"))["code"] == "method_not_allowed"
    assert problem(api.post("/ingest", content=b"x", headers={"Content-Type": "text/plain"}))["status"] == 415
    assert problem(api.post("/ingest", content=b" " * (10 * 1024 * 1024 + 1), headers=JSON))["status"] == 413
    key = problem(api.post("/ingest", json=make_document(), headers={"Idempotency-Key": "k" * 300}))
    assert key["status"] == 422


def test_a_message_says_how_to_mend_it(api: httpx.Client) -> None:
    body = json.dumps(document(parameters={"a": {"b": 1}}, tags={"t": 1}))
    messages = [error["message"] for error in api.post("/ingest", content=body, headers=JSON).json()["errors"]]
    assert len(messages) == 2
    assert not any("Input should" in message or "valid" in message for message in messages), messages
