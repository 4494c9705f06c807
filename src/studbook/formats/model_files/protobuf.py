"""The wire format of Protocol Buffers, walked over within a file: fields are found, and their content is read only where asked.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.formats.model_files.bounded import BoundedFile

VARINT: Final = 0
LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_VARINT_BYTES: Final = 10
# Fields of all messages of a file together.
_FIELDS: Final = 5_000_000


class Wire:
    """Messages in a file, one within the other."""

    def __init__(self, file: BoundedFile) -> None:
        self.file = file
        self._fields = 0

    def iter_fields(self, end: int) -> Iterator[tuple[int, int, int]]:
        """Each field up to the byte `end`: number, kind, and value or, where it has a length, the byte at which it ends.

        Whoever reads of a field with a length leaves off where they like: the next begins at its end. Raises ModelFileError.
        """
        while self.file.position < end:
            self._fields += 1
            if self._fields > _FIELDS:
                raise self.file.fault(f"it has more than {_FIELDS:,} fields, more than are read")
            tag = self.varint()
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                yield number, kind, self.varint()
            elif kind in _FIXED:
                self.file.skip(_FIXED[kind], f"field {number}")
            elif kind == LENGTH and number:
                length = self.varint()
                stop = self.file.position + length
                if stop > end:
                    raise self.file.fault(f"field {number} would end at byte {stop:,}, beyond what it is part of, byte {end:,}")
                yield number, kind, stop
                self.file.skip(stop - self.file.position, f"field {number}")
            else:
                raise self.file.fault(f"at byte {self.file.position:,} stands no field of a message")

    def varint(self) -> int:
        """The next number. Raises ModelFileError."""
        value = 0
        for place in range(_VARINT_BYTES):
            byte = self.file.take(1, "a number")[0]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return value & 0xFFFF_FFFF_FFFF_FFFF
        raise self.file.fault(f"at byte {self.file.position:,} a number takes more than {_VARINT_BYTES} bytes")

    def text(self, stop: int, limit: int = 1000) -> str:
        """The text that ends at the byte `stop`, cut to so many bytes. Raises ModelFileError."""
        content = self.file.take(min(stop - self.file.position, limit), "a text")
        return content.decode("utf-8", "replace")

    def numbers(self, kind: int, value: int, limit: int) -> list[int]:
        """The numbers of a repeated field, one by one or packed. Raises ModelFileError."""
        if kind == VARINT:
            return [value]
        found: list[int] = []
        while self.file.position < value and len(found) < limit:
            found.append(self.varint())
        return found
