"""Tiles out of the database: full ones as they are stored, partial ones cut from the hashes below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE
from studbook.merkle.tiles import TILE_WIDTH, Tile
from studbook.storage import log

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


# Hashes of tiles by level and number, as far as they were read.
Known = dict[tuple[int, int], bytes]


class StoredTiles:
    """Reads the tiles of one shard, each once."""

    def __init__(self, connection: Connection, namespace_id: int, shard: int) -> None:
        self._connection = connection
        self._namespace_id = namespace_id
        self._shard = shard
        self.known: Known = {}

    def __call__(self, tile: Tile) -> bytes:
        """The hashes of a tile, 32 bytes each.

        Raises VerificationError when the database does not hold them all.
        """
        known = self.known.get((tile.level, tile.number))
        if known is None or len(known) < tile.width * HASH_SIZE:
            known = self.known[tile.level, tile.number] = self._read(tile)
        hashes = known[: tile.width * HASH_SIZE]
        if len(hashes) != tile.width * HASH_SIZE:
            message = f"the database lacks hashes of {tile.path}"
            raise VerificationError(message)
        return hashes

    def _read(self, tile: Tile) -> bytes:
        connection, namespace_id, shard = self._connection, self._namespace_id, self._shard
        if tile.width == TILE_WIDTH:
            return log.find_tile(connection, namespace_id, shard, tile.level, tile.number) or b""
        start = tile.number * TILE_WIDTH
        end = start + tile.width
        if tile.level == 0:
            return b"".join(log.list_leaf_hashes(connection, namespace_id, shard, start, end))
        return b"".join(log.list_tile_roots(connection, namespace_id, shard, tile.level - 1, start, end))
