"""Later facts of a model or of a version, whichever a reference means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.cli import screen
from studbook.cli.session import open_registry
from studbook.cli.text import bare_name, short_name
from studbook.client.names import is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

    from studbook.client import Model, ModelVersion
    from studbook.client.registry import Registry


def change_facts(
    registry: Registry,
    reference: str,
    *,
    tags: Mapping[str, str | None] | None = None,
    archived: bool | None = None,
    if_match: str | None = None,
) -> Model | ModelVersion:
    """Change tags, or archive or restore; `NAME` and `models/NAME` are a model, anything else is a version."""
    if reference.startswith("models/") and reference.count("/") == 1:
        reference = bare_name(reference)
    elif is_reference(reference):
        return registry.update_version(reference, tags=tags, archived=archived, if_match=if_match)
    return registry.update_model(reference, tags=tags, archived=archived, if_match=if_match)


def show_change(record: Model | ModelVersion, what: str) -> None:
    """Say what a record is like now."""
    screen.confirm((short_name(record.name), screen.NAME), f"  {what}")


def set_archived(context: typer.Context, reference: str, if_match: str | None, *, archived: bool, as_json: bool) -> None:
    """Archive or restore what a reference means, and say so."""
    with open_registry(context) as registry:
        record = change_facts(registry, reference, archived=archived, if_match=if_match)
    if as_json:
        screen.write_json(record.raw)
    else:
        show_change(record, "is archived" if archived else "is restored")
