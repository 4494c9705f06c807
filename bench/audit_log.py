"""The audit log: how fast events become entries, what a proof costs, how fast a check is, what the tree weighs.

The other way that is measured beside ours is what every audit table with a hash chain does: each transaction locks the log's
state, hashes, and writes the new state itself, so all writers stand in one line.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
import sqlalchemy as sa

from studbook.domain.ids import new_id
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.tiles import inclusion_proof
from studbook.merkle.tree import CompactRange
from studbook.services.audit.fsck.findings import LogReport
from studbook.services.audit.fsck.tree import check_tree, rebuild_tree
from studbook.services.audit.integration import append
from studbook.services.audit.tiles import StoredTiles
from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.storage import log
from studbook.storage.log import Tree
from studbook.storage.tables import events, log_tiles, log_trees, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from studbook.services.registry import Registry
    from studbook.storage.unit_of_work import Transaction

_NAMESPACE: Final = 1
_SECONDS: Final = 3.0
_PROCESSES: Final = 2
# As many clients as a busy server has, for the rate; eight for the time, as the bar says.
WRITERS: Final = 32
FEW_WRITERS: Final = 8
SMALL: Final = 10_000
_BODY_BYTES: Final = 400
_PART: Final = 20_000
# A shard that no writer uses, filled with hashes alone.
_LARGE_SHARD: Final = 1_000
_NOW: Final = "2026-03-01T12:00:00.000000Z"
_EVENT: Final = (
    "INSERT INTO events (namespace_id, id, subject_id, revision, action, actor, subject, occurred_at, body)"
    " VALUES (1, %s, %s, 1, 'bench', 'bench', 'bench', %s, %s)"
)
_OUTBOX: Final = "INSERT INTO outbox (namespace_id, event_id) VALUES (1, %s)"


def measure_integration(url: str) -> dict[str, float]:
    """Events a second through the outbox and by hashing in each transaction, and milliseconds from commit to integrated.

    Ours go the way of every write of a server: through the unit of work of one process, with as many clients as the other
    way has connections.
    """
    registry = open_registry(url)
    try:
        prepare(registry)
        started = time.perf_counter()
        _write_through(registry, WRITERS)
        written = _count_written(url)
        while _size(registry) < written:
            time.sleep(0.002)
        integrated = written / (time.perf_counter() - started)
        times = _write_through(registry, FEW_WRITERS, lambda until: _watch(url, until))
        registry.log.close()
        before = _size(registry)
        _write_hashing_for_a_while(url)
        hashed = (_size(registry) - before) / _SECONDS
    finally:
        registry.close()
    return {"integrated": integrated, "hashing": hashed, "to_integrated": statistics.median(times) * 1000}


def _write_through(registry: Registry, clients: int, watch: Callable[[float], list[float]] = lambda _: []) -> list[float]:
    """Let clients write events for a while, and watch them."""
    until = time.perf_counter() + _SECONDS

    def store(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> list[None]:
        transaction.stage(events, *rows)
        transaction.stage(outbox, *({"namespace_id": _NAMESPACE, "event_id": row["id"]} for row in rows))
        transaction.logged.add(_NAMESPACE)
        return [None] * len(rows)

    def write() -> None:
        serial = 0
        while time.perf_counter() < until:
            serial += 1
            row = next(_event_rows([(new_id(), _body(serial))]))
            registry.database.work.submit(store, row, joint="bench").result()

    threads = [threading.Thread(target=write) for _ in range(clients)]
    for thread in threads:
        thread.start()
    times = watch(until)
    for thread in threads:
        thread.join()
    return times


def _write_hashing_for_a_while(url: str) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(_PROCESSES + 1)
    processes = [context.Process(target=_write_all, args=(url, gate)) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    gate.wait(30)
    for process in processes:
        process.join(60)
        if process.exitcode != 0:
            message = "a writer failed"
            raise RuntimeError(message)


def _write_all(url: str, gate: Any) -> None:  # noqa: ANN401 - a barrier of another context
    connections = [psycopg.connect(url, autocommit=True, prepare_threshold=2) for _ in range(WRITERS // _PROCESSES)]
    gate.wait(30)
    until = time.perf_counter() + _SECONDS
    threads = [threading.Thread(target=_write_hashing, args=(connection, until)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _body(serial: int) -> bytes:
    return (b'{"serial":%d,' % serial).ljust(_BODY_BYTES - 1, b"x") + b"}"


def _write_hashing(connection: Any, until: float) -> None:  # noqa: ANN401 - a connection of the driver
    serial = 0
    while time.perf_counter() < until:
        serial += 1
        event, body = new_id(), _body(serial)
        with connection.transaction():
            size, subtrees = connection.execute(
                "SELECT size, subtrees FROM log_trees WHERE namespace_id = 1 AND shard = 1 FOR UPDATE"
            ).fetchone()
            tree = CompactRange.decode(size, subtrees)
            tree.extend([leaf_hash(body)])
            connection.execute(_EVENT, (event, event, _NOW, body))
            connection.execute(
                "INSERT INTO log_entries (namespace_id, shard, entry_index, event_id, leaf_hash) VALUES (1, 1, %s, %s, %s)",
                (size, event, leaf_hash(body)),
            )
            connection.execute(
                "UPDATE log_trees SET size = %s, root = %s, subtrees = %s WHERE namespace_id = 1 AND shard = 1",
                (tree.size, tree.root(), tree.encode()),
            )


def _watch(url: str, until: float) -> list[float]:
    """Seconds from the commit of an event until it stands in the log, one event after the other."""
    times = []
    with psycopg.connect(url, autocommit=True, prepare_threshold=2) as connection:
        while time.perf_counter() < until:
            event = new_id()
            with connection.transaction():
                connection.execute(_EVENT, (event, event, _NOW, _body(0)))
                connection.execute(_OUTBOX, (event,))
            committed = time.perf_counter()
            while not connection.execute(
                "SELECT 1 FROM log_entries WHERE namespace_id = 1 AND event_id = %s", (event,)
            ).fetchone():
                time.sleep(0.001)
            times.append(time.perf_counter() - committed)
            time.sleep(0.01)
    return times


def _count_written(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM events WHERE namespace_id = 1").fetchone()
    assert row is not None  # noqa: S101 - a count has a row
    return int(row[0])


def _size(registry: Registry) -> int:
    with registry.database.read() as connection:
        return log.get_tree(connection, _NAMESPACE).size


def measure_tree(url: str, large: int, checked: int) -> dict[str, float]:
    """What a proof costs in a small and in a large tree, what the tiles weigh, and how fast all hashes are checked."""
    registry = open_registry(url)
    try:
        prepare(registry)
        registry.log.close()
        figures = {}
        grown = Tree(_LARGE_SHARD, 0, b"", b"")
        _add_tree(registry, grown)
        for name, size in (("proof_small", SMALL), ("proof", large)):
            grown = _grow(registry, grown, size, with_events=False)
            figures[name] = _time_proofs(registry, size) * 1000
        figures["tile_bytes"] = _tile_bytes(registry) / large
        figures["fsck"] = _time_check(registry, checked)
    finally:
        registry.close()
    return figures


def _add_tree(registry: Registry, tree: Tree) -> None:
    row = {"namespace_id": _NAMESPACE, "shard": tree.shard, "size": tree.size, "root": tree.root, "subtrees": tree.subtrees}
    registry.database.work.run(lambda transaction: transaction.stage(log_trees, row))


def _grow(registry: Registry, tree: Tree, size: int, *, with_events: bool) -> Tree:
    """Let the tree grow to a size, by the integrator's own code."""
    while tree.size < size:
        start, end = tree.size, min(tree.size + _PART, size)

        def change(transaction: Transaction, before: Tree = tree, first: int = start, last: int = end) -> Tree:
            entries = [(UUID(int=before.shard << 80 | index), _body(index)) for index in range(first, last)]
            if with_events:
                transaction.stage(events, *_event_rows(entries))
                transaction.flush()
            after = append(transaction, _NAMESPACE, before, entries)
            transaction.flush()
            return after

        tree = registry.database.work.run(change)
    return tree


def _event_rows(entries: list[tuple[UUID, bytes]]) -> Iterator[dict[str, Any]]:
    for event, body in entries:
        about = {"action": "bench", "actor": "bench", "subject": "bench", "occurred_at": _NOW}
        yield {"namespace_id": _NAMESPACE, "id": event, "subject_id": event, "revision": 1, "body": body, **about}


def _time_proofs(registry: Registry, size: int) -> float:
    """Seconds of the median proof; each reads its tiles from the database anew."""
    times = []
    with registry.database.read() as connection:
        for number in range(300):
            index = int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:6]) % size
            started = time.perf_counter()
            inclusion_proof(index, size, StoredTiles(connection, _NAMESPACE, _LARGE_SHARD))
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _tile_bytes(registry: Registry) -> int:
    column = sa.func.sum(sa.func.length(log_tiles.c.hashes) + sa.func.length(log_tiles.c.root))
    with registry.database.read() as connection:
        return int(connection.execute(sa.select(column).where(log_tiles.c.shard == _LARGE_SHARD)).scalar_one())


def _time_check(registry: Registry, size: int) -> float:
    """Entries a second of the check of hashes, tiles and root, from the bytes of the entries."""
    shard = _LARGE_SHARD + 1
    tree = Tree(shard, 0, b"", b"")
    _add_tree(registry, tree)
    tree = _grow(registry, tree, size, with_events=True)
    if not registry.database.is_embedded:
        # PostgreSQL does this by itself soon after so many rows came in; the first read before it pays for it.
        with registry.database.read() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE events, log_entries")
    report = LogReport("bench", "bench", size)
    started = time.perf_counter()
    with registry.database.read() as connection:
        rebuilt = rebuild_tree(connection, _NAMESPACE, report, shard, ())
        check_tree(connection, _NAMESPACE, report, rebuilt, tree)
    seconds = time.perf_counter() - started
    if report.findings or rebuilt.size != size:
        message = f"the tree that was made does not hold: {report.findings[:1]}"
        raise RuntimeError(message)
    return size / seconds
