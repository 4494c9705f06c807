"""What somebody meets who uses definitions for the first time; on both engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from studbook.services.schemas.backfilling import fill
from tests.schemas.test_registering import TABULAR, changed, publish, register, registry_of

if TYPE_CHECKING:
    import httpx


def test_a_definition_that_was_inferred_takes_the_next_document_like_those_before(api: httpx.Client) -> None:
    metrics = [{"name": "auc", "value": 0.9, "split": "test"}]
    assert register(api, "churn", {"license": "MIT"}, schema=None, metrics=metrics).status_code == 201
    publish(api, api.post("/schemas:infer", json={"model": "churn", "name": "inferred"}).json())
    assert api.patch("/models/churn", json={"schema": "inferred"}).status_code == 200
    again = register(api, "churn", {"license": "MIT"}, schema="inferred", metrics=metrics)
    assert again.status_code == 201, again.text
    assert register(api, "churn", {"license": 1}, schema="inferred", metrics=metrics).status_code == 422


def found_places(api: httpx.Client, text: str) -> list[str]:
    (found,) = api.get("/search", params={"q": text}).json()["items"]
    return [highlight["pointer"] for highlight in found["highlights"]]


def test_words_are_shown_where_they_stand_in_an_attribute(api: httpx.Client) -> None:
    publish(api, TABULAR)
    register(api, "churn", {"license": "MIT", "notes": "Ranks customers for a call"}, description="nothing of it")
    assert found_places(api, "customer call") == ["/attributes/notes"]


def test_what_is_personal_is_not_shown_where_words_stand(api: httpx.Client) -> None:
    spoken = {**TABULAR, "json_schema": True}
    publish(api, spoken)
    attributes = {"license": "MIT", "notes": ["Ranks customers", "asked by Ada, who ranks them"]}
    assert register(api, "churn", attributes).status_code == 201
    assert found_places(api, "ranks") == ["/attributes/notes/0", "/attributes/notes/1"]
    # Found by its name; its notes are not searched, since a part of them is personal.
    assert register(api, "ranks-too", attributes, personal=["/attributes/notes/1"]).status_code == 201
    found = api.get("/search", params={"q": "ranks too"}).json()["items"][0]["highlights"]
    assert [highlight["pointer"] for highlight in found] == ["/model", "/attributes/notes/0"]


def test_a_facet_that_is_being_filled_says_so(api: httpx.Client) -> None:
    publish(api, TABULAR)
    register(api, "churn", {"license": "MIT", "extra": {"colour": "red"}})
    registry = registry_of(api)
    registry.chores.close()
    colour: dict[str, Any] = {"id": 20, "path": "/attributes/extra/colour", "type": "string", "store": "column", "facet": True}
    publish(api, changed(TABULAR, colour=colour))
    refused = api.get("/search", params={"facets": "colour"})
    assert refused.status_code == 400
    assert "still put in their places" in refused.json()["errors"][0]["message"]
    fill(registry.database, threading.Event())
    facets = api.get("/search", params={"facets": "colour"}).json()["facets"]
    assert facets["colour"]["values"] == [{"value": "red", "count": 1}]
