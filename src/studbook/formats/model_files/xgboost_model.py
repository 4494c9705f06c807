"""XGBoost's models as JSON and as UBJSON, which have the same shape.

Format: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html and the schema `doc/model.schema` of XGBoost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, ModelFileError
from studbook.formats.model_files.json_yaml import find_object, find_text, list_texts, read_object
from studbook.formats.model_files.ubjson import read_ubjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JSON_LIMIT: Final = 64 * 2**20
_VALUES: Final = 8_000_000
_FEATURES: Final = 1000
_HEAD: Final = 64
_TASKS: Final = {"binary": "tabular-classification", "multi": "tabular-classification", "reg": "tabular-regression"}


def read_xgboost(path: Path, shown: str) -> Finding | None:
    """A model's objective, features and number of trees; None for a file of another kind. Raises ModelFileError."""
    if path.suffix.lower() == ".ubj":
        return _find_model(read_ubjson(path, shown), shown)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error
    # XGBoost writes its members in order and without blanks, so other JSON needs not be read to the end.
    if b'"learner"' not in head and b'"version"' not in head:
        return None
    return _find_model(read_object(path, shown, limit=JSON_LIMIT, values=_VALUES), shown)


def _find_model(data: Any, shown: str) -> Finding | None:  # noqa: ANN401 - whatever stood in the file
    learner = find_object(find_object(data).get("learner"))
    if "gradient_booster" not in learner or "learner_model_param" not in learner:
        return None
    booster = find_object(learner.get("gradient_booster"))
    name = find_text(booster.get("name"), 60)
    objective = find_text(find_object(learner.get("objective")).get("name"), 100)
    parameters = find_object(learner.get("learner_model_param"))
    names = list_texts(learner.get("feature_names"), members=_FEATURES, limit=200)
    version = data.get("version")
    facts: dict[str, Any] = {
        "library_version": ".".join(list_texts(version, members=3, limit=10)) if isinstance(version, list) else None,
        "objective": objective,
        "features": _find_count(parameters, "num_feature"),
        "classes": _find_count(parameters, "num_class"),
        "trees": _find_trees(booster),
        "inputs": [{"name": feature} for feature in names],
        "attributes": {
            str(key)[:200]: text
            for key, value in list(find_object(learner.get("attributes")).items())[:50]
            if key != "scikit_learn" and (text := find_text(value, 200))
        },
    }
    return Finding(
        format="xgboost",
        path=shown,
        architecture=f"xgboost.{name}" if name else None,
        task=_TASKS.get((objective or "").partition(":")[0]),
        library="xgboost",
        parameters={"objective": objective} if objective else {},
        facts={key: value for key, value in facts.items() if value not in (None, "", [], {}, 0)},
    )


def _find_trees(booster: Mapping[str, Any]) -> int | None:
    """The number of trees; DART keeps its trees one level deeper, and a linear booster has none."""
    model = find_object(booster.get("model")) or find_object(find_object(booster.get("gbtree")).get("model"))
    return _find_count(find_object(model.get("gbtree_model_param")), "num_trees")


def _find_count(parameters: Mapping[str, Any], name: str) -> int | None:
    """A parameter; all of them are texts."""
    text = find_text(parameters.get(name), 20) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004 - below 2^53
