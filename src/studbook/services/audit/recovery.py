"""The drill after a rollback: the database's log is behind what was signed.

Either the missing entries are brought back from a mirror, when they hash to the root that the guard holds; or the shard is given
up: it is closed as it is, a new shard is opened under a new origin, and its first entries record the loss. A name that was
used for a signed state is never used for another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from studbook.domain.entries import read_entry
from studbook.domain.errors import ConflictError
from studbook.domain.events import Action
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.proofs import verify_consistency
from studbook.merkle.tiles import consistency_proof
from studbook.merkle.tree import CompactRange
from studbook.services.audit.erasing import VALUES_IN_ENTRY
from studbook.services.audit.guard import GuardError
from studbook.services.audit.integration import append
from studbook.services.audit.rebuilding import rebuild
from studbook.services.audit.shards import make_next_key, open_next, quote
from studbook.services.audit.tiles import StoredTiles
from studbook.services.ingestion.resolution import load_record
from studbook.services.recording import Recorder
from studbook.storage import facts, log, scanning
from studbook.storage.tables import events, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.merkle.checkpoint import Checkpoint
    from studbook.services.caller import Caller
    from studbook.services.reading import Shown
    from studbook.services.registry import Registry
    from studbook.storage.log import Tree
    from studbook.storage.unit_of_work import Transaction


class RecoveryError(Exception):
    """The log cannot be recovered this way; nothing was changed."""


def find_gap(registry: Registry, namespace_id: int) -> tuple[Tree, Checkpoint]:
    """How far the open shard is behind its guard: its tree, and the checkpoint that the guard holds.

    Raises RecoveryError when it is not behind.
    """
    with registry.database.read() as connection:
        tree = log.get_tree(connection, namespace_id)
        row = log.find_log(connection, namespace_id, tree.shard)
    assert row is not None  # noqa: S101 - a tree has its log's record
    try:
        guarded = registry.guard.load(row.origin)
    except GuardError as error:
        raise RecoveryError(str(error)) from error
    if guarded is None:
        message = f"the guard holds no checkpoint of {row.origin}; studbook audit recover --guard-from FILE gives it one"
        raise RecoveryError(message)
    if guarded.size <= tree.size:
        message = f"the log {row.origin} has {tree.size} entries and {guarded.size} were signed: nothing is missing"
        raise RecoveryError(message)
    return tree, guarded


def import_entries(registry: Registry, caller: Caller, entries: Sequence[bytes]) -> int:
    """Bring the missing entries back, from the tree's size up to the guard's, and the tables with them; returns how many.

    Personal values stand in no entry, so those of the entries brought back are lost; an entry says which.

    Raises RecoveryError when the entries are not those that were signed.
    """
    tree, guarded = find_gap(registry, caller.namespace_id)
    whole = CompactRange.decode(tree.size, tree.subtrees)
    whole.extend([leaf_hash(entry) for entry in entries])
    if (whole.size, whole.root()) != (guarded.size, guarded.root):
        message = (
            f"these {len(entries)} entries after the first {tree.size} do not give the signed root over {guarded.size}: "
            "they are of another log, or the database was written on after it was restored"
        )
        raise RecoveryError(message)

    def change(transaction: Transaction) -> int:
        namespace_id = caller.namespace_id
        locked = log.get_tree(transaction.connection, namespace_id, lock=True)
        if locked != tree:
            message = "the log has grown meanwhile; stop every server of this database first"
            raise ConflictError(message)
        placed = [(UUID(entry["id"]), body, entry) for body in entries if (entry := read_entry(body))]
        _restore_events(transaction, namespace_id, placed)
        append(transaction, namespace_id, tree, [(event_id, body) for event_id, body, _ in placed])
        transaction.flush()
        rebuild(transaction, namespace_id)
        _tell(transaction, caller, tree, placed)
        return len(placed)

    return registry.database.work.run(change)  # type: ignore[no-any-return]


def _restore_events(transaction: Transaction, namespace_id: int, placed: Sequence[tuple[UUID, bytes, JsonObject]]) -> None:
    """Insert those events that are gone; one that waited when the backup was made is there, and waits no more."""
    known = scanning.find_events(transaction.connection, namespace_id, [event_id for event_id, _, _ in placed])
    for event_id, body, entry in placed:
        if event_id in known:
            if known[event_id].body != body:
                message = f"the database holds another event under the id {event_id}"
                raise ConflictError(message)
            facts.delete_rows(transaction.connection, outbox, namespace_id, event_id=event_id)
            continue
        transaction.stage(
            events,
            {
                "namespace_id": namespace_id,
                "id": event_id,
                "subject_id": UUID(entry["subject_id"]),
                "revision": entry["rev"],
                "action": entry["action"],
                "actor": entry["actor"],
                "subject": entry["subject"],
                "occurred_at": entry["occurred_at"],
                "body": body,
            },
        )
    transaction.flush()


def _tell(transaction: Transaction, caller: Caller, tree: Tree, placed: Sequence[tuple[UUID, bytes, JsonObject]]) -> None:
    """Log what was brought back, and which personal values were not."""
    lost = [
        {"event": str(event_id), "pointer": place}
        for event_id, _, entry in placed
        for place in entry["private"]
        if place.startswith("/after/")
    ]
    recovered = {"from": tree.size, "entries": len(placed), "lost_values": len(lost)}
    for start in range(0, max(1, len(lost)), VALUES_IN_ENTRY):
        recorder = Recorder(transaction, caller)
        row = log.find_log(transaction.connection, caller.namespace_id, lock=True)
        assert row is not None  # noqa: S101 - a namespace has a log
        detail = {**recovered, "values": lost[start : start + VALUES_IN_ENTRY]}
        recorder.amend(Action.LOG_RECOVERED, row, load_record(row.record), detail=detail)
        transaction.flush()


def accept_loss(registry: Registry, caller: Caller, reason: str) -> Shown:
    """Give the open shard up as it is and open the next one; both say what was signed and is lost.

    Raises RecoveryError when nothing is missing.
    """
    tree, guarded = find_gap(registry, caller.namespace_id)
    with registry.database.read() as connection:
        current = log.find_log(connection, caller.namespace_id, tree.shard)
    assert current is not None  # noqa: S101 - a tree has its log's record
    prefix, key = make_next_key(registry, caller, current)
    signed = {"size": guarded.size, "root": f"sha256:{guarded.root.hex()}"}

    def change(transaction: Transaction) -> Shown:
        locked = log.get_tree(transaction.connection, caller.namespace_id, lock=True)
        if locked != tree:
            message = "the log has grown meanwhile; stop every server of this database first"
            raise ConflictError(message)
        recorder = Recorder(transaction, caller)
        previous = {**quote(current.origin, tree), "signed": signed, "reason": reason}
        shown = open_next(recorder, prefix, tree.shard + 1, key, previous)
        row = log.find_log(transaction.connection, caller.namespace_id, tree.shard, lock=True)
        assert row is not None  # noqa: S101 - it was read above
        lost = {**load_record(row.record), "status": "lost", "lost": signed}
        recorder.amend(Action.LOG_RECOVERED, row, lost, detail={"reason": reason})
        transaction.flush()
        return shown.after(recorder)

    return registry.database.work.run(change)  # type: ignore[no-any-return]


def adopt_guard(registry: Registry, namespace_id: int, checkpoint: Checkpoint) -> None:
    """Give a guard that was lost a verified checkpoint, once the database's log is shown to contain it.

    Raises RecoveryError.
    """
    with registry.database.read() as connection:
        tree = log.get_tree(connection, namespace_id)
        row = log.find_log(connection, namespace_id, tree.shard)
        assert row is not None  # noqa: S101 - a tree has its log's record
        try:
            if checkpoint.origin != row.origin:
                message = f"the checkpoint is of {checkpoint.origin}, not of {row.origin}"
                raise RecoveryError(message)
            known = registry.guard.load(row.origin)
            if known is not None and known.size >= checkpoint.size:
                message = f"the guard holds a checkpoint of {known.size} entries already, which is not to be lowered"
                raise RecoveryError(message)
            if checkpoint.size <= tree.size:
                proof = consistency_proof(checkpoint.size, tree.size, StoredTiles(connection, namespace_id, tree.shard))
                verify_consistency(checkpoint.size, checkpoint.root, tree.size, tree.root, proof)
            if not registry.guard.swap(row.origin, known, checkpoint):
                message = "the guard was changed by another process meanwhile"
                raise RecoveryError(message)
        except (GuardError, VerificationError) as error:
            raise RecoveryError(str(error)) from error
