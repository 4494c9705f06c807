"""What a lesson produces, and how it is measured on data that was held back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studbook.demo.data import Array, Sample


@dataclass(frozen=True, slots=True)
class Measurement:
    """A metric's value, and what it was measured on."""

    name: str
    value: float
    sample: Sample
    split: str
    slice: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model, what went into it, and how well it does."""

    estimator: Any
    parameters: Mapping[str, Any]
    inputs: tuple[tuple[Sample, str], ...]
    measurements: tuple[Measurement, ...]
    # A value for each step of the training, where there are steps.
    curves: Mapping[str, list[float]] = field(default_factory=dict)


def described(estimator: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - scikit-learn has no types
    """The parameters of an estimator (of the last step, for a pipeline)."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    return {"estimator": type(last).__name__, **last.get_params(deep=False), **more}


def measure_tumours(estimator: Any, train: Sample, test: Sample) -> tuple[Measurement, ...]:  # noqa: ANN401 - as above
    """How well malignant tumours are told from benign ones; small ones are the hard case, so they are measured apart."""
    chance = estimator.predict_proba(test.features)[:, 1]
    found = chance > 0.5  # noqa: PLR2004 - as likely as not
    small = test.features[:, 0] < np.median(test.features[:, 0])
    slice_ = {"mean_radius": "below the median"}
    values = {
        "log_loss": metrics.log_loss(test.target, chance),
        "roc_auc": metrics.roc_auc_score(test.target, chance),
        "brier": metrics.brier_score_loss(test.target, chance),
        "recall": metrics.recall_score(test.target, found),
        "accuracy": metrics.accuracy_score(test.target, found),
    }
    return (
        *(Measurement(name, value, test, "test") for name, value in values.items()),
        Measurement("recall", metrics.recall_score(test.target[small], found[small]), test, "test", slice_),
        Measurement("accuracy", estimator.score(train.features, train.target), train, "train"),
    )


def measure_digits(estimator: Any, train: Sample, test: Sample) -> tuple[Measurement, ...]:  # noqa: ANN401 - as above
    """How many digits are read right, over all and for each digit."""
    read = estimator.predict(flat(test))
    recalls = metrics.recall_score(test.target, read, average=None)
    return (
        Measurement("accuracy", metrics.accuracy_score(test.target, read), test, "test"),
        Measurement("f1_macro", metrics.f1_score(test.target, read, average="macro"), test, "test"),
        *(Measurement("recall", value, test, "test", {"digit": digit}) for digit, value in enumerate(recalls)),
        Measurement("f1_macro", metrics.f1_score(train.target, estimator.predict(flat(train)), average="macro"), train, "train"),
    )


def measure_progression(estimator: Any, train: Sample, test: Sample) -> tuple[Measurement, ...]:  # noqa: ANN401 - as above
    """How far the predictions are off, over all and for obese patients."""
    predicted = estimator.predict(test.features)
    body_mass = test.features[:, 2]
    obese = body_mass >= 30  # noqa: PLR2004 - the usual definition
    return (
        Measurement("r2", metrics.r2_score(test.target, predicted), test, "test"),
        Measurement("rmse", metrics.root_mean_squared_error(test.target, predicted), test, "test"),
        Measurement("mae", metrics.mean_absolute_error(test.target, predicted), test, "test"),
        Measurement(
            "mae", metrics.mean_absolute_error(test.target[obese], predicted[obese]), test, "test", {"bmi": "30 or more"}
        ),
        Measurement("mae", metrics.mean_absolute_error(train.target, estimator.predict(train.features)), train, "train"),
    )


def flat(sample: Sample) -> Array:
    """Images as rows of brightness between 0 and 1."""
    return sample.features.reshape(sample.rows, -1) / 16
