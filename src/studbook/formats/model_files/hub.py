"""Names of models as the Hugging Face Hub knows them, and the relations that its model cards tell."""

from __future__ import annotations

import re
from typing import Final

# https://huggingface.co/docs/hub/model-cards#specifying-a-base-model
RELATIONS: Final = {
    "finetune": "finetuned-from",
    "adapter": "adapter-of",
    "merge": "merged-from",
    "quantized": "quantized-from",
}

_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_NAME: Final = re.compile(rf"(?:{_PART}/)?{_PART}")
_ADDRESS: Final = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+)")
# huggingface_hub keeps a repository's files in `models--org--name/snapshots/<commit>`.
_CACHE_FOLDER: Final = re.compile(r"models--(.+)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_LENGTH: Final = 96 * 2 + 1


def find_hub_name(reference: str) -> str | None:
    """`org/name` (or the bare name of the first models) where a text names a model of the Hub or is its address, else None.

    What is shaped like a path (`./model`, `/data/model`, `a/b/c`, `model.bin`) is no name.
    """
    text = match[1] if (match := _ADDRESS.match(reference.strip())) else reference.strip()
    if len(text) > _LENGTH or not _NAME.fullmatch(text) or "--" in text or ".." in text:
        return None
    if text.lower().endswith((".bin", ".pt", ".safetensors", ".gguf", ".onnx")):
        return None
    return text


def find_cached_name(folder: str, commit: str) -> tuple[str, str] | None:
    """The name and commit of a repository in the cache of `huggingface_hub`, from the names of its folder and snapshot."""
    match = _CACHE_FOLDER.fullmatch(folder)
    if not match or not _COMMIT.fullmatch(commit):
        return None
    name = match[1].replace("--", "/", 1)
    return (name, commit) if find_hub_name(name) else None
