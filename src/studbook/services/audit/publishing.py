"""The publisher: signs a checkpoint of what is integrated, after everything it must not contradict has been looked at.

In this order, so that a crash at any point leaves nothing that another run would not do again in the same way:

1. new entries are read back from the database and hashed anew, and the root is computed by another way than the integrator's
   (from tiles instead of from a running range);
2. the guard's checkpoint is shown to be a prefix of this tree, else signing stops;
3. the guard is changed by compare-and-swap;
4. the checkpoint is signed and cosigned by witnesses;
5. it is stored, and so published.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.domain.types import format_time
from studbook.merkle.checkpoint import Checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import Algorithm, Note, parse_vkey
from studbook.merkle.proofs import verify_consistency
from studbook.merkle.tiles import consistency_proof, full_tiles_between, tile_root, tree_root
from studbook.services.audit.guard import GuardError
from studbook.services.audit.tiles import StoredTiles
from studbook.services.audit.witnessing import QuorumError, RollbackError
from studbook.storage import log

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.services.audit.guard import FileGuard
    from studbook.services.audit.keys import KeyFolder, Signer
    from studbook.services.audit.tiles import Known
    from studbook.services.audit.witnessing import Witnesses
    from studbook.storage.database import Database
    from studbook.storage.log import State, Tree
    from studbook.storage.unit_of_work import Transaction

_log = logging.getLogger(__name__)

# Two publishers may race for the guard; one of them is through after a few tries.
_ATTEMPTS: Final = 20
# Entries that are read back at once: they may be 64 KiB each.
_PART: Final = 256


class HaltError(Exception):
    """The log contradicts what was signed before, or cannot be shown not to: signing stops until people have looked."""


class UnsignedError(Exception):
    """This process cannot sign the log's checkpoints, which is no contradiction: its keys, or its witnesses, are elsewhere."""


class _OvertakenError(Exception):
    """Another process integrated and signed more since the state was read."""


@dataclass(frozen=True, slots=True)
class Published:
    """The last checkpoint of a shard."""

    shard: int
    size: int
    note: bytes
    # What was read of its tiles to verify it.
    tiles: Known = field(default_factory=dict)


class Publisher:
    """Signs the checkpoints of one registry's logs."""

    def __init__(self, database: Database, keys: KeyFolder, guard: FileGuard, witnesses: Witnesses) -> None:
        self._database = database
        self._keys = keys
        self._guard = guard
        self._witnesses = witnesses

    def publish(self, namespace_id: int) -> Published:
        """Sign the newest state of a namespace's log unless that was done; returns its newest checkpoint.

        A shard that was frozen meanwhile gets its last checkpoint first.

        Raises HaltError, UnsignedError.
        """
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(_OvertakenError):
                return self._publish_all(namespace_id)
        message = f"other processes keep signing the log of namespace {namespace_id} first"
        raise UnsignedError(message)

    def _publish_all(self, namespace_id: int) -> Published:
        with self._database.read() as connection:
            state = log.get_state(connection, namespace_id)
            frozen = log.list_unsigned_shards(connection, namespace_id, state.tree.shard) if state.tree.shard > 1 else []
            earlier = [log.get_state(connection, namespace_id, shard) for shard in frozen]
        for other in earlier:
            self._publish(namespace_id, other)
        return self._publish(namespace_id, state)

    def _publish(self, namespace_id: int, state: State) -> Published:
        tree = state.tree
        if state.checkpoint is not None and state.checkpoint_size == tree.size:
            return Published(tree.shard, tree.size, state.checkpoint)
        checkpoint = Checkpoint(state.origin, tree.size, tree.root)
        signers = self._signers(state)
        with self._database.read() as connection:
            tiles = StoredTiles(connection, namespace_id, tree.shard)
            self._advance_guard(connection, namespace_id, checkpoint, state, tiles)
        note = Note(checkpoint.text, tuple(signer.sign(checkpoint.text) for signer in signers))
        try:
            note = self._witnesses.cosigned(note, checkpoint, lambda old: self._prove(namespace_id, tree.shard, old, tree.size))
        except RollbackError as error:
            raise HaltError(str(error)) from error
        except QuorumError as error:
            raise UnsignedError(str(error)) from error
        encoded = note.encode()
        # Not in line with the registry's own writes, which this would make wait.
        self._database.log_work.run(lambda transaction: _store(transaction, namespace_id, tree, encoded))
        return Published(tree.shard, tree.size, encoded, tiles.known)

    def check(self, namespace_id: int) -> None:
        """Whether the log may grow: what the guard holds lies within the tree.

        Raises HaltError when it does not.
        """
        with self._database.read() as connection:
            state = log.get_state(connection, namespace_id)
        with contextlib.suppress(_OvertakenError):
            self._load_guard(namespace_id, state)

    def _signers(self, state: State) -> list[Signer]:
        keys = [parse_vkey(vkey) for vkey in state.vkeys]
        try:
            signers = [signer for key in keys if (signer := self._keys.find(key)) is not None]
        except (VerificationError, OSError) as error:
            raise UnsignedError(f"a key of this log cannot be used: {error}") from error
        if not any(signer.verifier_key.algorithm is Algorithm.ED25519 for signer in signers):
            names = ", ".join(str(self._keys.path(key)) for key in keys)
            raise UnsignedError(
                f"no key of this log is here, so its checkpoints are not signed by this process; it looks for {names}"
            )
        return signers

    def _load_guard(self, namespace_id: int, state: State) -> Checkpoint | None:
        origin, size = state.origin, state.tree.size
        try:
            guarded = self._guard.load(origin)
        except GuardError as error:
            raise HaltError(str(error)) from error
        if guarded is None and state.checkpoint is not None:
            message = (
                f"the guard has no checkpoint of {origin}, though the database holds one of {state.checkpoint_size} entries: "
                f"was {self._guard.folder} lost or moved? See docs/howto/recover-the-log.md"
            )
            raise HaltError(message)
        if guarded is not None and guarded.size > size:
            # Whoever moved the guard had integrated that much before, so a state that is read after it tells.
            with self._database.read() as connection:
                if log.get_state(connection, namespace_id, state.tree.shard).tree.size >= guarded.size:
                    raise _OvertakenError
            message = (
                f"the log {origin} has {size} entries, and a checkpoint of {guarded.size} was signed: "
                "the database was restored from an older state or cut back. See docs/howto/recover-the-log.md"
            )
            raise HaltError(message)
        return guarded

    def _advance_guard(
        self, connection: Connection, namespace_id: int, checkpoint: Checkpoint, state: State, tiles: StoredTiles
    ) -> None:
        """Bring the guard to the checkpoint once that was shown to follow from what it holds."""
        verified = -1
        for _ in range(_ATTEMPTS):
            guarded = self._load_guard(namespace_id, state)
            start = guarded.size if guarded else 0
            if verified != start:
                self._verify(connection, namespace_id, state.tree, guarded, tiles)
                verified = start
            if guarded == checkpoint:
                return
            try:
                if self._guard.swap(checkpoint.origin, guarded, checkpoint):
                    return
            except GuardError as error:
                raise UnsignedError(str(error)) from error
        message = f"others keep changing the guard of {checkpoint.origin}"
        raise UnsignedError(message)

    def _verify(
        self, connection: Connection, namespace_id: int, tree: Tree, guarded: Checkpoint | None, tiles: StoredTiles
    ) -> None:
        try:
            _verify_growth(connection, namespace_id, tree, guarded, tiles)
        except VerificationError as error:
            since = f" since the signed checkpoint of {guarded.size} entries" if guarded else ""
            raise HaltError(f"the log of namespace {namespace_id} does not follow{since}: {error}") from error

    def _prove(self, namespace_id: int, shard: int, old: int, new: int) -> list[bytes]:
        with self._database.read() as connection:
            return consistency_proof(old, new, StoredTiles(connection, namespace_id, shard))


def _verify_growth(connection: Connection, namespace_id: int, tree: Tree, guarded: Checkpoint | None, tiles: StoredTiles) -> None:
    """Compute everything anew that a signature would make final.

    Raises VerificationError.
    """
    start = guarded.size if guarded else 0
    _recheck_entries(connection, namespace_id, tree, start)
    for tile in full_tiles_between(start, tree.size):
        roots = log.list_tile_roots(connection, namespace_id, tree.shard, tile.level, tile.number, tile.number + 1)
        if roots != [tile_root(tiles(tile))]:
            raise VerificationError(f"{tile.path} is stored with another root than its hashes have")
    if tree_root(tree.size, tiles) != tree.root:
        raise VerificationError("the root from the stored tiles is not the integrator's")
    if guarded is not None:
        proof = consistency_proof(guarded.size, tree.size, tiles)
        verify_consistency(guarded.size, guarded.root, tree.size, tree.root, proof)


def _recheck_entries(connection: Connection, namespace_id: int, tree: Tree, start: int) -> None:
    """Read the new entries back from the database and hash them anew: one flipped bit, once signed, cannot be mended."""
    expected = start
    for rows in log.iter_entries(connection, namespace_id, tree.shard, start, tree.size, step=_PART):
        for index, stored, body in ((row.entry_index, row.leaf_hash, row.body) for row in rows):
            if index != expected or body is None or leaf_hash(body) != stored:
                raise VerificationError(f"entry {expected} is not what was hashed when it was integrated")
            expected += 1
    if expected != tree.size:
        raise VerificationError(f"entry {expected} is missing")


def _store(transaction: Transaction, namespace_id: int, tree: Tree, note: bytes) -> None:
    log.store_checkpoint(transaction.connection, namespace_id, tree.shard, tree.size, note, format_time(datetime.now(UTC)))
