"""`studbook recall …`: a version and what came of it is withdrawn until that is resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.governing.findings import Severity
from studbook.cli.governing.parts import About, Reason, RecordId, Status
from studbook.cli.listing import take, write_list
from studbook.cli.options import AsJson, Everything, Limit, Reference, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import safe

if TYPE_CHECKING:
    from studbook.client import Recall

app = new_app("Recall a version and what came of it.")

_SeverityOption = Annotated[Severity, typer.Option("--severity", help="How grave it is.")]


@app.command("open")
def open_recall(
    context: typer.Context, ref: Reference, *, reason: Reason, severity: _SeverityOption = Severity.HIGH, as_json: AsJson = False
) -> None:
    """Recall a model or dataset version: it and what came of it is neither promoted nor deployed until that is resolved."""
    with open_registry(context) as registry:
        made = registry.recall(ref, reason, severity=severity.value)
    if as_json:
        screen.write_json(made.raw)
        return
    screen.confirm((made.subject.name if made.subject else ref, screen.NAME), f"  is recalled ({made.name})")
    _show_affected(made)


@app.command("list")
def list_recalls(
    context: typer.Context,
    *,
    about: About = None,
    status: Status = None,
    limit: Limit = 20,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List recalls, newest first."""
    with open_registry(context) as registry:
        found, truncated = take(registry.list_recalls(subject=about, status=status), limit, everything=everything)
    if as_json:
        write_list(found, truncated=truncated)
        return
    table = screen.columns("status", "severity", "recalled", "reason", "affected", "id", right=["affected"], whole=["id"])
    for one in found:
        style = screen.BAD if one.status == "open" else screen.QUIET
        subject = one.subject.name if one.subject else ""
        affected = str(len(one.affected.get("versions", ())))
        table.add_row(screen.styled(one.status, style), one.severity, safe(subject), safe(one.reason), affected, one.id)
    screen.print_table(table, none="No recalls.", truncated=truncated)


@app.command("resolve")
def resolve(context: typer.Context, record: RecordId, *, reason: Reason, as_json: AsJson = False) -> None:
    """End a recall."""
    with open_registry(context) as registry:
        ended = registry.resolve_recall(record, reason)
    if as_json:
        screen.write_json(ended.raw)
    else:
        screen.confirm((ended.name, screen.NAME), f"  is {ended.status}")


def _show_affected(recall: Recall) -> None:
    for name in recall.affected.get("versions", ()):
        screen.output().print(screen.line("  affects ", (name, screen.NAME)))
    for deployment in recall.affected.get("deployments", ()):
        screen.output().print(
            screen.line("  affects ", (deployment["target"], screen.BAD), f", which serves {deployment['version']}")
        )
    if recall.affected.get("truncated"):
        screen.notices().print(screen.styled("  and more than can be listed", screen.CAUTION))
