"""The header of safetensors files: tensors by name, type and shape, and what their writer says of them.

Format: https://huggingface.co/docs/safetensors/index#format, eight bytes of length, that much JSON, then the tensors' bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.bounded import opened
from studbook.formats.model_files.finding import Finding, Weights
from studbook.formats.model_files.json_yaml import find_object, find_text, parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.formats.model_files.bounded import BoundedFile

# The format allows 100 MB; a model of 100,000 tensors has a header of 10 MB.
HEADER_LIMIT: Final = 32 * 2**20
# Bits of a number of each type.
_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_METADATA: Final = 20
_DIMENSIONS: Final = 64


def read_safetensors(path: Path, shown: str) -> Finding:
    """The number of weights of each type, and the metadata. Raises ModelFileError."""
    with opened(path, shown) as file:
        length = file.number("<Q", "the length of the header")
        if length > HEADER_LIMIT:
            raise file.fault(f"its header would have {length:,} bytes, more than the {HEADER_LIMIT:,} that are read")
        header = parse_json(file.take(length, "the header"), shown)
        if not isinstance(header, dict):
            raise file.fault("its header is no JSON object")
        metadata = find_object(header.pop("__metadata__", None))
        weights = _count(header, file)
    said = {str(key)[:200]: text for key, value in list(metadata.items())[:_METADATA] if (text := find_text(value, 200))}
    return Finding(
        format="safetensors",
        path=shown,
        weights=weights.count,
        dtypes=weights.by_type(),
        facts={"metadata": said} if said else {},
    )


def _count(tensors: dict[str, Any], file: BoundedFile) -> Weights:
    """Weights by type; each tensor has the bytes that its shape takes, and together they fill the file without a hole."""
    room = file.size - file.position
    weights = Weights(file.shown)
    places = []
    for name, tensor in tensors.items():
        entry = find_object(tensor)
        dtype, shape, offsets = (entry.get(key, "") for key in ("dtype", "shape", "data_offsets"))
        known = isinstance(dtype, str) and _are_sizes(shape) and len(shape) <= _DIMENSIONS
        if not known or not _are_sizes(offsets) or len(offsets) != 2:  # noqa: PLR2004 - begin and end
            raise file.fault(f"the tensor {name[:80]!r} has no type, shape and place that can be read")
        begin, end = offsets
        if not begin <= end <= room:
            raise file.fault(f"the tensor {name[:80]!r} lies at bytes {begin:,} to {end:,} of {room:,} that there are")
        count = math.prod(shape)
        bits = _BITS.get(dtype)
        # Of a type that is not known at least no number takes less than a bit.
        if count * (bits or 1) > (end - begin) * 8 or (bits and count * bits != (end - begin) * 8):
            raise file.fault(f"the tensor {name[:80]!r} has more or fewer numbers than the {end - begin:,} bytes it is given")
        weights.add(dtype[:40], count)
        places.append((begin, end))
    filled = 0
    for begin, end in sorted(places):
        if begin != filled:
            raise file.fault(f"at byte {min(begin, filled):,} of the tensors two overlap, or lies what is part of none")
        filled = end
    if filled != room:
        raise file.fault(f"its tensors take {filled:,} bytes of {room:,} that there are")
    return weights


def _are_sizes(value: Any) -> bool:  # noqa: ANN401 - whatever stood there
    return isinstance(value, list) and all(type(part) is int and 0 <= part < 2**63 for part in value)
