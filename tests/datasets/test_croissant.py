"""Croissant is read and written, and what is hostile in it is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from studbook.cli.main import app
from studbook.formats.croissant.reading import SIZE_LIMIT, CroissantError, read_croissant
from studbook.formats.croissant.writing import write_croissant

if TYPE_CHECKING:
    from pathlib import Path

RECORD: dict[str, Any] = {
    "dataset": "größen",
    "number": 3,
    "created_at": "2026-11-25T09:30:00.000000Z",
    "digest": "sha256:" + "ab" * 32,
    "uri": "https://example.org/sizes.csv",
    "license": "CC-BY-4.0",
    "description": "Sizes of people.",
    "schema": {
        "columns": [{"name": "id", "type": "integer"}, {"name": "born", "type": "date"}, {"name": "word", "type": "text"}]
    },
    "profile": {
        "citation": "@misc{sizes}",
        "size_bytes": 1234,
        "collection_process": "Measured.",
        "known_biases": ["Only the tall."],
        "limitations": ["a", "b"],
    },
}


def read(document: Any) -> dict[str, Any]:
    return read_croissant(json.dumps(document).encode())


def test_what_is_written_is_read_again() -> None:
    entry = read(write_croissant(RECORD))

    assert entry["name"] == "größen"
    for member in ("digest", "uri", "license", "description", "schema"):
        assert entry[member] == RECORD[member]
    extra = entry["profile"].pop("extra")["croissant"]
    assert entry["profile"] == RECORD["profile"]
    assert (extra["version"], extra["published"]) == ("3.0.0", "2026-11-25T09:30:00.000000Z")


def test_columns_say_of_which_file_they_are() -> None:
    document = write_croissant(RECORD)

    assert document["distribution"][0]["sha256"] == "ab" * 32
    for field in document["recordSet"][0]["field"]:
        assert field["source"] == {
            "fileObject": {"@id": document["distribution"][0]["@id"]},
            "extract": {"column": field["name"]},
        }
    bare = write_croissant({**RECORD, "digest": None})
    assert "distribution" not in bare
    assert "recordSet" not in bare


def test_several_files_have_no_digest_and_prefixes_are_understood() -> None:
    entry = read(
        {
            "@type": "https://schema.org/Dataset",
            "sc:name": "many",
            "sc:license": {"url": "https://spdx.org/licenses/MIT.html"},
            "cr:isLiveDataset": True,
            "http://mlcommons.org/croissant/RAI/dataBiases": "some",
            "distribution": [
                {"@type": "cr:FileObject", "@id": "zip", "sha256": "cd" * 32, "contentUrl": "https://example.org/a.zip"},
                {"@type": "cr:FileSet", "@id": "images", "containedIn": {"@id": "zip"}, "includes": "*.png"},
            ],
            "recordSet": [
                {"@id": "a", "field": [{"@id": "a/x", "name": "x", "dataType": ["sc:ImageObject", "cr:Int64"]}]},
                {"name": "b", "field": {"@id": "b/y", "dataType": "sc:ImageObject"}},
            ],
        }
    )

    assert "digest" not in entry
    assert entry["license"] == "MIT"
    assert entry["schema"]["columns"] == [{"name": "a/x", "type": "integer"}, {"name": "b/b/y", "type": "ImageObject"}]
    assert entry["profile"]["known_biases"] == ["some"]
    assert entry["profile"]["extra"]["croissant"]["live"] is True
    assert [file["id"] for file in entry["profile"]["extra"]["croissant"]["files"]] == ["zip", "images"]


def test_what_refers_to_itself_leads_nowhere() -> None:
    loop = {"@id": "x", "@type": "cr:FileObject", "containedIn": {"@id": "x"}, "name": "x"}
    field = {"@id": "f", "name": "f", "source": {"field": {"@id": "f"}}, "references": {"field": {"@id": "f"}}}

    entry = read({"@type": "sc:Dataset", "name": "n", "distribution": loop, "recordSet": {"@id": "f", "field": field}})

    assert entry["schema"] == {"columns": [{"name": "f"}]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 200_000, "no JSON"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than"),
        (b'{"a": NaN}', "NaN"),
        (b" " * (SIZE_LIMIT + 1), "bytes; at most"),
        (b'{"@type": "sc:Thing", "name": "n"}', "@type"),
        (b'{"@type": "sc:Dataset"}', "has no name"),
        (json.dumps({"@type": "sc:Dataset", "name": "n", "distribution": [{}] * 1001}).encode(), "distribution has 1001"),
        (json.dumps({"@type": "sc:Dataset", "name": "n", "recordSet": {"field": [{}] * 10_001}}).encode(), "field has 10001"),
    ],
)
def test_hostile_documents_are_refused(text: bytes, words: str) -> None:
    with pytest.raises(CroissantError, match=words):
        read_croissant(text)


WORDS = [
    "name",
    "license",
    "distribution",
    "recordSet",
    "field",
    "dataType",
    "sha256",
    "@id",
    "rai:dataBiases",
    "@value",
    "contentSize",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)


@seed(17)
@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6))
def test_no_document_fails_otherwise(members: dict[str, Any]) -> None:
    entry = read({"@type": "sc:Dataset", **members, "name": "n"})

    assert entry["name"] == "n"


def test_the_command_line_takes_croissant_in_and_gives_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(write_croissant(RECORD)))

    def command(*words: str) -> Any:
        return CliRunner().invoke(app, ["--url", str(tmp_path / "registry.db"), "dataset", *words])

    assert command("import", str(path), "--name", "sizes").exit_code == 0
    written = json.loads(command("croissant", "sizes/1").output)
    assert written["recordSet"] == write_croissant(RECORD)["recordSet"]
    assert (written["name"], written["license"], written["citeAs"]) == ("sizes", "CC-BY-4.0", "@misc{sizes}")
    path.write_text("[]")
    refused = command("import", str(path))
    assert refused.exit_code == 2
    assert "not a JSON object" in refused.output
