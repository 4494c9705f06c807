"""Stages a registered model and its new version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studbook.domain.documents import Relation
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.lineage import HEADROOM, Basis
from studbook.domain.names import Kind, model_name, version_name
from studbook.services.edges import Edge, each_once, following
from studbook.services.ingestion.resolution import Arrival, split_digest, with_names
from studbook.services.lineage.verifying import with_verified
from studbook.services.recording import heading
from studbook.storage.ingestion import ModelHead
from studbook.storage.references import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import Metric, ModelPart, VersionPart
    from studbook.services.ingestion.inputs import Staged
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
        "schema": resolution.choices.get(part.name),
        "description": part.description,
        "owners": [owner.model_dump(mode="json") for owner in part.owners],
        "tags": part.tags,
        "aliases": {},
        "archived_at": None,
        "personal": list(part.personal),
    }
    recorder.register(Action.MODEL_REGISTERED, record, more={"last_version": 0})
    head = resolution.models[part.name] = ModelHead(found.id, 0, schema=record["schema"])
    return head, True


def stage_version(
    recorder: Recorder,
    resolution: Resolution,
    model: str,
    part: VersionPart,
    plan: Plan,
    staged: Staged,
) -> tuple[Found, int, list[Edge]]:
    """Stage a new version of a model that is staged or locked; returns it with its number and edges."""
    head = resolution.models[model]
    head.last_version += 1
    resolution.counted[head.id] = number = head.last_version
    predecessor = head.last if _succeeds(head, plan, staged) else None
    sources = [parent for parent, _, _ in plan.parents]
    sources += [staged.run] if staged.run else [entry.found for entry in staged.inputs]
    sources += [predecessor] if predecessor else []
    generation = max(following(sources), HEADROOM) if plan.waiting else following(sources)
    found = Found(new_id(), Kind.MODEL_VERSION, version_name(model, number), generation)
    record = version_record(recorder, part, plan, staged, found, model, number)
    edges = [Edge(parent, found, relation, basis=basis) for parent, relation, basis in plan.parents]
    if predecessor is not None:
        edges.append(Edge(predecessor, found, Relation.RETRAINED_FROM, basis=Basis.OBSERVED))
    if staged.run:
        edges.append(Edge(staged.run, found, "output"))
    else:
        edges += [Edge(entry.found, found, "input", entry.role) for entry in staged.inputs]
    edges = with_verified(resolution.connection, resolution.namespace_id, each_once(edges))
    recorder.register(
        Action.VERSION_REGISTERED,
        record,
        belongs_to=head.id,
        generation=found.generation,
        edges=edges,
        storage_map=plan.contract.storage_map if plan.contract else None,
    )
    digests = [artifact.digest for artifact in part.artifacts if artifact.digest is not None]
    resolution.add_version(model, number, found, digests, part.identifiers)
    carried = [*with_names(part.identifiers), *dict.fromkeys(split_digest(digest) for digest in digests)]
    resolution.arrivals.append(Arrival(found, recorder, carried))
    head.last, head.last_job = found, staged.job if staged.run else None
    return found, number, edges


def _succeeds(head: ModelHead, plan: Plan, staged: Staged) -> bool:
    """Whether a run of the same job made the version before, and this one names no other parent."""
    same = staged.run is not None and staged.job is not None and staged.job == head.last_job
    return same and not plan.parents and not plan.waiting


def metric_entries(
    metrics: Sequence[Metric], measured_on: Sequence[Found | int | None], inputs: Sequence[Found], now: str
) -> list[JsonObject]:
    """Metrics as they stand in the record of their version; `inputs` are the dataset versions that the document lists."""
    entries = []
    for metric, measured in zip(metrics, measured_on, strict=True):
        dataset = inputs[measured] if isinstance(measured, int) else measured
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


def version_record(
    recorder: Recorder, part: VersionPart, plan: Plan, staged: Staged, found: Found, model: str, number: int
) -> JsonObject:
    """The record of a version that is registered now."""
    return {
        **heading(recorder, Kind.MODEL_VERSION, found),
        "model": model,
        "number": number,
        "schema": plan.contract.as_json() if plan.contract else None,
        "description": part.description,
        "archived_at": None,
        "parameters": part.parameters,
        "metrics": metric_entries(part.metrics, plan.measured_on, [entry.found for entry in staged.inputs], recorder.now),
        "artifacts": [
            {"name": item.name, "uri": item.uri, "digest": item.digest, "size": item.size, "media_type": item.media_type}
            for item in part.artifacts
        ],
        "tags": part.tags,
        "attributes": part.attributes,
        "identifiers": part.identifiers,
        "parents": [
            {"name": parent.name, "id": str(parent.id), "relation": relation, "basis": basis}
            for parent, relation, basis in plan.parents
        ],
        "references": [waiting.as_json() for waiting in plan.waiting],
        "datasets": [entry.as_entry() for entry in staged.inputs],
        "run": {"name": staged.run.name, "id": str(staged.run.id)} if staged.run else None,
        "personal": list(dict.fromkeys([*part.personal, *plan.private])),
    }
