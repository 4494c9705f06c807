"""What a check of the log finds, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject


class Layer(StrEnum):
    """The check that found something, in the order in which they are made."""

    STRUCTURE = "structure"
    HASHES = "hashes"
    CHECKPOINTS = "checkpoints"
    GUARD = "guard"
    CHAINS = "chains"
    VALUES = "values"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was logged: by which check, at which place, what."""

    layer: Layer
    place: str
    message: str

    def as_json(self) -> JsonObject:
        """The finding for a program."""
        return {"layer": self.layer.value, "place": self.place, "message": self.message}


@dataclass(slots=True)
class LogReport:
    """The check of one log."""

    namespace: str
    origin: str
    size: int
    findings: list[Finding] = field(default_factory=list)
    erased: int = 0
    purged: int = 0
    unsigned: int = 0
    waiting: int = 0
    lost: int = 0

    def add(self, layer: Layer, place: str, message: str) -> None:
        """Take note of something."""
        self.findings.append(Finding(layer, place, message))

    def as_json(self) -> JsonObject:
        """The report for a program."""
        return {
            "namespace": self.namespace,
            "origin": self.origin,
            "entries": self.size,
            "erased_values": self.erased,
            "purged_entries": self.purged,
            "entries_behind_the_last_checkpoint": self.unsigned,
            "events_waiting": self.waiting,
            "entries_known_to_be_lost": self.lost,
            "findings": [finding.as_json() for finding in self.findings],
        }
