"""What a definition's attributes put beside a record: each location, what is chosen of several metrics, and what is personal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from studbook.schemas.definition import Attribute
from studbook.schemas.storage_map import StorageMap, compile_map

DOCUMENT: dict[str, Any] = {
    "metrics": [
        {"name": "auc", "value": 0.9, "split": "test", "dataset": "datasets/a/versions/1"},
        {"name": "auc", "value": 0.7, "split": "test", "dataset": "datasets/b/versions/1"},
        {"name": "auc", "value": 0.8, "split": "train"},
        {"name": "auc", "value": 0.99, "split": "test", "slice": {"region": "south"}},
    ],
    "attributes": {
        "license": "MIT",
        "notes": ["one text", {"not": "a text"}, ["another"]],
        "open": {"depth": 6, "mode": "fast", "on": True, "nested": {}, "none": None},
        "weights": {"uri": "s3://w", "digest": "sha256:ab"},
        "contact": {"mail": "a@example.org"},
    },
}


def mapped(*attributes: dict[str, Any]) -> StorageMap:
    given = [Attribute.model_validate({"id": number, "name": f"n{number}", **one}) for number, one in enumerate(attributes, 1)]
    return compile_map(UUID(int=1), "tabular", 7, [(1, given)])


@pytest.mark.parametrize(
    ("path", "aggregate", "value"),
    [
        ("name=auc", "max", 0.9),
        ("name=auc", "min", 0.7),
        ("name=auc", "last", 0.8),
        ("name=auc", None, 0.8),
        ("name=auc,split=test", "last", 0.7),
        ("name=auc,dataset=a", "min", 0.9),
        ("name=auc,split=validation", "max", None),
        ("name=f1", "max", None),
    ],
)
def test_of_several_metrics_one_is_kept(path: str, aggregate: str | None, value: float | None) -> None:
    metric = {"path": f"/metrics[{path}]/value", "type": "number", "store": "column", "aggregate": aggregate}
    assert mapped(metric).extract(DOCUMENT).columns == {"a1": value}


EVERYTHING = (
    {"path": "/attributes/license", "type": "string", "store": "column"},
    {"path": "/attributes/notes", "store": "full-text"},
    {"path": "/attributes/open/*", "store": "key-value"},
    {"path": "/attributes/weights", "store": "artifact"},
    {"path": "/attributes/contact", "store": "private"},
    {"path": "/attributes/contact", "store": "document"},
)


def test_each_location_gets_what_belongs_there() -> None:
    storage_map = mapped(*EVERYTHING)
    found = storage_map.extract(DOCUMENT)
    assert found.columns == {"a1": "MIT"}
    assert found.texts == ["one text", "another"]
    assert [(value.key, value.value, value.number) for value in found.open_values] == [
        ("depth", "6", 6.0),
        ("mode", '"fast"', None),
        ("on", "true", None),
    ]
    assert found.artifacts == [(4, "s3://w", "sha256:ab")]
    assert list(storage_map.find_private(DOCUMENT)) == ["/attributes/contact"]


def test_nothing_personal_is_put_beside_a_record() -> None:
    storage_map = mapped(*EVERYTHING)
    hidden = ["/attributes/license", "/attributes/notes/0", "/attributes/open/mode", "/attributes/weights/uri"]
    found = storage_map.extract(DOCUMENT, hidden)
    assert found.columns == {"a1": None}
    assert list(storage_map.iter_texts(DOCUMENT, hidden)) == [("/attributes/notes/2/0", "another")]
    assert [value.key for value in found.open_values] == ["depth", "on"]
    assert found.artifacts == []
    assert storage_map.extract(DOCUMENT, ["/attributes"]).open_values == []
    assert storage_map.extract(DOCUMENT, ["/attributes"]).texts == []


def test_a_map_covers_what_later_versions_left_out() -> None:
    first = [Attribute.model_validate({"id": 1, "name": "license", **EVERYTHING[0]})]
    second = [Attribute.model_validate({"id": 2, "name": "notes", **EVERYTHING[1]})]
    storage_map = compile_map(UUID(int=1), "tabular", 7, [(1, first), (2, second)])
    assert [(stored.name, stored.since) for stored in storage_map.attributes] == [("license", 1), ("notes", 2)]
    assert storage_map.extract(DOCUMENT).columns == {"a1": "MIT"}
