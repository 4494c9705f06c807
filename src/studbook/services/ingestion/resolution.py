"""What the documents of a group mean in the database, read at once and kept up to date while they are planned.

A document may refer to what an earlier document of its group has just made, so each staged record is added here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import read_canonical
from studbook.domain.names import ById, ByIdentifier, ByNumber, Kind, Reference, parse_reference, strip_commit
from studbook.services.schemas.contracts import Contract, find_choices, load_contracts
from studbook.storage import ingestion as storage
from studbook.storage.dialects import hold_keys
from studbook.storage.references import Found, find_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import DatasetPart, DataSource, IngestDocument, Metric, Parent, RunPart, SchemaChoice
    from studbook.domain.errors import ConflictError
    from studbook.services.edges import Edge
    from studbook.services.recording import Recorder
    from studbook.storage.ingestion import DatasetRow, ModelHead

# What data is made from.
DATA: Final = frozenset({Kind.DATASET_VERSION, Kind.MODEL_VERSION})


@dataclass(slots=True)
class DatasetState:
    """A dataset, and those of its versions that the documents may mean."""

    id: UUID
    last: int
    by_digest: dict[str, DatasetRow] = field(default_factory=dict)
    by_number: dict[int, DatasetRow] = field(default_factory=dict)

    def add(self, row: DatasetRow) -> None:
        """Take note of a version."""
        self.by_number[row.number] = row
        if row.digest is not None:
            self.by_digest[row.digest] = row


@dataclass(slots=True)
class RunState:
    """A recorded run, locked."""

    id: UUID
    revision: int
    # The stored bytes, or the record itself when it was made in this transaction.
    record: bytes | JsonObject
    generation: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record made in this transaction, and the identifiers (scheme, value) that it carries: others may have waited for them."""

    found: Found
    recorder: Recorder
    carried: Sequence[tuple[str, str]]


@dataclass(slots=True)
class Wants:
    """The names, references and identifiers that occur in a group of documents."""

    models: set[str] = field(default_factory=set)
    # What the first document that names a model says of its definition.
    schemas: dict[str, SchemaChoice] = field(default_factory=dict)
    datasets: set[str] = field(default_factory=set)
    digests: set[tuple[str, str]] = field(default_factory=set)
    numbers: set[tuple[str, int | None]] = field(default_factory=set)
    references: set[Reference] = field(default_factory=set)
    claims: set[tuple[str, str]] = field(default_factory=set)
    # What may be still to come, and the kinds of record that it may be.
    awaited: dict[ByIdentifier, frozenset[Kind]] = field(default_factory=dict)
    # Identifiers for which others may be waiting.
    carried: set[tuple[str, str]] = field(default_factory=set)
    experiments: set[str] = field(default_factory=set)
    runs: set[UUID] = field(default_factory=set)
    # Models of which a run made a version: a run of the same job may have made the one before.
    produced: set[str] = field(default_factory=set)

    def add_document(self, document: IngestDocument) -> None:
        """Collect what an ingestion document names."""
        if document.model is not None and document.version is not None:
            self.models.add(document.model.name)
            if document.model.schema_ is not None:
                self.schemas.setdefault(document.model.name, document.model.schema_)
            for parent in document.version.parents:
                self._add_origin(parent, frozenset({Kind.MODEL_VERSION}))
            self.carried.update(with_names(document.version.identifiers))
            self.carried.update(split_digest(each.digest) for each in document.version.artifacts if each.digest is not None)
            self.claims.update(document.version.identifiers.items())
            if document.run is not None and not document.version.parents:
                self.produced.add(document.model.name)
            self.add_metrics(document.version.metrics, document.datasets)
        self.add_inputs(document.run, document.datasets)

    def add_inputs(self, run: RunPart | None, datasets: Iterable[DatasetPart]) -> None:
        """Collect what a run and the datasets beside it name."""
        for part in datasets:
            if part.ref is not None:
                self.references.add(parse_reference(part.ref))
                continue
            assert part.name is not None  # noqa: S101 - the document's own rule; for the type checker
            self.datasets.add(part.name)
            for source in part.sources:
                self._add_origin(source, DATA)
            self.carried.update(with_names(part.identifiers))
            self.claims.update(part.identifiers.items())
            if part.digest is not None:
                self.digests.add((part.name, part.digest))
                self.references.add(carrying(part.digest))
                self.awaited[carrying(part.digest)] = DATA
            if part.version is not None or part.digest is None:
                self.numbers.add((part.name, part.version))
        if run is None:
            return
        if run.ref is not None:
            self.references.add(parse_reference(run.ref))
        if run.id is not None:
            self.runs.add(run.id)
            self.references.add(ById(run.id))
        if run.experiment is not None:
            self.experiments.add(run.experiment)
        self.claims.update(run.identifiers.items())

    def _add_origin(self, part: Parent | DataSource, kinds: frozenset[Kind]) -> None:
        if part.ref is None:
            return
        reference = parse_reference(part.ref)
        self.references.add(reference)
        if part.external and isinstance(reference, ByIdentifier):
            # Of two that wait for one identifier the narrower waits longer.
            self.awaited[reference] = kinds & self.awaited.get(reference, kinds)

    def add_metrics(self, metrics: Iterable[Metric], datasets: Iterable[DatasetPart]) -> None:
        """Collect the recorded datasets that metrics were measured on."""
        named = {part.name for part in datasets}
        for text in {metric.dataset for metric in metrics if metric.dataset and metric.dataset not in named}:
            try:
                self.references.add(parse_reference(text))
            except ValueError:
                continue  # the plan reports it, with its place


class Resolution:
    """The records that a group of documents means, as far as they exist."""

    def __init__(self, connection: Connection, namespace_id: int, wants: Wants) -> None:
        self.connection = connection
        self.namespace_id = namespace_id
        self.models: dict[str, ModelHead] = {}
        # For a model that is yet to be made, what its record will say of its definition; None for one that is not there.
        self.choices: dict[str, JsonObject | None] = {}
        self.contracts: dict[str, Contract | ConflictError] = {}
        # Values of unique attributes by definition, attribute and value, that documents of this group have.
        self.unique: set[tuple[UUID, int, Any]] = set()
        self.datasets: dict[str, DatasetState] = {}
        self.experiments: dict[str, UUID] = {}
        self.claims: dict[tuple[str, str], UUID] = {}
        self.runs: dict[UUID, RunState] = {}
        self.counted: dict[UUID, int] = {}
        self.arrivals: list[Arrival] = []
        # Edges to records that were there before.
        self.late: list[tuple[Recorder, Found, list[Edge]]] = []
        self._found: dict[Reference, list[Found]] = {}
        self._load(wants)

    def find(self, reference: Reference) -> list[Found]:
        """The records that a reference means."""
        return self._found.get(reference, [])

    def _load(self, wants: Wants) -> None:
        connection, namespace_id = self.connection, self.namespace_id
        if wants.models:
            self.models = storage.lock_models(connection, namespace_id, wants.models)
            if made := [head for name in wants.produced if (head := self.models.get(name))]:
                storage.find_last_versions(connection, namespace_id, made)
            self._load_contracts(wants)
        if wants.references:
            self._found = find_records(connection, namespace_id, wants.references)
        self._meet(wants)
        if wants.datasets:
            self._load_datasets(wants)
        if wants.experiments:
            self.experiments = storage.find_experiments(connection, namespace_id, wants.experiments)
        if wants.claims:
            self.claims = storage.find_claims(connection, namespace_id, wants.claims)
        self._load_runs(wants)

    def _meet(self, wants: Wants) -> None:
        """See to it that of two who commit at once, one that waits and one that arrives, the later sees the earlier."""
        missing = [
            reference
            for reference, kinds in wants.awaited.items()
            if not any(each.kind in kinds for each in self.find(reference))
        ]
        if missing or wants.carried:
            # Written out only where an engine needs them.
            alone = (f"{self.namespace_id}:{each.scheme}:{each.value}" for each in missing)
            shared = (f"{self.namespace_id}:{scheme}:{value}" for scheme, value in wants.carried)
            hold_keys(self.connection, alone=alone, shared=shared)
        if missing:
            self._found |= find_records(self.connection, self.namespace_id, missing)

    def _load_contracts(self, wants: Wants) -> None:
        fresh = {model: choice for model, choice in wants.schemas.items() if model not in self.models}
        self.choices = find_choices(self.connection, self.namespace_id, fresh)
        chosen = {name: head.schema for name, head in self.models.items()} | self.choices
        held = {model: choice for model, choice in chosen.items() if choice is not None}
        if held:
            self.contracts = load_contracts(self.connection, self.namespace_id, held)

    def _load_datasets(self, wants: Wants) -> None:
        heads = storage.find_dataset_heads(self.connection, self.namespace_id, wants.datasets)
        self.datasets = {name: DatasetState(dataset_id, last) for name, (dataset_id, last) in heads.items()}
        digests = [(self.datasets[name].id, digest) for name, digest in wants.digests if name in self.datasets]
        numbers = [(state.id, number or state.last) for name, number in wants.numbers if (state := self.datasets.get(name))]
        rows = storage.find_dataset_versions(self.connection, self.namespace_id, digests, numbers)
        for state in self.datasets.values():
            for row in rows.get(state.id, ()):
                state.add(row)

    def _load_runs(self, wants: Wants) -> None:
        referred = {found.id for reference in wants.references for found in self.find(reference) if found.kind is Kind.RUN}
        ids = wants.runs | referred
        if not ids:
            return
        rows = storage.lock_runs(self.connection, self.namespace_id, ids)
        nodes = find_records(self.connection, self.namespace_id, [ById(run_id) for run_id in rows])
        for run_id, row in rows.items():
            self.runs[run_id] = RunState(run_id, row.revision, row.record, nodes[ById(run_id)][0].generation)

    def add_version(self, model: str, number: int, found: Found, digests: Sequence[str | None], claims: dict[str, str]) -> None:
        """Take note of a model version made in this transaction."""
        self._found[ByNumber(Kind.MODEL_VERSION, model, number)] = [found]
        self._found[ByNumber(Kind.MODEL_VERSION, model, None)] = [found]
        for digest in digests:
            if digest is not None:
                self._found.setdefault(carrying(digest), []).append(found)
        self._add(found, claims)

    def add_dataset_version(self, dataset: str, row: DatasetRow, found: Found, claims: dict[str, str]) -> None:
        """Take note of a dataset version made in this transaction."""
        state = self.datasets[dataset]
        state.last = row.number
        state.add(row)
        self._found[ByNumber(Kind.DATASET_VERSION, dataset, row.number)] = [found]
        self._found[ByNumber(Kind.DATASET_VERSION, dataset, None)] = [found]
        if row.digest is not None:
            self._found.setdefault(carrying(row.digest), []).append(found)
        self._add(found, claims)

    def add_run(self, state: RunState, found: Found, claims: dict[str, str]) -> None:
        """Take note of a run made in this transaction."""
        self.runs[state.id] = state
        self._add(found, claims)

    def _add(self, found: Found, claims: dict[str, str]) -> None:
        self._found[ById(found.id)] = [found]
        self.claims |= dict.fromkeys(claims.items(), found.id)
        for scheme, value in with_names(claims):
            self._found[ByIdentifier(scheme, value)] = [found]


def with_names(identifiers: dict[str, str]) -> list[tuple[str, str]]:
    """The identifiers, and those that end in a commit without it too."""
    named = [(scheme, name) for scheme, value in identifiers.items() if (name := strip_commit(value))]
    return [*identifiers.items(), *named]


def split_digest(digest: str) -> tuple[str, str]:
    """A digest as an identifier that its record carries: scheme and value."""
    scheme, _, value = digest.partition(":")
    return scheme, value


def carrying(digest: str) -> ByIdentifier:
    """The reference to whatever carries a digest."""
    return ByIdentifier(*split_digest(digest))


def load_record(record: bytes | JsonObject) -> JsonObject:
    """A record as a value, from its stored bytes or as it was staged."""
    return read_canonical(record) if isinstance(record, bytes) else record
