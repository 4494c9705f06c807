"""LightGBM's text model: a head of `key=value` lines, the trees, and the parameters of the training.

Format: `GBDT::SaveModelToString` in `src/boosting/gbdt_model_text.cpp` of LightGBM; versions v2 to v4.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, ModelFileError
from studbook.formats.model_files.json_yaml import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A line of a head lists every feature; one of a tree, every leaf.
_LINE: Final = 16 * 2**20
_BYTES: Final = 4 * 2**30
_FEATURES: Final = 1000
_PARAMETERS: Final = 300
_PARAMETER: Final = re.compile(r"\[([^:\]]{1,100}): (.*)\]")
_NUMBER: Final = re.compile(r"-?\d{1,15}|-?\d{1,30}(\.\d{1,30}([eE][-+]?\d{1,3})?|[eE][-+]?\d{1,3})", re.ASCII)
# Of the machine that trained it: addresses, files, threads.
_PRIVATE: Final = re.compile(
    r"data|valid|config|device_type|verbosity|time_out|num_threads|header|two_round|.*(file|gpu|machine|output_|input_|_port|_column).*"
)
_TASKS: Final = {"binary": "tabular-classification", "multiclass": "tabular-classification", "regression": "tabular-regression"}


def read_lightgbm(path: Path, shown: str) -> Finding | None:
    """A text model's objective, features, number of trees and parameters; None for other text.

    Raises ModelFileError.
    """
    lines = _iter_lines(path, shown)
    if next(lines, "") != "tree":
        return None
    head: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    trees, ended = 0, False
    for line in lines:
        if line.startswith("Tree="):
            trees += 1
        elif line == "end of trees":
            ended = True
        elif ended and len(parameters) < _PARAMETERS and (match := _PARAMETER.fullmatch(line)):
            if match[2] and not _PRIVATE.fullmatch(match[1]):
                parameters[match[1]] = _read_value(match[2])
        elif not trees and "=" in line:
            key, _, value = line.partition("=")
            head[key[:100]] = value
    if "version" not in head:
        return None
    if not ended:
        raise ModelFileError(shown, "it breaks off before its trees end")
    features = head.get("feature_names", "").split()
    objective = head.get("objective", "").split(" ")[0]
    facts = {
        "format_version": head["version"][:60],
        "objective": head.get("objective", "")[:200],
        "classes": _read_count(head.get("num_class")),
        "features": len(features) or None,
        "inputs": [{"name": name[:200]} for name in features[:_FEATURES]],
        "trees": trees,
    }
    return Finding(
        format="lightgbm",
        path=shown,
        architecture=f"lightgbm.{parameters.get('boosting', 'gbdt')}"[:200],
        task=_TASKS.get(objective),
        library="lightgbm",
        parameters=parameters,
        facts={name: value for name, value in facts.items() if value not in (None, "", [])},
    )


def _iter_lines(path: Path, shown: str) -> Iterator[str]:
    read = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(_LINE + 1):
                read += len(line)
                if len(line) > _LINE or read > _BYTES:
                    raise ModelFileError(shown, "it, or a line of it, is longer than is read of such a file")
                yield clean(line.decode("utf-8", "replace").rstrip("\r\n"))
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error


def _read_value(text: str) -> str | int | float:
    if not _NUMBER.fullmatch(text):
        return text[:1000]
    number = float(text)
    if not math.isfinite(number):
        return text
    return number if any(mark in text for mark in ".eE") else int(text)


def _read_count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004 - below 2^53
