"""Finds the one record that a reference means, of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.text import bare_name, short_name
from studbook.client.errors import NotFoundError
from studbook.client.names import find_place, is_reference

if TYPE_CHECKING:
    from studbook.client import Dataset, DatasetVersion, Deployment, Model, ModelVersion, RunRecord
    from studbook.client.registry import Registry

    AnyRecord = Model | ModelVersion | Dataset | DatasetVersion | RunRecord | Deployment

_FAMILIES = ("models/", "datasets/", "runs/", "deployments/")


def get_record(registry: Registry, reference: str, as_of: str | None = None) -> AnyRecord:
    """The record of any kind, as it is or was; a bare name is a model's, or else a dataset's.

    Raises CommandError when the reference means several records, NotFoundError.
    """
    if place := find_place(reference):
        get = registry.version if place.family == "models" else registry.dataset_version
        return get(reference, as_of=as_of)
    if not reference.startswith(_FAMILIES) and not is_reference(reference):
        return _get_by_bare_name(registry, reference, as_of)
    found = registry.resolve(reference)
    if len(found) > 1:
        names = "\n  ".join(short_name(link.name) for link in found)
        message = f"{reference} means {len(found)} records; name one of them:\n  {names}"
        raise CommandError(message)
    return _get_of_kind(registry, found[0].kind or "", found[0].name, as_of)


def _get_by_bare_name(registry: Registry, name: str, as_of: str | None) -> AnyRecord:
    try:
        return registry.model(name, as_of=as_of)
    except NotFoundError:
        try:
            return registry.dataset(name, as_of=as_of)
        except NotFoundError:
            message = f"there is no model and no dataset named {name!r}"
            advice = "`studbook list models` and `studbook search` look around."
            raise CommandError(message, Exit.NOT_FOUND, advice=advice) from None


def _get_of_kind(registry: Registry, kind: str, name: str, as_of: str | None) -> AnyRecord:
    match kind:
        case "model":
            return registry.model(bare_name(name), as_of=as_of)
        case "model_version":
            return registry.version(name, as_of=as_of)
        case "dataset":
            return registry.dataset(bare_name(name), as_of=as_of)
        case "dataset_version":
            return registry.dataset_version(name, as_of=as_of)
        case "run":
            return registry.run_record(name, as_of=as_of)
        case "deployment":
            return registry.deployment(name, as_of=as_of)
        case _:
            message = f"{name} is {kind or 'of an unknown kind'}, which has no page of its own"
            raise CommandError(message)
