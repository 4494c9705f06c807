"""The catalogue that the tests ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from studbook.domain.errors import MalformedInputError
from studbook.filters.catalogue import Catalogue, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

CATALOGUE = Catalogue(
    fields={
        "model": FieldType.TEXT,
        "number": FieldType.INTEGER,
        "created_at": FieldType.TIME,
        "aliases": FieldType.SET,
        "run.job": FieldType.TEXT,
        "run.duration": FieldType.DURATION,
        "training.energy_kwh": FieldType.NUMBER,
        "license@tabular": FieldType.TEXT,
        "license@vision": FieldType.TEXT,
        "signed": FieldType.BOOLEAN,
        "released": FieldType.DATE,
    },
    open_sets={
        "params": FieldType.SCALAR,
        "tags": FieldType.TEXT,
        "metrics": FieldType.NUMBER,
        "training.hyper": FieldType.SCALAR,
        "slots@tabular": FieldType.NUMBER,
    },
    refused={"notes": "notes are personal; ask for `owners exists`", "card": "it is kept in the record alone; read the record"},
)


def refusal(act: Callable[[], object], pointer: str = "/filter", code: str = "bad_filter") -> str:
    """The one sentence with which `act` is refused."""
    with pytest.raises(MalformedInputError) as refused:
        act()
    (violation,) = refused.value.violations
    assert (violation.pointer, violation.code) == (pointer, code)
    assert violation.message == refused.value.detail
    return violation.message
