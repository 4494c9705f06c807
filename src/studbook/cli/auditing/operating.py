"""`studbook audit fsck` and `recover`: on the database itself, with its keys and guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.auditing.parts import Keys, read_file, read_keys, read_policy
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson
from studbook.cli.server_part import caller_of, opened_database, server_part
from studbook.cli.session import session_of
from studbook.cli.text import plural

if TYPE_CHECKING:
    from studbook.merkle.checkpoint import Checkpoint
    from studbook.services.audit.fsck import LogReport
    from studbook.services.caller import Caller
    from studbook.services.registry import Registry

# Findings of one log that are shown in full; --json has all.
_SHOWN: int = 30

_Against = Annotated[
    list[Path] | None,
    typer.Option("--against", metavar="CHECKPOINT", help="A checkpoint that was kept elsewhere; the log must contain it."),
]
_Mirror = Annotated[
    Path | None, typer.Option("--from", metavar="FOLDER", help="A mirror (studbook audit export) that has the missing entries.")
]
_AcceptLoss = Annotated[
    str | None,
    typer.Option(
        "--accept-loss", metavar="REASON", help="Give the shard up as it is and open the next, which tells of the loss."
    ),
]
_GuardFrom = Annotated[
    Path | None, typer.Option("--guard-from", metavar="CHECKPOINT", help="Give a lost guard this checkpoint, once it verifies.")
]


def fsck(*, against: _Against = None, as_json: AsJson = False) -> None:
    """Check every log and every table against what was logged and signed; exit code 1 when anything differs.

    Hashes, tiles and roots are computed anew from the entries' bytes; checkpoints, the guard, each record's chain and the
    values beside the log are compared; then the log is replayed, and every row that differs from it is named.
    """
    with server_part():
        from studbook.services.audit.fsck import check_logs
    with opened_database() as registry:
        kept = [_read_checkpoint(registry, path) for path in against or ()]
        policy = read_policy(registry.settings.log_policy)
        witnesses = [witness.key for witness in policy.witnesses] if policy else []
        reports = list(check_logs(registry.database, registry.guard, kept, witnesses))
    found = sum(len(report.findings) for report in reports)
    if as_json:
        screen.write_json({"ok": not found, "logs": [report.as_json() for report in reports]})
    else:
        for report in reports:
            _show_report(report)
    if found:
        raise typer.Exit(Exit.REFUSED)


def _show_report(report: LogReport) -> None:
    counts = [
        f"{report.size:,} entries",
        *(
            f"{count:,} {words}"
            for count, words in (
                (report.erased, "values erased"),
                (report.purged, "entries purged"),
                (report.lost, "entries known to be lost"),
                (report.waiting, "events waiting"),
                (report.unsigned, "entries not signed yet"),
            )
            if count
        ),
    ]
    if not report.findings:
        screen.confirm((report.origin, screen.NAME), f"  {', '.join(counts)}: all as it was logged")
        return
    console = screen.output()
    title = f"  {', '.join(counts)}: {plural(len(report.findings), 'finding')}"
    console.print(screen.line(("✗ ", screen.BAD), (report.origin, screen.NAME), title))
    for finding in report.findings[:_SHOWN]:
        console.print(
            screen.line("  ", (f"{finding.layer.value}: ", screen.QUIET), (finding.place, screen.NAME), f" {finding.message}")
        )
    if len(report.findings) > _SHOWN:
        console.print(screen.styled(f"  … and {len(report.findings) - _SHOWN:,} more (--json has all)", screen.QUIET))


def recover(
    context: typer.Context,
    *,
    mirror: _Mirror = None,
    accept_loss: _AcceptLoss = None,
    guard_from: _GuardFrom = None,
    key: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Bring a halted log back after its database was restored from an older state, or its guard was lost.

    Stop every server of the database first. docs/howto/recover-the-log.md tells which way is right.
    """
    if sum(way is not None for way in (mirror, accept_loss, guard_from)) != 1:
        message = "say one of --from FOLDER, --accept-loss REASON, --guard-from CHECKPOINT"
        raise CommandError(message, Exit.USAGE)
    with server_part():
        from studbook.domain.errors import StudbookError
        from studbook.merkle.errors import VerificationError
        from studbook.services.audit.recovery import RecoveryError
    with opened_database() as registry:
        caller = caller_of(registry, session_of(context).namespace)
        try:
            if mirror is not None:
                done = _import(registry, caller, mirror)
            elif accept_loss is not None:
                done = _give_up(registry, caller, accept_loss)
            else:
                assert guard_from is not None  # noqa: S101 - one of the three is given
                done = _adopt(registry, caller, guard_from, key)
        except (RecoveryError, VerificationError, StudbookError) as error:
            raise CommandError(f"nothing was changed: {error}") from error
    if as_json:
        screen.write_json({"done": done})
    else:
        screen.confirm(done)


def _import(registry: Registry, caller: Caller, mirror: Path) -> str:
    from studbook.evidence.mirror import folder_source, read_entries
    from studbook.services.audit.recovery import find_gap, import_entries

    tree, guarded = find_gap(registry, caller.namespace_id)
    entries = list(read_entries(folder_source(mirror), tree.size, guarded.size))[: guarded.size - tree.size]
    count = import_entries(registry, caller, entries)
    return f"{count:,} entries were brought back from {mirror}, and the tables with them; run studbook audit fsck"


def _give_up(registry: Registry, caller: Caller, reason: str) -> str:
    from studbook.services.audit.recovery import accept_loss

    accept_loss(registry, caller, reason)
    return (
        "the shard is given up and the next one is open; tell whoever verifies its new name and key (studbook audit keys export)"
    )


def _adopt(registry: Registry, caller: Caller, path: Path, key: list[str] | None) -> str:
    from studbook.evidence.mirror import check_signed
    from studbook.services.audit.recovery import adopt_guard

    keys = read_keys(key)
    checkpoint = check_signed(read_file(path), keys, None) if keys else _read_checkpoint(registry, path)
    adopt_guard(registry, caller.namespace_id, checkpoint)
    return f"the guard holds the checkpoint of {checkpoint.size:,} entries again"


def _read_checkpoint(registry: Registry, path: Path) -> Checkpoint:
    """A checkpoint that a key of one of the registry's logs has signed."""
    from studbook.evidence.mirror import check_signed
    from studbook.merkle.errors import VerificationError
    from studbook.merkle.notes import parse_vkey
    from studbook.storage import log

    with registry.database.read() as connection:
        keys = [
            parse_vkey(row.vkey)
            for shard in log.list_logs(connection)
            for row in log.list_keys(connection, shard.namespace_id, shard.shard)
        ]
    try:
        return check_signed(read_file(path), keys, None)
    except VerificationError as error:
        raise CommandError(f"{path}: {error}") from error
