"""`studbook waiver …`: rules that are not held against something for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.governing.parts import Reason, RecordId, Status, in_days
from studbook.cli.listing import take, write_list
from studbook.cli.options import AsJson, Everything, Limit, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, safe

if TYPE_CHECKING:
    from studbook.client import Waiver

app = new_app("Let a rule not be held against something for a while.")

_Rule = Annotated[str, typer.Argument(metavar="POLICY/RULE", help="The rule, as refusals name it.")]
_Version = Annotated[str | None, typer.Option("--version", metavar="REF", help="For one version.")]
_Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="For all versions of a model.")]
_Everything = Annotated[bool, typer.Option("--everywhere", help="For everything in the namespace.")]
_Control = Annotated[str, typer.Option("--control", help="What is done instead of what the rule asks for.")]
_For = Annotated[str, typer.Option("--for", metavar="SPAN", help="For how long: 30d or 12w.")]


@app.command("request")
def request(
    context: typer.Context,
    rule: _Rule,
    *,
    version: _Version = None,
    model: _Model = None,
    everywhere: _Everything = False,
    reason: Reason,
    control: _Control,
    span: _For,
    as_json: AsJson = False,
) -> None:
    """Ask that a rule be waived; two people of the policy's roles must approve."""
    policy, slash, name = rule.rpartition("/")
    if not slash:
        message = f"{rule!r}: write the rule as POLICY/RULE"
        raise CommandError(message, Exit.USAGE)
    scopes = {"version": version, "model": model, "namespace": everywhere or None}
    scope = {key: value for key, value in scopes.items() if value is not None}
    with open_registry(context) as registry:
        asked = registry.request_waiver(policy, name, scope, reason=reason, compensating_control=control, ends_at=in_days(span))
    _confirm(asked, as_json=as_json)


@app.command("list")
def list_waivers(
    context: typer.Context, *, status: Status = None, limit: Limit = 20, everything: Everything = False, as_json: AsJson = False
) -> None:
    """List waivers, newest first."""
    with open_registry(context) as registry:
        found, truncated = take(registry.list_waivers(status=status), limit, everything=everything)
    if as_json:
        write_list(found, truncated=truncated)
        return
    table = screen.columns("status", "rule", "for", "until", "asked by", "renewals", "id", right=["renewals"], whole=["id"])
    for one in found:
        status_text = screen.styled(one.status, screen.GOOD if one.status == "active" else screen.QUIET)
        scope = one.scope.get("name") or "everything"
        table.add_row(
            status_text,
            f"{one.policy}/{one.rule}",
            safe(scope),
            moment(one.ends_at),
            safe(one.requester),
            str(one.renewals),
            one.id,
        )
    screen.print_table(table, none="No waivers.", truncated=truncated)


@app.command("approve")
def approve(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Approve a waiver; the second approval makes it hold."""
    with open_registry(context) as registry:
        _confirm(registry.decide_waiver(record, "approve", reason), as_json=as_json)


@app.command("reject")
def reject(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Reject a waiver."""
    with open_registry(context) as registry:
        _confirm(registry.decide_waiver(record, "reject", reason), as_json=as_json)


@app.command("revoke")
def revoke(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """End a waiver before its time."""
    with open_registry(context) as registry:
        _confirm(registry.revoke_waiver(record, reason), as_json=as_json)


def _confirm(waiver: Waiver, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(waiver.raw)
    else:
        screen.confirm((waiver.name, screen.NAME), f"  of {waiver.policy}/{waiver.rule} is {waiver.status}")
