"""Tells the registry what was trained, through the SDK as any program would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import joblib
import sklearn

from studbook.demo.catalogue import GOALS, SCHEMA, SCHEME, SEED

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.client import Registration
    from studbook.client.registry import Registry
    from studbook.client.run import Run
    from studbook.demo.lessons import Lesson
    from studbook.demo.training import Trained

EXPERIMENT: Final = "studbook-demo"


class Recorder:
    """Records versions in one registry, their files in one folder."""

    def __init__(self, registry: Registry, models: Path) -> None:
        self._registry = registry
        self._models = models
        models.mkdir(parents=True, exist_ok=True)
        registry.adopt_schema(SCHEMA)

    def record(self, lesson: Lesson, trained: Trained, run: Run) -> Registration:
        """Register a version from its run: parameters, data, metrics, the model's file, and its parent.

        Raises RefusedError, for a demo that its registry refuses is no demo.
        """
        run.log_parameters(trained.parameters)
        for sample, role in trained.inputs:
            run.use_dataset(
                sample.dataset,
                sample.path,
                role=role,  # type: ignore[arg-type]
                rows=sample.rows,
                license=sample.license,
                sensitivity="public",
                description=sample.description,
            )
        for name, curve in trained.curves.items():
            for step, value in enumerate(curve):
                run.log_metric(name, value, step=step, split="train")
        for measured in trained.measurements:
            run.log_metric(
                measured.name, measured.value, dataset=measured.sample.dataset, split=measured.split, slice=measured.slice
            )
        path = self._models / f"{lesson.key}.joblib"
        joblib.dump(trained.estimator, path)
        run.log_artifact(path, media_type="application/x-joblib")
        run.identifiers[SCHEME] = lesson.key
        run.set_attributes(_attributes(lesson, trained))
        parents = [f"{SCHEME}:{lesson.parent}"] if lesson.parent else []
        return run.register(
            lesson.model,
            parents=parents,
            relation=lesson.relation,
            description=lesson.description,
            tags={"library": "scikit-learn"},
            schema=SCHEMA,
        )

    def begin(self, lesson: Lesson) -> Run:
        """The run in which a lesson is trained."""
        return self._registry.run(job=f"{lesson.model}-training", name=lesson.key, experiment=EXPERIMENT, seed=SEED)


def _attributes(lesson: Lesson, trained: Trained) -> dict[str, Any]:
    """What the standard definition asks of a version, as far as it is known here."""
    goal = GOALS[lesson.model]
    return {
        "framework": "scikit-learn",
        "framework_version": sklearn.__version__,
        "architecture": type(trained.estimator).__name__,
        "task": goal.task,
        "risk_class": "not-assessed",
        "intended_use": {"purpose": f"A demonstration: {goal.purpose}."},
        "training": {"seed": SEED},
    }
