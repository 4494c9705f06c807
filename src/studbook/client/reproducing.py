"""Recipes of model versions, and whether a re-run reproduced one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.addressing import Addressing
from studbook.client.answers import TEXTS, Record, reads, reads_many
from studbook.client.records import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ChecklistLine(Record):
    """One line of the checklist: its state is present, missing or not_applicable.

    `gaps` says what exactly is missing, `remedy` how it is recorded next time.
    """

    name: str = ""
    weight: int = 0
    state: str = ""
    gaps: tuple[str, ...] = field(default=(), metadata=TEXTS)
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Completeness(Record):
    """How much of what a re-run needs was recorded: `score` from 0 to 1, and what is missing, heaviest first."""

    score: float = 0.0
    formula: str = ""
    missing: tuple[str, ...] = field(default=(), metadata=TEXTS)
    items: tuple[ChecklistLine, ...] = field(default=(), metadata=reads_many(ChecklistLine))


@dataclass(frozen=True, kw_only=True)
class RecipeInput(Record):
    """A dataset version that was read."""

    name: str = ""
    role: str = ""
    digest: str | None = None
    uri: str | None = None
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class RecipeParent(Record):
    """What the version was made from; not `recorded` is an identifier that no record carries yet.

    `artifacts` are the first 100 of `artifact_count`.
    """

    name: str = ""
    relation: str = ""
    recorded: bool = True
    artifacts: tuple[Artifact, ...] = field(default=(), metadata=reads_many(Artifact))
    artifact_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Recipe(Record):
    """What it takes to make a model version again, as far as it was recorded."""

    version: str = ""
    run: str | None = None
    job: str | None = None
    code: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[RecipeInput, ...] = field(default=(), metadata=reads_many(RecipeInput))
    parents: tuple[RecipeParent, ...] = field(default=(), metadata=reads_many(RecipeParent))
    artifacts: tuple[Artifact, ...] = field(default=(), metadata=reads_many(Artifact))
    completeness: Completeness = field(default_factory=Completeness, metadata=reads(Completeness))


@dataclass(frozen=True, kw_only=True)
class Reproduction(Record):
    """Whether the version `rerun` reproduced `original`; `failed` names the checks that were not the same.

    `checks` holds each by name, with its verdict (same, different, unknown), reason and differences; `artifacts` tells whether
    the files are identical, different or unknown, which decides nothing.
    """

    original: str = ""
    rerun: str = ""
    reproduced: bool = False
    failed: tuple[str, ...] = field(default=(), metadata=TEXTS)
    checks: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Mapping[str, Any], ...] = field(default=(), metadata=TEXTS)


class Reproducing(Addressing):
    """The calls about making versions again. Each raises UnreachableError and RefusedError."""

    def recipe(self, ref: str) -> Recipe:
        """What it takes to make a model version again, and how complete that is."""
        return Recipe.read(self._connection.call("GET", (*self._version_path(ref), "recipe")))

    def verify_reproduction(
        self, ref: str, other: str, *, tolerance: float = 0.0, tolerances: Mapping[str, float] | None = None
    ) -> Reproduction:
        """Whether the version `other`, which a re-run registered, reproduced a model version.

        A metric may differ by `tolerance`, an absolute difference, or by what `tolerances` says under its name.
        """
        allowed = [repr(float(tolerance)), *(f"{name}={float(value)!r}" for name, value in (tolerances or {}).items())]
        path = (*self._version_path(ref), "recipe", "verification")
        return Reproduction.read(self._connection.call("GET", path, params={"other": other, "tolerance": allowed}))
