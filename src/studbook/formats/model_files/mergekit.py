"""`mergekit_config.yml`: the models that mergekit made one of.

Format: https://github.com/arcee-ai/mergekit, `mergekit/config.py` and, for how a model is written, `ModelReference`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Base, Finding, ModelFileError
from studbook.formats.model_files.json_yaml import find_object, find_text, list_objects, read_yaml, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODELS: Final = 1000


def read_mergekit(path: Path, shown: str) -> Finding | None:
    """How a merge was made, and from what. Raises ModelFileError."""
    data = read_yaml(path, shown)
    if not isinstance(data, dict):
        raise ModelFileError(shown, "it holds no mapping of names to values")
    bases = dict.fromkeys(base for written in _iter_models(data) for base in _list_bases(written))
    if not bases and "merge_method" not in data:
        return None
    dtype = find_text(data.get("out_dtype"), 60) or find_text(data.get("dtype"), 60)
    return Finding(
        format="mergekit-config",
        path=shown,
        bases=tuple(bases)[:_MODELS],
        parameters=scalars(data, ("merge_method",)) | scalars(find_object(data.get("parameters")), ("t", "weight", "density")),
        facts={"dtype": dtype} if dtype else {},
    )


def _iter_models(data: dict[str, Any]) -> Iterator[Any]:
    yield data.get("base_model")
    for entry in list_objects(data.get("models"), _MODELS):
        yield entry.get("model")
    modules = list(find_object(data.get("modules")).values())
    for part in [data, *(module for module in modules if isinstance(module, dict))]:
        for piece in list_objects(part.get("slices"), _MODELS):
            for source in list_objects(piece.get("sources"), _MODELS):
                yield source.get("model")


def _list_bases(written: Any) -> Iterator[Base]:  # noqa: ANN401 - a text or an object
    """`org/name`, `org/name@revision`, `org/name+org/adapter`, or an object of the same parts."""
    if isinstance(written, dict):
        inner = written.get("model")
        if isinstance(inner, dict):
            name = find_text(inner.get("path"), 400)
            if name:
                yield Base(name, "merged-from", find_text(inner.get("revision"), 200))
        else:
            yield from _list_bases(inner)
        yield from _list_bases(written.get("lora"))
        return
    for part in (find_text(written, 400) or "").split("+"):
        name, _, revision = part.strip().partition("@")
        if name:
            yield Base(name, "merged-from", revision or None)
