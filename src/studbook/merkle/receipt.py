"""Receipts (c2sp.org/tlog-proof): that an entry stands in a log, checkable offline."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE, leaf_hash
from studbook.merkle.notes import NOTE_LIMIT, decode_base64, parse_note
from studbook.merkle.proofs import verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.merkle.notes import VerifierKey

_HEADER: Final = "c2sp.org/tlog-proof@v1"
# More than the height of any tree.
_PROOF_LIMIT: Final = 63


@dataclass(frozen=True, slots=True)
class Receipt:
    """The index of an entry, its audit path (32 bytes a hash, lowest first), and a signed checkpoint."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The receipt as text."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(value).decode() for value in self.proof]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt; nothing is verified.

    Raises VerificationError.
    """
    if len(data) > NOTE_LIMIT:
        raise VerificationError("the receipt is too large")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("the receipt's head is not ASCII text") from None
    if lines[0] != _HEADER:
        raise VerificationError(f"a receipt begins with the line {_HEADER!r}")
    if not blank:
        raise VerificationError("the receipt holds no checkpoint")
    extra, at = None, 1
    if len(lines) > at and lines[at].startswith("extra "):
        extra, at = decode_base64(lines[at].removeprefix("extra "), "the receipt's extra data"), at + 1
    if len(lines) <= at or not lines[at].startswith("index "):
        raise VerificationError("the receipt names no index")
    index = parse_decimal(lines[at].removeprefix("index "), "the receipt's index")
    if len(lines) - at - 1 > _PROOF_LIMIT:
        raise VerificationError("the receipt's proof is longer than any tree is high")
    proof = tuple(decode_base64(line, "a hash of the receipt's proof") for line in lines[at + 1 :])
    if any(len(value) != HASH_SIZE for value in proof):
        raise VerificationError(f"a hash of the receipt's proof has not {HASH_SIZE} bytes")
    parse_note(checkpoint)
    return Receipt(index, proof, checkpoint, extra)


def verify_receipt(receipt: Receipt, entry: bytes, keys: Sequence[VerifierKey], origin: str | None = None) -> Checkpoint:
    """Check that an entry's bytes stand in the log of a checkpoint that a known key signed; returns the checkpoint.

    Raises VerificationError.
    """
    checkpoint, _ = open_checkpoint(receipt.checkpoint, keys, origin)
    verify_inclusion(leaf_hash(entry), receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    return checkpoint
