"""Checkpoints (c2sp.org/tlog-checkpoint): the state of a log's tree, as the text of a signed note."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE
from studbook.merkle.notes import OpenedNote, VerifierKey, decode_base64, open_note

if TYPE_CHECKING:
    from collections.abc import Sequence

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
SIZE_LIMIT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, the number of its entries, and the root hash over them (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> bytes:
        """The text that is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(line + "\n" for line in lines).encode()


def parse_decimal(text: str, what: str) -> int:
    """A number without sign and leading zeros, at most 2^63 - 1.

    Raises VerificationError.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_LIMIT:
        raise VerificationError(f"{what} is a decimal number without leading zeros, up to 2^63 - 1")
    return int(text)


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint; nothing is verified.

    Raises VerificationError.
    """
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        raise VerificationError("the checkpoint is not UTF-8") from None
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):  # noqa: PLR2004 - three lines, each ended by a break
        raise VerificationError("a checkpoint has three lines: origin, size and root hash")
    origin, size, root, *extensions = lines[:-1]
    value = decode_base64(root, "the checkpoint's root hash")
    if len(value) != HASH_SIZE:
        raise VerificationError(f"the checkpoint's root hash has not {HASH_SIZE} bytes")
    return Checkpoint(origin, parse_decimal(size, "the checkpoint's size"), value, tuple(extensions))


def open_checkpoint(data: bytes, keys: Sequence[VerifierKey], origin: str | None = None) -> tuple[Checkpoint, OpenedNote]:
    """Read a signed checkpoint and verify it; with `origin`, it must be that log's.

    Raises VerificationError.
    """
    opened = open_note(data, keys)
    checkpoint = parse_checkpoint(opened.note.text)
    if origin is not None and checkpoint.origin != origin:
        raise VerificationError(f"the checkpoint is of the log {checkpoint.origin}, not of {origin}")
    return checkpoint, opened
