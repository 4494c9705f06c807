"""`studbook change …`: approvals of an action asked for, decided about, and used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.governing.parts import (
    About,
    GateOption,
    Reason,
    RecordId,
    Sign,
    Status,
    show_verdict,
    signing_secret,
    write_decisions,
)
from studbook.cli.listing import take, write_list
from studbook.cli.options import AsJson, Everything, Limit, new_app
from studbook.cli.session import open_registry
from studbook.cli.sheet import Sheet
from studbook.cli.text import moment, safe

if TYPE_CHECKING:
    from studbook.client import ChangeRequest

app = new_app("Ask for approvals of an action, decide about them, and carry it out.")

_Subject = Annotated[str, typer.Argument(metavar="REF", help="A model version, or policies/NAME/versions/2.")]
_Manual = Annotated[bool, typer.Option("--manual", help="Do not carry it out with the last approval; see `execute`.")]
_Url = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Where a deployment is served.")]
_Meaning = Annotated[
    str | None, typer.Option("--meaning", help="What the signature means, such as 'approval as independent validator'.")
]
_STYLES = {"executed": screen.GOOD, "approved": screen.GOOD, "open": screen.CAUTION}


@app.command("request")
def request(
    context: typer.Context,
    subject: _Subject,
    *,
    gate: GateOption,
    reason: Reason,
    manual: _Manual = False,
    url: _Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the approvals of an action. It binds to the version, its artifacts and the policies as they are."""
    with open_registry(context) as registry:
        made = registry.request_change(subject, gate, reason, automatic=not manual, url=url)
    if as_json:
        screen.write_json(made.raw)
        return
    screen.confirm((made.name, screen.NAME), f"  asks for {made.passage} of {made.subject.name if made.subject else subject}")
    _show_quorum(made)


@app.command("list")
def list_requests(
    context: typer.Context,
    *,
    about: About = None,
    status: Status = None,
    limit: Limit = 20,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List change requests, newest first."""
    with open_registry(context) as registry:
        found, truncated = take(registry.list_change_requests(subject=about, status=status), limit, everything=everything)
    if as_json:
        write_list(found, truncated=truncated)
        return
    table = screen.columns(
        "status", "action", "version", "asked by", "approvals", "expires", "id", right=["approvals"], whole=["id"]
    )
    for one in found:
        approvals = sum(decision.decision == "approve" for decision in one.decisions)
        status_text = screen.styled(one.status, _STYLES.get(one.status, screen.QUIET))
        subject = one.subject.name if one.subject else ""
        table.add_row(
            status_text, one.passage, safe(subject), safe(one.requester), str(approvals), moment(one.expires_at), one.id
        )
    screen.print_table(table, none="No change requests.", truncated=truncated)


@app.command("show")
def show(context: typer.Context, record: RecordId, *, as_json: AsJson = False) -> None:
    """Show a request: who decided, who is missing, who may not decide, and what policies say now."""
    with open_registry(context) as registry:
        found = registry.get_change_request(record)
    if as_json:
        screen.write_json(found.raw)
        return
    sheet = Sheet(found.name, found.status)
    sheet.fact("action", f"{found.passage} of {found.subject.name if found.subject else '?'}")
    sheet.fact("reason", found.reason)
    sheet.fact("asked by", found.requester)
    sheet.fact("expires", moment(found.expires_at))
    sheet.fact("binds to", found.binding)
    sheet.fact("closed because", found.closed_because)
    sheet.fact("may not decide", "; ".join(f"{who} ({why})" for who, why in found.excluded.items()))
    if found.current is False:
        sheet.fact("out of date", "the version or the policies have changed since")
    sheet.print()
    write_decisions(found.decisions)
    if found.current is not None:
        show_verdict(found.verdict)


def _decide(
    context: typer.Context, record: str, decision: str, reason: str, meaning: str | None, *, sign: bool, as_json: bool
) -> None:
    secret = signing_secret(sign=sign)
    with open_registry(context) as registry:
        asked = registry.get_change_request(record)
        decided = registry.decide_change(asked, decision, reason, meaning=meaning, signing_secret=secret)
    if as_json:
        screen.write_json(decided.raw)
        return
    screen.confirm((decided.name, screen.NAME), "  is ", (decided.status, _STYLES.get(decided.status, screen.QUIET)))
    if decided.refused:
        screen.notices().print(screen.styled(f"  it was approved, and not carried out: {decided.refused}", screen.CAUTION))
    write_decisions(decided.decisions)


@app.command("approve")
def approve(
    context: typer.Context,
    record: RecordId,
    *,
    reason: Reason,
    meaning: _Meaning = None,
    sign: Sign = False,
    as_json: AsJson = False,
) -> None:
    """Approve a request as it is now, in a role of its quorum; with the last approval it is carried out."""
    _decide(context, record, "approve", reason, meaning, sign=sign, as_json=as_json)


@app.command("reject")
def reject(
    context: typer.Context,
    record: RecordId,
    *,
    reason: Reason,
    meaning: _Meaning = None,
    sign: Sign = False,
    as_json: AsJson = False,
) -> None:
    """Reject a request."""
    _decide(context, record, "reject", reason, meaning, sign=sign, as_json=as_json)


@app.command("execute")
def execute(context: typer.Context, record: RecordId, *, as_json: AsJson = False) -> None:
    """Carry out an approved request; policies are asked again."""
    with open_registry(context) as registry:
        _confirm(registry.execute_change(record), as_json=as_json)


@app.command("break-glass")
def break_glass(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Carry out a request without approvals and whatever policies say. It is written down loudly, and must be reviewed."""
    with open_registry(context) as registry:
        done = registry.break_glass(record, reason)
    _confirm(done, as_json=as_json)
    if not as_json:
        words = "A finding asks for the review of this by somebody else: studbook finding list --status open"
        screen.notices().print(screen.styled(words, screen.CAUTION))


@app.command("withdraw")
def withdraw(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Withdraw a request."""
    with open_registry(context) as registry:
        _confirm(registry.withdraw_change(record, reason), as_json=as_json)


def _confirm(request: ChangeRequest, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(request.raw)
    else:
        screen.confirm((request.name, screen.NAME), "  is ", (request.status, _STYLES.get(request.status, screen.QUIET)))


def _show_quorum(request: ChangeRequest) -> None:
    for wanted in request.quorum:
        roles = " and ".join(f"{entry['count']} {entry['role']}" for entry in wanted["roles"])
        signed = ", signed" if wanted["signed"] else ""
        screen.output().print(screen.line("  ", (str(wanted["policy"]), screen.NAME), f"  wants {roles}{signed}"))
