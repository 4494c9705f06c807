"""Which reader reads which binary file: by its first bytes, and by its suffix where a format has no mark of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.formats.model_files import archives, gguf, numpy_arrays
from studbook.formats.model_files.bounded import read_head
from studbook.formats.model_files.finding import Finding
from studbook.formats.model_files.gguf import read_gguf
from studbook.formats.model_files.keras_files import read_keras
from studbook.formats.model_files.numpy_arrays import read_npy, read_npz
from studbook.formats.model_files.onnx_model import read_onnx
from studbook.formats.model_files.pickles import read_pickle, read_torch
from studbook.formats.model_files.safetensors import read_safetensors
from studbook.formats.model_files.skops_files import read_skops

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Reader = Callable[[Path, str], Finding | None]

_HEAD: Final = 16
# Suffixes of pickles; what begins with the mark of a pickle is one under any other of these too.
_PICKLES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
_TORCH: Final = frozenset({".pt", ".pth", ".bin", ".ckpt", ".model", ".sav", ".mar", *_PICKLES})
_PROTOCOLS: Final = frozenset({b"\x02", b"\x03", b"\x04", b"\x05"})


def read_binary_file(path: Path, shown: str) -> Finding | None:
    """What a binary file says of its model; None for one that no reader knows.

    Raises ModelFileError.
    """
    readers = _list_readers(read_head(path, shown, _HEAD), path.suffix.lower())
    return next((finding for reader in readers if (finding := reader(path, shown)) is not None), None)


def _list_readers(head: bytes, suffix: str) -> tuple[Reader, ...]:
    """The readers that may know a file, by its first bytes and its suffix, to be asked in turn."""
    if suffix in _BY_SUFFIX:
        return (_BY_SUFFIX[suffix],)
    for mark, readers in _BY_MARK.items():
        if head.startswith(mark):
            return readers
    marked = head[:1] == b"\x80" and head[1:2] in _PROTOCOLS
    return (read_pickle,) if suffix in _PICKLES or (suffix in _TORCH and marked) else ()


def _read_hdf5(_: Path, shown: str) -> Finding:
    """Keras and others keep models so; what is in it is not looked at."""
    return Finding("hdf5", shown)


_BY_SUFFIX: Final[dict[str, Reader]] = {".safetensors": read_safetensors, ".onnx": read_onnx}
_BY_MARK: Final[dict[bytes, tuple[Reader, ...]]] = {
    gguf.MAGIC: (read_gguf,),
    numpy_arrays.MAGIC: (read_npy,),
    b"\x89HDF\r\n\x1a\n": (_read_hdf5,),
    archives.MAGIC: (read_keras, read_skops, read_torch, read_npz),
}
