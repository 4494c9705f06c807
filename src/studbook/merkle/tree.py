"""Roots of trees (RFC 6962, section 2.1), from all leaves at once or one leaf after the other."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, HASH_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CompactRange:
    """A growing tree by the roots of its perfect subtrees, from left to right: one for each bit of its size."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._hashes = list(hashes)
        if size < 0 or len(self._hashes) != size.bit_count() or any(len(value) != HASH_SIZE for value in self._hashes):
            message = f"a tree of {size} leaves has other subtrees than these"
            raise VerificationError(message)

    @classmethod
    def over(cls, leaves: Iterable[bytes]) -> CompactRange:
        """The tree over these leaf hashes."""
        tree = cls()
        tree.extend(leaves)
        return tree

    @property
    def subtrees(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, the largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in their order."""
        hashes, size = self._hashes, self.size
        for leaf in leaves:
            node, rest = leaf, size
            # Each trailing one-bit of the size is a finished subtree that the new one is merged with.
            while rest & 1:
                node = sha256(b"\x01" + hashes.pop() + node).digest()
                rest >>= 1
            hashes.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """The root hash of the tree."""
        if not self._hashes:
            return EMPTY_ROOT
        *others, node = self._hashes
        for left in reversed(others):
            node = sha256(b"\x01" + left + node).digest()
        return node

    def encode(self) -> bytes:
        """The subtrees' roots, 32 bytes each."""
        return b"".join(self._hashes)

    @classmethod
    def decode(cls, size: int, data: bytes) -> CompactRange:
        """The tree of that size from its encoded subtrees."""
        return cls(size, [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, level by level: an odd last node is carried up as it is."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]
