"""Which reader reads which file: by its name, as the programs that write these files fix it, or by its suffix."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files import hugging_face, training_state
from studbook.formats.model_files.lightgbm_text import read_lightgbm
from studbook.formats.model_files.mergekit import read_mergekit
from studbook.formats.model_files.mlflow_folder import read_mlmodel
from studbook.formats.model_files.model_card import read_model_card
from studbook.formats.model_files.openvino import read_openvino
from studbook.formats.model_files.xgboost_model import read_xgboost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from studbook.formats.model_files.finding import Finding

    Reader = Callable[[Path, str], Finding | None]

_BY_NAME: Final[dict[str, Reader]] = {
    "readme.md": read_model_card,
    "config.json": hugging_face.read_config,
    "adapter_config.json": hugging_face.read_adapter,
    "tokenizer_config.json": hugging_face.read_tokenizer_config,
    "preprocessor_config.json": hugging_face.read_preprocessor,
    "processor_config.json": hugging_face.read_preprocessor,
    "generation_config.json": hugging_face.read_generation_config,
    "model_index.json": hugging_face.read_model_index,
    "modules.json": hugging_face.read_modules,
    "trainer_state.json": training_state.read_trainer_state,
    "training_args.json": training_state.read_training_arguments,
    "mergekit_config.yml": read_mergekit,
    "mergekit_config.yaml": read_mergekit,
    "mlmodel": read_mlmodel,
}
# The longest suffix that fits decides.
_BY_SUFFIX: Final[dict[str, Reader]] = {
    ".safetensors.index.json": hugging_face.read_shard_index,
    ".bin.index.json": hugging_face.read_shard_index,
    ".xml": read_openvino,
    ".ubj": read_xgboost,
    ".json": read_xgboost,
    ".txt": read_lightgbm,
    ".lgb": read_lightgbm,
}
# Written beside every tokenizer, with the vocabulary; nothing in them says anything of the model.
_VOCABULARIES: Final = frozenset(
    {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "added_tokens.json"}
)


def read_known_file(path: Path, shown: str) -> Finding | None:
    """What a file of text says of its model; None for one that no reader knows.

    Raises ModelFileError.
    """
    name = PurePosixPath(shown).name.lower()
    if name in _VOCABULARIES:
        return None
    if reader := _BY_NAME.get(name):
        return reader(path, shown)
    for suffix, reader in _BY_SUFFIX.items():
        if name.endswith(suffix):
            return reader(path, shown)
    return None
