"""Stages the datasets and the run of a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.domain.documents import RunStatus
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.lineage import HEADROOM, Basis, DataRelation
from studbook.domain.names import Kind, dataset_name, dataset_version_name, quoted, run_name
from studbook.domain.series import Series, sealed
from studbook.services.edges import Edge, each_once, following
from studbook.services.ingestion.planning import RUN_FIELDS
from studbook.services.ingestion.resolution import (
    DATA,
    Arrival,
    DatasetState,
    RunState,
    carrying,
    load_record,
    split_digest,
    with_names,
)
from studbook.services.lineage.verifying import with_verified
from studbook.services.recording import heading
from studbook.storage.facts import delete_details
from studbook.storage.ingestion import DatasetRow, find_series, lock_runs
from studbook.storage.references import Found
from studbook.storage.tables import run_metrics, run_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import RunPart, SeriesPoint
    from studbook.services.ingestion.planning import InputPlan, Plan
    from studbook.services.ingestion.resolution import Resolution
    from studbook.services.recording import Recorder


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset version that a document names, and what it was used for."""

    found: Found
    role: str
    created: bool

    def as_json(self) -> JsonObject:
        """The dataset as it stands in an answer."""
        return {"name": self.found.name, "id": str(self.found.id), "role": self.role, "created": self.created}

    def as_entry(self) -> JsonObject:
        """The dataset as it stands in the record of a run or version."""
        return {"name": self.found.name, "id": str(self.found.id), "role": self.role, "digest": self.found.digest}


@dataclass(slots=True)
class Staged:
    """The run and datasets of a document, staged."""

    inputs: list[Input]
    run: Found | None = None
    run_created: bool = False
    job: str | None = None
    edges: list[Edge] = field(default_factory=list)


class InputStager:
    """Stages what a model version comes from."""

    def __init__(self, recorder: Recorder, resolution: Resolution) -> None:
        self._recorder = recorder
        self._resolution = resolution
        self._caller = recorder.caller

    def stage(self, run: RunPart | None, plan: Plan, *, also_from: Iterable[Found] = (), sealing: bool = False) -> Staged:
        """Stage the datasets and the run; `also_from` are further sources of the run (an evaluated version).

        With `sealing` the run's metric series are sealed although it still runs: a version comes of it now.
        """
        staged = Staged([])
        for entry in plan.inputs:
            sources = [
                (source if isinstance(source, Found) else staged.inputs[source].found, relation, basis)
                for source, relation, basis in entry.sources
            ]
            if entry.found:
                found, created = entry.found, False
                if sources:
                    edges = [Edge(source, found, relation, basis=basis) for source, relation, basis in sources]
                    self._resolution.late.append((self._recorder, found, edges))
            else:
                found, created = self._stage_dataset_version(entry, sources, staged)
            staged.inputs.append(Input(found, entry.part.role.value, created))
        if run is not None:
            self._stage_run(run, plan.run, staged, list(also_from), sealing=sealing)
        return staged

    def _stage_dataset_version(
        self, entry: InputPlan, sources: Sequence[tuple[Found, str, str]], staged: Staged
    ) -> tuple[Found, bool]:
        part = entry.part
        name = part.name or ""
        state = self._resolution.datasets.get(name) or self._stage_dataset(name)
        if part.digest is not None and (row := state.by_digest.get(part.digest)):
            # The same version stands twice in one document, in two roles.
            known = dataset_version_name(name, row.number)
            return Found(row.id, Kind.DATASET_VERSION, known, row.generation, row.digest), False
        version_id, number = new_id(), state.last + 1
        carrier = self._find_carrier(part.digest)
        generation = following([*(source for source, _, _ in sources), *([carrier] if carrier else [])])
        generation = max(generation, HEADROOM) if entry.waiting else generation
        found = Found(version_id, Kind.DATASET_VERSION, dataset_version_name(name, number), generation, part.digest)
        edges = [Edge(source, found, relation, basis=basis) for source, relation, basis in sources]
        if carrier is not None:
            edges.append(Edge(carrier, found, DataRelation.COPY_OF, basis=Basis.MATCHED))
        edges = with_verified(self._resolution.connection, self._resolution.namespace_id, each_once(edges))
        record: JsonObject = {
            **self._heading(Kind.DATASET_VERSION, found),
            "dataset": name,
            "number": number,
            "digest": part.digest,
            "uri": part.uri,
            "rows": part.rows,
            "license": part.license,
            "sensitivity": part.sensitivity.value if part.sensitivity else None,
            "schema": part.schema_,
            "profile": part.profile,
            "description": part.description,
            "sources": [
                {"name": source.name, "id": str(source.id), "relation": relation, "basis": basis}
                for source, relation, basis in sources
            ],
            "references": [waiting.as_json() for waiting in entry.waiting],
            "identifiers": part.identifiers,
            "personal": list(part.personal),
        }
        self._recorder.register(
            Action.DATASET_VERSION_REGISTERED, record, belongs_to=state.id, generation=found.generation, edges=edges
        )
        staged.edges += edges
        row = DatasetRow(version_id, number, part.digest, record, generation)
        self._resolution.add_dataset_version(name, row, found, part.identifiers)
        carried = [*with_names(part.identifiers), *([split_digest(part.digest)] if part.digest else [])]
        self._resolution.arrivals.append(Arrival(found, self._recorder, carried))
        return found, True

    def _find_carrier(self, digest: str | None) -> Found | None:
        """Whatever was recorded first with the same bytes: a dataset version, or a model version with such an artifact."""
        carriers = self._resolution.find(carrying(digest)) if digest else []
        return next((found for found in carriers if found.kind in DATA), None)

    def _stage_dataset(self, name: str) -> DatasetState:
        found = Found(new_id(), Kind.DATASET, dataset_name(name))
        record = {**self._heading(Kind.DATASET, found), "dataset": name}
        self._recorder.register(Action.DATASET_REGISTERED, record)
        state = self._resolution.datasets[name] = DatasetState(found.id, 0)
        return state

    def _stage_run(self, part: RunPart, state: RunState | None, staged: Staged, also_from: list[Found], *, sealing: bool) -> None:
        if state is not None:
            self._continue_run(part, state, staged, sealing=sealing)
            return
        staged.job = part.job
        sources = [entry.found for entry in staged.inputs] + also_from
        run_id = part.id or new_id()
        found = Found(run_id, Kind.RUN, run_name(run_id), following(sources, least=1))
        series = self._stage_points(run_id, part.metrics, {})
        record = self._run_record(part, found, staged.inputs)
        record["series"] = sealed(series) if sealing or part.status is not RunStatus.RUNNING else {}
        edges = [Edge(entry.found, found, "input", entry.role) for entry in staged.inputs]
        edges += [Edge(source, found, "evaluated") for source in also_from]
        edges = each_once(edges)
        staged.edges += edges
        self._recorder.register(
            Action.RUN_RECORDED,
            record,
            belongs_to=self._stage_experiment(part.experiment) if part.experiment else None,
            generation=found.generation,
            edges=edges,
        )
        staged.run, staged.run_created = found, True
        self._resolution.add_run(RunState(run_id, 1, record, found.generation), found, part.identifiers)

    def _continue_run(self, part: RunPart, state: RunState, staged: Staged, *, sealing: bool) -> None:
        """Add to a recorded run what became known later: its end, more inputs, more points."""
        found = Found(state.id, Kind.RUN, run_name(state.id), state.generation)
        staged.run = found
        self._recorder.transaction.flush()
        record = load_record(state.record) if isinstance(state.record, bytes) else self._reload(state)
        staged.job = record["job"]
        known = {(entry["id"], entry["role"]) for entry in record["inputs"]}
        fresh = [entry for entry in staged.inputs if (str(entry.found.id), entry.role) not in known]
        later: JsonObject = {
            name: value
            for name in ("status", "ended_at", "error")
            if name in part.model_fields_set and (value := part.model_dump(mode="json")[name]) != record[name]
        }
        action = Action.RUN_CONTINUED if fresh or later else Action.RUN_SEALED
        running = later.get("status", record["status"]) == RunStatus.RUNNING
        points = part.metrics if part.ref is None else ()
        if points or "status" in later or (running and sealing):
            series = find_series(self._resolution.connection, self._caller.namespace_id, state.id)
            series = self._stage_points(state.id, points, series)
            if (sealing or not running) and (seals := sealed(series)) != record["series"]:
                later["series"] = seals
        if not fresh and not later:
            return
        changed: JsonObject = {**record, **later, "inputs": record["inputs"] + [entry.as_entry() for entry in fresh]}
        edges = each_once(Edge(entry.found, found, "input", entry.role) for entry in fresh)
        staged.edges += edges
        self._recorder.amend(action, state, changed, edges=edges)
        self._resolution.runs[state.id] = RunState(state.id, state.revision + 1, changed, state.generation)

    def _reload(self, state: RunState) -> dict[str, Any]:
        """The record of a run that an earlier document of this transaction made or continued."""
        row = lock_runs(self._resolution.connection, self._caller.namespace_id, [state.id])[state.id]
        state.record, state.revision = row.record, row.revision
        return load_record(row.record)

    def _run_record(self, part: RunPart, found: Found, inputs: list[Input]) -> JsonObject:
        given = part.model_dump(mode="json", exclude={"ref", "id", "metrics"})
        fields = {RUN_FIELDS.get(name, name): value for name, value in given.items()}
        return {**fields, **self._heading(Kind.RUN, found), "inputs": [entry.as_entry() for entry in inputs]}

    def _stage_experiment(self, name: str) -> UUID:
        known = self._resolution.experiments.get(name)
        if known is not None:
            return known
        found = Found(new_id(), Kind.EXPERIMENT, f"experiments/{quoted(name)}")
        record = {**self._heading(Kind.EXPERIMENT, found), "experiment": name}
        self._recorder.register(Action.EXPERIMENT_CREATED, record)
        self._resolution.experiments[name] = found.id
        return found.id

    def _stage_points(self, run_id: UUID, points: Sequence[SeriesPoint], known: dict[str, Series]) -> dict[str, Series]:
        """Stage further points of a run's series, each behind those of its name; returns all series as they are then."""
        key = {"namespace_id": self._caller.namespace_id, "run_id": run_id}
        by_name: dict[str, list[SeriesPoint]] = {}
        for point in points:
            by_name.setdefault(point.name, []).append(point)
        series = dict(known)
        transaction = self._recorder.transaction
        for name, added in by_name.items():
            before = known.get(name, Series())
            series[name] = before.extended((point.step, point.value, point.recorded_at) for point in added)
            transaction.stage(
                run_metrics,
                *(
                    {
                        **key,
                        "name": name,
                        "position": position,
                        "step": point.step,
                        "value": point.value,
                        "recorded_at": point.recorded_at,
                    }
                    for position, point in enumerate(added, before.points)
                ),
            )
            if name in known:
                delete_details(transaction.connection, run_series, [{**key, "name": name}])
            transaction.stage(run_series, {**key, "name": name, "points": series[name].points, "digest": series[name].digest})
        return series

    def _heading(self, kind: Kind, found: Found) -> JsonObject:
        return heading(self._recorder, kind, found)
