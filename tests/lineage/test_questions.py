"""What is asked of the graph: parts of it, ways, impact, time; on both engines."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from studbook.storage.dialects import id_text
from studbook.storage.graph import Reach
from tests.lineage.conftest import edges, external, ingest, version

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def family(api: httpx.Client) -> httpx.Client:
    """A base, two tuned from it, one merged from both, evaluated and deployed; data before the base."""
    data = {"name": "corpus", "digest": "sha256:" + "c" * 64, "license": "cc-by-4.0", "sensitivity": "personal"}
    base = version("base", digest="1") | {"run": {"job": "pretrain"}, "datasets": [data]}
    base["model"]["owners"] = [{"name": "Ada"}]
    ingest(api, base)
    for name in ("left", "right"):
        ingest(api, version(name, {"ref": "base/1", "relation": "finetuned-from"}))
    parents = [{"ref": f"{name}/1", "relation": "merged-from"} for name in ("left", "right")]
    merged = version("merged", *parents)
    merged["model"]["owners"] = [{"name": "Bo"}, {"name": "=Cy"}]
    ingest(api, merged)
    assert api.put("/models/merged/aliases/champion", json={"version": 1}).status_code == 200
    assert api.post("/deployments", json={"version": "merged/1", "target": "prod/eu"}).status_code == 201
    return api


def get(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(f"/lineage/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer: dict[str, Any]) -> list[str]:
    return [node["name"].removeprefix("models/").removesuffix("/versions/1") for node in answer["nodes"]]


def test_relations_that_are_followed_and_kinds_that_are_shown(family: httpx.Client) -> None:
    tuned = get(family, "models/merged/versions/1", direction="upstream", depth=99, relation=["merged-from"])
    assert names(tuned) == ["merged", "left", "right"]
    data = get(family, "models/merged/versions/1", direction="upstream", depth=99, kind=["dataset_version"])
    assert [(node["name"], node["distance"]) for node in data["nodes"]] == [
        ("models/merged/versions/1", 0),
        ("datasets/corpus/versions/1", -4),
    ]
    assert [(edge["source"], edge["target"], edge["relation"]) for edge in data["edges"]] == [
        ("datasets/corpus/versions/1", "models/merged/versions/1", "through")
    ]
    both = get(family, "models/left/versions/1", depth=99, kind=["dataset_version", "deployment"])
    assert {(edge["source"].split("/")[0], edge["target"].split("/")[0]) for edge in both["edges"]} == {
        ("datasets", "models"),
        ("models", "deployments"),
    }
    assert family.get("/lineage/merged%2F1", params={"kind": "model"}).status_code == 422


def test_depth_and_limit_say_when_more_is_there(family: httpx.Client) -> None:
    for depth, found, truncated in ((0, 1, True), (1, 3, True), (2, 4, True), (4, 6, False), (9, 6, False), (1000, 6, False)):
        answer = get(family, "models/merged/versions/1", direction="upstream", depth=depth)
        assert (len(answer["nodes"]), answer["truncated"]) == (found, truncated), depth
    for depth in (4, 1000):
        answer = get(family, "models/merged/versions/1", direction="upstream", depth=depth, limit=2)
        assert (len(answer["nodes"]), answer["truncated"]) == (3, True)
    bare = get(family, "models/merged/versions/1", depth=1000, edges=False)
    assert (bare["edges"], len(bare["nodes"]), bare["truncated"]) == ([], 7, False)
    few = get(family, "models/merged/versions/1", depth=1000, edges=False, limit=2, direction="upstream")
    assert (names(few)[0], len(few["nodes"]), few["truncated"]) == ("merged", 3, True)


def test_a_walk_by_levels_and_one_in_a_single_statement_see_the_same(family: httpx.Client) -> None:
    shallow = get(family, "models/base/versions/1", depth=8)
    deep = get(family, "models/base/versions/1", depth=9)
    assert sorted(shallow["nodes"], key=str) == sorted(deep["nodes"], key=str)
    assert sorted(shallow["edges"], key=str) == sorted(deep["edges"], key=str)


def test_the_shortest_way_and_all_of_them(family: httpx.Client) -> None:
    ingest(family, version("short", {"ref": "base/1"}, {"ref": "merged/1"}))
    one = get(family, "paths", **{"from": "base/1", "to": "short/1"})
    assert (one["direction"], one["paths"]) == ("downstream", [["models/base/versions/1", "models/short/versions/1"]])
    every = get(family, "paths", **{"from": "short/1", "to": "base/1", "all": True})
    assert (every["direction"], [len(way) for way in every["paths"]], every["truncated"]) == ("upstream", [2, 4, 4], False)
    assert {edge["relation"] for edge in every["edges"]} == {"retrained-from", "merged-from", "finetuned-from"}
    first = get(family, "paths", **{"from": "base/1", "to": "short/1", "all": True, "limit": 2})
    assert ([len(way) for way in first["paths"]], first["truncated"]) == ([2, 4], True)
    apart = get(family, "paths", **{"from": "left/1", "to": "right/1"})
    assert (apart["direction"], apart["paths"], apart["truncated"]) == (None, [], False)


def test_ways_without_number_are_not_all_walked(api: httpx.Client) -> None:
    """Forty diamonds one after the other: 2^40 ways."""
    ingest(api, version("d0"))
    for step in range(40):
        for side in "ab":
            ingest(api, version(f"{side}{step}", {"ref": f"d{step}/1"}))
        ingest(api, version(f"d{step + 1}", {"ref": f"a{step}/1"}, {"ref": f"b{step}/1"}))
    answer = get(api, "paths", **{"from": "d0/1", "to": "d40/1", "all": True, "limit": 7})
    assert ([len(way) for way in answer["paths"]], answer["truncated"]) == ([81] * 7, True)


def test_what_two_have_in_common(family: httpx.Client) -> None:
    shared = get(family, "shared", first="left/1", second="right/1")
    nearest = shared["ancestors"][0]
    assert (nearest["name"], nearest["kind"], nearest["distances"]) == ("models/base/versions/1", "model_version", [1, 1])
    assert [entry["nearest"] for entry in shared["ancestors"]] == [True, False, False]
    assert get(family, "shared", first="base/1", second="merged/1")["ancestors"][0]["distances"] == [0, 2]


def test_the_impact_of_data_names_what_is_served_and_who_answers(family: httpx.Client) -> None:
    impact = get(family, "datasets/corpus/versions/1/impact")
    assert impact["counts"] == {"active_deployments": 1, "deployment": 1, "model_version": 4, "run": 1}
    assert impact["owners"] == ["=Cy", "Ada", "Bo"]
    assert (impact["reached"][-1]["target"], impact["reached"][-1]["status"]) == ("prod/eu", "active")
    assert impact["reached"][-2]["aliases"] == ["champion"]
    answer = family.get("/lineage/datasets/corpus/versions/1/impact", params={"format": "csv"})
    assert (answer.headers["content-type"].split(";")[0], answer.headers["Studbook-Truncated"]) == ("text/csv", "false")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["name"] for row in rows] == [line["name"] for line in impact["reached"]]
    assert rows[-1]["owners"] == "Bo; =Cy"
    lone = get(family, f"{quote('merged/1', safe='')}/impact")
    assert [line["kind"] for line in lone["reached"]] == ["deployment"]


def test_licenses_and_sensitivities_flow_down(family: httpx.Client) -> None:
    inherited = get(family, "models/merged/versions/1/inherited")
    assert inherited["licenses"][0]["license"] == "cc-by-4.0"
    (found,) = inherited["sensitivities"]
    assert (found["sensitivity"], found["datasets"][0]["name"]) == ("personal", "datasets/corpus/versions/1")
    assert len(found["datasets"][0]["path"]) == 4


def test_edges_are_withdrawn_and_the_past_keeps_them(family: httpx.Client) -> None:
    before = get(family, "models/merged/versions/1", direction="upstream", depth=99)
    drawn = {(edge["source"], edge["target"]) for edge in before["edges"]}
    record = family.get("/models/merged/versions/1").json()
    wanted = {"source": "left/1", "target": "merged/1", "relation": "merged-from", "reason": "left was not in the recipe"}
    answer = family.post("/lineage/edges:withdraw", json=wanted, params={"wait": "proof"})
    assert (answer.status_code, [edge["source"] for edge in answer.json()["edges"]]) == (200, ["models/left/versions/1"])
    assert family.post("/lineage/edges:withdraw", json=wanted).status_code == 404
    now = get(family, "models/merged/versions/1", direction="upstream", depth=99)
    assert names(now) == ["merged", "right", "base", *names(now)[3:]]
    after = family.get("/models/merged/versions/1").json()
    assert after["parents"] == record["parents"]
    (edge,) = get(family, "edges", source="left/1", target="merged/1")["edges"]
    assert edge["until"]["action"] == "lineage.withdrawn"
    assert edge["since"]["time"] < edge["until"]["time"]
    moment = edge["until"]["time"]
    size = edge["until"]["index"]
    for depth in (8, 99):
        earlier = get(family, "models/merged/versions/1", direction="upstream", depth=depth, as_of=record["created_at"])
        assert {(edge["source"], edge["target"]) for edge in earlier["edges"]} == drawn
        assert [edge["until"] for edge in earlier["edges"] if edge["source"] == "models/left/versions/1"] == [moment]
        by_size = get(family, "models/merged/versions/1", direction="upstream", depth=depth, as_of=str(size))
        assert by_size["edges"] == earlier["edges"]
        late = get(family, "models/merged/versions/1", direction="upstream", depth=depth, as_of=moment)
        assert len(late["edges"]) == len(now["edges"])
    again = {"source": "left/1", "target": "merged/1", "relation": "merged-from"}
    assert family.post("/lineage/edges", json=again).status_code == 201
    assert family.post("/lineage/edges:withdraw", json=wanted).status_code == 200
    assert len(get(family, "edges", source="left/1", target="merged/1")["edges"]) == 2
    differs = get(family, "diff", **{"from": "merged/1", "from_as_of": record["created_at"]})
    assert [node["name"] for node in differs["nodes"]["removed"]] == ["models/left/versions/1"]
    assert differs["nodes"]["added"] == []


def test_two_lineages_are_compared(family: httpx.Client) -> None:
    differs = get(family, "diff", **{"from": "left/1", "to": "merged/1"})
    assert [node["name"] for node in differs["nodes"]["added"]] == ["models/left/versions/1", "models/right/versions/1"]
    assert (differs["nodes"]["removed"], differs["nodes"]["common"]) == ([], 3)
    assert {edge["target"] for edge in differs["edges"]["removed"]} == {"."}


def test_what_changed_between_two_versions_is_named(api: httpx.Client) -> None:
    for rate, commit in ((0.1, "a" * 40), (0.2, "b" * 40)):
        ingest(api, version("m", parameters={"rate": rate}) | {"run": {"code": {"commit": commit}, "seed": 1}})
    assert api.get("/diff", params={"from": "m/1", "to": "m/2"}).json()["causes"] == ["code", "parameters"]


def test_only_administrators_withdraw_and_relations_lead_where_they_should(family: httpx.Client) -> None:
    for body, code in (
        ({"source": "base/1", "target": "base/1", "relation": "merged-from"}, "lineage_cycle"),
        ({"source": "merged/1", "target": "base/1", "relation": "merged-from"}, "lineage_cycle"),
        ({"source": "datasets/corpus/versions/1", "target": "base/1", "relation": "merged-from"}, "wrong_kind"),
        ({"source": "base/1", "target": "merged/1", "relation": "input"}, "unknown_relation"),
        ({"source": "base/1", "target": "merged/1", "relation": "copy-of"}, "wrong_kind"),
        ({"source": "models/base", "target": "merged/1", "relation": "merged-from"}, "wrong_kind"),
    ):
        refused = family.post("/lineage/edges", json=body)
        assert refused.json()["errors"][0]["code"] == code, (body, refused.text)
    drawn = {"source": "base/1", "target": "merged/1", "relation": "distilled-from"}
    assert len(family.post("/lineage/edges", json=drawn).json()["edges"]) == 1
    repeated = family.post("/lineage/edges", json=drawn).json()
    assert (repeated["edges"], repeated["events"]) == ([], [])


def test_sources_stand_side_by_side(api: httpx.Client) -> None:
    ingest(api, version("base", identifiers={"huggingface": "x/base"}))
    ingest(api, version("tuned", external("huggingface:x/base", basis="derived")))
    assert (
        api.post("/lineage/edges", json={"source": "base/1", "target": "tuned/1", "relation": "finetuned-from"}).status_code
        == 201
    )
    assert {edge[3] for edge in edges(api, "models/tuned/versions/1")} == {"derived", "declared"}
    gone = {"source": "base/1", "target": "tuned/1", "basis": "declared", "reason": "said in error"}
    assert api.post("/lineage/edges:withdraw", json=gone).status_code == 200
    assert {edge[3] for edge in edges(api, "models/tuned/versions/1")} == {"derived"}


@pytest.mark.parametrize("name", ["a b/c", "ü%2F", "x:y//z", "-->", "impact", "../up", "a?b#c"])
def test_names_of_any_kind_are_walked_to(api: httpx.Client, name: str) -> None:
    ingest(api, {"datasets": [{"name": name, "digest": "sha256:" + "1" * 64}]})
    ingest(api, version("m") | {"run": {}, "datasets": [{"name": name, "digest": "sha256:" + "1" * 64}]})
    found = f"datasets/{quote(name, safe=':')}/versions/1"
    assert [node["name"] for node in get(api, "models/m/versions/1", direction="upstream")["nodes"]][-1] == found
    assert names(get(api, found, direction="downstream"))[-1] == "m"
    assert [line["name"] for line in get(api, f"{found}/impact")["reached"]] == ["models/m/versions/1"]


def test_a_time_before_the_log_began_and_a_wrong_one_are_refused(family: httpx.Client) -> None:
    assert family.get("/lineage/models/base/versions/1", params={"as_of": "soon"}).status_code == 400
    assert family.get("/lineage/models/base/versions/1", params={"as_of": "0"}).status_code == 400
    early = get(family, "models/base/versions/1", as_of="2001-01-01")
    assert names(early) == ["base"]


def test_ids_are_read_as_the_database_gives_them() -> None:
    text = "0198e9a2-5f3c-7c1e-8a44-0123456789ab"
    assert id_text(text) == id_text(bytes.fromhex(text.replace("-", ""))) == text
    assert Reach(upstream=True).shape() == Reach(upstream=True)
