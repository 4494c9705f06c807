"""Which recorded versions files are, and what many identifiers mean, asked through the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import studbook
from studbook.client.digests import digest_path, digest_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook import Recognised, Registry
    from tests.client.conftest import FakeRegistry


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model in a folder of its own, a single file, data, and what nobody recorded."""
    place = tmp_path / "files"
    (place / "model" / "parts").mkdir(parents=True)
    for name in ("model/weights.bin", "model/parts/tokenizer.json", "single.onnx", "train.csv", "notes.txt"):
        (place / name).write_text(f"content of {name}")
    return place


@pytest.fixture
def registry(tmp_path: Path, files: Path) -> Iterator[Registry]:
    """A registry that knows the folder `model` as a whole, the single file, and the data."""
    with studbook.connect(tmp_path / "studbook.db", spool=tmp_path / "spool") as opened:
        with opened.run(capture=False) as run:
            run.use_dataset("churn-train", path=files / "train.csv")
            run.log_artifact(files / "model", uri="s3://models/churn")
            run.register("churn")
        with opened.run(capture=False) as run:
            run.log_artifact(files / "single.onnx", uri="s3://models/single.onnx")
            run.register("single")
        yield opened


def names(entry: Recognised) -> list[str]:
    return [link.name for link in entry.matches]


def test_a_file_is_recognised(registry: Registry, files: Path) -> None:
    single, data, notes = registry.whatis(files / "single.onnx", str(files / "train.csv"), files / "notes.txt")
    assert (names(single), single.known, single.is_folder) == (["models/single/versions/1"], True, False)
    assert single.matches[0].kind == "model_version"
    assert (single.digest, single.size) == (digest_path(files / "single.onnx").digest, len("content of single.onnx"))
    assert (names(data), data.matches[0].kind) == (["datasets/churn-train/versions/1"], "dataset_version")
    assert (names(notes), notes.known, notes.part_of) == ([], False, None)


def test_a_folder_is_recognised_as_a_whole_with_all_that_is_in_it(registry: Registry, files: Path) -> None:
    whole, *inner = registry.whatis(files / "model")
    assert (names(whole), whole.is_folder, whole.known) == (["models/churn/versions/1"], True, True)
    assert {entry.path: (entry.part_of, entry.known) for entry in inner} == {
        str(files / "model" / "weights.bin"): (str(files / "model"), True),
        str(files / "model" / "parts" / "tokenizer.json"): (str(files / "model"), True),
    }


def test_known_folders_and_files_are_found_in_an_unknown_folder(registry: Registry, files: Path) -> None:
    found = {entry.path.removeprefix(str(files)).lstrip("/"): entry for entry in registry.whatis(files)}
    assert set(found) == {"", "model", "model/weights.bin", "model/parts/tokenizer.json", "single.onnx", "train.csv", "notes.txt"}
    assert {path for path, entry in found.items() if not entry.known} == {"", "notes.txt"}
    assert names(found["model"]) == ["models/churn/versions/1"]
    assert found["model/parts/tokenizer.json"].part_of == str(files / "model")
    assert names(found["single.onnx"]) == ["models/single/versions/1"]
    (files / "notes.txt").unlink()
    whole, *_ = registry.whatis(files)
    assert (names(whole), whole.known) == ([], True)


def test_a_folder_that_was_changed_is_no_longer_that_version(registry: Registry, files: Path) -> None:
    (files / "model" / "weights.bin").write_text("retrained")
    whole, *inner = registry.whatis(files / "model")
    assert (names(whole), whole.known) == ([], False)
    assert not any(entry.known for entry in inner)


def test_an_empty_folder_and_a_missing_file(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert [entry.known for entry in registry.whatis(tmp_path / "empty")] == [False]
    with pytest.raises(FileNotFoundError):
        registry.whatis(tmp_path / "nothing")
    assert registry.whatis() == []


def test_the_digests_of_a_tree_are_those_of_its_parts(files: Path) -> None:
    (files / "model" / "link").symlink_to(files / "single.onnx")
    folders, inner = digest_tree(files)
    assert set(folders) == {".", "model", "model/parts"}
    for group in (folders, inner):
        assert {name: digest_path(files / name) for name in group} == group


def test_many_identifiers_are_resolved_in_order(registry: Registry, files: Path) -> None:
    digest = digest_path(files / "single.onnx").digest
    asked = [digest, "no/such/thing", "s3://models/churn", "churn/9"]
    found = registry.resolve_many(asked)
    assert [entry.identifier for entry in found] == asked
    assert [[link.name for link in entry.matches] for entry in found] == [
        ["models/single/versions/1"], [], ["models/churn/versions/1"], [],
    ]  # fmt: skip
    assert [bool(entry.error) for entry in found] == [False, True, False, False]
    assert registry.resolve_many([]) == []


def test_a_thousand_are_asked_for_at_once(fake: FakeRegistry, sdk: Registry) -> None:
    fake.script = [
        (200, {"items": [{"identifier": str(n), "matches": []} for n in chunk]}, {}) for chunk in (range(1000), range(5))
    ]
    assert len(sdk.resolve_many(str(number) for number in range(1005))) == 1005
    assert [(request["method"], request["path"]) for request in fake.requests] == [
        ("POST", "/api/v1/namespaces/default/resolve"),
    ] * 2  # fmt: skip


def test_what_a_call_is_about_is_never_a_beginning(registry: Registry, files: Path) -> None:
    digest = digest_path(files / "single.onnx").digest
    assert [link.name for link in registry.resolve(digest[:30])] == ["models/single/versions/1"]
    assert registry.version(digest).number == 1
    for short in (digest[:30], "s3://models/single.onnx"):
        with pytest.raises((studbook.NotFoundError, studbook.InvalidDocumentError)):
            registry.update_version(short, description="x")
