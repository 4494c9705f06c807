"""`studbook schema draft`, `publish`, `deprecate`, `adopt`, `require`: what changes definitions, and which one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studbook.cli import screen
from studbook.cli.documents import Form, read_bytes
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, IfMatch, ModelName
from studbook.cli.schemas.places import SchemaName, is_file, read_place, short_place
from studbook.cli.session import open_registry
from studbook.client.errors import RefusedError

if TYPE_CHECKING:
    from studbook.client import SchemaVersion
    from studbook.client.registry import Registry

_File = Annotated[str, typer.Argument(metavar="FILE", help="A definition in YAML or JSON; - for standard input.")]
_FileOrPlace = Annotated[
    str,
    typer.Argument(
        metavar="NAME[/VERSION]|FILE", help="A draft that is stored, or the file of a definition to draft and publish."
    ),
]
_Version = Annotated[str, typer.Argument(metavar="NAME/VERSION", help="A version of a schema definition.")]
_Definition = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The schema definition that versions must satisfy.")]
_Least = Annotated[int | None, typer.Option("--min-version", min=1, help="Only from this version of the definition on.")]
_Most = Annotated[int | None, typer.Option("--max-version", min=1, help="Only up to this version of the definition.")]
_Nothing = Annotated[bool, typer.Option("--none", help="Let versions of the model be as they like.")]


def draft(context: typer.Context, file: _File, *, if_match: IfMatch = None, as_json: AsJson = False) -> None:
    """Keep a definition as a draft: the next version of its name, or in place of the draft there is."""
    with open_registry(context) as registry:
        drafted = _draft(registry, file, if_match)
    is_new = drafted.status == "draft"
    _show(drafted, "is drafted" if is_new else "is published and says the same; nothing was drafted", as_json=as_json)
    if is_new and not as_json:
        place = short_place(drafted.name)
        words = f"  `studbook schema check {place}` says what it breaks, `studbook schema publish {place}` makes it hold."
        screen.notices().print(screen.styled(words, screen.QUIET))


def publish(context: typer.Context, target: _FileOrPlace, *, if_match: IfMatch = None, as_json: AsJson = False) -> None:
    """Publish a draft, so that it holds and never changes again; of a file, draft and publish it at once.

    What ends in .yaml, .yml or .json is a file. A draft that breaks what the definition promises is refused, and stays a draft.
    """
    with open_registry(context) as registry:
        if is_file(target):
            drafted = _draft(registry, target, if_match)
            published = _publish(registry, drafted)
        else:
            place = read_place(target)
            published = registry.publish_schema(place.name, place.newest, if_match=if_match)
    _show(published, "is published", as_json=as_json)


def deprecate(context: typer.Context, version: _Version, *, if_match: IfMatch = None, as_json: AsJson = False) -> None:
    """Deprecate a published version: it holds only where a model's range leaves no other."""
    place = read_place(version)
    if place.version is None:
        message = f"which version of {place.name}? write {place.name}/VERSION"
        raise CommandError(message, Exit.USAGE)
    with open_registry(context) as registry:
        deprecated = registry.deprecate_schema(place.name, place.version, if_match=if_match)
    _show(deprecated, "is deprecated", as_json=as_json)


def adopt(context: typer.Context, name: SchemaName, *, as_json: AsJson = False) -> None:
    """Take up a definition that Studbook ships; `studbook schema list --standard` names them."""
    with open_registry(context) as registry:
        adopted = registry.adopt_schema(name)
    _show(adopted, "is adopted", as_json=as_json)


def require(
    context: typer.Context,
    model: ModelName,
    name: _Definition = None,
    *,
    min_version: _Least = None,
    max_version: _Most = None,
    nothing: _Nothing = False,
    if_match: IfMatch = None,
    as_json: AsJson = False,
) -> None:
    """Refuse versions of a model from now on that do not satisfy a definition; those there are stay."""
    if (name is None) != nothing:
        message = "write the NAME of a definition, or --none to take it off"
        raise CommandError(message, Exit.USAGE)
    bounds = {"min_version": min_version, "max_version": max_version}
    chosen = None if name is None else {"name": name, **{key: value for key, value in bounds.items() if value is not None}}
    with open_registry(context) as registry:
        changed = registry.update_model(model, schema=chosen, if_match=if_match)
    if as_json:
        screen.write_json(changed.raw)
    elif changed.schema is None:
        screen.confirm((changed.model, screen.NAME), "  versions need satisfy no definition")
    else:
        screen.confirm((changed.model, screen.NAME), "  versions must satisfy ", (changed.schema.name, screen.NAME))


def _draft(registry: Registry, file: str, if_match: str | None) -> SchemaVersion:
    content, form = read_bytes(file)
    if form is Form.NDJSON:
        message = f"{file}: a definition is one document, not one a line"
        raise CommandError(message, Exit.USAGE)
    return registry.draft_schema(content, media_type=f"application/{form.value}", if_match=if_match)


def _publish(registry: Registry, drafted: SchemaVersion) -> SchemaVersion:
    try:
        return registry.publish_schema(drafted.schema, drafted.number, if_match=drafted.etag)
    except RefusedError:
        place = short_place(drafted.name)
        words = f"{place} stays a draft; `studbook schema check {place}` shows all that it breaks."
        screen.notices().print(screen.styled(words, screen.QUIET))
        raise


def _show(version: SchemaVersion, what: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(version.raw)
    else:
        screen.confirm((short_place(version.name), screen.NAME), f"  {what}")
