"""What the demo's models are called and by what they are compared; apart from the lessons, so that it needs no scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from studbook.client import Metric, ModelVersion

# Every version of the demo carries an identifier of this scheme: what is there already is not trained again.
SCHEME: Final = "studbook_demo"


# The definition that Studbook ships for model versions; the demo's models must satisfy it.
SCHEMA: Final = "studbook.model-version"

# Recorded with every run, and what random numbers begin with.
SEED: Final = 0


class Goal(NamedTuple):
    """By which metric a model's versions are compared, always on the same test data; how many there are; what it is for.

    The task is named as on Hugging Face.
    """

    metric: str
    best: Literal["highest", "lowest"]
    versions: int
    purpose: str
    task: str = "tabular-classification"


GOALS: Final[dict[str, Goal]] = {
    "tumour-classifier": Goal("log_loss", "lowest", 4, "tells malignant from benign breast tumours"),
    "tumour-baseline": Goal("log_loss", "lowest", 1, "a simple model to compare tumour-classifier with"),
    "digit-reader": Goal("accuracy", "highest", 2, "reads handwritten digits", "image-classification"),
    "digit-reader-small": Goal("accuracy", "highest", 1, "reads handwritten digits on small devices", "image-classification"),
    "diabetes-progression": Goal("r2", "highest", 2, "predicts how diabetes progresses within a year", "tabular-regression"),
}


def find_result(version: ModelVersion, goal: Goal) -> Metric | None:
    """The version's value for the goal: on the test data as a whole."""
    fitting = (m for m in version.metrics if m.name == goal.metric and m.split == "test" and not m.slice)
    return next(fitting, None)


def best_of(versions: Iterable[ModelVersion], goal: Goal) -> tuple[ModelVersion, Metric] | None:
    """The version that is best by the goal, and its value."""
    measured = [(version, metric) for version in versions if (metric := find_result(version, goal)) is not None]
    if not measured:
        return None
    choose = max if goal.best == "highest" else min
    return choose(measured, key=lambda entry: entry[1].value)
