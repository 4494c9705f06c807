"""The guard: the last checkpoint of each log, kept outside the database and changed by compare-and-swap before one is signed.

Without it a database restored from an older backup, or cut back consistently, passes every check of the database alone. So the
folder must not be restored with the database: it belongs on another volume (`STUDBOOK_GUARD`). Processes of one machine, or of
one shared file system with locks, may share it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from studbook.merkle.checkpoint import Checkpoint, parse_checkpoint
from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class GuardError(Exception):
    """The guard cannot be read or written, or holds what is no checkpoint of the log."""


class FileGuard:
    """A folder with a file for each log, which holds the text of its last checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, origin: str) -> Path:
        """The file of a log."""
        return self.folder / (origin.replace("/", "_") + ".checkpoint")

    def load(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log, or None when none was ever kept.

        Raises GuardError.
        """
        path = self.path(origin)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise GuardError(f"the guard {path} cannot be read: {error.strerror}") from error
        try:
            checkpoint = parse_checkpoint(text)
        except VerificationError as error:
            raise GuardError(f"the guard {path} holds no checkpoint: {error}") from error
        if checkpoint.origin != origin:
            raise GuardError(f"the guard {path} holds a checkpoint of {checkpoint.origin}, not of {origin}")
        return checkpoint

    def swap(self, origin: str, expected: Checkpoint | None, new: Checkpoint) -> bool:
        """Put a new checkpoint in the place of the expected one, durably; False when another one stands there.

        Raises GuardError.
        """
        path = self.path(origin)
        try:
            with self._locked(path):
                if self.load(origin) != expected:
                    return False
                fresh = path.with_suffix(".new")
                with fresh.open("wb") as file:
                    file.write(new.text)
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(path)
                _sync_folder(self.folder)
        except OSError as error:
            raise GuardError(f"the guard {path} cannot be written: {error.strerror}") from error
        return True

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _sync_folder(folder: Path) -> None:
    """Make the renaming in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
