"""A witness's folder: its name and key, a folder for each log, and the evidence.

It must never be restored from an older copy: the witness would not know what it had cosigned since. A witness whose folder
is lost is replaced by one with a new key.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import Ed25519Cosigner
from studbook.witness.files import FolderError, locked, sync_folder, write_durably
from studbook.witness.state import LogState

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.merkle.notes import VerifierKey


class WitnessFolder:
    """An existing folder, with the witness's key at hand."""

    def __init__(self, path: Path) -> None:
        """Open a folder.

        Raises FolderError.
        """
        self.path = path
        try:
            name = (path / "name").read_text("utf-8").removesuffix("\n")
            self.cosigner = Ed25519Cosigner.from_pem(name, (path / "key.pem").read_bytes())
        except FileNotFoundError:
            raise FolderError(f"{path} holds no witness; make one: studbook witness init {path} --name NAME") from None
        except VerificationError as error:
            raise FolderError(f"{path}: {error}") from error

    @classmethod
    def create(cls, path: Path, name: str) -> WitnessFolder:
        """Make a folder and a key for a new witness.

        Raises FolderError when there is one already, or the name cannot be a key's.
        """
        if not name.isprintable():
            raise FolderError("a witness's name holds no control characters")
        try:
            cosigner = Ed25519Cosigner.generate(name)
        except VerificationError as error:
            raise FolderError(f"a witness cannot be called {name!r}: {error}") from error
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (path / "key.pem").exists():
            raise FolderError(f"{path} holds a witness already; nothing was changed")
        # The key comes last: with it the folder is complete, and what comes before it may be written again.
        write_durably(path / "name", name.encode() + b"\n")
        try:
            descriptor = os.open(path / "key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise FolderError(f"{path} holds a witness already; another command made it just now") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(cosigner.to_pem())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path)
        return cls(path)

    @property
    def key(self) -> VerifierKey:
        """The key that cosignatures are verified with."""
        return self.cosigner.verifier_key

    def add_log(self, key: VerifierKey, origin: str) -> bool:
        """Cosign a log's checkpoints from now on, or trust one more key of it; False when nothing was new.

        Raises FolderError.
        """
        if not origin or not origin.isprintable():
            raise FolderError("a log's origin is one line of text")
        with locked(self.path / "lock"):
            state = self._state(origin)
            if not self._has(origin):
                state.create(origin)
        with state.locked():
            return state.add_key(key)

    def find_log(self, origin: str) -> LogState | None:
        """What is kept of a log, or None for one that is not witnessed."""
        return self._state(origin) if self._has(origin) else None

    def list_logs(self) -> list[LogState]:
        """Every log, by its origin."""
        origins = [path.read_text("utf-8").partition("\n")[0] for path in self.path.glob("logs/*/log")]
        return [self._state(origin) for origin in sorted(origins)]

    def _has(self, origin: str) -> bool:
        return (self.path / "logs" / _slug(origin) / "log").exists()

    def _state(self, origin: str) -> LogState:
        slug = _slug(origin)
        return LogState(self.path / "logs" / slug, self.path / "evidence" / slug, self.key)


def _slug(origin: str) -> str:
    """A file name that people recognise and that no other origin has."""
    return f"{re.sub('[^A-Za-z0-9.-]', '_', origin)[:80]}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
