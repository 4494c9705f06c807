"""`studbook audit snapshot`, `keys`, `erase`, `hold`, `retention`, `freeze`, `purge`: care for the log."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.auditing.parts import Reason
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.listing import write_list
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import moment, plural

if TYPE_CHECKING:
    from studbook.client import Record

keys = new_app("The keys that sign the log's checkpoints.")
holds = new_app("Legal holds: what they stand on is neither erased nor purged.")
retention = new_app("How long the entries about records are kept.")


class Algorithm(StrEnum):
    """What a key signs with."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


_Algorithm = Annotated[
    Algorithm, typer.Option("--algorithm", help="ml-dsa-44 is a second signature that quantum computers cannot forge.")
]
_Key = Annotated[str, typer.Argument(metavar="KEY", help="The id of a key, or the first digits of its fingerprint.")]
_Subject = Annotated[str | None, typer.Argument(metavar="[REF]", help="The record; a token is tokens/UUID.")]
_Value = Annotated[
    str | None, typer.Option("--value", metavar="TEXT", help="Only where exactly this stands, in any record without REF.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; what is gone is gone.")]
_Held = Annotated[str, typer.Argument(metavar="REF", help="The record, or * for everything in the namespace.")]
_Hold = Annotated[str, typer.Argument(metavar="HOLD", help="The id of a hold.")]
_Class = Annotated[str, typer.Argument(metavar="CLASS", help="The name of a retention class.")]
_Days = Annotated[int, typer.Option("--days", min=0, help="Days from the event on.")]
_Kinds = Annotated[list[str], typer.Option("--kind", help="A kind of record, such as model or run; give it once for each.")]
_Shard = Annotated[int, typer.Argument(metavar="SHARD", min=1, help="The number of a frozen shard.")]


def _tell(record: Record, *parts: tuple[object, str] | str, as_json: bool) -> None:
    """Say what was done, or print the record that says so."""
    if as_json:
        screen.write_json(record.raw)
    else:
        screen.confirm(*parts)


def snapshot(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Log how far every record has come, so that a bundle can show that nothing was left out."""
    with open_registry(context) as registry:
        shard = registry.take_snapshot()
    _tell(shard, (shard.origin, screen.NAME), "  a snapshot is logged", as_json=as_json)


def erase(
    context: typer.Context,
    subject: _Subject = None,
    *,
    reason: Reason,
    value: _Value = None,
    yes: _Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase personal values for good: of a record, wherever a text stands, or both. Every proof stays valid."""
    if subject is None and value is None:
        message = "say what to erase: a record, --value TEXT, or both"
        raise CommandError(message, Exit.USAGE)
    what = " of ".join(part for part in (f"{value!r}" if value else "", subject or "every record") if part)
    if not yes and not typer.confirm(f"Erase the personal values {what} for good?", err=True):
        raise typer.Exit(Exit.REFUSED)
    with open_registry(context) as registry:
        erased = registry.erase(reason, subject=subject, value=value)
    if as_json:
        screen.write_json(erased.raw)
    elif erased.values:
        screen.confirm(f"{plural(erased.values, 'value')} of {plural(erased.subjects, 'record')} erased")
    else:
        screen.notices().print(screen.styled("No such value is there; nothing was erased.", screen.QUIET))


def freeze(context: typer.Context, *, reason: Reason, as_json: AsJson = False) -> None:
    """Freeze the open shard of the log and open the next one under a new name."""
    with open_registry(context) as registry:
        shard = registry.freeze_log(reason)
    _tell(shard, (shard.origin, screen.NAME), "  is open now", as_json=as_json)


def purge(context: typer.Context, shard: _Shard, *, reason: Reason, as_json: AsJson = False) -> None:
    """Remove the bytes of those entries of a frozen shard that outlived their retention period; their hashes stay."""
    with open_registry(context) as registry:
        opened = registry.purge(shard, reason)
    _tell(opened, (opened.origin, screen.NAME), f"  tells what was purged from shard {shard}", as_json=as_json)


@keys.command("list")
def list_keys(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the keys of the log, shard by shard."""
    with open_registry(context) as registry:
        shards = list(registry.shards())
    if as_json:
        write_list(shards, truncated=False)
        return
    table = screen.columns("log", "state", "key", "algorithm", "fingerprint", whole=["fingerprint"])
    for shard in shards:
        for key in shard.keys:
            table.add_row(screen.styled(shard.origin, screen.NAME), shard.status, key.status, key.algorithm, key.fingerprint)
    screen.output().print(table)


@keys.command("export")
def export_keys(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print the verifier keys of the log, one a line: what those who verify are given, by another way than the registry."""
    with open_registry(context) as registry:
        vkeys = [key.vkey for shard in registry.shards() for key in shard.keys]
    if as_json:
        screen.write_json(vkeys)
        return
    for vkey in vkeys:
        screen.output().print(screen.styled(vkey), soft_wrap=True)


@keys.command("rotate")
def rotate_keys(context: typer.Context, *, algorithm: _Algorithm = Algorithm.ED25519, as_json: AsJson = False) -> None:
    """Make a further key; both sign from now on, until the old one is retired."""
    with open_registry(context) as registry:
        key = registry.add_log_key(algorithm.value)
    if as_json:
        screen.write_json(key.raw)
        return
    screen.confirm((key.vkey, screen.NAME))
    advice = "give this key to whoever verifies, then retire the old one: studbook audit keys retire KEY"
    screen.notices().print(screen.styled(f"  {advice}", screen.QUIET))


@keys.command("retire")
def retire_key(context: typer.Context, key: _Key, *, as_json: AsJson = False) -> None:
    """Let a key sign no further checkpoint; what it signed stays verifiable."""
    with open_registry(context) as registry:
        known = [found for shard in registry.shards() for found in shard.keys]
        fitting = [found for found in known if found.id == key or found.fingerprint.startswith(key.lower())]
        if len(fitting) != 1:
            message = f"{len(fitting) or 'no'} keys are {key!r} (studbook audit keys list)"
            raise CommandError(message, Exit.NOT_FOUND)
        retired = registry.retire_log_key(fitting[0].id)
    _tell(retired, (retired.fingerprint, screen.NAME), " is retired", as_json=as_json)


@holds.command("place")
def place_hold(context: typer.Context, subject: _Held, *, reason: Reason, as_json: AsJson = False) -> None:
    """Forbid that anything of a record is erased or purged."""
    with open_registry(context) as registry:
        hold = registry.place_hold(subject, reason)
    _tell(hold, (hold.id, screen.NAME), f"  holds {hold.subject}", as_json=as_json)


@holds.command("release")
def release_hold(context: typer.Context, hold: _Hold, *, reason: Reason, as_json: AsJson = False) -> None:
    """End a legal hold."""
    with open_registry(context) as registry:
        released = registry.release_hold(hold, reason)
    _tell(released, (released.id, screen.NAME), "  is released", as_json=as_json)


@holds.command("list")
def list_holds(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List legal holds, newest first."""
    with open_registry(context) as registry:
        found = list(registry.holds())
    if as_json:
        write_list(found, truncated=False)
        return
    table = screen.columns("hold", "on", "since", "released", "reason", whole=["hold", "since", "released"])
    for hold in found:
        since, until = (moment(time) if time else "" for time in (hold.created_at, hold.released_at))
        table.add_row(screen.styled(hold.id, screen.NAME), screen.styled(hold.subject), since, until, screen.styled(hold.reason))
    screen.print_table(table, none="There are no legal holds.")


@retention.command("set")
def set_retention(context: typer.Context, name: _Class, *, days: _Days, kind: _Kinds, as_json: AsJson = False) -> None:
    """Make a retention class, or change it; what it covers may be purged from frozen shards once its days are over."""
    with open_registry(context) as registry:
        stored = registry.set_retention(name, days, kind)
    _tell(stored, (stored.name, screen.NAME), f"  {plural(stored.days, 'day')}: {', '.join(stored.kinds)}", as_json=as_json)


@retention.command("list")
def list_retention(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List retention classes by name."""
    with open_registry(context) as registry:
        found = list(registry.retention())
    if as_json:
        write_list(found, truncated=False)
        return
    table = screen.columns("class", "days", "kinds", right=["days"])
    for entry in found:
        table.add_row(screen.styled(entry.name, screen.NAME), f"{entry.days:,}", ", ".join(entry.kinds))
    screen.print_table(table, none="There are no retention classes, so nothing is ever purged.")
