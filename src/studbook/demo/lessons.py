"""What the demo trains, in order: five models, ten versions, four generations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from studbook.demo.catalogue import SEED
from studbook.demo.data import Sample, write_images
from studbook.demo.training import Trained, described, flat, measure_digits, measure_progression, measure_tumours

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(slots=True)
class School:
    """What lessons work with: the data, a folder for more of it, and what was trained before."""

    folder: Path
    samples: dict[str, Sample]
    graduates: dict[str, Trained] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A version to be trained: of which model, from which parent and how, and what makes it."""

    model: str
    number: int
    description: str
    train: Callable[[School], Trained]
    parent: str | None = None
    relation: str | None = None

    @property
    def key(self) -> str:
        """By what other lessons, files and the registry know it."""
        return f"{self.model}-{self.number}"


def _forest(train_on: str, **parameters: Any) -> Callable[[School], Trained]:  # noqa: ANN401 - scikit-learn's parameters
    def train(school: School) -> Trained:
        sample, test = school.samples[train_on], school.samples["tumours-test"]
        forest = RandomForestClassifier(random_state=SEED, **parameters).fit(sample.features, sample.target)
        inputs = ((sample, "training"), (test, "test"))
        return Trained(forest, described(forest), inputs, measure_tumours(forest, sample, test))

    return train


def _calibrated(school: School) -> Trained:
    sample, test = school.samples["tumours-calibration"], school.samples["tumours-test"]
    forest = FrozenEstimator(school.graduates["tumour-classifier-3"].estimator)
    calibrated = CalibratedClassifierCV(forest, method="sigmoid").fit(sample.features, sample.target)
    parameters = {"estimator": "CalibratedClassifierCV", "method": "sigmoid"}
    return Trained(calibrated, parameters, ((sample, "calibration"), (test, "test")), measure_tumours(calibrated, sample, test))


def _baseline(school: School) -> Trained:
    sample, test = school.samples["tumours-train-1"], school.samples["tumours-test"]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0)).fit(sample.features, sample.target)
    return Trained(model, described(model), ((sample, "training"), (test, "test")), measure_tumours(model, sample, test))


def _reader(**parameters: Any) -> Callable[[School], Trained]:  # noqa: ANN401 - as above
    def train(school: School) -> Trained:
        sample, test = school.samples["digits-train"], school.samples["digits-test"]
        model = SVC(**parameters).fit(flat(sample), sample.target)
        parameters_ = described(model, support_vectors=len(model.support_))
        return Trained(model, parameters_, ((sample, "training"), (test, "test")), measure_digits(model, sample, test))

    return train


def _distilled(school: School) -> Trained:
    """A small network that learns what the teacher says of shifted images, whose true labels it never sees."""
    train, test = school.samples["digits-train"], school.samples["digits-test"]
    teacher = school.graduates["digit-reader-2"].estimator
    shifts = [np.roll(train.features, by, axis=axis) for by in (1, -1) for axis in (1, 2)]
    images = np.concatenate([train.features, *shifts])
    path = school.folder / "digits-transfer.npz"
    stored, labels = write_images(path, images, teacher.predict(images.reshape(len(images), -1) / 16))
    sample = Sample("digits-transfer", path, stored, labels, "shifted training images, labelled by digit-reader/2", train.license)
    student = MLPClassifier((24,), max_iter=60, learning_rate_init=0.005, random_state=SEED)
    with warnings.catch_warnings():
        # Sixty passes are enough for a demo; the network would still get a little better.
        warnings.simplefilter("ignore", ConvergenceWarning)
        student.fit(flat(sample), labels)
    inputs = ((sample, "training"), (train, "source"), (test, "test"))
    curves = {"training_loss": list(student.loss_curve_)}
    return Trained(student, described(student), inputs, measure_digits(student, sample, test), curves)


def _ridge(school: School) -> Trained:
    sample, test = school.samples["diabetes-train"], school.samples["diabetes-test"]
    model = make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(sample.features, sample.target)
    return Trained(model, described(model), ((sample, "training"), (test, "test")), measure_progression(model, sample, test))


def _boosted(school: School) -> Trained:
    sample, test = school.samples["diabetes-train"], school.samples["diabetes-test"]
    model = GradientBoostingRegressor(n_estimators=200, max_depth=3, random_state=SEED).fit(sample.features, sample.target)
    staged = [root_mean_squared_error(sample.target, stage) for stage in model.staged_predict(sample.features)]
    measurements = measure_progression(model, sample, test)
    return Trained(model, described(model), ((sample, "training"), (test, "test")), measurements, {"training_rmse": staged})


LESSONS: Final = (
    Lesson("tumour-classifier", 1, "ten shallow trees", _forest("tumours-train-1", n_estimators=10, max_depth=2)),
    Lesson(
        "tumour-classifier",
        2,
        "other parameters: 200 full trees",
        _forest("tumours-train-1", n_estimators=200),
        parent="tumour-classifier-1",
        relation="retrained-from",
    ),
    Lesson("tumour-baseline", 1, "logistic regression on the same data", _baseline),
    Lesson(
        "tumour-classifier",
        3,
        "a changed split: twice the training data",
        _forest("tumours-train-2", n_estimators=200),
        parent="tumour-classifier-2",
        relation="retrained-from",
    ),
    Lesson(
        "tumour-classifier",
        4,
        "calibrated on data held back for it",
        _calibrated,
        parent="tumour-classifier-3",
        relation="calibrated-from",
    ),
    Lesson("digit-reader", 1, "support vectors, linear kernel", _reader(kernel="linear")),
    Lesson(
        "digit-reader",
        2,
        "other parameters: RBF kernel",
        _reader(kernel="rbf", C=10.0),
        parent="digit-reader-1",
        relation="retrained-from",
    ),
    Lesson(
        "digit-reader-small",
        1,
        "a small network, taught by digit-reader/2",
        _distilled,
        parent="digit-reader-2",
        relation="distilled-from",
    ),
    Lesson("diabetes-progression", 1, "ridge regression", _ridge),
    Lesson(
        "diabetes-progression",
        2,
        "200 boosted trees",
        _boosted,
        parent="diabetes-progression-1",
        relation="retrained-from",
    ),
)
