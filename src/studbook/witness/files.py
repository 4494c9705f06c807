"""Files that outlive a crash, and locks that hold between threads and processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FolderError(Exception):
    """The witness's folder is not what it should be, or cannot be read or written; the message says how to mend it."""


def write_durably(path: Path, data: bytes) -> None:
    """Put a file in the place of the old one, whole or not at all; returns once a loss of power cannot undo it.

    Two writers of one file must hold the same lock.
    """
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that no other thread or process gets at the same time; the system frees it when a process dies."""
    # Each holder opens the file anew: the lock belongs to the opened file, so that threads exclude one another, too.
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
