"""Whoever runs the database changes it in every way there is, and each is found by the layer that should find it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.merkle.checkpoint import parse_checkpoint
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import parse_note
from studbook.merkle.tiles import TILE_WIDTH, tile_root
from studbook.merkle.tree import CompactRange
from studbook.services.audit import keeper
from studbook.services.audit.fsck import Layer
from studbook.storage import log, tables
from tests.audit.conftest import NAMESPACE, Site, fill

if TYPE_CHECKING:
    from collections.abc import Callable

T = tables


def _entries(connection: sa.Connection) -> list[Any]:
    statement = sa.select(T.log_entries).where(T.log_entries.c.namespace_id == NAMESPACE)
    return list(connection.execute(statement.order_by(T.log_entries.c.entry_index)))


def _body(connection: sa.Connection, event_id: Any) -> bytes:
    return connection.execute(sa.select(T.events.c.body).where(T.events.c.id == event_id)).scalar_one()


def _edit(connection: sa.Connection, index: int = 20) -> None:
    event_id = _entries(connection)[index].event_id
    changed = _body(connection, event_id).replace(b'"local"', b'"loca1"')
    connection.execute(T.events.update().where(T.events.c.id == event_id).values(body=changed))


def delete_event(connection: sa.Connection) -> None:
    connection.execute(T.events.delete().where(T.events.c.id == _entries(connection)[20].event_id))


def delete_entry(connection: sa.Connection) -> None:
    connection.execute(T.log_entries.delete().where(_of(20)))


def delete_both(connection: sa.Connection) -> None:
    delete_event(connection)
    delete_entry(connection)


def _of(index: int) -> Any:
    return sa.and_(T.log_entries.c.namespace_id == NAMESPACE, T.log_entries.c.entry_index == index)


def swap_entries(connection: sa.Connection) -> None:
    first, second = _entries(connection)[20:22]
    connection.execute(T.log_entries.delete().where(sa.or_(_of(20), _of(21))))
    key = {"namespace_id": NAMESPACE, "shard": 1}
    for index, row in ((20, second), (21, first)):
        values = {**key, "entry_index": index, "event_id": row.event_id, "leaf_hash": row.leaf_hash}
        connection.execute(T.log_entries.insert().values(values))


def edit_tile(connection: sa.Connection) -> None:
    tile = connection.execute(sa.select(T.log_tiles.c.hashes).where(T.log_tiles.c.level == 0)).scalars().first()
    assert tile is not None
    connection.execute(T.log_tiles.update().where(T.log_tiles.c.level == 0).values(hashes=b"\x00" + tile[1:]))


def delete_tile(connection: sa.Connection) -> None:
    connection.execute(T.log_tiles.delete().where(T.log_tiles.c.namespace_id == NAMESPACE))


def delete_tail(connection: sa.Connection) -> None:
    tail = _entries(connection)[-3:]
    connection.execute(T.log_entries.delete().where(T.log_entries.c.event_id.in_([row.event_id for row in tail])))


def older_state(connection: sa.Connection) -> None:
    _set_tree(connection, [row.leaf_hash for row in _entries(connection)[:-4]])


def _set_tree(connection: sa.Connection, leaves: list[bytes]) -> None:
    tree = CompactRange()
    tree.extend(leaves)
    values = {"size": tree.size, "root": tree.root(), "subtrees": tree.encode()}
    connection.execute(T.log_trees.update().where(T.log_trees.c.namespace_id == NAMESPACE).values(values))


def rewrite_without_key(connection: sa.Connection) -> None:
    """Edit an entry and compute everything anew that needs no key."""
    _edit(connection)
    rows = _entries(connection)
    leaves = [leaf_hash(_body(connection, row.event_id)) for row in rows]
    for row, leaf in zip(rows, leaves, strict=True):
        if row.leaf_hash != leaf:
            connection.execute(T.log_entries.update().where(_of(row.entry_index)).values(leaf_hash=leaf))
    for number in range(len(leaves) // TILE_WIDTH):
        tile = b"".join(leaves[number * TILE_WIDTH : (number + 1) * TILE_WIDTH])
        where = (T.log_tiles.c.namespace_id == NAMESPACE, T.log_tiles.c.level == 0, T.log_tiles.c.number == number)
        connection.execute(T.log_tiles.update().where(*where).values(hashes=tile, root=tile_root(tile)))
    _set_tree(connection, leaves)


def fake_checkpoint(connection: sa.Connection) -> None:
    row = connection.execute(sa.select(T.log_checkpoints).where(T.log_checkpoints.c.namespace_id == NAMESPACE)).first()
    assert row is not None
    lines = row.note.split(b"\n")
    lines[2] = b"A" * 43 + b"="
    connection.execute(
        T.log_checkpoints.update()
        .where(T.log_checkpoints.c.namespace_id == NAMESPACE, T.log_checkpoints.c.size == row.size)
        .values(note=b"\n".join(lines))
    )


def event_waits_no_more(connection: sa.Connection) -> None:
    """An event whose outbox row was deleted before it was integrated."""
    row = dict(connection.execute(sa.select(T.events).where(T.events.c.namespace_id == NAMESPACE).limit(1)).mappings().one())
    other = b"\x01\xa2" + row["id"].bytes[2:14] + b"\x00\x00"
    connection.execute(T.events.insert().values({**row, "id": type(row["id"])(bytes=other), "revision": 999}))


def change_event_column(connection: sa.Connection) -> None:
    connection.execute(T.events.update().where(T.events.c.action == "alias.moved").values(actor="somebody else"))


def change_personal_value(connection: sa.Connection) -> None:
    connection.execute(T.private_values.update().values(value=b'"Eve"'))


def delete_personal_values(connection: sa.Connection) -> None:
    connection.execute(T.private_values.delete())


def _first_version(connection: sa.Connection) -> Any:
    """The first version of the first model."""
    statement = sa.select(T.model_versions).where(T.model_versions.c.number == 1).order_by(T.model_versions.c.id)
    row = connection.execute(statement).first()
    assert row is not None
    return row


def _change_version(connection: sa.Connection, **values: Any) -> None:
    row = _first_version(connection)
    connection.execute(T.model_versions.update().where(T.model_versions.c.id == row.id).values(values))


def change_record(connection: sa.Connection) -> None:
    record = _first_version(connection).record
    changed = record.replace(b'"value":0.9', b'"value":0.99')
    assert changed != record
    _change_version(connection, record=changed)


def change_metric(connection: sa.Connection) -> None:
    connection.execute(T.version_metrics.update().where(T.version_metrics.c.name == "f1").values(value=0.99))


def change_column(connection: sa.Connection) -> None:
    _change_version(connection, archived_at="2026-01-01")


def move_alias(connection: sa.Connection) -> None:
    connection.execute(T.aliases.update().values(version_id=_first_version(connection).id))


def remove_owner(connection: sa.Connection) -> None:
    connection.execute(T.owners.delete())


def delete_version(connection: sa.Connection) -> None:
    connection.execute(T.deployments.delete())


def add_tag(connection: sa.Connection) -> None:
    values = {"namespace_id": NAMESPACE, "version_id": _first_version(connection).id, "key": "approved", "value": "yes"}
    connection.execute(T.version_tags.insert().values(values))


def remove_edge(connection: sa.Connection) -> None:
    connection.execute(T.lineage_edges.delete().where(T.lineage_edges.c.relation == "evaluated"))


def rename_node(connection: sa.Connection) -> None:
    connection.execute(T.lineage_nodes.update().where(T.lineage_nodes.c.name == "models/churn/versions/1").values(name="x"))


def change_point(connection: sa.Connection) -> None:
    connection.execute(T.run_metrics.update().where(T.run_metrics.c.position == 4).values(value=0.0))


def delete_points(connection: sa.Connection) -> None:
    connection.execute(T.run_metrics.delete().where(T.run_metrics.c.position == 4))


def widen_token(connection: sa.Connection) -> None:
    connection.execute(T.api_tokens.update().values(access="admin", expires_at="2099-01-01"))


ATTACKS: dict[Callable[[sa.Connection], None], Layer] = {
    delete_event: Layer.STRUCTURE,
    delete_entry: Layer.STRUCTURE,
    delete_both: Layer.STRUCTURE,
    _edit: Layer.HASHES,
    swap_entries: Layer.HASHES,
    edit_tile: Layer.HASHES,
    delete_tile: Layer.STRUCTURE,
    delete_tail: Layer.STRUCTURE,
    older_state: Layer.STRUCTURE,
    rewrite_without_key: Layer.CHECKPOINTS,
    fake_checkpoint: Layer.CHECKPOINTS,
    event_waits_no_more: Layer.STRUCTURE,
    change_event_column: Layer.CHAINS,
    change_personal_value: Layer.VALUES,
    delete_personal_values: Layer.VALUES,
    change_record: Layer.REPLAY,
    change_metric: Layer.REPLAY,
    change_column: Layer.REPLAY,
    move_alias: Layer.REPLAY,
    remove_owner: Layer.REPLAY,
    delete_version: Layer.REPLAY,
    add_tag: Layer.REPLAY,
    remove_edge: Layer.REPLAY,
    rename_node: Layer.REPLAY,
    change_point: Layer.REPLAY,
    delete_points: Layer.REPLAY,
    widen_token: Layer.REPLAY,
}


@pytest.fixture
def attacked(filled: Site) -> Site:
    """A site whose log has a full tile, too, and in which nothing is wrong yet."""
    with filled.open() as client:
        fill(client, 120, "large")
    assert [finding for report in filled.fsck() for finding in report.findings] == []
    return filled


def test_every_attack_on_rows_is_found_by_its_layer(attacked: Site, restore: Callable[[], Callable[[], None]]) -> None:
    put_back = restore()
    for attack, layer in ATTACKS.items():
        with attacked.as_operator() as connection:
            attack(connection)
        found = [finding for report in attacked.fsck() for finding in report.findings]
        assert layer in {finding.layer for finding in found}, (attack.__name__, found)
        put_back()
        assert not any(report.findings for report in attacked.fsck()), attack.__name__


def _kept_checkpoint(site: Site) -> Any:
    with site.database() as database, database.read() as connection:
        statement = sa.select(T.log_checkpoints.c.note).where(T.log_checkpoints.c.namespace_id == NAMESPACE)
        note = connection.execute(statement.order_by(T.log_checkpoints.c.size.desc())).scalars().first()
    assert note is not None
    return parse_checkpoint(parse_note(note).text)


def _layers(site: Site, *against: Any) -> set[Layer]:
    return {finding.layer for report in site.fsck(*against) for finding in report.findings}


def test_an_older_backup_passes_every_check_of_the_database_alone_and_not_the_guards(
    filled: Site, restore: Callable[[], Callable[[], None]]
) -> None:
    put_back = restore()
    with filled.open() as client:
        fill(client, 2, "later")
    kept = _kept_checkpoint(filled)
    put_back()
    assert _layers(filled) == {Layer.GUARD}
    # Somebody who lowers the guard, too, is found by a checkpoint that was kept elsewhere.
    lower_guard(filled)
    assert _layers(filled) == set()
    assert _layers(filled, kept) == {Layer.GUARD}


def lower_guard(site: Site) -> None:
    with site.database() as database, database.read() as connection:
        rows = connection.execute(sa.select(T.log_checkpoints).order_by(T.log_checkpoints.c.size)).all()
    for row in rows:
        checkpoint = parse_checkpoint(parse_note(row.note).text)
        site.guard.path(checkpoint.origin).write_bytes(checkpoint.text)


def test_a_backup_that_was_written_on_is_a_fork_that_the_guard_and_kept_checkpoints_show(
    filled: Site, restore: Callable[[], Callable[[], None]]
) -> None:
    put_back = restore()
    with filled.open() as client:
        fill(client, 2, "lost")
    kept = _kept_checkpoint(filled)
    put_back()
    guarded = filled.guard.path(kept.origin).read_bytes()
    lower_guard(filled)
    with filled.open() as client:
        fill(client, 2, "forked")
        fill(client, 2, "forked-more")
    assert _layers(filled, kept) == {Layer.GUARD}
    filled.guard.path(kept.origin).write_bytes(guarded)
    assert Layer.GUARD in _layers(filled)


def test_signing_and_writing_stop_after_an_older_backup_and_reading_goes_on(
    filled: Site, restore: Callable[[], Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    put_back = restore()
    with filled.open() as client:
        fill(client, 2, "later")
    put_back()
    with filled.open() as client:
        refused = client.patch("/models/churn", json={"description": "x"})
        assert (refused.status_code, refused.json()["code"]) == (503, "log_halted")
        assert "older state" in refused.json()["detail"]
        assert client.get("/models/churn").status_code == 200
    assert any("ALARM" in record.message for record in caplog.records)


def test_a_lost_guard_stops_signing(filled: Site) -> None:
    filled.guard.path(filled.origin()).unlink()
    with filled.open() as client:
        refused = client.patch("/models/churn", json={"description": "x"})
        assert refused.json()["code"] == "log_halted"
        assert "guard has no checkpoint" in refused.json()["detail"]


def test_nothing_is_built_upon_a_record_that_differs_from_its_log(filled: Site) -> None:
    with filled.as_operator() as connection:
        change_record(connection)
    with filled.open() as client:
        refused = client.patch("/models/churn/versions/1", json={"description": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "record_differs_from_log")


def test_an_entry_that_was_changed_before_signing_is_not_signed(filled: Site) -> None:
    with filled.open() as client:
        client.post("/tokens", params={"wait": "proof"}, json={"name": "one", "access": "read"})
        transport: Any = client._transport
        kept = transport._registry.log
        with filled.as_operator() as connection:
            entries = _entries(connection)
            connection.execute(T.log_checkpoints.delete().where(T.log_checkpoints.c.size == len(entries)))
            _edit(connection, len(entries) - 1)
        previous = _kept_checkpoint(filled)
        filled.guard.path(previous.origin).write_bytes(previous.text)
        answer = client.post("/tokens", params={"wait": "proof"}, json={"name": "two", "access": "read"})
        assert answer.json().get("receipts") == {}
        assert "not what was hashed" in kept.halted[NAMESPACE]
        # Looking again finds the same; only what can be signed is written again.
        kept.check_all()
        assert "not what was hashed" in kept.halted[NAMESPACE]
        assert client.post("/tokens", json={"name": "three", "access": "read"}).json()["code"] == "log_halted"


def test_a_server_that_was_left_running_goes_on_once_its_log_is_whole_again(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_RECHECK_SECONDS", 0.1)
    guarded = filled.guard.path(filled.origin())
    text = guarded.read_bytes()
    guarded.unlink()
    with filled.open() as client:
        assert client.patch("/models/churn", json={"description": "x"}).json()["code"] == "log_halted"
        guarded.write_bytes(text)
        deadline = time.monotonic() + 10
        while (
            answer := client.patch("/models/churn", json={"description": "x"})
        ).status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert answer.status_code == 200


def test_a_process_that_another_one_overtook_does_not_take_it_for_a_rollback(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.open() as client:
        transport: Any = client._transport
        publisher = transport._registry.log._publisher
        with filled.database() as database, database.read() as connection:
            older = [log.get_state(connection, NAMESPACE)]
        answer = client.patch("/models/churn", params={"wait": "proof"}, json={"description": "newer"})
        assert answer.json()["receipts"]
        now = log.get_state
        monkeypatch.setattr(log, "get_state", lambda *given: older.pop() if older else now(*given))
        older[0] = replace(older[0], checkpoint_size=None, checkpoint=None)
        assert publisher.publish(NAMESPACE).size > 0
        assert older == []
        assert transport._registry.log.halted == {}
