"""`studbook witness …`: a witness, which cosigns the checkpoints of other registries' logs."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.audit_part import verifying_part
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, new_app
from studbook.cli.text import moment, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.witness.folder import WitnessFolder
    from studbook.witness.state import LogState

app = new_app("Run a witness that cosigns the checkpoints of other registries' logs.")

_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The witness's folder; never restore it from an older copy.")]
_Name = Annotated[str, typer.Option("--name", help="Its name in cosignatures, such as witness.example.org/w1.")]
_Url = Annotated[str, typer.Option("--reached-at", metavar="URL", help="Where logs will reach it, for the line of their policy.")]
_Vkey = Annotated[str, typer.Argument(metavar="VKEY", help="The log's verifier key, as its registry tells it.")]
_Origin = Annotated[
    str | None, typer.Option("--origin", help="The log's name in its checkpoints.", show_default="the name of the key")
]
_Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
_Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]


@app.command("init")
def init(folder: _Folder, *, name: _Name, url: _Url = "http://127.0.0.1:8766", as_json: AsJson = False) -> None:
    """Make a witness with a key of its own; prints its verifier key, and its line for a log's policy (STUDBOOK_LOG_POLICY)."""
    with _audit_part():
        from studbook.witness.folder import WitnessFolder

        key = str(WitnessFolder.create(folder, name).key)
    policy = f"witness {name} {key} {url}"
    if as_json:
        screen.write_json({"vkey": key, "policy": policy})
        return
    screen.output().print(key, soft_wrap=True)
    screen.output().print(policy, soft_wrap=True)
    screen.notices().print(screen.styled(f"The policy also needs a quorum, such as: quorum {name}", screen.QUIET))


@app.command("add-log")
def add_log(folder: _Folder, vkey: _Vkey, *, origin: _Origin = None, as_json: AsJson = False) -> None:
    """Cosign a log's checkpoints from now on, or trust one more key of it; a running witness heeds it at once."""
    with _opened(folder) as witness:
        from studbook.merkle.errors import VerificationError
        from studbook.merkle.notes import parse_vkey

        try:
            key = parse_vkey(vkey)
        except VerificationError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        name = origin or key.name
        is_new = witness.add_log(key, name)
    if as_json:
        screen.write_json({"origin": name, "vkey": vkey, "fingerprint": key.fingerprint, "new": is_new})
        return
    state = "is trusted now" if is_new else "was trusted already"
    screen.confirm((name, screen.NAME), f": the key with the fingerprint {key.fingerprint} {state}")


@app.command("serve")
def serve(folder: _Folder, *, host: _Host = "127.0.0.1", port: _Port = 8766, as_json: AsJson = False) -> None:
    """Answer logs that ask for cosignatures (c2sp.org/tlog-witness) until Ctrl-C or SIGTERM.

    Prints where it listens, with --json as one line of JSON. It speaks HTTP; for HTTPS, put a proxy before it.
    """
    with _opened(folder) as witness:
        from studbook.witness.cosigning import Cosigning
        from studbook.witness.server import WitnessServer, serve_until_told

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        try:
            server = WitnessServer(Cosigning(witness), host, port)
        except OSError as error:
            message = f"cannot listen on {host}, port {port}: {error.strerror or error}"
            raise CommandError(message, advice="Choose another with --port.") from error

        def announce() -> None:
            if as_json:
                described = {"name": witness.key.name, "url": server.url, "host": server.server_name, "port": server.server_port}
                screen.write_json_line({**described, "vkey": str(witness.key)})
            else:
                screen.confirm((witness.key.name, screen.NAME), f" listens on {server.url}")
            sys.stdout.flush()

        serve_until_told(server, announce)


@app.command("show")
def show(folder: _Folder, *, as_json: AsJson = False) -> None:
    """Say what was cosigned last of each log, and when; exit code 1 if a log is convicted of a fork."""
    with _opened(folder) as witness:
        logs = [_describe(log) for log in witness.list_logs()]
        key = witness.key
    if as_json:
        screen.write_json({"name": key.name, "vkey": str(key), "logs": logs})
    else:
        screen.notices().print(screen.line((key.name, screen.NAME), f"  {key}"), soft_wrap=True)
        table = screen.columns("log", "keys", "size", "cosigned", "evidence", right=["keys", "size"], whole=["cosigned"])
        for log in logs:
            at = moment(datetime.fromisoformat(log["cosigned_at"])) if log["cosigned_at"] else "never"
            style = screen.BAD if log["evidence"]["fork"] else screen.CAUTION
            evidence = ", ".join(f"{count} {kind}" for kind, count in log["evidence"].items() if count)
            size = "" if log["size"] is None else str(log["size"])
            table.add_row(
                screen.styled(log["origin"], screen.NAME), str(len(log["keys"])), size, at, screen.styled(evidence, style)
            )
        screen.print_table(table, none="It cosigns no log yet: studbook witness add-log")
    if forks := sum(log["evidence"]["fork"] for log in logs):
        screen.notices().print(screen.styled(f"{plural(forks, 'fork')}: see {folder / 'evidence'}", screen.BAD))
        raise typer.Exit(Exit.REFUSED)


def _describe(log: LogState) -> dict[str, Any]:
    from studbook.witness.evidence import Kind

    last = log.load()
    at = datetime.fromtimestamp(last.time, UTC).isoformat() if last else None
    return {
        "origin": log.origin,
        "keys": [str(key) for key in log.keys],
        "size": last.checkpoint.size if last else None,
        "cosigned_at": at,
        "evidence": {kind.value: log.evidence.count(kind) for kind in Kind},
    }


@contextmanager
def _opened(folder: Path) -> Iterator[WitnessFolder]:
    with _audit_part():
        from studbook.witness.folder import WitnessFolder

        yield WitnessFolder(folder)


@contextmanager
def _audit_part() -> Iterator[None]:
    """The witness's code is imported and used in this block; what is missing or wrong becomes one sentence."""
    with verifying_part():
        from studbook.witness.files import FolderError

        try:
            yield
        except FolderError as error:
            raise CommandError(str(error)) from error
