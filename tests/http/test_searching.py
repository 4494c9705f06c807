"""Searches that are asked wrongly, hostilely, or while others write; on both engines."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studbook.embedded import EmbeddedTransport
from studbook.testing import digest_of, make_document

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION: dict[str, Any] = {
    "name": "tabular",
    "json_schema": {"type": "object"},
    "attributes": [
        {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column", "facet": True},
        {"id": 2, "name": "energy", "path": "/attributes/energy", "type": "number", "store": "column"},
        {"id": 3, "name": "tries", "path": "/attributes/tries", "type": "integer", "store": "column"},
        {"id": 4, "name": "hyper", "path": "/attributes/hyper/*", "store": "key-value"},
    ],
}


@pytest.fixture
def filled(api: httpx.Client) -> httpx.Client:
    """A registry with five versions of two models."""
    assert api.post("/schemas", json=DEFINITION).status_code == 201
    assert api.post("/schemas/tabular/versions/1:publish").status_code == 200
    for number in range(1, 6):
        document = make_document("churn" if number % 2 else "fraud")
        document["model"] |= {"schema": "tabular", "owners": [{"name": f"Owner {number}", "email": f"o{number}@example.org"}]}
        document["version"] |= {
            "tags": {"team": f"t{number}", "50%_off": "a'b\"c"},
            "description": f"The {number}th attempt at naïve Bayes",
            "attributes": {"license": "MIT", "energy": number / 2, "tries": number, "hyper": {"x.y": number, "mode": "fast"}},
            "metrics": [{"name": "auc", "value": number / 10, "split": "test"}],
        }
        assert api.post("/ingest", json=document).status_code == 201
    return api


def find(api: httpx.Client, **query: Any) -> list[str]:
    answer = api.get("/search", params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"].removeprefix("models/").replace("/versions/", "/") for item in answer.json()["items"]]


INJECTIONS = [
    "tags.team = \"x' OR '1'='1\"",
    'license = "MIT\' --"',
    'license = "MIT\\"; DROP TABLE model_versions; --"',
    'tags."team\' OR 1=1 --" = x',
    'params."a\\") OR (1=1" exists',
    'hyper."x\') --" = 1',
    "metrics.\"auc' OR 'a'='a\" > 0",
    'metrics.auc@"x\' OR 1=1 --" > 0',
    'metrics.auc{region="x\') OR (1=1"} > 0',
    'model startswith "%"',
    'model contains "%"',
    'model startswith "_hurn"',
    'owner = "%"',
    'license in ("a\', \'b", "%")',
]


ORDERS = [
    "license; DROP TABLE runs", "number desc", "1", "metrics.auc' --", "-", "tags", "owner", "model", "license,energy",
    "(select 1)",
]  # fmt: skip


def test_nothing_in_a_filter_or_an_order_is_taken_for_sql(filled: httpx.Client) -> None:
    for asked in INJECTIONS:
        assert find(filled, filter=asked) == [], asked
    for order in ORDERS:
        answer = filled.get("/search", params={"order_by": order})
        assert answer.status_code == 400, order
        assert answer.json()["errors"][0]["pointer"] == "/order_by"
    assert len(find(filled)) == 5


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"filter": "("}, "/filter"),
    ({"filter": " or ".join(["number = 1"] * 400)}, "/filter"),
    ({"filter": "number = 1" + " " * 8_192}, "/filter"),
    ({"filter": "(" * 5_000}, "/filter"),
    ({"filter": "upstream(nowhere/1)"}, "/filter"),
    ({"filter": 'upstream("a b")'}, "/filter"),
    ({"filter": 'license = "\\u0000"'}, "/filter"),
    ({"filter": 'license = "\\ud800"'}, "/filter"),
    ({"facets": "energy"}, "/facets"),
    ({"facets": "licens"}, "/facets"),
    ({"facets": "license'"}, "/facets"),
    ({"q": "!!!"}, "/q"),
    ({"q": " ".join(f"w{number}" for number in range(30))}, "/q"),
]


def test_what_cannot_be_asked_is_a_clear_refusal(filled: httpx.Client) -> None:
    for query, place in REFUSED:
        answer = filled.get("/search", params=query)
        assert answer.status_code == 400, query
        assert answer.json()["errors"][0]["pointer"] == place, query


def token(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_a_cursor_belongs_to_its_query_and_cannot_be_forged(filled: httpx.Client) -> None:
    first = filled.get("/search", params={"page_size": 2, "order_by": "-energy"}).json()
    cursor = first["next_page_token"]
    assert filled.get("/search", params={"page_size": 2, "order_by": "-energy", "page_token": cursor}).status_code == 200
    for other in ({"order_by": "energy"}, {"order_by": "-energy", "filter": "number > 0"}, {"order_by": "-energy", "q": "bayes"}):
        assert filled.get("/search", params={"page_size": 2, "page_token": cursor, **other}).status_code == 400
    mark, _, record = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for rank in ("x", None, True, [1], {"a": 1}, 10**400):
        forged = token(mark, rank, record)
        assert filled.get("/search", params={"order_by": "-energy", "page_token": forged}).status_code == 400, rank
    for bad in (token(mark, 1.0, "x"), token(mark, 1.0), token(mark, 1.0, record, 1), "%%%", "", token()):
        assert filled.get("/search", params={"order_by": "-energy", "page_token": bad}).status_code == 400, bad
    texts = filled.get("/search", params={"page_size": 2, "order_by": "license"}).json()["next_page_token"]
    mark = json.loads(base64.urlsafe_b64decode(texts + "=="))[0]
    for rank in ("\x00", "\ud800"):
        assert filled.get("/search", params={"order_by": "license", "page_token": token(mark, rank, record)}).status_code == 400
    whole = filled.get("/search", params={"page_size": 2, "order_by": "tries"}).json()["next_page_token"]
    mark = json.loads(base64.urlsafe_b64decode(whole + "=="))[0]
    for rank in (2**63, -(2**80), 1.5):
        assert filled.get("/search", params={"order_by": "tries", "page_token": token(mark, rank, record)}).status_code == 400


PAGED = [None, "-energy", "tries", "-metrics.auc", "params.learning_rate", "tags.team", "created_at", '-hyper."x.y"']


def test_pages_together_are_the_whole(filled: httpx.Client) -> None:
    for order in PAGED:
        check_pages(filled, {} if order is None else {"order_by": order})


def check_pages(filled: httpx.Client, query: dict[str, Any]) -> None:
    whole = find(filled, **query)
    assert len(whole) == 5
    gathered: list[str] = []
    following = None
    while following is not None or not gathered:
        query = query | {"page_size": 2} | ({"page_token": following} if following else {})
        page = filled.get("/search", params=query).json()
        gathered += [item["name"].removeprefix("models/").replace("/versions/", "/") for item in page["items"]]
        following = page["next_page_token"]
    assert gathered == whole


@pytest.mark.parametrize("order", [None, "-metrics.auc"])
def test_pages_go_on_while_others_write(filled: httpx.Client, order: str | None) -> None:
    asked = {} if order is None else {"order_by": order}
    before = find(filled, **asked)
    assert len(before) == 5
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            assert filled.post("/ingest", json=make_document("churn")).status_code == 201
            written += 1

    def pass_writes(count: int) -> None:
        least, deadline = written + count, time.monotonic() + 30
        while written < least:
            assert time.monotonic() < deadline, written
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        pass_writes(5)
        gathered: list[str] = []
        following = None
        pages = 0
        while following is not None or not pages:
            query: dict[str, Any] = asked | {"page_size": 4} | ({"page_token": following} if following else {})
            page = filled.get("/search", params=query).json()
            gathered += [item["name"].removeprefix("models/").replace("/versions/", "/") for item in page["items"]]
            following = page["next_page_token"]
            pages += 1
            if following is not None and pages <= 2:
                pass_writes(1)
    finally:
        done.set()
        writer.join()
    assert pages > 2
    assert len(gathered) == len(set(gathered))
    assert set(before) <= set(gathered)
    assert [name for name in gathered if name in before] == before


def test_words_are_found_whatever_their_case_and_accents_and_shown_where_they_stand(filled: httpx.Client) -> None:
    assert len(find(filled, q="NAIVE bay")) == 5
    assert find(filled, q="3th") == find(filled, filter="tries = 3")
    found = filled.get("/search", params={"q": "naive 2th"}).json()["items"]
    (shown,) = found[0]["highlights"]
    assert shown["pointer"] == "/description"
    assert [shown["fragment"][begin:end] for begin, end in shown["ranges"]] == ["2th", "naïve"]
    assert find(filled, q="churn", filter="tries > 2") == find(filled, filter="model = churn and tries > 2")
    filled.patch("/models/fraud", json={"description": "Spots chargebacks"})
    assert find(filled, q="chargeback") == ["fraud/2", "fraud/1"]
    filled.patch("/models/fraud/versions/1", json={"description": "Replaced"})
    assert find(filled, q="2th") == []
    assert find(filled, q="replaced") == ["fraud/1"]
    assert find(filled, q="replaced attempt") == []


def test_the_best_fit_comes_first_on_every_page(filled: httpx.Client) -> None:
    filled.patch("/models/churn/versions/2", json={"description": "fraud is mentioned here"})
    assert find(filled, q="fraud") == ["fraud/2", "fraud/1", "churn/2"]
    first = filled.get("/search", params={"q": "fraud", "page_size": 2}).json()
    second = filled.get("/search", params={"q": "fraud", "page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [item["name"] for item in first["items"] + second["items"]] == [
        "models/fraud/versions/2",
        "models/fraud/versions/1",
        "models/churn/versions/2",
    ]


FINDING = "studbook.storage.searching.finding"


def is_truncated(api: httpx.Client, **query: Any) -> bool:
    answer = api.get("/search", params=query).json()
    assert answer.get("truncated", True) is True, "it is said or it is absent"
    return "truncated" in answer


def test_by_fit_an_answer_that_may_miss_something_says_so(filled: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"q": "naive bayes"}
    assert len(find(filled, **asked)) == 5
    assert not is_truncated(filled, **asked)
    monkeypatch.setattr(f"{FINDING}.CANDIDATES", 6)
    assert len(find(filled, **asked)) == 5
    assert not is_truncated(filled, **asked)
    monkeypatch.setattr(f"{FINDING}.CANDIDATES", 3)
    # Every page says it, the last one too.
    assert find(filled, **asked) == ["churn/3", "fraud/2", "churn/2"]
    assert is_truncated(filled, **asked)
    first = filled.get("/search", params={**asked, "page_size": 2}).json()
    assert first["truncated"]
    assert is_truncated(filled, **asked, page_size=2, page_token=first["next_page_token"])
    # Too many records, though few of them are what the filter asks for.
    monkeypatch.setattr(f"{FINDING}.CANDIDATES", 2)
    assert find(filled, **asked, filter="tries = 5") == ["churn/3"]
    assert is_truncated(filled, **asked, filter="tries = 5")
    assert not is_truncated(filled, q="3th")
    assert not is_truncated(filled)


def test_by_fit_versions_of_too_large_models_may_be_missed(filled: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in ("churn", "fraud"):
        assert filled.patch(f"/models/{model}", json={"description": f"Spots chargebacks of {model}"}).status_code == 200
    assert len(find(filled, q="chargebacks")) == 5
    assert not is_truncated(filled, q="chargebacks")
    monkeypatch.setattr(f"{FINDING}.CANDIDATES", 4)
    assert find(filled, q="chargebacks") == ["churn/3", "fraud/2", "churn/2", "fraud/1"]
    assert is_truncated(filled, q="chargebacks")
    monkeypatch.setattr(f"{FINDING}.CANDIDATES", 6)
    assert not is_truncated(filled, q="chargebacks")
    monkeypatch.setattr(f"{FINDING}._MODELS", 1)
    assert is_truncated(filled, q="chargebacks")


@pytest.mark.parametrize("order", ["number", "-energy"])
def test_by_order_an_answer_that_misses_something_says_so(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    asked = {"q": "naive bayes", "order_by": order}
    assert not is_truncated(filled, **asked)
    # As many as are looked at is all; one more is not.
    monkeypatch.setattr(f"{FINDING}._DOCUMENTS", 5)
    assert len(find(filled, **asked)) == 5
    assert not is_truncated(filled, **asked)
    monkeypatch.setattr(f"{FINDING}._DOCUMENTS", 4)
    assert set(find(filled, **asked)) == {"churn/3", "fraud/2", "churn/2", "fraud/1"}
    assert is_truncated(filled, **asked)
    assert not is_truncated(filled, q="3th", order_by=order)
    assert not is_truncated(filled, order_by=order)


@pytest.mark.parametrize("more", [{"count": True}, {"facets": "model"}])
def test_what_is_counted_may_be_cut_where_the_versions_are_not(
    filled: httpx.Client, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(f"{FINDING}._DOCUMENTS", 4)
    assert len(find(filled, q="bayes")) == 5
    assert not is_truncated(filled, q="bayes")
    assert is_truncated(filled, q="bayes", **more)
    monkeypatch.setattr(f"{FINDING}._DOCUMENTS", 5)
    assert not is_truncated(filled, q="bayes", **more)


def test_fields_of_versions_models_and_runs(filled: httpx.Client) -> None:
    filled.put("/models/churn/aliases/champion", json={"version": 2})
    filled.patch("/models/churn", json={"tags": {"area": "sales"}})
    filled.patch("/models/churn/versions/1", json={"archived": True})
    for asked, found in {
        "alias = champion": ["churn/2"],
        "alias exists": ["churn/2"],
        "not alias exists": ["churn/3", "fraud/2", "fraud/1"],
        "model = fraud": ["fraud/2", "fraud/1"],
        'model startswith "fr" or alias = champion': ["fraud/2", "churn/2", "fraud/1"],
        'owner = "Owner 2"': ["fraud/2", "fraud/1"],
        'owner = "o1@example.org" and number = 3': ["churn/3"],
        "model.tags.area = sales": ["churn/3", "churn/2"],
        "archived = true": ["churn/1"],
        "archived in (true, false)": ["churn/3", "fraud/2", "churn/2", "fraud/1", "churn/1"],
        "tags.team in (t2, t4)": ["fraud/2", "fraud/1"],
        'tags."50%_off" = "a\'b\\"c" and number = 1': ["fraud/1"],
        "metrics.auc@test > 0.35": ["churn/3", "fraud/2"],
        "metrics.auc@validation > 0": [],
        'hyper."x.y" >= 4': ["churn/3", "fraud/2"],
        "hyper.mode = fast and number = 3": ["churn/3"],
        "number > 9007199254740991": [],
        "created_at > now-1h and tries < 3": ["fraud/1"],
        "created_at < 2001-01-01": [],
        "created_by exists and tries = 5": ["churn/3"],
        "run.kind = training and tries = 5": ["churn/3"],
        "schema = tabular and tries = 5": ["churn/3"],
        "tries = 5 and tries = 5 and energy > 0 and energy > 0": ["churn/3"],
        "params.learning_rate exists and metrics.auc > 0 and tries > 4": ["churn/3"],
        "params.learning_rate > 0 and tries = 5": ["churn/3"],
    }.items():
        assert find(filled, filter=asked) == found, asked


def test_lineage_can_be_asked(api: httpx.Client) -> None:
    for model, dataset, parents in (("base", "web", []), ("child", "own", ["base/1"])):
        document = make_document(model, datasets=[{"name": dataset, "digest": digest_of(dataset)}])
        document["version"] |= {"parents": parents, "metrics": []}
        assert api.post("/ingest", json=document).status_code == 201
    assert find(api, filter="upstream(datasets/web)") == ["child/1", "base/1"]
    assert find(api, filter="upstream(base/1)") == ["child/1"]
    assert find(api, filter="upstream(models/base) and not upstream(datasets/web)") == []
    assert find(api, filter="downstream(child/1)") == ["base/1"]
    assert find(api, filter="not upstream(datasets/web)") == []


def test_personal_places_are_neither_searched_nor_shown(api: httpx.Client) -> None:
    document = make_document("churn")
    document["version"] |= {"description": "Trained by Ada Lovelace", "personal": ["/description"]}
    api.post("/ingest", json=document)
    assert find(api, q="lovelace") == []
    shown = api.get("/search", params={"q": "churn"}).json()["items"][0]["highlights"]
    assert "/description" not in {entry["pointer"] for entry in shown}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A registry for many questions in a row."""
    url = f"sqlite:///{tmp_path_factory.mktemp('questions') / 'r.db'}"
    with contextlib.closing(EmbeddedTransport(url)) as transport:
        client = httpx.Client(transport=transport, base_url="http://studbook.test/api/v1/namespaces/default")
        client.post("/schemas", json=DEFINITION)
        client.post("/schemas/tabular/versions/1:publish")
        client.post("/ingest", json=make_document("churn"))
        yield client


_PIECES = st.sampled_from(
    [
        "license", "energy", "tries", "hyper.x", "tags.a", "params.b", "metrics.auc", "metrics.auc@x", "created_at", "number",
        "alias", "owner", "model", "archived", "=", "!=", ">", "<=", "contains", "startswith", "exists", "in", "(", ")", ",",
        "and", "or", "not", '"a"', "1", "1.5", "true", "now-7d", "2026-11-25", "36h", "upstream(churn/1)", "@tabular", "{a=1}",
        "'", "\\",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(_PIECES, max_size=12), order=st.none() | st.lists(_PIECES, max_size=3))
def test_whatever_is_asked_is_answered_or_refused(embedded: httpx.Client, pieces: list[str], order: list[str] | None) -> None:
    query = {"filter": " ".join(pieces)} | ({"order_by": "".join(order)} if order else {})
    answer = embedded.get("/search", params=query)
    assert answer.status_code in {200, 400}, (query, answer.text)
