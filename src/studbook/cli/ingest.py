"""`studbook ingest`: documents from files, lines from NDJSON files, and folders of models."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from studbook.cli import screen
from studbook.cli.documents import Form, guess_form, read_lines
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError, exit_code, print_fault
from studbook.cli.ingest_folder import ModelOptions, draft_model, is_model, read_identifiers, show_findings
from studbook.cli.options import AsJson, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import plural, short_name
from studbook.client.errors import AuthenticationError, PermissionDeniedError, RefusedError, StudbookError, UnreachableError
from studbook.client.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

    from studbook.cli.documents import BadLine
    from studbook.client import Ingested
    from studbook.client.registry import Registry

app = new_app()

_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        help="YAML, JSON or NDJSON (.ndjson, .jsonl) documents, - for standard input; or folders of models, or model files.",
    ),
]
_FormOption = Annotated[Form | None, typer.Option("--format", help="What the files are, where their names do not tell.")]
_Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The registered model of a folder; by default the folder's name.")
]
_Given = Annotated[
    list[str] | None,
    typer.Option("--identifier", metavar="SCHEME:VALUE", help="A name of the model of a folder elsewhere, again for each."),
]
_Prefix = Annotated[
    str | None, typer.Option("--uri-prefix", metavar="URI", help="Where the files of a folder lie, such as s3://models/churn.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what a folder says, and register nothing.")]
_Again = Annotated[bool, typer.Option("--again", help="Record a document even if the very same was recorded before.")]

# Edges that follow from the run and datasets, which are named already.
_PLAIN_RELATIONS = {"input", "output"}

# Refused lines of one file that are shown in full.
_SHOWN_REFUSALS = 20


@dataclass(slots=True)
class _Tally:
    """What became of the documents so far."""

    as_json: bool
    again: bool
    options: ModelOptions = field(default_factory=ModelOptions)
    recorded: int = 0
    faults: list[Exception] = field(default_factory=list)

    @property
    def code(self) -> Exit:
        """The exit code that tells it."""
        if not self.faults:
            return Exit.OK
        if self.recorded:
            return Exit.PARTIAL
        codes = {exit_code(fault) for fault in self.faults}
        return codes.pop() if len(codes) == 1 else Exit.REFUSED

    def key(self, content: bytes) -> str:
        """The idempotency key: of the content, so that a command that is given twice records once."""
        return str(new_id()) if self.again else f"content:{hashlib.sha256(content).hexdigest()}"


@app.command()
def ingest(
    context: typer.Context,
    files: _Files,
    *,
    form: _FormOption = None,
    again: _Again = False,
    model: _Model = None,
    identifiers: _Given = None,
    uri_prefix: _Prefix = None,
    dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Record ingestion documents from files, and versions from folders of models.

    Of a folder, or of a single model file, it is shown what its files say (format, architecture, license, bases, datasets,
    metrics, and what would be a risk to load), and a version is registered with all of it. A document or a folder that was
    recorded before, to the letter, is not recorded twice. What is refused does not hold up the next; exit code 6 says that
    some were refused. With --json, a line for each document; with --dry-run too, the document that a folder makes.
    """
    tally = _Tally(as_json, again, ModelOptions(model, read_identifiers(identifiers or ()), uri_prefix, dry_run))
    if dry_run:
        for name in files:
            _ingest_model(None, name, tally)
        raise typer.Exit(tally.code)
    with open_registry(context) as registry:
        for name in files:
            try:
                if form is None and is_model(name):
                    _ingest_model(registry, name, tally)
                else:
                    _ingest_file(registry, name, form, tally)
            except (AuthenticationError, PermissionDeniedError, UnreachableError) as error:
                _tell_fault(tally, name, error)
                break
    raise typer.Exit(tally.code)


def _ingest_model(registry: Registry | None, name: str, tally: _Tally) -> None:
    """Show what a folder or a model file says and, with a registry, register it."""
    try:
        drafted = draft_model(name, tally.options)
        if not tally.as_json:
            show_findings(drafted)
        elif registry is None:
            screen.write_json(drafted.document)
        if registry is None:
            tally.recorded += 1
            return
        content = json.dumps(drafted.document, sort_keys=True).encode()
        result = registry.ingest(content, tally.key(content), media_type="application/json")
    except (CommandError, RefusedError) as error:
        if isinstance(error, AuthenticationError | PermissionDeniedError):
            raise
        _tell_fault(tally, name, error)
    else:
        _tell_recorded(tally, name, result)


def _tell_recorded(tally: _Tally, name: str, result: Ingested) -> None:
    tally.recorded += 1
    if tally.as_json:
        screen.write_json_line({"file": name, "status": 201, "result": result.raw})
    else:
        _show_result(name, result)


def _ingest_file(registry: Registry, name: str, form: Form | None, tally: _Tally) -> None:
    try:
        if tally.options.given:
            raise CommandError(
                "is a document; --model, --identifier and --uri-prefix are for folders and model files", Exit.USAGE
            )
        with _opened(name) as file:
            head = [file.readline(), file.readline()]
            kind = form or guess_form(name, head[0], alone=not head[1])
            if kind is Form.NDJSON:
                _ingest_lines(registry, name, chain(head, file), tally)
                return
            content = b"".join([*head, file.read()])
        result = registry.ingest(content, tally.key(content), media_type=f"application/{kind.value}")
    except OSError as error:
        message = error.strerror or str(error)
        _tell_fault(tally, name, CommandError(f"cannot be read: {message}"))
    except RefusedError as error:
        if isinstance(error, AuthenticationError | PermissionDeniedError):
            raise
        _tell_fault(tally, name, error)
    else:
        _tell_recorded(tally, name, result)


def _ingest_lines(registry: Registry, name: str, lines: Iterator[bytes], tally: _Tally) -> None:
    numbers: list[int] = []
    before, faults_before = tally.recorded, len(tally.faults)

    def tell_bad(bad: BadLine) -> None:
        _tell_fault(tally, f"{name}, line {bad.number}", CommandError(bad.message), line=(name, bad.number))

    def documents() -> Iterator[dict[str, Any]]:
        for number, content, document in read_lines(lines, tell_bad):
            numbers.append(number)
            keyed = document if document.keys() == {"idempotency_key", "document"} else None
            yield keyed or {"idempotency_key": tally.key(content), "document": document}

    with screen.notices().status(f"{name} …") as status:
        for outcome in registry.ingest_many(documents()):
            number = numbers[outcome.position]
            if outcome.refusal is not None:
                shown = len(tally.faults) - faults_before < _SHOWN_REFUSALS
                _tell_fault(tally, f"{name}, line {number}", outcome.refusal, line=(name, number), shown=shown)
            elif outcome.result is not None:
                tally.recorded += 1
                if tally.as_json:
                    screen.write_json_line({"file": name, "line": number, "status": 201, "result": outcome.result.raw})
            _progress(status, name, tally.recorded - before, len(tally.faults) - faults_before)
    _show_lines(name, tally, tally.recorded - before, len(tally.faults) - faults_before)


def _opened(name: str) -> BinaryIO:
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


def _progress(status: Status, name: str, recorded: int, refused: int) -> None:
    words = f"{name}  {recorded:,} recorded" + (f", {refused:,} refused" if refused else "")
    status.update(screen.styled(words))


def _show_lines(name: str, tally: _Tally, recorded: int, refused: int) -> None:
    if refused > _SHOWN_REFUSALS:
        screen.notices().print(screen.styled(f"  … and {refused - _SHOWN_REFUSALS:,} more refused", screen.QUIET))
    if not tally.as_json and recorded:
        refusals = f", {refused:,} refused" if refused else ""
        screen.confirm((name, screen.HEADING), f"  {plural(recorded, 'document')} recorded{refusals}")


def _show_result(name: str, result: Ingested) -> None:
    made = result.version or result.run or next(iter(result.datasets), None)
    new = " (a new model)" if result.model and result.model.created else ""
    screen.confirm((name, screen.HEADING), "  →  ", (short_name(made.name) if made else "", screen.NAME), new)
    facts = screen.grid()
    if result.run and result.version:
        facts.add_row(screen.styled("run", screen.QUIET), screen.styled(result.run.name))
    for use in result.datasets:
        made_or_known = "new" if use.created else "known"
        words = f"{use.name}  ({use.role}, {made_or_known})"
        facts.add_row(screen.styled("dataset", screen.QUIET), screen.styled(words))
    for edge in result.edges:
        if edge.relation not in _PLAIN_RELATIONS:
            words = f"{short_name(edge.source)} → {short_name(edge.target)}  ({edge.relation})"
            facts.add_row(screen.styled("lineage", screen.QUIET), screen.styled(words))
    if result.edges:
        facts.add_row(screen.styled("lineage", screen.QUIET), f"{plural(len(result.edges), 'edge')} drawn")
    if result.links:
        facts.add_row(screen.styled("lineage", screen.QUIET), f"{plural(len(result.links), 'edge')} drawn to what waited")
    if facts.row_count:
        screen.output().print(screen.indented(facts, 4))
    for warning in result.warnings:
        place = warning.pointer or "(whole document)"
        message = f"  {warning.message}  "
        screen.notices().print(screen.line(("  ! ", screen.CAUTION), (place, screen.NAME), message, (warning.code, screen.QUIET)))


def _tell_fault(
    tally: _Tally, subject: str, fault: Exception, *, line: tuple[str, int] | None = None, shown: bool = True
) -> None:
    tally.faults.append(fault)
    if shown:
        print_fault(fault, subject=subject)
    if tally.as_json:
        name, number = line or (subject, None)
        where = {"file": name} if number is None else {"file": name, "line": number}
        known = isinstance(fault, RefusedError)
        problem = fault.problem if known else {"title": "Not sent", "detail": str(fault), "errors": []}  # type: ignore[attr-defined]
        status = getattr(fault, "status", None) if isinstance(fault, StudbookError) else None
        screen.write_json_line({**where, "status": status, "problem": problem})
