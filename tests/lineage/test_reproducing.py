"""What it takes to make a version again, how complete that is, and whether a re-run did; on both engines."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.lineage.conftest import external, ingest, version

if TYPE_CHECKING:
    import httpx

COMMIT = "c0ffee" * 6 + "abcd"


def digest(digit: str) -> str:
    return f"sha256:{digit * 64}"


def training() -> dict[str, Any]:
    """A document of which nothing is missing."""
    data = {"name": "rows", "digest": digest("d"), "uri": "s3://data/rows.csv"}
    environment = {
        "python": "3.12.1",
        "implementation": "CPython",
        "packages": {"numpy": "2.1.0"},
        "packages_digest": digest("e"),
        "container": f"registry.example/train@{digest('f')}",
        "hardware": {"cpu_count": 8},
    }
    code = {
        "repository": "https://git.example/team/train",
        "commit": COMMIT,
        "dirty": False,
        "command": "python train.py --lr 0.1",
    }
    made = version("churn", digest="1", parameters={"lr": 0.1, "warm": True}, metrics=[{"name": "auc", "value": 0.9}])
    return made | {"run": {"job": "train", "seed": 7, "code": code, "environment": environment}, "datasets": [data]}


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The document with other values at these places, written with dots."""
    document = copy.deepcopy(training())
    for place, value in changes:
        *way, last = place.split(".")
        part: Any = document
        for name in way:
            part = part[int(name)] if name.isdigit() else part[name]
        part[int(last) if last.isdigit() else last] = value
    return document


def recipe(client: httpx.Client, number: int | str = 1, model: str = "churn") -> dict[str, Any]:
    answer = client.get(f"/models/{model}/versions/{number}/recipe")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def verify(client: httpx.Client, document: dict[str, Any], *tolerance: str) -> dict[str, Any]:
    """The verification of what this document registers, after the complete one."""
    ingest(client, training())
    ingest(client, document)
    answer = client.get("/models/churn/versions/1/recipe/verification", params={"other": "churn/2", "tolerance": list(tolerance)})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_recipe_holds_what_was_recorded(api: httpx.Client) -> None:
    ingest(api, version("base", digest="b"))
    parents = [{"ref": "base/1", "relation": "finetuned-from"}, external("huggingface:org/model")]
    ingest(api, changed(("version.parents", parents), ("version.parameters", {"lr": 0.1, "split_seed": 3, "seeded": True})))
    found = recipe(api)
    assert found["version"] == "models/churn/versions/1"
    assert found["code"]["commit"] == COMMIT
    assert found["code"]["command"] == "python train.py --lr 0.1"
    assert found["environment"]["container"].startswith("registry.example/train@")
    assert found["seeds"] == {"run": 7, "parameters.split_seed": 3}
    data = {
        "name": "datasets/rows/versions/1",
        "role": "training",
        "digest": digest("d"),
        "uri": "s3://data/rows.csv",
        "rows": None,
    }
    assert found["inputs"] == [data]
    base, awaited = found["parents"]
    assert (base["name"], base["recorded"], base["artifacts"][0]["digest"]) == ("models/base/versions/1", True, digest("b"))
    assert (awaited["name"], awaited["recorded"], awaited["artifacts"]) == ("huggingface:org/model", False, [])
    assert [(metric["label"], metric["value"]) for metric in found["metrics"]] == [("auc", 0.9)]
    assert found["completeness"]["missing"] == ["parents' artifacts"]
    assert found["completeness"]["score"] == 0.95


def test_a_parent_that_arrives_brings_its_artifacts(api: httpx.Client) -> None:
    ingest(api, changed(("version.parents", [external("huggingface:org/model")])))
    ingest(api, version("base", digest="b", identifiers={"huggingface": "org/model"}))
    (parent,) = recipe(api)["parents"]
    assert (parent["name"], parent["recorded"], parent["artifact_count"]) == ("models/base/versions/1", True, 1)


def test_the_score_is_of_what_applies(api: httpx.Client) -> None:
    ingest(api, training())
    whole = recipe(api)["completeness"]
    assert (whole["score"], whole["missing"]) == (1.0, [])
    assert {line["name"] for line in whole["items"] if line["state"] == "not_applicable"} == {"parents' artifacts"}
    assert sum(line["weight"] for line in whole["items"]) == 100


@pytest.mark.parametrize(
    ("place", "value", "missing", "gaps"),
    [
        ("run.code.commit", None, "commit", ["code.commit"]),
        ("run.code.repository", None, "repository", ["code.repository"]),
        ("run.code.dirty", True, "clean", ["code.dirty"]),
        ("run.code.dirty", None, "clean", ["code.dirty"]),
        ("run.code.command", None, "command", ["code.command"]),
        ("run.environment.python", None, "python", ["environment.python"]),
        ("run.environment.container", None, "container", ["environment.container"]),
        ("run.environment.hardware", {}, "hardware", ["environment.hardware"]),
        ("run.seed", None, "seeds", ["seeds"]),
        ("version.parameters", {}, "parameters", ["parameters"]),
        ("datasets.0.digest", None, "input digests", ["datasets/rows/versions/1"]),
        ("datasets.0.uri", None, "input locations", ["datasets/rows/versions/1"]),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    api: httpx.Client, place: str, value: Any, missing: str, gaps: list[str]
) -> None:
    ingest(api, changed((place, value)))
    found = recipe(api)["completeness"]
    (line,) = (line for line in found["items"] if line["state"] == "missing")
    assert (found["missing"], line["name"], line["gaps"]) == ([missing], missing, gaps)
    assert line["remedy"]
    assert found["score"] == round(1 - line["weight"] / 95, 4)


def test_a_version_without_a_run_has_a_recipe_that_is_nearly_empty(api: httpx.Client) -> None:
    ingest(api, version("bare"))
    found = recipe(api, "latest", "bare")
    assert (found["run"], found["completeness"]["score"]) == (None, 0.0)
    assert found["completeness"]["missing"][0] == "commit"
    assert api.get("/models/bare/versions/2/recipe").status_code == 404


def test_the_same_again_is_reproduced(api: httpx.Client) -> None:
    found = verify(
        api,
        changed(("datasets.0.name", "copied"), ("run.environment.hardware", {"cpu_count": 2}), ("run.code.commit", COMMIT[:12])),
    )
    assert (found["reproduced"], found["failed"]) == (True, [])
    assert {check["verdict"] for check in found["checks"].values()} == {"same"}
    assert found["artifacts"]["verdict"] == "identical"
    assert [note["name"] for note in found["notes"]] == ["environment.hardware"]


@pytest.mark.parametrize(
    ("place", "value", "failed", "verdict"),
    [
        ("datasets.0.digest", digest("0"), "inputs", "different"),
        ("datasets.0.role", "test", "inputs", "different"),
        ("version.parents", [external("huggingface:org/model")], "parents", "different"),
        ("run.code.commit", "a" * 40, "code", "different"),
        ("run.code.commit", None, "code", "unknown"),
        ("run.code.dirty", True, "code", "unknown"),
        ("version.parameters.lr", 0.2, "parameters", "different"),
        ("version.parameters.warm", 1, "parameters", "different"),
        ("version.parameters", {"lr": 0.1}, "parameters", "different"),
        ("run.seed", 8, "seeds", "different"),
        ("run.environment.python", "3.11.0", "environment", "different"),
        ("run.environment.container", None, "environment", "different"),
        ("run.environment.packages_digest", digest("9"), "environment", "different"),
        ("version.metrics", [{"name": "auc", "value": 0.91}], "metrics", "different"),
        ("version.metrics", [{"name": "loss", "value": 0.9}], "metrics", "different"),
    ],
)
def test_what_is_not_as_it_was_is_found(api: httpx.Client, place: str, value: Any, failed: str, verdict: str) -> None:
    found = verify(api, changed((place, value)))
    assert (found["reproduced"], found["failed"]) == (False, [failed])
    check = found["checks"][failed]
    assert check["verdict"] == verdict
    assert bool(check["differences"]) == (verdict == "different")
    assert bool(check["reason"]) == (verdict == "unknown")


def test_packages_that_differ_are_named(api: httpx.Client) -> None:
    found = verify(
        api, changed(("run.environment.packages", {"numpy": "2.2.0"}), ("run.environment.packages_digest", digest("9")))
    )
    assert found["checks"]["environment"]["differences"] == [{"name": "numpy", "original": "2.1.0", "rerun": "2.2.0"}]


@pytest.mark.parametrize(
    ("tolerance", "value", "reproduced"),
    [
        (("0.01",), 0.91, True),
        (("0.01",), 0.9100001, False),
        (("0.01",), 0.89, True),
        (("0.01", "auc=0.005"), 0.91, False),
        (("auc=0.02",), 0.91, True),
        (("0", "auc=0.02", "0.001"), 0.91, True),
        ((), 0.9000000000000001, False),
    ],
)
def test_metrics_may_lie_apart_as_far_as_is_said(
    api: httpx.Client, tolerance: tuple[str, ...], value: float, reproduced: bool
) -> None:
    found = verify(api, changed(("version.metrics", [{"name": "auc", "value": value}])), *tolerance)
    assert found["reproduced"] is reproduced
    (measured,) = found["checks"]["metrics"]["values"]
    assert measured["within"] is reproduced


def test_artifacts_are_told_and_decide_nothing(api: httpx.Client) -> None:
    other = [{"uri": "s3://models/other", "digest": digest("2")}]
    found = verify(api, changed(("version.artifacts", other)))
    assert found["reproduced"] is True
    assert found["artifacts"] == {"verdict": "different", "only_original": [digest("1")], "only_rerun": [digest("2")]}
    ingest(api, changed(("version.artifacts", [{"uri": "s3://models/bare"}])))
    answer = api.get("/models/churn/versions/1/recipe/verification", params={"other": "latest"})
    assert answer.json()["artifacts"]["verdict"] == "unknown"


def test_without_metrics_identical_artifacts_are_enough(api: httpx.Client) -> None:
    for digit in "112":
        ingest(api, changed(("version.metrics", []), ("version.artifacts.0.digest", digest(digit))))
    for other, reproduced in ((2, True), (3, False)):
        answer = api.get("/models/churn/versions/1/recipe/verification", params={"other": other}).json()
        assert (answer["reproduced"], answer["checks"]["metrics"]["verdict"]) == (reproduced, "unknown")


def test_inputs_without_digests_prove_nothing(api: httpx.Client) -> None:
    ingest(api, changed(("datasets.0.digest", None)))
    ingest(api, changed(("datasets.0", {"ref": "datasets/rows/versions/1"})))
    answer = api.get("/models/churn/versions/1/recipe/verification", params={"other": "2"}).json()
    assert answer["failed"] == ["inputs"]
    assert "datasets/rows/versions/1" in answer["checks"]["inputs"]["reason"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"other": "churn/1"}, "same_version"),
        ({"other": "twin/1"}, "same_run"),
        ({"other": "datasets/rows/versions/1"}, "wrong_kind"),
        ({"other": "2", "tolerance": "-1"}, "bad_tolerance"),
        ({"other": "2", "tolerance": "nan"}, "bad_tolerance"),
        ({"other": "2", "tolerance": "1e999"}, "bad_tolerance"),
        ({"other": "2", "tolerance": "auc=much"}, "bad_tolerance"),
        ({"other": "2", "tolerance": "=1"}, "bad_tolerance"),
        ({"other": "2", "tolerance": "uac=0.1"}, "unknown_metric"),
    ],
)
def test_what_cannot_be_verified_is_refused(api: httpx.Client, parameters: dict[str, str], code: str) -> None:
    run = ingest(api, training())["run"]["name"]
    ingest(api, training())
    ingest(api, version("twin") | {"run": {"ref": run}})
    answer = api.get("/models/churn/versions/1/recipe/verification", params=parameters)
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == [code]
    assert api.get("/models/churn/versions/1/recipe/verification", params={"other": "churn/9"}).status_code == 404
