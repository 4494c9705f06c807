"""The integrator: events leave the outbox, get their index and leaf hash, and make the tree grow, in one transaction.

The row of the tree is the fence: whoever holds its lock is the only integrator of that log, in whichever process. A crash
leaves nothing half done, since all of it is one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studbook.merkle.hashing import leaf_hash
from studbook.merkle.tiles import TILE_WIDTH, tile_root
from studbook.merkle.tree import CompactRange
from studbook.storage import log
from studbook.storage.tables import log_entries, log_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from studbook.storage.log import Tree
    from studbook.storage.unit_of_work import Transaction

# Entries in one transaction: enough to make the flush cheap, few enough to keep the lock short.
BATCH: Final = 2_000


def integrate(transaction: Transaction, namespace_id: int, tree: Tree) -> tuple[Tree, list[UUID]]:
    """Append what waits, up to a batch, to the locked tree; returns the tree as it is then, and the events in their order."""
    waiting = log.take_waiting(transaction.connection, namespace_id, BATCH)
    if not waiting:
        return tree, []
    return append(transaction, namespace_id, tree, waiting), [event for event, _ in waiting]


def integrate_all(transaction: Transaction, namespace_id: int, tree: Tree) -> Tree:
    """Append everything that waits to the locked tree; returns the tree as it is then."""
    before = -1
    while tree.size != before:
        before = tree.size
        tree, _ = integrate(transaction, namespace_id, tree)
        transaction.flush()
    return tree


def append(transaction: Transaction, namespace_id: int, tree: Tree, entries: Sequence[tuple[UUID, bytes]]) -> Tree:
    """Append entries (event id, bytes) to the locked tree: entry rows, the tiles that became full, the new state."""
    leaves = [leaf_hash(body) for _, body in entries]
    grown = CompactRange.decode(tree.size, tree.subtrees)
    grown.extend(leaves)
    key = {"namespace_id": namespace_id, "shard": tree.shard}
    transaction.stage(
        log_entries,
        *(
            {**key, "entry_index": index, "event_id": event_id, "leaf_hash": leaf}
            for index, ((event_id, _), leaf) in enumerate(zip(entries, leaves, strict=True), tree.size)
        ),
    )
    _stage_full_tiles(transaction, namespace_id, tree, leaves)
    after = log.Tree(tree.shard, grown.size, grown.root(), grown.encode())
    log.grow_tree(transaction.connection, namespace_id, after)
    return after


def _stage_full_tiles(transaction: Transaction, namespace_id: int, tree: Tree, leaves: list[bytes]) -> None:
    """Stage each tile that became full, level by level: a tile's root is a hash of the tile above it."""
    connection, key = transaction.connection, {"namespace_id": namespace_id, "shard": tree.shard}
    level, before, fresh = 0, tree.size, leaves
    while fresh:
        first = before // TILE_WIDTH
        if (before + len(fresh)) // TILE_WIDTH == first:
            return
        start = first * TILE_WIDTH
        if level == 0:
            known = log.list_leaf_hashes(connection, namespace_id, tree.shard, start, before)
        else:
            known = log.list_tile_roots(connection, namespace_id, tree.shard, level - 1, start, before)
        hashes = known + fresh
        full = [b"".join(hashes[at : at + TILE_WIDTH]) for at in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)]
        roots = [tile_root(tile) for tile in full]
        transaction.stage(
            log_tiles,
            *(
                {**key, "level": level, "number": number, "hashes": tile, "root": root}
                for number, (tile, root) in enumerate(zip(full, roots, strict=True), first)
            ),
        )
        level, before, fresh = level + 1, first, roots
