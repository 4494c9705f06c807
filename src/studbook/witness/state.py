"""What a witness keeps of one log: the keys it trusts, the last checkpoint it cosigned, those before it, and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Algorithm, Note, VerifierKey, cosigned_at, parse_vkey
from studbook.witness.evidence import Evidence
from studbook.witness.files import FolderError, locked, write_durably
from studbook.witness.history import History

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from studbook.merkle.notes import Signature

_LOG_ALGORITHMS: Final = frozenset({Algorithm.ED25519, Algorithm.ML_DSA_44})


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with the note that was cosigned (the log's signatures, then the witness's), and the POSIX time of that."""

    checkpoint: Checkpoint
    note: Note
    time: int


class LogState:
    """The folder of one log. Everything but `keys` and `load` is called under `locked`."""

    def __init__(self, folder: Path, evidence: Path, own_key: VerifierKey) -> None:
        self._folder = folder
        self._own_key = own_key
        self.history = History(folder / "history")
        self.evidence = Evidence(evidence)

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other thread and process from this log."""
        return locked(self._folder / "lock")

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return self._lines()[0]

    @property
    def keys(self) -> list[VerifierKey]:
        """The log's keys."""
        try:
            return [parse_vkey(line) for line in self._lines()[1:]]
        except VerificationError as error:
            raise FolderError(f"{self._folder / 'log'} is damaged: {error}") from error

    def _lines(self) -> list[str]:
        return (self._folder / "log").read_text("utf-8").removesuffix("\n").split("\n")

    def create(self, origin: str) -> None:
        """Begin with a log of which nothing was cosigned yet."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An empty file says that nothing was cosigned; a missing one, that what was cosigned is lost. The file with the keys
        # comes last: with it the folder is complete.
        if not (self._folder / "checkpoint").exists():
            write_durably(self._folder / "checkpoint", b"")
        write_durably(self._folder / "log", origin.encode() + b"\n")

    def add_key(self, key: VerifierKey) -> bool:
        """Trust one more key; False when it is trusted already.

        Raises FolderError for a key with which no log signs.
        """
        if key.algorithm not in _LOG_ALGORITHMS:
            raise FolderError(f"{key} is a witness's key, and logs sign with Ed25519 (type 1) or ML-DSA-44 (type 6)")
        if key in self.keys:
            return False
        write_durably(self._folder / "log", "".join(f"{line}\n" for line in [*self._lines(), str(key)]).encode())
        return True

    def load(self) -> Cosigned | None:
        """The last cosigned checkpoint, or None before the first.

        Raises FolderError when it is lost or damaged: then nothing may be cosigned, since nobody knows what it must follow.
        """
        path = self._folder / "checkpoint"
        advice = "a witness that forgot what it cosigned cannot go on: make another one with a new key (studbook witness init)"
        try:
            data = path.read_bytes()
            if not data:
                return None
            checkpoint, opened = open_checkpoint(data, [self._own_key], self.origin)
        except FileNotFoundError:
            raise FolderError(f"{path} is missing; {advice}") from None
        except VerificationError as error:
            raise FolderError(f"{path} is not what this witness wrote ({error}); {advice}") from error
        own = next(line for line in opened.note.signatures if line.key_id == self._own_key.key_id)
        return Cosigned(checkpoint, opened.note, cosigned_at(own))

    def advance(self, last: Cosigned | None, new: Note, cosignature: Signature) -> None:
        """Put a checkpoint in the place of the last one, durably."""
        if last is not None:
            self.history.append(last.checkpoint.size, last.note)
        write_durably(self._folder / "checkpoint", Note(new.text, (*new.signatures, cosignature)).encode())
        self.evidence.withdraw(new)
