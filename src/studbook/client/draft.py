"""What a run has gathered, and the ingestion document made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from studbook.client.ids import new_id
from studbook.client.names import is_reference
from studbook.client.notices import warn
from studbook.client.records import ModelVersion, SchemaChoice
from studbook.client.registration import REGISTRATION_SCHEME, Registration
from studbook.client.series import Measured, Point, Series, points_for_document
from studbook.client.values import Scalar, clean_key, clean_text, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

INGEST_SCHEMA: Final = "studbook.dev/ingest/v1"
_TAG_LIMIT: Final = 4096
_LABEL_LIMIT: Final = 256


@dataclass(slots=True)
class Draft:
    """What a run has gathered. Not safe for threads by itself: the run holds its lock."""

    run_id: str
    parameters: dict[str, Scalar] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)
    # Each entry stands once, under what makes it distinct.
    datasets: dict[tuple[str | None, ...], dict[str, Any]] = field(default_factory=dict)
    # The name that the script gave to a dataset it referred to by reference.
    references: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[Measured, Point] = field(default_factory=dict)
    series: dict[Measured, Series] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)

    def measure(self, measured: Measured, point: Point) -> None:
        """Take a metric's value: a point of the series if it has a step, and the last value in any case."""
        self.metrics[measured] = point
        if point.step is not None:
            self.series.setdefault(measured, Series()).add(point)

    def warn_once(self, message: str) -> None:
        """Warn, once a run and message."""
        if message not in self.warned:
            self.warned.add(message)
            warn(message)

    def version_document(self, model: dict[str, Any], version: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
        """The document of a new version; `model`, `version` and `run` hold what the run itself knows of them."""
        part: dict[str, Any] = {
            **version,
            "parameters": self.parameters,
            "metrics": [self._metric(measured, point) for measured, point in self.metrics.items()],
            "artifacts": [_present(entry) for entry in self.artifacts.values()],
            "tags": {**self.tags, **version.get("tags", {})},
            "attributes": self.attributes,
            "identifiers": {**self.identifiers, REGISTRATION_SCHEME: str(new_id())},
        }
        return self._document({"model": _present(model), "version": _present(part)}, run, self._points())

    def run_document(self, run: dict[str, Any]) -> dict[str, Any]:
        """The document of the run alone. Values logged without a step belong to its series then, or they were lost."""
        stepless = [point.as_json(measured.label) for measured, point in self.metrics.items() if point.step is None]
        return self._document({}, run, self._points() + stepless)

    def forget_sent(self, *, version: bool) -> None:
        """A document was taken: what it held of the series, and of the version, is not sent again."""
        for series in self.series.values():
            series.forget()
        if version:
            self.metrics.clear()
            self.artifacts.clear()
            self.identifiers.clear()

    def has_unsent(self) -> bool:
        """Whether something of the run itself was logged that no document holds."""
        return bool(self.metrics) or any(series.logged for series in self.series.values())

    def _points(self) -> list[dict[str, Any]]:
        points, thinned = points_for_document(self.series)
        if thinned:
            self.warn_once("so many metric values were logged that the recorded series hold an even selection of them")
        return points

    def _document(self, head: dict[str, Any], run: dict[str, Any], points: list[dict[str, Any]]) -> dict[str, Any]:
        document = {"schema": INGEST_SCHEMA, **head, "run": {**_present(run), "id": self.run_id}}
        if points:
            document["run"]["metrics"] = points
        if self.datasets:
            document["datasets"] = [_present(entry) for entry in self.datasets.values()]
        # Last of all, whatever a script put in: nothing stays that JSON or the registry's database cannot hold.
        clean: dict[str, Any] = to_json(document)
        return clean

    def _metric(self, measured: Measured, point: Point) -> dict[str, Any]:
        entry = {**point.as_json(measured.name), "split": measured.split, "slice": measured.slice_values}
        if measured.dataset is not None:
            entry |= self._measured_on(measured.dataset, entry["slice"])
        return _present(entry)

    def _measured_on(self, dataset: str, slice_: Mapping[str, Scalar] | None) -> dict[str, Any]:
        """What a metric says of its dataset; where that would make the registry refuse the document, part of its slice."""
        if dataset in self.references:
            return {"dataset": self.references[dataset]}
        entries = sum(entry.get("name") == dataset for entry in self.datasets.values())
        if entries == 1 or (entries == 0 and is_reference(dataset)):
            return {"dataset": dataset}
        reason = "is used in several versions or roles" if entries else "was not named by use_dataset"
        self.warn_once(f"a metric was measured on {dataset!r}, which {reason}; it is recorded as part of the slice")
        return {"slice": {**(slice_ or {}), "dataset": dataset}}


ParentLike = str | Registration | ModelVersion | Mapping[str, str]
SchemaLike = str | SchemaChoice | Mapping[str, Any]


def parent_entries(parents: ParentLike | Iterable[ParentLike], relation: str | None) -> list[dict[str, Any]]:
    """The `parents` of a document, each once; `relation` is for those that bring none.

    `parents` is one parent or several: references, Registrations, ModelVersions, or mappings with `ref` and `relation`; one with
    `external` may be an identifier that nothing carries yet.
    Raises TypeError for what refers to no version.
    """
    several = [parents] if isinstance(parents, str | Registration | ModelVersion | Mapping) else parents
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for parent in several:
        entry = parent if isinstance(parent, Mapping) else {"ref": _reference_of(parent)}
        own = entry.get("relation") or relation
        ref = _reference_of(entry.get("ref"))
        found[ref, own] = {**entry, "ref": ref, **({"relation": own} if own else {})}
    return list(found.values())


def _reference_of(parent: object) -> str:
    ref = parent if isinstance(parent, str) else getattr(parent, "reference", None) or getattr(parent, "name", None)
    if not isinstance(ref, str) or not ref:
        message = f"a parent is a reference such as 'churn/3', a Registration or a ModelVersion, not {parent!r}"
        raise TypeError(message)
    return ref


def owner_entries(owners: Sequence[str | Mapping[str, str]]) -> list[dict[str, str]]:
    """The `owners` of a document: a bare string is a name."""
    return [{"name": owner} if isinstance(owner, str) else dict(owner) for owner in owners]


def schema_entry(schema: object) -> dict[str, Any] | None:
    """The `schema` of a document's model: the definition that its versions must satisfy.

    Raises TypeError for what names no definition.
    """
    if schema is None:
        return None
    if isinstance(schema, str):
        return {"name": schema}
    if isinstance(schema, SchemaChoice):
        chosen = {"name": schema.name, "min_version": schema.min_version, "max_version": schema.max_version}
        return _present(chosen)
    if isinstance(schema, Mapping):
        return dict(schema)
    message = f"a schema is a definition's name, or a mapping with 'name', 'min_version' and 'max_version', not {schema!r}"
    raise TypeError(message)


def tag_entries(tags: Mapping[str, object]) -> dict[str, str]:
    """Tags as text to text."""
    return {clean_key(str(key)): clean_text(str(value), _TAG_LIMIT) for key, value in tags.items()}


def label(text: str | None) -> str | None:
    """A name or job as the registry takes it; an empty one is none."""
    return clean_text(text, _LABEL_LIMIT) if text else None


def _present(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without what it does not say."""
    return {key: value for key, value in entry.items() if value is not None and value not in ({}, [])}
