"""The JSON and YAML files beside the weights: Transformers, PEFT, Sentence Transformers, Diffusers, the Trainer, mergekit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.finding import Base, Finding, ModelFileError
from studbook.formats.model_files.hub import find_cached_name, find_hub_name
from studbook.formats.model_files.json_yaml import plain
from studbook.formats.model_files.known_files import read_known_file
from studbook.formats.model_files.places import is_inside

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "_name_or_path": "org/base-7b",
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "max_position_embeddings": 4096,
    "hidden_size": 64,
    "auto_map": {"AutoConfig": "configuration_x.XConfig", "AutoModel": ["org/code--modeling_x.XModel", None]},
    "quantization_config": {"quant_method": "gptq", "bits": 4},
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
}
ADAPTER = {
    "peft_type": "LORA",
    "base_model_name_or_path": "org/base-7b",
    "revision": "0" * 40,
    "r": 16,
    "lora_alpha": 32,
    "target_modules": ["v_proj", "q_proj"],
}
STATE = {
    "global_step": 200,
    "epoch": 2.0,
    "best_metric": 0.4,
    "num_train_epochs": 2,
    "log_history": [
        {"loss": 1.5, "learning_rate": 1e-5, "epoch": 1.0, "step": 100},
        {"eval_loss": 0.5, "eval_runtime": 3.0, "step": 100},
        {"loss": 0.75, "step": 200},
        {"eval_loss": 0.4, "eval_accuracy": float("nan"), "step": 200},
    ],
}
INDEX = {"metadata": {"total_size": 10, "total_parameters": 5}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}
MODULES = [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]
FILES = {
    "config.json": CONFIG,
    "adapter_config.json": ADAPTER,
    "trainer_state.json": STATE,
    "training_args.json": {"learning_rate": 1e-4, "seed": 7, "hub_token": "secret", "output_dir": "/home/somebody"},
    "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "model_max_length": 10**30, "chat_template": "{{ x }}"},
    "generation_config.json": {"temperature": 0.6, "eos_token_id": [1, 2]},
    "model.safetensors.index.json": INDEX,
    "modules.json": MODULES,
    "model_index.json": {"_class_name": "FluxPipeline", "unet": ["diffusers", "UNet"], "own": ["my_code", "Part"]},
}
MERGE = """
merge_method: ties
base_model: org/base
models:
- model: org/one@v2
  parameters: {weight: 0.5}
- model: {model: {path: org/two, revision: abc}}
slices:
- sources: [{model: org/three+org/adapter, layer_range: [0, 8]}]
dtype: bfloat16
"""


def read(folder: Path, name: str, value: Any) -> Finding:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    found = read_known_file(path, name)
    assert found is not None
    return found


def test_a_configuration_says_how_the_model_is_built(tmp_path: Path) -> None:
    found = read(tmp_path, "config.json", CONFIG)
    assert found.architecture == "LlamaForCausalLM"
    assert found.quantization == "gptq-4bit"
    assert found.facts["dtype"] == "bfloat16"
    assert found.facts["context_length"] == 4096
    assert found.facts["labels"] == ["NEGATIVE", "POSITIVE"]


def test_where_a_model_was_loaded_from_is_neither_its_name_nor_its_base(tmp_path: Path) -> None:
    found = read(tmp_path, "config.json", CONFIG)
    assert found.facts["loaded_from"] == "org/base-7b"
    assert not found.bases
    assert not found.identifiers
    # A person's folder is no fact about the model.
    assert "loaded_from" not in read(tmp_path, "config.json", {**CONFIG, "_name_or_path": "/home/somebody/base"}).facts


def test_code_that_comes_with_a_model_is_a_hazard(tmp_path: Path) -> None:
    (hazard,) = read(tmp_path, "config.json", CONFIG).hazards
    assert hazard.code == "remote-code"
    assert hazard.place == "config.json#/auto_map"
    assert "configuration_x.XConfig" in hazard.message
    assert "org/code--modeling_x.XModel" in hazard.message
    (step,) = read(tmp_path, "modules.json", [*MODULES, {"idx": 1, "path": "1_Own", "type": "own_code.Step"}]).hazards
    assert "own_code.Step" in step.message
    (part,) = read(tmp_path, "model_index.json", FILES["model_index.json"]).hazards
    assert part.place == "model_index.json#/own"


def test_an_adapter_names_its_base_and_how_it_is_built(tmp_path: Path) -> None:
    found = read(tmp_path, "adapter_config.json", ADAPTER)
    assert found.bases == (Base("org/base-7b", "adapter-of", "0" * 40),)
    assert found.parameters == {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": "q_proj, v_proj"}


def test_of_a_training_the_last_values_are_kept_and_not_the_speed(tmp_path: Path) -> None:
    found = read(tmp_path, "trainer_state.json", STATE)
    assert {(each.name, each.value, each.split) for each in found.metrics} == {
        ("loss", 0.75, "training"),
        ("eval_loss", 0.4, "validation"),
    }
    assert found.facts == {"steps": 200, "epochs": 2.0, "best_metric": 0.4}


def test_of_arguments_only_hyperparameters_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "training_args.json", FILES["training_args.json"]).parameters == {"learning_rate": 1e-4, "seed": 7}


def test_numbers_that_not_every_reader_can_hold_are_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "tokenizer_config.json", FILES["tokenizer_config.json"]).facts == {
        "tokenizer": "LlamaTokenizer",
        "chat_template": True,
    }
    assert plain([float("inf"), 2**53, -(2**53) + 1, "a\0", {"x": {"y": 1}}], depth=2) == [
        None,
        None,
        -(2**53) + 1,
        "a\ufffd",
        {"x": None},
    ]


def test_a_merge_names_all_it_was_made_of(tmp_path: Path) -> None:
    found = read(tmp_path, "mergekit_config.yml", MERGE)
    assert [(base.reference, base.revision) for base in found.bases] == [
        ("org/base", None),
        ("org/one", "v2"),
        ("org/two", "abc"),
        ("org/three", None),
        ("org/adapter", None),
    ]
    assert {base.relation for base in found.bases} == {"merged-from"}
    assert found.parameters == {"merge_method": "ties"}


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "..\\x", "C:\\x", "C:x", "\\\\host\\x", "", "a\0b"])
def test_paths_that_lead_out_are_known(name: str) -> None:
    assert not is_inside(name)


@pytest.mark.parametrize("name", ["a", "a/b.c", "with blanks", "Größe/x", "..a", "a..b"])
def test_paths_that_stay_are_known(name: str) -> None:
    assert is_inside(name)


def test_an_index_that_names_files_elsewhere_is_a_hazard(tmp_path: Path) -> None:
    weight_map = {"a": "../../etc/passwd", "b": "/etc/shadow", "c": "model-1.safetensors", "d": 5}
    found = read(tmp_path, "model.safetensors.index.json", {"weight_map": weight_map})
    assert [hazard.code for hazard in found.hazards] == ["path-outside"] * 2
    assert found.facts["shards"] == ["model-1.safetensors"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/name", "org/name"),
        ("gpt2", "gpt2"),
        ("https://huggingface.co/org/name/tree/main", "org/name"),
        ("./name", None),
        ("/data/name", None),
        ("a/b/c", None),
        ("../name", None),
        ("C:\\models", None),
        ("https://example.org/org/name", None),
        ("model.safetensors", None),
        ("", None),
        ("org/na me", None),
    ],
)
def test_names_of_the_hub_are_told_from_paths(text: str, name: str | None) -> None:
    assert find_hub_name(text) == name


def test_the_cache_of_the_hub_names_its_models() -> None:
    assert find_cached_name("models--org--name--x", "a" * 40) is None
    assert find_cached_name("models--org--name", "a" * 40) == ("org/name", "a" * 40)
    assert find_cached_name("models--org--name", "main") is None
    assert find_cached_name("datasets--org--name", "a" * 40) is None


@pytest.mark.parametrize("name", ["config.json", "modules.json", "preprocessor_config.json", "model_index.json", "other.json"])
def test_a_file_of_another_program_says_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('[{"a": 1}]' if name == "modules.json" else '{"a": 1}')
    assert read_known_file(tmp_path / name, name) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b'{"a": ', "not JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "nests too deep"),
        (b'{"model_type": "a", "model_type": "b"}', "twice"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" + b"[]," * 2_100_000 + b"[]]", "values"),
        (b" " * (16 * 2**20 + 1), "larger than"),
    ],
)
def test_a_bad_configuration_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_known_file(tmp_path / "config.json", "config.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_whatever_stands_under_a_known_key_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    sample = FILES[name]
    entries = sample[0] if isinstance(sample, list) else sample
    keys = sorted(entries)
    changed = {**entries, **{key: data.draw(_JSON) for key in data.draw(st.lists(st.sampled_from(keys), max_size=4))}}
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(json.dumps([changed] if isinstance(sample, list) else changed))
    try:
        found = read_known_file(path, name)
    except ModelFileError:
        return
    # What is found can be stored: JSON without NaN, and without integers that cannot be held.
    assert found is None or json.dumps([dict(found.facts), dict(found.parameters), found.tags], allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(min_value=0, max_value=400), name=st.sampled_from(sorted(FILES)), byte=st.binary(max_size=2))
def test_a_file_that_breaks_off_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, name: str, byte: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"cut-{name}"
    path.write_bytes(json.dumps(FILES[name]).encode()[:cut] + byte)
    try:
        found = read_known_file(path, name)
    except ModelFileError:
        return
    assert found is None or isinstance(found, Finding)
