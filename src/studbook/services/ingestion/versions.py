"""Stages a registered model and its new version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import JsonObject, canonical_json, scalar_text
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, model_name, version_name
from studbook.services.ingestion.inputs import heading
from studbook.services.ingestion.lineage import Edge, following, stage_edges, stage_node
from studbook.storage.ingestion import ModelHead
from studbook.storage.references import Found
from studbook.storage.tables import (
    artifacts,
    model_tags,
    model_versions,
    owners,
    parameters,
    registered_models,
    version_metrics,
    version_tags,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from studbook.domain.documents import Metric, ModelPart, VersionPart
    from studbook.services.ingestion.inputs import InputStager, Staged
    from studbook.services.ingestion.planning import Plan
    from studbook.services.ingestion.resolution import Resolution
    from studbook.services.recording import Recorder


def stage_model(recorder: Recorder, resolution: Resolution, part: ModelPart) -> tuple[ModelHead, bool]:
    """The model's head, and whether it was made now."""
    head = resolution.models.get(part.name)
    if head is not None:
        return head, False
    found = Found(new_id(), Kind.MODEL, model_name(part.name))
    record: JsonObject = {
        **heading(recorder, Kind.MODEL, found),
        "model": part.name,
        "description": part.description,
        "owners": [owner.model_dump(mode="json") for owner in part.owners],
        "tags": part.tags,
        "aliases": {},
        "archived_at": None,
    }
    columns = {"name": part.name, "archived_at": None, "last_version": 0}
    recorder.register(registered_models, found.id, Action.MODEL_REGISTERED, record, columns)
    namespace_id = recorder.caller.namespace_id
    stage_owners(recorder, found.id, record["owners"])
    recorder.transaction.stage(
        model_tags,
        *({"namespace_id": namespace_id, "model_id": found.id, "key": key, "value": value} for key, value in part.tags.items()),
    )
    head = resolution.models[part.name] = ModelHead(found.id, 0)
    return head, True


def stage_owners(recorder: Recorder, model_id: UUID, entries: Iterable[JsonObject]) -> None:
    """Stage the owners of a model."""
    recorder.transaction.stage(
        owners,
        *(
            {"namespace_id": recorder.caller.namespace_id, "model_id": model_id, "name": entry["name"], "email": entry["email"]}
            for entry in entries
        ),
    )


def stage_version(
    recorder: Recorder,
    resolution: Resolution,
    stager: InputStager,
    model: str,
    part: VersionPart,
    plan: Plan,
    staged: Staged,
) -> tuple[Found, int, list[Edge]]:
    """Stage a new version of a model that is staged or locked; returns it with its number and edges."""
    head = resolution.models[model]
    head.last_version += 1
    resolution.counted[head.id] = number = head.last_version
    sources = [parent for parent, _ in plan.parents]
    sources += [staged.run] if staged.run else [entry.found for entry in staged.inputs]
    found = Found(new_id(), Kind.MODEL_VERSION, version_name(model, number), following(sources))
    record = _version_record(recorder, part, plan, staged, found, model, number)
    run_id = staged.run.id if staged.run else None
    columns = {"model_id": head.id, "number": number, "run_id": run_id, "archived_at": None}
    event_id = recorder.register(model_versions, found.id, Action.VERSION_REGISTERED, record, columns)
    stage_node(recorder, found)
    stager.stage_claims(part.identifiers, Kind.MODEL_VERSION, found.id)
    _stage_details(recorder, found.id, part)
    stage_metrics(recorder, found.id, record["metrics"], first=0)
    edges = [Edge(parent, found, relation) for parent, relation in plan.parents]
    if staged.run:
        edges.append(Edge(staged.run, found, "output"))
    else:
        edges += [Edge(entry.found, found, "input", entry.role) for entry in staged.inputs]
    resolution.add_version(model, number, found, [artifact.digest for artifact in part.artifacts], part.identifiers)
    return found, number, stage_edges(recorder, edges, run_id=run_id, event_id=event_id)


def metric_entries(
    metrics: Sequence[Metric], measured_on: Sequence[Found | int | None], staged: Staged, now: str
) -> list[JsonObject]:
    """Metrics as they stand in the record of their version."""
    entries = []
    for metric, measured in zip(metrics, measured_on, strict=True):
        dataset = staged.inputs[measured].found if isinstance(measured, int) else measured
        entries.append(
            {
                "name": metric.name,
                "value": metric.value,
                "dataset": dataset.name if dataset else None,
                "split": metric.split,
                "slice": metric.slice,
                "step": metric.step,
                "recorded_at": metric.recorded_at or now,
            }
        )
    return entries


def stage_metrics(recorder: Recorder, version_id: UUID, entries: Sequence[JsonObject], *, first: int) -> None:
    """Stage metric rows of a version, numbered from `first`."""
    recorder.transaction.stage(
        version_metrics,
        *(
            {
                "namespace_id": recorder.caller.namespace_id,
                "version_id": version_id,
                "position": position,
                **entry,
                "slice": canonical_json(entry["slice"]).decode() if entry["slice"] else None,
            }
            for position, entry in enumerate(entries, start=first)
        ),
    )


def _version_record(
    recorder: Recorder, part: VersionPart, plan: Plan, staged: Staged, found: Found, model: str, number: int
) -> JsonObject:
    return {
        **heading(recorder, Kind.MODEL_VERSION, found),
        "model": model,
        "number": number,
        "description": part.description,
        "archived_at": None,
        "parameters": part.parameters,
        "metrics": metric_entries(part.metrics, plan.measured_on, staged, recorder.now),
        "artifacts": [
            {"name": item.name, "uri": item.uri, "digest": item.digest, "size": item.size, "media_type": item.media_type}
            for item in part.artifacts
        ],
        "tags": part.tags,
        "attributes": part.attributes,
        "identifiers": part.identifiers,
        "parents": [{"name": parent.name, "id": str(parent.id), "relation": relation} for parent, relation in plan.parents],
        "datasets": [entry.as_entry() for entry in staged.inputs],
        "run": {"name": staged.run.name, "id": str(staged.run.id)} if staged.run else None,
    }


def _stage_details(recorder: Recorder, version_id: UUID, part: VersionPart) -> None:
    key = {"namespace_id": recorder.caller.namespace_id, "version_id": version_id}
    recorder.transaction.stage(version_tags, *({**key, "key": name, "value": value} for name, value in part.tags.items()))
    recorder.transaction.stage(
        parameters,
        *(
            {**key, "name": name, "value": scalar_text(value), "number": _as_number(value)}
            for name, value in part.parameters.items()
        ),
    )
    recorder.transaction.stage(
        artifacts,
        *(
            {
                **key,
                "position": position,
                "uri": item.uri,
                "name": item.name,
                "digest": item.digest,
                "size": item.size,
                "media_type": item.media_type,
            }
            for position, item in enumerate(part.artifacts)
        ),
    )


def _as_number(value: Any) -> float | None:  # noqa: ANN401 - a JSON scalar
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
