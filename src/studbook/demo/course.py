"""Goes through the lessons: each is trained inside a run of the SDK, and recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from studbook.demo.champions import find_recorded
from studbook.demo.data import load_samples
from studbook.demo.lessons import LESSONS, School
from studbook.demo.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from studbook.client import ModelVersion
    from studbook.client.registry import Registry
    from studbook.demo.lessons import Lesson


class Step(NamedTuple):
    """A lesson that is done: its version, and how long training and recording took (None: it was recorded before)."""

    lesson: Lesson
    version: ModelVersion
    seconds: float | None


def run_course(registry: Registry, folder: Path, begin: Callable[[str], None], done: Callable[[Step], None]) -> None:
    """Train every lesson and record those that are not recorded yet; `begin` and `done` hear of each.

    Raises StudbookError.
    """
    school = School(folder / "data", load_samples(folder / "data"))
    recorder = Recorder(registry, folder / "models")
    for lesson in LESSONS:
        begin(f"training {lesson.key}: {lesson.description}")
        started = time.monotonic()
        version = find_recorded(registry, lesson.key)
        if version is not None:
            # An earlier demo was stopped half-way: its children need the parent's model, so it is trained again.
            school.graduates[lesson.key] = lesson.train(school)
            done(Step(lesson, version, None))
            continue
        with recorder.begin(lesson) as run:
            school.graduates[lesson.key] = lesson.train(school)
            registration = recorder.record(lesson, school.graduates[lesson.key], run)
        done(Step(lesson, registry.version(registration.reference or ""), time.monotonic() - started))
