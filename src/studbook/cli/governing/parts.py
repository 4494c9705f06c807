"""What the commands about governance share: options, and how verdicts and decisions are shown."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from studbook.client import ApprovalDecision, Verdict

Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the log, so name nobody.")]
GateOption = Annotated[
    str, typer.Option("--gate", metavar="GATE", help="promote:ALIAS, deploy:TARGET, archive; policy:STATE for a policy.")
]
VersionRef = Annotated[str, typer.Argument(metavar="REF", help="A model version: NAME/3, NAME@alias, an identifier.")]
RecordId = Annotated[str, typer.Argument(metavar="ID", help="The record's id or name.")]
Sign = Annotated[bool, typer.Option("--sign", help="Sign with the signing secret (STUDBOOK_SIGNING_SECRET, or asked for).")]
Status = Annotated[str | None, typer.Option("--status", help="Only those of this status.")]
About = Annotated[str | None, typer.Option("--about", metavar="REF", help="Only those about this record.")]

_SPAN: Final = re.compile(r"(\d{1,5})([dw])")
_EFFECTS: Final = {"deny": screen.BAD, "warn": screen.CAUTION, "audit": screen.QUIET}


def signing_secret(*, sign: bool) -> str | None:
    """The signing secret, when something is to be signed."""
    if not sign:
        return None
    return os.environ.get("STUDBOOK_SIGNING_SECRET") or typer.prompt("Signing secret", hide_input=True, err=True)


def in_days(span: str) -> datetime:
    """The moment after a span of days or weeks.

    Raises CommandError.
    """
    match = _SPAN.fullmatch(span)
    if match is None:
        message = f"{span!r} is no span of time; write 30d or 12w"
        raise CommandError(message, Exit.USAGE)
    return datetime.now(UTC) + timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))


def show_verdict(verdict: Verdict | None) -> None:
    """What was not met, with why, where and how to mend it."""
    if verdict is None:
        screen.confirm("no policy is asked about this")
        return
    failed = [(judged, rule) for judged in verdict.policies for rule in judged.failed]
    style = {"allow": screen.GOOD, "warn": screen.CAUTION}.get(verdict.outcome, screen.BAD)
    asked = ", ".join(f"{judged.policy} {judged.version}" for judged in verdict.policies)
    target = f":{verdict.target}" if verdict.target else ""
    subject = verdict.subject.name if verdict.subject else ""
    screen.output().print(
        screen.line(
            (verdict.outcome, style), f"  {verdict.gate}{target} of ", (subject, screen.NAME), (f"  ({asked})", screen.QUIET)
        )
    )
    table = screen.columns("rule", "effect", "why", "how to mend it")
    for judged, rule in failed:
        effect = f"waived ({rule.waiver})" if rule.waiver else rule.effect
        where = f" [{rule.field}]" if rule.field else ""
        table.add_row(
            screen.styled(f"{judged.policy}/{rule.rule}", screen.NAME),
            screen.styled(effect, screen.QUIET if rule.waiver else _EFFECTS.get(rule.effect, "")),
            safe(rule.message + where),
            safe(rule.remediation or ""),
        )
    if table.row_count:
        screen.output().print(screen.indented(table))


def write_decisions(decisions: Iterable[ApprovalDecision]) -> None:
    """Who decided what."""
    table = screen.columns("decision", "by", "as", "when", "signed", "reason")
    for decision in decisions:
        style = screen.GOOD if decision.decision == "approve" else screen.BAD
        when = f"{decision.decided_at:%Y-%m-%d %H:%M}" if decision.decided_at else ""
        signed = "yes" if decision.signature else ""
        table.add_row(
            screen.styled(decision.decision, style),
            safe(decision.by),
            ", ".join(decision.roles),
            when,
            signed,
            safe(decision.reason),
        )
    if table.row_count:
        screen.output().print(screen.indented(table))
