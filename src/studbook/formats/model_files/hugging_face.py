"""The JSON files that Transformers, PEFT, Diffusers and Sentence Transformers put beside the weights, known by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Base, Finding, Hazard, ModelFileError
from studbook.formats.model_files.hub import find_hub_name
from studbook.formats.model_files.json_yaml import (
    find_count,
    find_object,
    find_text,
    list_objects,
    list_texts,
    plain,
    read_json,
    read_object,
    scalars,
)
from studbook.formats.model_files.places import is_inside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What models of different families call the number of tokens that they take.
_CONTEXT: Final = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx", "max_seq_len")
_SIZES: Final = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
    "num_labels", "num_local_experts", "num_experts", "n_embd", "n_layer", "n_head", "d_model", "transformers_version",
)  # fmt: skip
_ADAPTER: Final = (
    "peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "use_dora", "init_lora_weights",
    "num_virtual_tokens", "fan_in_fan_out",
)  # fmt: skip
_GENERATION: Final = (
    "do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_length", "max_new_tokens", "num_beams",
)  # fmt: skip
_LISTED: Final = 200


def read_config(path: Path, shown: str) -> Finding | None:
    """A `config.json` of Transformers (or of Diffusers' parts); None for another program's.

    `_name_or_path` says from where the model was loaded when it was saved: its own name, or that of its base. It is kept as
    the fact `loaded_from`, where it is a name of the Hub, and is never taken for either. Raises ModelFileError.
    """
    data = read_object(path, shown)
    if data.keys().isdisjoint({"architectures", "model_type", "transformers_version", "auto_map", "_class_name"}):
        return None
    architectures = list_texts(data.get("architectures"), members=10, limit=200)
    inner = find_object(data.get("text_config"))
    loaded_from = find_hub_name(find_text(data.get("_name_or_path")) or "")
    facts = {
        "model_type": find_text(data.get("model_type"), 200),
        "dtype": _find_dtype(data) or _find_dtype(inner),
        "context_length": _find_context(data) or _find_context(inner),
        "loaded_from": loaded_from,
        "labels": _list_labels(data),
        **scalars(inner, _SIZES),
        **scalars(data, _SIZES),
    }
    diffusers = "_diffusers_version" in data or "_class_name" in data
    return Finding(
        format="transformers-config" if not diffusers else "diffusers-config",
        path=shown,
        architecture=architectures[0] if architectures else find_text(data.get("_class_name"), 200),
        quantization=find_quantization(data.get("quantization_config")),
        library="diffusers" if diffusers else "transformers",
        facts=_known(facts),
        hazards=list_remote_code(data, shown),
    )


def read_adapter(path: Path, shown: str) -> Finding | None:
    """PEFT's `adapter_config.json`: the base, its revision, and how the adapter is built. Raises ModelFileError."""
    data = read_object(path, shown)
    if data.keys().isdisjoint({"peft_type", "base_model_name_or_path"}):
        return None
    name = find_text(data.get("base_model_name_or_path"), 400)
    base = Base(name, "adapter-of", find_text(data.get("revision"), 200)) if name else None
    targets = list_texts(data.get("target_modules"), members=_LISTED, limit=200)
    mapping = find_object(data.get("auto_mapping"))
    return Finding(
        format="peft-adapter",
        path=shown,
        architecture=find_text(mapping.get("base_model_class"), 200),
        library="peft",
        bases=(base,) if base else (),
        parameters=scalars(data, _ADAPTER) | ({"target_modules": ", ".join(sorted(targets))[:1000]} if targets else {}),
    )


def read_tokenizer_config(path: Path, shown: str) -> Finding | None:
    """`tokenizer_config.json`: the tokenizer's class, and whether it brings a chat template. Raises ModelFileError."""
    data = read_object(path, shown)
    facts = {
        "tokenizer": find_text(data.get("tokenizer_class"), 200),
        "model_max_length": find_count(data.get("model_max_length")),
        "chat_template": True if data.get("chat_template") else None,
    }
    return Finding(format="tokenizer", path=shown, facts=_known(facts), hazards=list_remote_code(data, shown))


def read_preprocessor(path: Path, shown: str) -> Finding | None:
    """`preprocessor_config.json`, `processor_config.json`: only whether code comes with them. Raises ModelFileError."""
    hazards = list_remote_code(read_object(path, shown), shown)
    return Finding(format="preprocessor", path=shown, hazards=hazards) if hazards else None


def read_generation_config(path: Path, shown: str) -> Finding | None:
    """`generation_config.json`: how text is sampled by default. Raises ModelFileError."""
    return Finding(
        format="generation-config", path=shown, facts=_known({"generation": scalars(read_object(path, shown), _GENERATION)})
    )


def read_model_index(path: Path, shown: str) -> Finding | None:
    """Diffusers' `model_index.json`: the pipeline and its parts. Raises ModelFileError."""
    data = read_object(path, shown)
    pipeline = find_text(data.get("_class_name"), 200)
    if pipeline is None:
        return None
    parts = {name: " ".join(list_texts(part, members=2, limit=200)) for name, part in data.items() if isinstance(part, list)}
    known = {"diffusers", "transformers", "null", "None", "onnxruntime", ""}
    hazards = tuple(
        Hazard("remote-code", f"{shown}#/{name}", f"the part is loaded from code of its own: {words}"[:400])
        for name, words in parts.items()
        if words and words.split()[0] not in known
    )
    facts = {"parts": plain(parts), "loaded_from": find_hub_name(find_text(data.get("_name_or_path")) or "")}
    return Finding("diffusers-pipeline", shown, pipeline, library="diffusers", facts=_known(facts), hazards=hazards[:_LISTED])


def read_shard_index(path: Path, shown: str) -> Finding | None:
    """The index of weights in several files: `*.safetensors.index.json`, `*.bin.index.json`.

    The fact `shards` lists the files that it names; one that is named outside the folder is a hazard. Raises ModelFileError.
    """
    data = read_object(path, shown)
    weight_map = data.get("weight_map")
    if not isinstance(weight_map, dict):
        raise ModelFileError(shown, "it holds no weight_map of tensors to files")
    names = sorted({name for name in weight_map.values() if isinstance(name, str)})
    outside = [name for name in names if not is_inside(name)]
    metadata = find_object(data.get("metadata"))
    facts = {
        "shards": [name for name in names if is_inside(name)][:2000],
        "tensors": len(weight_map),
        "total_size": find_count(metadata.get("total_size")),
    }
    return Finding(
        format="shard-index",
        path=shown,
        weights=find_count(metadata.get("total_parameters")),
        facts=_known(facts),
        hazards=_list_outside(outside, f"{shown}#/weight_map"),
    )


def read_modules(path: Path, shown: str) -> Finding | None:
    """Sentence Transformers' `modules.json`: the steps from text to vector. Raises ModelFileError."""
    value = read_json(path, shown)
    modules = list_objects(value, _LISTED)
    types = [name for module in modules if (name := find_text(module.get("type"), 200))]
    if not types:
        return None
    places = [str(module.get("path") or "") for module in modules]
    foreign = [name for name in types if not name.startswith("sentence_transformers.")]
    hazards = tuple(
        Hazard("remote-code", f"{shown}#/type", f"the step {name} is code that does not come with Sentence Transformers")
        for name in foreign
    )
    return Finding(
        format="sentence-transformers",
        path=shown,
        library="sentence-transformers",
        facts={"modules": types},
        hazards=hazards + _list_outside([place for place in places if place and not is_inside(place)], f"{shown}#/path"),
    )


def list_remote_code(data: Mapping[str, Any], shown: str) -> tuple[Hazard, ...]:
    """A hazard where a configuration asks for Python code of its own, which `trust_remote_code` would run."""
    hazards = []
    for key in ("auto_map", "custom_pipelines"):
        places = find_object(data.get(key))
        if places:
            classes = ", ".join(word for place in places.values() for word in list_texts(place, members=4, limit=200))
            message = f"loading runs Python code that comes with the model, once it is trusted: {classes}"
            hazards.append(Hazard("remote-code", f"{shown}#/{key}", message[:400]))
    return tuple(hazards)


def find_quantization(value: Any) -> str | None:  # noqa: ANN401 - whatever stood in the file
    """`gptq-4bit`, `awq-4bit`, `bitsandbytes-8bit`, `fp8` … from a `quantization_config`."""
    config = find_object(value)
    method = find_text(config.get("quant_method"), 60)
    bits = find_count(config.get("bits")) or find_count(config.get("w_bit"))
    if config.get("load_in_4bit") is True or config.get("load_in_8bit") is True:
        method, bits = method or "bitsandbytes", 4 if config.get("load_in_4bit") is True else 8
    return f"{method}-{bits}bit" if method and bits else method


def _find_dtype(data: Mapping[str, Any]) -> str | None:
    return find_text(data.get("dtype"), 60) or find_text(data.get("torch_dtype"), 60)


def _find_context(data: Mapping[str, Any]) -> int | None:
    return next((count for name in _CONTEXT if (count := find_count(data.get(name)))), None)


def _list_labels(data: Mapping[str, Any]) -> list[str]:
    labels = list_texts(list(find_object(data.get("id2label")).values()), members=_LISTED, limit=200)
    # What Transformers writes where nobody gave names.
    return [] if all(label.startswith("LABEL_") for label in labels) else list(labels)


def _list_outside(names: list[str], place: str) -> tuple[Hazard, ...]:
    return tuple(Hazard("path-outside", place, f"it names a file outside the folder: {name[:200]!r}") for name in names[:_LISTED])


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, [], {})}
