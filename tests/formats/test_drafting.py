"""The document that a folder makes: whole, valid, and the same on every machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.domain.documents import IngestDocument
from studbook.domain.names import find_name_fault
from studbook.formats.model_files.drafting import draft_document, make_name
from studbook.formats.model_files.finding import Base, Finding, Hazard, Measured
from studbook.formats.model_files.folder import FileRead, FolderFindings, read_folder
from studbook.formats.model_files.merging import merge

FILES = Path(__file__).parent / "files"
STANDARD = Path(__file__).parents[2] / "src" / "studbook" / "schemas" / "standard" / "model-version.1.json"
DIGEST = "sha256:" + "0" * 64
COMMIT = "b" * 40
CARD = """---
license: llama3.1
language: [en, no]
base_model: org/base
base_model_relation: finetune
datasets: [org/data, notes]
pipeline_tag: text-generation
tags: ["arxiv:2106.09685"]
model-index: [{name: x, results: [{dataset: {type: mmlu}, metrics: [{type: accuracy, value: 0.5}]}]}]
---
# Tuned

It answers.
"""
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16", "auto_map": {"AutoModel": "x.X"}}


def of(*findings: Finding, name: str = "model", files: tuple[FileRead, ...] = ()) -> FolderFindings:
    picture, warnings = merge(findings)
    return FolderFindings(name, files or (FileRead("x", 1, DIGEST, None),), findings, picture, warnings)


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The version, once the whole is a valid document and holds to the standard definition."""
    IngestDocument.model_validate_json(json.dumps(document, allow_nan=False))
    version: dict[str, Any] = document["version"]
    stored = {name: value for name, value in version.items() if name not in {"parents", "identifiers"}}
    jsonschema_rs.validator_for(json.loads(STANDARD.read_text())["json_schema"]).validate(stored)
    return version


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tuned model"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "ä b.bin").write_bytes(b"x")
    return folder


def test_a_folder_makes_a_whole_document(folder: Path) -> None:
    document = draft_document(read_folder(folder))
    version = check(document)
    assert document["model"] == {"name": "tuned model"}
    assert version["description"] == "It answers."
    assert version["parents"] == [
        {"ref": "huggingface:org/base", "relation": "finetuned-from", "external": True, "basis": "derived"}
    ]
    assert version["metrics"] == [{"name": "accuracy", "value": 0.5, "dataset": "mmlu"}]
    assert version["tags"] == {"arxiv:2106.09685": "true", "hazards": "remote-code"}
    assert document["datasets"] == [
        {"name": "org/data", "role": "training", "uri": "https://huggingface.co/datasets/org/data"},
        {"name": "notes", "role": "training"},
        {"name": "mmlu", "role": "evaluation"},
    ]
    attributes = version["attributes"]
    assert attributes["license"] == "LicenseRef-llama3.1"
    assert (attributes["task"], attributes["framework"]) == ("text-generation", "transformers")
    assert (attributes["architecture"], attributes["architecture_family"]) == ("LlamaForCausalLM", "llama")
    assert attributes["precision"] == "bfloat16"
    assert attributes["languages"] == ["en", "no"]
    assert attributes["references"] == ["https://arxiv.org/abs/2106.09685"]
    assert attributes["data"]["datasets"][0] == {"dataset": "org/data", "role": "training"}
    assert attributes["extra"]["hazards"][0]["place"] == "config.json#/auto_map"
    assert attributes["extra"]["sources"] == {
        "title": "README.md", "description": "README.md", "license": "README.md", "task": "README.md",
        "library": "config.json", "architecture": "config.json",
    }  # fmt: skip


def test_artifacts_have_addresses_below_the_prefix_or_the_folders_name(folder: Path) -> None:
    found = read_folder(folder)
    plain = draft_document(found)["version"]["artifacts"]
    assert [artifact["uri"] for artifact in plain] == [
        "tuned%20model/README.md",
        "tuned%20model/config.json",
        "tuned%20model/%C3%A4%20b.bin",
    ]
    assert [artifact["name"] for artifact in plain] == ["README.md", "config.json", "ä b.bin"]
    assert plain[1]["media_type"] == "application/json"
    there = draft_document(found, uri_prefix="s3://models/tuned/")["version"]["artifacts"]
    assert there[0]["uri"] == "s3://models/tuned/README.md"


def test_no_document_holds_where_the_folder_lies(folder: Path) -> None:
    assert str(folder.parent) not in json.dumps(draft_document(read_folder(folder)))
    assert draft_document(read_folder(folder)) == draft_document(read_folder(folder))


def test_a_dataset_that_was_trained_and_measured_on_stands_once() -> None:
    card = Finding("model-card", "README.md", datasets=("a", "b"), metrics=(Measured("f1", 0.5, "b"), Measured("f1", 0.4, "c")))
    document = draft_document(of(card))
    check(document)
    assert [(entry["name"], entry["role"]) for entry in document["datasets"]] == [
        ("a", "training"), ("b", "training"), ("c", "evaluation"),
    ]  # fmt: skip


def test_models_that_libraries_wrote_make_documents() -> None:
    found = read_folder(FILES)
    version = check(draft_document(found))
    assert version["attributes"]["format"] == "openvino, lightgbm, xgboost"
    mlflow = check(draft_document(read_folder(FILES / "mlflow-3.17.2")))
    assert mlflow["attributes"]["outputs"] == [{"name": "y", "type": "float32", "shape": [-1, 3]}]
    assert mlflow["identifiers"] == {"mlflow_model": "1d8e773ec98e47b9a465527307f7cc67"}


def test_what_is_given_stands_in_place_of_what_is_found() -> None:
    found = of(Finding("mlflow", "MLmodel", identifiers={"mlflow_run": "8a1f", "mlflow_model": "x"}))
    document = draft_document(found, model="churn", identifiers={"mlflow_run": "other", "huggingface": "org/own"})
    assert document["model"] == {"name": "churn"}
    assert document["version"]["identifiers"] == {"mlflow_run": "other", "mlflow_model": "x", "huggingface": "org/own"}


@pytest.mark.parametrize(
    ("base", "reference"),
    [
        (Base("org/base", "adapter-of", COMMIT), f"huggingface:org/base@{COMMIT}"),
        (Base("org/base", "adapter-of", "main"), "huggingface:org/base"),
        (Base("https://huggingface.co/org/base", "adapter-of"), "huggingface:org/base"),
        (Base(DIGEST, "adapter-of"), DIGEST),
        (Base("/home/somebody/base", "adapter-of"), None),
    ],
)
def test_parents_are_what_can_be_found_by_an_identifier(base: Base, reference: str | None) -> None:
    version = check(draft_document(of(Finding("peft-adapter", "adapter_config.json", bases=(base,)))))
    assert [parent["ref"] for parent in version.get("parents", [])] == ([reference] if reference else [])
    assert "somebody" not in json.dumps(version)


def test_a_relation_that_was_concluded_is_marked() -> None:
    version = check(draft_document(of(Finding("model-card", "README.md", bases=(Base("org/base"),)))))
    assert version["attributes"]["extra"]["relations_concluded"] == ["huggingface:org/base"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tuned", "tuned"),
        (" @tuned ", "tuned"),
        ("a\u0308", "ä"),
        ("a\u200bb\n", "ab"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("x" * 300, "x" * 256),
        ("Über Modell", "Über Modell"),
    ],
)
def test_folders_give_valid_names(text: str, name: str) -> None:
    assert make_name(text) == name


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_a_valid_name(text: str) -> None:
    assert find_name_fault(make_name(text)) is None


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=300), min_size=8, max_size=8
    ),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_finding_makes_a_valid_document(texts: list[str], number: float) -> None:
    finding = Finding(
        format="model-card",
        path="README.md",
        description=texts[0],
        license=texts[1] or None,
        bases=(Base(texts[2]),),
        datasets=tuple(text for text in texts[3:5] if text),
        metrics=(Measured(texts[5] or "x", number, texts[6] or None),),
        parameters={texts[6]: texts[7]},
        tags=(texts[7],),
        hazards=(Hazard(texts[5], texts[6], texts[7]),),
    )
    path = texts[0] or "x"
    check(draft_document(of(finding, name=texts[4], files=(FileRead(path, 1, DIGEST, None), FileRead("y", 0, DIGEST, None)))))
