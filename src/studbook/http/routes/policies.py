"""Policies: drafted, tested, tried on what is stored, asked; packs and frameworks; verdicts and coverage."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from studbook.domain.governance import NewAdoption, NewCheck, PolicyTransition
from studbook.domain.names import Kind
from studbook.governance.policy import Policy
from studbook.governance.rendering import Page, render_coverage, render_policy, render_verdict
from studbook.http.answers import answered, json_response, page, record_response
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.bodies import body_of
from studbook.http.downloads import Download
from studbook.http.governance_answers import (
    AdoptedAnswer,
    CheckAnswer,
    CoverageAnswer,
    FrameworkAnswer,
    FrameworksAnswer,
    PacksAnswer,
    PolicyAnswer,
    PolicyTestAnswer,
    PolicyVersionAnswer,
    VerdictAnswer,
)
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import Filter, IfMatch, PathId, PathName, body_schema
from studbook.services import listing
from studbook.services.governance import coverage, policies, requests, statements, trials
from studbook.services.reading import Shown, show

router = APIRouter(tags=["policies"])

_JSON_OR_YAML = ("application/json", "application/yaml")
_Document = Annotated[Policy, Depends(body_of(Policy))]
_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/x-ndjson": {}},
        "description": "a JSON object a line: `failed` (or `changed`, with `against`), `progress`, and `summary` at the end",
    }
}


class PageFormat(StrEnum):
    """How a page for a person is written."""

    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


_MEDIA_TYPES: Final = {PageFormat.MARKDOWN: "text/markdown; charset=utf-8", PageFormat.HTML: "text/html; charset=utf-8"}
_Format = Annotated[PageFormat, Query(alias="format", description="`markdown` or `html` for a page to be read by a person")]


def _readable(kind: type[Any]) -> dict[int | str, dict[str, Any]]:
    """The documentation of an answer that may be a page for a person, too."""
    text = {"schema": {"type": "string"}}
    return {200: {"model": kind, "content": {"text/markdown": text, "text/html": text}}}


# A page is a document of its own: nothing is loaded, nothing runs.
_PAGE_HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def _as_page(made: Page, chosen: PageFormat) -> Response:
    body = made.as_markdown() if chosen is PageFormat.MARKDOWN else made.as_html()
    return Response(body, media_type=_MEDIA_TYPES[chosen], headers=_PAGE_HEADERS)


def _shown(shown: Shown, chosen: PageFormat, render: Any) -> Response:  # noqa: ANN401 - a function that makes a page
    return record_response(shown) if chosen is PageFormat.JSON else _as_page(render(shown.value()), chosen)


@router.get("/policies", responses=answered(page(PolicyAnswer)))
def list_policies(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Policies by name."""
    with session.database.read() as connection:
        return json_response(listing.list_policies(connection, session.namespace_id, paging))


@router.post(
    "/policies",
    status_code=201,
    responses=answered(PolicyVersionAnswer, 201),
    openapi_extra=body_schema(Policy, *_JSON_OR_YAML),
)
def draft_policy(session: CurrentSession, policy: _Document, if_match: IfMatch = None, wait: Wait = WaitFor.NONE) -> Response:
    """Keep a policy as a draft: the next version of its name, or in place of the draft there is."""
    return written(session, policies.draft(session.database, session.caller, policy, if_match), wait, 201)


@router.post("/policies:test", responses=answered(PolicyTestAnswer), openapi_extra=body_schema(Policy, *_JSON_OR_YAML))
def test_policy(session: CurrentSession, policy: _Document) -> Response:
    """Check a policy and run its own tests; nothing is stored."""
    with session.database.read() as connection:
        faults = policies.test(connection, session.namespace_id, policy)
    errors = [fault.as_json() for fault in faults]
    return json_response({"passed": not errors, "tests": len(policy.tests), "errors": errors})


@router.get("/policies/{policy}", responses=answered(PolicyAnswer))
def get_policy(session: CurrentSession, policy: PathName) -> Response:
    """A policy."""
    with session.database.read() as connection:
        return record_response(policies.get_policy(connection, session.namespace_id, policy))


@router.get("/policies/{policy}/versions", responses=answered(page(PolicyVersionAnswer)))
def list_policy_versions(session: CurrentSession, policy: PathName, paging: CurrentPaging) -> Response:
    """The versions of a policy, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_policy_versions(connection, session.namespace_id, policy, paging))


@router.get("/policies/{policy}/versions/{version}", responses=_readable(PolicyVersionAnswer))
def get_policy_version(
    session: CurrentSession, policy: PathName, version: PathName, written_as: _Format = PageFormat.JSON
) -> Response:
    """A version of a policy by its number, or as `latest`; as a page, it can be read by whoever is held to it."""
    with session.database.read() as connection:
        return _shown(policies.get_version(connection, session.namespace_id, policy, version), written_as, render_policy)


@router.post(
    "/policies/{policy}/versions/{version}:move",
    responses=answered(PolicyVersionAnswer),
    openapi_extra=body_schema(PolicyTransition),
)
def move_policy(
    session: CurrentSession,
    policy: PathName,
    version: PathName,
    document: Annotated[PolicyTransition, Depends(body_of(PolicyTransition))],
    if_match: IfMatch = None,
    wait: Wait = WaitFor.NONE,
) -> Response:
    """Let a version be asked (`audit`, `warn`, `enforce`), or retire it. Its own tests must pass."""
    return written(session, policies.move(session.database, session.caller, policy, version, document, if_match), wait)


@router.get("/policies/{policy}/versions/{version}/trial", responses=_LINES, response_class=Response)
def try_policy(
    request: Request,
    session: CurrentSession,
    policy: PathName,
    version: PathName,
    against: Annotated[str | None, Query(max_length=16, description="another version, or `latest`, to compare with")] = None,
) -> Response:
    """Ask a version about every stored model version as if it were enforced; nothing is done, and nothing is kept."""
    pieces = trials.try_policy(session.database, session.caller, policy, version, against)
    return Download(pieces, request.app.state.exports, "application/x-ndjson", "trial.jsonl")


@router.get("/policy-packs", responses=answered(PacksAnswer))
def list_packs(session: CurrentSession) -> Response:
    """The packs of policies that Studbook ships, and which of them are asked."""
    with session.database.read() as connection:
        return json_response(policies.list_shipped(connection, session.namespace_id))


@router.post("/policy-packs/{pack}:adopt", responses=answered(AdoptedAnswer), openapi_extra=body_schema(NewAdoption))
def adopt_pack(
    session: CurrentSession, pack: PathName, document: Annotated[NewAdoption, Depends(body_of(NewAdoption))]
) -> Response:
    """Take up a pack: its policies are asked from now on, in the given state."""
    shown = policies.adopt(session.database, session.caller, pack, document)
    return json_response(b'{"items":[' + b",".join(one.body for one in shown) + b"]}")


@router.post("/policy-checks", responses=answered(CheckAnswer), openapi_extra=body_schema(NewCheck))
def check_policies(session: CurrentSession, document: Annotated[NewCheck, Depends(body_of(NewCheck))]) -> Response:
    """What policies would say of an action now (`promote:champion`, `deploy:prod/eu`, `archive`); nothing is done."""
    passage = requests.read_passage(document.gate)
    with session.database.read() as connection:
        verdict, subject = requests.ask(connection, session.caller, document.subject, passage)
    outcome = verdict.outcome if verdict else "allow"
    shown = verdict.as_json() if verdict else None
    return json_response({"subject": subject.name, "gate": str(passage), "outcome": outcome, "verdict": shown})


@router.get("/verdicts", responses=answered(page(VerdictAnswer)))
def list_verdicts(session: CurrentSession, paging: CurrentPaging, subject: Filter = None, outcome: Filter = None) -> Response:
    """Verdicts that were kept, newest first; about a record, or of an outcome (`allow`, `warn`, `deny`)."""
    with session.database.read() as connection:
        found = statements.list_statements(connection, session.caller, Kind.VERDICT, paging, subject=subject, status=outcome)
        return json_response(found)


@router.get("/verdicts/{verdict}", responses=_readable(VerdictAnswer))
def get_verdict(session: CurrentSession, verdict: PathId, written_as: _Format = PageFormat.JSON) -> Response:
    """A verdict."""
    with session.database.read() as connection:
        shown = show(statements.get_row(connection, Kind.VERDICT, session.caller, verdict))
    return _shown(shown, written_as, render_verdict)


@router.get("/frameworks", responses=answered(FrameworksAnswer))
def list_frameworks(session: CurrentSession) -> Response:  # noqa: ARG001 - whoever asks must be somebody
    """The regulations, standards and guidelines that Studbook knows, each as of a day."""
    return json_response(coverage.list_all())


@router.get("/frameworks/{framework}", responses=answered(FrameworkAnswer))
def get_framework(session: CurrentSession, framework: PathName) -> Response:  # noqa: ARG001 - whoever asks must be somebody
    """A framework with its controls."""
    return json_response(coverage.get_framework(framework))


@router.get("/coverage/{framework}", responses=_readable(CoverageAnswer))
def get_coverage(
    session: CurrentSession,
    framework: PathName,
    subject: Annotated[str, Query(max_length=1024, description="a model or a model version")],
    written_as: _Format = PageFormat.JSON,
) -> Response:
    """Which controls of a framework a version meets, by which evidence, what is missing, and who answers for it."""
    with session.database.read() as connection:
        report = coverage.report(connection, session.caller, subject, framework)
    return json_response(report) if written_as is PageFormat.JSON else _as_page(render_coverage(report), written_as)
