"""The two hashes of a Merkle tree (RFC 6962, section 2.1; RFC 9162, section 2.1.1), over SHA-256."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
# The root of a tree without leaves.
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry's bytes as a leaf, 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()
