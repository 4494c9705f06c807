"""Keras 3's `.keras`: a zip file with the model's configuration and, apart, its weights.

Format: https://keras.io/guides/serialization_and_saving/, "How to save".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, Hazard, ModelFileError
from studbook.formats.model_files.imports import is_dangerous
from studbook.formats.model_files.json_yaml import JSON_LIMIT, Objects, find_object, find_text, list_objects, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.formats.model_files.archives import Archive

# Whose classes Keras makes without being told to trust them; what has no module was registered under a name.
_TRUSTED: Final = frozenset({"keras", "builtins"})
_LAYERS: Final = 50


def read_keras(archive: Archive) -> Finding | None:
    """The kind of model and its layers; None for a zip file of other things. Raises ModelFileError."""
    if "config.json" not in archive.names or "metadata.json" not in archive.names:
        return None
    shown = archive.shown
    content = {name: archive.read(name, JSON_LIMIT) for name in ("config.json", "metadata.json")}
    if any(len(part) > JSON_LIMIT for part in content.values()):
        raise ModelFileError(shown, f"its configuration is larger than {JSON_LIMIT:,} bytes, more than is read")
    model, metadata = (find_object(parse_json(part, shown)) for part in content.values())
    inner = find_object(model.get("config"))
    layers = Counter(find_text(layer.get("class_name"), 100) or "?" for layer in list_objects(inner.get("layers")))
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
        hazards=tuple(_iter_hazards(model, shown)),
    )


def _iter_hazards(model: dict[str, Any], shown: str) -> Iterator[Hazard]:
    """Layers that are a function, and what is made by its module and name, wherever it stands."""
    objects = Objects(model)
    for value in objects:
        kind, config = find_text(value.get("class_name"), 200), value.get("config")
        if kind in {"Lambda", "__lambda__"}:
            name = find_text(find_object(config).get("name"), 100) or "lambda"
            yield Hazard("code-in-model", shown, f"the layer {name!r} holds code of its own, which runs with the model")
        module = find_text(value.get("module"), 200)
        # A function is named by what else is a configuration.
        made = find_text(config, 200) if kind == "function" else kind
        if module is None or made is None:
            continue
        if is_dangerous(module, made):
            yield Hazard("dangerous-import", shown, f"it names {module}.{made}, which can run anything")
        elif module.partition(".")[0] not in _TRUSTED:
            yield Hazard("untrusted-type", shown, f"loading it takes trust in {module}.{made}")
    if objects.cut:
        yield Hazard("not-read-to-the-end", shown, "its configuration has more values than were looked at")
