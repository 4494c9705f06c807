"""Checks a registry's logs and tables against each other, and against what was signed and kept outside the database.

Layer by layer: rows without gap, hashes and tiles, signed checkpoints, the guard and checkpoints that others kept, each
subject's chain, the values beside the log, and last the replay, which finds a row that was changed without an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import read_canonical
from studbook.services.audit.fsck import tree
from studbook.services.audit.fsck.chains import read_history
from studbook.services.audit.fsck.findings import Finding, Layer, LogReport
from studbook.services.audit.fsck.replay import Replay
from studbook.services.audit.guard import FileGuard, GuardError
from studbook.storage import log, scanning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from studbook.merkle.checkpoint import Checkpoint
    from studbook.merkle.notes import VerifierKey
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow

__all__ = ["Finding", "Layer", "LogReport", "check_logs"]


def check_logs(
    database: Database, guard: FileGuard, against: Sequence[Checkpoint] = (), witnesses: Sequence[VerifierKey] = ()
) -> Iterator[LogReport]:
    """Check every log; `against` are verified checkpoints that somebody kept, of whichever logs.

    Cosignatures of these witnesses under stored checkpoints must verify, too.
    """
    with database.read() as connection:
        logs = log.list_logs(connection)
        for namespace_id in dict.fromkeys(row.namespace_id for row in logs):
            shards = [row for row in logs if row.namespace_id == namespace_id]
            yield from _check_namespace(connection, shards, guard, against, witnesses)


def _check_namespace(
    connection: Connection,
    shards: list[AnyRow],
    guard: FileGuard,
    against: Sequence[Checkpoint],
    witnesses: Sequence[VerifierKey],
) -> Iterator[LogReport]:
    namespace_id = shards[0].namespace_id
    reports = []
    for row in shards:
        report = LogReport(row.namespace, row.origin, row.size)
        reports.append(report)
        tree.check_rows(connection, namespace_id, report, row.shard)
        _check_shard(connection, namespace_id, row, report, guard, against, witnesses)
    newest = reports[-1]
    tree.check_events(connection, namespace_id, newest)
    history = read_history(connection, namespace_id, newest, [(row.shard, row.size) for row in shards])
    Replay(connection, namespace_id, newest, history).run()
    yield from reports


def _check_shard(
    connection: Connection,
    namespace_id: int,
    row: AnyRow,
    report: LogReport,
    guard: FileGuard,
    against: Sequence[Checkpoint],
    witnesses: Sequence[VerifierKey],
) -> None:
    guarded = None
    sizes = set(scanning.list_checkpoint_sizes(connection, namespace_id, row.shard))
    try:
        guarded = guard.load(row.origin)
        if guarded is None and sizes:
            report.add(Layer.GUARD, "guard", f"{guard.path(row.origin)} is gone, though checkpoints were signed")
    except GuardError as error:
        report.add(Layer.GUARD, "guard", str(error))
    outside = [checkpoint for checkpoint in against if checkpoint.origin == row.origin]
    sizes |= {checkpoint.size for checkpoint in (*outside, *([guarded] if guarded else []))}
    rebuilt = tree.rebuild_tree(connection, namespace_id, report, row.shard, sizes)
    stored = log.find_tree(connection, namespace_id, row.shard)
    if stored is not None:
        tree.check_tree(connection, namespace_id, report, rebuilt, stored)
    tree.check_checkpoints(connection, namespace_id, report, rebuilt, row.shard, witnesses)
    if guarded is not None and _is_known_loss(row, guarded):
        report.lost = guarded.size - row.size
    elif guarded is not None:
        tree.compare_checkpoint(report, Layer.GUARD, "guard", guarded, rebuilt)
    for checkpoint in outside:
        tree.compare_checkpoint(report, Layer.GUARD, f"kept checkpoint {checkpoint.size}", checkpoint, rebuilt)


def _is_known_loss(row: AnyRow, guarded: Checkpoint) -> bool:
    """Whether what the guard holds of a shard is what its record says was lost."""
    if row.status != "lost":
        return False
    record: dict[str, Any] = read_canonical(row.record)
    return record.get("lost") == {"size": guarded.size, "root": f"sha256:{guarded.root.hex()}"}
