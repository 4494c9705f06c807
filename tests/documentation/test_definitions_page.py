"""The reference of schema definitions is written by hand, and names all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studbook.schemas import bounds
from studbook.schemas.definition import ATTRIBUTE_LIMIT, Aggregate, Attribute, Definition, Describes, Mode, Store, ValueType
from studbook.schemas.values import INDEXED_TEXT_LIMIT
from studbook.schemas.workload import EVALUATION_LIMIT
from studbook.services.schemas.judging import SCAN_LIMIT

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "schema-definitions.md").read_text()


@pytest.mark.parametrize("words", [Aggregate, Describes, Mode, Store, ValueType], ids=lambda words: words.__name__)
def test_every_choice_is_named(words: type[Aggregate | Describes | Mode | Store | ValueType]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in PAGE] == []


def rows(heading: str) -> set[str]:
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize(("heading", "document"), [("A definition", Definition), ("An attribute", Attribute)])
def test_every_member_is_described_and_no_other(heading: str, document: type[Definition | Attribute]) -> None:
    assert rows(heading) == {name.rstrip("_") if name == "schema_" else name for name in document.model_fields}


def test_the_limits_are_those_of_the_code() -> None:
    limits = PAGE.split("## Limits\n", 1)[1]
    said = (ATTRIBUTE_LIMIT, bounds.SUBSCHEMA_LIMIT, bounds.PATTERN_LIMIT, bounds.PATTERN_LENGTH_LIMIT, bounds.MULTIPLE_LIMIT)
    for limit in (*said, bounds.SIZE_LIMIT // 1024, EVALUATION_LIMIT):
        assert re.search(rf"\b{limit:,}\b", limits), limit
    assert f"at most {INDEXED_TEXT_LIMIT} characters" in PAGE
    assert f"the newest {SCAN_LIMIT:,}" in PAGE
