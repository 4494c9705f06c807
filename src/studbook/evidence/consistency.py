"""That a log grew out of an earlier state of itself: an earlier checkpoint, and the proof between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.evidence.signatures import open_signed
from studbook.merkle.checkpoint import parse_decimal
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import decode_base64
from studbook.merkle.proofs import verify_consistency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.evidence.format import Earlier
    from studbook.merkle.checkpoint import Checkpoint
    from studbook.merkle.notes import VerifierKey

# As c2sp.org/tlog-witness has it: more than the height of any tree.
_PROOF_LIMIT: Final = 63


def check_consistency(earlier: Earlier, keys: Sequence[VerifierKey], newer: Checkpoint, newer_note: bytes) -> Checkpoint:
    """Check that the log of `newer` continues the earlier checkpoint, which the same keys must have signed; returns it.

    Raises VerificationError.
    """
    old, proof, note = _parse_request(earlier.consistency)
    if note != newer_note:
        raise VerificationError("the consistency proof leads to another checkpoint than that of the bundle")
    try:
        checkpoint = open_signed(earlier.checkpoint, keys, newer.origin).checkpoint
    except VerificationError as error:
        raise VerificationError(f"the earlier checkpoint does not verify: {error}") from None
    if old != checkpoint.size:
        raise VerificationError("the consistency proof begins at another size than that of the earlier checkpoint")
    verify_consistency(checkpoint.size, checkpoint.root, newer.size, newer.root, proof)
    return checkpoint


def _parse_request(data: bytes) -> tuple[int, list[bytes], bytes]:
    """The old size, the proof and the new checkpoint of an add-checkpoint request."""
    head, blank, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("the consistency proof is not ASCII text") from None
    if not blank or not first.startswith("old ") or len(lines) > _PROOF_LIMIT:
        raise VerificationError("the consistency proof is not an old size, hashes, a blank line and a checkpoint")
    old = parse_decimal(first.removeprefix("old "), "the old size")
    return old, [decode_base64(line, "a hash of the consistency proof") for line in lines], note
