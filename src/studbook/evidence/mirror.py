"""A whole log away from its registry: a folder in the layout of c2sp.org/tlog-tiles, or what the registry serves, verified.

checkpoint                 signed note
policy                     c2sp.org/tlog-policy, as the registry told it
tile/0/x001/234            256 hashes; .p/W the first W of them
tile/entries/x001/234      256 entries, each after its length in two bytes
"""

from __future__ import annotations

import hmac
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import canonical_json
from studbook.evidence.entries import Entry, read_entry
from studbook.evidence.shapes import as_count, as_digest, as_object
from studbook.evidence.snapshots import SNAPSHOT_ACTION, leaf_of
from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import HASH_SIZE, leaf_hash
from studbook.merkle.policy import Policy, check_checkpoint
from studbook.merkle.proofs import verify_consistency
from studbook.merkle.tiles import Tile, bundles_of, consistency_proof, decode_entry_bundle, tile_root, tiles_of, tree_root
from studbook.merkle.tree import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from studbook.merkle.notes import VerifierKey

# Reads a file of a log by its path; raises VerificationError when it is not there.
Source = Callable[[str], bytes]
CHECKPOINT: Final = "checkpoint"
POLICY: Final = "policy"
_FILE_LIMIT: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class LogVerdict:
    """What was verified of a log: its checkpoint, how many entries were read, and of how many only the hash is left."""

    checkpoint: Checkpoint
    entries: int = 0
    purged: int = 0
    subjects: int = 0
    snapshots: int = 0


def folder_source(folder: Path) -> Source:
    """A log in a folder."""

    def read(path: str) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                return file.read(_FILE_LIMIT)
        except OSError as error:
            raise VerificationError(f"{path} cannot be read: {error.strerror}") from None

    return read


def check_signed(note: bytes, keys: Sequence[VerifierKey], policy: Policy | None) -> Checkpoint:
    """Verify a checkpoint with keys, and with the quorum of a policy where there is one.

    Raises VerificationError.
    """
    if policy is not None:
        return check_checkpoint(note, policy)
    checkpoint, opened = open_checkpoint(note, keys)
    if not any(key.name == checkpoint.origin for key in opened.verified):
        raise VerificationError(f"the checkpoint of {checkpoint.origin} is signed by keys of other names only")
    return checkpoint


def verify_log(read: Source, keys: Sequence[VerifierKey], policy: Policy | None = None) -> LogVerdict:
    """Verify a whole log: the checkpoint's signature, every tile, every entry's hash and chain, every snapshot.

    Raises VerificationError.
    """
    checkpoint = check_signed(read(CHECKPOINT), keys, policy)
    verdict = LogVerdict(checkpoint)
    tiles = verified_tiles(read, checkpoint)
    chains = _Chains()
    for bundle in bundles_of(checkpoint.size):
        hashes = tiles(Tile(0, bundle.number, bundle.width))
        try:
            data = read(bundle.path)
        except VerificationError:
            verdict.purged += bundle.width
            continue
        for offset, body in enumerate(decode_entry_bundle(data, bundle.width)):
            index = bundle.number * 256 + offset
            if not hmac.compare_digest(leaf_hash(body), hashes[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]):
                raise VerificationError(f"entry {index} is not the one that the tree holds: its hash differs")
            chains.follow(read_entry(index, body), gaps=bool(verdict.purged) or _continues(checkpoint))
            verdict.entries += 1
    verdict.subjects = len(chains.heads)
    verdict.snapshots = chains.snapshots
    return verdict


def verified_tiles(read: Source, checkpoint: Checkpoint) -> Callable[[Tile], bytes]:
    """The tiles of a log, once all of them were shown to give the checkpoint's root.

    Raises VerificationError.
    """
    known: dict[tuple[int, int], bytes] = {}
    for tile in tiles_of(checkpoint.size):
        data = read(tile.path)
        if len(data) != tile.width * HASH_SIZE:
            raise VerificationError(f"{tile.path} has not {tile.width} hashes")
        known[tile.level, tile.number] = data
    for (level, number), data in known.items():
        if len(data) == 256 * HASH_SIZE and (level + 1, number // 256) in known:
            above = known[level + 1, number // 256][number % 256 * HASH_SIZE :][:HASH_SIZE]
            if tile_root(data) != above:
                raise VerificationError(f"tile/{level} number {number} is not the one that the tile above it holds")

    def tiles(tile: Tile) -> bytes:
        return known[tile.level, tile.number][: tile.width * HASH_SIZE]

    if tree_root(checkpoint.size, tiles) != checkpoint.root:
        raise VerificationError(f"the tiles of {checkpoint.size} entries give another root than the checkpoint has")
    return tiles


def verify_growth(read: Source, old: Checkpoint, new: Checkpoint) -> None:
    """Check that a log grew from one verified checkpoint to another without a change, from its tiles.

    Raises VerificationError.
    """
    if old.origin != new.origin:
        raise VerificationError(f"the checkpoints are of two logs, {old.origin} and {new.origin}")
    if old.size > new.size:
        raise VerificationError(f"the older checkpoint has {old.size} entries and the newer one {new.size}: the log shrank")

    def tiles(tile: Tile) -> bytes:
        data = read(tile.path)
        if len(data) != tile.width * HASH_SIZE:
            raise VerificationError(f"{tile.path} has not {tile.width} hashes")
        return data

    verify_consistency(old.size, old.root, new.size, new.root, consistency_proof(old.size, new.size, tiles))


def read_entries(read: Source, start: int, end: int) -> Iterator[bytes]:
    """The entries of a log from an index up to, without, another, as they stand there; nothing is verified.

    Raises VerificationError.
    """
    for bundle in bundles_of(end):
        first = bundle.number * 256
        if first + bundle.width > start:
            entries = decode_entry_bundle(read(bundle.path), bundle.width)
            yield from entries[max(0, start - first) :]


def _continues(checkpoint: Checkpoint) -> bool:
    """Whether a log's name is that of a later shard, in which subjects go on that began in an earlier one."""
    return checkpoint.origin.rpartition("/")[2].isdigit()


@dataclass(slots=True)
class _Chains:
    """Each subject's entries as they follow from one another: by subject the indexes, and (revision, leaf hash) at each."""

    heads: dict[str, list[tuple[int, int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    ids: set[str] = field(default_factory=set)
    snapshots: int = 0
    _begun_before: bool = False

    def follow(self, entry: Entry, *, gaps: bool) -> None:
        """Take the next entry; with `gaps`, entries before it may be out of reach."""
        if entry.id in self.ids:
            raise VerificationError(f"entry {entry.index} is an event that stands in the log before")
        self.ids.add(entry.id)
        chain = self.heads[entry.subject_id]
        last = chain[-1] if chain else None
        self._begun_before |= gaps
        if last is None:
            if entry.revision != 1 and not gaps:
                raise VerificationError(
                    f"the first entry of {entry.body['subject']} is revision {entry.revision}: some are missing"
                )
        elif entry.revision != last[1] + 1 and not gaps:
            raise VerificationError(
                f"entry {entry.index} is revision {entry.revision} of its subject, and {last[1] + 1} should follow"
            )
        elif entry.revision == last[1] + 1 and entry.previous != last[2]:
            raise VerificationError(f"entry {entry.index} does not follow from the entry before it of {entry.body['subject']}")
        chain.append((entry.index, entry.revision, entry.leaf))
        if entry.body["action"] == SNAPSHOT_ACTION and not self._begun_before:
            self._check_snapshot(entry)

    def _check_snapshot(self, entry: Entry) -> None:
        what = f"the snapshot in entry {entry.index}"
        detail = as_object(entry.body["detail"], what)
        upto, root = as_count(detail.get("upto"), f"'upto' of {what}"), as_digest(detail.get("root"), f"the root of {what}")
        leaves = []
        for subject_id, chain in sorted(self.heads.items()):
            at = bisect_right(chain, upto - 1, key=lambda place: place[0])
            if at:
                _, revision, leaf = chain[at - 1]
                leaves.append(leaf_hash(canonical_json(leaf_of(subject_id, revision, leaf))))
        if upto > entry.index or root_of(leaves) != root:
            raise VerificationError(f"{what} is of another state than the entries before it give")
        self.snapshots += 1
