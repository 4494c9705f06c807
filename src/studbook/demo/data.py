"""The data the demo trains on: splits of scikit-learn's own data sets, written to files with the same bytes each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

_SEED: Final = 7
# As the UCI repository, where scikit-learn has them from, gives it; for the diabetes data none is given.
_UCI_LICENSE: Final = "CC-BY-4.0"
_DIABETES: Final = "442 patients, progression of diabetes within a year (Efron et al. 2004)"
_DIGITS: Final = "1,797 images of handwritten digits, 8 by 8 pixels (UCI)"
_TUMOURS: Final = "569 breast tumours, 30 measurements of their cell nuclei, malignant or benign (UCI)"


@dataclass(frozen=True, slots=True)
class Sample:
    """A split: the file it lies in, the dataset it is a version of, and the rows as read back from that file."""

    dataset: str
    path: Path
    features: Array
    target: Array
    description: str
    license: str | None = None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.target)


def load_samples(folder: Path) -> dict[str, Sample]:
    """Write every split into the folder and read it back, so that what is digested is what is trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    return {**_tumours(folder), **_digits(folder), **_diabetes(folder)}


def write_images(path: Path, images: Array, labels: Array) -> tuple[Array, Array]:
    """Write images with their labels as NPZ and read them back. NumPy dates the members 1980, so the bytes are the same."""
    np.savez(path, images=images.astype(np.float32), labels=labels.astype(np.int64))
    with np.load(path) as stored:
        return stored["images"], stored["labels"]


def _tumours(folder: Path) -> dict[str, Sample]:
    source = load_breast_cancer()
    columns = [*(name.replace(" ", "_") for name in source.feature_names), "malignant"]
    malignant = (source.target_names[source.target] == "malignant").astype(int)
    rest, test = _split(source.data, malignant, share=0.25)
    pool, calibration = _split(*rest, share=0.25)
    half, _ = _split(*pool, share=0.5)
    return {
        name: _table(folder / f"{name}.csv", dataset, columns, split, (_TUMOURS, _UCI_LICENSE))
        for name, dataset, split in (
            ("tumours-train-1", "tumours-train", half),
            ("tumours-train-2", "tumours-train", pool),
            ("tumours-calibration", "tumours-calibration", calibration),
            ("tumours-test", "tumours-test", test),
        )
    }


def _digits(folder: Path) -> dict[str, Sample]:
    source = load_digits()
    train, test = _split(source.images, source.target, share=0.3)
    samples = {}
    for name, split in (("digits-train", train), ("digits-test", test)):
        path = folder / f"{name}.npz"
        samples[name] = Sample(name, path, *write_images(path, *split), _DIGITS, _UCI_LICENSE)
    return samples


def _diabetes(folder: Path) -> dict[str, Sample]:
    source = load_diabetes(scaled=False)
    columns = [*source.feature_names, "progression"]
    train, test = _split(source.data, source.target, share=0.3, stratify=False)
    return {
        name: _table(folder / f"{name}.csv", name, columns, split, (_DIABETES, None))
        for name, split in (("diabetes-train", train), ("diabetes-test", test))
    }


def _split(
    features: Array, target: Array, *, share: float, stratify: bool = True
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """What stays, and the share that is set apart."""
    kept, apart, kept_target, apart_target = train_test_split(
        features, target, test_size=share, random_state=_SEED, stratify=target if stratify else None
    )
    return (kept, kept_target), (apart, apart_target)


def _table(path: Path, dataset: str, columns: list[str], split: tuple[Array, Array], described: tuple[str, str | None]) -> Sample:
    header = ",".join(columns)
    np.savetxt(path, np.column_stack(split), fmt="%.10g", delimiter=",", header=header, comments="")
    stored = np.loadtxt(path, delimiter=",", skiprows=1)
    return Sample(dataset, path, stored[:, :-1], stored[:, -1], *described)
