"""Care for the log: erasure, holds, retention, shards, keys, snapshots, and the drills after a loss."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.evidence.format import read_bundle
from studbook.evidence.verifying import verify_bundle
from studbook.merkle.checkpoint import open_checkpoint, parse_checkpoint
from studbook.merkle.notes import Algorithm, parse_note, parse_vkey
from studbook.merkle.policy import parse_policy
from studbook.services.audit.rebuilding import rebuild
from studbook.services.audit.recovery import RecoveryError, accept_loss, adopt_guard, import_entries
from studbook.services.caller import local_caller
from studbook.services.registry import open_registry
from studbook.storage import tables
from studbook.testing import make_document
from tests.audit.conftest import NAMESPACE, Site, fill
from tests.audit.test_history import get, logged_size
from tests.audit.test_tampering import ATTACKS, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from studbook.services.registry import Registry

CALLER = local_caller(NAMESPACE)


def act(client: httpx.Client, method: str, path: str, body: Any = None, status: int = 201, **params: Any) -> Any:
    answer = client.request(method, path, json=body, params={"wait": "proof", **params})
    assert answer.status_code == status, answer.text
    return answer.json()


def findings(site: Site) -> list[Any]:
    return [finding for report in site.fsck() for finding in report.findings]


def fill_owners(client: httpx.Client) -> None:
    client.post("/ingest", json=make_document())
    client.post("/ingest", json=make_document("other"))
    for model in ("churn", "other"):
        for name in ("Ada", "Eve"):
            owner = {"name": name, "email": f"{name.lower()}@example.org"}
            act(client, "PATCH", f"/models/{model}", {"owners": [owner]}, 200)


@contextlib.contextmanager
def registry_of(site: Site) -> Iterator[Registry]:
    """The registry as a command of the operator opens it: without its thread, so that a halted log can be mended."""
    registry = open_registry(site.url, upgrade=False)
    try:
        yield registry
    finally:
        registry.database.close()


def test_erasing_takes_every_value_of_a_person_and_leaves_every_proof_valid(site: Site) -> None:
    with site.open() as client:
        fill_owners(client)
        event = get(client, "/models/churn/history")["items"][1]["id"]
        before = client.get(f"/audit/receipts/{event}").text, client.get(f"/audit/events/{event}/entry").content
        answer = act(client, "POST", "/audit/erasures", {"value": "eve@example.org", "reason": "request 17 under art. 17"})
        assert (answer["values"], answer["subjects"]) == (2, 2)
        assert get(client, "/models/churn")["owners"] == [{"name": "Eve", "email": None}]
        answer = act(client, "POST", "/audit/erasures", {"subject": "churn", "reason": "request 18"})
        assert answer["values"] == 4  # two of Ada, and the name of Eve in two revisions
        assert get(client, "/models/churn")["owners"] == [{"name": None, "email": None}]
        assert [item["after"]["owners"] for item in get(client, "/models/churn/history")["items"][-3:-1]] == [
            [{"name": None, "email": None}]
        ] * 2
        assert get(client, "/models/other")["owners"] == [{"name": "Eve", "email": None}]
        assert client.get(f"/audit/events/{event}/entry").content == before[1]
        act(client, "PATCH", "/models/churn", {"description": "goes on"}, 200)
        assert client.get("/models/churn").status_code == 200
        nothing = client.post("/audit/erasures", json={"reason": "none"})
        assert (nothing.status_code, nothing.json()["errors"][0]["code"]) == (422, "nothing_to_erase")
    reports = site.fsck()
    assert [finding for report in reports for finding in report.findings] == []
    assert sum(report.erased for report in reports) == 6
    with site.database() as database, database.read() as connection:
        left = connection.execute(sa.select(tables.private_values.c.value)).scalars().all()
    assert b"eve@example.org" not in b"".join(left)


def test_a_token_s_title_can_be_erased_and_the_token_goes_on(site: Site) -> None:
    with site.open() as client:
        token = act(client, "POST", "/tokens", {"name": "Ada's laptop", "access": "read"})
        act(client, "POST", "/audit/erasures", {"subject": f"tokens/{token['id']}", "reason": "she has left"})
        shown = next(item for item in get(client, "/tokens")["items"] if item["id"] == token["id"])
        assert (shown["title"], shown["revoked_at"]) == (None, None)
    assert findings(site) == []


def test_a_legal_hold_blocks_erasure_until_it_is_released(site: Site) -> None:
    with site.open() as client:
        fill_owners(client)
        for subject in ("churn", "*"):
            hold = act(client, "POST", "/audit/holds", {"subject": subject, "reason": "case 4711"})
            refused = client.post("/audit/erasures", json={"value": "ada@example.org", "reason": "request"})
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "legal_hold")
            body = {"released": True, "reason": "case closed"}
            assert act(client, "PATCH", f"/audit/holds/{hold['id']}", body, 200)["released_at"]
            act(client, "PATCH", f"/audit/holds/{hold['id']}", body, 200)
        assert len(get(client, "/audit/holds")["items"]) == 2
        assert act(client, "POST", "/audit/erasures", {"value": "ada@example.org", "reason": "request"})["values"] == 2
        assert client.post("/audit/holds", json={"subject": "nothing", "reason": "case"}).status_code == 404
    assert findings(site) == []


def test_a_frozen_shard_gives_way_to_another_origin_and_keeps_its_last_checkpoint(site: Site) -> None:
    with site.open() as client:
        fill(client, 2)
        first = get(client, "/audit/shards")["items"][0]
        frozen = act(client, "POST", "/audit/shards", {"reason": "a new year"})
        assert len(frozen["receipts"]) == 3  # the end of one shard, the beginning of the next, and its key
        fill(client, 2, "later")
        shards = get(client, "/audit/shards")["items"]
        assert [(shard["shard"], shard["status"]) for shard in shards] == [(1, "frozen"), (2, "open")]
        assert shards[1]["origin"] == f"{first['origin']}/2"
        assert shards[0]["checkpoint_size"] == shards[0]["size"]
        last = parse_checkpoint(parse_note(client.get("/audit/logs/1/checkpoint").content).text)
        opened = get(client, "/audit/events", action="log.opened")["items"][0]["detail"]["previous"]
        assert opened == {
            "origin": last.origin, "shard": 1, "size": last.size, "root": f"sha256:{last.root.hex()}",
        }  # fmt: skip
        assert get(client, "/models/churn", as_of="1:12")["model"] == "churn"
        for name in ("churn/1", "later/1"):
            policy = parse_policy(client.get("/audit/policy").content)
            bundle = read_bundle(client.get("/audit/bundle", params={"subject": name}).content)
            assert verify_bundle(bundle, policy.keys).signed.checkpoint.size == bundle.size
        policy = client.get("/audit/policy").text
        assert policy.count("log ") == 2
    assert findings(site) == []


def test_what_outlived_its_period_is_purged_from_a_frozen_shard_and_told_from_what_is_missing(site: Site) -> None:
    with site.open() as client:
        fill_owners(client)
        act(client, "PUT", "/audit/retention/short", {"days": 0, "kinds": ["model"]}, 200)
        act(client, "PUT", "/audit/retention/long", {"days": 365, "kinds": ["model_version"]}, 200)
        assert [item["class"] for item in get(client, "/audit/retention")["items"]] == ["long", "short"]
        refused = client.post("/audit/purges", json={"shard": 1, "reason": "period over"})
        assert refused.json()["errors"][0]["code"] == "shard_is_open"
        act(client, "POST", "/audit/shards", {"reason": "a new year"})
        hold = act(client, "POST", "/audit/holds", {"subject": "other", "reason": "case 4711"})
        act(client, "POST", "/audit/purges", {"shard": 1, "reason": "period over"})
        history = get(client, "/models/churn/history")["items"]
        assert [item["purged"] for item in history] == [False, True, True]
        assert not any(item["purged"] for item in get(client, "/models/other/history")["items"])
        gone = client.get(f"/audit/events/{history[1]['id']}/entry")
        assert (gone.status_code, "purged" in gone.json()["detail"]) == (404, True)
        assert client.get("/models/churn", params={"as_of": history[1]["occurred_at"]}).status_code == 404
        assert client.get("/audit/logs/1/tile/entries/000.p/20").status_code == 404
        assert client.get("/audit/logs/1/tile/0/000.p/20").status_code == 200
        assert client.get(f"/audit/receipts/{history[1]['id']}").status_code == 200
        again = client.post("/audit/purges", json={"shard": 1, "reason": "period over"})
        assert again.json()["errors"][0]["code"] == "nothing_to_purge"
        act(client, "PATCH", f"/audit/holds/{hold['id']}", {"released": True, "reason": "over"}, 200)
        act(client, "PATCH", "/models/churn", {"description": "goes on"}, 200)
    assert findings(site) == []
    with site.as_operator() as connection:
        kept = (
            sa.select(tables.events.c.id)
            .where(tables.events.c.action == "model.changed", tables.events.c.body.is_not(None))
            .limit(1)
        )
        connection.execute(
            tables.events.update().where(tables.events.c.id == connection.execute(kept).scalar_one()).values(body=None)
        )
    assert Layer.STRUCTURE in {finding.layer for finding in findings(site)}


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44"])
def test_keys_rotate_with_an_overlap_and_old_signatures_stay_good(site: Site, algorithm: str) -> None:
    with site.open() as client:
        client.post("/ingest", json=make_document())
        logged_size(client)
        old = client.get("/audit/log/checkpoint").content
        first = get(client, "/audit/shards")["items"][0]["keys"][0]
        key = act(client, "POST", "/audit/keys", {"algorithm": algorithm})
        act(client, "PATCH", "/models/churn", {"description": "both sign"}, 200)
        both = client.get("/audit/log/checkpoint").content
        keys = [parse_vkey(first["vkey"]), parse_vkey(key["vkey"])]
        assert set(open_checkpoint(both, keys)[1].verified) == set(keys)
        assert keys[1].algorithm is (Algorithm.ED25519 if algorithm == "ed25519" else Algorithm.ML_DSA_44)
        refused = client.patch(f"/audit/keys/{first['id']}", json={"status": "retired"})
        if algorithm == "ml-dsa-44":
            assert refused.json()["errors"][0]["code"] == "last_key"
        else:
            assert refused.status_code == 200
            act(client, "PATCH", "/models/churn", {"description": "one signs"}, 200)
            assert open_checkpoint(client.get("/audit/log/checkpoint").content, keys)[1].verified == (keys[1],)
        assert open_checkpoint(old, keys)[1].verified == (keys[0],)
    assert findings(site) == []


def test_a_snapshot_is_logged_and_one_of_another_state_is_found(site: Site) -> None:
    with site.open() as client:
        fill(client, 2)
        act(client, "POST", "/audit/snapshots")
        detail = get(client, "/audit/events", action="log.snapshot")["items"][0]["detail"]
        assert detail["upto"] > 0
        assert detail["root"].startswith("sha256:")
    assert findings(site) == []


def test_snapshots_are_logged_by_themselves_in_each_shard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_SNAPSHOT_EVERY", "20")
    with site.open() as client:
        fill(client, 10)
        act(client, "POST", "/audit/shards", {"reason": "a new year"})
        fill(client, 10, "later")
        act(client, "PATCH", "/models/churn", {"description": "goes on"}, 200)
        logged_size(client)
        events = get(client, "/audit/events", action="log.snapshot")["items"]
        assert {event["subject"] for event in events} == {"logs/1", "logs/2"}
    assert findings(site) == []


def test_missing_entries_are_brought_back_when_they_hash_to_what_was_signed(
    filled: Site, restore: Callable[[], Callable[[], None]]
) -> None:
    put_back = restore()
    size = _size(filled)
    with filled.open() as client:
        fill(client, 2, "later")
        shown = get(client, "/models/later")
        mirror = _entries(filled)
    put_back()
    with registry_of(filled) as registry:
        with pytest.raises(RecoveryError, match="do not give the signed root"):
            import_entries(registry, CALLER, mirror[size + 1 :])
        with pytest.raises(RecoveryError, match="do not give the signed root"):
            import_entries(registry, CALLER, [*mirror[size:-1], mirror[-1].replace(b'"local"', b'"loca1"')])
        assert import_entries(registry, CALLER, mirror[size:]) == len(mirror) - size
    with filled.open() as client:
        brought_back = get(client, "/models/later")
        # Personal values stand in no entry; they are gone with the database, and the log says so.
        assert brought_back == {**shown, "owners": [{"name": None, "email": None}]}
        act(client, "PATCH", "/models/later", {"description": "goes on"}, 200)
    # The points of series stand in no entry either: what is sealed of them is missing, and the check says so.
    assert {finding.layer for finding in findings(filled)} <= {Layer.REPLAY}
    assert all("series" in finding.message for finding in findings(filled))


def test_a_loss_that_is_accepted_is_told_by_both_shards(filled: Site, restore: Callable[[], Callable[[], None]]) -> None:
    put_back = restore()
    with filled.open() as client:
        fill(client, 2, "later")
    put_back()
    with registry_of(filled) as registry:
        accept_loss(registry, CALLER, "the mirror was lost, too")
        with pytest.raises(RecoveryError, match="no checkpoint of"):
            accept_loss(registry, CALLER, "again")
    with filled.open() as client:
        act(client, "PATCH", "/models/churn", {"description": "goes on"}, 200)
        shards = get(client, "/audit/shards")["items"]
        assert [shard["status"] for shard in shards] == ["lost", "open"]
        previous = get(client, "/audit/events", action="log.opened")["items"][0]["detail"]["previous"]
        assert previous["signed"]["size"] > previous["size"]
    reports = filled.fsck()
    assert [finding for report in reports for finding in report.findings] == []
    assert sum(report.lost for report in reports) > 0


def test_a_lost_guard_takes_a_kept_checkpoint_and_never_a_lower_or_a_foreign_one(filled: Site) -> None:
    origin = filled.origin()
    text = filled.guard.path(origin).read_bytes()
    kept = parse_checkpoint(text)
    filled.guard.path(origin).unlink()
    with registry_of(filled) as registry:
        with pytest.raises(RecoveryError, match="different roots"):
            adopt_guard(registry, NAMESPACE, parse_checkpoint(text.replace(text.split(b"\n")[2], b"A" * 43 + b"=")))
        with pytest.raises(RecoveryError, match="is of another"):
            adopt_guard(registry, NAMESPACE, parse_checkpoint(text.replace(origin.encode(), b"another")))
        adopt_guard(registry, NAMESPACE, kept)
        with pytest.raises(RecoveryError, match="not to be lowered"):
            adopt_guard(registry, NAMESPACE, kept)
    with filled.open() as client:
        act(client, "PATCH", "/models/churn", {"description": "goes on"}, 200)
    assert findings(filled) == []


def test_tables_that_were_changed_without_an_event_are_rebuilt_from_the_log(filled: Site) -> None:
    def repair() -> int:
        with registry_of(filled) as registry:
            return int(registry.database.work.run(lambda transaction: rebuild(transaction, NAMESPACE)))

    assert repair() == 0
    for attack, layer in ATTACKS.items():
        # The points of series stand in no entry.
        if layer is not Layer.REPLAY or attack.__name__ in {"change_point", "delete_points"}:
            continue
        with filled.as_operator() as connection:
            attack(connection)
        assert findings(filled), attack.__name__
        repair()
        assert findings(filled) == [], attack.__name__


def test_a_lost_projection_is_rebuilt_whole(filled: Site) -> None:
    with filled.open() as client:
        before = get(client, "/models/churn"), get(client, "/lineage/churn%2F3")
    with filled.as_operator() as connection:
        for table in (
            tables.aliases,
            tables.owners,
            tables.model_tags,
            tables.deployments,
            tables.lineage_edges,
            tables.lineage_nodes,
            tables.datasets,
            tables.registered_models,
        ):
            connection.execute(table.delete())
    with registry_of(filled) as registry:
        assert registry.database.work.run(lambda transaction: rebuild(transaction, NAMESPACE)) > 0
    assert findings(filled) == []
    with filled.open() as client:
        assert (get(client, "/models/churn"), get(client, "/lineage/churn%2F3")) == before


def _size(site: Site) -> int:
    with site.database() as database, database.read() as connection:
        statement = sa.select(tables.log_trees.c.size).where(tables.log_trees.c.namespace_id == NAMESPACE)
        return int(connection.execute(statement).scalar_one())


def _entries(site: Site) -> list[bytes]:
    joined = tables.log_entries.join(
        tables.events,
        sa.and_(
            tables.events.c.namespace_id == tables.log_entries.c.namespace_id, tables.events.c.id == tables.log_entries.c.event_id
        ),
    )
    statement = sa.select(tables.events.c.body).select_from(joined).where(tables.log_entries.c.namespace_id == NAMESPACE)
    with site.database() as database, database.read() as connection:
        return list(connection.execute(statement.order_by(tables.log_entries.c.entry_index)).scalars())
