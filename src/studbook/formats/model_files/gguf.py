"""The header of GGUF files, versions 2 and 3: what the model is, how it was quantized, and from what.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Metadata comes first, then the names, shapes and types of the
tensors; their bytes are not read.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.bounded import opened
from studbook.formats.model_files.finding import Base, Finding, Weights
from studbook.formats.model_files.json_yaml import find_count, find_text, list_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from studbook.formats.model_files.bounded import BoundedFile

MAGIC: Final = b"GGUF"
_VERSIONS: Final = frozenset({2, 3})
# The tokens and merges of a large vocabulary are some hundred thousand short texts.
_KEYS: Final = 100_000
_ELEMENTS: Final = 4_000_000
_TEXT: Final = 2**20
# Elements of a list, and characters of a text, that are kept; and keys, of which an honest file has some dozen of interest.
_KEPT: Final = 1000
_LENGTH: Final = 4000
_WANTED: Final = 1000
_TENSORS: Final = 1_000_000
_DIMENSIONS: Final = 8
_BASES: Final = 100
_STRING: Final = 8
_ARRAY: Final = 9
# The types of values by their number: as `struct` lays them out; texts and arrays stand apart.
_LAYOUTS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K",
    13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
    22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
# `general.file_type`: what most tensors were made.
_FILE_TYPES: Final = {
    2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S",
    15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS",
    24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 36: "TQ1_0",
    37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip
_FACTS: Final = ("basename", "size_label", "finetune", "quantized_by", "author", "organization", "version", "url")


def read_gguf(path: Path, shown: str) -> Finding:
    """What the metadata says of the model, and its weights by type. Raises ModelFileError."""
    with opened(path, shown) as file:
        file.skip(len(MAGIC), "the mark of the format")
        reader = _Reader(file)
        tensors = reader.count("Q", _TENSORS, "tensors")
        keys = reader.count("Q", _KEYS, "keys")
        said = dict(reader.iter_values(keys))
        weights = reader.count_weights(tensors)
    general = {name.removeprefix("general."): value for name, value in said.items() if name.startswith("general.")}
    architecture = find_text(general.get("architecture"), 100)
    file_type = general.get("file_type")
    facts = {name: text for name in _FACTS if (text := find_text(general.get(name), 200))}
    return Finding(
        format="gguf",
        path=shown,
        architecture=architecture,
        weights=weights.count,
        dtypes=weights.by_type(),
        quantization=_FILE_TYPES.get(file_type) if isinstance(file_type, int) else None,
        title=find_text(general.get("name"), 200),
        description=find_text(general.get("description"), 2000),
        license=find_text(general.get("license"), 100),
        bases=tuple(_iter_bases(general)),
        datasets=(*list_texts(general.get("datasets")), *(base.reference for base in _iter_sources(general, "dataset"))),
        tags=list_texts(general.get("tags"), members=100, limit=200),
        facts={
            **facts,
            **({"context_length": length} if (length := find_count(said.get(f"{architecture}.context_length"))) else {}),
            **({"languages": list(codes)} if (codes := list_texts(general.get("languages"), members=100, limit=35)) else {}),
        },
    )


def _iter_bases(general: Mapping[str, Any]) -> Iterator[Base]:
    """What the file was made from. How, it does not tell: what is quantized was usually quantized from it."""
    yield from _iter_sources(general, "base_model")


def _iter_sources(general: Mapping[str, Any], what: str) -> Iterator[Base]:
    for place in range(min(find_count(general.get(f"{what}.count")) or 0, _BASES)):
        name = find_text(general.get(f"{what}.{place}.name"), 200)
        owner = find_text(general.get(f"{what}.{place}.organization"), 200)
        reference = find_text(general.get(f"{what}.{place}.repo_url")) or (f"{owner}/{name}" if owner and name else name)
        if reference:
            # People write the names of organizations and models with blanks, which their addresses have not.
            yield Base(reference if "://" in reference else reference.replace(" ", "-"))


class _Reader:
    """Numbers, texts and arrays in the order of bytes that the file has."""

    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        self._elements = 0
        version = file.number("<I", "the version")
        # A file for machines of the other order has it in its version too.
        self._order = "<" if version < 2**16 else ">"
        version = version if self._order == "<" else int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in _VERSIONS:
            raise file.fault(f"it is GGUF of version {version}; versions 2 and 3 are read")

    def number(self, layout: str, what: str) -> int:
        return self._file.number(self._order + layout, what)

    def count(self, layout: str, limit: int, what: str) -> int:
        count = self.number(layout, f"the number of {what}")
        if count > limit:
            raise self._file.fault(f"it says that it has {count:,} {what}, more than the {limit:,} that are read")
        return count

    def iter_values(self, keys: int) -> Iterator[tuple[str, Any]]:
        """Those values of which anything is made."""
        wanted = 0
        for _ in range(keys):
            name = self.text("a key")
            value = self.value(self.number("I", f"the type of {name[:80]!r}"), name)
            if wanted < _WANTED and (name.startswith("general.") or name.endswith(".context_length")):
                wanted += 1
                yield name, value

    def text(self, what: str) -> str:
        length = self.number("Q", f"the length of {what}")
        if length > _TEXT:
            raise self._file.fault(f"{what} would have {length:,} bytes, more than the {_TEXT:,} that are read")
        kept = min(length, _LENGTH)
        content = self._file.take(kept, what)
        self._file.skip(length - kept, what)
        return content.decode("utf-8", "replace")

    def value(self, kind: int, name: str) -> Any:  # noqa: ANN401 - a number, a text, or a list
        if kind == _STRING:
            return self.text(f"the value of {name[:80]!r}")
        if kind == _ARRAY:
            return self._array(name)
        if kind not in _LAYOUTS:
            raise self._file.fault(f"the value of {name[:80]!r} is of type {kind}, which the format does not have")
        layout = self._order + _LAYOUTS[kind]
        return struct.unpack(layout, self._file.take(struct.calcsize(layout), f"the value of {name[:80]!r}"))[0]

    def _array(self, name: str) -> list[Any]:
        """The first elements; a vocabulary's further ones are passed over."""
        kind = self.number("I", f"the type of {name[:80]!r}")
        length = self.number("Q", f"the length of {name[:80]!r}")
        self._elements += length
        if self._elements > _ELEMENTS:
            raise self._file.fault(f"its lists would have more than {_ELEMENTS:,} elements, more than are read")
        if kind in _LAYOUTS:
            kept = min(length, _KEPT)
            values = [self.value(kind, name) for _ in range(kept)]
            self._file.skip((length - kept) * struct.calcsize(self._order + _LAYOUTS[kind]), f"the value of {name[:80]!r}")
            return values
        if kind != _STRING:
            raise self._file.fault(f"the list {name[:80]!r} has elements of type {kind}; numbers and texts are read")
        values = [self.text(f"the value of {name[:80]!r}") for _ in range(min(length, _KEPT))]
        for _ in range(length - len(values)):
            self._file.skip(self.number("Q", f"the length of {name[:80]!r}"), f"the value of {name[:80]!r}")
        return values

    def count_weights(self, tensors: int) -> Weights:
        weights = Weights(self._file.shown)
        for _ in range(tensors):
            name = self.text("the name of a tensor")
            dimensions = self.count("I", _DIMENSIONS, f"dimensions of {name[:80]!r}")
            count = math.prod(self.number("Q", f"the shape of {name[:80]!r}") for _ in range(dimensions))
            kind = self.number("I", f"the type of {name[:80]!r}")
            self.number("Q", f"the place of {name[:80]!r}")
            weights.add(_TYPES.get(kind, f"type-{kind}"), count)
        return weights
