"""`MLmodel`: what MLflow writes beside a model that it saves.

Format: https://mlflow.org/docs/latest/ml/model/#mlmodel-file; signatures are JSON texts inside the YAML.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, Hazard, ModelFileError
from studbook.formats.model_files.json_yaml import find_object, find_text, list_objects, plain, read_yaml
from studbook.formats.model_files.places import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# What a flavor calls the version of its library, other than `<flavor>_version`.
_VERSION_KEYS: Final = {
    "sklearn": "sklearn_version",
    "xgboost": "xgb_version",
    "lightgbm": "lgb_version",
    "tensorflow": "tf_version",
}
# Where the flavor is not called as its library is.
_LIBRARIES: Final = {"sklearn": "scikit-learn", "keras": "keras", "pyspark": "spark"}
_PICKLES: Final = frozenset({"pickle", "cloudpickle", "joblib"})
_FEATURES: Final = 10_000
_TEXT_LIMIT: Final = 2**20


def read_mlmodel(path: Path, shown: str) -> Finding | None:
    """The flavors, signature and origin of a model that MLflow saved.

    The facts `inputs` and `outputs` list features as name, type and shape. Raises ModelFileError.
    """
    data = read_yaml(path, shown)
    if not isinstance(data, dict):
        raise ModelFileError(shown, "it holds no mapping of names to values")
    flavors = {str(name): find_object(flavor) for name, flavor in find_object(data.get("flavors")).items()}
    if not flavors:
        raise ModelFileError(shown, "it names no flavors; every MLmodel file does")
    own = next((name for name in flavors if name != "python_function"), None)
    library = _LIBRARIES.get(own, own) if own else None
    version = find_text(flavors[own].get(_VERSION_KEYS.get(own, f"{own}_version")), 100) if own else None
    signature = find_object(data.get("signature"))
    facts: dict[str, Any] = {
        "flavors": sorted(flavors)[:50],
        "library_version": version,
        "python": find_text(flavors.get("python_function", {}).get("python_version"), 60),
        "mlflow_version": find_text(data.get("mlflow_version"), 60),
        "created": find_text(data.get("utc_time_created"), 60),
        "inputs": _list_features(signature.get("inputs"), shown),
        "outputs": _list_features(signature.get("outputs"), shown),
        "size_bytes": plain(data.get("model_size_bytes")),
    }
    return Finding(
        format="mlflow",
        path=shown,
        task=find_text(flavors.get("transformers", {}).get("task"), 200),
        architecture=_find_class(flavors),
        library=library,
        parameters={str(name)[:200]: value for name, value in _iter_parameters(data)},
        identifiers=_list_identifiers(data),
        facts={name: value for name, value in facts.items() if value not in (None, [])},
        hazards=tuple(_iter_hazards(flavors, shown)),
    )


def _find_class(flavors: Mapping[str, Mapping[str, Any]]) -> str | None:
    transformers = flavors.get("transformers", {})
    pytorch_class = find_text(transformers.get("pipeline_model_type"), 200) or find_text(
        transformers.get("source_model_class"), 200
    )
    return pytorch_class or find_text(flavors.get("xgboost", {}).get("model_class"), 200)


def _iter_parameters(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(find_object(data.get("params")).items())[:_FEATURES]:
        if isinstance(value, str | int | float) and plain(value) is not None:
            yield str(name), plain(value)


def _list_identifiers(data: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "mlflow_run": find_text(data.get("run_id"), 200),
        "mlflow_model": find_text(data.get("model_id"), 200) or find_text(data.get("model_uuid"), 200),
    }
    return {scheme: value for scheme, value in found.items() if value}


def _list_features(written: Any, shown: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a JSON text, or nothing
    """Columns (`{"type": "double", "name": "x"}`) and tensors (`{"type": "tensor", "tensor-spec": {…}}`) of a signature."""
    text = find_text(written, _TEXT_LIMIT)
    if text is None:
        return []
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(shown, "its signature is not JSON") from error
    features = []
    for number, column in enumerate(list_objects(columns, _FEATURES)):
        tensor = find_object(column.get("tensor-spec"))
        shape = tensor.get("shape")
        kind = find_text(tensor.get("dtype"), 200) or find_text(column.get("type"), 200)
        feature: dict[str, Any] = {"name": find_text(column.get("name"), 200) or f"[{number}]"}
        feature |= {"type": kind} if kind else {}
        if isinstance(shape, list) and all(type(size) is int and -1 <= size < 2**53 for size in shape):
            feature["shape"] = shape
        features.append(feature)
    return features


def _iter_hazards(flavors: Mapping[str, Mapping[str, Any]], shown: str) -> Iterator[Hazard]:
    for name, flavor in flavors.items():
        place = f"{shown}#/flavors/{name}"[:400]
        module = find_text(flavor.get("loader_module"), 200)
        if module and not module.startswith("mlflow."):
            yield Hazard("remote-code", place, f"the model is loaded by the module {module}, which does not come with MLflow")
        form = find_text(flavor.get("serialization_format"), 60)
        if form in _PICKLES or flavor.get("python_model") or flavor.get("pickled_model"):
            yield Hazard("pickle", place, f"the model is a pickle ({form or 'cloudpickle'}), which runs code when it is loaded")
        if flavor.get("code"):
            yield Hazard("remote-code", place, "Python code in the folder is put on the path when the model is loaded")
        for key, value in flavor.items():
            named = isinstance(value, str) and str(key) in {"data", "model_data", "pickled_model", "model_path", "code", "env"}
            if named and not is_inside(value):
                yield Hazard("path-outside", f"{place}/{key}", f"it names a file outside the folder: {value[:200]!r}")
