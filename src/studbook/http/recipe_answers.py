"""What the routes of recipes answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from studbook.http.answers import ArtifactAnswer  # noqa: TC001 - Pydantic reads the annotations


class RecipeCodeAnswer(BaseModel):
    """The source code that the run executed; null is what was not recorded."""

    repository: str | None
    commit: str | None
    branch: str | None
    dirty: bool | None = Field(description="whether tracked files were changed since the commit")
    entry_point: str | None
    command: str | None


class RecipeEnvironmentAnswer(BaseModel):
    """Where the run took place: what is captured, or whatever a document says under these names."""

    python: Any
    implementation: Any
    packages: Any = Field(description="version by name")
    packages_digest: Any = Field(description="SHA-256 of the sorted lines `name==version`")
    container: Any
    os: Any
    hardware: Any


class RecipeInputAnswer(BaseModel):
    """A dataset version that was read."""

    name: str
    role: str
    digest: str | None
    uri: str | None
    rows: int | None


class RecipeParentAnswer(BaseModel):
    """What the version was made from: a record, or an identifier that no record carries yet."""

    name: str
    relation: str
    recorded: bool
    artifacts: list[ArtifactAnswer] = Field(description="at most 100")
    artifact_count: int


class RecipeMetricAnswer(BaseModel):
    """The latest value of a metric; the label says what it was measured on."""

    label: str
    name: str
    value: float


class ChecklistLineAnswer(BaseModel):
    """One line of the checklist; `gaps` says what exactly is missing, `remedy` how it is recorded next time."""

    name: str
    weight: int
    state: Literal["present", "missing", "not_applicable"]
    gaps: list[str]
    remedy: str | None


class CompletenessAnswer(BaseModel):
    """How much of what a re-run needs was recorded."""

    score: float = Field(description="between 0 and 1: the weights of what is present, divided by the weights of what applies")
    formula: str
    missing: list[str]
    items: list[ChecklistLineAnswer]


class RecipeAnswer(BaseModel):
    """What it takes to make a version again."""

    schema_: str = Field(alias="schema")
    version: str
    run: str | None
    job: str | None
    code: RecipeCodeAnswer
    environment: RecipeEnvironmentAnswer
    parameters: dict[str, Any]
    seeds: dict[str, Any] = Field(description="the run's seed as `run`, and the parameters that are seeds by their name")
    inputs: list[RecipeInputAnswer]
    parents: list[RecipeParentAnswer]
    artifacts: list[ArtifactAnswer]
    metrics: list[RecipeMetricAnswer]
    completeness: CompletenessAnswer


class DeviationAnswer(BaseModel):
    """What differs between original and re-run; null is what only the other has."""

    name: str
    original: Any
    rerun: Any


class CheckAnswer(BaseModel):
    """One check; `unknown` when not enough was recorded to tell, and then `reason` says what."""

    verdict: Literal["same", "different", "unknown"]
    reason: str | None
    differences: list[DeviationAnswer]


class MetricDistanceAnswer(BaseModel):
    """A metric of the original beside the re-run's."""

    name: str
    original: float
    rerun: float | None
    distance: float | None
    tolerance: float
    within: bool


class MetricCheckAnswer(CheckAnswer):
    """The check of the metrics, value by value."""

    values: list[MetricDistanceAnswer]


class ReproductionChecksAnswer(BaseModel):
    """The checks that decide."""

    inputs: CheckAnswer
    parents: CheckAnswer
    code: CheckAnswer
    parameters: CheckAnswer
    seeds: CheckAnswer
    environment: CheckAnswer
    metrics: MetricCheckAnswer


class ArtifactsCheckAnswer(BaseModel):
    """Whether the artifacts are the same bytes; it decides nothing. The digests that only one side has stand beside."""

    verdict: Literal["identical", "different", "unknown"]
    only_original: list[str]
    only_rerun: list[str]


class ReproductionAnswer(BaseModel):
    """Whether a re-run reproduced a version."""

    original: str
    rerun: str
    reproduced: bool = Field(description="true when no check is different or unknown")
    failed: list[str]
    checks: ReproductionChecksAnswer
    artifacts: ArtifactsCheckAnswer
    notes: list[DeviationAnswer] = Field(description="what differs and decides nothing, such as the hardware")
