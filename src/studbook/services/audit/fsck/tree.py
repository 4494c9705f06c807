"""Checks of the tree: rows without gap, hashes and tiles from the entries' bytes, checkpoints, and what was kept outside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, leaf_hash
from studbook.merkle.notes import parse_vkey
from studbook.merkle.tiles import TILE_WIDTH, tile_root
from studbook.merkle.tree import CompactRange
from studbook.services.audit.fsck.findings import Layer
from studbook.storage import log, scanning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.merkle.notes import VerifierKey
    from studbook.services.audit.fsck.findings import LogReport
    from studbook.storage.graph import AnyRow


@dataclass(slots=True)
class Rebuilt:
    """A tree computed anew from the bytes of its entries."""

    wanted: frozenset[int]
    tree: CompactRange = field(default_factory=CompactRange)
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    # Per level, the hashes of the tile which is not full yet, and how many are full; and every full tile.
    edges: list[list[bytes]] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes; the roots at the sizes that are asked for are kept."""
        start = self.tree.size
        stops = sorted(size for size in self.wanted if start < size <= start + len(leaves))
        at = 0
        for stop in stops:
            self.tree.extend(leaves[at : stop - start])
            at = stop - start
            self.roots[stop] = self.tree.root()
        self.tree.extend(leaves[at:])
        self._fill(0, leaves)

    def _fill(self, level: int, hashes: Sequence[bytes]) -> None:
        if level == len(self.edges):
            self.edges.append([])
            self.filled.append(0)
        edge = self.edges[level]
        edge.extend(hashes)
        above = []
        while len(edge) >= TILE_WIDTH:
            tile = b"".join(edge[:TILE_WIDTH])
            del edge[:TILE_WIDTH]
            self.tiles[level, self.filled[level]] = tile
            self.filled[level] += 1
            above.append(tile_root(tile))
        if above:
            self._fill(level + 1, above)


def check_structure(connection: Connection, namespace_id: int, report: LogReport, shard: int) -> None:
    """Whether every event is in the log, or waits to be; and nothing else is."""
    for row in scanning.list_unlogged_events(connection, namespace_id):
        report.add(Layer.STRUCTURE, f"event {row.id}", "is recorded, but neither in the log nor waiting for it")
    for event_id in scanning.list_strange_outbox(connection, namespace_id):
        report.add(Layer.STRUCTURE, f"event {event_id}", "waits for the log, but is not recorded or is in it already")
    report.waiting = scanning.count_waiting(connection, namespace_id)
    first, last, count = scanning.entry_bounds(connection, namespace_id, shard)
    if count != report.size or (count and (first != 0 or last != count - 1)):
        held = f"from {first} to {last}" if count else "none"
        report.add(Layer.STRUCTURE, "entries", f"the tree has {report.size} entries, and there are {count} rows ({held})")


def rebuild_tree(connection: Connection, namespace_id: int, report: LogReport, shard: int, wanted: Iterable[int]) -> Rebuilt:
    """Hash every entry anew, whatever the tree's own row says its size is."""
    rebuilt = Rebuilt(frozenset(wanted))
    _, last, count = scanning.entry_bounds(connection, namespace_id, shard)
    groups = log.iter_bodies(connection, namespace_id, shard, 0, (last or 0) + 1 if count else 0)
    expected = 0
    # One thread alone uses the connection; the database reads the next entries while those before are hashed.
    with ThreadPoolExecutor(1) as reader:
        for rows in _read_ahead(groups, reader):
            if not rows:
                # A gap wider than a group; the next entry that is there tells.
                continue
            leaves = _hash_whole(rows, expected)
            if leaves is None:
                found = (rows[0][0], rows[-1][0] + 1)
                details = reader.submit(log.list_entries, connection, namespace_id, shard, *found).result()
                leaves = _hash_each(details, report, expected)
            expected = rows[-1][0] + 1
            rebuilt.extend(leaves)
    return rebuilt


def _read_ahead(groups: Iterator[Sequence[AnyRow]], reader: ThreadPoolExecutor) -> Iterator[Sequence[AnyRow]]:
    """The groups, each read while the one before is worked on."""
    coming = reader.submit(next, groups, None)
    while (rows := coming.result()) is not None:
        coming = reader.submit(next, groups, None)
        yield rows


def _hash_whole(rows: Sequence[AnyRow], expected: int) -> list[bytes] | None:
    """The leaf hashes of entries with nothing wrong in them; None when each has to be looked at."""
    if rows[0][0] != expected or rows[-1][0] != expected + len(rows) - 1:
        return None
    try:
        leaves = [leaf_hash(body) for _, _, body in rows]
    except TypeError:
        return None
    return leaves if leaves == [stored for _, stored, _ in rows] else None


def _hash_each(rows: Sequence[AnyRow], report: LogReport, expected: int) -> list[bytes]:
    """The leaf hashes of entries of which at least one is not as it should be."""
    leaves = []
    for row in rows:
        if row.entry_index != expected:
            report.add(Layer.STRUCTURE, f"entry {expected}", "is missing")
        expected = row.entry_index + 1
        leaves.append(_check_leaf(row, report))
    return leaves


def _check_leaf(row: AnyRow, report: LogReport) -> bytes:
    """The leaf hash of an entry from its bytes; of a purged one, as it is stored."""
    stored: bytes = row.leaf_hash
    if row.body is None:
        if row.known is None:
            report.add(Layer.STRUCTURE, f"entry {row.entry_index}", f"has no event: {row.event_id} is gone")
        else:
            report.purged += 1
        return stored
    if not isinstance(row.body, bytes):
        report.add(Layer.HASHES, f"entry {row.entry_index}", "is not stored as bytes any more")
        return stored
    computed = leaf_hash(row.body)
    if computed != stored:
        report.add(Layer.HASHES, f"entry {row.entry_index}", "its bytes have another hash than it was integrated with")
    return computed


def check_tree(connection: Connection, namespace_id: int, report: LogReport, rebuilt: Rebuilt, stored: log.Tree) -> None:
    """Compare tiles, root and subtrees with what the entries give."""
    if rebuilt.tree.size == stored.size and rebuilt.tree.root() != stored.root:
        report.add(Layer.HASHES, "root", f"the root over {stored.size} entries is not the one that is stored")
    if rebuilt.tree.size == stored.size and rebuilt.tree.encode() != stored.subtrees:
        report.add(Layer.HASHES, "subtrees", "the roots of the subtrees are not those that are stored")
    expected = dict(rebuilt.tiles)
    for row in scanning.iter_tiles(connection, namespace_id, stored.shard):
        place = f"tile {row.level}/{row.number}"
        tile = expected.pop((row.level, row.number), None)
        if tile is None:
            report.add(Layer.STRUCTURE, place, "is there, and the entries fill no such tile")
        elif tile != row.hashes or tile_root(tile) != row.root:
            report.add(Layer.HASHES, place, "holds other hashes than the entries have")
    for level, number in expected:
        report.add(Layer.STRUCTURE, f"tile {level}/{number}", "is missing")


def check_checkpoints(
    connection: Connection,
    namespace_id: int,
    report: LogReport,
    rebuilt: Rebuilt,
    shard: int,
    witnesses: Sequence[VerifierKey],
) -> None:
    """Verify every signed checkpoint against the keys of the log, the cosignatures under it, and the tree of its size."""
    keys = [parse_vkey(row.vkey) for row in log.list_keys(connection, namespace_id, shard)]
    last = 0
    for row in scanning.iter_checkpoints(connection, namespace_id, shard):
        place = f"checkpoint {row.size}"
        try:
            checkpoint, opened = open_checkpoint(row.note, [*keys, *witnesses], report.origin)
            if not any(key in keys for key in opened.verified):
                report.add(Layer.CHECKPOINTS, place, "is not signed by a key of the log")
        except (VerificationError, TypeError) as error:
            report.add(Layer.CHECKPOINTS, place, f"does not verify: {error}")
            continue
        if checkpoint.size != row.size:
            report.add(Layer.CHECKPOINTS, place, f"is stored under another size than its own, {checkpoint.size}")
        last = max(last, checkpoint.size)
        compare_checkpoint(report, Layer.CHECKPOINTS, place, checkpoint, rebuilt)
    report.unsigned = max(0, rebuilt.tree.size - last)


def compare_checkpoint(report: LogReport, layer: Layer, place: str, checkpoint: Checkpoint, rebuilt: Rebuilt) -> None:
    """Whether the entries give what a checkpoint says."""
    if checkpoint.origin != report.origin:
        report.add(layer, place, f"is of the log {checkpoint.origin}, not of {report.origin}")
    elif checkpoint.size > rebuilt.tree.size:
        report.add(
            layer,
            place,
            f"covers {checkpoint.size} entries, and the log has {rebuilt.tree.size}: it was cut back, or is an older backup",
        )
    elif rebuilt.roots.get(checkpoint.size) != checkpoint.root:
        report.add(layer, place, f"the first {checkpoint.size} entries are not those it was signed over: the log was rewritten")
