"""Which recorded versions the files on this machine are, by their digests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studbook.client.digests import Digested, digest_path, digest_tree
from studbook.client.findings import Recognised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from studbook.client.findings import Resolved
    from studbook.client.records import Link

    Matches = Mapping[str, tuple[Link, ...]]


@dataclass(frozen=True, slots=True)
class _Digests:
    """What was read under a path that was given: its folders (`.` is itself) and files by relative path; of a file, only `.`."""

    path: str
    folders: Mapping[str, Digested]
    files: Mapping[str, Digested]

    def place(self, name: str) -> str:
        """A path as its reader knows it."""
        return self.path if name == os.curdir else os.path.join(self.path, name)  # noqa: PTH118 - kept as it was given


def recognise(
    paths: Iterable[str | os.PathLike[str]], resolve_many: Callable[[Sequence[str]], list[Resolved]]
) -> list[Recognised]:
    """What files and folders are: of a folder itself, the folders in it that are known, and every file in it.

    Raises FileNotFoundError and other OSErrors.
    """
    read = [_digests(os.fspath(path)) for path in paths]
    digests = dict.fromkeys(
        digested.digest for each in read for group in (each.folders, each.files) for digested in group.values()
    )
    matches = {resolved.identifier: resolved.matches for resolved in resolve_many(list(digests))}
    return [entry for each in read for entry in _recognised(each, matches)]


def _digests(path: str) -> _Digests:
    if Path(path).is_dir():
        return _Digests(path, *digest_tree(path))
    return _Digests(path, {}, {os.curdir: digest_path(path)})


def _recognised(read: _Digests, matches: Matches) -> list[Recognised]:
    files = [_entry(read, name, digested, matches) for name, digested in read.files.items()]
    folders = []
    for name, digested in read.folders.items():
        entry = _entry(read, name, digested, matches, files)
        if name == os.curdir or entry.matches:
            folders.append(entry)
    return folders + files


def _entry(
    read: _Digests, name: str, digested: Digested, matches: Matches, files: Sequence[Recognised] | None = None
) -> Recognised:
    own = matches.get(digested.digest, ())
    around = next((folder for folder in _folders_around(name) if _is_known(read, folder, matches)), None)
    known = bool(own) or around is not None or (bool(files) and name == os.curdir and all(file.known for file in files or ()))
    part_of = None if around is None else read.place(around)
    return Recognised(read.place(name), files is not None, digested.digest, digested.size, own, part_of, known)


def _is_known(read: _Digests, folder: str, matches: Matches) -> bool:
    return folder in read.folders and bool(matches.get(read.folders[folder].digest))


def _folders_around(name: str) -> Iterable[str]:
    """The folders around a relative path, the nearest first."""
    while name != os.curdir:
        name = os.path.dirname(name) or os.curdir  # noqa: PTH120 - a relative path as text
        yield name
