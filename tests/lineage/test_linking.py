"""The lineage that draws itself: references to what arrives later, digests, jobs, data made from data; on both engines."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from studbook.domain.names import parse_reference
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.rebuilding import rebuild
from studbook.services.lineage import linking
from studbook.services.lineage.linking import link_backlog
from studbook.storage import graph
from studbook.storage.references import find_records
from tests.lineage.conftest import edges, external, ingest, version

if TYPE_CHECKING:
    import httpx

    from studbook.services.registry import Registry

BASE = version("base", identifiers={"huggingface": "org/base"}, digest="1")
TUNED = version("tuned", external("huggingface:org/base"), identifiers={"huggingface": "org/tuned"})
ADAPTER = version("adapter", external("huggingface:org/tuned", "adapter-of"), identifiers={"huggingface": "org/adapter"})
MERGED = version(
    "merged",
    external("huggingface:org/tuned", "merged-from"),
    external("huggingface:org/adapter", "merged-from", basis="derived"),
    digest="5",
)
QUANTIZED = version("quantized", external("sha256:" + "5" * 64, "quantized-from"))
FAMILY = {"base": BASE, "tuned": TUNED, "adapter": ADAPTER, "merged": MERGED, "quantized": QUANTIZED}
DRAWN = {
    ("base", "tuned", "finetuned-from", "declared"),
    ("tuned", "adapter", "adapter-of", "declared"),
    ("tuned", "merged", "merged-from", "declared"),
    ("adapter", "merged", "merged-from", "derived"),
    ("merged", "quantized", "quantized-from", "matched"),
}


def named(drawn: set[tuple[str, str, str, str]]) -> set[tuple[str, ...]]:
    return {tuple(part.removeprefix("models/").removesuffix("/versions/1") for part in edge) for edge in drawn}


def check(api: httpx.Client) -> None:
    """The log tells all that the tables hold."""
    registry = api._transport._registry  # type: ignore[attr-defined]
    # Once it is proven, nothing is on its way into the log any more.
    api.post("/ingest", params={"wait": "proof"}, json={"datasets": [{"name": "last"}]}).raise_for_status()
    for report in check_logs(registry.database, registry.guard):
        assert [finding.message for finding in report.findings] == []


@pytest.mark.parametrize("order", [*itertools.permutations(FAMILY)][::17])
def test_a_family_registers_in_any_order(api: httpx.Client, order: tuple[str, ...]) -> None:
    for name in order:
        ingest(api, FAMILY[name])
    assert named(edges(api, "models/base/versions/1", direction="downstream")) == DRAWN
    assert named(edges(api, "models/quantized/versions/1", direction="upstream")) == DRAWN
    assert api.get("/lineage/health").json()["references"] == {"count": 0, "items": []}
    for name in FAMILY:
        record = api.get(f"/models/{name}/versions/1").json()
        for reference in record["references"]:
            assert reference["resolved"]["name"].startswith("models/")


def test_who_arrives_is_told_whom_it_was_linked_to_and_the_log_tells_why(api: httpx.Client) -> None:
    ingest(api, TUNED)
    waiting = api.get("/lineage/health").json()["references"]
    assert waiting["items"] == [
        {"name": "models/tuned/versions/1", "ref": "huggingface:org/base", "relation": "finetuned-from", "basis": "declared"}
    ]
    unverified = api.get("/lineage/models/tuned/versions/1/inherited").json()["unverified"]
    assert unverified[0]["reason"] == "comes from huggingface:org/base, which is not recorded"
    answer = api.post("/ingest", params={"wait": "proof"}, json=BASE).json()
    assert answer["links"] == [
        {
            "source": "models/base/versions/1", "target": "models/tuned/versions/1", "relation": "finetuned-from", "role": None,
            "basis": "declared",
        }
    ]  # fmt: skip
    assert [event["action"] for event in answer["events"]][-1] == "lineage.linked"
    (edge,) = api.get("/lineage/edges", params={"source": "base/1", "target": "tuned/1"}).json()["edges"]
    assert (edge["basis"], edge["since"]["action"], edge["until"]) == ("declared", "lineage.linked", None)
    assert isinstance(edge["since"]["index"], int)
    history = api.get("/models/tuned/versions/1/history").json()["items"]
    assert history[0]["detail"] == {"reference": "huggingface:org/base", "arrived": "models/base/versions/1"}


def test_the_log_alone_rebuilds_what_was_linked_declared_and_withdrawn(api: httpx.Client, registry: Registry) -> None:
    for document in (MERGED, ADAPTER, TUNED, BASE):
        ingest(api, document)
    declared = {"source": "adapter/1", "target": "merged/1", "relation": "merged-from", "reason": "seen in its recipe"}
    assert api.post("/lineage/edges", json=declared).status_code == 201
    gone = {"source": "tuned/1", "target": "merged/1", "reason": "a false claim"}
    assert api.post("/lineage/edges:withdraw", json=gone).status_code == 200
    before = edges(api, "models/merged/versions/1")
    check(api)
    with registry.database.read() as connection:
        past = [row._asdict() for row in connection.execute(graph.withdrawn_edges.select())]
    with registry.database.work._engine.begin() as connection:
        for table in (graph.lineage_edges, graph.withdrawn_edges, graph.pending_references):
            connection.execute(table.delete())
    assert edges(api, "models/merged/versions/1") == set()
    registry.database.work.run(lambda transaction: rebuild(transaction, 1))
    assert edges(api, "models/merged/versions/1") == before
    with registry.database.read() as connection:
        assert [row._asdict() for row in connection.execute(graph.withdrawn_edges.select())] == past
    check(api)


def test_the_first_of_two_that_carry_a_digest_counts(api: httpx.Client) -> None:
    ingest(api, QUANTIZED)
    for name in ("one", "two"):
        ingest(api, version(name, digest="5"))
    assert named(edges(api, "models/quantized/versions/1")) == {("one", "quantized", "quantized-from", "matched")}
    ingest(api, version("later", external("sha256:" + "5" * 64, "quantized-from")))
    assert named(edges(api, "models/later/versions/1", direction="upstream")) == {("one", "later", "quantized-from", "matched")}


def test_parents_that_arrive_late_close_no_circle(api: httpx.Client) -> None:
    ingest(api, version("a", external("huggingface:x/c"), identifiers={"huggingface": "x/a"}))
    ingest(api, version("b", external("huggingface:x/a"), identifiers={"huggingface": "x/b"}))
    answer = ingest(api, version("c", external("huggingface:x/b"), identifiers={"huggingface": "x/c"}))
    assert answer["links"] == []
    assert [warning["code"] for warning in answer["warnings"]] == ["not_linked"]
    assert "its own ancestor" in answer["warnings"][0]["message"]
    assert named(edges(api, "models/c/versions/1")) == {
        ("a", "b", "finetuned-from", "declared"),
        ("b", "c", "finetuned-from", "declared"),
    }
    assert api.get("/lineage/health").json()["references"]["count"] == 1
    own = api.post("/ingest", json=version("d", external("huggingface:x/d"), identifiers={"huggingface": "x/d"}))
    assert (own.status_code, own.json()["errors"][0]["code"]) == (422, "lineage_cycle")


@pytest.mark.parametrize("ref", ["models/none/versions/1", "none/1", "none@best"])
def test_only_identifiers_can_arrive(api: httpx.Client, ref: str) -> None:
    refused = api.post("/ingest", json=version("a", external(ref)))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_external")
    missing = api.post("/ingest", json=version("a", {"ref": "huggingface:org/none"}))
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (422, "unknown_reference")


def test_what_waits_in_great_number_is_linked_step_by_step(
    api: httpx.Client, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_AT_ONCE", 3)
    registry.chores.close()
    api._transport._registry.chores.close()  # type: ignore[attr-defined]
    for _ in range(11):
        ingest(api, TUNED | {"version": {"parents": [external("huggingface:org/base")]}})
    assert len(ingest(api, BASE)["links"]) == 3
    assert len(edges(api, "models/base/versions/1")) == 3
    link_backlog(registry.database, threading.Event())
    assert len(edges(api, "models/base/versions/1")) == 11
    with registry.database.read() as connection:
        assert graph.list_backlog(connection, 10) == []
    assert api.get("/lineage/health").json()["references"]["count"] == 0
    check(api)


def document(name: str, digest: str, job: str = "weekly", **more: Any) -> dict[str, Any]:
    data = {"name": f"{name}-data", "digest": "sha256:" + digest * 64}
    return {"model": {"name": name}, "version": {}, "run": {"job": job}, "datasets": [data], **more}


def test_versions_of_one_job_follow_each_other_and_nothing_flows_between_them(api: httpx.Client) -> None:
    for digest in "ab":
        ingest(api, document("churn", digest))
    ingest(api, document("churn", "c", job="other"))
    ingest(api, document("churn", "d", job="other") | {"version": {"parents": ["churn/1"]}})
    assert edges(api, "models/churn/versions/4", relation="retrained-from", direction="upstream") == {
        ("models/churn/versions/1", "models/churn/versions/4", "retrained-from", "declared"),
    }
    assert edges(api, "models/churn/versions/2", relation="retrained-from", direction="upstream") == {
        ("models/churn/versions/1", "models/churn/versions/2", "retrained-from", "observed")
    }
    reached = api.get("/lineage/datasets/churn-data/versions/1/impact").json()["reached"]
    assert [line["name"] for line in reached] == ["models/churn/versions/1", "models/churn/versions/4"]
    found = api.get("/search", params={"filter": "upstream(datasets/churn-data/versions/1)"}).json()["items"]
    assert sorted(item["number"] for item in found) == [1, 4]
    inherited = {entry["node"] for entry in api.get("/lineage/models/churn/versions/2/inherited").json()["unverified"]}
    assert "models/churn/versions/1" not in inherited


def test_documents_of_one_batch_follow_each_other_too(api: httpx.Client) -> None:
    import json

    lines = "\n".join(json.dumps(document("churn", digest)) for digest in "abc")
    api.post("/ingest/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}).raise_for_status()
    assert {edge[:2] for edge in edges(api, "models/churn/versions/3", relation="retrained-from")} == {
        ("models/churn/versions/1", "models/churn/versions/2"),
        ("models/churn/versions/2", "models/churn/versions/3"),
    }


def test_the_same_bytes_are_recognised_whoever_comes_first(api: httpx.Client) -> None:
    ingest(api, version("maker", digest="a"))
    ingest(api, document("reader", "a"))
    assert ("models/maker/versions/1", "datasets/reader-data/versions/1", "copy-of", "matched") in edges(
        api, "models/reader/versions/1"
    )
    ingest(api, document("early", "b"))
    answer = ingest(api, version("late", digest="b"))
    assert [link["relation"] for link in answer["links"]] == ["copy-of"]
    assert ("models/late/versions/1", "datasets/early-data/versions/1", "copy-of", "matched") in edges(
        api, "models/early/versions/1"
    )
    ingest(api, {"datasets": [{"name": "copied", "digest": "sha256:" + "a" * 64}]})
    assert edges(api, "datasets/copied/versions/1") == {
        ("models/maker/versions/1", "datasets/copied/versions/1", "copy-of", "matched")
    }
    check(api)


def test_a_model_that_was_made_from_its_own_bytes_closes_no_circle(api: httpx.Client) -> None:
    own = document("self", "e")
    own["version"] = {"artifacts": [{"uri": "s3://x", "digest": "sha256:" + "e" * 64}]}
    answer = ingest(api, own)
    assert (answer["links"], [warning["code"] for warning in answer["warnings"]]) == ([], ["not_linked"])


def test_data_says_what_it_was_made_from(api: httpx.Client) -> None:
    raw, clean = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    other = {"name": "other", "digest": "sha256:" + "4" * 64}
    prepared = {
        "datasets": [
            {"name": "raw", "digest": raw},
            {"name": "clean", "digest": clean, "sources": [{"name": "raw", "relation": "transformed-from"}]},
            {"name": "half", "digest": "sha256:" + "3" * 64, "sources": [
                {"name": "clean", "relation": "subset-of"},
                {"ref": "huggingface:datasets/other", "relation": "joined-from", "external": True},
            ]},
        ]
    }  # fmt: skip
    ingest(api, prepared)
    ingest(api, {"datasets": [{**other, "identifiers": {"huggingface": "datasets/other"}}]})
    assert edges(api, "datasets/half/versions/1") == {
        ("datasets/raw/versions/1", "datasets/clean/versions/1", "transformed-from", "declared"),
        ("datasets/clean/versions/1", "datasets/half/versions/1", "subset-of", "declared"),
        ("datasets/other/versions/1", "datasets/half/versions/1", "joined-from", "declared"),
    }
    # What is learnt later of data that is recorded is drawn too; what would go round in a circle is told.
    later = {"datasets": [{**other, "sources": [{"ref": "datasets/raw/versions/1"}]}]}
    assert len(ingest(api, later)["links"]) == 1
    assert ingest(api, later)["links"] == []
    wrong = {"datasets": [{"name": "raw", "digest": raw, "sources": [{"ref": "datasets/half/versions/1"}]}]}
    assert [warning["code"] for warning in ingest(api, wrong)["warnings"]] == ["not_linked"]
    below = {"datasets": [{"name": "x", "sources": [{"name": "y"}]}, {"name": "y"}]}
    refused = api.post("/ingest", json=below)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/datasets/0/sources/0/name")
    model = ingest(api, document("churn", "3") | {"datasets": [{"ref": "datasets/half/versions/1"}]})
    assert model["version"]
    assert {edge[0] for edge in edges(api, "models/churn/versions/1", direction="upstream")} >= {"datasets/raw/versions/1"}
    check(api)


def test_generations_make_room_below_what_waits(api: httpx.Client, registry: Registry) -> None:
    """Who waits begins late, so that nothing has to move when it arrives."""
    ingest(api, TUNED)
    ingest(api, BASE)
    with registry.database.read() as connection:
        reference = parse_reference("tuned/1")
        assert find_records(connection, 1, [reference])[reference][0].generation >= 1_000_000


def test_a_name_without_a_commit_means_the_newest_with_one(api: httpx.Client) -> None:
    """As in a family read from the cache of a hub: snapshots have commits, and model cards name no commit."""
    first, second = (version("base", identifiers={"huggingface": f"org/base@{digit * 40}"}) for digit in "ab")
    look_alike = version("other", identifiers={"huggingface": "org/base@home"})
    ingest(api, version("early", external("huggingface:org/base")))
    ingest(api, look_alike)
    assert edges(api, "models/early/versions/1") == set()
    ingest(api, first)
    ingest(api, version("between", external("huggingface:org/base")))
    ingest(api, second)
    ingest(api, version("late", external("huggingface:org/base")))
    ingest(api, version("exact", external(f"huggingface:org/base@{'a' * 40}")))
    assert api.get("/resolve", params={"identifier": "huggingface:org/base"}).json()["items"][0]["name"].endswith("/2")
    drawn = edges(api, "models/base/versions/1") | edges(api, "models/base/versions/2")
    assert {(source[-1], target.split("/")[1]) for source, target, *_ in drawn} == {
        ("1", "early"), ("1", "between"), ("2", "late"), ("1", "exact"),
    }  # fmt: skip
