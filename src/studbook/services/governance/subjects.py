"""What rules are asked about: a record as they see it, and the facts beside it, each read when a rule needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind, version_name
from studbook.domain.privacy import blanked
from studbook.services.governance.pedigree import Pedigree
from studbook.services.governance.people import find_involved
from studbook.storage import governance as storage
from studbook.storage import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Row

    from studbook.domain.canonical import JsonObject
    from studbook.governance.gates import Passage
    from studbook.services.caller import Caller

_DATASET_FIELDS: Final = ("uri", "rows", "license", "sensitivity", "description", "profile")
_RUN_FIELDS: Final = (
    "name", "title", "run_kind", "job", "status", "seed", "code", "environment", "started_at", "ended_at", "created_by",
)  # fmt: skip
_MODEL_FIELDS: Final = ("name", "model", "description", "owners", "tags")
_EVALUATIONS_LIMIT: Final = 1000
# Absent for whoever asks; a rule finds out with has().
NOTHING: Final[dict[str, Any]] = {}


@dataclass(slots=True)
class Subject:
    """What a gate is asked about, and what rules may read of it."""

    name: str
    # None for what is yet to be stored, and so has no id.
    id: UUID | None
    kind: Kind
    # As it is stored, or would be.
    record: JsonObject
    facts: dict[str, Callable[[], Any]] = field(default_factory=dict)
    # By which policies are chosen.
    model: str | None = None
    definition: str | None = None
    pedigree: Pedigree | None = None


def given(passage: Passage, caller: Caller, now: datetime, reason: str | None = None) -> dict[str, Any]:
    """The facts of the question itself; what stands beside the subject is added by who asks where there is any."""
    return {
        "action": {"gate": passage.gate.value, "target": passage.target, "reason": reason},
        "principal": {"id": caller.principal, "roles": sorted(caller.roles), "access": caller.access.value},
        "now": now,
        "current": NOTHING,
        "approvals": [],
    }


@dataclass(frozen=True, slots=True)
class Beside:
    """The records beside a version that rules see as parts of it."""

    model: JsonObject | None
    run: JsonObject | None
    # By name.
    datasets: Mapping[str, JsonObject]
    aliases: Sequence[str] = ()


def project(record: JsonObject, beside: Beside) -> JsonObject:
    """A version as rules see it: its record with its model, run and datasets in it, and nothing that is personal but owners."""
    held = record.get("schema")
    if record["personal"]:
        record = blanked(record, record["personal"])
    return {
        **{name: value for name, value in record.items() if name not in {"id", "namespace", "personal", "schema"}},
        # Canonical JSON writes 1.0 as 1; a rule is to reckon with metrics as what they are.
        "metrics": [{**metric, "value": float(metric["value"])} for metric in record["metrics"]],
        # A version that nobody signed has none, which is known: a rule need not ask whether it has the field.
        "signatures": record.get("signatures", []),
        "datasets": [
            {
                **{name: entry[name] for name in ("name", "role", "digest")},
                **{name: (beside.datasets.get(entry["name"]) or {}).get(name) for name in _DATASET_FIELDS},
            }
            for entry in record["datasets"]
        ],
        "run": {name: beside.run.get(name) for name in _RUN_FIELDS} if beside.run else None,
        "registered_model": {name: (beside.model or {}).get(name) for name in _MODEL_FIELDS},
        "definition": {"name": held["name"], "version": held["version"]} if held else None,
        "aliases": list(beside.aliases),
    }


def load_beside(connection: Connection, namespace_id: int, records: Sequence[JsonObject]) -> dict[str, Beside]:
    """What stands beside these versions, by their ids; read for all of them at once."""
    run_ids = {UUID(record["run"]["id"]) for record in records if record["run"]}
    dataset_ids = {UUID(entry["id"]) for record in records for entry in record["datasets"]}
    runs = storage.find_records(connection, Kind.RUN, namespace_id, run_ids) if run_ids else {}
    datasets = storage.find_records(connection, Kind.DATASET_VERSION, namespace_id, dataset_ids) if dataset_ids else {}
    models = storage.find_model_records(connection, namespace_id, {record["model"] for record in records})
    aliases = reading.find_aliases(connection, namespace_id, [UUID(record["id"]) for record in records])
    known = {dataset_id: read_canonical(stored) for dataset_id, stored in datasets.items()}
    loaded = {name: read_canonical(stored) for name, stored in models.items()}
    return {
        record["id"]: Beside(
            loaded.get(record["model"]),
            read_canonical(runs[run_id]) if record["run"] and (run_id := UUID(record["run"]["id"])) in runs else None,
            {entry["name"]: known[UUID(entry["id"])] for entry in record["datasets"] if UUID(entry["id"]) in known},
            aliases.get(UUID(record["id"]), ()),
        )
        for record in records
    }


def stored_version(
    connection: Connection,
    namespace_id: int,
    record: JsonObject,
    now: str,
    *,
    beside: Beside | None = None,
    old: JsonObject | None = None,
) -> Subject:
    """A stored version, or one as it would be after a change; `old` is the record before."""
    version_id = UUID(record["id"])

    def around() -> Beside:
        return beside or load_beside(connection, namespace_id, [record])[record["id"]]

    pedigree = Pedigree(connection, namespace_id, own=version_id)
    facts: dict[str, Callable[[], Any]] = {
        "object": lambda: project(record, around()),
        "old": lambda: project(old, around()) if old else NOTHING,
        **pedigree.facts(),
        **_said_of(connection, namespace_id, record, pedigree, now),
    }
    return Subject(
        record["name"], version_id, Kind.MODEL_VERSION, record, facts, record["model"], _definition_of(record), pedigree
    )


def proposed_version(
    connection: Connection, namespace_id: int, record: JsonObject, beside: Callable[[], Beside], pedigree: Pedigree, now: str
) -> Subject:
    """A version that is to be registered."""
    facts: dict[str, Callable[[], Any]] = {
        "object": lambda: project(record, beside()),
        "old": lambda: NOTHING,
        **pedigree.facts(),
        **dict.fromkeys(("attestations", "evaluations", "deployments", "reviews"), list),
        "findings": lambda: find_findings(connection, namespace_id, pedigree.list_ids(), now),
    }
    name = version_name(record["model"], record["number"])
    return Subject(name, None, Kind.MODEL_VERSION, record, facts, record["model"], _definition_of(record), pedigree)


def plain_subject(kind: Kind, record: JsonObject, *, definition: str | None = None) -> Subject:
    """What is no version: a policy, a schema definition, an erasure."""
    record_id = record.get("id")
    nothing: dict[str, Callable[[], Any]] = dict.fromkeys(
        ("attestations", "evaluations", "deployments", "reviews", "findings"), list
    )
    facts = {"object": lambda: record, "old": lambda: NOTHING, **nothing, **Pedigree.none()}
    return Subject(record["name"], UUID(record_id) if record_id else None, kind, record, facts, None, definition)


def _definition_of(record: JsonObject) -> str | None:
    return record["schema"]["name"] if record.get("schema") else None


def current_version(connection: Connection, namespace_id: int, row: Row[Any] | None) -> JsonObject:
    """The version that an alias or target has now, as rules see it."""
    if row is None:
        return NOTHING
    record = read_canonical(row.record)
    return project(record, load_beside(connection, namespace_id, [record])[record["id"]])


def _said_of(
    connection: Connection, namespace_id: int, record: JsonObject, pedigree: Pedigree, now: str
) -> dict[str, Callable[[], Any]]:
    """What is said of a stored version."""
    version_id = UUID(record["id"])
    return {
        "attestations": lambda: find_attestations(connection, namespace_id, record, now),
        "evaluations": lambda: _find_evaluations(connection, namespace_id, version_id),
        "deployments": lambda: _find_deployments(connection, namespace_id, version_id),
        "reviews": lambda: _find_reviews(connection, namespace_id, record, now),
        "findings": lambda: find_findings(connection, namespace_id, [version_id, *pedigree.list_ids()], now),
    }


def find_attestations(connection: Connection, namespace_id: int, version: JsonObject, now: str) -> list[JsonObject]:
    """What was attested of a version and not withdrawn; `independent` where whoever attests had no hand in the version."""
    rows = storage.list_about(connection, Kind.ATTESTATION, namespace_id, [UUID(version["id"])], ["made"])
    involved = find_involved(connection, namespace_id, version) if rows else {}
    return [
        {
            "type": record["type"],
            "by": record["by"]["principal"],
            "issued_at": record["created_at"],
            "valid_until": record["valid_until"],
            "valid": record["valid_until"] is None or record["valid_until"] > now,
            "independent": record["by"]["principal"] not in involved,
            "signed": record["signature"] is not None,
            "evidence": record["evidence"],
        }
        for record in _records(rows)
    ]


def _find_evaluations(connection: Connection, namespace_id: int, version_id: UUID) -> list[JsonObject]:
    rows = storage.list_evaluation_runs(connection, namespace_id, version_id, _EVALUATIONS_LIMIT)
    return [
        {
            "run": record["name"],
            "job": record["job"],
            "status": record["status"],
            "created_by": record["created_by"],
            "created_at": record["created_at"],
            "datasets": [{name: entry[name] for name in ("name", "digest", "role")} for entry in record["inputs"]],
        }
        for record in _records(rows)
    ]


def _find_deployments(connection: Connection, namespace_id: int, version_id: UUID) -> list[JsonObject]:
    rows = storage.list_deployments_of(connection, namespace_id, version_id, _EVALUATIONS_LIMIT)
    return [{name: record[name] for name in ("target", "status", "started_at", "ended_at", "url")} for record in _records(rows)]


def _find_reviews(connection: Connection, namespace_id: int, record: JsonObject, now: str) -> list[JsonObject]:
    model = reading.find_by_name(connection, Kind.MODEL, namespace_id, record["model"])
    subjects = [UUID(record["id"]), *([model.id] if model else [])]
    rows = storage.list_about(connection, Kind.REVIEW, namespace_id, subjects, ["scheduled"])
    return [
        {"subject": review["subject"]["name"], "next_due": review["next_due"], "overdue": review["next_due"] <= now}
        for review in _records(rows)
    ]


def find_findings(connection: Connection, namespace_id: int, subjects: Sequence[UUID], now: str) -> list[JsonObject]:
    """The open findings on any of these records."""
    rows = storage.list_about(connection, Kind.FINDING, namespace_id, subjects, ["open"])
    return [
        {
            **{name: record[name] for name in ("title", "severity", "status", "owner", "due_at", "blocks")},
            "overdue": record["due_at"] is not None and record["due_at"] <= now,
            "subject": record["subject"]["name"],
        }
        for record in _records(rows)
    ]


def _records(rows: Iterable[Any]) -> list[JsonObject]:
    return [read_canonical(row.record) for row in rows]
