"""What `studbook doctor` looks at, one module a subject."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check came out; a note is worth knowing but nothing is wrong."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in one sentence, and how to mend it."""

    check: str
    state: State
    finding: str
    remedy: str | None = None


def fine(check: str, finding: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, State.OK, finding)


def note(check: str, finding: str, remedy: str | None = None) -> Finding:
    """Nothing is wrong, but this is worth knowing."""
    return Finding(check, State.NOTE, finding, remedy)


def problem(check: str, finding: str, remedy: str) -> Finding:
    """Something is wrong."""
    return Finding(check, State.PROBLEM, finding, remedy)
