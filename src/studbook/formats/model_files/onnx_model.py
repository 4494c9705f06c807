"""ONNX models, without their tensors' bytes: what made them, what goes in and out, and how many weights they have.

Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (numbers of fields), in Protocol Buffers.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.bounded import opened
from studbook.formats.model_files.finding import Finding, Hazard, Weights, worst_first
from studbook.formats.model_files.json_yaml import find_text
from studbook.formats.model_files.protobuf import LENGTH, VARINT, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook.formats.model_files.bounded import BoundedFile

# TensorProto.DataType
_DTYPES: Final = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 8: "STRING", 9: "BOOL", 10: "F16", 11: "F64", 12: "U32",
    13: "U64", 14: "C64", 15: "C128", 16: "BF16", 17: "F8_E4M3", 18: "F8_E4M3FNUZ", 19: "F8_E5M2", 20: "F8_E5M2FNUZ", 21: "U4",
    22: "I4", 23: "F4",
}  # fmt: skip
# Operators that compute with numbers of few bits, and how many those are.
_QUANTIZED: Final = {
    "MatMulNBits": "int4", "MatMulBnb4": "int4", "DynamicQuantizeLinear": "int8", "MatMulInteger": "int8", "ConvInteger": "int8",
    "QuantizeLinear": "int8", "DequantizeLinear": "int8", "QLinearMatMul": "int8", "QLinearConv": "int8", "QAttention": "int8",
    "QGemm": "int8", "DynamicQuantizeMatMul": "int8", "DynamicQuantizeLSTM": "int8",
}  # fmt: skip
# Fields of a model that are texts.
_TEXTS: Final = {2: "producer", 3: "producer_version", 4: "domain", 6: "description"}
_DIMENSIONS: Final = 64
_KEPT: Final = 200
# ONNX itself has some two hundred.
_OPERATORS: Final = 2_000
_DEPTH: Final = 16
_PLACES: Final = 100
# No file has a longer path; a location that is cut is not taken for one that was read.
_LOCATION: Final = 4096


def read_onnx(path: Path, shown: str) -> Finding:
    """What the model says of itself. Raises ModelFileError."""
    with opened(path, shown) as file:
        return _Model(Wire(file), shown, Weights(shown)).read(file)


@dataclass(slots=True)
class _Model:
    wire: Wire
    shown: str
    weights: Weights
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    initialized: set[str] = field(default_factory=set)
    operators: Counter[str] = field(default_factory=Counter)
    outside: dict[str, None] = field(default_factory=dict)

    def read(self, file: BoundedFile) -> Finding:
        for number, kind, value in self.wire.iter_fields(file.size):
            if kind == VARINT and number in {1, 5}:
                self.numbers["ir_version" if number == 1 else "model_version"] = value
            elif kind == LENGTH and number in _TEXTS:
                self.texts[_TEXTS[number]] = self.wire.text(value, 2000)
            elif kind == LENGTH:
                self._part(number, value)
        if "ir_version" not in self.numbers and not self.operators and not self.opsets:
            raise file.fault("it is no ONNX model: it has no version, no operators and no graph")
        return self._finding()

    def _finding(self) -> Finding:
        bits = Counter(_QUANTIZED[name] for name in self.operators if name in _QUANTIZED)
        facts: dict[str, Any] = {
            "ir_version": self.numbers.get("ir_version"),
            "opsets": self.opsets,
            "producer": find_text(self.texts.get("producer"), 100),
            "producer_version": find_text(self.texts.get("producer_version"), 100),
            "domain": find_text(self.texts.get("domain"), 200),
            "graph": find_text(self.texts.get("graph"), 200),
            "inputs": [entry for entry in self.inputs if entry["name"] not in self.initialized][:_KEPT],
            "outputs": self.outputs[:_KEPT],
            "operators": dict(self.operators.most_common(50)),
            "metadata": dict(list(self.metadata.items())[:50]),
        }
        return Finding(
            format="onnx",
            path=self.shown,
            weights=self.weights.count,
            dtypes=self.weights.by_type(),
            quantization="int4" if "int4" in bits else "int8" if bits else None,
            description=find_text(self.texts.get("description"), 2000),
            facts={name: value for name, value in facts.items() if value not in (None, "", [], {})},
            hazards=worst_first(
                Hazard("path-outside", self.shown, f"it keeps weights at {place[:200]!r}, which leads out of its folder")
                for place in self.outside
            ),
        )

    def _part(self, number: int, end: int) -> None:
        if number == 7:  # noqa: PLR2004 - graph
            self._graph(end, 0)
        elif number == 8:  # noqa: PLR2004 - opset_import
            self._opset(end)
        elif number == 14:  # noqa: PLR2004 - metadata_props
            self._entry(end, self.metadata)
        elif number == 20:  # noqa: PLR2004 - training_info: the graphs that start and continue a training
            for part, kind, stop in self.wire.iter_fields(end):
                if kind == LENGTH and part in {1, 2}:
                    self._graph(stop, 1)
        elif number == 25:  # noqa: PLR2004 - functions
            self._function(end)

    def _graph(self, end: int, depth: int) -> None:
        if depth > _DEPTH:
            raise self.wire.file.fault(f"its graphs nest deeper than {_DEPTH} levels")
        for number, kind, value in self.wire.iter_fields(end):
            if kind != LENGTH:
                continue
            if number == 1:
                self._node(value, depth)
            elif number == 2:  # noqa: PLR2004 - name
                self.texts.setdefault("graph", self.wire.text(value))
            elif number == 5:  # noqa: PLR2004 - initializer
                self._tensor(value, named=depth == 0)
            elif number == 15:  # noqa: PLR2004 - sparse_initializer
                self._sparse(value)
            elif number in {11, 12} and depth == 0:
                (self.inputs if number == 11 else self.outputs).append(self._value(value))  # noqa: PLR2004 - input

    def _function(self, end: int) -> None:
        for number, kind, value in self.wire.iter_fields(end):
            if kind == LENGTH and number == 7:  # noqa: PLR2004 - node
                self._node(value, 1)
            elif kind == LENGTH and number == 11:  # noqa: PLR2004 - attribute_proto: what an attribute is where none is given
                self._attribute(value, 1)

    def _node(self, end: int, depth: int) -> None:
        for number, kind, value in self.wire.iter_fields(end):
            if kind == LENGTH and number == 4:  # noqa: PLR2004 - op_type
                name = self.wire.text(value, 100)
                self.operators[name if name in self.operators or len(self.operators) < _OPERATORS else "other"] += 1
            elif kind == LENGTH and number == 5:  # noqa: PLR2004 - attribute
                self._attribute(value, depth)

    def _attribute(self, end: int, depth: int) -> None:
        """A constant or a graph, each alone, in a list, or sparse."""
        for number, kind, value in self.wire.iter_fields(end):
            if kind == LENGTH and number in {6, 11}:
                self._graph(value, depth + 1)
            elif kind == LENGTH and number in {5, 10}:
                self._tensor(value, named=False)
            elif kind == LENGTH and number in {22, 23}:
                self._sparse(value)

    def _sparse(self, end: int) -> None:
        """The values of a sparse tensor; the others, their places, are no weights."""
        for number, kind, value in self.wire.iter_fields(end):
            if kind == LENGTH and number == 1:
                self._tensor(value, named=False)
            elif kind == LENGTH and number == 2:  # noqa: PLR2004 - indices
                self._tensor(value, named=False, counted=False)

    def _tensor(self, end: int, *, named: bool, counted: bool = True) -> None:
        shape: list[int] = []
        dtype = 0
        for number, kind, value in self.wire.iter_fields(end):
            if number == 1 and len(shape) < _DIMENSIONS:
                shape += self.wire.numbers(kind, value, _DIMENSIONS)
            elif number == 2 and kind == VARINT:  # noqa: PLR2004 - data_type
                dtype = value
            elif number == 8 and kind == LENGTH and named:  # noqa: PLR2004 - name
                self.initialized.add(self.wire.text(value))
            elif number == 13 and kind == LENGTH:  # noqa: PLR2004 - external_data
                self._note_place(value)
        if counted:
            self.weights.add(_DTYPES.get(dtype, f"type-{dtype}"), math.prod(shape))

    def _note_place(self, end: int) -> None:
        pair = {number: self.wire.text(value, _LOCATION) for number, kind, value in self.wire.iter_fields(end) if kind == LENGTH}
        if pair.get(1) != "location" or len(self.outside) >= _PLACES:
            return
        place = pair.get(2, "")
        leads_out = place.startswith(("/", "\\")) or place[1:2] == ":" or ".." in PurePosixPath(place.replace("\\", "/")).parts
        if leads_out or len(place.encode()) >= _LOCATION:
            self.outside[place] = None

    def _opset(self, end: int) -> None:
        domain, version = "ai.onnx", 0
        for number, kind, value in self.wire.iter_fields(end):
            if number == 1 and kind == LENGTH:
                domain = self.wire.text(value, 200) or domain
            elif kind == VARINT:
                version = value
        if len(self.opsets) < _KEPT:
            self.opsets[find_text(domain, 200) or "ai.onnx"] = min(version, 2**53 - 1)

    def _entry(self, end: int, entries: dict[str, str]) -> None:
        pair = {number: self.wire.text(value) for number, kind, value in self.wire.iter_fields(end) if kind == LENGTH}
        if len(entries) < _KEPT and (key := find_text(pair.get(1), 200)):
            entries[key] = find_text(pair.get(2), 1000) or ""

    def _value(self, end: int) -> dict[str, Any]:
        """The name, type and shape of an input or output; what is not fixed has a name, or null."""
        found: dict[str, Any] = {"name": ""}
        for number, kind, value in self.wire.iter_fields(end):
            if number == 1 and kind == LENGTH:
                found["name"] = find_text(self.wire.text(value), 200) or ""
            elif number == 2 and kind == LENGTH:  # noqa: PLR2004 - type
                for part, form, stop in self.wire.iter_fields(value):
                    if part == 1 and form == LENGTH:
                        found |= self._tensor_type(stop)
        return found

    def _tensor_type(self, end: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, kind, value in self.wire.iter_fields(end):
            if number == 1 and kind == VARINT:
                found["type"] = _DTYPES.get(value, f"type-{value}")
            elif number == 2 and kind == LENGTH:  # noqa: PLR2004 - shape
                found["shape"] = list(self._shape(value))
        return found

    def _shape(self, end: int) -> Iterator[int | str | None]:
        for place, (_, kind, value) in enumerate(self.wire.iter_fields(end)):
            size: int | str | None = None
            if kind == LENGTH:
                for number, form, stop in self.wire.iter_fields(value):
                    if number == 1 and form == VARINT:
                        # Some writers have -1 for a size that is not known.
                        size = stop if stop < 2**53 else None
                    elif number == 2 and form == LENGTH:  # noqa: PLR2004 - a name in place of a size
                        size = find_text(self.wire.text(stop), 100)
            if place < _DIMENSIONS:
                yield size
