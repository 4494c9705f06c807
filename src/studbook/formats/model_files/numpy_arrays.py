"""Arrays of NumPy: `.npy`, and `.npz`, a zip file of them.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import io
import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.archives import open_archive
from studbook.formats.model_files.bounded import BoundedFile, opened
from studbook.formats.model_files.finding import Finding, Hazard

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"\x93NUMPY"
# NumPy itself reads no longer headers of files that are not trusted.
_HEADER: Final = 10_000
_MEMBERS: Final = 10_000
_PREFIX: Final = 16
_NAMES: Final = {
    "f2": "F16",
    "f4": "F32",
    "f8": "F64",
    "i1": "I8",
    "i2": "I16",
    "i4": "I32",
    "i8": "I64",
    "u1": "U8",
    "b1": "BOOL",
}
_DIMENSIONS: Final = 64


def read_npy(path: Path, shown: str) -> Finding:
    """The shape and type of an array. Raises ModelFileError."""
    with opened(path, shown) as file:
        dtype, count, objects = _read_header(file)
    return _finding(shown, Counter({dtype: count}), (_hazard(shown),) if objects else ())


def read_npz(path: Path, shown: str) -> Finding | None:
    """The shapes and types of several; None for a zip file of other things. Raises ModelFileError."""
    with open_archive(path, shown) as archive:
        if not archive.names or not all(name.endswith(".npy") for name in archive.names) or len(archive.names) > _MEMBERS:
            return None
        dtypes: Counter[str] = Counter()
        hazards = list(archive.hazards())
        for name in archive.names:
            content = archive.read(name, _HEADER + _PREFIX)
            dtype, count, objects = _read_header(BoundedFile(io.BytesIO(content), f"{shown}:{name}", len(content)))
            dtypes[dtype] += count
            hazards += [_hazard(f"{shown}:{name}")] if objects else []
    return _finding(shown, dtypes, tuple(hazards[:_MEMBERS]))


def _finding(shown: str, dtypes: Counter[str], hazards: tuple[Hazard, ...]) -> Finding:
    return Finding("numpy", shown, weights=sum(dtypes.values()), dtypes=dict(dtypes.most_common(20)), hazards=hazards[:50])


def _hazard(place: str) -> Hazard:
    return Hazard("unsafe-serialisation", place, "it is an array of objects, a pickle: whoever loads it runs what it says")


def _read_header(file: BoundedFile) -> tuple[str, int, bool]:
    """The type of the numbers, how many there are, and whether they are objects."""
    if file.take(len(MAGIC), "the mark of the format") != MAGIC:
        raise file.fault("it is no array of NumPy")
    major = file.take(2, "the version")[0]
    length = file.number("<H" if major == 1 else "<I", "the length of the header")
    if length > _HEADER:
        raise file.fault(f"its header would have {length:,} bytes, more than the {_HEADER:,} that are read")
    text = file.take(length, "the header").decode("latin-1" if major < 3 else "utf-8", "replace")  # noqa: PLR2004 - version 3
    try:
        header = ast.literal_eval(text.strip())
        described, shape = header["descr"], header["shape"]
        count = math.prod(shape) if len(shape) <= _DIMENSIONS and all(0 <= part < 2**53 for part in shape) else -1
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise file.fault(f"its header cannot be read: {str(error)[:100]}") from error
    if not 0 <= count < 2**53:
        raise file.fault("its header gives a shape that no array has")
    kind = str(described)[1:] if isinstance(described, str) else "fields"
    return _NAMES.get(kind, kind[:20]), count, "O" in str(described)
