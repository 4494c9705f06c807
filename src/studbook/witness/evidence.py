"""Evidence: pairs of checkpoints, both signed by the log, that cannot both be of a log that only ever grows.

A *fork* convicts the log by itself: two checkpoints of one size with different roots. The rest is *unproven*: a larger
checkpoint whose proof did not verify, or a smaller one that this witness never cosigned. Either may be innocent (anybody can
send a public checkpoint with a wrong proof; the log may have signed while this witness was away), and the log clears itself
by a consistency proof between the two. If it cannot give one, it was rolled back or forked.

Each contradicting checkpoint is kept once, and at most so many of each kind, so that nobody fills the disk. The first ones
stay: they tell where the trouble began. The kinds are counted apart: what anybody can send must not keep out what convicts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import parse_checkpoint
from studbook.witness.files import write_durably

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from studbook.merkle.notes import Note

_log = logging.getLogger(__name__)

# Files of each kind that are kept for a log, so 1,000 in all.
EVIDENCE_LIMIT: Final = 500


class Kind(StrEnum):
    """What a pair of checkpoints shows."""

    FORK = "fork"
    UNPROVEN = "unproven"


_MEANINGS: Final = {
    Kind.FORK: "The log signed two checkpoints of the same size with different roots: it shows different people different pasts.",
    Kind.UNPROVEN: "Nothing showed that one of the two trees is the beginning of the other. Ask the log for a consistency proof "
    "between their sizes; if it cannot give one that verifies, it was rolled back or forked.",
}


class Evidence:
    """The evidence against one log: a folder of JSON files. Whoever calls holds the log's lock."""

    def __init__(self, folder: Path, limit: int = EVIDENCE_LIMIT) -> None:
        self._folder = folder
        self._limit = limit

    def count(self, kind: Kind) -> int:
        """How many files there are."""
        return sum(1 for _ in self._folder.glob(f"{kind}-*.json"))

    def keep(self, kind: Kind, cosigned: Note, contradicting: Note, proof: Sequence[str] = ()) -> None:
        """Write both notes, and the proof that was given, into a file; without space or right to write it goes on without."""
        path = self._path(kind, contradicting)
        _log.critical("ALARM: evidence against a log (%s): %s", kind, path)
        if path.exists():
            return
        if self.count(kind) >= self._limit:
            _log.error(
                "%s holds %s files of this kind and gets no more; move them away to keep new ones", path.parent, self._limit
            )
            return
        described = {
            "kind": kind.value,
            "meaning": _MEANINGS[kind],
            "seen_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cosigned": cosigned.encode().decode(),
            "contradicting": contradicting.encode().decode(),
            "proof": list(proof),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(path, json.dumps(described, indent=2, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            _log.critical("the evidence cannot be written: %s", error.strerror)

    def withdraw(self, checkpoint: Note) -> None:
        """Take back a suspicion, if there is one: the checkpoint was shown to follow after all."""
        with contextlib.suppress(OSError):
            self._path(Kind.UNPROVEN, checkpoint).unlink()

    def _path(self, kind: Kind, contradicting: Note) -> Path:
        size = parse_checkpoint(contradicting.text).size
        return self._folder / f"{kind}-{size}-{hashlib.sha256(contradicting.text).hexdigest()[:32]}.json"
