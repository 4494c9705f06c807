"""The packs that are shipped: their own tests pass, every rule can fail, and what they refer to is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from studbook.governance.checking import find_policy_faults, run_policy_tests
from studbook.governance.library import list_frameworks, list_packs, load_framework, load_pack
from studbook.schemas.standards import load_standard

if TYPE_CHECKING:
    import httpx

    from studbook.governance.policy import Policy

PACKS = (
    "21-cfr-11", "baseline", "data-protection", "eu-ai-act-gpai", "eu-ai-act-high-risk", "iso-42001", "nist-ai-rmf",
    "release-gate", "sr-26-2", "supply-chain",
)  # fmt: skip
POLICIES = [policy for name in PACKS for policy in load_pack(name).policies]
TYPED = load_standard("studbook.model-version").json_schema


def test_these_are_shipped() -> None:
    assert tuple(list_packs()) == PACKS
    assert list_frameworks() == ["21-cfr-11", "eu-ai-act", "iso-42001", "nist-ai-rmf", "sr-26-2", "studbook-baseline"]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_its_own_tests_pass_with_and_without_typed_attributes(policy: Policy) -> None:
    assert isinstance(TYPED, dict)
    assert find_policy_faults(policy, TYPED) == []
    assert run_policy_tests(policy, TYPED) == []
    assert run_policy_tests(policy) == []


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_rule_fails_in_a_test_and_passes_in_another(policy: Policy) -> None:
    failing = [set(test.expect.fail) | set(test.expect.error) for test in policy.tests if test.expect != "pass"]
    passing = [test for test in policy.tests if test.expect == "pass"]
    assert passing
    assert {rule.id for rule in policy.rules} == set().union(*failing)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_rule_says_where_how_to_mend_it_and_where_it_comes_from(policy: Policy) -> None:
    assert policy.name.startswith("studbook.")
    for rule in policy.rules:
        assert rule.field, rule.id
        assert rule.remediation, rule.id
        assert rule.source, rule.id
        assert rule.controls, rule.id


def test_every_control_is_one_of_a_framework() -> None:
    known = {control.id for name in list_frameworks() for control in load_framework(name).controls}
    used = {control for policy in POLICIES for rule in policy.rules for control in rule.controls}
    assert used <= known


@pytest.mark.parametrize("name", ["21-cfr-11", "eu-ai-act", "iso-42001", "nist-ai-rmf", "sr-26-2", "studbook-baseline"])
def test_frameworks_are_dated_and_sourced(name: str) -> None:
    framework = load_framework(name)
    assert framework.framework == name
    assert framework.sources
    assert all(control.id.startswith(f"{name}:") for control in framework.controls)
    assert len({control.id for control in framework.controls}) == len(framework.controls)


@pytest.mark.parametrize("pack", PACKS)
def test_every_pack_can_be_adopted_and_asked(admin: httpx.Client, pack: str) -> None:
    from studbook.testing import make_document

    adopted = admin.post(f"/policy-packs/{pack}:adopt", json={"state": "audit"})
    assert adopted.status_code == 200, adopted.text
    assert {one["status"] for one in adopted.json()["items"]} == {"audit"}
    assert admin.post("/ingest", json=make_document()).status_code == 201
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    shipped = {one["pack"]: one for one in admin.get("/policy-packs").json()["items"]}
    assert {one["state"] for one in shipped[pack]["policies"]} == {"audit"}


def test_parameters_of_a_pack_can_be_set(admin: httpx.Client) -> None:
    refused = admin.post("/policy-packs/release-gate:adopt", json={"params": {"minimun": 0.8}})
    assert "minimum" in refused.json()["errors"][0]["message"]
    (adopted,) = admin.post("/policy-packs/release-gate:adopt", json={"params": {"minimum": 0.8}}).json()["items"]
    assert adopted["document"]["params"] == {"metric": "auc", "minimum": 0.8, "tolerance": 0.0}
    assert admin.post("/policy-packs/nothing:adopt", json={}).status_code == 404


def test_coverage_tells_what_is_met_by_what_and_what_is_missing(admin: httpx.Client) -> None:
    from studbook.testing import make_document

    document = make_document()
    document["model"]["owners"] = [{"name": "growth"}]
    document["version"]["attributes"] = {"license": "Apache-2.0"}
    assert admin.post("/ingest", json=document).status_code == 201
    report = admin.get("/coverage/studbook-baseline", params={"subject": "churn/1"}).json()
    controls = {control["id"].partition(":")[2]: control for control in report["controls"]}
    assert report["owners"] == ["growth"]
    assert controls["license"]["status"] == "met"
    assert controls["ownership"]["rules"][0]["source"] == "shipped"
    assert controls["description"]["status"] == "missing"
    assert controls["description"]["rules"][0]["remediation"]
    assert report["met"] + report["missing"] <= len(report["controls"])
    whole = admin.get("/coverage/studbook-baseline", params={"subject": "models/churn"}).json()
    assert whole["versions"] == [{"version": "models/churn/versions/1", "met": report["met"], "missing": report["missing"]}]
    page = admin.get("/coverage/studbook-baseline", params={"subject": "churn/1", "format": "html"}).text
    assert page.index("Missing") < page.index("<h2>Met")
    assert admin.get("/coverage/nothing", params={"subject": "churn/1"}).status_code == 404
    organisational = admin.get("/coverage/eu-ai-act", params={"subject": "churn/1"}).json()["controls"]
    assert {"not checked", "not applicable"} <= {control["status"] for control in organisational}
