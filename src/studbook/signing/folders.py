"""The manifest of a folder on this machine, and how a folder differs from one."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from studbook.signing.errors import SigningError
from studbook.signing.manifest import ALGORITHMS, GIT_PATHS, RESOURCES_LIMIT, Manifest, Resource, check_name, ordering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Differences:
    """The names of files that differ from what was signed, are missing, or are there without having been signed."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.extra)


def digest_folder(
    folder: Path, *, ignored: Iterable[str] = (), allow_symlinks: bool = False, ignore_git: bool = True, algorithm: str = "sha256"
) -> Manifest:
    """The manifest of a folder. `ignored` are names within it (files, or folders with all in them); a signature's own is one.

    Links to files are read only with `allow_symlinks`, links to folders never.
    Raises SigningError for a link, a socket or a name that is no Unicode; OSError when a file cannot be read.
    """
    left_out = sorted({check_name(name) for name in ignored} | set(GIT_PATHS if ignore_git else ()))
    names = sorted(_iter_names(folder, frozenset(left_out), allow_symlinks=allow_symlinks), key=ordering)
    resources = tuple(Resource(name, _digest(folder / name, algorithm), algorithm) for name in names)
    return Manifest(folder.name or folder.resolve().name, resources, tuple(left_out), allow_symlinks)


def compare_folder(folder: Path, signed: Manifest, *, signature: Path | None = None) -> Differences:
    """How a folder differs from what was signed; files that the manifest ignores, and the signature itself, are not looked at.

    What the manifest names is looked at even if it says that it is ignored. Raises as `digest_folder` does.
    """
    own = [] if signature is None else name_within(folder, signature)
    expected = {resource.name: resource for resource in signed.resources}
    left_out = frozenset([*signed.ignored, *own])
    found = set(_iter_names(folder, left_out, allow_symlinks=signed.allow_symlinks))
    found |= {name for name in expected if _is_within(folder, name, allow_symlinks=signed.allow_symlinks)}
    changed = [
        name for name in found & expected.keys() if _digest(folder / name, expected[name].algorithm) != expected[name].digest
    ]
    return Differences(
        tuple(sorted(changed, key=ordering)),
        tuple(sorted(expected.keys() - found, key=ordering)),
        tuple(sorted(found - expected.keys(), key=ordering)),
    )


def name_within(folder: Path, path: Path) -> list[str]:
    """The name of a path within a folder in a list, which is empty if it lies outside."""
    inside, root = path.resolve(), folder.resolve()
    return [inside.relative_to(root).as_posix()] if inside.is_relative_to(root) and inside != root else []


def _is_within(folder: Path, name: str, *, allow_symlinks: bool) -> bool:
    """Whether the folder has this file, without a link to somewhere else on the way to it."""
    path = folder / name
    try:
        if not path.is_file() or (path.is_symlink() and not allow_symlinks):
            return False
    except OSError as error:
        # A name that no file here can have is that of a missing one.
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
    parts = name.split("/")
    return not any(folder.joinpath(*parts[:depth]).is_symlink() for depth in range(1, len(parts)))


def _iter_names(folder: Path, ignored: frozenset[str], *, allow_symlinks: bool) -> Iterator[str]:
    if not folder.is_dir():
        message = f"{folder} is no folder"
        raise SigningError(message)
    count = 0
    for place, folders, files in os.walk(folder, onerror=_give_up):
        within = "" if Path(place) == folder else Path(place).relative_to(folder).as_posix() + "/"
        # What is ignored is not walked into: a repository's history may be larger than the model.
        folders[:] = [name for name in folders if within + name not in ignored]
        for name in [*folders, *files]:
            if within + name in ignored:
                continue
            path = Path(place, name)
            _check_file(path, allow_symlinks=allow_symlinks)
            if path.is_file():
                count += 1
                yield check_name(within + name)
        if count > RESOURCES_LIMIT:
            message = f"{folder} has more than {RESOURCES_LIMIT:,} files; sign a folder that holds the model alone"
            raise SigningError(message)


def _check_file(path: Path, *, allow_symlinks: bool) -> None:
    if path.is_symlink() and not allow_symlinks:
        message = f"{path} is a symbolic link; put the file in its place, or allow links"
        raise SigningError(message)
    if not path.is_file() and not path.is_dir():
        message = f"{path} is neither a file nor a folder, or cannot be read"
        raise SigningError(message)


def _give_up(error: OSError) -> None:
    raise error


def _digest(path: Path, algorithm: str) -> bytes:
    if algorithm not in ALGORITHMS:
        message = f"{algorithm!r} is no algorithm that files are hashed with here: {', '.join(ALGORITHMS)}"
        raise SigningError(message)
    hasher = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.digest()
