"""Opens the shards of logs: the log's own record and its first key are its first entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.merkle.hashing import EMPTY_ROOT
from studbook.services.recording import heading
from studbook.storage.references import Found
from studbook.storage.tables import log_trees

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject
    from studbook.merkle.notes import VerifierKey
    from studbook.services.recording import Recorder


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


def add_key(recorder: Recorder, shard: int, key: VerifierKey) -> None:
    """Stage a key with which the shard's checkpoints are signed from now on."""
    found = Found(new_id(), Kind.LOG_KEY, f"logs/{shard}/keys/{key.key_id.hex()}")
    record: JsonObject = {
        **heading(recorder, Kind.LOG_KEY, found),
        "shard": shard,
        "vkey": str(key),
        "fingerprint": key.fingerprint,
        "algorithm": key.algorithm.name.lower().replace("_", "-"),
        "status": "active",
    }
    recorder.register(Action.LOG_KEY_ADDED, record)
