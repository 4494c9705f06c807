"""Which reader reads which binary file: by its first bytes, and by its suffix where a format has no mark of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.formats.model_files import archives, gguf, numpy_arrays
from studbook.formats.model_files.bounded import read_head
from studbook.formats.model_files.finding import Finding
from studbook.formats.model_files.gguf import read_gguf
from studbook.formats.model_files.numpy_arrays import read_npy
from studbook.formats.model_files.onnx_model import read_onnx
from studbook.formats.model_files.pickles import SUFFIXES, read_pickle
from studbook.formats.model_files.safetensors import read_safetensors
from studbook.formats.model_files.zip_files import read_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Reader = Callable[[Path, str], Finding | None]

_HEAD: Final = 16
# Suffixes under which other things than pickles are kept too; what has the mark of a pickle may be one under any.
_TORCH: Final = frozenset({".pt", ".pth", ".bin", ".ckpt", ".model", ".sav", ".mar"})
_PROTOCOLS: Final = frozenset({b"\x02", b"\x03", b"\x04", b"\x05"})


def read_binary_file(path: Path, shown: str) -> Finding | None:
    """What a binary file says of its model; None for one that no reader knows.

    Raises ModelFileError.
    """
    reader = _find_reader(read_head(path, shown, _HEAD), [suffix.lower() for suffix in path.suffixes])
    return reader(path, shown) if reader else None


def _find_reader(head: bytes, suffixes: list[str]) -> Reader | None:
    """The reader that may know a file, by its first bytes and its suffixes."""
    last = suffixes[-1] if suffixes else ""
    if last in _BY_SUFFIX:
        return _BY_SUFFIX[last]
    for mark, reader in _BY_MARK.items():
        if head.startswith(mark):
            return reader
    marked = head[:1] == b"\x80" and head[1:2] in _PROTOCOLS
    return read_pickle if marked or last in _TORCH or not SUFFIXES.isdisjoint(suffixes) else None


def _read_hdf5(_: Path, shown: str) -> Finding:
    """Keras and others keep models so; what is in it is not looked at."""
    return Finding("hdf5", shown)


_BY_SUFFIX: Final[dict[str, Reader]] = {
    ".safetensors": read_safetensors, ".onnx": read_onnx, ".keras": read_zip, ".skops": read_zip, ".npz": read_zip,
}  # fmt: skip
_BY_MARK: Final[dict[bytes, Reader]] = {
    gguf.MAGIC: read_gguf,
    numpy_arrays.MAGIC: read_npy,
    b"\x89HDF\r\n\x1a\n": _read_hdf5,
    archives.MAGIC: read_zip,
}
