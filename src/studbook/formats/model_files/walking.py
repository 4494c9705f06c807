"""The files of a folder, within bounds: never out of it, never in circles, and nothing but regular files."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.finding import ModelFileError
from studbook.formats.model_files.hub import find_cached_name

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK: Final = 2**20
# Python's leftovers; what begins with a dot (version control, caches) is passed over as well.
_PASSED_OVER: Final = frozenset({"__pycache__", "__MACOSX"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a folder is read: as many files as a document has room for, and no deeper than models lie."""

    files: int = 10_000
    depth: int = 12
    total_bytes: int = 4 * 2**40


@dataclass(frozen=True, slots=True)
class Warned:
    """What a reader of the findings should know: the place, and a sentence."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Walked:
    """A folder's regular files by their relative paths, in order, and what was passed over that should be known."""

    files: dict[str, Path]
    warnings: tuple[Warned, ...]


@dataclass(slots=True)
class _Walk:
    boundary: str
    limits: Limits
    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    total: int = 0


def walk(root: Path, limits: Limits) -> Walked:
    """All regular files below a folder; links are followed to files within it, and to none without.

    In the cache of `huggingface_hub` the files of a snapshot are links into a folder of blobs beside it: there the
    repository's folder is the boundary. Raises ModelFileError where the folder holds more than the limits allow.
    """
    real = root.resolve()
    at_hub = real.parent.name == "snapshots" and find_cached_name(real.parent.parent.name, real.name)
    progress = _Walk(str(real.parent.parent if at_hub else real), limits)
    waiting = [(real, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        if depth > limits.depth:
            raise ModelFileError(prefix.rstrip("/"), f"the folder lies deeper than {limits.depth} levels, more than is read")
        for entry in _sorted_entries(folder, prefix, progress):
            shown = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), f"{shown}/", depth + 1))
            else:
                _take(entry, shown, progress)
    return Walked(dict(sorted(progress.files.items())), tuple(progress.warnings))


def _sorted_entries(folder: Path, prefix: str, progress: _Walk) -> list[os.DirEntry[str]]:
    kept: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in _PASSED_OVER:
                    continue
                kept.append(entry)
                if len(kept) + len(progress.files) > progress.limits.files:
                    raise ModelFileError(
                        prefix or ".", f"the folder holds more than {progress.limits.files:,} files, more than is read"
                    )
    except OSError as error:
        progress.warnings.append(Warned(prefix or ".", f"cannot be read: {error.strerror or error}"))
    return sorted(kept, key=lambda entry: entry.name)


def _take(entry: os.DirEntry[str], shown: str, progress: _Walk) -> None:
    """Keep a regular file, or say why not."""
    try:
        shown.encode()
    except UnicodeEncodeError:
        printable = shown.encode("utf-8", "replace").decode()
        progress.warnings.append(Warned(printable, "left out: its name is not UTF-8"))
        return
    path = Path(entry.path)
    try:
        if entry.is_symlink():
            path = Path(os.path.realpath(entry.path))
            inside = os.path.commonpath([progress.boundary, path]) == progress.boundary
            if not inside:
                progress.warnings.append(Warned(shown, "left out: the link leads out of the folder"))
                return
        status = path.stat()
    except (OSError, ValueError):
        progress.warnings.append(Warned(shown, "left out: the link leads nowhere"))
        return
    if not stat.S_ISREG(status.st_mode):
        what = "a link to a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        progress.warnings.append(Warned(shown, f"left out: {what}"))
        return
    progress.total += status.st_size
    if progress.total > progress.limits.total_bytes:
        raise ModelFileError(shown, f"the folder holds more than {progress.limits.total_bytes:,} bytes, more than is read")
    progress.files[shown] = path


def digest_file(path: Path, shown: str, tell_read: Callable[[int], None] | None = None) -> tuple[str, int]:
    """The `sha256:…` of a file and its size in bytes, read once in pieces; `tell_read` hears of each piece.

    Raises ModelFileError.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if tell_read:
                    tell_read(len(chunk))
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error
    return f"sha256:{digest.hexdigest()}", size
