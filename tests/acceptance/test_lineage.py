"""Families that arrive in any order at several processes, one of which dies: every edge is drawn, once, and no circle."""

from __future__ import annotations

import random
import threading
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from studbook.config import Settings
from studbook.services.audit.fsck import check_logs
from studbook.services.audit.guard import FileGuard
from studbook.services.registry import open_registry
from tests.acceptance.test_processes import run_all
from tests.lineage.conftest import external, version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

FAMILIES = 12
CHAIN = ("base", "tuned", "adapter", "merged", "quantized")


def family(number: int) -> list[dict[str, Any]]:
    """A chain of five, and two that each call the other their base."""
    names = [f"{part}-{number}" for part in CHAIN]
    chain = [version(names[0], identifiers={"huggingface": f"org/{names[0]}"})]
    for before, name in pairwise(names):
        chain.append(version(name, external(f"huggingface:org/{before}"), identifiers={"huggingface": f"org/{name}"}))
    one, other = f"one-{number}", f"other-{number}"
    circle = [
        version(mine, external(f"huggingface:org/{its}"), identifiers={"huggingface": f"org/{mine}"})
        for mine, its in ((one, other), (other, one))
    ]
    return [*chain, *circle]


def test_two_processes_race_and_one_dies(
    make_server: MakeServer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [make_server().start().wait_ready() for _ in range(2)]
    documents = [document for number in range(FAMILIES) for document in family(number)]
    random.Random(5).shuffle(documents)
    half = threading.Event()
    done: set[str] = set()

    def register(client: httpx.Client, share: list[dict[str, Any]]) -> None:
        for document in share:
            model = document["model"]["name"]
            try:
                answer = client.post("/ingest", json=document, headers={"Idempotency-Key": model})
            except httpx.TransportError:
                return
            assert answer.status_code == 201, answer.text
            done.add(model)
            if len(done) > len(documents) // 2:
                half.set()

    def kill() -> None:
        half.wait(60)
        servers[0].kill()

    acts = [partial(register, servers[place % 2].client(), documents[place::6]) for place in range(6)]
    run_all(kill, *acts)
    with servers[1].client() as client:
        # What died with its process is sent again, as the spool would; what had been stored is not stored twice.
        register(client, [document for document in documents if document["model"]["name"] not in done])
        assert len(done) == len(documents)
        for number in range(FAMILIES):
            tree = client.get(
                f"/lineage/models/quantized-{number}/versions/1", params={"direction": "upstream", "depth": 10}
            ).json()
            drawn = {(edge["source"].split("/")[1], edge["target"].split("/")[1]) for edge in tree["edges"]}
            assert drawn == set(pairwise(f"{part}-{number}" for part in CHAIN))
            assert len(tree["edges"]) == len(drawn)
            # Of two that are each other's base only the first can be believed.
            pair = client.get(f"/lineage/models/one-{number}/versions/1").json()
            assert len(pair["edges"]) == 1
        waiting = client.get("/lineage/health").json()["references"]
        assert waiting["count"] == FAMILIES
        versions = [client.get(f"/models/{document['model']['name']}/versions").json()["items"] for document in documents]
        assert {len(items) for items in versions} == {1}
        client.patch("/models/base-0", json={"description": "at rest"}, params={"wait": "proof"})
    assert servers[1].stop() == 0
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    registry = open_registry(database_url, upgrade=False)
    reports = check_logs(registry.database, FileGuard(Settings().guard_folder()), ())
    findings = [finding for report in reports for finding in report.findings]
    registry.close()
    assert findings == []
