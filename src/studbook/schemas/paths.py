"""Where an attribute stands in the described document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from studbook.domain.pointers import pointer
from studbook.schemas.definition import Describes

_SELECTED: Final = re.compile(r"/metrics\[([^\]]+)\]/value")
_SELECTORS: Final = ("name", "dataset", "split")
# The members of each kind's document that an attribute may stand in.
ROOTS: Final = {
    Describes.MODEL: ("description", "owners", "tags"),
    Describes.MODEL_VERSION: ("description", "parameters", "metrics", "artifacts", "tags", "attributes", "identifiers"),
    Describes.RUN: (
        "kind", "status", "name", "job", "experiment", "code", "environment", "seed", "started_at", "ended_at", "error",
        "identifiers", "metrics",
    ),
    Describes.DATASET_VERSION: (
        "name", "digest", "version", "role", "uri", "rows", "license", "sensitivity", "description", "schema", "profile",
        "identifiers",
    ),
    Describes.EVALUATION: ("run", "datasets", "metrics"),
    Describes.DEPLOYMENT: ("version", "target", "url", "attributes"),
}  # fmt: skip


class BadPathError(ValueError):
    """A path that no attribute can have; the message says why."""


@dataclass(frozen=True, slots=True)
class AttributePath:
    """The way to an attribute's value: member by member, every member of the last (`/*`), or among the metrics."""

    steps: tuple[str, ...]
    every: bool = False
    # Which metrics are meant: (name, dataset, split), None where any will do.
    metric: tuple[str, str | None, str | None] | None = None

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the value, or of what holds it."""
        return pointer(self.steps)

    def find(self, document: Any) -> Any:  # noqa: ANN401 - any JSON value
        """What stands there, or None."""
        value = document
        for step in self.steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value


def parse_path(text: str, describes: Describes = Describes.MODEL_VERSION) -> AttributePath:
    """Read a path.

    Raises BadPathError with a sentence for whoever wrote it.
    """
    if "[" in text:
        return _read_selection(text)
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
    if not all(steps):
        raise BadPathError(f"{text!r} has an empty step; write a JSON Pointer such as /attributes/license")
    if steps[0] not in ROOTS[describes]:
        roots = ", ".join(f"/{root}" for root in ROOTS[describes])
        noun = describes.value.replace("_", " ")
        raise BadPathError(f"a {noun}'s document has no {'/' + steps[0]!r}; an attribute of it stands under one of {roots}")
    if "*" in steps[:-1]:
        raise BadPathError(f"{text!r}: '*' can only be the last step")
    return AttributePath(steps[:-1], every=True) if steps[-1] == "*" else AttributePath(steps)


def _read_selection(text: str) -> AttributePath:
    match = _SELECTED.fullmatch(text)
    if match is None:
        raise BadPathError(f"{text!r} is no path; one with brackets looks like /metrics[name=auc,split=test]/value")
    chosen: dict[str, str] = {}
    for part in match[1].split(","):
        field, equals, value = part.strip().partition("=")
        if not equals or not value or field not in _SELECTORS or field in chosen:
            raise BadPathError(f"{text!r}: write name=…, and dataset=… or split=… where they matter, each once")
        chosen[field] = value
    if "name" not in chosen:
        raise BadPathError(f"{text!r} says of no metric which; begin with name=…")
    return AttributePath(("metrics",), metric=(chosen["name"], chosen.get("dataset"), chosen.get("split")))
