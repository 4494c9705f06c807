"""What a witness cosigned before the last checkpoint, so that a replay can be told from a rollback.

One line for each size: the size, a space, the note in base64; sizes only rise, so a line is found by bisection. About 500
bytes a checkpoint. Nothing is cosigned by what stands here: whoever runs out of space may cut lines off the beginning while
the witness is stopped, and older checkpoints than the first line then count as unknown.
"""

from __future__ import annotations

import base64
import mmap
import os
from typing import TYPE_CHECKING, Final

from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import parse_note
from studbook.witness.files import FolderError

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.merkle.notes import Note

# More than the longest line: a request of 64 KiB in base64, with the cosignature.
_LONGEST_LINE: Final = 128 * 1024


class History:
    """The superseded checkpoints of one log. Whoever calls holds the log's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, size: int, note: Note) -> None:
        """Add a checkpoint durably, unless it stands there already: a crash may have come between this and what follows it."""
        with self._path.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, end - _LONGEST_LINE))
            tail = file.read()
            whole = tail[: tail.rfind(b"\n") + 1]
            # A line that a crash cut short was never relied on.
            file.truncate(start + len(whole))
            last = whole[:-1].rpartition(b"\n")[2]
            if last and self._read(last)[0] >= size:
                return
            file.write(b"%d %s\n" % (size, base64.b64encode(note.encode())))
            file.flush()
            os.fsync(file.fileno())

    def find(self, size: int) -> Note | None:
        """The note of that size, or None when none was cosigned."""
        if not self._path.exists() or not self._path.stat().st_size:
            return None
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            low, high = 0, data.rfind(b"\n") + 1
            while low < high:
                middle = (low + high) // 2
                start = max(low, data.rfind(b"\n", low, middle) + 1)
                end = data.find(b"\n", middle)
                found, note = self._read(data[start:end])
                if found == size:
                    return note
                low, high = (end + 1, high) if found < size else (low, start)
        return None

    def _read(self, line: bytes) -> tuple[int, Note]:
        size, _, note = line.partition(b" ")
        try:
            return int(size), parse_note(base64.b64decode(note))
        except (ValueError, VerificationError) as error:
            raise FolderError(f"{self._path} is damaged; move it away, and another is begun") from error
