"""Wherever a search begins, it finds the same in the same order; on both engines."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from studbook.storage.searching import plans
from studbook.testing import make_document

if TYPE_CHECKING:
    import httpx
    import pytest

    from studbook.storage.searching.conditions import Compiled

DEFINITION: dict[str, Any] = {
    "name": "tabular",
    "json_schema": True,
    "attributes": [
        {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column"},
        {"id": 2, "name": "size", "path": "/attributes/size", "type": "integer", "store": "column"},
        {"id": 3, "name": "plain", "path": "/attributes/size", "type": "integer", "store": "column", "index": False},
        {"id": 4, "name": "hyper", "path": "/attributes/hyper/*", "store": "key-value"},
    ],
}
FILTERS = [
    "license = MIT and size > 3 and tags.even = yes",
    "tags.even = yes and metrics.auc > 0.3 and params.depth < 9",
    "metrics.auc@test >= 0.2 and license = MIT and model = churn",
    "plain > 2 and license != MIT and hyper.x >= 4",
    "model = churn and tags.even = yes and tags.even = yes",
    "(size > 4 or tags.even = no) and not license = MIT and metrics.auc exists",
]
ORDERS = [None, "-size", "plain", "-metrics.auc", "params.depth", "tags.even", "created_at", "-number", "hyper.x"]


def fill(api: httpx.Client) -> None:
    api.post("/schemas", json=DEFINITION)
    assert api.post("/schemas/tabular/versions/1:publish").status_code == 200
    for number in range(12):
        document = make_document("churn" if number % 3 else "fraud")
        document["model"]["schema"] = "tabular"
        document["version"] |= {
            "tags": {"even": "no" if number % 2 else "yes"},
            "parameters": {"depth": 12 - number},
            "metrics": [{"name": "auc", "value": value / 20, "split": "test"} for value in (number, (number * 7) % 12)],
            "attributes": {"license": "MIT" if number % 4 else "BSD", "size": number // 2, "hyper": {"x": number}},
            "artifacts": [],
        }
        assert api.post("/ingest", json=document).status_code == 201


def test_every_way_leads_to_the_same_versions(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(api)
    begun: list[int] = []

    def ask(asked: str, order: str | None, way: tuple[int, ...] | None) -> list[str]:
        def choose(_connection: object, _scope: object, parts: list[Compiled], *_rest: object) -> list[Compiled]:
            listed = [part for part in parts if part.ids is not None]
            chosen = [listed[place] for place in way or () if place < len(listed)]
            begun.append(len(chosen))
            return chosen

        with monkeypatch.context() as patch:
            if way is not None:
                patch.setattr(plans, "_choose", choose)
            found: list[str] = []
            following = None
            while True:
                query = {"filter": asked, "page_size": 2, "order_by": order, "page_token": following}
                page = api.get("/search", params={name: value for name, value in query.items() if value is not None})
                assert page.status_code == 200, page.text
                found += [item["name"] for item in page.json()["items"]]
                following = page.json()["next_page_token"]
                if following is None:
                    return found

    places = range(3)
    ways = [(), *((place,) for place in places), *itertools.permutations(places, 2)]
    for asked in FILTERS:
        for order in ORDERS:
            expected = ask(asked, order, None)
            assert len(set(expected)) == len(expected)
            for way in ways:
                assert ask(asked, order, way) == expected, (asked, order, way)
    assert {0, 1, 2} == set(begun)
    assert ask(FILTERS[0], None, None)
