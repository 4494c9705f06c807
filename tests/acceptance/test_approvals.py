"""Approvals that are raced by several processes, one of which dies: nobody counts twice, and nothing is done without a quorum."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import httpx

from studbook.config import Settings
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.guard import FileGuard
from studbook.services.registry import open_registry
from studbook.testing import make_document
from tests.acceptance.test_processes import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

MODELS = [f"model-{number}" for number in range(12)]
POLICY = {
    "name": "approved",
    "match": {"gates": ["promote"]},
    "approvals": {"quorum": [{"role": "validator", "count": 2}]},
}


def test_two_processes_race_and_one_dies(
    make_server: MakeServer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [make_server().start().wait_ready() for _ in range(2)]
    with servers[0].client() as admin:
        admin.post("/policies", json=POLICY)
        assert admin.post("/policies/approved/versions/1:move", json={"state": "enforce"}).status_code == 200
        tokens = [
            admin.post("/tokens", json={"name": name, "access": "read", "principal": name, "roles": ["validator"]}).json()[
                "token"
            ]
            for name in ("ann", "ben", "cas", "ann", "ben", "cas")
        ]
        requests = []
        for model in MODELS:
            admin.post("/ingest", json=make_document(model))
            body = {"subject": f"{model}/1", "gate": "promote:champion", "reason": "raced"}
            requests.append(admin.post("/change-requests", json=body).json())
    half = threading.Event()

    def decide(server: ServerProcess, token: str) -> None:
        with httpx.Client(base_url=server.client().base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            for place, request in enumerate(requests):
                if place == len(requests) // 2:
                    half.set()
                body = {"decision": "approve", "binding": request["binding"], "reason": "raced"}
                try:
                    answer = client.post(f"/{request['name']}/decisions", json=body)
                except httpx.TransportError:
                    return
                # Who comes late finds it decided by others, or by the same person already.
                assert answer.status_code in {201, 409}, answer.text

    def kill() -> None:
        half.wait(60)
        servers[0].kill()

    acts = [partial(decide, servers[number % 2], token) for number, token in enumerate(tokens)]
    run_all(kill, *acts)
    with servers[1].client() as admin:
        decided = {one["id"]: one for one in admin.get("/change-requests", params={"page_size": 100}).json()["items"]}
        moved = 0
        for model, request in zip(MODELS, requests, strict=True):
            now = decided[request["id"]]
            people = [decision["by"]["principal"] for decision in now["decisions"]]
            assert len(people) == len(set(people)) <= 2
            assert now["status"] == ("executed" if len(people) == 2 else "open")
            aliases = admin.get(f"/models/{model}").json()["aliases"]
            assert aliases == ({"champion": 1} if len(people) == 2 else {})
            moved += bool(aliases)
        assert moved
        assert len(admin.get("/audit/events", params={"action": "alias.set", "page_size": 100}).json()["items"]) == moved
        admin.patch(f"/models/{MODELS[0]}", json={"description": "at rest"}, params={"wait": "proof"})
    assert servers[1].stop() == 0
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    registry = open_registry(database_url, upgrade=False)
    reports = check_logs(registry.database, FileGuard(Settings().guard_folder()), ())
    findings = [finding for report in reports for finding in report.findings]
    registry.close()
    assert findings == []
