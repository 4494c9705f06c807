"""Folders of models: what is read, what is not followed, what the files together say and where they disagree."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.finding import Base, Finding, Hazard, ModelFileError
from studbook.formats.model_files.folder import FolderFindings, read_folder, read_model_file
from studbook.formats.model_files.merging import merge
from studbook.formats.model_files.walking import Limits, walk
from studbook.formats.model_files.weighing import weigh

FILES = Path(__file__).parent / "files"
COMMIT = "a" * 40


def fill(folder: Path, **contents: Any) -> Path:
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_json", ".json").replace("_md", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def messages(found: FolderFindings) -> dict[str, str]:
    return {warning.place: warning.message for warning in found.warnings}


def test_every_file_is_kept_with_its_digest(tmp_path: Path) -> None:
    fill(tmp_path, config_json={"model_type": "bert"}, onnx__notes="x", Größe_mit_Leerzeichen="")
    (tmp_path / "a name with blanks.bin").write_bytes(b"weights")
    heard: list[tuple[str, int]] = []
    found = read_folder(tmp_path, tell_read=lambda shown, count: heard.append((shown, count)))
    assert [file.path for file in found.files] == ["Größe_mit_Leerzeichen", "a name with blanks.bin", "config.json", "onnx/notes"]
    blanks = next(file for file in found.files if file.path == "a name with blanks.bin")
    assert (blanks.size, blanks.digest) == (7, f"sha256:{hashlib.sha256(b'weights').hexdigest()}")
    assert ("a name with blanks.bin", 7) in heard


def test_hidden_files_and_leftovers_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, **{"config_json": {}, ".git__config": "x", ".gitattributes": "x"})
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert [file.path for file in read_folder(tmp_path).files] == ["config.json"]


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "model", tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    fill(inside, sub__kept="x")
    (inside / "again").symlink_to("sub/kept")
    (inside / "out").symlink_to(outside / "secret")
    (inside / "out-folder").symlink_to(outside)
    (inside / "round").symlink_to(inside)
    (inside / "self").symlink_to("self")
    (inside / "gone").symlink_to("nothing")
    os.mkfifo(inside / "pipe")
    found = read_folder(inside)
    assert [file.path for file in found.files] == ["again", "sub/kept"]
    assert {place: message.removeprefix("left out: ") for place, message in messages(found).items()} == {
        "out": "the link leads out of the folder",
        "out-folder": "the link leads out of the folder",
        "round": "a link to a folder",
        "self": "the link leads nowhere",
        "gone": "the link leads nowhere",
        "pipe": "no regular file",
    }


def test_a_folder_beside_with_a_like_name_is_outside(tmp_path: Path) -> None:
    fill(tmp_path, model__a="x", model2__b="y")
    (tmp_path / "model" / "link").symlink_to(tmp_path / "model2" / "b")
    assert "out of the folder" in messages(read_folder(tmp_path / "model"))["link"]


def test_a_snapshot_in_the_cache_of_the_hub_is_read_and_knows_its_name(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--tuned"
    snapshot = repository / "snapshots" / COMMIT
    fill(repository, blobs__1='{"model_type": "bert", "_name_or_path": "org/tuned"}')
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/1")
    found = read_folder(snapshot)
    assert found.name == "tuned"
    assert found.identifiers == {"huggingface": f"org/tuned@{COMMIT}"}
    assert [file.path for file in found.files] == ["config.json"]
    # Its own name is no base.
    assert not found.warnings


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(files=2), "more than 2 files"),
        (Limits(depth=1), "deeper than 1"),
        (Limits(total_bytes=2), "more than 2 bytes"),
    ],
)
def test_a_folder_beyond_the_limits_is_refused(tmp_path: Path, limits: Limits, message: str) -> None:
    fill(tmp_path, a="x", b="y", c__d__e="z")
    with pytest.raises(ModelFileError, match=message):
        walk(tmp_path, limits)


def test_the_limits_themselves_are_allowed(tmp_path: Path) -> None:
    fill(tmp_path, a="x", b="y", c__d__e="z")
    assert len(walk(tmp_path, Limits(files=3, depth=2, total_bytes=3)).files) == 3


@pytest.mark.parametrize("name", ["nothing", "file", "empty"])
def test_what_is_no_folder_of_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match=r"no such folder|holds no files"):
        read_folder(tmp_path / name)


def test_a_name_that_is_not_utf_8_is_left_out_and_told(tmp_path: Path) -> None:
    fill(tmp_path, a="x")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.bin"))).write_text("x")
    found = read_folder(tmp_path)
    assert [file.path for file in found.files] == ["a"]
    assert [warning.message for warning in found.warnings] == ["left out: its name is not UTF-8"]


def test_a_broken_file_is_told_and_kept_and_the_others_are_read(tmp_path: Path) -> None:
    found = read_folder(fill(tmp_path, config_json="{", README_md="---\nlicense: mit\n---\n"))
    assert "not JSON" in messages(found)["config.json"]
    assert found.picture.find("license") == "mit"
    assert len(found.files) == 2


def test_without_a_reader_of_yaml_the_rest_is_read_and_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    found = read_folder(fill(tmp_path, config_json={"model_type": "bert"}, README_md="---\nlicense: mit\n---\n"))
    assert "studbook[files]" in messages(found)["README.md"]
    assert found.picture.find("model_type") == "bert"


def test_a_single_file_is_read_as_if_alone(tmp_path: Path) -> None:
    found = read_model_file(FILES / "xgboost-3.2.0.ubj")
    assert (found.name, found.picture.formats, len(found.files)) == ("xgboost-3.2.0", ("xgboost",), 1)
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(ModelFileError, match="no format"):
        read_model_file(tmp_path / "x.txt")


def test_where_files_disagree_the_better_one_is_taken_and_it_is_told(tmp_path: Path) -> None:
    card = "---\nlicense: mit\npipeline_tag: fill-mask\n---\n"
    old = "---\nlicense: gpl-3.0\n---\n"
    found = read_folder(fill(tmp_path, README_md=card, checkpoint__README_md=old))
    assert found.picture.told["license"].value == "mit"
    assert found.picture.told["license"].source == "README.md"
    assert "gpl-3.0" in messages(found)["checkpoint/README.md"]
    assert "mit" in messages(found)["checkpoint/README.md"]


def test_the_same_license_by_another_name_is_no_disagreement() -> None:
    _, warnings = merge(
        [Finding("model-card", "README.md", license="apache-2.0"), Finding("gguf", "x", license="Apache License 2.0")]
    )
    assert not warnings


def test_bases_are_joined_with_the_relation_that_a_file_tells() -> None:
    card = Finding("model-card", "README.md", bases=(Base("Org/Base"),))
    adapter = Finding("peft-adapter", "adapter_config.json", bases=(Base("org/base", "adapter-of", COMMIT),))
    (parent,) = merge([card, adapter])[0].parents
    assert (parent.relation, parent.base.revision, parent.source, parent.concluded) == (
        "adapter-of",
        COMMIT,
        "adapter_config.json",
        False,
    )


@pytest.mark.parametrize(
    ("others", "bases", "relation"),
    [
        ([], ["a/b"], "finetuned-from"),
        ([], ["a/b", "c/d"], "merged-from"),
        ([Finding("gguf", "m.gguf", weights=10, dtypes={"Q4_K": 9, "F32": 1})], ["a/b"], "quantized-from"),
        ([Finding("transformers-config", "config.json", quantization="gptq-4bit")], ["a/b"], "quantized-from"),
        ([Finding("peft-adapter", "adapter_config.json")], ["a/b"], "adapter-of"),
    ],
)
def test_a_relation_that_nobody_tells_follows_from_the_files(others: list[Finding], bases: list[str], relation: str) -> None:
    picture, _ = merge([Finding("model-card", "README.md", bases=tuple(map(Base, bases))), *others])
    assert {(parent.relation, parent.concluded) for parent in picture.parents} == {(relation, True)}


def test_relations_and_bases_that_contradict_are_told() -> None:
    card = Finding("model-card", "README.md", bases=(Base("a/b", "finetuned-from"), Base("c/d", "adapter-of")))
    adapter = Finding("peft-adapter", "adapter_config.json", bases=(Base("a/b", "adapter-of"),))
    _, warnings = merge([card, adapter])
    assert "adapter-of" in warnings[0].message
    _, warnings = merge([Finding("model-card", "README.md", bases=(Base("c/d", "adapter-of"),)), adapter])
    assert "one base" in warnings[-1].message


def test_shards_are_summed_and_copies_are_not() -> None:
    shards = [Finding("safetensors", f"model-0000{n}-of-00002.safetensors", weights=n, dtypes={"BF16": n}) for n in (1, 2)]
    copies = [Finding("onnx", "onnx/model.onnx", weights=3), Finding("pickle", "pytorch_model.bin", weights=3)]
    weighed = weigh([*copies, *shards])
    assert (weighed.weights, weighed.dtypes, weighed.precision) == (3, {"BF16": 3}, "bfloat16")
    assert weighed.source == "model-*.safetensors"
    assert weighed.formats == ("safetensors", "pickle", "onnx")


def test_parts_in_folders_of_their_own_are_summed() -> None:
    parts = [Finding("safetensors", f"{name}/model.safetensors", weights=5, dtypes={"F16": 5}) for name in ("unet", "vae")]
    assert weigh(parts).weights == 10


def test_counts_and_types_that_contradict_are_told() -> None:
    files = [
        Finding("safetensors", "a.safetensors", weights=5, dtypes={"F32": 5}),
        Finding("safetensors", "b.safetensors", weights=4),
    ]
    index = Finding("shard-index", "model.safetensors.index.json", weights=7)
    config = Finding("transformers-config", "config.json", facts={"dtype": "bfloat16"})
    weighed = weigh([*files, index, config])
    assert weighed.weights == 5
    assert [warning.place for warning in weighed.warnings] == ["model.safetensors.index.json", "config.json", "a.safetensors"]


def test_shards_that_are_missing_are_told(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    fill(tmp_path, sub__model="x")
    (tmp_path / "sub" / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "sub" / "model-1.safetensors").write_text("")
    found = read_folder(tmp_path)
    assert messages(found)["sub/model.safetensors.index.json"] == "it names a file that is not there: model-2.safetensors"


def test_a_base_that_is_a_path_is_told_and_what_was_loaded_too(tmp_path: Path) -> None:
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "/home/somebody/base"}
    found = read_folder(
        fill(tmp_path, adapter_config_json=adapter, config_json={"model_type": "x", "_name_or_path": "org/other"})
    )
    assert "not linked" in messages(found)["adapter_config.json"]
    assert "org/other" in messages(found)["config.json"]


def test_what_was_loaded_is_no_news_where_it_is_the_base(tmp_path: Path) -> None:
    card = "---\nbase_model: Org/Base\n---\n"
    found = read_folder(fill(tmp_path, README_md=card, config_json={"model_type": "x", "_name_or_path": "org/base"}))
    assert not found.warnings


def test_of_checkpoints_the_last_one_measures(tmp_path: Path) -> None:
    states = {f"checkpoint-{n}__trainer_state_json": {"global_step": n, "log_history": [{"loss": 1 / n}]} for n in (100, 200)}
    picture = read_folder(fill(tmp_path, **states)).picture
    assert [(measured.value, source) for measured, source in picture.metrics] == [(1 / 200, "checkpoint-200/trainer_state.json")]


def test_hazards_are_told_in_text_that_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "x", "\\ud800\\u0000": ["own", "Part"]}')
    (hazard,) = read_folder(tmp_path).picture.hazards
    assert hazard.place == "model_index.json#/?\ufffd"


def test_hazards_of_all_files_are_gathered_once(tmp_path: Path) -> None:
    hazard = Hazard("pickle", "x.bin", "runs code")
    picture, _ = merge([Finding("pickle", "x.bin", hazards=(hazard, hazard)), Finding("pickle", "y.bin", hazards=(hazard,))])
    assert picture.hazards == (hazard,)


_NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(names=st.lists(_NAMES, max_size=4), content=st.binary(max_size=30))
def test_files_of_any_names_and_contents_are_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "config.json").write_bytes(content)
    for name in names:
        if name not in {".", ".."}:
            (folder / name).write_bytes(content)
    found = read_folder(folder)
    assert "config.json" in {file.path for file in found.files}
    assert {file.path for file in found.files} <= {"config.json", *names}
