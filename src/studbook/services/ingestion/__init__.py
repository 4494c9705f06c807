"""The main act: one document becomes a complete record, all or nothing.

Waiting documents of a namespace are recorded together: what they refer to is read in a handful of queries, each
document is planned in memory, and the rows of all are inserted table by table (decision 0002).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.canonical import JsonObject, canonical_json
from studbook.domain.documents import Access, IngestDocument
from studbook.domain.errors import IdempotencyConflictError, StudbookError, Violation
from studbook.domain.names import model_name
from studbook.governance.gates import Gate, Passage
from studbook.services.governance.gates import Gates, Question, record_verdict, refusal
from studbook.services.ingestion.inputs import InputStager
from studbook.services.ingestion.planning import Planner
from studbook.services.ingestion.proposing import propose
from studbook.services.ingestion.resolution import Resolution, Wants
from studbook.services.ingestion.versions import stage_model, stage_version
from studbook.services.lineage.linking import link
from studbook.services.reading import record_etag
from studbook.services.recording import Recorder
from studbook.storage import ingestion as storage
from studbook.storage.tables import idempotency_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from studbook.services.caller import Caller
    from studbook.services.governance.gates import Verdict
    from studbook.services.ingestion.planning import Plan
    from studbook.services.lineage.linking import Linking
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Ingestion:
    """A document to be recorded, by whom, and the key under which it is recorded only once."""

    caller: Caller
    document: IngestDocument
    idempotency_key: str | None = None
    body_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a document became, as JSON bytes; `replayed` when it had been recorded before."""

    body: bytes
    replayed: bool = False

    @property
    def events(self) -> list[UUID]:
        """The events that were recorded."""
        return [UUID(event["id"]) for event in json.loads(self.body)["events"]]


@dataclass(slots=True)
class _Recordable:
    """A document that is staged: its answer is finished when it is known who waited for it."""

    answer: JsonObject
    recorder: Recorder
    key: str | None
    digest: bytes
    kept: bool = False


def body_digest(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """By what a body is recognised: the SHA-256 of its canonical JSON."""
    return hashlib.sha256(canonical_json(value)).digest()


def submit(database: Database, ingestion: Ingestion) -> Future[Answer]:
    """Queue a document; the future holds its answer once it is committed, or the error that refused it."""
    ingestion.caller.require(Access.WRITE)
    return database.work.submit(ingest_many, ingestion, joint=("ingest", ingestion.caller.namespace_id))


def submit_together(database: Database, caller: Caller, ingestions: Sequence[Ingestion]) -> Future[list[Answer | StudbookError]]:
    """Queue documents of one caller to be recorded in one transaction; the future holds the outcome of each.

    Should the transaction fail as a whole, none was recorded and the future holds the error.
    """
    caller.require(Access.WRITE)
    return database.work.submit(_ingest_groups, ingestions, joint=object())


def _ingest_groups(transaction: Transaction, groups: Sequence[Sequence[Ingestion]]) -> list[list[Answer | StudbookError]]:
    return [ingest_many(transaction, group) if group else [] for group in groups]


def ingest_many(transaction: Transaction, ingestions: Sequence[Ingestion]) -> list[Answer | StudbookError]:
    """Record the documents of one namespace in an open transaction; each is all or nothing."""
    namespace_id = ingestions[0].caller.namespace_id
    wants, keys = Wants(), set()
    for ingestion in ingestions:
        wants.add_document(ingestion.document)
        if ingestion.idempotency_key is not None:
            keys.add(ingestion.idempotency_key)
    answers: dict[str, tuple[bytes, bytes | _Recordable]] = {}
    if keys:
        answers.update(storage.find_answers(transaction.connection, namespace_id, keys))
    resolution = Resolution(transaction.connection, namespace_id, wants)
    gates = Gates(transaction.connection, namespace_id, ingestions[0].caller.namespace)
    outcomes: list[Answer | _Recordable | StudbookError] = []
    for ingestion in ingestions:
        try:
            outcomes.append(_ingest_once(transaction, resolution, ingestion, answers, gates))
        except StudbookError as refusal:
            outcomes.append(refusal)
    transaction.flush()
    if resolution.counted:
        storage.count_versions(transaction.connection, namespace_id, resolution.counted)
    linking = link(transaction, namespace_id, resolution)
    bodies = {id(outcome): _finish(transaction, outcome, linking) for outcome in outcomes if isinstance(outcome, _Recordable)}
    transaction.flush()
    # What stands twice was given twice: recorded the first time, and answered alike the second.
    given: set[int] = set()
    finished: list[Answer | StudbookError] = []
    for outcome in outcomes:
        if isinstance(outcome, _Recordable):
            finished.append(Answer(bodies[id(outcome)], replayed=id(outcome) in given))
            given.add(id(outcome))
        else:
            finished.append(outcome)
    return finished


def _finish(transaction: Transaction, outcome: _Recordable, linking: Linking) -> bytes:
    """The answer, once all is known that came of a document; kept under its key."""
    recorder = outcome.recorder
    outcome.answer["links"] = [edge.as_json() for drawn_by, edge in linking.linked if drawn_by is recorder]
    outcome.answer["events"] = [event.as_json() for event in recorder.recorded]
    outcome.answer["warnings"] += [
        Violation("", "not_linked", message).as_json() for told, message in linking.refused if told is recorder
    ]
    body = json.dumps(outcome.answer, ensure_ascii=False).encode()
    if outcome.key is not None and not outcome.kept:
        outcome.kept = True
        row = {"key": outcome.key, "body_digest": outcome.digest, "answer": body, "created_at": recorder.now}
        transaction.stage(idempotency_keys, {"namespace_id": recorder.caller.namespace_id, **row})
    return body


def _ingest_once(
    transaction: Transaction,
    resolution: Resolution,
    ingestion: Ingestion,
    answers: dict[str, tuple[bytes, bytes | _Recordable]],
    gates: Gates,
) -> Answer | _Recordable | StudbookError:
    """Record a document; a refusal by policies is returned and not raised, for its verdict is stored."""
    key = ingestion.idempotency_key
    if key is not None and (known := answers.get(key)):
        digest, before = known
        if digest != ingestion.body_digest:
            message = "this Idempotency-Key was used for another document; use a new key for each document"
            raise IdempotencyConflictError(message, [Violation("", IdempotencyConflictError.code, message)])
        return before if isinstance(before, _Recordable) else Answer(before, replayed=True)
    plan = Planner(resolution).plan(ingestion.document)
    recorder = Recorder(transaction, ingestion.caller)
    verdict = _ask(recorder, resolution, ingestion.document, plan, gates)
    if verdict is not None and verdict.outcome == "deny":
        return refusal(verdict, record_verdict(recorder, verdict))
    answer = _stage(recorder, resolution, ingestion.document, plan, verdict)
    outcome = _Recordable(answer, recorder, key, ingestion.body_digest)
    if key is not None:
        answers[key] = (ingestion.body_digest, outcome)
    return outcome


def _ask(recorder: Recorder, resolution: Resolution, document: IngestDocument, plan: Plan, gates: Gates) -> Verdict | None:
    """What policies say of the version that a document would register."""
    if document.version is None or not gates.concern(Gate.REGISTER):
        return None
    subject = propose(recorder, resolution, document, plan)
    return gates.ask(Question(Passage(Gate.REGISTER), subject, recorder.caller, recorder.now))


def _stage(
    recorder: Recorder, resolution: Resolution, document: IngestDocument, plan: Plan, verdict: Verdict | None
) -> JsonObject:
    stager = InputStager(recorder, resolution)
    staged = stager.stage(document.run, plan, sealing=document.version is not None)
    edges = list(staged.edges)
    model = version = None
    if document.model is not None and document.version is not None:
        head, created = stage_model(recorder, resolution, document.model)
        found, number, drawn = stage_version(recorder, resolution, document.model.name, document.version, plan, staged)
        edges += drawn
        model = {"name": model_name(document.model.name), "id": str(head.id), "created": created}
        version = {"name": found.name, "id": str(found.id), "number": number, "etag": record_etag(found.id, 1, {"aliases": []})}
        if verdict is not None:
            verdict.question.subject.id = found.id
            record_verdict(recorder, verdict)
    run = staged.run
    return {
        "model": model,
        "version": version,
        "run": {"name": run.name, "id": str(run.id), "created": staged.run_created} if run else None,
        "datasets": [entry.as_json() for entry in staged.inputs],
        "edges": [edge.as_json() for edge in edges],
        "links": [],
        "events": [],
        "warnings": [warning.as_json() for warning in plan.warnings],
        "verdict": recorder.verdict,
    }
