"""Approvals bind to exactly what was approved, by distinct people who have no hand in it; on both engines."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from studbook.evidence.format import read_bundle
from studbook.evidence.verifying import verify_bundle
from studbook.governance.signatures import verify
from studbook.merkle.policy import parse_policy
from studbook.testing import make_document
from tests.governance.conftest import enforce, policy

if TYPE_CHECKING:
    import httpx

    from tests.governance.conftest import People

TWO = {"quorum": [{"role": "validator", "count": 2}]}
MIXED = {"quorum": [{"role": "validator", "count": 2}, {"role": "risk-officer", "count": 1}]}


def approvals(admin: httpx.Client, wanted: dict[str, Any] = TWO, gates: tuple[str, ...] = ("promote",), **parts: Any) -> None:
    enforce(admin, policy("approved", gates, rules=[], approvals=wanted, **parts))


def ask(client: httpx.Client, gate: str = "promote:champion", subject: str = "churn/1", **more: Any) -> dict[str, Any]:
    answer = client.post("/change-requests", json={"subject": subject, "gate": gate, "reason": "ready to serve", **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def decide(client: httpx.Client, request: dict[str, Any], decision: str = "approve", **more: Any) -> httpx.Response:
    body = {"decision": decision, "binding": request["binding"], "reason": "looked at it", **more}
    return client.post(f"/{request['name']}/decisions", json=body)


def champion(client: httpx.Client) -> int | None:
    number: int | None = client.get("/models/churn").json()["aliases"].get("champion")
    return number


@pytest.fixture
def author(people: People) -> httpx.Client:
    """Whoever trained and registered the version."""
    client = people.make("ann")
    assert client.post("/ingest", json=make_document()).status_code == 201
    return client


def test_two_people_approve_and_the_alias_moves(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    refused = author.put("/models/churn/aliases/champion", json={"version": 1})
    assert refused.status_code == 403
    assert "the approval of 2 validator; nobody has requested them" in refused.json()["errors"][0]["message"]
    request = ask(author)
    assert request["verdict"]["outcome"] == "deny"
    ben, cas = people.make("ben", "validator", access="read"), people.make("cas", "validator", access="read")
    first = decide(ben, request).json()
    assert (first["status"], champion(admin)) == ("open", None)
    second = decide(cas, request).json()
    assert (second["status"], second["executed_by"]["principal"], champion(admin)) == ("executed", "cas", 1)
    assert second["verdict"]["request"] == request["name"]
    actions = [event["action"] for event in admin.get("/audit/events", params={"subject": request["id"]}).json()["items"]]
    assert actions == ["change_request.executed", "change_request.decided", "change_request.decided", "change_request.opened"]


def test_the_same_person_with_two_tokens_is_one(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author)
    assert decide(people.make("ben", "validator"), request).status_code == 201
    again = decide(people.make("ben", "validator"), request)
    assert again.json()["errors"][0]["code"] == "already_decided"
    assert champion(admin) is None


def test_one_person_with_two_roles_fills_one_place(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin, MIXED)
    request = ask(author)
    decide(people.make("ben", "validator", "risk-officer"), request)
    assert decide(people.make("cas", "validator"), request).json()["status"] == "open"
    assert decide(people.make("dan", "validator"), request).json()["status"] == "executed"


@pytest.mark.parametrize("who", ["requester", "author", "editor"])
def test_whoever_has_a_hand_in_it_does_not_decide_not_even_an_admin(
    people: People, admin: httpx.Client, author: httpx.Client, who: str
) -> None:
    approvals(admin)
    editor = people.make("eve")
    assert editor.patch("/models/churn/versions/1", json={"description": "edited"}).status_code == 200
    request = ask(people.make("req"))
    principal = {"requester": "req", "author": "ann", "editor": "eve"}[who]
    refused = decide(people.make(principal, "validator", access="admin"), request)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["code"] == "not_independent"


def test_a_role_is_needed_and_being_an_admin_is_none(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author)
    assert decide(admin, request).status_code == 403
    assert decide(people.make("ben", "risk-officer"), request).status_code == 403


def test_any_change_of_the_version_supersedes_the_decisions(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author)
    decide(people.make("ben", "validator"), request)
    author.patch("/models/churn/versions/1", json={"tags": {"sneaked": "in"}})
    late = decide(people.make("cas", "validator"), request)
    assert late.json()["errors"][0]["code"] == "superseded"
    assert champion(admin) is None
    assert admin.get(f"/{request['name']}").json()["status"] == "superseded"


def test_a_change_of_the_policies_supersedes_the_decisions(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author, automatic=False)
    decide(people.make("ben", "validator"), request)
    assert decide(people.make("cas", "validator"), request).json()["status"] == "approved"
    enforce(admin, policy("more", ("promote",)))
    assert author.post(f"/{request['name']}:execute").json()["errors"][0]["code"] == "superseded"
    assert champion(admin) is None


def test_between_request_and_execution_nothing_can_be_slipped_in(
    people: People, admin: httpx.Client, author: httpx.Client
) -> None:
    """Time of check, time of use: approved and not yet executed, the version changes, then someone acts directly."""
    approvals(admin)
    request = ask(author, automatic=False)
    for name in ("ben", "cas"):
        decide(people.make(name, "validator"), request)
    author.post("/models/churn/versions/1/metrics", json={"metrics": [{"name": "auc", "value": 0.1}]})
    refused = author.put("/models/churn/aliases/champion", json={"version": 1})
    assert refused.status_code == 403
    assert "for another state of the version" in refused.json()["errors"][0]["message"]


def test_policies_are_asked_again_at_execution(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author, automatic=False)
    for name in ("ben", "cas"):
        decide(people.make(name, "validator"), request)
    finding = admin.post("/findings", json={"subject": "churn/1", "title": "leak", "blocks": True})
    assert finding.status_code == 201
    refused = author.post(f"/{request['name']}:execute")
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["code"] == "studbook.built-in/finding"
    assert admin.get(f"/{request['name']}").json()["status"] == "approved"
    admin.post(f"/{finding.json()['name']}:close", json={"resolution": "mended"})
    assert author.post(f"/{request['name']}:execute").json()["status"] == "executed"
    assert champion(admin) == 1


def test_an_approval_is_good_for_one_version_one_action_and_once(
    people: People, admin: httpx.Client, author: httpx.Client
) -> None:
    approvals(admin)
    author.post("/ingest", json=make_document())
    request = ask(author, automatic=False)
    for name in ("ben", "cas"):
        decide(people.make(name, "validator"), request)
    assert author.put("/models/churn/aliases/champion", json={"version": 2}).status_code == 403
    assert author.put("/models/churn/aliases/other", json={"version": 1}).status_code == 403
    assert author.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    assert admin.get(f"/{request['name']}").json()["status"] == "executed"
    author.delete("/models/churn/aliases/champion")
    assert author.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403


def test_a_decision_about_something_else_is_refused(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    """The binding of one request replayed at another."""
    approvals(admin)
    author.post("/ingest", json=make_document())
    one, two = ask(author), ask(author, subject="churn/2")
    replayed = decide(people.make("ben", "validator"), {**two, "binding": one["binding"]})
    assert replayed.json()["errors"][0]["code"] == "wrong_binding"


def test_two_approvals_at_once_count_once_each_and_act_once(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    request = ask(author)
    clients = [people.make(name, "validator") for name in ("ben", "cas", "dan", "eli", "ben", "cas")]
    barrier = threading.Barrier(len(clients))

    def act(client: httpx.Client) -> int:
        barrier.wait()
        return decide(client, request).status_code

    with ThreadPoolExecutor(len(clients)) as pool:
        codes = list(pool.map(act, clients))
    assert codes.count(201) == 2
    final = admin.get(f"/{request['name']}").json()
    deciders = [decision["by"]["principal"] for decision in final["decisions"]]
    assert len(deciders) == len(set(deciders)) == 2
    moved = admin.get("/audit/events", params={"action": "alias.set"}).json()["items"]
    assert len(moved) == 1


def test_a_rejection_ends_it_and_expiry_too(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin)
    ben = people.make("ben", "validator")
    request = ask(author)
    assert decide(ben, request, "reject").json()["status"] == "rejected"
    assert decide(people.make("cas", "validator"), request).json()["errors"][0]["code"] == "request_closed"
    far = author.post(
        "/change-requests",
        json={"subject": "churn/1", "gate": "promote:champion", "reason": "again", "expires_at": "2999-01-01T00:00:00Z"},
    )
    assert far.json()["errors"][0]["code"] == "bad_expiry"


def test_signatures_verify_from_the_log_alone(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin, {"quorum": [{"role": "validator", "count": 1}], "signed": True})
    request = ask(author)
    ben, cas = people.make("ben", "validator", signing=True), people.make("cas", "validator", signing=True)
    unsigned = decide(ben, request)
    assert unsigned.json()["errors"][0]["code"] == "signature_needed"
    meaningless = decide(ben, request, signing_secret=people.secrets["ben"])
    assert meaningless.json()["errors"][0]["code"] == "meaning_needed"
    stolen = decide(cas, request, signing_secret=people.secrets["ben"], meaning="approval")
    assert stolen.json()["errors"][0]["code"] == "wrong_signing_secret"
    signed = decide(ben, request, signing_secret=people.secrets["ben"], meaning="independent validation")
    assert signed.json()["status"] == "executed", signed.text
    events = admin.get("/audit/events", params={"subject": request["id"]}).json()["items"]
    logged = next(event for event in events if event["action"] == "change_request.decided")["after"]["decisions"][0]
    tokens = admin.get("/audit/events", params={"action": "token.created"}).json()["items"]
    keys = {
        event["after"]["person"]["principal"]: event["after"]["person"]["signing_key"]
        for event in tokens
        if event["after"]["person"]
    }
    signature = logged["signature"]
    assert verify(keys["ben"], signature["statement"], signature["signature"])
    assert not verify(keys["cas"], signature["statement"], signature["signature"])
    assert not verify(keys["ben"], {**signature["statement"], "subject": "models/churn/versions/2"}, signature["signature"])
    statement = signature["statement"]
    assert (statement["printed_name"], statement["meaning"], statement["binding"]) == (
        "Ben",
        "independent validation",
        request["binding"],
    )
    assert people.secrets["ben"] not in str(events)


def test_a_policy_that_locks_everyone_out_is_undone_by_breaking_glass(people: People, admin: httpx.Client) -> None:
    rule = {"id": "never", "expression": "false", "message": "no policy may change"}
    tests = [{"name": "a", "object": {}, "expect": {"fail": ["never"]}}]
    enforce(admin, policy("lockout", ("policy",), rules=[rule], tests=tests))
    assert admin.post("/policies/lockout/versions/1:move", json={"state": "retired"}).status_code == 403
    request = ask(admin, "policy:retired", "policies/lockout/versions/1")
    assert admin.post(f"/{request['name']}:break-glass", json={"reason": "locked out"}).status_code == 403
    breaker = people.make("breaker", "break-glass")
    broken = breaker.post(f"/{request['name']}:break-glass", json={"reason": "locked out"})
    assert broken.status_code == 200, broken.text
    assert broken.json()["verdict"]["bypassed"] is True
    assert admin.get("/policies/lockout/versions/1").json()["status"] == "retired"
    (finding,) = admin.get("/findings", params={"status": "open"}).json()["items"]
    assert (finding["severity"], finding["reviews"]) == ("high", request["name"])
    own = breaker.post(f"/{finding['name']}:close", json={"resolution": "fine"})
    assert own.json()["errors"][0]["code"] == "not_independent"
    assert admin.post(f"/{finding['name']}:close", json={"resolution": "reviewed"}).status_code == 200


def test_approving_is_no_way_to_change_policies(people: People, admin: httpx.Client) -> None:
    """A writer asks, a reader approves, and neither may change policies."""
    enforce(admin, policy("kept"))
    body = {"subject": "policies/kept/versions/1", "gate": "policy:retired", "reason": "in the way"}
    refused = people.make("writer").post("/change-requests", json=body)
    assert refused.status_code == 403
    assert "'policy-admin'" in refused.json()["detail"]


def test_deployments_and_archiving_wait_for_approval_too(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    approvals(admin, {"quorum": [{"role": "validator", "count": 1}]}, ("deploy", "archive"))
    ben = people.make("ben", "validator", access="read")
    request = ask(author, "deploy:prod/eu", url="https://serve.example.com")
    assert decide(ben, request).json()["status"] == "executed"
    (deployed,) = admin.get("/deployments").json()["items"]
    assert (deployed["target"], deployed["url"]) == ("prod/eu", "https://serve.example.com")
    assert author.patch("/models/churn/versions/1", json={"archived": True}).status_code == 403
    assert decide(ben, ask(author, "archive")).json()["status"] == "executed"
    assert admin.get("/models/churn/versions/1").json()["archived_at"] is not None


class TestWaivers:
    """A rule is waived for a while, by two who do not benefit."""

    @pytest.fixture
    def waivable(self, admin: httpx.Client, author: httpx.Client) -> None:  # noqa: ARG002 - there must be a version
        enforce(admin, policy("gate", ("promote",), waivable={"by": ["risk-officer"], "max_days": 30}))

    def ask(self, client: httpx.Client, **more: Any) -> httpx.Response:
        from datetime import UTC, datetime, timedelta

        body = {
            "policy": "gate",
            "rule": "described",
            "scope": {"version": "churn/1"},
            "reason": "the author is away",
            "compensating_control": "reviewed by hand",
            "ends_at": (datetime.now(UTC) + timedelta(days=10)).isoformat(),
            **more,
        }
        return client.post("/waivers", json=body)

    @pytest.mark.usefixtures("waivable")
    def test_two_approve_it_and_each_verdict_lists_it(self, people: People, admin: httpx.Client, author: httpx.Client) -> None:
        waiver = self.ask(author).json()
        decision = {"decision": "approve", "reason": "agreed"}
        for name in ("ben", "cas"):
            assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403
            decided = people.make(name, "risk-officer").post(f"/{waiver['name']}/decisions", json=decision)
            assert decided.status_code == 201
        moved = admin.put("/models/churn/aliases/champion", json={"version": 1}).json()
        assert moved["verdict"]["policies"][0]["failed"][0]["waiver"] == waiver["name"]
        author.post("/ingest", json=make_document())
        assert admin.put("/models/churn/aliases/champion", json={"version": 2}).status_code == 403

    @pytest.mark.usefixtures("waivable")
    def test_its_beneficiary_neither_approves_nor_extends_it(self, people: People, author: httpx.Client) -> None:
        waiver = self.ask(people.make("req")).json()
        decision = {"decision": "approve", "reason": "agreed"}
        for name in ("req", "ann"):
            refused = people.make(name, "risk-officer", access="admin").post(f"/{waiver['name']}/decisions", json=decision)
            assert refused.json()["errors"][0]["code"] == "not_independent"
        assert people.make("ben").post(f"/{waiver['name']}/decisions", json=decision).status_code == 403
        assert author.patch(f"/{waiver['name']}", json={"ends_at": "2999-01-01T00:00:00Z"}).status_code in (404, 405)
        renewed = self.ask(author).json()
        assert (renewed["status"], renewed["decisions"]) == ("requested", [])

    @pytest.mark.usefixtures("waivable")
    def test_bounds(self, admin: httpx.Client, author: httpx.Client) -> None:
        assert self.ask(author, ends_at="2999-01-01T00:00:00Z").json()["errors"][0]["code"] == "bad_end"
        assert self.ask(author, rule="nothing").json()["errors"][0]["code"] == "unknown_rule"
        enforce(admin, policy("hard", ("promote",)))
        assert self.ask(author, policy="hard").json()["errors"][0]["code"] == "not_waivable"

    @pytest.mark.usefixtures("waivable")
    def test_its_end_brings_the_violation_back(
        self, people: People, admin: httpx.Client, author: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiver = self.ask(author).json()
        for name in ("ben", "cas"):
            decision = {"decision": "approve", "reason": "agreed"}
            people.make(name, "risk-officer").post(f"/{waiver['name']}/decisions", json=decision)
        check = {"subject": "churn/1", "gate": "promote:champion"}
        assert admin.post("/policy-checks", json=check).json()["outcome"] == "allow"
        monkeypatch.setattr("studbook.services.governance.requests.format_time", lambda _: "2999-01-01T00:00:00.000000Z")
        assert admin.post("/policy-checks", json=check).json()["outcome"] == "deny"


class TestObstacles:
    """Recalls and blocking findings reach whatever came of a version."""

    @pytest.fixture
    def family(self, author: httpx.Client) -> None:
        for model, parent in (("child", "churn/1"), ("grandchild", "child/1")):
            document = make_document(model)
            document["version"]["parents"] = [{"ref": parent, "relation": "finetuned-from"}]
            assert author.post("/ingest", json=document).status_code == 201
        assert author.post("/deployments", json={"version": "grandchild/1", "target": "prod"}).status_code == 201

    @pytest.mark.usefixtures("family")
    def test_a_recall_lists_and_blocks_every_descendant_until_it_is_resolved(self, admin: httpx.Client) -> None:
        recall = admin.post("/recalls", json={"subject": "churn/1", "reason": "trained on leaked data"}).json()
        assert recall["affected"]["versions"] == ["models/child/versions/1", "models/grandchild/versions/1"]
        assert [entry["target"] for entry in recall["affected"]["deployments"]] == ["prod"]
        refused = admin.put("/models/grandchild/aliases/champion", json={"version": 1})
        assert refused.status_code == 403
        message = refused.json()["errors"][0]["message"]
        assert "models/churn/versions/1 was recalled: trained on leaked data" in message
        assert "models/child/versions/1 ← models/churn/versions/1" in message
        standing = admin.get("/standing", params={"subject": "grandchild/1"}).json()
        assert standing["recalled"] is True
        assert standing["recalls"][0]["path"][0] == "models/child/versions/1"
        assert admin.get("/standing", params={"subject": "churn/1"}).json()["recalls"][0]["path"] == []
        late = make_document("late")
        late["version"]["parents"] = ["child/1"]
        assert admin.post("/ingest", json=late).json()["verdict"]["outcome"] == "warn"
        assert admin.post("/deployments", json={"version": "late/1", "target": "x"}).status_code == 403
        admin.post(f"/{recall['name']}:resolve", json={"reason": "retrained"})
        assert admin.put("/models/grandchild/aliases/champion", json={"version": 1}).status_code == 200

    @pytest.mark.usefixtures("family")
    def test_a_pedigree_that_is_too_large_to_look_at_is_no_way_round(
        self, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admin.post("/recalls", json={"subject": "churn/1", "reason": "trained on leaked data"})
        monkeypatch.setattr("studbook.services.governance.pedigree.NODE_LIMIT", 1)
        refused = admin.put("/models/grandchild/aliases/champion", json={"version": 1})
        assert [error["code"] for error in refused.json()["errors"]] == ["studbook.built-in/pedigree"]

    @pytest.mark.usefixtures("family")
    def test_a_recalled_dataset_blocks_what_was_trained_on_it(self, admin: httpx.Client) -> None:
        admin.post("/recalls", json={"subject": "datasets/churn-train/versions/1", "reason": "consent withdrawn"})
        assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403

    @pytest.mark.usefixtures("family")
    def test_a_finding_blocks_only_when_it_says_so_and_its_author_does_not_lift_it(
        self, admin: httpx.Client, author: httpx.Client
    ) -> None:
        finding = admin.post("/findings", json={"subject": "churn/1", "title": "bias", "owner": "risk"}).json()
        assert admin.put("/models/child/aliases/champion", json={"version": 1}).status_code == 200
        admin.patch(f"/{finding['name']}", json={"blocks": True})
        for act in (
            author.patch(f"/{finding['name']}", json={"blocks": False}),
            author.post(f"/{finding['name']}:close", json={"resolution": "it is fine"}),
        ):
            assert act.json()["errors"][0]["code"] == "not_independent"
        assert admin.put("/models/grandchild/aliases/champion", json={"version": 1}).status_code == 403


def test_attestations_count_until_they_end_or_are_withdrawn(people: People, admin: httpx.Client, author: httpx.Client) -> None:
    rule = {"id": "bias", "expression": "attestations.exists(a, a.type == 'bias-review' && a.valid)", "message": "no bias review"}
    tests = [{"name": "a", "object": {}, "expect": {"fail": ["bias"]}}]
    enforce(admin, policy("bias", ("promote",), rules=[rule], tests=tests))
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403
    reviewer = people.make("rev", signing=True)
    made = reviewer.post(
        "/attestations",
        json={
            "subject": "churn/1",
            "type": "bias-review",
            "evidence": {"digest": "sha256:" + "0" * 64},
            "valid_until": "2999-01-01T00:00:00Z",
            "signing_secret": people.secrets["rev"],
        },
    ).json()
    assert made["signature"]["statement"]["subject"] == "models/churn/versions/1"
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200
    assert author.post(f"/{made['name']}:withdraw", json={"reason": "mine?"}).status_code == 403
    assert reviewer.post(f"/{made['name']}:withdraw", json={"reason": "wrong file"}).status_code == 200
    assert admin.put("/models/churn/aliases/other", json={"version": 1}).status_code == 403


def test_reviews_come_due_again(admin: httpx.Client, author: httpx.Client) -> None:
    body = {"subject": "models/churn", "every_days": 90, "first_due": "2020-01-01T00:00:00Z"}
    review = admin.post("/reviews", json=body).json()
    rule = {"id": "reviewed", "expression": "reviews.size() == 0 || reviews.all(r, !r.overdue)", "message": "a review is overdue"}
    tests = [{"name": "a", "object": {}, "expect": "pass"}]
    enforce(admin, policy("reviewed", ("promote",), rules=[rule], tests=tests))
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 403
    done = admin.post(f"/{review['name']}:report", json={"outcome": "confirmed", "note": "still fine"}).json()
    assert done["last"]["outcome"] == "confirmed"
    assert done["next_due"] > review["next_due"]
    assert admin.put("/models/churn/aliases/champion", json={"version": 1}).status_code == 200


def test_a_bundle_proves_a_decision_and_a_verdict_without_the_registry(
    people: People, admin: httpx.Client, author: httpx.Client
) -> None:
    approvals(admin, {"quorum": [{"role": "validator", "count": 1}]})
    request = ask(author)
    decided = decide(people.make("ben", "validator"), request).json()
    admin.patch("/models/churn", json={"description": "logged"}, params={"wait": "proof"})
    keys = parse_policy(admin.get("/audit/policy").content).keys
    for subject, action in ((request["name"], "change_request.executed"), (decided["verdict"]["name"], "verdict.given")):
        bundle = read_bundle(admin.get("/audit/bundle", params={"subject": subject}).content)
        report = verify_bundle(bundle, keys)
        logged = [entry.body for history in report.histories for entry in history.entries]
        assert action in [entry["action"] for entry in logged]
    assert decided["verdict"]["policies"][0]["digest"] == logged[-1]["after"]["policies"][0]["digest"]
