"""Checks a document against what is recorded, before anything is staged: all its faults are found, and none leaves a trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.errors import ConflictError, InvalidDocumentError, Violation
from studbook.domain.lineage import Basis
from studbook.domain.names import BadReferenceError, ById, ByIdentifier, Kind, dataset_version_name, parse_reference
from studbook.domain.pointers import pointer
from studbook.services.ingestion.resolution import DATA, load_record
from studbook.services.schemas.contracts import Contract, described_part, find_breaches, unknown_schema
from studbook.services.schemas.doubles import find_doubles
from studbook.storage.references import Found

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from studbook.domain.canonical import JsonObject
    from studbook.domain.documents import DatasetPart, DataSource, IngestDocument, Metric, ModelPart, Parent, RunPart, VersionPart
    from studbook.schemas.storage_map import StorageMap
    from studbook.services.ingestion.resolution import Resolution, RunState
    from studbook.storage.ingestion import DatasetRow

_CONFLICTS: Final = frozenset(
    {
        "dataset_contradicted",
        "run_contradicted",
        "identifier_taken",
        "model_archived",
        "run_has_outputs",
        "schema_unpublished",
        "attribute_taken",
    }
)
# What two accounts of one run must agree on; its status, end and error may become known later.
_RUN_IDENTITY: Final = ("kind", "name", "job", "experiment", "code", "environment", "seed", "started_at")


@dataclass(slots=True)
class Waiting:
    """A reference to what is not recorded yet."""

    scheme: str
    value: str
    relation: str
    basis: str

    def as_json(self) -> JsonObject:
        """The reference as it stands in its record, until it is known what it means."""
        return {"ref": f"{self.scheme}:{self.value}", "relation": self.relation, "basis": self.basis, "resolved": None}


@dataclass(slots=True)
class InputPlan:
    """A dataset entry: the recorded version it means, or None when one must be made."""

    part: DatasetPart
    found: Found | None
    # What it was made from: recorded, or the position of an entry above it; with relation and basis.
    sources: list[tuple[Found | int, str, str]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """A document that can be recorded as it stands."""

    inputs: list[InputPlan]
    run: RunState | None = None
    # The parents that are recorded, with relation and basis, and those that are not yet.
    parents: list[tuple[Found, str, str]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    # For each metric the dataset version it was measured on: recorded, or the position of an entry of the document.
    measured_on: list[Found | int | None] = field(default_factory=list)
    warnings: list[Violation] = field(default_factory=list)
    contract: Contract | None = None
    # Places that the definition calls personal.
    private: list[str] = field(default_factory=list)


class Planner:
    """Plans one document; `faults` gathers what is wrong with it."""

    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution
        self.faults: list[Violation] = []
        self._warnings: list[Violation] = []
        self._claimed: dict[tuple[str, str], tuple[str | int, ...]] = {}

    def plan(self, document: IngestDocument) -> Plan:
        """The plan of an ingestion document.

        Raises InvalidDocumentError, or ConflictError when it only contradicts what is recorded.
        """
        plan = self.plan_inputs(document.run, document.datasets)
        if document.model is not None and document.version is not None:
            self._plan_version(document.model, document.version, document.datasets, plan)
        return self.finish(plan)

    def plan_inputs(self, run: RunPart | None, datasets: Sequence[DatasetPart]) -> Plan:
        """Check a run and the datasets beside it."""
        plan = Plan([self._plan_dataset(index, part) for index, part in enumerate(datasets)])
        for index, entry in enumerate(plan.inputs):
            self._plan_sources(index, entry, datasets)
        self._compare_entries(datasets)
        if run is not None:
            plan.run = self._plan_run(run)
        return plan

    def finish(self, plan: Plan) -> Plan:
        """The plan, unless there are faults."""
        if self.faults:
            kind = ConflictError if all(fault.code in _CONFLICTS for fault in self.faults) else InvalidDocumentError
            raise kind(f"the document has {len(self.faults)} fault(s); nothing was stored", self.faults)
        plan.warnings = self._warnings
        return plan

    def _fault(self, place: tuple[str | int, ...], code: str, message: str) -> None:
        self.faults.append(Violation(pointer(place), code, message))

    def _warn(self, place: tuple[str | int, ...], code: str, message: str) -> None:
        self._warnings.append(Violation(pointer(place), code, message))

    def _one(self, place: tuple[str | int, ...], text: str, kinds: Collection[Kind], noun: str) -> Found | None:
        """The single record of some kind that a reference means; anything else is a fault."""
        found = [match for match in self._resolution.find(parse_reference(text)) if match.kind in kinds]
        if len(found) == 1:
            return found[0]
        if not found:
            self._fault(
                place,
                "unknown_reference",
                f"{text[:120]!r} means no {noun} in this namespace; register it first or correct the reference",
            )
        else:
            names = ", ".join(match.name for match in found[:4])
            self._fault(place, "ambiguous_reference", f"{text[:120]!r} means several: {names}; name one of them")
        return None

    def _check_claims(self, place: tuple[str | int, ...], identifiers: dict[str, str], record_id: UUID | None) -> None:
        for scheme, value in identifiers.items():
            first = self._claimed.setdefault((scheme, value), place)
            if first != place:
                message = f"{scheme}:{value[:80]} stands at {pointer(first)} too; an identifier names one record only"
                self._fault((*place, "identifiers", scheme), "identifier_taken", message)
            holder = self._resolution.claims.get((scheme, value))
            if holder is not None and holder != record_id:
                found = self._resolution.find(ByIdentifier(scheme, value))
                name = found[0].name if found else str(holder)
                message = f"{scheme}:{value[:80]} belongs to {name}; an identifier names one record only"
                self._fault((*place, "identifiers", scheme), "identifier_taken", message)

    def _plan_dataset(self, index: int, part: DatasetPart) -> InputPlan:
        place = ("datasets", index)
        if part.ref is not None:
            return InputPlan(part, self._one((*place, "ref"), part.ref, {Kind.DATASET_VERSION}, "dataset version"))
        row = self._find_version(place, part)
        if row is None:
            self._check_claims(place, part.identifiers, None)
            if part.digest is None and part.version is None:
                self._warn(
                    place, "dataset_without_digest", "without a digest nobody can tell later whether this data changed; add one"
                )
            return InputPlan(part, None)
        self._check_claims(place, part.identifiers, row.id)
        self._compare_dataset(place, part, row)
        name = dataset_version_name(part.name or "", row.number)
        return InputPlan(part, Found(row.id, Kind.DATASET_VERSION, name, row.generation, row.digest))

    def _plan_sources(self, index: int, entry: InputPlan, datasets: Sequence[DatasetPart]) -> None:
        above = {part.name: position for position, part in enumerate(datasets[:index])}
        for position, source in enumerate(entry.part.sources):
            place = ("datasets", index, "sources", position)
            if source.name is not None:
                if source.name in above:
                    entry.sources.append((above[source.name], source.relation.value, source.basis))
                else:
                    message = f"no dataset above this one is called {source.name[:120]!r}; list what it was made from before it"
                    self._fault((*place, "name"), "unknown_reference", message)
                continue
            kinds = DATA
            found = self._origin((*place, "ref"), source, kinds, "dataset or model version")
            if isinstance(found, Found) and entry.found is not None and found.id == entry.found.id:
                self._fault((*place, "ref"), "lineage_cycle", "a dataset version is not made from itself")
            elif isinstance(found, Found):
                entry.sources.append((found, source.relation.value, _basis(source)))
            elif found is not None:
                entry.waiting.append(found)

    def _origin(
        self, place: tuple[str | int, ...], part: Parent | DataSource, kinds: Collection[Kind], noun: str
    ) -> Found | Waiting | None:
        """What a parent or source means; what is external may be still to come, or be carried by several: the first counts."""
        text = part.ref or ""
        reference = parse_reference(text)
        if not part.external or not isinstance(reference, ByIdentifier):
            return self._one(place, text, kinds, noun)
        if found := [match for match in self._resolution.find(reference) if match.kind in kinds]:
            return found[0]
        return Waiting(reference.scheme, reference.value, part.relation.value, part.basis)

    def _find_version(self, place: tuple[str | int, ...], part: DatasetPart) -> DatasetRow | None:
        state = self._resolution.datasets.get(part.name or "")
        if part.version is not None:
            row = state.by_number.get(part.version) if state else None
            if row is None:
                self._fault(
                    (*place, "version"),
                    "unknown_reference",
                    f"the dataset has no version {part.version}; leave 'version' out to record a new one",
                )
            elif part.digest is not None and row.digest != part.digest:
                message = f"version {part.version} is recorded with {row.digest or 'no digest'}; other bytes are another version"
                self._fault((*place, "digest"), "dataset_contradicted", message)
            return row
        if state is None:
            return None
        if part.digest is not None:
            return state.by_digest.get(part.digest)
        latest = state.by_number.get(state.last)
        if latest is not None and latest.digest is None and load_record(latest.record)["uri"] == part.uri:
            return latest
        return None

    def _compare_dataset(self, place: tuple[str | int, ...], part: DatasetPart, row: DatasetRow) -> None:
        record = load_record(row.record)
        if part.rows is not None and record["rows"] is not None and part.rows != record["rows"]:
            message = f"this dataset version is recorded with {record['rows']} rows; the same bytes cannot have {part.rows}"
            self._fault((*place, "rows"), "dataset_contradicted", message)
        for name in ("uri", "license", "sensitivity", "schema", "profile", "description"):
            given = getattr(part, "schema_" if name == "schema" else name)
            if given is not None and given != record[name]:
                self._warn(
                    (*place, name), "dataset_kept", "this dataset version is recorded already; what was recorded first was kept"
                )

    def _compare_entries(self, datasets: Sequence[DatasetPart]) -> None:
        first: dict[tuple[str | None, str], int | None] = {}
        for index, part in enumerate(datasets):
            if part.digest is not None and first.setdefault((part.name, part.digest), part.rows) != part.rows:
                self._fault(
                    ("datasets", index, "rows"),
                    "dataset_contradicted",
                    "the same dataset version stands above with another number of rows",
                )

    def _plan_run(self, part: RunPart) -> RunState | None:
        if part.ref is not None:
            found = self._one(("run", "ref"), part.ref, {Kind.RUN}, "run")
            return self._resolution.runs[found.id] if found else None
        state = self._resolution.runs.get(part.id) if part.id else None
        if part.id and state is None and self._resolution.find(ById(part.id)):
            self._fault(("run", "id"), "run_contradicted", "this id belongs to a record that is no run; use a new one")
        self._check_claims(("run",), part.identifiers, state.id if state else None)
        if state is None:
            return None
        record = load_record(state.record)
        for name in _RUN_IDENTITY:
            if name in part.model_fields_set and part.model_dump(mode="json")[name] != record[RUN_FIELDS.get(name, name)]:
                self._fault(
                    ("run", name),
                    "run_contradicted",
                    f"the run is recorded with another {name!r}; a run happens once, so use a new id",
                )
        return state

    def _plan_version(self, model: ModelPart, version: VersionPart, datasets: Sequence[DatasetPart], plan: Plan) -> None:
        head = self._resolution.models.get(model.name)
        if head is not None and head.archived:
            self._fault(("model", "name"), "model_archived", "the model is archived; restore it before registering a version")
        elif head is not None and model.model_fields_set != {"name"}:
            self._warn(("model",), "model_kept", "the model exists; its description, owners and tags were left as they are")
        seen: set[tuple[UUID | str, str]] = set()
        for index, parent in enumerate(version.parents):
            place = ("version", "parents", index)
            found = self._origin((*place, "ref"), parent, {Kind.MODEL_VERSION}, "model version")
            if found is None:
                continue
            known = found.id if isinstance(found, Found) else f"{found.scheme}:{found.value}"
            name = found.name if isinstance(found, Found) else str(known)
            if (known, parent.relation) in seen:
                self._fault(place, "duplicate_parent", f"{name} stands twice with the same relation")
            seen.add((known, parent.relation))
            if isinstance(found, Found):
                plan.parents.append((found, parent.relation.value, _basis(parent)))
            elif version.identifiers.get(found.scheme) == found.value:
                self._fault((*place, "ref"), "lineage_cycle", f"{name} is this version itself; a version is not made from itself")
            else:
                plan.waiting.append(found)
        self._check_claims(("version",), version.identifiers, None)
        self._plan_attributes(model, version, plan)
        plan.measured_on = self.plan_metrics(("version", "metrics"), version.metrics, datasets)

    def _plan_attributes(self, model: ModelPart, version: VersionPart, plan: Plan) -> None:
        """Hold the version against the definition that its model has."""
        contract = self._resolution.contracts.get(model.name)
        if model.name not in self._resolution.models and self._resolution.choices.get(model.name, ...) is None:
            assert model.schema_ is not None  # noqa: S101 - it was asked for by this document or one before it; for the type checker
            self._fault(("model", "schema"), "unknown_schema", unknown_schema(model.schema_.name))
        elif isinstance(contract, ConflictError):
            self._fault(("model", "schema"), "schema_unpublished", contract.detail)
        elif contract is not None:
            plan.contract = contract
            described = described_part(version)
            plan.private = list(contract.storage_map.find_private(described))
            self.faults += find_breaches(contract, described, ("version",), [*version.personal, *plan.private])
            self._check_unique(contract.storage_map, described)

    def _check_unique(self, storage_map: StorageMap, described: JsonObject) -> None:
        if not any(stored.unique for stored in storage_map.columns):
            return
        columns = storage_map.extract(described).columns
        doubles = find_doubles(self._resolution.connection, self._resolution.namespace_id, storage_map, [(None, columns)])
        taken = {name for name, _, _ in doubles}
        for stored in storage_map.columns:
            if stored.unique and (value := columns[stored.column]) is not None:
                key = (storage_map.schema_id, stored.id, value)
                if stored.name in taken or key in self._resolution.unique:
                    message = f"another version has this value of {stored.name!r} already, and the definition wants it once"
                    self._fault(("version", *stored.path.steps), "attribute_taken", message)
                self._resolution.unique.add(key)

    def plan_metrics(
        self, place: tuple[str | int, ...], metrics: Sequence[Metric], datasets: Sequence[DatasetPart]
    ) -> list[Found | int | None]:
        """For each metric the dataset version it was measured on."""
        positions: dict[str | None, list[int]] = {}
        for position, part in enumerate(datasets):
            positions.setdefault(part.name, []).append(position)
        measured: dict[str | None, Found | int | None] = {None: None}
        for index, metric in enumerate(metrics):
            if metric.dataset not in measured:
                measured[metric.dataset] = self._measured_on((*place, index, "dataset"), metric.dataset or "", positions)
        return [measured[metric.dataset] for metric in metrics]

    def _measured_on(self, place: tuple[str | int, ...], text: str, positions: dict[str | None, list[int]]) -> Found | int | None:
        entries = positions.get(text, [])
        if len(entries) == 1:
            return entries[0]
        if entries:
            self._fault(
                place,
                "ambiguous_reference",
                f"the document lists {text[:120]!r} {len(entries)} times; refer to the version it was measured on",
            )
            return None
        try:
            return self._one(place, text, {Kind.DATASET_VERSION}, "dataset version")
        except BadReferenceError:
            message = f"{text[:120]!r} is neither a dataset of this document nor a reference such as datasets/NAME/versions/1"
            self._fault(place, "unknown_reference", message)
            return None


def _basis(part: Parent | DataSource) -> str:
    """How a reference that means something is known: a digest that somebody carries was matched."""
    matched = part.external and (part.ref or "").startswith("sha256:")
    return Basis.MATCHED if matched else part.basis


# Fields of a run's document that its record names otherwise, since a record's own `kind` and `name` say what it is.
RUN_FIELDS: Final[dict[str, Any]] = {"kind": "run_kind", "name": "title"}
