"""Snapshots: a Merkle root over the last revision of every subject, logged now and then.

An inclusion proof shows that an entry is there, not that none was left out. A snapshot says how far every subject had come when
the log had `upto` entries; so whoever holds a subject's entries up to its revision in the snapshot, chained by `prev`, holds all.

A leaf is the RFC 8785 JSON of {"head", "rev", "subject_id"}, the head being the leaf hash of the subject's entry `rev` in
hexadecimal digits. Leaves are sorted by subject id and hashed as RFC 6962 says.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.documents import Access
from studbook.domain.entries import read_entry
from studbook.domain.events import Action
from studbook.domain.names import Kind
from studbook.evidence.snapshots import leaf_of
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.tiles import TILE_WIDTH, Tile, inclusion_proofs, tile_root
from studbook.merkle.tree import CompactRange
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown, get_by_id
from studbook.services.recording import Recorder
from studbook.storage import history, log
from studbook.storage.history import Moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Leaf:
    """How far a subject had come: its last revision, and the leaf hash of that entry."""

    subject_id: UUID
    revision: int
    head: bytes

    def as_json(self) -> JsonObject:
        """The leaf as it is hashed."""
        return leaf_of(str(self.subject_id), self.revision, self.head)

    @property
    def hash(self) -> bytes:
        """The leaf hash in the snapshot's tree."""
        return leaf_hash(canonical_json(self.as_json()))


def iter_leaves(connection: Connection, namespace_id: int, shard: int, size: int) -> Iterator[Leaf]:
    """The leaves of the snapshot of a log when a shard had so many entries, in their order."""
    for row in history.iter_heads(connection, namespace_id, Moment(shard=shard, size=size)):
        yield Leaf(row.subject_id, row.revision, row.leaf_hash)


def summarize(connection: Connection, namespace_id: int, shard: int, size: int) -> JsonObject:
    """What a snapshot says: the root, the number of subjects, and how many entries it covers."""
    tree = CompactRange.over(leaf.hash for leaf in iter_leaves(connection, namespace_id, shard, size))
    return {"root": f"sha256:{tree.root().hex()}", "subjects": tree.size, "upto": size}


def prove_leaves(leaves: Iterable[Leaf], wanted: Collection[UUID]) -> tuple[list[JsonObject], int]:
    """The leaves of these subjects with their places and audit paths, and how many leaves there are in all."""
    hashes: list[bytes] = []
    found: dict[int, Leaf] = {}
    for index, leaf in enumerate(leaves):
        hashes.append(leaf.hash)
        if leaf.subject_id in wanted:
            found[index] = leaf
    levels = _levels(hashes)

    def read(tile: Tile) -> bytes:
        start = tile.number * TILE_WIDTH
        return b"".join(levels[tile.level][start : start + tile.width])

    paths = inclusion_proofs(found, len(hashes), read)
    proved = [
        {**leaf.as_json(), "index": index, "path": [base64.b64encode(value).decode() for value in path]}
        for (index, leaf), path in zip(found.items(), paths, strict=True)
    ]
    return proved, len(hashes)


def _levels(hashes: list[bytes]) -> list[list[bytes]]:
    """The hashes at the foot of each level of tiles."""
    levels = [hashes]
    while len(levels[-1]) >= TILE_WIDTH:
        below = levels[-1]
        full = len(below) // TILE_WIDTH
        levels.append([tile_root(b"".join(below[at * TILE_WIDTH : (at + 1) * TILE_WIDTH])) for at in range(full)])
    return levels


def take_snapshot(database: Database, caller: Caller) -> Shown:
    """Log a snapshot of what stands in the log now."""
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        tree = log.get_tree(connection, namespace_id)
        row = log.find_log(connection, namespace_id, tree.shard, lock=True)
        assert row is not None  # noqa: S101 - a tree has its log's record
        detail = summarize(connection, namespace_id, tree.shard, tree.size)
        recorder = Recorder(transaction, caller)
        recorder.amend(Action.LOG_SNAPSHOT, row, load_record(row.record), detail=detail)
        transaction.flush()
        return get_by_id(connection, Kind.LOG, namespace_id, row.id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def find_reach(connection: Connection, namespace_id: int, shard: int) -> int:
    """How many entries of a shard the newest snapshot covers."""
    rows = history.list_events(connection, namespace_id, history.Selection(action=Action.LOG_SNAPSHOT), 0)
    if not rows or rows[0].body is None or rows[0].shard not in {None, shard}:
        return 0
    return int(read_entry(rows[0].body)["detail"]["upto"])
