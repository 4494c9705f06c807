"""`studbook schema list`, `show`, `infer`: definitions to read, and to write anew."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, ModelName
from studbook.cli.schemas.places import SchemaPlace, read_place
from studbook.cli.session import open_registry
from studbook.cli.sheet import Sheet
from studbook.cli.text import day, moment, safe
from studbook.cli.yaml_text import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from studbook.client import SchemaVersion
    from studbook.client.registry import Registry

_Standard = Annotated[bool, typer.Option("--standard", help="Those that Studbook ships, adopted or not.")]
_AsYaml = Annotated[bool, typer.Option("--yaml", help="Print the definition as YAML, to be changed and drafted again.")]
_NewName = Annotated[str | None, typer.Option("--name", help="What to call the definition; by default like the model.")]


def list_schemas(context: typer.Context, *, standard: _Standard = False, as_json: AsJson = False) -> None:
    """List schema definitions by name."""
    with open_registry(context) as registry:
        if standard:
            _list_standard(registry, as_json=as_json)
            return
        found = list(registry.list_schemas())
    if as_json:
        screen.write_json({"items": [schema.raw for schema in found]})
        return
    table = screen.columns("schema", "describes", "latest", "created", right=["latest"])
    for schema in found:
        latest = str(schema.latest_version or "")
        table.add_row(screen.styled(schema.schema, screen.NAME), _noun(schema.describes), latest, day(schema.created_at))
    screen.print_table(
        table, none="No schema definitions yet; `studbook schema list --standard` shows those that Studbook ships."
    )


def _list_standard(registry: Registry, *, as_json: bool) -> None:
    found = registry.list_standard_schemas()
    if as_json:
        screen.write_json({"items": [schema.raw for schema in found]})
        return
    table = screen.columns("schema", "describes", "versions", "adopted", "description")
    for schema in found:
        numbers = ", ".join(str(number) for number in schema.versions)
        adopted = screen.styled("yes" if schema.adopted else "", screen.GOOD)
        name = screen.styled(schema.name, screen.NAME)
        table.add_row(name, _noun(schema.describes), numbers, adopted, safe(schema.description or ""))
    screen.print_table(table, none="Studbook ships no definitions.")


def show(context: typer.Context, place: SchemaPlace, *, as_yaml: _AsYaml = False, as_json: AsJson = False) -> None:
    """Show a version of a definition: its attributes and where they are kept; with --yaml, all of it."""
    if as_yaml and as_json:
        message = "--yaml and --json are two answers; ask for one"
        raise CommandError(message, Exit.USAGE)
    asked = read_place(place)
    with open_registry(context) as registry:
        version = registry.get_schema_version(asked.name, asked.newest)
        if as_json:
            screen.write_json(version.raw)
            return
        if as_yaml:
            _write_yaml(version.definition)
            return
        others = [] if asked.version else list(registry.list_schema_versions(asked.name))
    _sheet(version, others).print()


def infer(context: typer.Context, model: ModelName, *, name: _NewName = None) -> None:
    """Print a definition that the versions of a model satisfy, as YAML: to be corrected, and drafted. Nothing is stored."""
    with open_registry(context) as registry:
        definition = registry.infer_schema(model, name)
    # The order in which it is written by hand.
    head = ("schema", "name", "describes", "description", "compatibility", "json_schema")
    _write_yaml({**{member: definition[member] for member in head if member in definition}, **definition})


def _sheet(version: SchemaVersion, others: Iterable[SchemaVersion]) -> Sheet:
    sheet = Sheet(version.name, version.status, description=version.description)
    sheet.fact("describes", _noun(version.describes))
    sheet.fact("compatibility", version.compatibility)
    sheet.fact("digest", version.digest)
    sheet.time("created", version.created_at, version.created_by)
    sheet.fact("published", moment(version.published_at))
    sheet.fact("deprecated", moment(version.deprecated_at))
    sheet.section("Versions", _versions(others))
    sheet.section("Attributes", _attributes(version))
    return sheet


def _versions(versions: Iterable[SchemaVersion]) -> Table:
    table = screen.columns("version", "status", "published", right=["version"])
    for version in versions:
        style = screen.GOOD if version.status == "published" else screen.QUIET
        table.add_row(str(version.number), screen.styled(version.status, style), day(version.published_at))
    return table


def _attributes(version: SchemaVersion) -> Table:
    table = screen.columns("id", "name", "path", "type", "kept", right=["id"])
    for attribute in version.attributes:
        alias = attribute.get("alias_of")
        marks = [mark for mark in ("unique", "facet", "deprecated") if attribute.get(mark)]
        marks += [f"the {attribute['aggregate']}"] if attribute.get("aggregate") else []
        kept = f"is {alias}" if alias else ", ".join([str(attribute.get("store")), *marks])
        name = screen.styled(attribute.get("name", ""), screen.NAME)
        kind = "" if alias else safe(attribute.get("type"))
        table.add_row(str(attribute.get("id")), name, safe(attribute.get("path") or ""), kind, safe(kept))
    return table


def _noun(kind: str) -> str:
    return safe(kind.replace("_", " "))


def _write_yaml(value: Any) -> None:  # noqa: ANN401 - any JSON value
    sys.stdout.write(to_yaml(value))
