"""Bundles as files: written always alike, read with every size bounded, refused with one kind of exception."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from studbook.domain.canonical import canonical_json
from studbook.domain.errors import TooLargeError
from studbook.evidence import archive
from studbook.evidence.archive import FILES_LIMIT, UNPACKED_LIMIT
from studbook.evidence.format import read_bundle
from studbook.merkle.errors import VerificationError
from tests.evidence.making import MODEL, VERSION, Story, edited, packed, zipped

if TYPE_CHECKING:
    from pathlib import Path


def refused(data: bytes | Path, sentence: str) -> None:
    with pytest.raises(VerificationError, match=sentence) as caught:
        read_bundle(data)
    assert "\n" not in str(caught.value)


def test_the_same_parts_give_the_same_bytes(story: Story) -> None:
    parts = {"checkpoint": story.log.checkpoint(), "personal": list(story.log.personal[:3])}
    first = story.bundle(**parts)
    backwards = {
        **parts,
        "personal": parts["personal"][::-1],  # type: ignore[index]
        "entries": dict(reversed(read_bundle(first).entries.items())),
    }
    assert story.bundle(**backwards) == first


def test_what_is_written_is_read_again(story: Story, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(good)
    bundle = read_bundle(tmp_path / "bundle.zip")
    assert bundle == read_bundle(good)
    assert (bundle.namespace, bundle.origin, bundle.size) == ("default", story.log.origin, 9)
    assert [subject.id for subject in bundle.subjects] == [VERSION, MODEL]
    assert sorted(bundle.entries) == sorted(bundle.proofs) == [1, 3, 4, 5, 6, 7]
    assert all(body == story.log.entries[index] for index, body in bundle.entries.items())
    assert set(bundle.personal) <= set(story.log.personal)
    assert bundle.outside == tuple(sorted(story.log.outside, key=lambda value: (value.event, value.pointer)))
    assert bundle.snapshot is not None
    assert {leaf.subject_id for leaf in bundle.snapshot.leaves} == {MODEL, VERSION}
    assert bundle.earlier is not None
    assert bundle.earlier.consistency.endswith(b"\n\n" + bundle.checkpoint)


def test_the_files_are_those_of_the_format(files: dict[str, bytes]) -> None:
    assert next(iter(files)) == "README.txt"
    numbered = {f"entries/{index}.json" for index in (1, 3, 4, 5, 6, 7)} | {
        f"proofs/{index}.tlog-proof" for index in (1, 3, 4, 5, 6, 7)
    }
    single = {"manifest.json", "checkpoint", "policy", "checkpoint.prev", "consistency", "disclosures.json", "snapshot.json"}
    assert set(files) == numbered | single | {"verify.html", "README.txt"}
    for name in ("manifest.json", "disclosures.json", "snapshot.json"):
        assert canonical_json(json.loads(files[name])) == files[name]


def test_an_archive_that_another_program_made_is_read(files: dict[str, bytes], good: bytes) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert read_bundle(packed(*files.items(), method=method)).files == read_bundle(good).files


def test_a_bundle_that_would_be_too_large_is_not_written(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    from studbook.evidence import format as writing

    for limit, value in (("FILES_LIMIT", 10), ("UNPACKED_LIMIT", 1000), ("ARCHIVE_LIMIT", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(writing, limit, value)
            with pytest.raises(TooLargeError):
                story.bundle()


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 10, b"PK\5\6" + bytes(17), bytes(1000)])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    refused(data, "not a zip file|damaged or cut-off")


def test_an_empty_zip_is_refused() -> None:
    refused(packed(), "lacks the file|damaged")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "cannot be read: No such file")
    refused(tmp_path, "cannot be read")


def test_a_zip_cut_anywhere_is_refused(good: bytes) -> None:
    for size in [*range(0, len(good), 211), len(good) - 1]:
        refused(good[:size], "zip file")


@pytest.mark.parametrize("more", [b"x", b"PK\5\6" + bytes(18)])
def test_a_zip_with_something_behind_it_is_refused(good: bytes, more: bytes) -> None:
    refused(good + more, "damaged or cut-off|lacks the file")


def test_a_zip_with_something_before_it_is_refused(good: bytes) -> None:
    refused(b"PK" + good, "damaged or cut-off")


def test_a_large_archive_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ARCHIVE_LIMIT", 1000)
    refused(bytes(1001), "larger than")


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    part = bytes(UNPACKED_LIMIT // 8)
    bomb = packed(*((f"entries/{number}.json", part) for number in range(9)))
    assert len(bomb) < 2**20 * 3
    refused(bomb, "unpacks to more than 256 MiB")


def test_a_file_that_unpacks_to_more_than_it_says_is_refused(good: bytes) -> None:
    content = b"{}" + bytes(100_000)
    whole = bytearray(packed(("policy", content)))
    for place in (22, whole.index(b"PK\1\2") + 24):
        struct.pack_into("<I", whole, place, 10)
    refused(bytes(whole), "damaged")


def test_files_that_share_their_bytes_are_refused() -> None:
    whole = packed(("entries/1.json", b"x" * 100), ("entries/2.json", b"x" * 100), method=zipfile.ZIP_STORED)
    first, second = whole.index(b"PK\1\2"), whole.rindex(b"PK\1\2")
    overlapping = bytearray(whole)
    overlapping[second + 42 : second + 46] = overlapping[first + 42 : first + 46]
    refused(bytes(overlapping), "overlap")


def test_too_many_files_are_refused() -> None:
    refused(packed(*((f"entries/{number}.json", b"") for number in range(FILES_LIMIT + 1))), "more than 40100 files")


def test_two_files_of_the_same_name_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = packed(("policy", b"a"), ("policy", b"b"))
    refused(doubled, "two files of the same name")


@pytest.mark.parametrize(
    "name",
    [
        "../policy",
        "/etc/passwd",
        "entries/../../x.json",
        "entries/",
        "entries//1.json",
        "./policy",
        "C:/x",
        "a\\b",
        "x" * 101,
        "é",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    refused(packed((name, b"")), "whose name is too long|leads elsewhere")


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "entries/01.json",
        "entries/-1.json",
        "entries/1.txt",
        "entries/1.tlog-proof",
        "entries/a/1.json",
        "entries/9223372036854775808.json",
        "proofs/99999999999999999999999.tlog-proof",
        "Manifest.json",
    ],
)
def test_a_stray_file_is_refused(files: dict[str, bytes], name: str) -> None:
    refused(zipped({**files, name: b"{}"}), "which no evidence bundle has")


def test_a_damaged_file_is_refused(files: dict[str, bytes]) -> None:
    whole = bytearray(packed(*files.items(), method=zipfile.ZIP_STORED))
    whole[whole.index(files["policy"])] ^= 1
    refused(bytes(whole), "is damaged")


def test_a_file_that_cannot_be_decompressed_is_refused() -> None:
    whole = bytearray(packed(("policy", b"some text" * 20)))
    start = 30 + len("policy")
    whole[start : start + 4] = b"\xff\xff\xff\xff"
    refused(bytes(whole), "cannot be decompressed|damaged")


@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 12), (10, 99), (8, 0x2000)])
def test_an_encrypted_or_otherwise_compressed_file_is_refused(place: int, value: int) -> None:
    whole = bytearray(packed(("policy", b"text")))
    struct.pack_into("<H", whole, whole.index(b"PK\1\2") + place, value)
    refused(bytes(whole), "encrypted, or compressed in another way")


def test_a_file_named_otherwise_where_it_stands_is_refused() -> None:
    whole = bytearray(packed(("policy", b"text")))
    whole[30:36] = b"secret"
    refused(bytes(whole), "damaged")


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint", "policy", "disclosures.json"])
def test_a_missing_part_is_named(files: dict[str, bytes], name: str) -> None:
    refused(zipped({other: data for other, data in files.items() if other != name}), f"lacks the file {name}")


@pytest.mark.parametrize("name", ["checkpoint.prev", "consistency"])
def test_half_a_pair_is_refused(files: dict[str, bytes], name: str) -> None:
    refused(zipped({other: data for other, data in files.items() if other != name}), "only one, and they go together")


MANIFESTS = {
    "another format": ({"format": "studbook-evidence/v2"}, "not of the format"),
    "a further member": ({"more": 1}, "has not exactly the members"),
    "a size that is a text": ({"size": "9"}, "not a whole number"),
    "a size below zero": ({"size": -1}, "not a whole number"),
    "a size that is true": ({"size": True}, "not a whole number"),
    "no subject": ({"subjects": []}, "names no subject"),
    "a subject without a name": ({"subjects": [{"id": MODEL, "name": ""}]}, "not a text"),
    "a subject whose id is none": ({"subjects": [{"id": "1", "name": "x"}]}, "not a UUID"),
    "a subject twice": ({"subjects": [{"id": MODEL, "name": "x"}, {"id": MODEL, "name": "y"}]}, "a subject twice"),
    "subjects that are no list": ({"subjects": {}}, "not a JSON list"),
    "an origin that is null": ({"origin": None}, "not a text"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_refused_for(files: dict[str, bytes], name: str) -> None:
    change, sentence = MANIFESTS[name]
    refused(zipped(edited(files, "manifest.json", change)), sentence)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[]", "not of the format"),
        (b"null", "not of the format"),
        (b'{"format": "studbook-evidence/v1"}', "canonical form"),
        (b'{"format":"studbook-evidence/v1"', "not JSON"),
        (b'{"a":1,"a":1}', "canonical form"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b"[" * 70 + b"]" * 70, "nests deeper"),
        (b'"\\ud800"', "not JSON"),
        (b"\xff", "not JSON"),
        (b"NaN", "not JSON"),
        (b"1" * 5000, "not JSON"),
        (b"1e999", "not JSON"),
        (b'\xef\xbb\xbf""', "not JSON"),
    ],
)
def test_json_that_can_be_understood_differently_is_refused(files: dict[str, bytes], data: bytes, sentence: str) -> None:
    for name in ("manifest.json", "disclosures.json", "snapshot.json"):
        with pytest.raises(VerificationError, match=f"{sentence}|not a JSON object"):
            read_bundle(zipped({**files, name: data}, honest_manifest=False))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"salt": "AA=="}, "not base64url"),
        ({"salt": "AB"}, "canonical form"),
        ({"salt": 1}, "not a text"),
        ({"event": "none"}, "not a UUID"),
        ({"pointer": ""}, "not a text"),
        ({"value": '{"a": 1}'}, "canonical form"),
        ({"value": "{"}, "not JSON"),
        ({"more": 1}, "has not exactly the members"),
    ],
)
def test_a_disclosure_that_is_none_is_refused(files: dict[str, bytes], value: dict[str, object], sentence: str) -> None:
    disclosures = json.loads(files["disclosures.json"])
    disclosures["personal"][0] |= value
    refused(zipped(edited(files, "disclosures.json", disclosures)), sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"path": ["AAAA"] * 64}, "longer than any tree"),
        ({"path": ["*"]}, "not base64"),
        ({"path": [7]}, "not a text"),
        ({"head": "AA"}, "not a SHA-256 digest"),
        ({"rev": 1.5}, "not a whole number"),
        ({"index": 2**53}, "not a whole number"),
    ],
)
def test_a_snapshot_that_is_none_is_refused(files: dict[str, bytes], value: dict[str, object], sentence: str) -> None:
    snapshot = json.loads(files["snapshot.json"])
    snapshot["leaves"][0] |= value
    changed = json.dumps(snapshot, sort_keys=True, separators=(",", ":")).encode()
    if value.get("index") != 2**53:
        changed = canonical_json(snapshot)
    refused(zipped({**files, "snapshot.json": changed}), sentence)


def test_an_entry_larger_than_any_is_refused(files: dict[str, bytes]) -> None:
    refused(zipped({**files, "entries/1.json": b" " * 65_536}), "larger than an entry can be")


def test_the_archive_is_read_as_zipfile_reads_it(story: Story, good: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(good)) as read:
        assert read.testzip() is None
        for member in read.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert read.read(member) == archive.read_archive(good)[member.filename]
