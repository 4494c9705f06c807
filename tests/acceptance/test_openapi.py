"""Any request that the API's own description allows, and many that it does not: never a 500, always as described."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from studbook.formats.datasets.profile import profile_file
from studbook.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx
    from hypothesis.strategies import SearchStrategy

    from tests.acceptance.conftest import ServerProcess

    MakeServer = Callable[..., ServerProcess]

CHECKS = [checks.not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_RECORDED = {
    "namespace": "default", "model": "churn", "version": "1", "dataset": "churn-train", "schema": "tabular",
    "policy": "approved", "pack": "baseline", "framework": "eu-ai-act",
}  # fmt: skip
# Families of records that are known by id, each with what makes one.
_STATEMENTS = {
    "change-requests": {"subject": "churn/1", "gate": "promote:other", "reason": "to be read"},
    "attestations": {"subject": "churn/1", "type": "bias-review"},
    "waivers": {
        "policy": "approved", "rule": "described", "scope": {"model": "churn"}, "reason": "to be read",
        "compensating_control": "read by hand", "ends_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    },
    "findings": {"subject": "churn/1", "title": "to be read"},
    "recalls": {"subject": "churn/2", "reason": "to be read"},
    "reviews": {"subject": "models/churn", "every_days": 30},
}  # fmt: skip
_POLICY = {
    "name": "approved",
    "match": {"gates": ["promote"], "targets": ["other"]},
    "rules": [{"id": "described", "expression": "has(object.description)", "message": "no description"}],
    "approvals": {"quorum": [{"role": "validator"}]},
    "waivable": {"by": ["risk-officer"]},
    "tests": [{"name": "a", "object": {"description": "x"}, "expect": "pass"}],
}
# The token's own removal would end the test; a stream is no JSON; whoever watches waits up to two minutes for a change.
LEFT_OUT = ("/tokens/{token}", "/ingest/batch", "/watch")


@pytest.fixture
def server(make_server: MakeServer, tmp_path: Path) -> Iterator[ServerProcess]:
    started = make_server(STUDBOOK_LOG_LEVEL="warning").start().wait_ready()
    (tmp_path / "train.csv").write_text("age,kept\n41,yes\n42,no\n")
    fill(started.client(), profile_file(tmp_path / "train.csv").as_entry())
    yield started
    started.stop()


def fill(client: httpx.Client, data: dict[str, Any]) -> None:
    document = make_document()
    document["run"]["experiment"] = "tuning"
    document["datasets"][0] |= data
    for _ in range(2):
        assert client.post("/ingest", json=document).status_code == 201
    client.put("/models/churn/aliases/champion", json={"version": 1})
    client.post("/deployments", json={"version": "churn/1", "target": "prod"})
    client.post("/tokens", json={"name": "x", "access": "read"})
    client.post("/policies", json=_POLICY)
    client.post("/policies/approved/versions/1:move", json={"state": "enforce"})
    for family, document in _STATEMENTS.items():
        made = client.post(f"/{family}", json=document)
        assert made.status_code == 201, made.text
    client.put("/models/churn/aliases/other", json={"version": 2})
    attribute = {"id": 1, "name": "license", "path": "/attributes/license", "type": "string", "store": "column"}
    client.post("/schemas", json={"name": "tabular", "json_schema": {"type": "object"}, "attributes": [attribute]})
    assert client.post("/schemas/tabular/versions/1:publish").status_code == 200


def send(case: Any, server: ServerProcess) -> None:
    response = case.call(headers={"Authorization": f"Bearer {server.token}"})
    case.validate_response(response, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_api_keeps_to_its_description(server: ServerProcess, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith(LEFT_OUT):
            continue
        tried += 1
        strategy: SearchStrategy[Any] = operation.as_strategy(generation_mode=mode)

        @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=strategy)
        def check(case: Any) -> None:
            # Two in three requests reach the records that are there.
            for name, value in _RECORDED.items():
                if name in (case.path_parameters or {}) and hash(json.dumps(case.path_parameters, default=str)) % 3:
                    case.path_parameters[name] = value
            send(case, server)

        # Where a request has nothing that could be wrong, there is no wrong request to send.
        with contextlib.suppress(Unsatisfiable):
            check()
    assert tried > 25


def test_real_answers_fit_their_description(server: ServerProcess) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    client = server.client()
    answer = client.patch("/models/churn", params={"wait": "proof"}, json={"description": "known"})
    event = answer.headers["Studbook-Events"]
    run = client.get("/runs").json()["items"][0]["id"]
    deployment = client.get("/deployments").json()["items"][0]["id"]
    made = {
        parameter: client.get(f"/{family}").json()["items"][0]["id"]
        for parameter, family in (
            ("request", "change-requests"), ("attestation", "attestations"), ("waiver", "waivers"), ("finding", "findings"),
            ("recall", "recalls"), ("review", "reviews"), ("verdict", "verdicts"),
        )
    }  # fmt: skip
    known = {
        **_RECORDED, **made,
        "namespace": "default", "model": "churn", "version": "1", "dataset": "churn-train", "run": run, "alias": "champion",
        "deployment": deployment, "node": "churn/1", "event": event, "shard": "1", "place": "0/000.p/1", "schema": "tabular",
    }  # fmt: skip
    queries = {
        "/resolve": {"identifier": "churn/1"}, "/diff": {"from": "churn/1", "to": "churn/2"},
        "/lineage/paths": {"from": "churn/1", "to": "churn/2"}, "/lineage/shared": {"first": "churn/1", "second": "churn/2"},
        "/drift": {"against": "1"}, "/overlap": {"with": "1"}, "/lineage/{node}/export": {"format": "prov"},
        "/recipe/verification": {"other": "churn/2"},
        "/lineage/edges": {"source": "churn/1", "target": "churn/2"},
        "/proofs/inclusion": {"index": 0}, "/proofs/consistency": {"old": 0}, "/receipts/{event}": {"wait": "proof"},
        "/audit/bundle": {"subject": "churn/1"},
        "/coverage/{framework}": {"subject": "churn/1"},
        "/standing": {"subject": "churn/1"}, "/search": {"q": "churn", "facets": "model", "count": "true"},
    }  # fmt: skip
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.method.upper() != "GET":
            continue
        places = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
        query = next((parameters for end, parameters in queries.items() if operation.path.endswith(end)), {})
        case = operation.Case(path_parameters=places, query=query)
        # An ETag that no record has: what is watched is answered at once.
        response = case.call(headers={"Authorization": f"Bearer {server.token}", "If-None-Match": '"0"'})
        assert response.status_code == 200, operation.path
        case.validate_response(response, checks=CHECKS)
        seen += 1
    assert seen > 18
