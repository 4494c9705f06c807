"""What identifiers mean, one and many at a time; on both engines."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.services import resolving
from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from studbook.services.caller import Caller
    from studbook.services.registry import Registry

COMMIT = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
IMAGE = "sha256:" + hashlib.sha256(b"image").hexdigest()
URI = "s3://models/churn 100%_a.onnx"


@pytest.fixture
def answer(api: httpx.Client) -> dict[str, Any]:
    """What a document became that carries something of every kind."""
    document = make_document(run={"code": {"commit": COMMIT}, "identifiers": {"mlflow_run": "8d1f", "ci": "77"}})
    document["version"]["artifacts"] = [{"uri": URI, "digest": digest_of("a")}, {"uri": "plain", "digest": digest_of("a")}]
    document["version"]["identifiers"] = {"oci": f"registry.example:5000/team/churn@{IMAGE}", "hf": "org/churn"}
    response = api.post("/ingest", json=document)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def found(api: httpx.Client, identifier: str, **parameters: Any) -> list[str]:
    response = api.get("/resolve", params={"identifier": identifier, **parameters})
    assert response.status_code == 200, (identifier, response.text)
    return [item["name"] for item in response.json()["items"]]


def refusal(api: httpx.Client, identifier: str, **parameters: Any) -> tuple[int, str]:
    response = api.get("/resolve", params={"identifier": identifier, **parameters})
    body = response.json()
    return response.status_code, body["errors"][0]["code"] if body["errors"] else body["code"]


VERSION = "models/churn/versions/1"
DATA = "datasets/churn-train/versions/1"


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (digest_of("a"), [VERSION]),
        (digest_of("a").upper().replace("SHA256", "sha256"), [VERSION]),
        (digest_of("a").removeprefix("sha256:"), [VERSION]),
        (digest_of("train"), [DATA]),
        ("mlflow_run:8d1f", ["run"]),
        (f"git:{COMMIT}", ["run", VERSION]),
        ("hf:org/churn", [VERSION]),
        (URI, [VERSION]),
        ("plain", [VERSION]),
        (f"oci:{IMAGE}", [VERSION]),
        (f"registry.example:5000/team/churn@{IMAGE}", [VERSION]),
        (f"oci://registry.example:5000/team/churn@{IMAGE}", [VERSION]),
        (f"elsewhere/churn:v1@{IMAGE}", [VERSION]),
        ("churn@latest/1", None),
        ("churn/1", [VERSION]),
        ("churn/latest", [VERSION]),
        ("models/churn", ["models/churn"]),
        ("datasets/churn-test", ["datasets/churn-test"]),
    ],
)
def test_every_form_is_resolved(api: httpx.Client, answer: dict[str, Any], identifier: str, expected: list[str] | None) -> None:
    if expected is None:
        assert refusal(api, identifier) == (422, "bad_reference")
        return
    run = answer["run"]["name"]
    assert sorted(found(api, identifier)) == sorted(run if name == "run" else name for name in expected)


@pytest.mark.parametrize("length", [8, 9, 13, 20, 32])
@pytest.mark.parametrize("dashes", [True, False])
def test_the_beginning_of_an_id_is_enough(api: httpx.Client, answer: dict[str, Any], length: int, *, dashes: bool) -> None:
    run = answer["run"]["id"]
    digits = run.replace("-", "")[:length]
    text = next(run[:end] for end in range(len(run) + 1) if run[:end].replace("-", "") == digits) if dashes else digits
    assert answer["run"]["name"] in found(api, text)
    assert answer["run"]["name"] in found(api, text.upper())
    assert found(api, f"runs/{text}…") == [answer["run"]["name"]]


def test_ids_of_what_is_no_node_are_found_too(api: httpx.Client, answer: dict[str, Any]) -> None:
    for path in ("/models/churn", "/datasets/churn-train"):
        record = api.get(path).json()
        assert found(api, record["id"]) == [record["name"]]


def test_the_beginning_of_a_digest_is_enough_and_lists_all(api: httpx.Client, answer: dict[str, Any]) -> None:
    beginning = "sha256:" + "abcdef012345"
    for model, end in (("one", "0"), ("two", "f")):
        document = make_document(model, datasets=[])
        document["version"] = {"artifacts": [{"uri": "x", "digest": (beginning + "7").ljust(71, end)}]}
        assert api.post("/ingest", json=document).status_code == 201
    assert found(api, beginning) == ["models/one/versions/1", "models/two/versions/1"]
    assert found(api, beginning.upper().replace("SHA", "sha") + "…") == ["models/one/versions/1", "models/two/versions/1"]
    assert found(api, beginning + "70") == ["models/one/versions/1"]
    assert found(api, beginning + "7f") == ["models/two/versions/1"]
    assert found(api, digest_of("train")[:40]) == [DATA]
    assert refusal(api, beginning + "6") == (404, "not_found")


@pytest.mark.parametrize("identifier", ["sha256:", "sha256:9f86d081884", "0198c1d", "sha256:" + "a" * 65, "churn", "a/b/c"])
def test_what_is_too_short_or_no_form_is_refused(api: httpx.Client, answer: dict[str, Any], identifier: str) -> None:
    assert refusal(api, identifier) == (422, "bad_reference")


@pytest.mark.parametrize("wildcard", ["%", "_", "%25", "*", "?", "\\"])
def test_wildcards_mean_themselves(api: httpx.Client, answer: dict[str, Any], wildcard: str) -> None:
    run, digest = answer["run"]["id"], digest_of("a")
    texts = [
        digest[:19] + wildcard, digest[:40] + wildcard + digest[41:], run[:8] + wildcard, wildcard * 12, f"mlflow_run:{wildcard}",
        URI.replace("churn", wildcard), f"oci:{wildcard}{IMAGE}",
    ]  # fmt: skip
    assert [text for text in texts if refusal(api, text)[0] not in {404, 422}] == []


def test_a_reference_stays_exact(api: httpx.Client, answer: dict[str, Any]) -> None:
    short = digest_of("a")[:20]
    for text in (short, URI, f"registry.example:5000/team/churn@{IMAGE}", answer["run"]["id"][:13]):
        assert found(api, text)
        assert refusal(api, text, exact=True)[0] in {404, 422}, text
        assert api.get(f"/lineage/{text.replace('%', '%25').replace('/', '%2F')}").status_code in {404, 422}
        document = make_document()
        document["version"]["parents"] = [text]
        assert api.post("/ingest", json=document).status_code in {409, 422}
    assert found(api, digest_of("a"), exact=True) == [VERSION]


def test_many_are_resolved_in_order_each_for_itself(api: httpx.Client, answer: dict[str, Any]) -> None:
    wanted = [digest_of("a"), "a/b/c", "mlflow_run:none", "", "x" * 4097, digest_of("train")[:19], digest_of("a"), "churn/1"]
    response = api.post("/resolve", json={"identifiers": wanted})
    assert response.status_code == 200, response.text
    items = response.json()["items"]
    assert [item["identifier"] for item in items] == wanted
    names = [[match["name"] for match in item["matches"]] for item in items]
    assert names == [[VERSION], [], [], [], [], [DATA], [VERSION], [VERSION]]
    assert ["error" in item for item in items] == [False, True, False, True, True, False, False, False]
    assert items[0]["matches"][0] == {"kind": "model_version", "name": VERSION, "id": answer["version"]["id"]}
    assert api.post("/resolve", json={"identifiers": []}).json() == {"items": []}


@pytest.mark.parametrize("body", [{"identifiers": ["x"] * 1001}, {"identifiers": [1]}, {"identifiers": "x"}, {}, ["x"]])
def test_a_malformed_list_is_refused(api: httpx.Client, body: Any) -> None:
    assert api.post("/resolve", json=body).status_code == 422


def test_more_matches_than_are_shown_are_told_of(api: httpx.Client) -> None:
    for number in range(102):
        document = make_document(run=None, datasets=[])
        document["version"] = {"artifacts": [{"uri": "s3://same", "digest": digest_of("same")}], "parameters": {"n": number}}
        assert api.post("/ingest", json=document).status_code == 201
    for text in (digest_of("same"), digest_of("same")[:19], "s3://same"):
        body = api.get("/resolve", params={"identifier": text}).json()
        assert (len(body["items"]), body["truncated"]) == (100, True), text
        assert body["items"][0]["name"] == VERSION
    assert api.post("/resolve", json={"identifiers": [digest_of("same")]}).json()["items"][0]["truncated"]


@pytest.fixture
def statements(registry: Registry) -> Iterator[list[str]]:
    """The statements that this thread executes while reading."""
    seen: list[str] = []
    here = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.get_ident() == here:
            seen.append(statement)

    sa.event.listen(registry.database._reading, "before_cursor_execute", note)
    yield seen
    sa.event.remove(registry.database._reading, "before_cursor_execute", note)


def test_a_thousand_take_as_few_statements_as_two(registry: Registry, caller: Caller, statements: list[str]) -> None:
    def forms(number: int) -> list[str]:
        return [
            digest_of(str(number)), f"git:{number:040x}", f"mlflow_run:{number}", f"s3://models/{number}", f"models/m{number}",
            f"oci:{digest_of(str(number))}", f"churn/{number + 1}", f"churn@a{number}", f"datasets/d{number}/versions/latest",
        ]  # fmt: skip

    counts = []
    for size in (1, 100):
        statements.clear()
        with registry.database.read() as connection:
            texts = [text for number in range(size) for text in forms(number)]
            assert len(resolving.resolve_many(connection, caller.namespace_id, texts)) == len(texts)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 14
    statements.clear()
    with registry.database.read() as connection:
        beginnings = [f"sha256:{number:012x}" for number in range(500)] + [f"{number:08x}" for number in range(500)]
        resolving.resolve_many(connection, caller.namespace_id, beginnings)
    assert len(statements) <= 50


def test_a_dataset_is_found_by_where_it_is_kept(api: httpx.Client) -> None:
    document = make_document()
    document["datasets"] = [{**entry, "uri": f"s3://data/{entry['name']}"} for entry in document["datasets"]]
    assert api.post("/ingest", json=document).status_code == 201
    items = api.get("/resolve", params={"identifier": "s3://data/churn-train"}).json()["items"]
    assert [item["name"] for item in items] == ["datasets/churn-train/versions/1"]
