"""Arrays of NumPy: `.npy`, and `.npz`, a zip file of them.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import io
import math
from typing import TYPE_CHECKING, Final

from studbook.formats.model_files.bounded import BoundedFile, opened
from studbook.formats.model_files.finding import Finding, Hazard, Weights

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.formats.model_files.archives import Archive

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
    weights = Weights(shown)
    with opened(path, shown) as file:
        objects = _count(file, weights)
    return _finding(shown, weights, [_hazard(shown)] if objects else [])


def read_npz(archive: Archive) -> Finding | None:
    """The shapes and types of several; None for a zip file of other things. Raises ModelFileError."""
    arrays = [name for name in archive.names if name.endswith(".npy")]
    if not arrays or not (archive.shown.lower().endswith(".npz") or len(arrays) == len(archive.names)):
        return None
    weights = Weights(archive.shown)
    hazards = []
    for name in arrays[:_MEMBERS]:
        content = archive.read(name, _HEADER + _PREFIX)
        place = f"{archive.shown}:{name}"
        if _count(BoundedFile(io.BytesIO(content), place, len(content)), weights):
            hazards.append(_hazard(place))
    if len(arrays) > _MEMBERS:
        message = f"{len(arrays) - _MEMBERS:,} more arrays in it were not read"
        hazards.append(Hazard("not-read-to-the-end", archive.shown, message))
    return _finding(archive.shown, weights, hazards)


def _finding(shown: str, weights: Weights, hazards: list[Hazard]) -> Finding:
    return Finding("numpy", shown, weights=weights.count, dtypes=weights.by_type(), hazards=tuple(hazards))


def _hazard(place: str) -> Hazard:
    return Hazard("unsafe-serialisation", place, "it is an array of objects, a pickle: whoever loads it runs what it says")


def _count(file: BoundedFile, weights: Weights) -> bool:
    """Count the numbers of an array by their type, as its header says; returns whether they are objects."""
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
    weights.add(_NAMES.get(kind, kind[:20]), count)
    return "O" in str(described)
