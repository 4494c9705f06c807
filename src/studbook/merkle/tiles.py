"""Tiles and entry bundles (c2sp.org/tlog-tiles), and proofs that are computed from tiles.

A tile of level L and number N holds up to 256 hashes of level 8L of the tree, from the one at 256N on. A partial tile is a prefix
of what the tile will be when it is full.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, HASH_SIZE, node_hash
from studbook.merkle.tree import root_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
ENTRY_LIMIT: Final = 65_535
_LEVEL_LIMIT: Final = 8  # 256 ** 8 leaves are more than a signed 64-bit size can say
_SIZE_LIMIT: Final = 2**63
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's place: level, number in its level, and how many of its 256 hashes are meant."""

    level: int
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The tile's address below the log's prefix."""
        return f"tile/{self.level}/{_number_path(self.number, self.width)}"


@dataclass(frozen=True, slots=True)
class EntryBundle:
    """The entries under a tile of level 0."""

    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The bundle's address below the log's prefix."""
        return f"tile/entries/{_number_path(self.number, self.width)}"


TileReader = Callable[[Tile], bytes]


def _number_path(number: int, width: int) -> str:
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    path = "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def parse_tile_path(path: str) -> Tile | EntryBundle:
    """Read a tile's or an entry bundle's address.

    Raises VerificationError for one that is not written in the one way it can be.
    """
    match = _PATH.fullmatch(path) if len(path) <= 100 and path.isascii() else None  # noqa: PLR2004 - longer than any
    if match is None:
        raise VerificationError(f"{path[:100]!r} is no address of a tile")
    number = int(match["number"].replace("/", "").replace("x", ""))
    width = int(match["width"]) if match["width"] else TILE_WIDTH
    tile = EntryBundle(number, width) if match["level"] == "entries" else Tile(int(match["level"]), number, width)
    too_deep = isinstance(tile, Tile) and tile.level >= _LEVEL_LIMIT
    if tile.path != path or (match["width"] and width >= TILE_WIDTH) or too_deep or number >= _SIZE_LIMIT // TILE_WIDTH:
        raise VerificationError(f"{path[:100]!r} is no address of a tile")
    return tile


def _widths(size: int) -> Iterator[tuple[int, int]]:
    """For each level that a tree of that size has, how many hashes stand in it."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size // TILE_WIDTH


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of that size, full and partial, lowest level first."""
    for level, hashes in _widths(size):
        for number in range(hashes // TILE_WIDTH):
            yield Tile(level, number)
        if hashes % TILE_WIDTH:
            yield Tile(level, hashes // TILE_WIDTH, hashes % TILE_WIDTH)


def bundles_of(size: int) -> Iterator[EntryBundle]:
    """Every entry bundle of a tree of that size."""
    for number in range(size // TILE_WIDTH):
        yield EntryBundle(number)
    if size % TILE_WIDTH:
        yield EntryBundle(size // TILE_WIDTH, size % TILE_WIDTH)


def full_tiles_between(old: int, new: int) -> Iterator[Tile]:
    """The tiles that became full while the tree grew."""
    for level, hashes in _widths(new):
        for number in range(old // TILE_WIDTH ** (level + 1), hashes // TILE_WIDTH):
            yield Tile(level, number)


def tile_root(hashes: bytes) -> bytes:
    """The root of the subtree over a tile's hashes: for a full tile, a hash of the tile above."""
    return root_of([hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)])


class _Hashes:
    """The nodes of a tree of a fixed size, read through its tiles."""

    def __init__(self, size: int, read: TileReader) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[Tile, bytes] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}

    def range_root(self, start: int, end: int) -> bytes:
        """The root over the leaves from `start` up to, without, `end`, where that is a node of the tree (RFC 6962, 2.1.1)."""
        count = end - start
        if count & (count - 1) == 0:
            return self._perfect(count.bit_length() - 1, start)
        split = 1 << (count - 1).bit_length() - 1
        return node_hash(self.range_root(start, start + split), self.range_root(start + split, end))

    def _perfect(self, height: int, start: int) -> bytes:
        known = self._nodes.get((height, start))
        if known is None:
            known = self._nodes[height, start] = self._hash_perfect(height, start)
        return known

    def _hash_perfect(self, height: int, start: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        first = start >> (level * TILE_HEIGHT)
        number, offset = divmod(first, TILE_WIDTH)
        hashes = self._tile(level, number)
        if len(hashes) < (offset + (1 << inner)) * HASH_SIZE:
            raise VerificationError("a tile of the tree is too short")
        return tile_root(hashes[offset * HASH_SIZE : (offset + (1 << inner)) * HASH_SIZE])

    def _tile(self, level: int, number: int) -> bytes:
        width = min(TILE_WIDTH, (self._size >> level * TILE_HEIGHT) - number * TILE_WIDTH)
        tile = Tile(level, number, width)
        if tile not in self._tiles:
            hashes = self._read(tile)
            if len(hashes) != width * HASH_SIZE:
                raise VerificationError(f"{tile.path} has not the length of its {width} hashes")
            self._tiles[tile] = hashes
        return self._tiles[tile]


def tree_root(size: int, read: TileReader) -> bytes:
    """The root of a tree of that size, from its tiles."""
    return _Hashes(size, read).range_root(0, size) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: TileReader) -> list[bytes]:
    """The audit path of a leaf (RFC 6962, section 2.1.1), lowest first.

    Raises VerificationError when the tree has no such leaf or its tiles are faulty.
    """
    return inclusion_proofs([index], size, read)[0]


def inclusion_proofs(indexes: Iterable[int], size: int, read: TileReader) -> list[list[bytes]]:
    """The audit paths of several leaves; nodes that they share are computed once.

    Raises VerificationError as `inclusion_proof` does.
    """
    hashes = _Hashes(size, read)
    return [_audit_path(index, size, hashes) for index in indexes]


def _audit_path(index: int, size: int, hashes: _Hashes) -> list[bytes]:
    if not 0 <= index < size:
        raise VerificationError(f"a tree of {size} entries has none at index {index}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return [hashes.range_root(*part) for part in reversed(path)]


def consistency_proof(old: int, new: int, read: TileReader) -> list[bytes]:
    """The proof that the tree of size `old` is a prefix of the one of size `new` (RFC 6962, section 2.1.2).

    Raises VerificationError when it cannot be or the tiles are faulty.
    """
    if not 0 <= old <= new:
        raise VerificationError(f"a tree of {new} entries does not follow one of {old}")
    if old in {0, new}:
        return []
    hashes, proof, start, end, whole = _Hashes(new, read), [], 0, new, True
    while old != end:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= middle:
            proof.append((middle, end))
            end = middle
        else:
            proof.append((start, middle))
            start, whole = middle, False
    if not whole:
        proof.append((start, end))
    return [hashes.range_root(*part) for part in reversed(proof)]


def encode_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries one behind the other, each with its length in 16 bits, big-endian.

    Raises ValueError for an entry of more than 65,535 bytes.
    """
    for entry in entries:
        if len(entry) > ENTRY_LIMIT:
            message = f"an entry of {len(entry)} bytes is too large for a bundle"
            raise ValueError(message)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_entry_bundle(data: bytes, count: int | None = None) -> list[bytes]:
    """The entries of a bundle; `count` is how many there must be.

    Raises VerificationError.
    """
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + 2 + length
        if at + 2 > len(data) or end > len(data):
            raise VerificationError("the entry bundle is cut off")
        entries.append(data[at + 2 : end])
        at = end
    if count is not None and len(entries) != count:
        raise VerificationError(f"the entry bundle holds {len(entries)} entries, not {count}")
    return entries
