"""What a model file says of its model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class ModelFileError(Exception):
    """A file is not what it says it is, or larger than is read. The one exception that readers raise."""

    def __init__(self, path: Path | str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = str(path)
        self.message = message


@dataclass(frozen=True, slots=True)
class Base:
    """A model that this one comes of, as the file names it: `org/name` of a hub, a URL, a path."""

    reference: str
    # A relation between model versions (`finetuned-from`, `adapter-of`, `quantized-from`, …); None when it is not told.
    relation: str | None = None
    # The revision or commit of the base, where it is given.
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric that a file reports."""

    name: str
    value: float
    dataset: str | None = None
    split: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Hazard:
    """Why loading a file would be a risk: a code, the place, and what is there."""

    code: str
    place: str
    message: str


# Codes of hazards, the worst first; any other stands between these and what is only not known.
_WORST: Final = ("unsafe-serialisation", "dangerous-import", "hidden-import", "code-in-model", "path-outside")
_LEAST: Final = ("untrusted-type", "unknown-import")
_HAZARDS: Final = 50


def worst_first(hazards: Iterable[Hazard]) -> tuple[Hazard, ...]:
    """The hazards of a file in the order of their severity, and how many there are beyond those that are told."""
    ordered = sorted(dict.fromkeys(hazards), key=lambda hazard: _severity(hazard.code))
    more = len(ordered) - _HAZARDS
    if more > 0:
        ordered[_HAZARDS:] = [Hazard("more-hazards", ordered[0].place, f"{more:,} more are not told")]
    return tuple(ordered)


def _severity(code: str) -> int:
    if code in _WORST:
        return _WORST.index(code)
    return len(_WORST) + (1 + _LEAST.index(code) if code in _LEAST else 0)


# As many kinds of numbers as a format has; a file that names more makes them up.
_TYPES: Final = 50
# What JSON's numbers hold without loss.
_MOST_WEIGHTS: Final = 2**53 - 1


@dataclass(slots=True)
class Weights:
    """Counts the weights of a file by the type of their numbers."""

    shown: str
    dtypes: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def add(self, dtype: str, count: int) -> None:
        """Count a tensor. Raises ModelFileError for more weights than any model has."""
        self.count += count
        if self.count > _MOST_WEIGHTS:
            raise ModelFileError(self.shown, f"its tensors would have {self.count:,} numbers, more than any model has")
        known = dtype in self.dtypes or len(self.dtypes) < _TYPES
        self.dtypes[dtype if known else "other"] += count

    def by_type(self) -> dict[str, int]:
        """How many there are of each type, the most first."""
        return dict(self.dtypes.most_common())


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file says of its model; what it does not say is None or empty."""

    # The format's name in lower case: `safetensors`, `gguf`, `onnx`, `pickle`, …
    format: str
    # Relative to the folder that was read, with `/`.
    path: str
    architecture: str | None = None
    # Number of weights, and how many there are of each type of number (`F16`, `Q4_K`, …).
    weights: int | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)
    # Such as `Q4_K_M`, `gptq-4bit`, `int8`.
    quantization: str | None = None
    title: str | None = None
    description: str | None = None
    license: str | None = None
    task: str | None = None
    library: str | None = None
    bases: tuple[Base, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: tuple[Measured, ...] = ()
    # Training's hyperparameters, flat: names to JSON scalars.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    # Foreign identifiers by scheme, such as `huggingface` or `mlflow_run`.
    identifiers: Mapping[str, str] = field(default_factory=dict)
    # Further facts that are worth keeping, as JSON; small.
    facts: Mapping[str, Any] = field(default_factory=dict)
    hazards: tuple[Hazard, ...] = ()
