"""`studbook doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer

from studbook.cli import screen
from studbook.cli.checks import State
from studbook.cli.checks.machine import check_machine, check_spool
from studbook.cli.checks.registry import check_registry
from studbook.cli.checks.server import check_server
from studbook.cli.exits import Exit
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import session_of
from studbook.cli.text import plural
from studbook.client.connecting import DEFAULT_URL

if TYPE_CHECKING:
    from studbook.cli.checks import Finding

app = new_app()

_MARKS: Final = {State.OK: ("✓", screen.GOOD), State.NOTE: ("·", screen.CAUTION), State.PROBLEM: ("✗", screen.BAD)}


@app.command()
def doctor(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Say what is wrong with a set-up, and how to mend it; exit code 1 if anything is."""
    session = session_of(context)
    findings = [*check_machine(), *check_registry(session)]
    answers = any(finding.check == "registry" and finding.state is State.OK for finding in findings)
    findings += check_server((session.url or DEFAULT_URL).rstrip("/") if answers else None)
    findings += check_spool()
    problems = sum(finding.state is State.PROBLEM for finding in findings)
    if as_json:
        screen.write_json({"findings": [asdict(finding) for finding in findings], "problems": problems})
    else:
        _show(findings, problems)
    if problems:
        raise typer.Exit(Exit.REFUSED)


def _show(findings: list[Finding], problems: int) -> None:
    table = screen.grid()
    for finding in findings:
        mark, style = _MARKS[finding.state]
        words = [(finding.finding, ""), *([(f"\n{finding.remedy}", screen.QUIET)] if finding.remedy else [])]
        table.add_row(screen.styled(mark, style), screen.styled(finding.check, screen.HEADING), screen.line(*words))
    console = screen.output()
    console.print(table)
    console.print()
    console.print(screen.styled(f"{plural(problems, 'problem')} found." if problems else "All is well.", screen.HEADING))
