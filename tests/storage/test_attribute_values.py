"""What stands in a record is read alike everywhere: by the code that fills columns and by the function that searches call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.schemas.definition import ValueType
from studbook.schemas.values import read_value
from studbook.storage.dialects import attribute_of

if TYPE_CHECKING:
    from studbook.services.registry import Registry

VALUES: list[Any] = [
    None, True, False, 0, 1, -7, 2**53 - 1, 0.5, 1e2, 1.5e300, -0.0, "", "a", "é" * 512, "é" * 513, "1", "true", [], {}, ["a"],
    "2026-11-25", "2026-02-29", "2024-02-29", "0000-01-01", "2026-13-01", "2026-11-25T00:00", "20261125",
    "2026-11-25T09:30:00Z", "2026-11-25t09:30:00z", "2026-11-25 09:30:00.1+02:00", "2026-11-25T09:30:00.1234567-05:30",
    "2026-11-25T24:00:00Z", "2026-11-25T23:59:60Z", "2026-11-25T09:30:00",
    "2026-11-25T09:30:00+16:00", "2026-11-25T09:30:00+15:59", "2026-11-31T09:30:00Z", "0987-01-02T03:04:05Z",
    "PT36H", "P1W2DT3H4M5.5S", "P", "PT", "P1M", "P1Y", "PT1.5H", "-PT1H", "pt1h", f"P{'9' * 70}D",
]  # fmt: skip


def test_both_engines_read_as_columns_are_filled(registry: Registry) -> None:
    with registry.database.read() as connection:
        for kind in ValueType:
            if kind is ValueType.ANY:
                continue
            for value in VALUES:
                record = sa.literal(
                    json.dumps({"attributes": {"a": value}, "personal": ["/attributes/b"]}).encode(), sa.LargeBinary()
                )
                found = connection.execute(
                    sa.select(attribute_of(record, ["attributes", "a"], kind, "/attributes/a"))
                ).scalar_one()
                assert found == read_value(kind, value), (kind, value)


def test_what_is_personal_is_not_read(registry: Registry) -> None:
    with registry.database.read() as connection:
        for personal, found in {"/attributes/a": None, "/attributes": None, "/attributes/ab": "x", "/description": "x"}.items():
            record = sa.literal(json.dumps({"attributes": {"a": "x"}, "personal": [personal]}).encode(), sa.LargeBinary())
            statement = sa.select(attribute_of(record, ["attributes", "a"], ValueType.STRING, "/attributes/a"))
            assert connection.execute(statement).scalar_one() == found, personal
