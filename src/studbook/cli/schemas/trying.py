"""`studbook schema test` and `check`: a document held against a definition, and a version held against what is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from studbook.cli import screen
from studbook.cli.documents import read_document
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError, print_places
from studbook.cli.options import AsJson
from studbook.cli.schemas.places import SchemaPlace, read_place
from studbook.cli.session import open_registry
from studbook.cli.text import plural, short_name
from studbook.client.errors import NotFoundError, Notice

if TYPE_CHECKING:
    from studbook.client import SchemaBreak, SchemaCompatibility, StoredVerdict
    from studbook.client.registry import Registry

_File = Annotated[
    str,
    typer.Argument(metavar="FILE", help="An ingestion document, or the described document itself, in YAML or JSON; - for stdin."),
]
_Against = Annotated[
    str, typer.Option("--against", metavar="NAME[/VERSION]", help="The definition; its newest published version.")
]

# What a definition describes of the `version` of an ingestion document; `parents` and `personal` it does not.
_DESCRIBED: Final = ("description", "parameters", "metrics", "artifacts", "tags", "attributes", "identifiers")
_VERSION: Final = "model_version"


def try_document(context: typer.Context, file: _File, *, against: _Against, as_json: AsJson = False) -> None:
    """Hold a document against a definition, without recording anything; exit code 0 says that it satisfies it.

    Of an ingestion document its `version` is held against the definition. Each fault is named with its place in the file.
    """
    place = read_place(against)
    document = read_document(file)
    with open_registry(context) as registry:
        prefix, described = _described(registry, place.name, file, document)
        outcome = registry.validate_document(place.name, described, place.version)
    faults = [Notice(f"{prefix}{fault.pointer}", fault.code, fault.message) for fault in outcome.errors]
    held = f"{outcome.schema}/{outcome.version}"
    if as_json:
        errors = [{"pointer": fault.pointer, "code": fault.code, "message": fault.message} for fault in faults]
        screen.write_json({**outcome.raw, "errors": errors})
    elif outcome.valid:
        screen.confirm((file, screen.HEADING), "  satisfies ", (held, screen.NAME))
    else:
        words = f"does not satisfy {held}: {plural(len(faults), 'fault')}"
        screen.notices().print(screen.line(("✗ ", screen.BAD), (f"{file}: ", screen.HEADING), words))
        print_places(faults)
    if not outcome.valid:
        raise typer.Exit(Exit.REFUSED)


def _described(registry: Registry, name: str, file: str, document: Any) -> tuple[str, Any]:  # noqa: ANN401 - any JSON value
    """What a definition describes of a document, and where it stands there."""
    if not _is_ingestion(document):
        return "", document
    kind = _kind_described(registry, name)
    if kind != _VERSION:
        message = f"{file} is an ingestion document, and {name} describes another kind of record: {kind.replace('_', ' ')}"
        raise CommandError(message, Exit.USAGE, advice="Give the described document itself, without what stands around it.")
    version = document.get("version")
    if not isinstance(version, dict):
        message = f"{file} records no version"
        raise CommandError(message, Exit.USAGE)
    said = {member: version[member] for member in _DESCRIBED if version.get(member)}
    for member in ("metrics", "artifacts"):
        if isinstance(said.get(member), list):
            said[member] = [_without_nulls(entry) for entry in said[member]]
    return "/version", said


def _is_ingestion(document: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(document, dict):
        return False
    return str(document.get("schema", "")).startswith("studbook.dev/ingest/") or {"model", "version"} <= document.keys()


def _without_nulls(entry: Any) -> Any:  # noqa: ANN401 - any JSON value
    return {key: value for key, value in entry.items() if value is not None} if isinstance(entry, dict) else entry


def _kind_described(registry: Registry, name: str) -> str:
    try:
        return registry.get_schema(name).describes
    except NotFoundError:
        shipped = {schema.name: schema.describes for schema in registry.list_standard_schemas()}
        if name not in shipped:
            raise
        return shipped[name]


def check(context: typer.Context, place: SchemaPlace, *, as_json: AsJson = False) -> None:
    """Say what publishing a version would break, and which stored versions it would refuse; exit code 0 if nothing is broken."""
    asked = read_place(place)
    with open_registry(context) as registry:
        report = registry.schema_compatibility(asked.name, asked.newest)
    if as_json:
        screen.write_json(report.raw)
    else:
        _show_report(report)
    if not report.compatible:
        raise typer.Exit(Exit.REFUSED)


def _show_report(report: SchemaCompatibility) -> None:
    version = (f"{report.schema}/{report.version}", screen.NAME)
    if report.compatible:
        screen.confirm(version, "  keeps what the versions before it promise")
    else:
        screen.output().print(screen.line(("✗ ", screen.BAD), version, "  breaks what the versions before it promise"))
    for one in report.breaks:
        _show_break(one)
    print_places(report.errors)
    if report.stored is not None:
        screen.output().print(screen.line("  ", _stored_sentence(report.stored)))
        for name in report.stored.versions:
            screen.output().print(screen.line("    ", (short_name(name), screen.NAME)))


def _show_break(one: SchemaBreak) -> None:
    console = screen.output()
    doubt = "" if one.certain else "perhaps: "
    console.print(screen.line("  ", (f"{one.direction} of version {one.version}", screen.HEADING), f"  {doubt}{one.message}"))
    if one.witness is not None:
        shown = json.dumps(one.witness, ensure_ascii=False)
        console.print(screen.line("    for example  ", (shown, screen.QUIET)), soft_wrap=True)


def _stored_sentence(stored: StoredVerdict) -> str:
    looked_at = f"the newest {stored.looked_at:,}" if not stored.complete else f"{stored.looked_at:,}"
    if not stored.invalid:
        return f"none of {looked_at} stored versions would be refused"
    shown = f"; the first {len(stored.versions)}:" if stored.invalid > len(stored.versions) else ":"
    return f"{stored.invalid:,} of {looked_at} stored versions would be refused{shown}"
