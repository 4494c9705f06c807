"""What happened to records, and how they were: by time, by tree size, with values that were large or personal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from studbook.testing import make_document

if TYPE_CHECKING:
    import httpx

    from tests.audit.conftest import Site


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tree_size(client: httpx.Client) -> int:
    return int(get(client, "/audit/shards")["items"][0]["size"])


def logged_size(client: httpx.Client) -> int:
    """The size of the tree once everything that was written stands in it."""
    event = get(client, "/audit/events", page_size=1)["items"][0]["id"]
    assert client.get(f"/audit/receipts/{event}", params={"wait": "proof"}).status_code == 200
    return tree_size(client)


def test_a_model_and_its_aliases_are_shown_as_they_were(site: Site) -> None:
    with site.open() as client:
        for _ in range(2):
            client.post("/ingest", json=make_document())
        client.patch("/models/churn", json={"owners": [{"name": "Ada", "email": "ada@example.org"}]})
        client.put("/models/churn/aliases/champion", json={"version": 1})
        size, before = logged_size(client), get(client, "/models/churn")
        client.put("/models/churn/aliases/champion", json={"version": 2})
        client.patch("/models/churn", json={"owners": [{"name": "Eve", "email": None}], "description": "new"})
        client.post("/ingest", json=make_document())
        for as_of in (str(size), f"1:{size}", before["updated_at"]):
            assert get(client, "/models/churn", as_of=as_of) == before
            assert get(client, "/models/churn/versions/@champion", as_of=as_of)["number"] == 1
            assert get(client, "/models/churn/versions/latest", as_of=as_of)["number"] == 2
            assert get(client, "/models/churn/versions/1", as_of=as_of)["aliases"] == ["champion"]
            assert client.get("/models/churn/versions/3", params={"as_of": as_of}).status_code == 404
        assert get(client, "/models/churn/versions/latest")["number"] == 3
        run = get(client, "/runs")["items"][0]["id"]
        assert client.get(f"/runs/{run}", params={"as_of": size}).status_code == 404
        assert get(client, f"/runs/{run}", as_of=logged_size(client))["id"] == run
        assert get(client, "/datasets/churn-train/versions/1", as_of=size)["number"] == 1
        assert get(client, "/datasets/churn-train", as_of=size)["dataset"] == "churn-train"


def test_what_is_no_moment_is_refused_with_a_sentence(site: Site) -> None:
    with site.open() as client:
        client.post("/ingest", json=make_document())
        for text in ("yesterday", "99999", "2:1", "-1", "1:1:1", "9" * 30):
            answer = client.get("/models/churn", params={"as_of": text})
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_as_of"), text
        assert client.get("/models/churn", params={"as_of": "1999-01-01"}).status_code == 404
        assert client.get("/models/none", params={"as_of": "2999-01-01"}).status_code == 404


def test_the_history_of_a_record_tells_before_and_after_with_personal_values(site: Site) -> None:
    with site.open() as client:
        client.post("/ingest", json=make_document())
        client.patch("/models/churn", json={"owners": [{"name": "Ada", "email": "ada@example.org"}]})
        client.patch("/models/churn", json={"owners": [{"name": "Eve", "email": None}]})
        logged_size(client)
        items = get(client, "/models/churn/history")["items"]
        assert [item["rev"] for item in items] == [3, 2, 1]
        assert [item["action"] for item in items] == ["model.changed", "model.changed", "model.registered"]
        assert items[0]["before"]["owners"] == [{"name": "Ada", "email": "ada@example.org"}] == items[1]["after"]["owners"]
        assert items[0]["after"]["owners"] == [{"name": "Eve", "email": None}]
        entry = client.get(f"/audit/events/{items[0]['id']}/entry").text
        assert "Ada" not in entry
        assert "Eve" not in entry
        first = get(client, "/models/churn/history", page_size=2)
        rest = get(client, "/models/churn/history", page_size=2, page_token=first["next_page_token"])
        assert [*first["items"], *rest["items"]] == items
        for path in (
            "/datasets/churn-train/history",
            "/datasets/churn-train/versions/1/history",
            "/models/churn/versions/1/history",
        ):
            assert len(get(client, path)["items"]) == 1
        assert client.get("/models/none/history").status_code == 404


def test_events_are_found_by_actor_subject_action_and_time(site: Site) -> None:
    with site.open() as client:
        client.post("/ingest", json=make_document())
        client.put("/models/churn/aliases/champion", json={"version": 1})
        event = get(client, "/audit/events", action="alias.set")["items"][0]
        assert event["subject"] == "models/churn"
        assert event["before"]["aliases"] == {}
        assert event["after"]["aliases"] == {"champion": 1}
        for query in (
            {"subject": "models/churn", "action": "alias.set"},
            {"subject": event["subject_id"], "action": "alias.set"},
            {"actor": "local", "action": "alias.set", "since": event["occurred_at"]},
        ):
            assert [item["id"] for item in get(client, "/audit/events", **query)["items"]] == [event["id"]], query
        assert len(get(client, "/audit/events", subject="logs/1")["items"]) == 1
        for query in ({"until": event["occurred_at"], "action": "alias.set"}, {"actor": "nobody"}, {"since": "2999-01-01"}):
            assert get(client, "/audit/events", **query)["items"] == [], query
        assert client.get("/audit/events", params={"since": "soon"}).json()["errors"][0]["code"] == "bad_time"


@pytest.mark.parametrize("size", [40_000, 90_000], ids=["too large for an entry twice", "too large for an entry"])
def test_a_record_too_large_for_an_entry_keeps_its_history_and_passes_the_check(site: Site, size: int) -> None:
    document = make_document()
    document["version"]["attributes"] = {"notes": "x" * size}
    with site.open() as client:
        assert client.post("/ingest", json=document).status_code == 201
        for text in ("first", "second"):
            assert client.patch("/models/churn/versions/1", json={"description": text}).status_code == 200
        items = get(client, "/models/churn/versions/1/history")["items"]
        assert [len(item["after"]["attributes"]["notes"]) for item in items] == [size] * 3
        assert [item["before"] and len(item["before"]["attributes"]["notes"]) for item in items] == [size, size, None]
        assert all(len(client.get(f"/audit/events/{item['id']}/entry").content) < 65_536 for item in items)
        assert len(get(client, "/models/churn/versions/1", as_of=logged_size(client))["attributes"]["notes"]) == size
    assert [finding for report in site.fsck() for finding in report.findings] == []


def test_a_personal_field_stands_in_no_entry_and_is_shown_to_readers(site: Site) -> None:
    document = make_document()
    document["version"]["description"] = "asked by Ada Lovelace"
    document["version"]["personal"] = ["/description"]
    with site.open() as client:
        assert client.post("/ingest", json=document).status_code == 201
        version = get(client, "/models/churn/versions/1")
        assert version["description"] == "asked by Ada Lovelace"
        event = get(client, "/models/churn/versions/1/history")["items"][0]
        assert event["after"]["description"] == "asked by Ada Lovelace"
        assert "Lovelace" not in client.get(f"/audit/events/{event['id']}/entry").text
        assert list(event["private"]) == ["/after/description"]
    assert [finding for report in site.fsck() for finding in report.findings] == []
