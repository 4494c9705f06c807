"""Reads of records."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from studbook.client.addressing import Addressing
from studbook.client.records import (
    Alias,
    Dataset,
    DatasetVersion,
    Deployment,
    Experiment,
    Metric,
    Model,
    ModelVersion,
    RunRecord,
    SeriesPoint,
)
from studbook.client.watching import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from studbook.client.answers import Record

RecordT = TypeVar("RecordT", bound="Record")
AsOf = datetime | str | int | None


class RecordReads(Addressing):
    """The calls that read records by name or reference, and list them.

    Every one raises UnreachableError and AuthenticationError, and, where one record is asked for, NotFoundError. With
    `as_of` a record is read as it was: at a time, or when the audit log had so many entries (a number).

    Lists are iterators that fetch page after page (`page_size` records a request) while they are read.
    """

    def model(self, name: str, *, as_of: AsOf = None) -> Model:
        """The registered model of that name."""
        return Model.read(self._connection.call("GET", ("models", name), params=_past(as_of)))

    def models(
        self, *, prefix: str | None = None, tag: str | None = None, archived: bool | None = None, page_size: int | None = None
    ) -> Iterator[Model]:
        """Registered models by name; `tag` is `key:value`, `archived` True for archived ones only."""
        params = {"prefix": prefix, "tag": tag, "archived": _truth(archived), "page_size": page_size}
        return self._list(Model, ("models",), params)

    def version(self, ref: str, *, as_of: AsOf = None) -> ModelVersion:
        """The model version that a reference means: `churn/3`, `churn/latest`, `churn@champion`, a UUID, `sha256:…`.

        Raises LookupError when an identifier means several versions, or no model version.
        """
        return ModelVersion.read(self._connection.call("GET", self._version_path(ref), params=_past(as_of)))

    def watch(self, model: str, version: int | str = "latest") -> Iterator[ModelVersion]:
        """The version that a number, `latest` or `@alias` means: as it is, and then at every change of it, without an end.

        A change is yielded at once. While the registry cannot be reached this goes on trying; an alias that is deleted ends it
        with NotFoundError.
        """
        return (ModelVersion.read(shown) for shown in follow(self._connection, ("models", model, "versions", str(version))))

    def versions(self, model: str, *, page_size: int | None = None) -> Iterator[ModelVersion]:
        """The versions of a model, newest first."""
        return self._list(ModelVersion, ("models", model, "versions"), {"page_size": page_size})

    def metric_history(self, ref: str, name: str | None = None, *, page_size: int | None = None) -> Iterator[Metric]:
        """Every value ever recorded of a version's metrics (or of the one named), oldest first."""
        return self._list(Metric, (*self._version_path(ref), "metrics"), {"name": name, "page_size": page_size})

    def aliases(self, model: str) -> Iterator[Alias]:
        """The aliases of a model."""
        return self._list(Alias, ("models", model, "aliases"))

    def alias(self, model: str, alias: str) -> Alias:
        """Where an alias points now; its `etag` is what `set_alias` takes as `if_match`."""
        return Alias.read(self._connection.call("GET", ("models", model, "aliases", alias)))

    def run_record(self, ref: str, *, as_of: AsOf = None) -> RunRecord:
        """The recorded run that a reference means: `runs/UUID`, a UUID, or an identifier such as `mlflow_run:…`."""
        return RunRecord.read(self._connection.call("GET", self._path_by_id("runs", ref), params=_past(as_of)))

    def runs(
        self,
        *,
        experiment: str | None = None,
        status: str | None = None,
        job: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[RunRecord]:
        """Recorded runs; `status` is running, completed or failed."""
        params = {"experiment": experiment, "status": status, "job": job, "page_size": page_size}
        return self._list(RunRecord, ("runs",), params)

    def run_series(self, ref: str, name: str | None = None, *, page_size: int | None = None) -> Iterator[SeriesPoint]:
        """The metric series of a run, point after point."""
        return self._list(SeriesPoint, (*self._path_by_id("runs", ref), "metrics"), {"name": name, "page_size": page_size})

    def experiments(self, *, page_size: int | None = None) -> Iterator[Experiment]:
        """Experiments."""
        return self._list(Experiment, ("experiments",), {"page_size": page_size})

    def dataset(self, name: str, *, as_of: AsOf = None) -> Dataset:
        """The dataset of that name."""
        return Dataset.read(self._connection.call("GET", ("datasets", name), params=_past(as_of)))

    def datasets(self, *, page_size: int | None = None) -> Iterator[Dataset]:
        """Datasets by name."""
        return self._list(Dataset, ("datasets",), {"page_size": page_size})

    def dataset_version(self, ref: str, *, as_of: AsOf = None) -> DatasetVersion:
        """The dataset version that a reference means: `datasets/NAME/versions/1` (or `latest`), a UUID, `sha256:…`."""
        return DatasetVersion.read(self._connection.call("GET", self._dataset_version_path(ref), params=_past(as_of)))

    def dataset_versions(self, dataset: str, *, page_size: int | None = None) -> Iterator[DatasetVersion]:
        """The versions of a dataset, newest first."""
        return self._list(DatasetVersion, ("datasets", dataset, "versions"), {"page_size": page_size})

    def deployment(self, ref: str, *, as_of: AsOf = None) -> Deployment:
        """The deployment that `deployments/UUID` or a UUID means."""
        return Deployment.read(self._connection.call("GET", self._path_by_id("deployments", ref), params=_past(as_of)))

    def deployments(
        self, *, version: str | None = None, status: str | None = None, page_size: int | None = None
    ) -> Iterator[Deployment]:
        """Deployments, of one version or all; `status` is active or ended."""
        params = {"version": version, "status": status, "page_size": page_size}
        return self._list(Deployment, ("deployments",), params)

    def _list(
        self, kind: type[RecordT], path: Sequence[str], params: Mapping[str, str | int | None] | None = None
    ) -> Iterator[RecordT]:
        return (kind.read(entry) for entry in self._connection.pages(path, params))


def _truth(value: bool | None) -> str | None:  # noqa: FBT001 - a query parameter, not a switch
    return None if value is None else str(value).lower()


def _past(as_of: AsOf) -> dict[str, str | int | None]:
    return {"as_of": as_of.isoformat() if isinstance(as_of, datetime) else as_of}
