"""Definitions at work: drafted, published, registered against, evolved; on both engines."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.services.audit.fsck import check_logs
from studbook.services.audit.rebuilding import rebuild
from studbook.services.schemas.backfilling import fill, fill_chunk
from studbook.storage import schemas as storage
from studbook.testing import make_document

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from studbook.services.registry import Registry

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
        "released": "2026-11-01", "hyper": {"depth": 6, "loss": "log"}, "contact": "ada@example.org", "serial": "A1",
        "frozen": True, "weights": {"uri": "s3://w/1", "digest": "sha256:" + "ab" * 32}, "extra": {"any": 1},
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


def registry_of(api: httpx.Client) -> Registry:
    return api._transport._registry  # type: ignore[attr-defined,no-any-return]


def place_of_work(registry: Registry) -> UUID:
    with registry.database.read() as connection:
        return storage.list_backfills(connection)[0].id  # type: ignore[no-any-return]


def fsck(registry: Registry) -> list[str]:
    reports = check_logs(registry.database, registry.guard, ())
    return [f"{finding.place} {finding.message}" for report in reports for finding in report.findings]


def changed(definition: dict[str, Any], **columns: dict[str, Any]) -> dict[str, Any]:
    """The definition with further attributes, or others of the same ids."""
    known = {attribute["id"]: attribute for attribute in definition["attributes"]}
    known |= {attribute["id"]: {"name": name, **attribute} for name, attribute in columns.items()}
    return {**definition, "attributes": list(known.values())}


def test_a_new_indexed_attribute_is_filled_while_every_answer_is_right(api: httpx.Client) -> None:
    publish(api, TABULAR)
    for position in range(30):
        attributes = {"license": "MIT", "extra": {"size": position, "when": "2026-11-25T10:00:00+02:00", "ok": position % 2 == 0}}
        assert register(api, "churn", attributes, metrics=[]).status_code == 201
    registry = registry_of(api)
    registry.chores.close()
    more = changed(
        TABULAR,
        size={"id": 20, "path": "/attributes/extra/size", "type": "integer", "store": "column"},
        when={"id": 21, "path": "/attributes/extra/when", "type": "timestamp", "store": "column"},
        ok={"id": 22, "path": "/attributes/extra/ok", "type": "boolean", "store": "column"},
        open_set={"id": 23, "path": "/attributes/extra/*", "store": "key-value"},
    )
    publish(api, more)
    asked = {
        "size >= 28": ["churn/30", "churn/29"],
        "when = 2026-11-25T08:00:00Z and size < 1": ["churn/1"],
        "ok = false and size > 26": ["churn/30", "churn/28"],
        "not size > 1": ["churn/2", "churn/1"],
        "open_set.size in (3, 4)": ["churn/5", "churn/4"],
        "size exists and size < 2": ["churn/2", "churn/1"],
    }
    assert api.get("/search", params={"filter": "size > 3"}).json()["building"] == ["size"]
    assert {text: names(api, filter=text) for text in asked} == asked
    place = api.get("/schemas/tabular/storage-map").json()
    assert place["work"][0]["total"] == 30
    assert {entry["name"]: entry["state"] for entry in place["attributes"]}["size"] == "building"
    ordered = {"filter": "size > 20", "order_by": "-size", "page_size": 3}
    assert names(api, **ordered) == ["churn/30", "churn/29", "churn/28"]
    # A process dies after a chunk, and another goes on.
    job = place_of_work(registry)
    assert registry.database.work.run(lambda transaction: fill_chunk(transaction, 1, job, 7))
    assert {text: names(api, filter=text) for text in asked} == asked
    assert api.get("/schemas/tabular/storage-map").json()["work"][0]["done"] == 7
    fill(registry.database, threading.Event())
    assert api.get("/schemas/tabular/storage-map").json()["work"] == []
    assert {text: names(api, filter=text) for text in asked} == asked
    assert names(api, **ordered) == ["churn/30", "churn/29", "churn/28"]
    assert "building" not in api.get("/search", params={"filter": "size > 3"}).json()


def test_another_name_costs_nothing_and_the_old_one_goes_on(api: httpx.Client) -> None:
    publish(api, TABULAR)
    register(api, "churn", {"license": "MIT"})
    renamed = changed(TABULAR, spdx={"id": 1, "path": "/attributes/license", "type": "string", "store": "column", "facet": True})
    renamed["attributes"] = [entry for entry in renamed["attributes"] if entry["id"] != 14]
    renamed["attributes"].append({"id": 14, "name": "license", "alias_of": "spdx"})
    publish(api, renamed)
    assert api.get("/schemas/tabular/storage-map").json()["work"] == []
    assert names(api, filter="spdx = MIT") == names(api, filter="license = MIT") == ["churn/1"]


def test_a_model_takes_up_and_drops_a_definition(api: httpx.Client) -> None:
    publish(api, TABULAR)
    for license_ in ("MIT", "Apache-2.0"):
        register(api, "churn", {"license": license_}, schema=None)
    assert names(api, filter="license exists") == []
    assert api.patch("/models/churn", json={"schema": {"name": "tabular", "min_version": 2}}).status_code == 409
    assert api.patch("/models/churn", json={"schema": "tabular"}).status_code == 200
    assert names(api, filter="license = MIT") == ["churn/1"]
    wait_until_placed(api)
    assert names(api, filter="license = MIT") == ["churn/1"]
    assert register(api, "churn", {"license": "unknown"}).status_code == 422
    assert api.patch("/models/churn", json={"schema": None}).status_code == 200
    assert names(api, filter="license exists") == []
    wait_until_placed(api)
    assert names(api, filter="license exists") == []
    assert register(api, "churn", {"license": "unknown"}).status_code == 201


def test_a_change_that_breaks_the_definition_is_refused(api: httpx.Client) -> None:
    owned = {**TABULAR, "json_schema": {"type": "object", "properties": {"tags": {"required": ["team"]}}, "required": ["tags"]}}
    publish(api, owned)
    assert register(api, "churn", {"license": "MIT"}, tags={"team": "growth"}).status_code == 201
    refused = api.patch("/models/churn/versions/1", json={"tags": {"team": None}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/tags"
    assert api.patch("/models/churn/versions/1", json={"tags": {"more": "x"}}).status_code == 200


def test_metrics_that_come_later_are_aggregated(api: httpx.Client) -> None:
    publish(api, TABULAR)
    register(api, "churn", {"license": "MIT"}, metrics=[{"name": "auc", "value": 0.7}])
    assert names(api, filter="best_auc > 0.8") == []
    added = {"metrics": [{"name": "auc", "value": 0.9}, {"name": "auc", "value": 0.99, "slice": {"region": "south"}}]}
    assert api.post("/models/churn/versions/1/metrics", json=added).status_code == 201
    assert names(api, filter="best_auc = 0.9") == ["churn/1"]
    assert names(api, filter="metrics.auc > 0.95") == []
    assert names(api, filter='metrics.auc{region="south"} > 0.95') == ["churn/1"]


def test_what_breaks_the_promise_is_not_published_and_says_whom_it_would_hit(api: httpx.Client) -> None:
    publish(api, TABULAR)
    for license_ in ("MIT", "proprietary"):
        register(api, "churn", {"license": license_})
    narrowed = json.loads(json.dumps(TABULAR))
    narrowed["json_schema"]["properties"]["attributes"]["properties"]["license"]["enum"].remove("proprietary")
    drafted = api.post("/schemas", json=narrowed).json()
    refused = api.post(f"/schemas/tabular/versions/{drafted['number']}:publish")
    assert refused.status_code == 409
    said = " ".join(error["message"] for error in refused.json()["errors"])
    assert "1 of 2 stored versions would become invalid: models/churn/versions/2" in said
    assert "proprietary" in said
    report = api.get(f"/schemas/tabular/versions/{drafted['number']}/compatibility").json()
    assert not report["compatible"]
    assert report["stored"] == {"looked_at": 2, "invalid": 1, "versions": ["models/churn/versions/2"], "complete": True}
    assert api.get("/schemas/tabular/versions/2").json()["status"] == "draft"
    moved = changed(TABULAR, license={"id": 1, "path": "/attributes/risk", "type": "string", "store": "column"})
    api.post("/schemas", json=moved)
    assert api.post("/schemas/tabular/versions/2:publish").json()["errors"][0]["pointer"].startswith("/attributes/")


def test_a_draft_is_replaced_and_what_is_published_stays(api: httpx.Client) -> None:
    first = api.post("/schemas", json=TABULAR).json()
    again = api.post("/schemas", json={**TABULAR, "description": "mine"}).json()
    assert (first["number"], again["number"], again["status"]) == (1, 1, "draft")
    assert api.post("/schemas", json=TABULAR, headers={"If-Match": '"1"'}).status_code == 412
    assert register(api, "churn", {"license": "MIT"}).json()["errors"][0]["code"] == "schema_unpublished"
    published = api.post("/schemas/tabular/versions/1:publish").json()
    assert published["status"] == "published"
    assert api.post("/schemas/tabular/versions/1:publish").json() == published
    assert api.post("/schemas", json={**TABULAR, "description": "mine"}).json() == published
    assert api.post("/schemas", json=TABULAR).json()["number"] == 2
    assert api.post("/schemas/tabular/versions/2:deprecate").status_code == 409
    assert api.post("/schemas/tabular/versions/1:deprecate").json()["status"] == "deprecated"
    assert api.post("/schemas/tabular/versions/1:publish").status_code == 409
    assert register(api, "churn", {"license": "MIT"}).json()["version"]["number"] == 1


def test_a_shipped_definition_is_adopted_and_used(api: httpx.Client) -> None:
    known = {entry["name"]: entry["adopted"] for entry in api.get("/standard-schemas").json()["items"]}
    assert known["studbook.model-version"] is False
    assert (
        register(api, "churn", {"license": "MIT"}, schema="studbook.model-version").json()["errors"][0]["code"]
        == "unknown_schema"
    )
    assert api.post("/schemas/studbook.model-version:adopt").status_code == 200
    attributes = {"license": "MIT", "training": {"energy_kwh": 3}}
    assert register(api, "churn", attributes, schema="studbook.model-version").status_code == 201
    assert names(api, filter="license = MIT and training.energy_kwh < 4") == ["churn/1"]
    assert api.post("/schemas/studbook.model-version:adopt").json()["number"] == 1
    assert api.post("/schemas", json={**TABULAR, "name": "studbook.mine"}).status_code == 422


def test_the_log_tells_all_and_the_tables_are_rebuilt_from_it(api: httpx.Client, registry: Registry) -> None:
    publish(api, TABULAR)
    weights = {"uri": "s3://w", "digest": "sha256:" + "ab" * 32}
    register(api, "churn", {"license": "MIT", "hyper": {"depth": 6}, "notes": "gradient", "weights": weights})
    # Until the log is at rest.
    api.patch("/models/churn", json={"description": "at rest"}, params={"wait": "proof"})
    assert fsck(registry) == []
    assert api.get("/schemas/tabular/storage-map").json()["table"] == "schema_1"
    with registry.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE schema_1 SET a1 = 'GPL-3.0'"))
        connection.execute(sa.text("DELETE FROM attribute_values"))
        connection.execute(sa.text("UPDATE search_documents SET words = 'n1xnothing'"))
    places = " ".join(fsck(registry))
    assert "schema_1" in places
    assert "attribute_values" in places
    assert "search_documents" in places
    with registry.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE schema_1"))
    registry.database.work.run(lambda transaction: rebuild(transaction, 1))
    assert fsck(registry) == []
    assert names(api, filter="license = MIT and hyper.depth = 6") == names(api, q="gradient") == ["churn/1"]
