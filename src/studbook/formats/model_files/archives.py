"""Zip files that hold a model: opened within bounds, and never unpacked.

A member is read up to a limit, whatever its header says of its size, so that a zip bomb costs no more than that.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.finding import Hazard, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC: Final = b"PK\x03\x04"
# A model of torch has a member for each tensor.
_MEMBERS: Final = 100_000
# The list of members, which the library reads at once and keeps several times over.
_DIRECTORY: Final = 16 * 2**20
# Packed so well nothing is that was not made for it.
_RATIO: Final = 1_000
_SMALL: Final = 2**20
_CHUNK: Final = 2**20


class _Bounded(io.FileIO):
    """A file of which the library reads no more at once than the list of members may take."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY:
            raise OSError(f"the list of its members would take {size:,} bytes, more than the {_DIRECTORY:,} that are read")
        return super().read(size)


class Archive:
    """The members of an open zip file."""

    def __init__(self, file: zipfile.ZipFile, shown: str) -> None:
        self._file = file
        self.shown = shown
        self.names = [member.filename for member in file.infolist()]

    def find(self, ending: str) -> str | None:
        """The member of this name, or the first whose path ends in it."""
        return next((name for name in self.names if name == ending or name.endswith(f"/{ending}")), None)

    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a member, all that it has or one more than the limit.

        Raises ModelFileError.
        """
        with _readable(self.shown), self._file.open(name) as member:
            # What is not packed would be read at once, which the bound on the list of members forbids.
            parts, left = [], limit + 1
            while left and (part := member.read(min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)

    def iter_hazards(self) -> Iterator[Hazard]:
        """Members that lie elsewhere once they are unpacked, that stand twice, or that unpack to far more than they take."""
        seen: set[str] = set()
        for member in self._file.infolist():
            name, shown = member.filename, repr(member.filename[:200])
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
                yield Hazard("path-outside", self.shown, f"the member {shown} leads out of the folder it is unpacked in")
            if name in seen:
                yield Hazard("member-twice", self.shown, f"the member {shown} stands twice; which counts is unclear")
            seen.add(name)
            if member.file_size > max(_SMALL, member.compress_size * _RATIO):
                message = f"the member {shown} unpacks from {member.compress_size:,} to {member.file_size:,} bytes"
                yield Hazard("zip-bomb", self.shown, message)


@contextlib.contextmanager
def open_archive(path: Path, shown: str) -> Iterator[Archive]:
    """The zip file, open. Raises ModelFileError for what is none, and for more members than are read."""
    with contextlib.ExitStack() as stack:
        with _readable(shown):
            file = stack.enter_context(zipfile.ZipFile(stack.enter_context(_Bounded(path))))
        archive = Archive(file, shown)
        if len(archive.names) > _MEMBERS:
            raise ModelFileError(shown, f"it has more than {_MEMBERS:,} members, more than are read")
        yield archive


# What the library and the decompressors raise for broken, encrypted and exotic files.
_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, RuntimeError, ValueError, LookupError,
    MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def _readable(shown: str) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise ModelFileError(shown, f"it is a zip file that cannot be read: {str(error)[:200]}") from error
