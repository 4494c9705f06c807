"""The packs that are shipped: their own tests pass, every rule can fail, and what they refer to is there."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from studbook.governance.checking import facts_of_test, find_policy_faults, run_policy_tests
from studbook.governance.evaluation import CompiledPolicy
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
    # A policy of approvals alone has nothing to test.
    assert passing or not policy.rules
    assert {rule.id for rule in policy.rules} == set().union(*failing)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_rule_says_where_how_to_mend_it_and_where_it_comes_from(policy: Policy) -> None:
    assert policy.name.startswith("studbook.")
    for rule in policy.rules:
        assert rule.field, rule.id
        assert rule.remediation, rule.id
        assert rule.source, rule.id
        assert rule.controls, rule.id


def _without(record: dict[str, Any], place: str) -> dict[str, Any] | None:
    """A copy of a record without what stands at a JSON Pointer; None when nothing does."""
    made = copy.deepcopy(record)
    held: Any = made
    *way, last = place.split("/")[1:]
    for step in way:
        held = held.get(step)
        if not isinstance(held, dict):
            return None
    return None if held.pop(last, None) is None else made


@pytest.mark.parametrize(
    "name", ["studbook.eu-ai-act-high-risk", "studbook.eu-ai-act-gpai", "studbook.sr-26-2", "studbook.iso-42001"]
)
def test_a_rule_asks_for_what_stands_at_its_place(name: str) -> None:
    (policy,) = (policy for policy in POLICIES if policy.name == name)
    (test, *_) = (test for test in policy.tests if test.expect == "pass")
    compiled = CompiledPolicy(policy.model_copy(update={"params": {**policy.params, **test.params}}))
    # What is settled in advance may be nothing, and what data is may stand in its profile as well.
    elsewhere = {"planned-changes", "data-acquisition", "data-preparation"}
    tried = 0
    for rule in policy.rules:
        poorer = _without(test.object, rule.field or "") if str(rule.field).startswith("/attributes/") else None
        if poorer is not None and rule.id not in elsewhere:
            result = compiled.evaluate(facts_of_test(policy, test.model_copy(update={"object": poorer})))
            assert rule.id in {failure.id for failure in result.failures if failure.outcome == "fail"}
            tried += 1
    assert tried >= 4


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


def _outcomes(verdict: dict[str, Any]) -> dict[str, str]:
    return {f"{one['policy']}/{failed['rule']}": failed["outcome"] for one in verdict["policies"] for failed in one["failed"]}


def test_of_real_records_every_rule_can_be_asked(admin: httpx.Client) -> None:
    """A registry leaves out what is not known; a rule that stumbles over that would refuse for the wrong reason."""
    from studbook.testing import make_document

    for pack in PACKS:
        assert admin.post(f"/policy-packs/{pack}:adopt", json={"state": "audit"}).status_code == 200
    assert admin.post("/ingest", json=make_document("base")).status_code == 201
    attributes = {"risk_class": "high", "general_purpose": True, "systemic_risk": True, "materiality": "high"}
    poor = {"model": {"name": "churn"}, "version": {"parents": [{"ref": "base/1"}], "attributes": attributes}}
    assert admin.post("/ingest", json=poor).status_code == 201
    for version in ("base/1", "churn/1"):
        for gate in ("register", "promote:champion", "deploy:prod", "archive"):
            verdict = admin.post("/policy-checks", json={"subject": version, "gate": gate}).json()["verdict"]
            assert {one["policy"].split(".")[0] for one in verdict["policies"]} == {"studbook"}
            assert set(_outcomes(verdict).values()) <= {"fail"}, _outcomes(verdict)


def test_the_release_gate_opens_for_a_version_that_is_better_and_signed(admin: httpx.Client) -> None:
    from studbook.testing import make_document

    assert admin.post("/policy-packs/release-gate:adopt", json={"params": {"metric": "auc", "minimum": 0.5}}).status_code == 200

    def register(value: float, test_role: str = "test") -> dict[str, Any]:
        document = make_document()
        train, test = ({"name": name, "digest": f"sha256:{digit * 64}"} for name, digit in (("train", "1"), ("held-out", "2")))
        document["datasets"] = [{**train, "role": "training"}, {**test, "role": test_role}]
        document["version"]["metrics"] = [
            {"name": "auc", "value": value, "dataset": "held-out", "split": "test"},
            {"name": "auc", "value": value, "dataset": "held-out", "split": "test", "slice": {"region": "south"}},
        ]
        document["version"]["artifacts"] = [{"uri": "s3://models/churn/model.onnx", "digest": f"sha256:{'3' * 64}"}]
        made: dict[str, Any] = admin.post("/ingest", json=document).json()
        return made

    def promote(number: int) -> set[str]:
        answer = admin.put("/models/churn/aliases/champion", json={"version": number})
        return {error["code"].rpartition("/")[2] for error in answer.json().get("errors", [])}

    def sign(number: int) -> None:
        said = {"subject": f"churn/{number}", "type": "signature", "evidence": {"digest": f"sha256:{'4' * 64}"}}
        assert admin.post("/attestations", json=said).status_code == 201

    register(0.8)
    assert promote(1) == {"signed"}
    sign(1)
    assert promote(1) == set()
    register(0.7)
    sign(2)
    assert promote(2) == {"no-regression"}
    register(0.9, "training")
    sign(3)
    assert promote(3) == {"independent-test", "threshold", "comparable", "slices"}


def test_parameters_of_a_pack_can_be_set(admin: httpx.Client) -> None:
    refused = admin.post("/policy-packs/release-gate:adopt", json={"params": {"minimun": 0.8}})
    assert "minimum" in refused.json()["errors"][0]["message"]
    body = {"params": {"metric": "auc", "minimum": 0.8, "at_least": {"f1": 0.5}}}
    (adopted,) = admin.post("/policy-packs/release-gate:adopt", json=body).json()["items"]
    shipped = load_pack("release-gate").policies[0].params
    assert adopted["document"]["params"] == {**shipped, **body["params"]}
    assert admin.post("/policy-packs/nothing:adopt", json={}).status_code == 404


def test_a_pack_can_be_asked_about_some_aliases_and_models_only(admin: httpx.Client) -> None:
    from studbook.testing import make_document

    admin.post("/ingest", json=make_document())
    body = {"targets": ["champion"], "models": ["churn"]}
    for adopted in admin.post("/policy-packs/sr-26-2:adopt", json=body).json()["items"]:
        assert (adopted["document"]["match"]["targets"], adopted["document"]["match"]["models"]) == (["champion"], ["churn"])
    assert admin.put("/models/churn/aliases/shadow", json={"version": 1}).status_code == 200
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403


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
