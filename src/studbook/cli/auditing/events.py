"""`studbook audit events`: who did what when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.listing import page_size, take, write_list
from studbook.cli.options import AsJson, Everything, Limit
from studbook.cli.session import open_registry
from studbook.cli.text import moment, short_name

if TYPE_CHECKING:
    from studbook.client import LoggedEvent

_Subject = Annotated[str | None, typer.Argument(metavar="[REF]", help="Only those of this record.")]
_Actor = Annotated[str | None, typer.Option("--actor", help="Only what they did, such as tokens/UUID.")]
_Action = Annotated[str | None, typer.Option("--action", help="Only such, for example alias.moved.")]
_Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From then on.")]
_Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before then.")]

# Members that say nothing of what changed.
_STEADY = frozenset({"kind", "id", "name", "namespace", "created_at", "created_by"})
_SHOWN_WIDTH = 60


def list_events(
    context: typer.Context,
    subject: _Subject = None,
    *,
    actor: _Actor = None,
    action: _Action = None,
    since: _Since = None,
    until: _Until = None,
    limit: Limit = 50,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List events of the audit log, newest first, with what each changed."""
    with open_registry(context) as registry:
        found = registry.events(subject=subject, actor=actor, action=action, since=since, until=until, page_size=page_size(limit))
        events, truncated = take(found, limit, everything=everything)
    if as_json:
        write_list(events, truncated=truncated)
        return
    table = screen.columns("time", "action", "subject", "rev", "by", "changed", right=["rev"], whole=["time"])
    for event in events:
        table.add_row(
            moment(event.occurred_at) if event.occurred_at else "",
            screen.styled(event.action, screen.NAME),
            screen.styled(short_name(event.subject)),
            str(event.rev),
            screen.styled(event.actor),
            screen.styled(_changes(event)),
        )
    screen.print_table(table, none="No such events.", truncated=truncated)


def _changes(event: LoggedEvent) -> str:
    """What an event changed, in a line."""
    if event.purged:
        return "(purged)"
    if event.before is None:
        return "new"
    before, after = event.before, event.after or {}
    names = [name for name in sorted({*before, *after} - _STEADY) if before.get(name) != after.get(name)]
    return "; ".join(f"{name}: {_brief(before.get(name))} → {_brief(after.get(name))}" for name in names)


def _brief(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 1] + "…"
