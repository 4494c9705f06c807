"""What a model file says of its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
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
