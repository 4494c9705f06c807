"""Policies, approvals, and what is said of records: asked for, decided, read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from studbook.client.addressing import Addressing
from studbook.client.body import Body
from studbook.client.governance import (
    Attestation,
    ChangeRequest,
    Coverage,
    Finding,
    Policy,
    PolicyCheck,
    PolicyPack,
    PolicyTests,
    PolicyVersion,
    Recall,
    Review,
    Standing,
    Verdict,
    Waiver,
)
from studbook.client.names import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from studbook.client.answers import Record

    RecordT = TypeVar("RecordT", bound=Record)

PolicyLike = Mapping[str, Any] | str | os.PathLike[str] | bytes
_REFERENCE: Final = re.compile(r"(?:([a-z-]+)/)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_PAGE_FORMATS: Final = ("markdown", "html")


class GovernanceCalls(Addressing):
    """The calls about policies, approvals, attestations, waivers, findings, recalls and reviews.

    Each raises UnreachableError and RefusedError; what policies refuse is a PolicyDeniedError. A record is meant by its id or its
    name (`change-requests/UUID`), a version of a policy by its number, or as `latest`.
    """

    def list_policies(self, *, page_size: int | None = None) -> Iterator[Policy]:
        """The namespace's policies by name."""
        return (Policy.read(entry) for entry in self._connection.pages(("policies",), {"page_size": page_size}))

    def list_policy_versions(self, name: str, *, page_size: int | None = None) -> Iterator[PolicyVersion]:
        """The versions of a policy, newest first."""
        entries = self._connection.pages(("policies", name, "versions"), {"page_size": page_size})
        return (PolicyVersion.read(entry) for entry in entries)

    def get_policy_version(self, name: str, version: int | str = "latest") -> PolicyVersion:
        """A version of a policy."""
        return PolicyVersion.read(self._connection.call("GET", ("policies", name, "versions", str(version))))

    def policy_page(self, name: str, version: int | str = "latest", format: str = "markdown") -> str:  # noqa: A002 - what it is
        """A version of a policy as a page for whoever is held to it: `markdown` or `html`."""
        return self._page(("policies", name, "versions", str(version)), format)

    def draft_policy(self, policy: PolicyLike, *, media_type: str = "application/json") -> PolicyVersion:
        """Keep a policy as a draft: a mapping, the path of a JSON or YAML file, or the bytes of a document.

        Raises InvalidDocumentError (its `errors` name every fault, with line and column of an expression).
        """
        body = _policy_body(policy, media_type)
        return PolicyVersion.read(self._connection.call("POST", ("policies",), body=body, safe_to_repeat=True))

    def test_policy(self, policy: PolicyLike, *, media_type: str = "application/json") -> PolicyTests:
        """Check a policy and run its own tests; nothing is stored."""
        body = _policy_body(policy, media_type)
        return PolicyTests.read(self._connection.call("POST", "policies:test", body=body, safe_to_repeat=True))

    def move_policy(self, name: str, state: str, version: int | str = "latest", *, reason: str | None = None) -> PolicyVersion:
        """Let a version be asked (`audit`, `warn`, `enforce`), or retire it (`retired`)."""
        path = f"policies/{path_of([name])}/versions/{path_of([str(version)])}:move"
        body = Body.of({"state": state, **({} if reason is None else {"reason": reason})})
        return PolicyVersion.read(self._connection.call("POST", path, body=body, safe_to_repeat=True))

    def try_policy(
        self, name: str, version: int | str = "latest", *, against: int | str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Ask a version about every stored model version, without effect: `failed`, `progress` and at last `summary`.

        With `against`, another version of the policy, `changed` tells of each whose outcome differs.
        """
        params = {"against": None if against is None else str(against)}
        waiting = b""
        for piece in self._connection.pieces(("policies", name, "versions", str(version), "trial"), params):
            *lines, waiting = (waiting + piece).split(b"\n")
            yield from (json.loads(line) for line in lines if line)

    def list_policy_packs(self) -> list[PolicyPack]:
        """The packs of policies that Studbook ships."""
        return [PolicyPack.read(entry) for entry in self._connection.call("GET", ("policy-packs",))["items"]]

    def adopt_policy_pack(
        self,
        pack: str,
        state: str = "enforce",
        *,
        params: Mapping[str, Any] | None = None,
        models: Iterable[str] = (),
        targets: Iterable[str] = (),
    ) -> list[PolicyVersion]:
        """Take up a pack in a state; `params` replace parameters of its policies.

        With `models` or `targets` (names, or patterns with `*`) it is asked about these models, aliases and deployments alone.
        """
        document = {"params": dict(params or {}), "models": list(models), "targets": list(targets)}
        body = Body.of({"state": state, **{name: value for name, value in document.items() if value}})
        answer = self._connection.call("POST", f"policy-packs/{path_of([pack])}:adopt", body=body, safe_to_repeat=True)
        return [PolicyVersion.read(entry) for entry in answer["items"]]

    def check_policies(self, ref: str, gate: str) -> PolicyCheck:
        """What policies would say of an action (`promote:champion`, `deploy:prod/eu`, `archive`); nothing is done."""
        body = Body.of({"subject": ref, "gate": gate})
        return PolicyCheck.read(self._connection.call("POST", ("policy-checks",), body=body, safe_to_repeat=True))

    def list_verdicts(self, *, subject: str | None = None, outcome: str | None = None) -> Iterator[Verdict]:
        """The verdicts that were kept, newest first."""
        entries = self._connection.pages(("verdicts",), {"subject": subject, "outcome": outcome})
        return (Verdict.read(entry) for entry in entries)

    def get_verdict(self, ref: str) -> Verdict:
        """A verdict."""
        return Verdict.read(self._connection.call("GET", _place("verdicts", ref)))

    def verdict_page(self, ref: str, format: str = "markdown") -> str:  # noqa: A002 - what it is
        """A verdict as a page: `markdown` or `html`."""
        return self._page(_place("verdicts", ref), format)

    def list_frameworks(self) -> list[dict[str, Any]]:
        """The frameworks that Studbook knows, each as of a day."""
        return list(self._connection.call("GET", ("frameworks",))["items"])

    def get_coverage(self, ref: str, framework: str) -> Coverage:
        """Which controls of a framework a version, or the latest version of a model, meets."""
        return Coverage.read(self._connection.call("GET", ("coverage", framework), params={"subject": ref}))

    def coverage_page(self, ref: str, framework: str, format: str = "markdown") -> str:  # noqa: A002 - what it is
        """A coverage report as a page: `markdown` or `html`."""
        return self._page(("coverage", framework), format, subject=ref)

    def request_change(
        self,
        ref: str,
        gate: str,
        reason: str,
        *,
        automatic: bool = True,
        url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> ChangeRequest:
        """Ask for the approvals of an action; it is carried out with the last one, unless `automatic` is off."""
        document: dict[str, Any] = {"subject": ref, "gate": gate, "reason": reason, "automatic": automatic}
        if url is not None:
            document["url"] = url
        if attributes is not None:
            document["attributes"] = dict(attributes)
        return ChangeRequest.read(self._connection.call("POST", ("change-requests",), body=Body.of(document)))

    def list_change_requests(self, *, subject: str | None = None, status: str | None = None) -> Iterator[ChangeRequest]:
        """Change requests, newest first."""
        return self._statements(ChangeRequest, "change-requests", subject, status)

    def get_change_request(self, ref: str) -> ChangeRequest:
        """A change request, with the verdict as it would be now and whoever may not decide."""
        return ChangeRequest.read(self._connection.call("GET", _place("change-requests", ref)))

    def decide_change(
        self,
        request: ChangeRequest,
        decision: str,
        reason: str,
        *,
        meaning: str | None = None,
        signing_secret: str | None = None,
    ) -> ChangeRequest:
        """`approve` or `reject` a request as it was read: the decision holds for exactly what it binds to.

        With the signing secret that was made with the token, the decision is signed; `meaning` says what the signature means.
        """
        document = {"decision": decision, "binding": request.binding, "reason": reason}
        more = {"meaning": meaning, "signing_secret": signing_secret}
        document |= {name: value for name, value in more.items() if value is not None}
        path = (*_place("change-requests", request.id), "decisions")
        return ChangeRequest.read(self._connection.call("POST", path, body=Body.of(document)))

    def execute_change(self, ref: str) -> ChangeRequest:
        """Carry out an approved request; policies are asked again."""
        return ChangeRequest.read(self._post_action("change-requests", ref, "execute"))

    def break_glass(self, ref: str, reason: str) -> ChangeRequest:
        """Carry out a request without approvals and whatever policies say; it is reviewed afterwards."""
        return ChangeRequest.read(self._post_action("change-requests", ref, "break-glass", {"reason": reason}))

    def withdraw_change(self, ref: str, reason: str) -> ChangeRequest:
        """Withdraw a request."""
        return ChangeRequest.read(self._post_action("change-requests", ref, "withdraw", {"reason": reason}))

    def attest(
        self,
        ref: str,
        type: str,  # noqa: A002 - what it is
        *,
        statement: str | None = None,
        evidence: Mapping[str, str] | None = None,
        valid_until: datetime | str | None = None,
        signing_secret: str | None = None,
    ) -> Attestation:
        """State something about a version, such as `bias-review`; `evidence` is {"uri"?, "digest"?}."""
        document: dict[str, Any] = {"subject": ref, "type": type}
        more = {"statement": statement, "evidence": evidence and dict(evidence), "valid_until": _time(valid_until)}
        document |= {name: value for name, value in {**more, "signing_secret": signing_secret}.items() if value is not None}
        return Attestation.read(self._connection.call("POST", ("attestations",), body=Body.of(document)))

    def list_attestations(self, *, subject: str | None = None, status: str | None = None) -> Iterator[Attestation]:
        """Attestations, newest first."""
        return self._statements(Attestation, "attestations", subject, status)

    def withdraw_attestation(self, ref: str, reason: str) -> Attestation:
        """Withdraw an attestation."""
        return Attestation.read(self._post_action("attestations", ref, "withdraw", {"reason": reason}))

    def request_waiver(
        self,
        policy: str,
        rule: str,
        scope: Mapping[str, Any],
        *,
        reason: str,
        compensating_control: str,
        ends_at: datetime | str,
    ) -> Waiver:
        """Ask that a rule be waived; `scope` is {"version": ref}, {"model": name} or {"namespace": True}."""
        document = {
            "policy": policy,
            "rule": rule,
            "scope": dict(scope),
            "reason": reason,
            "compensating_control": compensating_control,
            "ends_at": _time(ends_at),
        }
        return Waiver.read(self._connection.call("POST", ("waivers",), body=Body.of(document)))

    def list_waivers(self, *, status: str | None = None) -> Iterator[Waiver]:
        """Waivers, newest first."""
        return self._statements(Waiver, "waivers", None, status)

    def decide_waiver(self, ref: str, decision: str, reason: str) -> Waiver:
        """`approve` or `reject` a waiver; the second approval makes it hold."""
        path = (*_place("waivers", ref), "decisions")
        return Waiver.read(self._connection.call("POST", path, body=Body.of({"decision": decision, "reason": reason})))

    def revoke_waiver(self, ref: str, reason: str) -> Waiver:
        """End a waiver before its time."""
        return Waiver.read(self._post_action("waivers", ref, "revoke", {"reason": reason}))

    def open_finding(
        self,
        ref: str,
        title: str,
        *,
        description: str | None = None,
        severity: str = "medium",
        owner: str | None = None,
        due_at: datetime | str | None = None,
        blocks: bool = False,
    ) -> Finding:
        """Write down something that was found about a model or dataset version."""
        document: dict[str, Any] = {"subject": ref, "title": title, "severity": severity, "blocks": blocks}
        more = {"description": description, "owner": owner, "due_at": _time(due_at)}
        document |= {name: value for name, value in more.items() if value is not None}
        return Finding.read(self._connection.call("POST", ("findings",), body=Body.of(document)))

    def list_findings(self, *, subject: str | None = None, status: str | None = None) -> Iterator[Finding]:
        """Findings, newest first."""
        return self._statements(Finding, "findings", subject, status)

    def update_finding(self, ref: str, **facts: Any) -> Finding:  # noqa: ANN401 - facts of several types
        """Change `severity`, `owner`, `due_at` or `blocks` of an open finding."""
        body = Body.of({name: _time(value) if isinstance(value, datetime) else value for name, value in facts.items()})
        return Finding.read(self._connection.call("PATCH", _place("findings", ref), body=body))

    def close_finding(self, ref: str, resolution: str) -> Finding:
        """Close a finding with its resolution."""
        return Finding.read(self._post_action("findings", ref, "close", {"resolution": resolution}))

    def recall(self, ref: str, reason: str, *, severity: str = "high") -> Recall:
        """Recall a model or dataset version; the answer lists what is affected."""
        body = Body.of({"subject": ref, "reason": reason, "severity": severity})
        return Recall.read(self._connection.call("POST", ("recalls",), body=body))

    def list_recalls(self, *, subject: str | None = None, status: str | None = None) -> Iterator[Recall]:
        """Recalls, newest first."""
        return self._statements(Recall, "recalls", subject, status)

    def resolve_recall(self, ref: str, reason: str) -> Recall:
        """End a recall."""
        return Recall.read(self._post_action("recalls", ref, "resolve", {"reason": reason}))

    def get_standing(self, ref: str) -> Standing:
        """What stands for and against a version: recalls and blocking findings that reach it, attestations, waivers, requests."""
        return Standing.read(self._connection.call("GET", ("standing",), params={"subject": ref}))

    def schedule_review(self, ref: str, every_days: int, *, first_due: datetime | str | None = None) -> Review:
        """Let a model (`models/NAME`) or version be reviewed every so many days."""
        document: dict[str, Any] = {"subject": ref, "every_days": every_days}
        if first_due is not None:
            document["first_due"] = _time(first_due)
        return Review.read(self._connection.call("POST", ("reviews",), body=Body.of(document)))

    def list_reviews(self, *, subject: str | None = None) -> Iterator[Review]:
        """Periodic reviews, newest first."""
        return self._statements(Review, "reviews", subject, None)

    def report_review(self, ref: str, outcome: str, note: str) -> Review:
        """Write down what a review came to: `confirmed` or `failed`."""
        return Review.read(self._post_action("reviews", ref, "report", {"outcome": outcome, "note": note}))

    def _statements(self, kind: type[RecordT], family: str, subject: str | None, status: str | None) -> Iterator[RecordT]:
        return (kind.read(entry) for entry in self._connection.pages((family,), {"subject": subject, "status": status}))

    def _post_action(self, family: str, ref: str, action: str, document: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        body = None if document is None else Body.of(dict(document))
        return self._connection.call("POST", f"{'/'.join(_place(family, ref))}:{action}", body=body)

    def _page(self, path: tuple[str, ...], format: str, **params: str) -> str:  # noqa: A002 - what it is
        if format not in _PAGE_FORMATS:
            message = f"a page is written as {' or '.join(_PAGE_FORMATS)}, not as {format!r}"
            raise ValueError(message)
        return self._connection.content(path, {**params, "format": format}).decode()


def _place(family: str, ref: str) -> tuple[str, str]:
    """The address of a record of a family by its id or name.

    Raises ValueError for what is neither.
    """
    match = _REFERENCE.fullmatch(ref)
    if match is None or match[1] not in {None, family}:
        message = f"{ref!r} is none of the {family}: give its id, or its name as {family}/UUID"
        raise ValueError(message)
    return (family, match[2])


def _time(value: datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _policy_body(policy: PolicyLike, media_type: str) -> Body:
    if isinstance(policy, bytes):
        return Body(policy, media_type)
    if isinstance(policy, Mapping):
        return Body.of(dict(policy))
    path = Path(policy)
    return Body(path.read_bytes(), "application/json" if path.suffix.lower() == ".json" else "application/yaml")
