"""Later facts about model versions: description, tags, archiving, metrics, evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import Access, NewEvaluation, NewMetrics, VersionPatch
from studbook.domain.errors import ConflictError, Violation
from studbook.domain.events import Action
from studbook.domain.names import ByAlias, ByNumber, Kind
from studbook.governance.gates import Gate, Passage
from studbook.services.edges import Edge
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import stored_version
from studbook.services.ingestion.inputs import InputStager, Staged
from studbook.services.ingestion.planning import Planner
from studbook.services.ingestion.proposing import predict_inputs
from studbook.services.ingestion.resolution import Resolution, Wants, load_record
from studbook.services.ingestion.versions import metric_entries
from studbook.services.lineage.linking import link
from studbook.services.models import archived_at, archiving_action, merge_tags
from studbook.services.reading import Shown, get_version, missing_version
from studbook.services.recording import Recorder, check_match
from studbook.services.schemas.contracts import check_change
from studbook.storage import graph
from studbook.storage import reading as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from studbook.domain.canonical import JsonObject
    from studbook.domain.errors import StudbookError
    from studbook.services.caller import Caller
    from studbook.services.ingestion.planning import Plan
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

# What identifies a version (invariant I5); metrics are added by their own call, never edited.
FIXED_FIELDS: Final = frozenset(
    {
        "parameters", "artifacts", "datasets", "parents", "run", "number", "attributes", "identifiers", "metrics", "model",
        "id", "name", "kind", "namespace", "created_at", "created_by",
    }
)  # fmt: skip


def change_version(
    database: Database, caller: Caller, place: ByNumber | ByAlias, patch: VersionPatch, if_match: str | None
) -> Shown:
    """Change what may change of a version.

    Raises NotFoundError, StaleRecordError, ConflictError when a version with an alias would be archived.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown | StudbookError:
        row = lock(transaction, caller, place)
        check_match(if_match, row.revision)
        record = load_record(row.record)
        recorder = Recorder(transaction, caller)
        if refused := apply_patch(recorder, row, record, patch):
            return refused
        transaction.flush()
        return show_version(transaction, caller, record).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def apply_patch(recorder: Recorder, row: Row[Any], record: JsonObject, patch: VersionPatch) -> StudbookError | None:
    """Stage a change of a locked version, if policies allow it; returns their refusal.

    Raises ConflictError when a version with an alias would be archived.
    """
    changed = _patched(recorder, row, record, patch)
    if changed == record:
        return None
    check_change(recorder.transaction.connection, recorder.caller.namespace_id, record, changed)
    action = archiving_action(record, changed, Action.VERSION_ARCHIVED, Action.VERSION_RESTORED, Action.VERSION_CHANGED)
    gate = Gate.ARCHIVE if action is Action.VERSION_ARCHIVED else Gate.CHANGE
    if refused := pass_version_gate(recorder, gate, record, changed):
        return refused
    recorder.amend(action, row, changed)
    return None


def pass_version_gate(recorder: Recorder, gate: Gate, record: JsonObject, changed: JsonObject) -> StudbookError | None:
    """Ask the policies whether a stored version may become another; returns their refusal."""
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    # What is archived is judged, and approved, as it stands.
    judged = record if gate is Gate.ARCHIVE else changed
    subject = stored_version(connection, namespace_id, judged, recorder.now, old=record)
    return pass_gate(recorder, Question(Passage(gate), subject, recorder.caller, recorder.now))


def _patched(recorder: Recorder, row: Row[Any], record: JsonObject, patch: VersionPatch) -> JsonObject:
    changed = dict(record)
    if "description" in patch.model_fields_set:
        changed["description"] = patch.description
    if patch.tags:
        changed["tags"] = merge_tags(record["tags"], patch.tags)
    if patch.archived is not None:
        connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
        names = storage.find_aliases(connection, namespace_id, [row.id]).get(row.id)
        if patch.archived and names:
            message = f"the alias {names[0]!r} names this version; move or delete the alias first"
            raise ConflictError.at("/archived", "version_has_alias", message)
        changed["archived_at"] = archived_at(record, recorder.now, archived=patch.archived)
    return changed


def add_metrics(
    database: Database, caller: Caller, place: ByNumber | ByAlias, document: NewMetrics, if_match: str | None
) -> Shown:
    """Record further metrics of a version; nothing that was recorded is replaced."""
    evaluation = NewEvaluation(metrics=document.metrics)
    return _evaluate(database, caller, place, evaluation, if_match, Action.METRICS_ADDED)[1]


def add_evaluation(
    database: Database, caller: Caller, place: ByNumber | ByAlias, document: NewEvaluation, if_match: str | None
) -> tuple[JsonObject, Shown]:
    """Record an evaluation of a version: its run, the data it read, what it measured."""
    return _evaluate(database, caller, place, document, if_match, Action.VERSION_EVALUATED)


def _evaluate(
    database: Database,
    caller: Caller,
    place: ByNumber | ByAlias,
    document: NewEvaluation,
    if_match: str | None,
    action: Action,
) -> tuple[JsonObject, Shown]:
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> tuple[JsonObject, Shown] | StudbookError:
        row = lock(transaction, caller, place)
        check_match(if_match, row.revision)
        record = load_record(row.record)
        wants = Wants()
        wants.add_inputs(document.run, document.datasets)
        wants.add_metrics(document.metrics, document.datasets)
        resolution = Resolution(transaction.connection, caller.namespace_id, wants)
        planner = Planner(resolution)
        plan = planner.plan_inputs(document.run, document.datasets)
        measured_on = planner.plan_metrics(("metrics",), document.metrics, document.datasets)
        plan = planner.finish(plan)
        recorder = Recorder(transaction, caller)
        predicted = metric_entries(document.metrics, measured_on, predict_inputs(resolution, plan), recorder.now)
        if refused := pass_version_gate(recorder, Gate.CHANGE, record, {**record, "metrics": record["metrics"] + predicted}):
            return refused
        staged, edges = _stage_run(recorder, resolution, document, plan, row, record)
        entries = metric_entries(document.metrics, measured_on, [entry.found for entry in staged.inputs], recorder.now)
        changed = {**record, "metrics": record["metrics"] + entries}
        check_change(transaction.connection, caller.namespace_id, record, changed)
        recorder.amend(action, row, changed, edges=edges)
        transaction.flush()
        linking = link(transaction, caller.namespace_id, resolution)
        answer = {
            "run": {"name": staged.run.name, "id": str(staged.run.id), "created": staged.run_created} if staged.run else None,
            "datasets": [entry.as_json() for entry in staged.inputs],
            "edges": [edge.as_json() for edge in staged.edges + edges],
            "events": [event.as_json() for event in recorder.recorded],
            "links": [edge.as_json() for _, edge in linking.linked],
            "warnings": [warning.as_json() for warning in plan.warnings]
            + [Violation("", "not_linked", message).as_json() for _, message in linking.refused],
        }
        return answer, show_version(transaction, caller, record).after(recorder)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _stage_run(
    recorder: Recorder, resolution: Resolution, document: NewEvaluation, plan: Plan, row: Row[Any], record: JsonObject
) -> tuple[Staged, list[Edge]]:
    """Stage the evaluating run; returns also the edge from the version where the run was recorded before."""
    connection, namespace_id = resolution.connection, resolution.namespace_id
    generation = graph.find_nodes(connection, namespace_id, [row.id])[row.id].generation
    version = Found(row.id, Kind.MODEL_VERSION, record["name"], generation)
    if plan.run is None or document.run is None:
        also_from = [version] if document.run is not None else []
        return InputStager(recorder, resolution).stage(document.run, plan, also_from=also_from), []
    try:
        plan.run.generation = graph.lift(connection, namespace_id, row.id, plan.run.id)
    except graph.CircleError:
        message = "this run came before the version or made it; give the evaluation a run of its own"
        raise ConflictError.at("/run", "lineage_cycle", message) from None
    except graph.TooManyBehindError:
        message = f"more than {graph.MOVE_LIMIT:,} records came of this run; give the evaluation a run of its own"
        raise ConflictError.at("/run", "lineage_too_large", message) from None
    staged = InputStager(recorder, resolution).stage(document.run, plan)
    assert staged.run is not None  # noqa: S101 - the document names a run; for the type checker
    known = graph.list_edges_into(connection, namespace_id, staged.run.id, [row.id])
    drawn = any(edge.relation == "evaluated" for edge in known)
    return staged, [] if drawn else [Edge(version, staged.run, "evaluated")]


def show_version(transaction: Transaction, caller: Caller, record: JsonObject) -> Shown:
    """The version of this record as it is now."""
    place = ByNumber(Kind.MODEL_VERSION, record["model"], record["number"])
    return get_version(transaction.connection, caller.namespace_id, place)


def lock(transaction: Transaction, caller: Caller, place: ByNumber | ByAlias) -> Row[Any]:
    """The row of a version, locked until the commit. Raises NotFoundError."""
    row = storage.find_version(transaction.connection, caller.namespace_id, place, lock=True)
    if row is None:
        raise missing_version(place)
    return row
