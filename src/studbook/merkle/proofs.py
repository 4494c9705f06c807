"""Verification of inclusion and consistency proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE, node_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE_LIMIT: Final = 2**63


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at an index of the tree with that size and root.

    Raises VerificationError.
    """
    if not 0 <= index < size < _SIZE_LIMIT:
        raise VerificationError(f"a tree of {size} entries has none at index {index}")
    _check_hashes(leaf, root, *proof)
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise VerificationError("the inclusion proof is longer than the tree is high")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise VerificationError("the inclusion proof is shorter than the tree is high")
    if not hmac.compare_digest(node, root):
        raise VerificationError("the entry does not stand at that place of the tree: the proof leads to another root")


def verify_consistency(  # noqa: C901, PLR0912 - the steps of the standard, in its order
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that one tree is a prefix of another.

    Raises VerificationError.
    """
    if not 0 <= old_size <= new_size < _SIZE_LIMIT:
        raise VerificationError(f"a tree of {new_size} entries does not follow one of {old_size}")
    _check_hashes(old_root, new_root, *proof)
    if old_size in {0, new_size}:
        if proof:
            raise VerificationError("the consistency proof should be empty")
        if old_size and not hmac.compare_digest(old_root, new_root):
            raise VerificationError(f"two trees of {new_size} entries have different roots")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise VerificationError("the consistency proof is empty")
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError("the consistency proof is longer than the tree is high")
        if at & 1 or at == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise VerificationError("the consistency proof is shorter than the tree is high")
    if not hmac.compare_digest(old_node, old_root) or not hmac.compare_digest(new_node, new_root):
        raise VerificationError(f"the tree of {new_size} entries does not follow from the one of {old_size}")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise VerificationError(f"a hash has {HASH_SIZE} bytes")
