"""Universal Binary JSON (https://ubjson.org, draft 12), as far as XGBoost writes it: long arrays of numbers are passed over."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from studbook.formats.model_files.finding import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

# Numbers, big-endian; `C` is a character and `D` a 64-bit float.
_NUMBERS: Final = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_CONSTANTS: Final = {b"Z": None, b"T": True, b"F": False}
_LENGTHS: Final = (b"i", b"U", b"I", b"l", b"L")
_DEPTH: Final = 32
_TEXT: Final = 2**20
_VALUES: Final = 3_000_000
_BYTES: Final = 16 * 2**30


def read_ubjson(path: Path, shown: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a file; of an array of numbers of one type only its length, as an empty list.

    Raises ModelFileError.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > _BYTES:
                raise ModelFileError(shown, f"it is larger than {_BYTES:,} bytes, more than is read of such a file")
            return _Reader(file, size, shown).read_value(_DEPTH)
    except OSError as error:
        raise ModelFileError(shown, f"cannot be read: {error.strerror or error}") from error


class _Reader:
    def __init__(self, file: BinaryIO, size: int, shown: str) -> None:
        self._file = file
        self._size = size
        self._shown = shown
        self._values = 0

    def read_value(self, depth: int, marker: bytes | None = None) -> Any:  # noqa: ANN401 - any JSON value
        marker = marker or self._read_marker()
        self._values += 1
        if depth == 0 or self._values > _VALUES:
            raise self._fault("it nests too deep, or holds more values than are read of such a file")
        if marker in _NUMBERS:
            return self._read_number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._read_text()
        if marker == b"C":
            return self._take(1).decode("latin-1")
        if marker == b"[":
            return self._read_array(depth)
        if marker == b"{":
            return self._read_object(depth)
        raise self._fault(f"it is not UBJSON: {marker!r} begins no value")

    def _read_array(self, depth: int) -> list[Any]:
        marker = self._read_marker()
        if marker == b"$":
            kind = self._take(1)
            if self._take(1) != b"#" or kind not in _NUMBERS:
                raise self._fault("it is not UBJSON: an array of one type has a number's type and a count")
            self._skip(self._read_length() * struct.calcsize(_NUMBERS[kind]))
            return []
        if marker == b"#":
            # A value takes at least a byte, so a count beyond the file's size is found where the bytes end.
            return [self.read_value(depth - 1) for _ in range(self._read_length())]
        values = []
        while marker != b"]":
            values.append(self.read_value(depth - 1, marker))
            marker = self._read_marker()
        return values

    def _read_object(self, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        marker = self._read_marker()
        if marker == b"#":
            for _ in range(self._read_length()):
                name = self._read_text()
                value[name] = self.read_value(depth - 1)
            return value
        while marker != b"}":
            name = self._read_text(marker)
            value[name] = self.read_value(depth - 1)
            marker = self._read_marker()
        return value

    def _read_marker(self) -> bytes:
        # `N` is nothing at all.
        while (marker := self._take(1)) == b"N":
            pass
        return marker

    def _read_text(self, marker: bytes | None = None) -> str:
        length = self._read_length(marker)
        if length > _TEXT:
            raise self._fault(f"a text of it is longer than {_TEXT:,} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _read_length(self, marker: bytes | None = None) -> int:
        marker = marker or self._take(1)
        length = self._read_number(marker) if marker in _LENGTHS else -1
        if not isinstance(length, int) or length < 0:
            raise self._fault("it is not UBJSON: a length is a whole number from 0")
        return length

    def _read_number(self, marker: bytes) -> int | float:
        form = _NUMBERS[marker]
        number: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise self._fault("it breaks off")
        self._file.seek(count, 1)

    def _take(self, count: int) -> bytes:
        taken = self._file.read(count)
        if len(taken) < count:
            raise self._fault("it breaks off")
        return taken

    def _fault(self, message: str) -> ModelFileError:
        return ModelFileError(self._shown, message)
