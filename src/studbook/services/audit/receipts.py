"""Receipts: C2SP tlog-proofs that an event stands in a signed log, checkable without the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.domain.errors import PendingError
from studbook.merkle.hashing import HASH_SIZE
from studbook.merkle.receipt import Receipt
from studbook.merkle.tiles import inclusion_proof, inclusion_proofs
from studbook.services.audit.tiles import StoredTiles
from studbook.services.history import check_event
from studbook.storage import log

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.merkle.tiles import Tile
    from studbook.services.audit.keeper import Placed
    from studbook.storage.database import Database


def make_receipts(database: Database, namespace_id: int, placed: Placed) -> dict[UUID, bytes]:
    """The receipts of events under one checkpoint; tiles they share are read once, those its signer had read not at all."""

    def read(tile: Tile) -> bytes:
        known = placed.tiles.get((tile.level, tile.number), b"")
        if len(known) < tile.width * HASH_SIZE:
            with database.read() as connection:
                known = placed.tiles[tile.level, tile.number] = StoredTiles(connection, namespace_id, placed.shard)(tile)
        return known[: tile.width * HASH_SIZE]

    paths = inclusion_proofs(placed.indexes.values(), placed.size, read)
    return {
        event_id: Receipt(index, tuple(path), placed.checkpoint).encode()
        for (event_id, index), path in zip(placed.indexes.items(), paths, strict=True)
    }


def get_receipt(connection: Connection, namespace_id: int, event_id: UUID) -> bytes:
    """The receipt of an event under the newest checkpoint of its shard.

    Raises NotFoundError for no such event, PendingError while no checkpoint covers it.
    """
    place = log.find_places(connection, namespace_id, [event_id]).get(event_id)
    if place is None:
        check_event(connection, namespace_id, event_id)
        message = "the event is recorded and not in the tree yet; ask again in a moment"
        raise PendingError(message)
    shard, index = place
    checkpoint = log.find_checkpoint(connection, namespace_id, shard)
    if checkpoint is None or checkpoint.size <= index:
        message = "the event is in the tree, and no signed checkpoint covers it yet; ask again in a moment"
        raise PendingError(message)
    tiles = StoredTiles(connection, namespace_id, shard)
    return Receipt(index, tuple(inclusion_proof(index, checkpoint.size, tiles)), checkpoint.note).encode()
