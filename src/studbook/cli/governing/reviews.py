"""`studbook review …`: models and versions are reviewed again and again."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from studbook.cli import screen
from studbook.cli.governing.parts import About, RecordId, in_days
from studbook.cli.listing import take, write_list
from studbook.cli.options import AsJson, Everything, Limit, Reference, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, safe

app = new_app("Let models and versions be reviewed again and again.")


class Outcome(StrEnum):
    """What a review came to."""

    CONFIRMED = "confirmed"
    FAILED = "failed"


_Every = Annotated[str, typer.Option("--every", metavar="SPAN", help="How often: 90d or 52w.")]
_FirstIn = Annotated[str | None, typer.Option("--first-in", metavar="SPAN", help="When first; by default after that span.")]
_OutcomeArgument = Annotated[Outcome, typer.Argument(metavar="OUTCOME", help="confirmed or failed.")]
_Note = Annotated[str, typer.Option("--note", help="What was looked at, and what was seen.")]


@app.command("schedule")
def schedule(
    context: typer.Context, ref: Reference, *, every: _Every, first_in: _FirstIn = None, as_json: AsJson = False
) -> None:
    """Let a model (models/NAME) or a version be reviewed every so many days."""
    days = round((in_days(every) - datetime.now(UTC)).total_seconds() / 86_400)
    with open_registry(context) as registry:
        made = registry.schedule_review(ref, days, first_due=in_days(first_in) if first_in else None)
    if as_json:
        screen.write_json(made.raw)
        return
    screen.confirm((made.subject.name if made.subject else ref, screen.NAME), f"  is to be reviewed by {moment(made.next_due)}")


@app.command("list")
def list_reviews(
    context: typer.Context, *, about: About = None, limit: Limit = 20, everything: Everything = False, as_json: AsJson = False
) -> None:
    """List periodic reviews, newest first."""
    with open_registry(context) as registry:
        found, truncated = take(registry.list_reviews(subject=about), limit, everything=everything)
    if as_json:
        write_list(found, truncated=truncated)
        return
    table = screen.columns("due", "about", "every", "last", "id", whole=["id"])
    now = datetime.now(UTC)
    for one in found:
        overdue = one.next_due is not None and one.next_due <= now
        due = screen.styled(moment(one.next_due), screen.BAD if overdue else "")
        subject = one.subject.name if one.subject else ""
        last = f"{one.last['outcome']} ({one.last['by']['principal']})" if one.last else ""
        table.add_row(due, safe(subject), f"{one.every_days} days", safe(last), one.id)
    screen.print_table(table, none="No reviews are scheduled.", truncated=truncated)


@app.command("report")
def report(context: typer.Context, record: RecordId, outcome: _OutcomeArgument, *, note: _Note, as_json: AsJson = False) -> None:
    """Write down what a review came to; the next one is due after as many days again."""
    with open_registry(context) as registry:
        done = registry.report_review(record, outcome.value, note)
    if as_json:
        screen.write_json(done.raw)
    else:
        screen.confirm((done.name, screen.NAME), f"  {outcome.value}; the next is due {moment(done.next_due)}")
