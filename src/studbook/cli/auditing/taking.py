"""`studbook audit receipt`, `export`, `bundle`: evidence that is kept away from the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.audit_part import verifying_part
from studbook.cli.auditing.parts import read_file
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, Reference
from studbook.cli.session import open_registry
from studbook.cli.text import plural

if TYPE_CHECKING:
    from studbook.client.registry import Registry

_Event = Annotated[str, typer.Argument(metavar="EVENT", help="The id of an event, as answers and `audit events --json` tell it.")]
_Into = Annotated[Path, typer.Option("--into", metavar="FOLDER", help="Where the files go.")]
_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the log goes; one that is there grows.")]
_Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where the bundle goes.", show_default="evidence.zip")
]
_Since = Annotated[
    Path | None,
    typer.Option(
        "--since", metavar="CHECKPOINT", help="A checkpoint that was kept: the bundle proves that the log grew from it."
    ),
]
_Disclose = Annotated[bool, typer.Option("--disclose", help="Open the personal values that still are there.")]


def receipt(context: typer.Context, event: _Event, *, into: _Into = Path(), as_json: AsJson = False) -> None:
    """Fetch the receipt of an event and the entry that it proves: EVENT.tlog-proof and EVENT.json."""
    with open_registry(context) as registry:
        files = {
            into / f"{event}.tlog-proof": registry.receipt(event).encode(),
            into / f"{event}.json": registry.entry(event),
        }
    for path, data in files.items():
        _write(path, data)
    if as_json:
        screen.write_json({"receipt": str(into / f"{event}.tlog-proof"), "entry": str(into / f"{event}.json")})
        return
    for path in files:
        screen.confirm((str(path), screen.NAME))


def export(context: typer.Context, folder: _Folder, *, as_json: AsJson = False) -> None:
    """Write the whole log as files (c2sp.org/tlog-tiles): a mirror, which any web server can serve and `verify` checks.

    Full tiles never change, so exporting again fetches only what is new.
    """
    with verifying_part():
        from studbook.merkle.checkpoint import parse_checkpoint
        from studbook.merkle.notes import parse_note
        from studbook.merkle.tiles import TILE_WIDTH, bundles_of, tiles_of
    with open_registry(context) as registry:
        note = registry.log_file("checkpoint")
        checkpoint = parse_checkpoint(parse_note(note).text)
        _refuse_other_log(folder, checkpoint.origin)
        _write(folder / "policy", registry.policy())
        fetched = 0
        wanted = [(tile.path, tile.width) for tile in tiles_of(checkpoint.size)]
        wanted += [(entries.path, entries.width) for entries in bundles_of(checkpoint.size)]
        for path, width in wanted:
            if width == TILE_WIDTH and (folder / path).exists():
                continue
            _write(folder / path, registry.log_file(path))
            fetched += 1
        # Last, so that what it covers is there whenever the export stops.
        _write(folder / "checkpoint", note)
    if as_json:
        screen.write_json({"origin": checkpoint.origin, "size": checkpoint.size, "files": fetched})
    else:
        words = f"  {checkpoint.size:,} entries in {folder}, {plural(fetched, 'file')} fetched"
        screen.confirm((checkpoint.origin, screen.NAME), words)


def bundle(
    context: typer.Context,
    reference: Reference,
    *,
    out: _Out = None,
    since: _Since = None,
    disclose: _Disclose = False,
    as_json: AsJson = False,
) -> None:
    """Write the evidence for a record: its history, with proofs, and a page that verifies them in a browser.

    Of a model version the histories of its model and its run are in it, too.
    """
    path = out or Path("evidence.zip")
    with open_registry(context) as registry:
        data = registry.bundle(reference, since=_size_of(since) if since else None, disclose=disclose)
        origin = _origin(registry)
    _write(path, data)
    if as_json:
        screen.write_json({"bundle": str(path), "bytes": len(data), "origin": origin})
        return
    screen.confirm((str(path), screen.NAME), f"  {len(data):,} bytes")
    advice = f"studbook audit verify {path} --key VKEY, or open its verify.html; give the key of {origin} by another way"
    screen.notices().print(screen.styled(f"  {advice}", screen.QUIET))


def _origin(registry: Registry) -> str:
    return next((shard.origin for shard in registry.shards() if shard.status == "open"), "the log")


def _size_of(path: Path) -> int:
    with verifying_part():
        from studbook.merkle.checkpoint import parse_checkpoint
        from studbook.merkle.errors import VerificationError
        from studbook.merkle.notes import parse_note
    try:
        return parse_checkpoint(parse_note(read_file(path)).text).size
    except VerificationError as error:
        raise CommandError(f"{path}: {error}", Exit.USAGE) from error


def _refuse_other_log(folder: Path, origin: str) -> None:
    """Two logs in one folder would be none."""
    known = folder / "checkpoint"
    if known.exists() and (first := known.read_bytes().split(b"\n", 1)[0]) != origin.encode():
        message = f"{folder} holds the log {first.decode('utf-8', 'replace')}, not {origin}; choose another folder"
        raise CommandError(message, Exit.USAGE)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
