"""Files in binary formats, read a few bytes at a time and never beyond their end."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from studbook.formats.model_files.finding import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class BoundedFile:
    """A file that is read forward; what it promises and does not hold is an error rather than a short answer."""

    def __init__(self, file: IO[bytes], shown: str, size: int) -> None:
        self._file = file
        self.shown = shown
        self.size = size
        self.position = 0

    def fault(self, message: str) -> ModelFileError:
        """The error that says what is wrong with this file."""
        return ModelFileError(self.shown, message)

    def take(self, count: int, what: str) -> bytes:
        """The next bytes. Raises ModelFileError where the file ends before."""
        if not 0 <= count <= self.size - self.position:
            raise self.fault(f"{what} would take {count:,} bytes from byte {self.position:,}, and the file has {self.size:,}")
        content = self._file.read(count)
        if len(content) != count:
            raise self.fault(f"it ends in the middle of {what}")
        self.position += count
        return content

    def skip(self, count: int, what: str) -> None:
        """Pass over the next bytes. Raises ModelFileError where the file ends before."""
        if not 0 <= count <= self.size - self.position:
            raise self.fault(f"{what} would take {count:,} bytes from byte {self.position:,}, and the file has {self.size:,}")
        self._file.seek(count, os.SEEK_CUR)
        self.position += count

    def number(self, layout: str, what: str) -> int:
        """The next whole number, in a layout of `struct`. Raises ModelFileError."""
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout), what))[0]
        return value


@contextmanager
def opened(path: Path, shown: str) -> Iterator[BoundedFile]:
    """The file, open. What the system says against it while it is read is a ModelFileError too."""
    try:
        with path.open("rb") as file:
            yield BoundedFile(file, shown, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error


def read_head(path: Path, shown: str, count: int) -> bytes:
    """The first bytes of a file, fewer where it has no more.

    Raises ModelFileError.
    """
    with opened(path, shown) as file:
        return file.take(min(count, file.size), "its beginning")
