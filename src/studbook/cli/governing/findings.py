"""`studbook finding …`: what was found about a version, and how it was resolved."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.governing.parts import About, RecordId, Status, in_days
from studbook.cli.listing import take, write_list
from studbook.cli.options import AsJson, Everything, Limit, Reference, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, safe

if TYPE_CHECKING:
    from studbook.client import Finding

app = new_app("Write down what was found about a version, and how it was resolved.")


class Severity(StrEnum):
    """How grave it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


_Title = Annotated[str, typer.Argument(metavar="TITLE", help="What was found, in a few words.")]
_Text = Annotated[str | None, typer.Option("--description", help="All that is known of it.")]
_SeverityOption = Annotated[Severity, typer.Option("--severity", help="How grave it is.")]
_Owner = Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who resolves it.")]
_DueIn = Annotated[str | None, typer.Option("--due-in", metavar="SPAN", help="Until when: 30d or 12w.")]
_Blocks = Annotated[bool, typer.Option("--blocks", help="Let it stand against promoting what comes of the version.")]
_BlocksOrNot = Annotated[bool | None, typer.Option("--blocks/--no-blocks", help="Whether it stands against promoting.")]
_Resolution = Annotated[str, typer.Option("--resolution", help="How it was resolved.")]


@app.command("open")
def open_finding(
    context: typer.Context,
    ref: Reference,
    title: _Title,
    *,
    description: _Text = None,
    severity: _SeverityOption = Severity.MEDIUM,
    owner: _Owner = None,
    due_in: _DueIn = None,
    blocks: _Blocks = False,
    as_json: AsJson = False,
) -> None:
    """Write down something that was found about a model or dataset version."""
    due = in_days(due_in) if due_in else None
    with open_registry(context) as registry:
        made = registry.open_finding(
            ref, title, description=description, severity=severity.value, owner=owner, due_at=due, blocks=blocks
        )
    _confirm(made, as_json=as_json)


@app.command("list")
def list_findings(
    context: typer.Context,
    *,
    about: About = None,
    status: Status = None,
    limit: Limit = 20,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List findings, newest first."""
    with open_registry(context) as registry:
        found, truncated = take(registry.list_findings(subject=about, status=status), limit, everything=everything)
    if as_json:
        write_list(found, truncated=truncated)
        return
    table = screen.columns("severity", "status", "about", "what", "owner", "due", "blocks", "id", whole=["id"])
    for one in found:
        grave = one.severity in {"high", "critical"} and one.status == "open"
        subject = one.subject.name if one.subject else ""
        cells = (safe(subject), safe(one.title), safe(one.owner or ""), moment(one.due_at), "yes" if one.blocks else "")
        table.add_row(screen.styled(one.severity, screen.BAD if grave else screen.QUIET), one.status, *cells, one.id)
    screen.print_table(table, none="No findings.", truncated=truncated)


@app.command("change")
def change(
    context: typer.Context,
    record: RecordId,
    *,
    severity: Annotated[Severity | None, typer.Option("--severity", help="How grave it is.")] = None,
    owner: _Owner = None,
    due_in: _DueIn = None,
    blocks: _BlocksOrNot = None,
    as_json: AsJson = False,
) -> None:
    """Change the severity, owner, due date of a finding, or whether it blocks."""
    facts: dict[str, Any] = {
        "severity": severity.value if severity else None,
        "owner": owner,
        "due_at": in_days(due_in) if due_in else None,
        "blocks": blocks,
    }
    with open_registry(context) as registry:
        changed = registry.update_finding(record, **{name: value for name, value in facts.items() if value is not None})
    _confirm(changed, as_json=as_json)


@app.command("close")
def close(context: typer.Context, record: RecordId, *, resolution: _Resolution, as_json: AsJson = False) -> None:
    """Close a finding with its resolution."""
    with open_registry(context) as registry:
        _confirm(registry.close_finding(record, resolution), as_json=as_json)


def _confirm(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(finding.raw)
    else:
        screen.confirm((finding.name, screen.NAME), f"  {finding.title} is {finding.status}")
