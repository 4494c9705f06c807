"""Policies are asked where something is done, refuse it with reason, place and remedy, and every verdict is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from studbook.services.audit.fsck import check_logs
from studbook.services.audit.rebuilding import rebuild
from studbook.storage import graph
from studbook.testing import make_document
from tests.governance.conftest import enforce, policy

if TYPE_CHECKING:
    import httpx

    from tests.governance.conftest import People


def register(client: httpx.Client, description: str | None = None, model: str = "churn", **version: Any) -> httpx.Response:
    document = make_document(model)
    document["version"] |= version
    if description is not None:
        document["version"]["description"] = description
    return client.post("/ingest", json=document)


def test_a_registration_is_refused_with_reason_place_and_remedy_and_the_verdict_is_kept(admin: httpx.Client) -> None:
    enforce(admin, policy())
    refused = register(admin)
    assert refused.status_code == 403
    problem = refused.json()
    assert problem["code"] == "policy_denied"
    (error,) = problem["errors"]
    assert error["pointer"] == "/description"
    assert error["code"] == "gate/described"
    assert error["message"] == "a version needs a description (write what is new in it)"
    assert admin.get("/models").json()["items"] == []
    assert admin.get("/datasets").json()["items"] == []
    kept = admin.get(f"/{problem['verdict']}").json()
    assert (kept["outcome"], kept["gate"], kept["subject"]) == (
        "deny",
        "register",
        {"name": "models/churn/versions/1", "id": None},
    )
    assert kept["policies"][0]["version"] == 1
    assert kept["inputs"]["facts"] == ["object"]


def test_what_satisfies_the_rules_passes_and_the_answer_holds_the_verdict(admin: httpx.Client) -> None:
    enforce(admin, policy())
    answer = register(admin, "better").json()
    assert answer["verdict"]["outcome"] == "allow"
    assert answer["verdict"]["subject"] == {"name": "models/churn/versions/1", "id": answer["version"]["id"]}
    listed = admin.get("/verdicts", params={"subject": "churn/1"}).json()["items"]
    assert [one["name"] for one in listed] == [answer["verdict"]["name"]]
    assert answer["verdict"]["name"] in [event["subject"] for event in answer["events"]]


def test_one_refused_document_of_a_batch_leaves_the_others(admin: httpx.Client) -> None:
    enforce(admin, policy())
    lines = []
    for description in ("one", None, "three"):
        document = make_document()
        if description:
            document["version"]["description"] = description
        lines.append(document)
    import json

    body = "\n".join(json.dumps(line) for line in lines)
    answer = admin.post("/ingest/batch", content=body, headers={"Content-Type": "application/x-ndjson"})
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [result.get("status", 201) for result in results[:3]][1] == 403 or "policy_denied" in answer.text
    assert len(admin.get("/models/churn/versions").json()["items"]) == 2
    assert [one["outcome"] for one in admin.get("/verdicts").json()["items"]] == ["allow", "deny", "allow"]


@pytest.mark.parametrize(("state", "outcome"), [("audit", "allow"), ("warn", "warn")])
def test_states_before_enforcement_refuse_nothing(admin: httpx.Client, state: str, outcome: str) -> None:
    enforce(admin, policy(), state)
    answer = register(admin)
    assert answer.status_code == 201
    verdict = answer.json()["verdict"]
    assert verdict["outcome"] == outcome
    assert verdict["policies"][0]["failed"][0]["effect"] == state


def test_a_policy_that_is_retired_or_a_draft_is_not_asked(admin: httpx.Client) -> None:
    admin.post("/policies", json=policy())
    assert register(admin).json()["verdict"] is None
    admin.post("/policies/gate/versions/1:move", json={"state": "enforce"})
    assert register(admin).status_code == 403
    admin.post("/policies/gate/versions/1:move", json={"state": "retired", "reason": "over"})
    assert register(admin).json()["verdict"] is None
    again = admin.post("/policies/gate/versions/1:move", json={"state": "enforce"})
    assert again.json()["errors"][0]["code"] == "policy_retired"


def test_a_version_that_is_enforced_takes_the_place_of_the_one_before(admin: httpx.Client) -> None:
    enforce(admin, policy())
    rule = {"id": "tagged", "expression": "'team' in object.tags", "message": "no team"}
    tests = [{"name": "a", "object": {"tags": {"team": "x"}}, "expect": "pass"}]
    enforce(admin, policy(rules=[rule], tests=tests))
    states = {one["number"]: one["status"] for one in admin.get("/policies/gate/versions").json()["items"]}
    assert states == {1: "retired", 2: "enforce"}
    assert register(admin, tags={"team": "x"}).status_code == 201


def test_a_policy_without_tests_or_with_failing_ones_is_not_asked(admin: httpx.Client) -> None:
    admin.post("/policies", json=policy(tests=[]))
    untested = admin.post("/policies/gate/versions/1:move", json={"state": "audit"})
    assert untested.json()["errors"][0]["code"] == "policy_untested"
    admin.post("/policies", json=policy(tests=[{"name": "wrong", "object": {}, "expect": "pass"}]))
    failing = admin.post("/policies/gate/versions/1:move", json={"state": "audit"})
    assert failing.status_code == 409
    assert "'described' came to fail" in failing.json()["errors"][0]["message"]


def test_faults_of_a_policy_are_told_with_line_and_column(admin: httpx.Client) -> None:
    document = policy(rules=[{"id": "a", "expression": "object.metrcs.size() > 0", "message": "m"}])
    refused = admin.post("/policies", json=document)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/rules/0/expression"
    assert "line 1, column 7" in error["message"]
    assert "did you mean 'metrics'?" in error["message"]


def test_attributes_are_checked_against_the_definition_that_a_policy_is_about(admin: httpx.Client) -> None:
    rule = {"id": "a", "expression": "object.attributes.licence == 'mit'", "message": "m"}
    typed = policy(match={"gates": ["register"], "schemas": ["studbook.model-version"]}, rules=[rule])
    assert "did you mean 'license'?" in admin.post("/policies", json=typed).json()["errors"][0]["message"]
    assert admin.post("/policies", json=policy(rules=[rule])).status_code == 201


def test_only_policy_admins_change_policies(people: People, admin: httpx.Client) -> None:
    writer = people.make("writer")
    assert writer.post("/policies", json=policy()).status_code == 403
    enforce(people.make("keeper", "policy-admin"), policy())
    moved = writer.post("/policies/gate/versions/1:move", json={"state": "retired"})
    assert moved.status_code == 403
    assert admin.get("/policies/gate/versions/1").json()["status"] == "enforce"


def test_gates_of_later_acts(admin: httpx.Client) -> None:
    register(admin)
    enforce(admin, policy("later", ("change", "promote", "deploy", "archive")))
    assert admin.patch("/models/churn/versions/1", json={"tags": {"a": "b"}}).status_code == 403
    assert admin.post("/models/churn/versions/1/metrics", json={"metrics": [{"name": "f1", "value": 0.5}]}).status_code == 403
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403
    assert admin.post("/deployments", json={"version": "churn/1", "target": "prod"}).status_code == 403
    assert admin.patch("/models/churn/versions/1", json={"archived": True}).status_code == 403
    gates = [one["gate"] for one in admin.get("/verdicts").json()["items"]]
    assert gates == ["archive", "deploy", "promote", "change", "change"]
    version = admin.get("/models/churn/versions/1").json()
    assert (version["tags"], version["aliases"], version["archived_at"], len(version["metrics"])) == ({}, [], None, 1)
    changed = admin.patch("/models/churn/versions/1", json={"description": "now"})
    assert changed.json()["verdict"]["outcome"] == "allow"
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).json()["verdict"]["target"] == "champion"


def test_old_and_current_are_seen(admin: httpx.Client) -> None:
    register(admin, metrics=[{"name": "auc", "value": 0.9}])
    register(admin, metrics=[{"name": "auc", "value": 0.8}])
    best = "current.metrics.filter(m, m.name == 'auc').map(m, m.value)"
    mine = "object.metrics.filter(m, m.name == 'auc').map(m, m.value)"
    rule = {
        "id": "no-regression",
        "expression": f"!has(current.name) || ({best}.size() > 0 && {mine}.exists(v, {best}.all(b, v >= b)))",
        "message": "worse than what serves",
    }
    tests = [
        {"name": "first", "object": {}, "expect": "pass"},
        {
            "name": "worse",
            "object": {"metrics": [{"name": "auc", "value": 0.8}]},
            "facts": {"current": {"name": "x", "metrics": [{"name": "auc", "value": 0.9}]}},
            "expect": {"fail": ["no-regression"]},
        },
    ]
    enforce(admin, policy(match={"gates": ["promote"], "targets": ["champion"]}, rules=[rule], tests=tests))
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    assert admin.put("/models/churn/aliases/champion", json={"version": 2}).status_code == 403
    assert admin.put("/models/churn/aliases/shadow", json={"version": 2}).status_code == 200
    unchanged = {
        "id": "fixed",
        "expression": "!has(old.tags.frozen) || object.tags.frozen == old.tags.frozen",
        "message": "fixed",
    }
    tests = [{"name": "a", "object": {}, "facts": {"old": {"name": "x"}}, "expect": "pass"}]
    enforce(admin, policy("frozen", ("change",), rules=[unchanged], tests=tests))
    assert admin.patch("/models/churn/versions/1", json={"tags": {"frozen": "a"}}).status_code == 200
    assert admin.patch("/models/churn/versions/1", json={"tags": {"frozen": "b"}}).status_code == 403
    assert admin.patch("/models/churn/versions/1", json={"tags": {"frozen": None}}).status_code == 403


def test_what_lies_upstream_is_told_with_the_way_to_it(admin: httpx.Client) -> None:
    parent = make_document()
    parent["datasets"][0] |= {"name": "people", "sensitivity": "personal", "digest": "sha256:" + "a" * 64}
    assert admin.post("/ingest", json=parent).status_code == 201
    rule = {
        "id": "personal",
        "expression": "!lineage.datasets.exists(d, has(d.sensitivity) && d.sensitivity == 'personal')",
        "message_expression": "lineage.datasets.filter(d, has(d.sensitivity)).map(d, d.path.join(' ← ')).join('; ')",
    }
    tests = [
        {"name": "none", "object": {}, "expect": "pass"},
        {
            "name": "some",
            "object": {},
            "facts": {"lineage": {"datasets": [{"name": "d", "sensitivity": "personal", "path": ["d"]}]}},
            "expect": {"fail": ["personal"]},
        },
    ]
    enforce(admin, policy("data", ("register", "promote"), rules=[rule], tests=tests))
    child = make_document("child")
    child["version"]["parents"] = ["churn/1"]
    refused = admin.post("/ingest", json=child)
    assert refused.status_code == 403, refused.text
    run = admin.get("/models/churn/versions/1").json()["run"]["name"]
    expected = f"models/churn/versions/1 ← {run} ← datasets/people/versions/1"
    assert refused.json()["errors"][0]["message"] == expected
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403
    clean = make_document("clean")
    assert admin.post("/ingest", json=clean).status_code == 201


def test_a_race_lost_while_a_fact_is_read_is_run_again(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    register(admin)
    rule = {"id": "data", "expression": "lineage.datasets.size() > 0", "message": "no data upstream"}
    tests = [{"name": "a", "object": {}, "facts": {"lineage": {"datasets": [{"name": "d"}]}}, "expect": "pass"}]
    enforce(admin, policy("data", ("promote",), rules=[rule], tests=tests))
    walk, losses = graph.walk, []

    def lose_once(*arguments: Any, **options: Any) -> Any:
        if not losses:
            losses.append(1)
            cause = Exception("deadlock detected")
            cause.sqlstate = "40P01"  # type: ignore[attr-defined]
            raise sa.exc.OperationalError("SELECT", {}, cause)
        return walk(*arguments, **options)

    monkeypatch.setattr(graph, "walk", lose_once)
    moved = admin.put("/models/churn/aliases/champion", json={"version": 1})
    assert (moved.status_code, moved.json()["verdict"]["outcome"], losses) == (200, "allow", [1])
    assert [one["outcome"] for one in admin.get("/verdicts").json()["items"]] == ["allow"]


def test_data_upstream_tells_every_role_it_had(admin: httpx.Client) -> None:
    """What a base model was trained on is no test set of its child, whatever the child calls it."""
    base = make_document("base")
    assert admin.post("/ingest", json=base).status_code == 201
    child = make_document("child")
    child["version"]["parents"] = [{"ref": "base/1", "relation": "finetuned-from"}]
    child["datasets"] = [{**base["datasets"][0], "role": "test"}]
    child["version"]["metrics"] = [{"name": "auc", "value": 1}]
    assert admin.post("/ingest", json=child).status_code == 201
    rule = {
        "id": "untouched",
        "expression": "!lineage.datasets.exists(d, 'test' in d.roles && 'training' in d.roles)",
        "message": "tested on what an ancestor was trained on",
    }
    whole = {
        "id": "number",
        "expression": "object.metrics.exists(m, m.value - 0.5 > 0.0)",
        "message": "a whole number is a number",
    }
    tests = [{"name": "a", "object": {"metrics": [{"value": 1}]}, "expect": "pass"}]
    enforce(admin, policy("contaminated", ("promote",), rules=[rule, whole], tests=tests))
    refused = admin.put("/models/child/aliases/champion", json={"version": 1})
    assert [error["code"] for error in refused.json()["errors"]] == ["contaminated/untouched"]
    assert admin.put("/models/base/aliases/champion", json={"version": 1}).status_code == 200


def test_nothing_personal_gets_into_a_verdict(admin: httpx.Client) -> None:
    """A rule whose message repeats what it reads."""
    leaky = "object.registered_model.owners.map(o, o.?email.orValue('-')).join(',') + object.attributes.?patient.orValue('-')"
    rule = {
        "id": "leak",
        "expression": "!object.registered_model.owners.exists(o, o.email == 'secret@example.com')",
        "message_expression": f"'owners: ' + {leaky}",
    }
    tests = [{"name": "a", "object": {"registered_model": {"owners": [{"email": "x"}]}}, "expect": "pass"}]
    enforce(admin, policy(rules=[rule], tests=tests))
    document = make_document()
    document["model"]["owners"] = [{"name": "Somebody", "email": "secret@example.com"}]
    document["version"] |= {"attributes": {"patient": "Jane Roe"}, "personal": ["/attributes/patient"]}
    refused = admin.post("/ingest", json=document)
    assert refused.json()["errors"][0]["message"] == "owners: --"
    logged = admin.get("/audit/events", params={"action": "verdict.given"}).text
    assert "secret@example.com" not in logged
    assert "Jane Roe" not in logged


def test_asking_without_acting(admin: httpx.Client) -> None:
    register(admin)
    enforce(admin, policy("later", ("promote",)))
    asked = admin.post("/policy-checks", json={"subject": "churn/1", "gate": "promote:champion"}).json()
    assert asked["outcome"] == "deny"
    assert asked["verdict"]["policies"][0]["failed"][0]["field"] == "/description"
    assert admin.get("/verdicts").json()["items"] == []
    assert admin.get("/models/churn").json()["aliases"] == {}
    bad = admin.post("/policy-checks", json={"subject": "churn/1", "gate": "promote"})
    assert "promote:ALIAS" in bad.json()["errors"][0]["message"]


def test_erasure_and_schemas_have_gates(admin: httpx.Client) -> None:
    register(admin)
    rule = {"id": "reasoned", "expression": "object.reason.contains('ticket')", "message": "name the ticket"}
    tests = [{"name": "a", "object": {"reason": "ticket 1"}, "expect": "pass"}]
    enforce(admin, policy("erasing", ("erase",), rules=[rule], tests=tests))
    assert admin.post("/audit/erasures", json={"subject": "churn/1", "reason": "because"}).status_code == 403
    assert admin.post("/audit/erasures", json={"subject": "churn/1", "reason": "ticket 7"}).status_code < 300
    rule = {"id": "named", "expression": "object.schema.startsWith('team-')", "message": "begin with team-"}
    tests = [{"name": "a", "object": {"schema": "team-a"}, "expect": "pass"}]
    enforce(admin, policy("schemas", ("schema",), rules=[rule], tests=tests))
    admin.post("/schemas", json={"name": "mine", "json_schema": {"type": "object"}})
    assert admin.post("/schemas/mine/versions/1:publish").status_code == 403
    admin.post("/schemas", json={"name": "team-mine", "json_schema": {"type": "object"}})
    assert admin.post("/schemas/team-mine/versions/1:publish").status_code == 200


def test_trying_a_draft_on_what_is_stored(admin: httpx.Client) -> None:
    import json

    for description in ("a", None, None):
        register(admin, description)
    admin.post("/policies", json=policy("later", ("promote",)))
    lines = [json.loads(line) for line in admin.get("/policies/later/versions/1/trial").text.splitlines()]
    failed = [line for line in lines if line["type"] == "failed"]
    assert [line["version"] for line in failed] == ["models/churn/versions/2", "models/churn/versions/3"]
    assert failed[0]["failed"] == [{"rule": "described", "message": "a version needs a description"}]
    summary = lines[-1]
    assert (summary["looked_at"], summary["allow"], summary["deny"], summary["by_rule"]) == (3, 1, 2, {"described": 2})
    assert admin.get("/verdicts").json()["items"] == []
    admin.post("/policies/later/versions/1:move", json={"state": "audit"})
    looser = policy("later", ("promote",), effect="warn")
    admin.post("/policies", json=looser)
    lines = [json.loads(line) for line in admin.get("/policies/later/versions/2/trial?against=1").text.splitlines()]
    changed = [(line["version"], line["was"], line["outcome"]) for line in lines if line["type"] == "changed"]
    assert changed == [("models/churn/versions/2", "deny", "warn"), ("models/churn/versions/3", "deny", "warn")]


def test_pages_for_people_escape_what_records_say(admin: httpx.Client) -> None:
    rule = {"id": "a", "expression": "false", "message": "<script>alert(1)</script> | `x`"}
    tests = [{"name": "a", "object": {}, "expect": {"fail": ["a"]}}]
    enforce(admin, policy(title="<b>bold</b>", rules=[rule], tests=tests))
    verdict = register(admin).json()["verdict"]
    page = admin.get(f"/{verdict}", params={"format": "html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    text = admin.get(f"/{verdict}", params={"format": "markdown"}).text
    assert r"\<script\>" in text
    assert "<b>" not in admin.get("/policies/gate/versions/1", params={"format": "html"}).text


def test_the_log_tells_everything_and_the_tables_can_be_rebuilt_from_it(people: People, admin: httpx.Client) -> None:
    enforce(admin, policy())
    register(admin)
    register(admin, "x")
    # Once it is proven, nothing is on its way into the log any more.
    admin.patch("/models/churn", json={"tags": {"a": "b"}}, params={"wait": "proof"})
    registry = people.transport._registry
    reports = check_logs(registry.database, registry.guard)
    assert [finding.message for report in reports for finding in report.findings] == []
    from studbook.storage.tables import policy_versions, verdicts

    def damage(transaction: Any) -> int:
        transaction.execute(verdicts.delete())
        transaction.execute(policy_versions.update().values(status="retired"))
        return rebuild(transaction, 1)

    assert registry.database.work.run(damage) >= 3
    assert len(admin.get("/verdicts").json()["items"]) == 2
    assert admin.get("/policies/gate/versions/1").json()["status"] == "enforce"
