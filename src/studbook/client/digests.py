"""SHA-256 digests of files and folders, as `sha256:` and 64 hexadecimal digits."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

# Measured: larger blocks hash no faster.
_BLOCK: Final = 1024 * 1024
# Bytes above which hashing takes long enough (tenths of a second) to show that something is happening.
_PROGRESS_FROM: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Digested:
    """What was read: its digest, and its size in bytes (of a folder, that of its files)."""

    digest: str
    size: int


def digest_path(path: str | os.PathLike[str]) -> Digested:
    """Digest a file or a folder, with a progress bar on a terminal when it is larger than 64 MiB.

    A file's digest is that of its bytes, as `sha256sum` prints it. A folder's is that of the list of its files with
    their digests, symbolic links followed, which this prints too:

        find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Raises FileNotFoundError and other OSErrors.
    """
    path = Path(path)
    if not path.is_dir():
        with _progress(path, path.stat().st_size) as advance:
            return _digest_file(path, advance)
    folder = _Listing()
    for name, digested in _digest_files(path):
        folder.add(name, digested)
    return folder.digested()


def digest_tree(path: str | os.PathLike[str]) -> tuple[dict[str, Digested], dict[str, Digested]]:
    """The digests of every folder and of every file under a folder, by their paths relative to it; `.` is the folder itself.

    Each file is read once, and each digest is the one that `digest_path` gives.

    Raises FileNotFoundError and other OSErrors.
    """
    files: dict[str, Digested] = {}
    folders = {os.curdir: _Listing()}
    for name, digested in _digest_files(Path(path)):
        files[name] = digested
        folders[os.curdir].add(name, digested)
        end = name.find(os.sep)
        while end != -1:
            folders.setdefault(name[:end], _Listing()).add(name[end + 1 :], digested)
            end = name.find(os.sep, end + 1)
    return {name: listing.digested() for name, listing in folders.items()}, files


class _Listing:
    """The list of a folder's files with their digests, by name, as it is hashed."""

    def __init__(self) -> None:
        self._hashed = hashlib.sha256()
        self._size = 0

    def add(self, name: str, digested: Digested) -> None:
        """The next file."""
        self._hashed.update(_listing_line(digested.digest.removeprefix("sha256:"), os.fsencode(f"./{name}")))
        self._size += digested.size

    def digested(self) -> Digested:
        """The folder's digest, and the size of its files."""
        return Digested(f"sha256:{self._hashed.hexdigest()}", self._size)


def _digest_files(folder: Path) -> Iterator[tuple[str, Digested]]:
    names = sorted(_files_under(folder), key=os.fsencode)
    with _progress(folder, sum((folder / name).stat().st_size for name in names)) as advance:
        for name in names:
            yield name, _digest_file(folder / name, advance)


def _digest_file(path: Path, advance: Callable[[int], None]) -> Digested:
    hashed, size = hashlib.sha256(), 0
    block = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            hashed.update(block[:count])
            size += count
            advance(count)
    return Digested(f"sha256:{hashed.hexdigest()}", size)


def _files_under(folder: Path) -> Iterator[str]:
    """Every regular file, as a path relative to the folder."""
    root = os.fspath(folder)
    above: dict[str, tuple[tuple[int, int], ...]] = {root: ()}
    for place, folders, names in os.walk(root, followlinks=True):
        status = os.stat(place)  # noqa: PTH116 - a string from os.walk
        lineage = (*above.pop(place), (status.st_dev, status.st_ino))
        for name in [*folders]:
            inner = os.stat(os.path.join(place, name))  # noqa: PTH116, PTH118 - as above
            if (inner.st_dev, inner.st_ino) in lineage:
                folders.remove(name)  # a link to a folder above: going on would never end
            else:
                above[os.path.join(place, name)] = lineage  # noqa: PTH118 - as above
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118 - as above
            if os.path.isfile(path):  # noqa: PTH113 - as above
                yield os.path.relpath(path, root)


def _listing_line(digest: str, name: bytes) -> bytes:
    """A line as `sha256sum` prints it: a name with a backslash or a line's end is escaped, and marked so."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def _progress(path: Path, total: int) -> AbstractContextManager[Callable[[int], None]]:
    if total > _PROGRESS_FROM and sys.stderr is not None and sys.stderr.isatty():
        from studbook.client.progress import progress_bar  # noqa: PLC0415 - rich is slow to import

        return progress_bar(f"sha256 of {path.name}", total)
    return nullcontext(lambda _: None)
