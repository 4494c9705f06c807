"""What a log serves to anybody who checks it: checkpoints, tiles, proofs; nothing beyond what a checkpoint was signed for."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from studbook.domain.errors import MalformedInputError, NotFoundError
from studbook.merkle.checkpoint import parse_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import parse_note
from studbook.merkle.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    EntryBundle,
    consistency_proof,
    encode_entry_bundle,
    inclusion_proof,
    parse_tile_path,
)
from studbook.services.audit.tiles import StoredTiles
from studbook.storage import log

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.merkle.checkpoint import Checkpoint
    from studbook.storage.graph import AnyRow


def find_shard(connection: Connection, namespace_id: int, shard: int | None) -> AnyRow:
    """A shard's record, by default the newest's.

    Raises NotFoundError.
    """
    row = log.find_log(connection, namespace_id, shard)
    if row is None:
        raise NotFoundError(f"the log of this namespace has no shard {shard}")
    return row


def get_checkpoint(connection: Connection, namespace_id: int, shard: int | None = None, size: int | None = None) -> bytes:
    """The newest checkpoint of a shard, or the one of an exact size, as a signed note.

    Raises NotFoundError.
    """
    number = find_shard(connection, namespace_id, shard).shard
    if size is None:
        row = log.find_checkpoint(connection, namespace_id, number)
    else:
        row = log.find_checkpoint(connection, namespace_id, number, most=size)
    if row is None or (size is not None and row.size != size):
        raise NotFoundError("no checkpoint was signed yet" if size is None else f"no checkpoint of {size} entries was signed")
    return bytes(row.note)


def get_tile(connection: Connection, namespace_id: int, path: str, shard: int | None = None) -> tuple[bytes, bool]:
    """A tile or entry bundle by its path (`tile/0/x001/002`), and whether it is full, and so never changes.

    Raises NotFoundError for a path that is none, or one beyond the newest checkpoint.
    """
    number = find_shard(connection, namespace_id, shard).shard
    try:
        tile = parse_tile_path(path)
    except VerificationError as error:
        raise NotFoundError(str(error)) from None
    newest = log.find_checkpoint(connection, namespace_id, number)
    level = 0 if isinstance(tile, EntryBundle) else tile.level
    covered = (newest.size if newest else 0) >> (TILE_HEIGHT * level)
    if tile.number * TILE_WIDTH + tile.width > covered:
        raise NotFoundError(f"{path} lies beyond the newest signed checkpoint")
    full = tile.width == TILE_WIDTH
    if isinstance(tile, EntryBundle):
        start = tile.number * TILE_WIDTH
        rows = log.list_entries(connection, namespace_id, number, start, start + tile.width)
        if len(rows) != tile.width or any(row.body is None for row in rows):
            raise NotFoundError(f"entries of {path} were purged; their hashes remain in the tiles")
        return encode_entry_bundle([row.body for row in rows]), full
    return StoredTiles(connection, namespace_id, number)(tile), full


def prove_inclusion(connection: Connection, namespace_id: int, shard: int | None, index: int, size: int | None) -> bytes:
    """The audit path of an entry in the tree of a size, by default that of the newest checkpoint."""
    number, newest = _newest(connection, namespace_id, shard)
    size = newest.size if size is None else size
    if not 0 <= index < size <= newest.size:
        message = f"an index below the size, and a size up to {newest.size}, which the newest checkpoint covers, are needed"
        raise MalformedInputError.at("/index", "bad_index", message)
    tiles = StoredTiles(connection, namespace_id, number)
    leaves = log.list_leaf_hashes(connection, namespace_id, number, index, index + 1)
    leaf = base64.b64encode(leaves[0]).decode()
    return _proof({"index": index, "size": size, "leaf_hash": leaf}, inclusion_proof(index, size, tiles))


def prove_consistency(connection: Connection, namespace_id: int, shard: int | None, old: int, new: int | None) -> bytes:
    """That the tree of one size is a prefix of the tree of another, by default that of the newest checkpoint."""
    number, newest = _newest(connection, namespace_id, shard)
    new = newest.size if new is None else new
    if not 0 <= old <= new <= newest.size:
        message = f"sizes that rise, up to {newest.size}, which the newest checkpoint covers, are needed"
        raise MalformedInputError.at("/old", "bad_size", message)
    tiles = StoredTiles(connection, namespace_id, number)
    return _proof({"old": old, "new": new}, consistency_proof(old, new, tiles))


def render_policy(connection: Connection, namespace_id: int, policy: Path | None) -> bytes:
    """The C2SP tlog-policy of the namespace's log: its keys, and the witnesses and the quorum of the registry."""
    lines = [
        "# The keys of this log, as the registry tells them. Compare them with what you got elsewhere:",
        "# a key proves nothing about the one who sends it.",
    ]
    for row in log.list_logs(connection, namespace_id):
        lines += [f"log {key.vkey}" for key in log.list_keys(connection, namespace_id, row.shard)]
    if policy is None:
        lines.append("quorum none")
    else:
        written = policy.read_text(encoding="utf-8").splitlines()
        lines += [line for line in written if not line.strip().startswith(("log ", "log\t"))]
    return "\n".join(lines).encode() + b"\n"


def list_shards(connection: Connection, namespace_id: int) -> bytes:
    """Every shard of the namespace's log, oldest first, with its keys and its newest checkpoint."""
    items = []
    for row in log.list_logs(connection, namespace_id):
        newest = log.find_checkpoint(connection, namespace_id, row.shard)
        keys = log.list_keys(connection, namespace_id, row.shard)
        items.append(
            {
                "shard": row.shard,
                "origin": row.origin,
                "status": row.status,
                "size": row.size,
                "checkpoint_size": newest.size if newest else None,
                "checkpoint_at": newest.created_at if newest else None,
                "keys": [json.loads(key.record) | {"status": key.status} for key in keys],
            }
        )
    return json.dumps({"items": items, "next_page_token": None}, ensure_ascii=False).encode()


def _newest(connection: Connection, namespace_id: int, shard: int | None) -> tuple[int, Checkpoint]:
    number = find_shard(connection, namespace_id, shard).shard
    note = get_checkpoint(connection, namespace_id, number)
    return number, parse_checkpoint(parse_note(note).text)


def _proof(about: JsonObject, hashes: list[bytes]) -> bytes:
    return json.dumps(about | {"hashes": [base64.b64encode(value).decode() for value in hashes]}).encode()
