"""Profiles say what is in a table: against tables whose contents are known, in every format."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from studbook.formats.datasets.cells import read_cell
from studbook.formats.datasets.errors import DataError
from studbook.formats.datasets.profile import DatasetProfile, profile_file
from studbook.schemas.standards import load_standard

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pa.table(
    {
        "patient": pa.array(["Ana", "Жанна", None, "李"], pa.string()),
        "größe": pa.array([1.5, float("nan"), 3.0, 2.25], pa.float64()),
        "visits": pa.array([3, 1, 2, None], pa.int64()),
        "smoker": pa.array([True, False, None, True], pa.bool_()),
        "born": pa.array([dt.date(1990, 1, 2), dt.date(1970, 5, 6), None, dt.date(2001, 9, 9)], pa.date32()),
        "seen": pa.array([dt.datetime(2026, 1, 1, 9, tzinfo=dt.UTC)] * 4, pa.timestamp("ns", "UTC")),
    }
)
CSV = """patient,größe,visits,smoker,born,seen
Ana,1.5,3,true,1990-01-02,2026-01-01T09:00:00Z
Жанна,,1,false,1970-05-06,2026-01-01 10:00:00+01:00
,3.0,2,,,2026-01-01T09:00:00Z
李,2.25,,true,2001-09-09,2026-01-01T09:00:00.000000Z
"""


def _write(folder: Path, kind: str) -> Path:
    path = folder / f"data.{kind}"
    if kind == "csv":
        path.write_text(CSV, encoding="utf-8")
    elif kind == "parquet":
        parquet.write_table(TABLE, path)
    elif kind == "feather":
        feather.write_feather(TABLE, str(path))
    elif kind == "arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
            writer.write_table(TABLE)
    else:
        (path / "year=2026").mkdir(parents=True)
        parquet.write_table(TABLE.slice(2), path / "a.parquet")
        parquet.write_table(TABLE.slice(0, 2), path / "year=2026" / "b.parquet")
        (path / "_metadata.parquet").write_bytes(b"of the writer")
    return path


FORMATS = ("csv", "parquet", "feather", "arrow", "folder")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_profile_of_the_same_table(tmp_path: Path, kind: str) -> None:
    profile = profile_file(_write(tmp_path, kind))

    assert profile.rows == 4
    columns = {column.name: column for column in profile.columns}
    assert [column.type for column in profile.columns] == ["text", "number", "integer", "boolean", "date", "time"]
    assert [column.missing for column in profile.columns] == [1, 1, 1, 1, 1, 0]
    assert [column.distinct for column in profile.columns] == [3, 3, 3, 2, 3, 1]
    assert (columns["größe"].minimum, columns["größe"].maximum) == (1.5, 3)
    assert (columns["visits"].minimum, columns["visits"].maximum) == (1, 3)
    assert (columns["born"].minimum, columns["born"].maximum) == ("1970-05-06", "2001-09-09")
    assert columns["seen"].minimum == columns["seen"].maximum == "2026-01-01T09:00:00.000000Z"
    assert (columns["patient"].shortest, columns["patient"].longest) == (1, 5)
    assert profile.fingerprint == profile_file(_write(tmp_path, "csv")).fingerprint
    assert profile.sketch == profile_file(_write(tmp_path, "csv")).sketch


@pytest.mark.parametrize("kind", FORMATS)
def test_values_of_text_are_told_only_when_asked_for(tmp_path: Path, kind: str) -> None:
    path = _write(tmp_path, kind)

    assert "Ana" not in json.dumps(profile_file(path).as_entry(), ensure_ascii=False)
    asked = profile_file(path, values=True).columns[0]
    assert (asked.minimum, asked.maximum) == ("Ana", "李")


def test_an_entry_keeps_to_the_definition_of_dataset_versions(tmp_path: Path) -> None:
    import jsonschema_rs

    entry = profile_file(_write(tmp_path, "parquet")).as_entry()

    schema = load_standard("studbook.dataset-version").json_schema
    validator = jsonschema_rs.validator_for(schema)
    validator.validate({"name": "d", **entry})
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate({"name": "d", **entry, "profile": {"rows_sketch": {}}})


def test_the_fingerprint_is_of_the_rows_and_not_of_their_order(tmp_path: Path) -> None:
    def of(text: str, **options: bytes) -> DatasetProfile:
        (tmp_path / "t.csv").write_text(text)
        return profile_file(tmp_path / "t.csv", **options)

    base = of("a,b\n1,x\n2,y\n").fingerprint
    assert of("b;a\ny;2.0\nx;1\n").fingerprint == base
    others = ["a,b\n1,x\n", "a,b\n1,x\n2,y\n2,y\n", "a,b\n1,y\n2,x\n", "a,c\n1,x\n2,y\n", "a,b\n1,x\n2,Y\n"]
    assert base not in {of(text).fingerprint for text in others}
    assert of("a,b\n1,x\n2,y\n", key=b"k").fingerprint != base


def test_a_table_larger_than_a_batch_is_counted_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("n,half\n" + "".join(f"{number},{number // 2}\n" for number in range(9_000)))

    profile = profile_file(path)

    assert profile.rows == 9_000
    assert (profile.columns[0].minimum, profile.columns[0].maximum) == (0, 8_999)
    assert profile.columns[0].distinct == pytest.approx(9_000, rel=0.25)
    assert profile.sketch is not None
    assert profile.sketch.distinct() == pytest.approx(9_000, rel=0.12)
    assert not profile.sketch.whole


@pytest.mark.parametrize(
    ("text", "types", "rows"),
    [
        ('\ufeffa,b\n"x, y","say ""hi"""\n', ["text", "text"], 1),
        ("a;b;c\n1,5;2;3\n", ["text", "integer", "integer"], 1),
        ("a\tb\n1\t2\n", ["integer", "integer"], 1),
        ("a|b\n1|2\n\n", ["integer", "integer"], 1),
        ('a,b\n"two\nlines",1\n', ["text", "integer"], 1),
        ("a\n1\n\n2\n", ["integer"], 3),
        ("a,b\n1,x\nzwei,2\n", ["text", "text"], 2),
        ("a,b\n1,2\n1.5,2e3\n", ["number", "number"], 2),
        ("a,b\n", ["null", "null"], 0),
        ("plz,when\n01067,2026-02-31\n", ["text", "text"], 1),
        ("a\r\n1\r\n", ["integer"], 1),
        ("a,b\n1e999,99999999999999999999\n", ["text", "integer"], 1),
    ],
)
def test_odd_csv_is_read(tmp_path: Path, text: str, types: list[str], rows: int) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(text.encode())

    profile = profile_file(path)

    assert [column.type for column in profile.columns] == types
    assert profile.rows == rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1\n", "line 2: 1 values where the header names 2"),
        (b"a,b\n1,2,3\n", "line 2: 3 values"),
        (b"a,a\n1,2\n", "several columns named 'a'"),
        (b'a,b\n"open,1\n', "quote"),
        (b"a\n\xff\xfe\n", "not UTF-8"),
        (b"a\n" + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_what_is_no_csv_is_refused_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=words):
        profile_file(path)


def test_damaged_and_unknown_files_are_refused(tmp_path: Path) -> None:
    for name, content in {"a.parquet": b"PAR1nothing", "b.arrow": b"ARROW1nothing", "c.bin": b"\0" * 9}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            profile_file(tmp_path / name)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no Parquet"):
        profile_file(tmp_path / "none")


def test_parts_of_other_columns_are_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    parquet.write_table(pa.table({"a": ["1"]}), tmp_path / "2.parquet")

    with pytest.raises(DataError, match=r"2\.parquet has other columns than 1\.parquet"):
        profile_file(tmp_path)


def test_nested_values_and_bytes_are_counted(tmp_path: Path) -> None:
    table = pa.table({"list": [[1, 2], None], "struct": [{"x": 1}, {"x": 2}], "raw": [b"\xff", b"\x00"]})
    parquet.write_table(table, tmp_path / "nested.parquet")

    columns = profile_file(tmp_path / "nested.parquet").columns

    assert [(column.missing, column.distinct) for column in columns] == [(1, 1), (0, 2), (0, 2)]
    assert columns[0].type.startswith("list<")


@seed(17)
@settings(max_examples=100, deadline=None)
@given(st.one_of(st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.dates()))
def test_a_value_and_its_text_are_the_same_cell(value: object) -> None:
    # CSV holds the text of what Parquet holds as a value.
    text = str(value)
    assert read_cell(text)[1] == read_cell(value)[1]


@seed(17)
@settings(max_examples=40, deadline=None)
@given(st.text())
def test_any_text_is_a_cell(text: str) -> None:
    kind, canonical, _ = read_cell(text)
    assert read_cell(canonical)[:2] == (kind, canonical) or kind in {"number", "integer"}
