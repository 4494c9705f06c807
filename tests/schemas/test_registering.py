"""Definitions at work: drafted, published, registered against, evolved; on both engines."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from studbook.testing import make_document

TABULAR: dict[str, Any] = {
    "name": "tabular",
    "json_schema": {
        "type": "object",
        "properties": {
            "attributes": {
                "type": "object",
                "properties": {
                    "license": {"enum": ["MIT", "Apache-2.0", "proprietary"]},
                    "risk": {"enum": ["low", "high"]},
                    "energy_kwh": {"type": "number", "minimum": 0},
                    "notes": {"type": "string"},
                    "trained_for": {"type": "string"},
                    "released": {"type": "string", "format": "date"},
                    "hyper": {"type": "object"},
                    "weights": {"type": "object"},
                    "contact": {"type": "string"},
                    "serial": {"type": "string"},
                    "frozen": {"type": "boolean"},
                    "extra": {},
                },
                "required": ["license"],
                "additionalProperties": False,
            }
        },
        "required": ["attributes"],
    },
    "attributes": [
        {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column", "facet": True},
        {"id": 2, "name": "risk", "path": "/attributes/risk", "type": "string", "store": "column", "facet": True},
        {"id": 3, "name": "energy", "path": "/attributes/energy_kwh", "type": "number", "store": "column"},
        {"id": 4, "name": "notes", "path": "/attributes/notes", "store": "full-text"},
        {"id": 5, "name": "trained_for", "path": "/attributes/trained_for", "type": "duration", "store": "column"},
        {"id": 6, "name": "released", "path": "/attributes/released", "type": "date", "store": "column"},
        {"id": 7, "name": "hyper", "path": "/attributes/hyper/*", "store": "key-value"},
        {"id": 8, "name": "weights", "path": "/attributes/weights", "store": "artifact"},
        {"id": 9, "name": "contact", "path": "/attributes/contact", "type": "string", "store": "private"},
        {"id": 10, "name": "serial", "path": "/attributes/serial", "type": "string", "store": "column", "unique": True},
        {
            "id": 11,
            "name": "best_auc",
            "path": "/metrics[name=auc]/value",
            "type": "number",
            "store": "column",
            "aggregate": "max",
        },
        {"id": 12, "name": "frozen", "path": "/attributes/frozen", "type": "boolean", "store": "column"},
        {"id": 13, "name": "extra", "path": "/attributes/extra", "store": "document"},
        {"id": 14, "name": "licence", "alias_of": "license"},
    ],
}


def publish(api: httpx.Client, definition: dict[str, Any]) -> dict[str, Any]:
    drafted = api.post("/schemas", json=definition)
    assert drafted.status_code == 201, drafted.text
    place = f"/schemas/{definition['name']}/versions/{drafted.json()['number']}"
    published = api.post(f"{place}:publish")
    assert published.status_code == 200, published.text
    found: dict[str, Any] = published.json()
    return found


def register(
    api: httpx.Client, name: str, attributes: dict[str, Any], *, schema: Any = "tabular", **version: Any
) -> httpx.Response:
    document = make_document(name)
    document["model"]["schema"] = schema
    document["version"] = {**document["version"], "attributes": attributes, **version}
    return api.post("/ingest", json=document)


def names(api: httpx.Client, **query: Any) -> list[str]:
    answer = api.get("/search", params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"].removeprefix("models/").replace("/versions/", "/") for item in answer.json()["items"]]


def wait_until_placed(api: httpx.Client, schema: str = "tabular") -> None:
    end = time.monotonic() + 20
    while api.get(f"/schemas/{schema}/storage-map").json()["work"]:
        assert time.monotonic() < end, "the attributes were not placed in time"
        time.sleep(0.05)


def test_attributes_are_kept_where_the_definition_says_and_found_there(api: httpx.Client) -> None:
    publish(api, TABULAR)
    full = {
        "license": "MIT", "risk": "high", "energy_kwh": 12.5, "notes": "Gradient boosting with déjà vu", "trained_for": "PT36H",
        "released": "2026-11-01", "hyper": {"depth": 6, "loss": "log"}, "contact": "ada@example.org", "serial": "A1", "frozen": True,
        "weights": {"uri": "s3://w/1", "digest": "sha256:" + "ab" * 32}, "extra": {"any": 1},
    }  # fmt: skip
    answer = register(api, "churn", full, metrics=[{"name": "auc", "value": 0.9}, {"name": "auc", "value": 0.8}])
    assert answer.status_code == 201, answer.text
    assert register(api, "churn", {"license": "Apache-2.0", "risk": "low"}, metrics=[]).status_code == 201
    for asked, found in {
        'license = "MIT"': ["churn/1"],
        "licence = MIT": ["churn/1"],
        'license@tabular != "MIT"': ["churn/2"],
        "not license = MIT": ["churn/2"],
        "risk in (low, high)": ["churn/2", "churn/1"],
        "energy > 12": ["churn/1"],
        "not energy > 12": ["churn/2"],
        "energy exists": ["churn/1"],
        "trained_for >= 36h": ["churn/1"],
        "trained_for > 36h": [],
        "released = 2026-11-01": ["churn/1"],
        "released < now": ["churn/1"],
        "hyper.depth = 6": ["churn/1"],
        'hyper.loss startswith "l"': ["churn/1"],
        "hyper.depth > 6": [],
        "best_auc >= 0.9": ["churn/1"],
        "metrics.auc < 0.85": ["churn/1"],
        "frozen = true": ["churn/1"],
        "serial = A1 and license = MIT and risk = high": ["churn/1"],
        "schema = tabular": ["churn/2", "churn/1"],
    }.items():
        assert names(api, filter=asked) == found, asked
    assert names(api, q="gradient deja") == ["churn/1"]
    assert names(api, order_by="-energy") == ["churn/1"]
    record = api.get("/models/churn/versions/1").json()
    assert record["schema"]["version"] == 1
    assert record["personal"] == ["/attributes/contact"]
    facets = api.get("/search", params={"facets": "license,risk,tags.team,model", "count": "true"}).json()
    assert facets["total"] == {"count": 2, "exact": True}
    assert facets["facets"]["license"]["values"] == [{"value": "Apache-2.0", "count": 1}, {"value": "MIT", "count": 1}]


def test_what_breaks_the_definition_is_refused_with_every_fault(api: httpx.Client) -> None:
    publish(api, TABULAR)
    refused = register(api, "churn", {"risk": "medium", "energy_kwh": -1, "colour": "red"})
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} == {
        "/version/attributes/license",
        "/version/attributes/risk",
        "/version/attributes/energy_kwh",
        "/version/attributes/colour",
    }
    assert api.get("/models/churn").status_code == 404
    assert register(api, "churn", {"license": "MIT", "serial": "S"}).status_code == 201
    double = register(api, "churn", {"license": "MIT", "serial": "S"})
    assert double.status_code == 409
    assert double.json()["errors"][0]["code"] == "attribute_taken"
    assert register(api, "other", {"license": "MIT"}, schema="missing").json()["errors"][0]["code"] == "unknown_schema"


@pytest.mark.parametrize(
    ("asked", "said"), [("licens = MIT", "license"), ("energy = high", "number"), ("extra = 1", "record alone")]
)
def test_a_filter_that_cannot_be_asked_says_so(api: httpx.Client, asked: str, said: str) -> None:
    publish(api, TABULAR)
    answer = api.get("/search", params={"filter": asked})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert "column 1" in answer.json()["detail"]
