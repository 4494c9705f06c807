"""The definitions of RFC 6962, section 2.1, written down as they stand there: slow, and plain enough to be checked by eye."""

from __future__ import annotations

from hashlib import sha256


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) over leaf hashes."""
    n = len(leaves)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return leaves[0]
    k = split(n)
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    n = len(leaves)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*path(m, leaves[:k]), root(leaves[k:])]
    return [*path(m - k, leaves[k:]), root(leaves[:k])]


def proof(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) for 0 < m < n."""
    return subproof(m, leaves, whole=True)


def subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    n = len(leaves)
    if m == n:
        return [] if whole else [root(leaves)]
    k = split(n)
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), root(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), root(leaves[:k])]


def tiles(leaves: list[bytes]) -> dict[tuple[int, int], list[bytes]]:
    """The hashes of every tile by level and number, the levels cut into slices of 256."""
    found, level, hashes = {}, 0, leaves
    while hashes:
        slices = [hashes[at : at + 256] for at in range(0, len(hashes), 256)]
        found.update({(level, number): part for number, part in enumerate(slices)})
        level, hashes = level + 1, [root(part) for part in slices if len(part) == 256]
    return found
