"""What the comparisons of dataset versions answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class StepAnswer(BaseModel):
    """What was, and what is."""

    from_: Any = Field(alias="from")
    to: Any


class DriftAnswer(BaseModel):
    """How the columns of a dataset version differ from those of another."""

    from_: str = Field(alias="from")
    to: str
    compared: list[str] = Field(description="what both have recorded, of columns and statistics; nothing else was compared")
    drifted: bool
    rows: StepAnswer
    added: dict[str, str | None] = Field(description="columns by name, with their types")
    removed: dict[str, str | None]
    types: dict[str, StepAnswer]
    nullability: dict[str, StepAnswer]
    ranges: dict[str, StepAnswer] = Field(description="lowest and highest value, where they moved by more than the threshold")
    missing: dict[str, StepAnswer] = Field(description="share of rows without a value, where it moved by more than the threshold")
    thresholds: dict[str, float]


class SharedRowsAnswer(BaseModel):
    """How many distinct rows two tables share: an estimate, and bounds that hold in 99 of 100 cases."""

    shared: int
    at_least: int
    at_most: int
    first: int = Field(description="distinct rows of the first")
    second: int
    seen: int = Field(description="shared rows among those that the sketches hold")
    exact: bool


class OverlapAnswer(BaseModel):
    """The rows that two dataset versions share."""

    first: str
    second: str
    rows: SharedRowsAnswer
