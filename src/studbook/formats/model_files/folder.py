"""A folder of a model, read as a whole: every file's digest, what the files say, and where they disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.binary_files import read_binary_file
from studbook.formats.model_files.finding import ModelFileError
from studbook.formats.model_files.hub import find_cached_name, find_hub_name
from studbook.formats.model_files.known_files import read_known_file
from studbook.formats.model_files.merging import Picture, merge
from studbook.formats.model_files.walking import Limits, Warned, digest_file, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from studbook.formats.model_files.finding import Finding
    from studbook.formats.model_files.known_files import Reader

# Each file is shown to these in turn, until one knows it.
READERS: Final[tuple[Reader, ...]] = (read_known_file, read_binary_file)

# Media types that are registered, or that the makers of a format use; anything else is left unsaid.
_MEDIA_TYPES: Final = {
    ".json": "application/json", ".ubj": "application/ubjson", ".md": "text/markdown", ".txt": "text/plain",
    ".py": "text/x-python", ".yml": "application/yaml", ".yaml": "application/yaml", ".xml": "application/xml",
    ".onnx": "application/onnx", ".safetensors": "application/vnd.safetensors", ".zip": "application/zip",
    ".h5": "application/x-hdf5", ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file of the folder: its path there, its size in bytes, and the digest of what it holds."""

    path: str
    size: int
    digest: str
    media_type: str | None


@dataclass(frozen=True, slots=True)
class FolderFindings:
    """What a folder, or a single file, holds and says of its model."""

    # The folder's name, or the file's without its suffix; what the cache of the Hub calls the model, there.
    name: str
    files: tuple[FileRead, ...]
    findings: tuple[Finding, ...]
    picture: Picture
    warnings: tuple[Warned, ...] = ()
    # Names that the folder says are its own.
    identifiers: Mapping[str, str] = field(default_factory=dict)


def read_folder(
    path: Path,
    *,
    limits: Limits | None = None,
    readers: Sequence[Reader] = READERS,
    tell_read: Callable[[str, int], None] | None = None,
) -> FolderFindings:
    """Read every file below a folder, with the digest of each.

    A file that cannot be read as what it seems to be is told as a warning and kept as a file. Hidden files are passed over.
    `tell_read` hears the path and the number of bytes of each piece that was read. Raises ModelFileError where there is no
    such folder, where it holds no files, or more than the limits allow.
    """
    if not path.is_dir():
        raise ModelFileError(path, "there is no such folder")
    walked = walk(path, limits or Limits())
    if not walked.files:
        raise ModelFileError(path, "the folder holds no files that can be read")
    real = path.resolve()
    cached = find_cached_name(real.parent.parent.name, real.name) if real.parent.name == "snapshots" else None
    name = cached[0].rpartition("/")[2] if cached else real.name
    identifiers = {"huggingface": "@".join(cached)} if cached else {}
    return _read_files(name, walked.files, list(walked.warnings), identifiers, readers, tell_read)


def read_model_file(
    path: Path, *, readers: Sequence[Reader] = READERS, tell_read: Callable[[str, int], None] | None = None
) -> FolderFindings:
    """Read a single file as if it were alone in a folder.

    Raises ModelFileError where there is no such file or no reader knows it.
    """
    if not path.is_file():
        raise ModelFileError(path, "there is no such file")
    if find_finding(path, path.name, readers) is None:
        raise ModelFileError(path, "it is of no format that is known")
    return _read_files(path.stem, {path.name: path}, [], {}, readers, tell_read)


def find_finding(path: Path, shown: str, readers: Sequence[Reader] = READERS) -> Finding | None:
    """What the first reader that knows a file finds in it. Raises ModelFileError."""
    return next((finding for reader in readers if (finding := reader(path, shown)) is not None), None)


def _read_files(
    name: str,
    files: Mapping[str, Path],
    warnings: list[Warned],
    identifiers: Mapping[str, str],
    readers: Sequence[Reader],
    tell_read: Callable[[str, int], None] | None,
) -> FolderFindings:
    read, findings = [], []
    for shown, path in files.items():
        digest, size = digest_file(path, shown, partial(tell_read, shown) if tell_read else None)
        read.append(FileRead(shown, size, digest, _MEDIA_TYPES.get(PurePosixPath(shown).suffix.lower())))
        try:
            finding = find_finding(path, shown, readers)
        except ModelFileError as error:
            warnings.append(Warned(shown, error.message))
        else:
            findings += [finding] if finding else []
    picture, contradictions = merge(findings)
    notes = [*_iter_missing_shards(findings, files), *_iter_notes(picture, identifiers)]
    return FolderFindings(name, tuple(read), tuple(findings), picture, (*warnings, *contradictions, *notes), identifiers)


def _iter_missing_shards(findings: Sequence[Finding], files: Mapping[str, Path]) -> Iterator[Warned]:
    for index in findings:
        if index.format == "shard-index":
            folder, slash, _ = index.path.rpartition("/")
            missing = [name for name in index.facts.get("shards", ()) if folder + slash + name not in files]
            if missing:
                words = f"{len(missing)} files that are not there, such as" if len(missing) > 1 else "a file that is not there:"
                yield Warned(index.path, f"it names {words} {missing[0]}")


def _iter_notes(picture: Picture, identifiers: Mapping[str, str]) -> Iterator[Warned]:
    """What looks like an ancestor, and is not recorded as one."""
    for parent in picture.parents:
        reference = parent.base.reference
        if find_hub_name(reference) is None and not reference.startswith("sha256:"):
            yield Warned(
                parent.source, f"it names its base by what is no name of the Hub, so it is not linked: {reference[:200]}"
            )
    loaded_from = picture.facts.get("loaded_from")
    own = identifiers.get("huggingface", "").partition("@")[0]
    known = {(find_hub_name(parent.base.reference) or "").lower() for parent in picture.parents}
    if loaded_from and loaded_from.value.lower() not in {own.lower(), *known}:
        message = f"it was loaded from {loaded_from.value}; if that is its base, name it as base_model in README.md"
        yield Warned(loaded_from.source, message)
