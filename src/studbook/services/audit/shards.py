"""The shards of a log and their keys: opened, frozen, rotated. A shard's own record and its first key are its first entries.

A log that is frozen never grows again, and its name is never used again; the first entry of the shard after it quotes how it
ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.domain.documents import Access, KeyAlgorithm
from studbook.domain.errors import ConflictError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.merkle.hashing import EMPTY_ROOT
from studbook.merkle.notes import Algorithm
from studbook.services.audit.integration import integrate_all
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown, get_by_id, show
from studbook.services.recording import Recorder, heading
from studbook.storage import log, reading
from studbook.storage.references import Found
from studbook.storage.tables import log_trees

if TYPE_CHECKING:
    from uuid import UUID

    from studbook.domain.canonical import JsonObject
    from studbook.merkle.notes import VerifierKey
    from studbook.services.caller import Caller
    from studbook.services.registry import Registry
    from studbook.storage.graph import AnyRow
    from studbook.storage.log import Tree
    from studbook.storage.unit_of_work import Transaction


def origin_of(registry: str, namespace: str, shard: int) -> str:
    """The name of a log in checkpoints: a URL without scheme, unique in the world and never used again."""
    return f"{registry}/{namespace}" if shard == 1 else f"{registry}/{namespace}/{shard}"


def open_shard(recorder: Recorder, registry: str, shard: int, key: VerifierKey, detail: JsonObject | None = None) -> None:
    """Stage a new, empty shard of the namespace's log.

    `detail` tells what became of the shard before it.
    """
    namespace_id = recorder.caller.namespace_id
    found = Found(new_id(), Kind.LOG, f"logs/{shard}")
    record: JsonObject = {
        **heading(recorder, Kind.LOG, found),
        "registry": registry,
        "origin": key.name,
        "shard": shard,
        "status": "open",
    }
    tree = {"namespace_id": namespace_id, "shard": shard, "size": 0, "root": EMPTY_ROOT, "subtrees": b""}
    recorder.transaction.stage(log_trees, tree)
    recorder.register(Action.LOG_OPENED, record, detail=detail)
    add_key(recorder, shard, key)


def freeze(registry: Registry, caller: Caller, reason: str) -> Shown:
    """Freeze the open shard of the namespace's log and open the next one, under a new origin and with a new key."""
    caller.require(Access.ADMIN)
    namespace_id = caller.namespace_id
    current = _get_open(registry, caller)
    prefix, key = make_next_key(registry, caller, current)

    def change(transaction: Transaction) -> Shown:
        connection = transaction.connection
        tree = log.get_tree(connection, namespace_id, lock=True)
        row = log.find_log(connection, namespace_id, lock=True)
        if row is None or tree.shard != current.shard:
            message = "the shard was frozen by somebody else meanwhile"
            raise ConflictError(message)
        recorder = Recorder(transaction, caller)
        recorder.amend(Action.LOG_FROZEN, row, {**load_record(row.record), "status": "frozen"}, detail={"reason": reason})
        transaction.flush()
        tree = integrate_all(transaction, namespace_id, tree)
        return open_next(recorder, prefix, tree.shard + 1, key, quote(row.origin, tree))

    return registry.database.work.run(change)  # type: ignore[no-any-return]


def make_next_key(registry: Registry, caller: Caller, current: AnyRow) -> tuple[str, VerifierKey]:
    """The first part of the logs' names, and a new key for the shard after the current one."""
    prefix: str = load_record(current.record)["registry"]
    return prefix, registry.keys.make(origin_of(prefix, caller.namespace, current.shard + 1)).verifier_key


def open_next(recorder: Recorder, prefix: str, shard: int, key: VerifierKey, previous: JsonObject) -> Shown:
    """Open the shard after another, whose end its first entry quotes; returns the new log's record."""
    open_shard(recorder, prefix, shard, key, {"previous": previous})
    recorder.transaction.flush()
    opened = log.find_log(recorder.transaction.connection, recorder.caller.namespace_id, shard)
    return show(opened).after(recorder)


def quote(origin: str, tree: Tree) -> JsonObject:
    """How a shard ended."""
    return {"origin": origin, "shard": tree.shard, "size": tree.size, "root": f"sha256:{tree.root.hex()}"}


def rotate(registry: Registry, caller: Caller, algorithm: KeyAlgorithm) -> Shown:
    """Add a key to the open shard; from then on checkpoints carry its signature beside those of the keys before it."""
    caller.require(Access.ADMIN)
    current = _get_open(registry, caller)
    key = registry.keys.make(current.origin, algorithm).verifier_key

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        key_id = add_key(recorder, current.shard, key)
        transaction.flush()
        return get_by_id(transaction.connection, Kind.LOG_KEY, caller.namespace_id, key_id).after(recorder)

    return registry.database.work.run(change)  # type: ignore[no-any-return]


def retire(registry: Registry, caller: Caller, key_id: UUID) -> Shown:
    """Let a key sign no further checkpoint; retiring it twice changes nothing.

    Raises NotFoundError, and ConflictError for the last Ed25519 key, without which nothing could be signed.
    """
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        connection, namespace_id = transaction.connection, caller.namespace_id
        row = reading.find_by_id(connection, Kind.LOG_KEY, namespace_id, key_id, lock=True)
        if row is None:
            raise NotFoundError(f"this log has no key with the id {key_id}")
        record, recorder = load_record(row.record), Recorder(transaction, caller)
        if record["status"] == "active":
            rest = [key for key in log.list_keys(connection, namespace_id, record["shard"], "active") if key.id != key_id]
            if not any(load_record(key.record)["algorithm"] == KeyAlgorithm.ED25519 for key in rest):
                message = "this is the last Ed25519 key of the log; add another first (studbook audit keys rotate)"
                raise ConflictError.at("/status", "last_key", message)
            recorder.amend(Action.LOG_KEY_RETIRED, row, {**record, "status": "retired"})
        transaction.flush()
        return get_by_id(connection, Kind.LOG_KEY, namespace_id, key_id).after(recorder)

    return registry.database.work.run(change)  # type: ignore[no-any-return]


def _get_open(registry: Registry, caller: Caller) -> AnyRow:
    with registry.database.read() as connection:
        row = log.find_log(connection, caller.namespace_id)
    if row is None:
        message = "this namespace has no log"
        raise NotFoundError(message)
    return row


def add_key(recorder: Recorder, shard: int, key: VerifierKey) -> UUID:
    """Stage a key with which the shard's checkpoints are signed from now on; returns the id of its record."""
    found = Found(new_id(), Kind.LOG_KEY, f"logs/{shard}/keys/{key.key_id.hex()}")
    record: JsonObject = {
        **heading(recorder, Kind.LOG_KEY, found),
        "shard": shard,
        "vkey": str(key),
        "fingerprint": key.fingerprint,
        "algorithm": (KeyAlgorithm.ML_DSA_44 if key.algorithm is Algorithm.ML_DSA_44 else KeyAlgorithm.ED25519).value,
        "status": "active",
    }
    recorder.register(Action.LOG_KEY_ADDED, record)
    return found.id
