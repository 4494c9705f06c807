"""OpenVINO's intermediate representation: a network as XML; its weights lie in a `.bin` of the same name.

Format: https://docs.openvino.ai, "OpenVINO IR format"; versions 10 and 11.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from studbook.formats.model_files.finding import Finding, ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 256 * 2**20
_CHUNK: Final = 64 * 2**10
_DEPTH: Final = 64
_LAYER_TYPES: Final = 200
_SHAPE_LENGTH: Final = 1000
_SAFE_INTEGER: Final = 2**53 - 1
# Compressed weights have few bits; constants of indices and shapes are no weights.
_COMPRESSED: Final = {"i4": "int4", "u4": "int4", "nf4": "nf4", "i8": "int8", "u8": "int8", "f8e4m3": "fp8", "f8e5m2": "fp8"}
_FLOATS: Final = frozenset({"f16", "f32", "f64", "bf16"})


class _Network:
    """Collects what is told as the document goes by."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.name: str | None = None
        self.version: str | None = None
        self.layers: Counter[str] = Counter()
        self.weights: Counter[str] = Counter()
        self.information: dict[str, str] = {}
        self._stack: list[str] = []
        self._layer_type = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._stack:
            if tag != "net":
                raise _NoNetworkError
            self.name, self.version = attributes.get("name"), attributes.get("version")
        self._stack.append(tag)
        if len(self._stack) > _DEPTH:
            raise ModelFileError(self.shown, f"it nests deeper than {_DEPTH} levels")
        # Layers in the bodies of loops and conditions are layers too.
        if tag == "layer":
            self._layer_type = attributes.get("type", "")[:100]
            if self._layer_type in self.layers or len(self.layers) < _LAYER_TYPES:
                self.layers[self._layer_type] += 1
        elif tag == "data" and self._layer_type == "Const" and self._stack[-2:] == ["layer", "data"]:
            self._count(attributes)
        elif self._stack[1:2] == ["rt_info"] and attributes.get("value") and len(self.information) < _LAYER_TYPES:
            self.information["/".join(self._stack[2:])[:200]] = attributes["value"][:200]

    def end(self, _tag: str) -> None:
        self._stack.pop()

    def refuse(self, *_: Any) -> None:  # noqa: ANN401 - what expat tells of a declaration
        raise ModelFileError(self.shown, "it declares a document type or entities; a network has none")

    def _count(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("element_type", "").lower()[:20]
        shape = attributes.get("shape", "")
        if (kind in _FLOATS or kind in _COMPRESSED) and len(shape) <= _SHAPE_LENGTH:
            sizes = [size.strip() for size in shape.split(",") if size.strip()]
            if all(size.isascii() and size.isdigit() for size in sizes):
                self.weights[kind] += math.prod(int(size) for size in sizes)


class _NoNetworkError(Exception):
    """The document is another kind of XML."""


def read_openvino(path: Path, shown: str) -> Finding | None:
    """A network's layers and the numbers of its weights; None for XML that is no network.

    Raises ModelFileError, for document types and entities too.
    """
    network = _Network(shown)
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = network.start, network.end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = network.refuse
    try:
        _feed(parser, path, shown)
    except _NoNetworkError:
        return None
    except expat.ExpatError as error:
        raise ModelFileError(shown, f"it is not XML: {error}") from error
    # A codec that Python does not have, or text that it cannot read.
    except (LookupError, ValueError) as error:
        raise ModelFileError(shown, f"its characters cannot be read: {error}") from error
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error
    weights = sum(network.weights.values())
    facts = {
        "name": (network.name or "")[:200],
        "ir_version": (network.version or "")[:60],
        "layers": sum(network.layers.values()),
        "layer_types": dict(network.layers.most_common(50)),
        "runtime_version": network.information.get("Runtime_version"),
    }
    return Finding(
        format="openvino",
        path=shown,
        weights=weights if 0 < weights <= _SAFE_INTEGER else None,
        dtypes={kind.upper(): min(count, _SAFE_INTEGER) for kind, count in network.weights.most_common()},
        quantization=_find_quantization(network.weights),
        library="openvino",
        facts={name: value for name, value in facts.items() if value},
    )


def _feed(parser: expat.XMLParserType, path: Path, shown: str) -> None:
    read = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            read += len(chunk)
            if read > _BYTES:
                raise ModelFileError(shown, f"it is larger than {_BYTES:,} bytes, more than is read of such a file")
            parser.Parse(chunk, False)  # noqa: FBT003 - expat takes it by position
    parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position


def _find_quantization(weights: Counter[str]) -> str | None:
    """The compressed type, where most of the weights are of it."""
    compressed: Counter[str] = Counter()
    for kind, count in weights.items():
        if kind in _COMPRESSED:
            compressed[_COMPRESSED[kind]] += count
    return compressed.most_common(1)[0][0] if compressed and compressed.total() * 2 > weights.total() else None
