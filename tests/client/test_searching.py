"""Searches by the SDK against the real registry: words, filters, counts, facets; and how a filter is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import studbook
from studbook.client.searching import join_filter, quote_text
from studbook.filters.parsing import parse_filter
from studbook.filters.tree import And, Comparison, Field, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook import Registry

# A model's name and a tag that mean something to a filter unless they are quoted.
NAME = 'team "a" or model\\'
KEY, VALUE = 'cost "centre".a', 'x" or tags.y = "z\\\n\t\u0085 é'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with four versions of two models, that no test changes."""
    folder = tmp_path_factory.mktemp("searched")
    with studbook.connect(folder / "studbook.db", spool=folder / "spool") as opened:
        for number, (model, team) in enumerate([(NAME, "growth"), (NAME, "risk"), ("churn", "growth"), ("churn", "growth")], 1):
            with opened.run(capture=False) as run:
                run.log_metric("auc", number / 10)
                run.set_tags({"team": team} | ({KEY: VALUE} if number == 1 else {}))
                run.register(model, description=f"A gradient boosted déjà-vu detector, take {number}")
        yield opened


def found(registry: Registry, *words: str, **question: Any) -> list[float]:
    return [version.metrics[0].value for version in registry.search(*words, **question)]


def test_a_filter_an_order_and_pages(shared: Registry) -> None:
    assert found(shared) == [0.4, 0.3, 0.2, 0.1]
    assert found(shared, filter="metrics.auc > 0.15 and tags.team = growth") == [0.4, 0.3]
    assert found(shared, filter="metrics.auc > 0.15", order_by="metrics.auc", page_size=1) == [0.2, 0.3, 0.4]
    assert found(shared, order_by="-metrics.auc", page_size=3) == [0.4, 0.3, 0.2, 0.1]


def test_model_and_tag_narrow_what_a_filter_asks(shared: Registry) -> None:
    assert found(shared, model=NAME) == [0.2, 0.1]
    assert found(shared, tag="team:growth") == [0.4, 0.3, 0.1]
    assert found(shared, tag={KEY: VALUE, "team": "growth"}) == [0.1]
    assert found(shared, model=NAME, tag={KEY: VALUE}, filter="metrics.auc < 0.9") == [0.1]
    # Without parentheses the second half would stand beside the model.
    assert found(shared, model=NAME, filter="metrics.auc = 0.2 or metrics.auc = 0.4") == [0.2]
    with pytest.raises(ValueError, match="key:value"):
        shared.search(tag="team")


def test_words_are_found_by_their_beginnings_and_shown(shared: Registry) -> None:
    assert sorted(found(shared, "gradi DEJA")) == [0.1, 0.2, 0.3, 0.4]
    assert found(shared, "radient") == []
    (version,) = shared.search("deja", filter="metrics.auc = 0.3")
    (highlight,) = version.highlights
    assert highlight.pointer == "/description"
    ((begin, end),) = highlight.ranges
    assert highlight.fragment[begin:end] == "déjà"
    assert next(shared.search()).highlights == ()


def test_how_much_there_is_and_of_what(shared: Registry) -> None:
    assert (shared.count().count, shared.count().exact) == (4, True)
    assert shared.count("take", filter="metrics.auc > 0.15", model=NAME).count == 1
    counted = shared.facets("tags.team", "model", filter="metrics.auc > 0.15")
    assert [(each.value, each.count) for each in counted["tags.team"].values] == [("growth", 2), ("risk", 1)]
    assert {each.value: each.count for each in counted["model"].values} == {"churn": 2, NAME: 1}
    assert counted["model"].complete
    assert shared.facets() == {}


def test_what_can_be_asked(shared: Registry) -> None:
    fields = {field.name: field for field in shared.search_fields()}
    assert (fields["created_at"].type, fields["created_at"].open) == ("time", False)
    assert fields["tags"].open
    assert fields["tags"].facet


def test_what_cannot_be_asked_is_refused_with_its_column(shared: Registry) -> None:
    with pytest.raises(studbook.InvalidDocumentError) as refused:
        next(shared.search(filter="metrics.auc > 0.5 and nmber = 3"))
    assert refused.value.errors[0].pointer == "/filter"
    assert "column 23" in refused.value.errors[0].message
    assert "number" in refused.value.errors[0].message


def test_attributes_that_are_still_put_in_place_are_named(fake: Any, sdk: Registry) -> None:
    page = {"items": [{"number": 1}], "next_page_token": "t", "building": ["energy"], "a_field_of_the_future": 1}
    fake.script = [(200, page, {}), (200, {"items": [{"number": 2}], "next_page_token": None}, {})]
    search = sdk.search("x", filter="energy > 1", page_size=1)
    assert search.building == ()
    assert next(search).number == 1
    assert search.building == ("energy",)
    assert [version.number for version in search] == [2]
    assert "page_token=t" in fake.requests[1]["query"]
    assert "filter=energy" in fake.requests[1]["query"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


@given(TEXTS, TEXTS, TEXTS)
def test_any_text_is_quoted_so_that_it_is_read_as_itself(model: str, key: str, value: str) -> None:
    assert parse_filter(f"model = {quote_text(model)}") == Comparison(Field(("model",)), Operator.EQUAL, model)
    joined = parse_filter(join_filter("number = 1 or number = 2", model=model, tag={key: value}) or "")
    assert isinstance(joined, And)
    assert joined.parts[:2] == (
        Comparison(Field(("model",)), Operator.EQUAL, model),
        Comparison(Field(("tags", key)), Operator.EQUAL, value),
    )
    assert len(joined.parts) == 3


def test_a_filter_alone_stays_as_it_is() -> None:
    assert join_filter(" a = 1 or b = 2 ") == " a = 1 or b = 2 "
    assert join_filter() is None
    assert join_filter("  ") is None
    assert join_filter(" ", model="m") == 'model = "m"'
