"""A version as it would be registered, for policies to judge before anything of it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from studbook.domain.names import Kind, dataset_version_name, model_name, run_name
from studbook.services.governance.pedigree import Node, Pedigree, Way
from studbook.services.governance.subjects import Beside, proposed_version
from studbook.services.ingestion.inputs import Input, Staged
from studbook.services.ingestion.planning import RUN_FIELDS
from studbook.services.ingestion.resolution import load_record
from studbook.services.ingestion.versions import version_record
from studbook.storage import governance as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import DatasetPart, IngestDocument
    from studbook.services.governance.subjects import Subject
    from studbook.services.ingestion.planning import InputPlan, Plan
    from studbook.services.ingestion.resolution import Resolution
    from studbook.services.recording import Recorder

_UNKNOWN = UUID(int=0)


def propose(recorder: Recorder, resolution: Resolution, document: IngestDocument, plan: Plan) -> Subject:
    """The version that a document would become; what is yet to be stored of it has the name it will have, and no id."""
    assert document.model is not None  # noqa: S101 - only documents with a version are judged; for the type checker
    assert document.version is not None  # noqa: S101
    model = document.model.name
    head = resolution.models.get(model)
    number = (head.last_version if head else 0) + 1
    inputs = predict_inputs(resolution, plan)
    staged = Staged(
        [Input(found, entry.part.role.value, created=False) for found, entry in zip(inputs, plan.inputs, strict=True)]
    )
    found = Found(_UNKNOWN, Kind.MODEL_VERSION, "")
    run = _run_record(recorder, document, plan)
    if run is not None:
        staged.run = Found(UUID(run["id"]), Kind.RUN, run["name"])
    record = version_record(recorder, document.version, plan, staged, found, model, number)

    def beside() -> Beside:
        return Beside(_model_record(recorder, resolution, document), run, _dataset_records(recorder, resolution, plan, inputs))

    return proposed_version(
        recorder.transaction.connection,
        recorder.caller.namespace_id,
        record,
        beside,
        _pedigree(recorder, plan, inputs),
        recorder.now,
    )


def predict_inputs(resolution: Resolution, plan: Plan) -> list[Found]:
    """The dataset versions that a plan's entries are, or will be."""
    last = {name: state.last for name, state in resolution.datasets.items()}
    made: dict[tuple[str, str], Found] = {}
    found = []
    for entry in plan.inputs:
        if entry.found is not None:
            found.append(entry.found)
            continue
        name, digest = entry.part.name or "", entry.part.digest
        known = made.get((name, digest)) if digest else None
        if known is None:
            last[name] = last.get(name, 0) + 1
            known = Found(_UNKNOWN, Kind.DATASET_VERSION, dataset_version_name(name, last[name]), 0, digest)
            if digest:
                made[name, digest] = known
        found.append(known)
    return found


def _run_record(recorder: Recorder, document: IngestDocument, plan: Plan) -> JsonObject | None:
    if plan.run is not None:
        return load_record(plan.run.record)
    if document.run is None:
        return None
    given = document.run.model_dump(mode="json", exclude={"ref", "id", "metrics"})
    run_id = document.run.id or _UNKNOWN
    return {
        **{RUN_FIELDS.get(name, name): value for name, value in given.items()},
        "id": str(run_id),
        "name": run_name(run_id),
        "created_by": recorder.caller.actor,
    }


def _model_record(recorder: Recorder, resolution: Resolution, document: IngestDocument) -> JsonObject | None:
    part = document.model
    assert part is not None  # noqa: S101 - see propose
    if part.name in resolution.models:
        recorder.transaction.flush()
        stored = storage.find_model_records(recorder.transaction.connection, recorder.caller.namespace_id, [part.name])
        return load_record(stored[part.name]) if part.name in stored else None
    return {
        "name": model_name(part.name),
        "model": part.name,
        "description": part.description,
        "owners": [owner.model_dump(mode="json") for owner in part.owners],
        "tags": part.tags,
    }


def _dataset_records(recorder: Recorder, resolution: Resolution, plan: Plan, inputs: list[Found]) -> dict[str, JsonObject]:
    """What the dataset versions say of themselves, by name."""
    records: dict[str, JsonObject] = {}
    missing: dict[UUID, str] = {}
    for found, entry in zip(inputs, plan.inputs, strict=True):
        if entry.found is None:
            records[found.name] = _fresh(entry.part, found)
        elif (known := _known_record(resolution, entry)) is not None:
            records[found.name] = known
        else:
            missing[found.id] = found.name
    if missing:
        recorder.transaction.flush()
        stored = storage.find_records(
            recorder.transaction.connection, Kind.DATASET_VERSION, recorder.caller.namespace_id, missing
        )
        records |= {missing[record_id]: load_record(record) for record_id, record in stored.items()}
    return records


def _known_record(resolution: Resolution, entry: InputPlan) -> JsonObject | None:
    """The record of a recorded dataset version that was read with the document."""
    state = resolution.datasets.get(entry.part.name or "")
    assert entry.found is not None  # noqa: S101 - asked for recorded ones; for the type checker
    for row in state.by_number.values() if state else ():
        if row.id == entry.found.id:
            return load_record(row.record)
    return None


def _fresh(part: DatasetPart, found: Found) -> JsonObject:
    return {
        "name": found.name,
        "digest": part.digest,
        "uri": part.uri,
        "rows": part.rows,
        "license": part.license,
        "sensitivity": part.sensitivity.value if part.sensitivity else None,
        "description": part.description,
        "profile": part.profile,
        "role": part.role.value,
    }


def _source(found: Found, entry: InputPlan) -> Node:
    role = entry.part.role.value
    return Node(Kind.DATASET_VERSION, found.name, role, Way().to(found.name), {role})


def _pedigree(recorder: Recorder, plan: Plan, inputs: list[Found]) -> Pedigree:
    sources: dict[UUID, Node] = {}
    for parent, _, _ in plan.parents:
        sources.setdefault(parent.id, Node(Kind.MODEL_VERSION, parent.name, "", Way().to(parent.name)))
    if plan.run is not None:
        name = run_name(plan.run.id)
        sources[plan.run.id] = Node(Kind.RUN, name, "", Way().to(name))
    fresh: dict[str, JsonObject] = {}
    for found, entry in zip(inputs, plan.inputs, strict=True):
        if entry.found is None:
            fresh.setdefault(found.name, _fresh(entry.part, found))
        else:
            sources.setdefault(found.id, _source(found, entry))
    return Pedigree(
        recorder.transaction.connection,
        recorder.caller.namespace_id,
        sources=sources,
        fresh=tuple(fresh.values()),
        prepare=recorder.transaction.flush,
    )
