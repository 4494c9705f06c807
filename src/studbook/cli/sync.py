"""`studbook sync`: delivers what runs left in the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import exit_code, print_fault
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import plural, short_name

if TYPE_CHECKING:
    from studbook.client.delivery import SyncReport

app = new_app()

_AnyRegistry = Annotated[
    bool, typer.Option("--any-registry", help="Deliver here what was meant for another registry: it has moved.")
]


@app.command()
def sync(context: typer.Context, *, any_registry: _AnyRegistry = False, as_json: AsJson = False) -> None:
    """Deliver what waits on this machine because the registry could not be reached; each document exactly once."""
    with open_registry(context) as registry:
        report = registry.sync(any_registry=any_registry)
    if as_json:
        screen.write_json(_as_json(report))
    else:
        _show(report)
    raise typer.Exit(_code(report))


def _show(report: SyncReport) -> None:
    for delivered in report.delivered:
        version = delivered.result.version or delivered.result.run
        screen.confirm("delivered  ", (short_name(version.name) if version else delivered.path.name, screen.NAME))
    notices = screen.notices()
    for refused in report.refused:
        reason = refused.error or RuntimeError(str(refused.problem.get("detail") or "no reason was given"))
        print_fault(reason, subject="refused", advice=f"It is kept in {refused.path}")
    if report.busy:
        notices.print("Another process is delivering just now.")
    if report.elsewhere:
        words = f"{plural(report.elsewhere, 'document')} for another registry or namespace: left (see --any-registry)."
        notices.print(screen.styled(words, screen.QUIET))
    if report.stopped_by:
        print_fault(report.stopped_by, subject=f"{plural(report.waiting, 'document')} still waiting")
    elif report.waiting:
        notices.print(f"{plural(report.waiting, 'document')} still waiting.")
    if report.complete and not report.delivered:
        notices.print(screen.styled("Nothing was waiting.", screen.QUIET))


def _code(report: SyncReport) -> Exit:
    if report.complete:
        return Exit.OK
    if report.delivered:
        return Exit.PARTIAL
    return exit_code(report.stopped_by) if report.stopped_by else Exit.REFUSED


def _as_json(report: SyncReport) -> dict[str, Any]:
    return {
        "delivered": [{"file": str(entry.path), "result": entry.result.raw} for entry in report.delivered],
        "refused": [{"file": str(entry.path), "problem": entry.problem} for entry in report.refused],
        "waiting": report.waiting,
        "elsewhere": report.elsewhere,
        "busy": report.busy,
        "stopped_by": str(report.stopped_by) if report.stopped_by else None,
    }
