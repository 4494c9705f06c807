"""Checks of the tree: rows without gap, hashes and tiles from the entries' bytes, checkpoints, and what was kept outside."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, leaf_hash
from studbook.merkle.notes import parse_vkey
from studbook.merkle.tiles import TILE_WIDTH, tile_root
from studbook.merkle.tree import CompactRange
from studbook.services.audit.fsck.findings import Layer
from studbook.storage import log, scanning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from studbook.merkle.notes import VerifierKey
    from studbook.services.audit.fsck.findings import LogReport
    from studbook.storage.graph import AnyRow


@dataclass(slots=True)
class Rebuilt:
    """A tree computed anew from the bytes of its entries, each node once: the roots of full tiles carry the levels above."""

    wanted: Sequence[int]
    size: int = 0
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    # Every full tile by level and number; per level, the hashes of the tile which is not full yet.
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    edges: list[list[bytes]] = field(default_factory=lambda: [[]])

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes; the roots at the sizes that are asked for are kept."""
        at = 0
        while at < len(leaves):
            edge = self.edges[0]
            part = leaves[at : at + TILE_WIDTH - len(edge)]
            self._keep_roots(part)
            edge += part
            at += len(part)
            self.size += len(part)
            if len(edge) == TILE_WIDTH:
                self._fill(0)

    def tree(self) -> CompactRange:
        """The tree as it is."""
        return self._with(self.edges[0])

    def _keep_roots(self, part: Sequence[bytes]) -> None:
        """Keep the roots that are asked for while these leaves are added to the open tile."""
        first = bisect_right(self.wanted, self.size)
        last = bisect_right(self.wanted, self.size + len(part))
        if first == last:
            return
        tree, before = self._with(self.edges[0]), 0
        for size in self.wanted[first:last]:
            tree.extend(part[before : size - self.size])
            before = size - self.size
            self.roots[size] = tree.root()

    def _with(self, leaves: Sequence[bytes]) -> CompactRange:
        """The tree over the full tiles and these leaves of the open one."""
        subtrees: list[bytes] = []
        for edge in reversed(self.edges[1:]):
            subtrees += CompactRange.over(edge).subtrees
        return CompactRange(self.size, [*subtrees, *CompactRange.over(leaves).subtrees])

    def _fill(self, level: int) -> None:
        """The open tile of a level is full: its root goes into the one above."""
        tile = b"".join(self.edges[level])
        self.tiles[level, self.size // TILE_WIDTH ** (level + 1) - 1] = tile
        self.edges[level] = []
        if level + 1 == len(self.edges):
            self.edges.append([])
        self.edges[level + 1].append(tile_root(tile))
        if len(self.edges[level + 1]) == TILE_WIDTH:
            self._fill(level + 1)


def check_events(connection: Connection, namespace_id: int, report: LogReport) -> None:
    """Whether every event of a namespace is in its log, or waits to be; and nothing else is."""
    for row in scanning.list_unlogged_events(connection, namespace_id):
        report.add(Layer.STRUCTURE, f"event {row.id}", "is recorded, but neither in the log nor waiting for it")
    for event_id in scanning.list_strange_outbox(connection, namespace_id):
        report.add(Layer.STRUCTURE, f"event {event_id}", "waits for the log, but is not recorded or is in it already")
    report.waiting = scanning.count_waiting(connection, namespace_id)


def check_rows(connection: Connection, namespace_id: int, report: LogReport, shard: int) -> None:
    """Whether the entries of a shard are there without a gap."""
    first, last, count = scanning.entry_bounds(connection, namespace_id, shard)
    if count != report.size or (count and (first != 0 or last != count - 1)):
        held = f"from {first} to {last}" if count else "none"
        report.add(Layer.STRUCTURE, "entries", f"the tree has {report.size} entries, and there are {count} rows ({held})")


def rebuild_tree(connection: Connection, namespace_id: int, report: LogReport, shard: int, wanted: Iterable[int]) -> Rebuilt:
    """Hash every entry anew, whatever the tree's own row says its size is."""
    rebuilt = Rebuilt(sorted(set(wanted)))
    _, last, count = scanning.entry_bounds(connection, namespace_id, shard)
    groups = log.iter_bodies(connection, namespace_id, shard, 0, (last or 0) + 1 if count else 0)
    expected = 0
    for rows in groups:
        if not rows:
            # A gap wider than a group; the next entry that is there tells.
            continue
        leaves = _hash_whole(rows, expected)
        if leaves is None:
            details = log.list_entries(connection, namespace_id, shard, rows[0][0], rows[-1][0] + 1)
            leaves = _hash_each(details, report, expected)
        expected = rows[-1][0] + 1
        rebuilt.extend(leaves)
    return rebuilt


def _hash_whole(rows: Sequence[tuple[Any, ...]], expected: int) -> list[bytes] | None:
    """The leaf hashes of entries with nothing wrong in them; None when each has to be looked at."""
    if rows[0][0] != expected or rows[-1][0] != expected + len(rows) - 1:
        return None
    try:
        # `leaf_hash`, without the call.
        leaves = [sha256(b"\x00" + body).digest() for _, _, body in rows]
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
    computed = rebuilt.tree()
    if computed.size == stored.size and computed.root() != stored.root:
        report.add(Layer.HASHES, "root", f"the root over {stored.size} entries is not the one that is stored")
    if computed.size == stored.size and computed.encode() != stored.subtrees:
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
    report.unsigned = max(0, rebuilt.size - last)


def compare_checkpoint(report: LogReport, layer: Layer, place: str, checkpoint: Checkpoint, rebuilt: Rebuilt) -> None:
    """Whether the entries give what a checkpoint says."""
    if checkpoint.origin != report.origin:
        report.add(layer, place, f"is of the log {checkpoint.origin}, not of {report.origin}")
    elif checkpoint.size > rebuilt.size:
        report.add(
            layer,
            place,
            f"covers {checkpoint.size} entries, and the log has {rebuilt.size}: it was cut back, or is an older backup",
        )
    elif rebuilt.roots.get(checkpoint.size) != checkpoint.root:
        report.add(layer, place, f"the first {checkpoint.size} entries are not those it was signed over: the log was rewritten")
