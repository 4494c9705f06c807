"""Exports: the same rows in every format, while others write, and for clients that stall or leave; on both engines."""

from __future__ import annotations

import csv
import io
import json
import socket
import sys
import threading
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from studbook.testing import make_document
from tests.schemas.test_registering import TABULAR, publish, register, wait_until_placed

if TYPE_CHECKING:
    from tests.http.conftest import Served

EXPORT = "/search/export"
LOOSE = {**TABULAR, "json_schema": {"type": "object"}}
FORMATS = ("csv", "arrow", "parquet")
NASTY = 'naïve "quoted", über\nzwei Zeilen; 日本 \U0001f40e'
FULL = {
    "license": "MIT", "risk": "high", "energy_kwh": -12.5, "notes": '=HYPERLINK("x")', "trained_for": "PT36H",
    "released": "2026-11-01",
    "hyper": {"depth": 6, "loss": "log"}, "contact": "ada@example.org", "serial": "-1", "frozen": True,
    "weights": {"uri": "s3://w/1", "digest": "sha256:" + "ab" * 32}, "extra": [1, None],
}  # fmt: skip


def export(api: httpx.Client, written: str, **query: Any) -> httpx.Response:
    answer = api.get(EXPORT, params={"format": written, **query})
    assert answer.status_code == 200, answer.text
    return answer


def records(api: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export(api, "jsonl", **query).content.split(b"\n")[:-1]]


def table(api: httpx.Client, written: str, **query: Any) -> pa.Table:
    content = export(api, written, **query).content
    if written == "arrow":
        return pa.ipc.open_stream(content).read_all()
    return parquet.read_table(io.BytesIO(content))


def cells(api: httpx.Client, **query: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(api, "csv", **query).content.decode(), newline="")))


def as_cell(value: Any) -> str:
    """A value of Arrow as CSV shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}:
        return f"'{value}"
    return str(value)


def fill(api: httpx.Client) -> None:
    publish(api, LOOSE)
    assert register(api, "churn", FULL, description=NASTY, tags={"team": "=1+1"}).status_code == 201
    assert register(api, "churn", {"license": "Apache-2.0"}, metrics=[], description="@sum").status_code == 201
    assert api.post("/ingest", json=make_document("plain")).status_code == 201
    assert api.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200


def test_every_format_has_the_same_rows(api: httpx.Client) -> None:
    fill(api)
    lines = records(api)
    assert [line["name"] for line in lines] == ["models/plain/versions/1", "models/churn/versions/2", "models/churn/versions/1"]
    arrow, read = table(api, "arrow"), table(api, "parquet")
    assert arrow.schema.equals(read.schema)
    assert arrow.to_pylist() == read.to_pylist()
    assert [row["id"] for row in arrow.to_pylist()] == [line["id"] for line in lines]
    shown = cells(api)
    assert list(shown[0]) == arrow.column_names
    assert shown == [{name: as_cell(value) for name, value in row.items()} for row in arrow.to_pylist()]


def test_a_line_is_the_record_as_it_is_read_alone(api: httpx.Client) -> None:
    fill(api)
    for line in records(api):
        assert line == api.get(f"/models/{line['model']}/versions/{line['number']}").json()


def test_columns_are_typed_by_their_definition(api: httpx.Client) -> None:
    fill(api)
    read = table(api, "parquet")
    kinds = {field.name: str(field.type) for field in read.schema}
    assert list(kinds)[:11] == [
        "id", "name", "model", "number", "created_at", "created_by", "description", "archived_at", "run", "schema",
        "schema_version",
    ]  # fmt: skip
    assert list(kinds)[-3:] == ["tags", "parameters", "metrics"]
    assert {name: kind for name, kind in kinds.items() if kind != "string"} == {
        "number": "int64", "created_at": "timestamp[us, tz=UTC]", "archived_at": "timestamp[us, tz=UTC]",
        "schema_version": "int64",
        "energy": "double", "trained_for": "double", "released": "date32[day]", "best_auc": "double", "frozen": "bool",
    }  # fmt: skip
    row = read.to_pylist()[2]
    record = api.get("/models/churn/versions/1").json()
    assert row["created_at"] == datetime.fromisoformat(record["created_at"])
    assert (row["run"], row["schema"], row["schema_version"]) == (record["run"]["id"], "tabular", 1)
    assert (row["license"], row["energy"], row["trained_for"], row["released"]) == ("MIT", -12.5, 129_600.0, date(2026, 11, 1))
    assert (row["frozen"], row["best_auc"], row["serial"]) == (True, 0.9, "-1")
    assert (row["notes"], row["extra"], json.loads(row["hyper"])) == (FULL["notes"], "[1,null]", FULL["hyper"])
    assert json.loads(row["parameters"]) == record["parameters"]
    assert json.loads(row["metrics"]) == record["metrics"]
    assert json.loads(row["tags"]) == {"team": "=1+1"}
    assert row["description"] == NASTY
    assert read.to_pylist()[0]["license"] is None


def test_no_text_of_a_csv_is_taken_for_a_formula(api: httpx.Client) -> None:
    fill(api)
    row = cells(api)[2]
    assert (row["notes"], row["serial"], row["energy"]) == ('\'=HYPERLINK("x")', "'-1", "-12.5")
    assert row["description"] == NASTY
    assert cells(api)[1]["description"] == "'@sum"
    assert not [cell for line in cells(api) for cell in line.values() if cell[:1] in {"=", "+", "@", "\t", "\r"}]


@pytest.mark.parametrize("written", FORMATS)
def test_nothing_personal_is_in_a_column(api: httpx.Client, written: str) -> None:
    fill(api)
    private = {**FULL, "serial": "2", "notes": "about Grace", "extra": {"who": {"name": "Grace"}, "n": 1}}
    personal = ["/attributes/notes", "/attributes/extra/who", "/description"]
    assert register(api, "churn", private, description="asked by Grace", personal=personal).status_code == 201
    rows = cells(api) if written == "csv" else table(api, written).to_pylist()
    assert "Grace" not in str(rows)
    assert "ada@" not in str(rows)
    assert json.loads(rows[0]["extra"]) == {"who": None, "n": 1}
    assert "contact" not in rows[0]
    assert "asked by Grace" in str(records(api))


def test_names_of_several_definitions_are_told_apart(api: httpx.Client) -> None:
    other = {
        "name": "vision",
        "json_schema": {"type": "object"},
        "attributes": [
            {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column"},
            {"id": 2, "name": "name", "path": "/attributes/long", "type": "string", "store": "column"},
            {"id": 3, "name": "settings", "path": "/parameters/*", "store": "key-value"},
        ],
    }
    publish(api, LOOSE)
    publish(api, other)
    assert register(api, "eyes", {"license": "CC0", "long": "text"}, schema="vision").status_code == 201
    row = table(api, "arrow").to_pylist()[0]
    assert (row["license@vision"], row["license@tabular"]) == ("CC0", None)
    assert (row["name"], row["name@vision"]) == ("models/eyes/versions/1", "text")
    assert "license" not in row
    # What is in the column of parameters needs no second one.
    assert "settings" not in row
    for asked in ("schema = vision", "schema in (vision) and number > 0", "schema = vision or (schema = vision and number = 1)"):
        names = table(api, "arrow", filter=asked).column_names
        assert "license" in names, asked
        assert "risk" not in names
    for asked in ("schema != tabular", "not schema = tabular", "schema = vision or number = 1"):
        assert "license@tabular" in table(api, "arrow", filter=asked).column_names, asked


def test_a_definition_that_came_after_its_versions_gives_their_columns(api: httpx.Client) -> None:
    document = make_document("late")
    document["version"]["attributes"] = {"license": "MIT", "energy_kwh": 3}
    assert api.post("/ingest", json=document).status_code == 201
    publish(api, LOOSE)
    etag = api.get("/models/late").headers["ETag"]
    assert api.patch("/models/late", json={"schema": "tabular"}, headers={"If-Match": etag}).status_code == 200
    wait_until_placed(api)
    row = table(api, "arrow", filter="license = MIT").to_pylist()[0]
    assert (row["license"], row["energy"], row["schema"]) == ("MIT", 3.0, None)


def test_the_question_is_that_of_a_search(api: httpx.Client) -> None:
    fill(api)
    for query, found in {
        (("filter", "license = MIT"),): ["churn/1"],
        (("filter", 'model = "churn"'), ("order_by", "number")): ["churn/1", "churn/2"],
        (("order_by", "metrics.auc"),): ["churn/1", "plain/1"],
        (("q", "zwei"),): ["churn/1"],
        (("q", "zwei"), ("filter", "number = 2")): [],
        (("filter", "archived = true"),): [],
    }.items():
        for written in FORMATS:
            rows = cells(api, **dict(query)) if written == "csv" else table(api, written, **dict(query)).to_pylist()
            assert [row["name"].removeprefix("models/").replace("/versions/", "/") for row in rows] == found, query
    assert api.patch("/models/plain/versions/1", json={"archived": True}).status_code == 200
    assert len(records(api)) == 2
    assert table(api, "parquet", filter="archived = true").to_pylist()[0]["archived_at"].tzinfo is not None


def test_nothing_found_is_an_empty_table_with_its_columns(api: httpx.Client) -> None:
    publish(api, LOOSE)
    assert export(api, "jsonl").content == b""
    assert export(api, "csv").content.decode().count("\r\n") == 1
    for written in ("arrow", "parquet"):
        read = table(api, written)
        assert read.num_rows == 0
        assert "license" in read.column_names


@pytest.mark.parametrize("written", ["jsonl", *FORMATS])
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_sent(api: httpx.Client, written: str) -> None:
    for query in ({"filter": "licens >"}, {"filter": "nothing.such = 1"}, {"order_by": "model"}, {"q": "…"}):
        answer = api.get(EXPORT, params={"format": written, **query})
        assert answer.status_code == 400, query
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() | {"request_id": ""} == api.get("/search", params=query).json() | {"request_id": ""}
    assert api.get(EXPORT, params={"format": "xlsx"}).status_code == 422


def test_words_that_too_many_records_have_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order by time looks at so many documents with the words and no more; what would be passed over must not be missed."""
    record_many(served.client, "many", 800, 4_000)
    monkeypatch.setattr("studbook.storage.searching.finding._DOCUMENTS", 700)
    answer = served.client.get(EXPORT, params={"q": "many"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "too_much_found"
    monkeypatch.setattr("studbook.storage.searching.finding._DOCUMENTS", 801)
    assert len(records(served.client, q="many")) == 800
    with served.client.stream("GET", EXPORT, params={"q": "many"}) as response:
        pieces = response.iter_bytes()
        assert b"models/many/versions/800" in next(pieces)
        monkeypatch.setattr("studbook.storage.searching.finding._DOCUMENTS", 700)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)


def test_the_format_may_be_named_by_the_accept_header(api: httpx.Client) -> None:
    for accept, media_type in {
        "text/csv": "text/csv; charset=utf-8",
        "text/html, application/vnd.apache.parquet;q=0.9": "application/vnd.apache.parquet",
        "Application/vnd.apache.arrow.stream": "application/vnd.apache.arrow.stream",
        "*/*": "application/x-ndjson",
    }.items():
        answer = api.get(EXPORT, headers={"Accept": accept})
        assert answer.headers["content-type"] == media_type
    named = api.get(EXPORT, params={"format": "jsonl"}, headers={"Accept": "text/csv"})
    assert named.headers["content-type"] == "application/x-ndjson"
    assert named.headers["content-disposition"] == 'attachment; filename="versions.jsonl"'


def test_without_pyarrow_the_server_says_what_to_install(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for written in ("arrow", "parquet"):
        answer = api.get(EXPORT, params={"format": written})
        assert answer.status_code == 406
        assert answer.json()["code"] == "not_acceptable"
        assert "pip install 'studbook[arrow]'" in answer.json()["detail"]
    assert export(api, "csv").content.startswith(b"id,name,model")


def record_many(api: httpx.Client, model: str, count: int, length: int = 10) -> None:
    """Versions with descriptions so long that together they may be more than the kernel takes for a client that reads nothing."""
    version = {"description": "x" * length}
    documents = [{"model": {"name": model}, "version": {**version, "parameters": {"place": place}}} for place in range(count)]
    lines = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
    answer = api.post("/ingest/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}, timeout=120)
    assert answer.content.count(b'"status":201') == count


def open_export(served: Served, written: str = "jsonl") -> socket.socket:
    """A connection on which an export is asked for and nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", served.port))
    path = f"/api/v1/namespaces/default{EXPORT}?format={written}"
    head = f"GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {served.token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def held_connections(served: Served) -> int:
    """The connections for reading that are held for longer than a moment."""
    samples = []
    for _ in range(50):
        samples.append(served.registry.database._reading.pool.checkedout())
        time.sleep(0.005)
    return min(samples)


def until_exporting(served: Served, count: int) -> None:
    deadline = time.monotonic() + 10
    while served.app.state.exports.taken != count:
        assert time.monotonic() < deadline, served.app.state.exports.taken
        time.sleep(0.005)


def test_what_exists_all_the_while_is_there_once(served: Served) -> None:
    """Writers register, amend, measure and move aliases while several exports read more than one group."""
    record_many(served.client, "many", 1_300)
    existing = {record["id"] for record in records(served.client)}
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            assert served.client.post("/ingest", json=make_document("fresh")).status_code == 201
            place = f"/models/many/versions/{1 + written * 37 % 1300}"
            assert served.client.patch(place, json={"description": f"seen {written}"}).status_code == 200
            written += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for query in ({}, {"order_by": "created_at"}, {"order_by": "-params.place"}, {"filter": "not number < 0"}):
            before = written
            ids = [record["id"] for record in records(served.client, **query)]
            assert len(ids) == len(set(ids)), query
            assert existing <= set(ids), query
            while written == before:
                time.sleep(0.01)
    finally:
        done.set()
        writing.join()
    assert written > 4
    for form in FORMATS:
        rows = cells(served.client) if form == "csv" else table(served.client, form).to_pylist()
        assert len({row["id"] for row in rows}) == len(rows) == 1_300 + written


def test_clients_that_take_nothing_hold_no_thread_and_are_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    record_many(served.client, "many", 4_000, 4_000)
    at_rest = held_connections(served)
    monkeypatch.setattr("studbook.http.downloads._STALL_SECONDS", 2.0)
    stalled = [open_export(served) for _ in range(4)]
    try:
        until_exporting(served, 4)
        full = served.client.get(EXPORT)
        assert full.status_code == 503
        assert int(full.headers["Retry-After"]) >= 1
        assert "4 exports" in full.json()["detail"]
        time.sleep(0.5)
        # Whoever reads and writes meanwhile waits for none of them, and no connection to the database is taken.
        begun = time.monotonic()
        assert served.client.post("/ingest", json=make_document()).status_code == 201
        assert served.client.get("/search").status_code == 200
        assert time.monotonic() - begun < 2
        assert held_connections(served) == at_rest
        assert served.app.state.exports.taken == 4
        until_exporting(served, 0)
        for connection in stalled:
            received = drain(connection)
            assert received.startswith(b"HTTP/1.1 200")
            assert not received.endswith(b"0\r\n\r\n")
    finally:
        for connection in stalled:
            connection.close()
    assert len(records(served.client)) == 4_001


def drain(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("written", ["jsonl", "parquet"])
def test_a_client_that_leaves_frees_its_place_at_once(served: Served, written: str) -> None:
    record_many(served.client, "many", 4_000, 4_000)
    for _ in range(4):
        connection = open_export(served, written)
        until_exporting(served, 1)
        connection.close()
        until_exporting(served, 0)
    assert table(served.client, "parquet").num_rows == 4_000


@pytest.mark.parametrize("written", FORMATS)
def test_what_fails_in_the_middle_is_not_taken_for_the_whole(served: Served, written: str) -> None:
    """An old record is damaged in the database: what comes before it may be sent, and the end is never marked."""
    record_many(served.client, "many", 600)
    with served.registry.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE model_versions SET record = :record WHERE number = 20"), {"record": b"not json"})
    with served.client.stream("GET", EXPORT, params={"format": written}) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            response.read()
    until_exporting(served, 0)


def test_a_database_that_fails_in_the_middle_ends_the_lines_unfinished(served: Served) -> None:
    record_many(served.client, "many", 4_000, 4_000)
    connection = open_export(served)
    received = b""
    while b'"kind":"model_version"' not in received:
        received += connection.recv(4096)
    with served.registry.database.engine.begin() as changing:
        changing.execute(sa.text("ALTER TABLE aliases RENAME TO gone"))
    received += drain(connection)
    connection.close()
    until_exporting(served, 0)
    with served.registry.database.engine.begin() as changing:
        changing.execute(sa.text("ALTER TABLE gone RENAME TO aliases"))
    assert 50 <= received.count(b'"kind":"model_version"') < 4_000
    assert not received.endswith(b"0\r\n\r\n")
    assert len(records(served.client)) == 4_000
