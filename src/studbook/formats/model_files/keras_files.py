"""Keras 3's `.keras`: a zip file with the model's configuration and, apart, its weights.

Format: https://keras.io/guides/serialization_and_saving/, "How to save".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.archives import open_archive
from studbook.formats.model_files.finding import Finding, Hazard, ModelFileError
from studbook.formats.model_files.json_yaml import JSON_LIMIT, find_object, find_text, list_objects, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OBJECTS: Final = 200_000
_LAYERS: Final = 50


def read_keras(path: Path, shown: str) -> Finding | None:
    """The kind of model and its layers; None for a zip file of other things. Raises ModelFileError."""
    with open_archive(path, shown) as archive:
        if "config.json" not in archive.names or "metadata.json" not in archive.names:
            return None
        content = {name: archive.read(name, JSON_LIMIT) for name in ("config.json", "metadata.json")}
        hazards = list(archive.hazards())
    if any(len(part) > JSON_LIMIT for part in content.values()):
        raise ModelFileError(shown, f"its configuration is larger than {JSON_LIMIT:,} bytes, more than is read")
    model, metadata = (find_object(parse_json(part, shown)) for part in content.values())
    inner = find_object(model.get("config"))
    layers = Counter(find_text(layer.get("class_name"), 100) or "?" for layer in list_objects(inner.get("layers")))
    hazards += [
        Hazard("code-in-model", shown, f"the layer {name!r} holds code of its own, which runs with the model")
        for name in _iter_lambdas(model)
    ]
    facts: dict[str, Any] = {
        "library_version": find_text(metadata.get("keras_version"), 50),
        "saved": find_text(metadata.get("date_saved"), 50),
        "layers": dict(layers.most_common(_LAYERS)),
    }
    return Finding(
        format="keras",
        path=shown,
        architecture=find_text(model.get("class_name"), 100),
        library="keras",
        title=find_text(inner.get("name"), 200),
        facts={name: value for name, value in facts.items() if value},
        hazards=tuple(hazards[:100]),
    )


def _iter_lambdas(model: dict[str, Any]) -> Iterator[str]:
    """The names of layers that are a function, wherever they stand. A stack rather than recursion: hostile files nest deep."""
    waiting: list[Any] = [model]
    seen = 0
    while waiting and seen < _OBJECTS:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            if value.get("class_name") in {"Lambda", "__lambda__"}:
                yield find_text(find_object(value.get("config")).get("name"), 100) or "lambda"
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
