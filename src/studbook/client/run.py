"""A run: the context manager around a training, an evaluation or a preparation of data."""

from __future__ import annotations

import math
import operator
import threading
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from studbook.client.clock import now, rfc3339
from studbook.client.draft import Draft, owner_entries, parent_entries, schema_entry, tag_entries
from studbook.client.inputs import artifact_entry, count_rows, dataset_digest, location, profile_entry
from studbook.client.lifecycle import Lifecycle, describe_failure
from studbook.client.notices import warn
from studbook.client.series import Measured, Point
from studbook.client.values import Scalar, as_number, as_scalar, clean_key, flatten, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from studbook.client.draft import ParentLike, SchemaLike
    from studbook.client.inputs import PathLike, Role, Sensitivity
    from studbook.client.outbox import Outbox
    from studbook.client.registration import Registration


class Run:
    """One execution, gathered while it happens and recorded when a version is registered or the block ends.

        with registry.run(job="churn-weekly", seed=42) as run:
            run.log_parameters({"learning_rate": 0.1})
            run.use_dataset("churn-train", path="train.parquet")
            ...
            run.log_metric("auc", 0.913, dataset="churn-train", split="test")
            run.log_artifact("model.onnx")
            run.register("churn", parents="churn@champion")

    The registry cannot break the training: if it is away, the record waits on disk for `studbook sync`; if it refuses
    the record, the record is kept with the reason, and a warning says where. Only wrong use (a metric that is not a
    number, a file that does not exist) raises, at once. An exception that leaves the block is recorded as the run's
    failure and goes on unchanged.

    Methods may be called from several threads. In a distributed training, let one process keep the run.
    """

    def __init__(self, lifecycle: Lifecycle, outbox: Outbox) -> None:
        self._lifecycle = lifecycle
        self._outbox = outbox
        self._draft = Draft(lifecycle.id)
        self._lock = threading.RLock()
        # Whether the registry knows, or will know, everything about the run but its end.
        self._stored = False
        self._recorded = False

    @property
    def id(self) -> str:
        """The run's UUID, made by the client."""
        return self._lifecycle.id

    @property
    def name(self) -> str:
        """The run's resource name: `runs/UUID`."""
        return f"runs/{self.id}"

    @property
    def identifiers(self) -> dict[str, str]:
        """Foreign identifiers of the version that is registered next, by scheme: `run.identifiers["mlflow_run"] = …`."""
        return self._draft.identifiers

    def log_parameter(self, name: str, value: object) -> None:
        """Record a parameter of the training.

        Text, numbers, true, false and None are kept. NaN, infinities and integers beyond 2^53 become text, lists become
        JSON text, a function or class its dotted name, and anything else its `repr`.
        """
        self.log_parameters({name: value})

    def log_parameters(self, parameters: Mapping[str, object]) -> None:
        """Record parameters; nested mappings are flattened: `{"tree": {"depth": 6}}` becomes `tree.depth`.

        A parameter that is logged again replaces the earlier value.
        """
        flat = {_named(name, "parameter"): as_scalar(value) for name, value in flatten(parameters).items()}
        with self._lock:
            self._draft.parameters |= flat

    def log_metric(
        self,
        name: str,
        value: object,
        step: SupportsIndex | None = None,
        *,
        dataset: str | None = None,
        split: str | None = None,
        slice: Mapping[str, object] | None = None,  # noqa: A002 - the word of the ingestion document
    ) -> None:
        """Record a metric's value: a number, or what has `.item()` (a numpy scalar, a tensor of one element).

        With a `step` (an integer from 0) the value becomes a point of the run's series. The last value for the same
        name, dataset, split and slice becomes the metric of the version that is registered next. `dataset` is a name
        given to `use_dataset` or a reference; `slice` names part of the data, such as `{"region": "south"}`.

        NaN and infinities cannot be recorded: they are left out, with one warning a metric.
        Raises TypeError for what is not a number, ValueError for a step below 0.
        """
        key, number, place = _named(name, "metric"), as_number(value, name), _step(step)
        part: dict[str, Scalar] = {clean_key(str(kind)): as_scalar(which) for kind, which in (slice or {}).items()}
        point = Point(number, place, rfc3339(now()))
        with self._lock:
            if math.isfinite(number):
                self._draft.measure(Measured.on(key, dataset, split, part), point)
            else:
                self._draft.warn_once(f"the metric {name!r} was {number}, which cannot be recorded; such values are left out")

    def log_metrics(self, metrics: Mapping[str, object], step: SupportsIndex | None = None) -> None:
        """Record several metrics at once, as `log_metric` does; nested mappings are flattened with dots."""
        for name, value in flatten(metrics).items():
            self.log_metric(name, value, step)

    def use_dataset(
        self,
        name: str,
        path: PathLike | None = None,
        *,
        data: object = None,
        digest: str | None = None,
        ref: str | None = None,
        role: Role = "training",
        rows: int | None = None,
        uri: str | None = None,
        license: str | None = None,  # noqa: A002 - the word of the ingestion document
        sensitivity: Sensitivity | None = None,
        description: str | None = None,
        identifiers: Mapping[str, str] | None = None,
        profile: bool = False,
    ) -> str | None:
        """Record that the run uses a dataset, and return the dataset's digest if it is known.

        Which version of it is told by the digest. It comes from one of:

        - `path`: a file or folder, which is hashed (a folder's digest is defined at `studbook.digest_path`);
        - `data`: bytes, an array, a table, or a tuple or mapping of these, hashed as `studbook.digest_data` says;
        - `digest`: SHA-256 in hexadecimal, with or without `sha256:`;
        - `ref`: a dataset version that the registry knows (`datasets/NAME/versions/2`), or any identifier of one. `name`
          is then what `log_metric(dataset=…)` calls it.

        With `profile`, what is in the file at `path` is recorded too, as `studbook.formats.datasets.profile` tells: columns,
        missing values, ranges, and a sketch of the rows, by which whoever can guess a row can find out whether it is there.
        Parquet and Arrow need `studbook[data]`; what cannot be profiled is recorded without, with a warning.

        `rows` is counted from `data` unless given; `uri` is the file's unless given. Use the same dataset twice to
        give it two roles. Raises TypeError, FileNotFoundError.
        """
        known = dataset_digest(path, data, digest) if ref is None else None
        entry = {"ref": ref, "role": role} if ref is not None else {
            "name": _named(name, "dataset"),
            "digest": known,
            "uri": location(path, uri),
            "role": role,
            "rows": count_rows(rows, data),
            "license": license,
            "sensitivity": sensitivity,
            "description": description,
            "identifiers": dict(identifiers or {}),
        }  # fmt: skip
        if profile and ref is None:
            entry = profile_entry(path) | {member: value for member, value in entry.items() if value is not None}
        with self._lock:
            self._draft.datasets[ref or name, known, role] = entry
            if ref is not None:
                self._draft.references[name] = ref
        return known

    def log_artifact(
        self, path: PathLike, uri: str | None = None, *, name: str | None = None, media_type: str | None = None
    ) -> str | None:
        """Record a file or folder as part of the version that is registered next, and return its digest.

        The file is hashed, not copied: `uri` says where it can be fetched later (by default where it lies now), and
        `name` what to call it (by default the file's name). A progress bar shows on a terminal above 64 MiB.

        Raises FileNotFoundError. A file that cannot be read is recorded without a digest, with a warning.
        """
        entry = artifact_entry(path, uri, name, media_type)
        with self._lock:
            self._draft.artifacts[entry["uri"]] = entry
        digest: str | None = entry["digest"]
        return digest

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags of every version this run registers; values become text."""
        with self._lock:
            self._draft.tags |= tag_entries(tags)

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        """Set attributes, any JSON, of every version this run registers."""
        with self._lock:
            self._draft.attributes |= to_json(attributes)

    def register(
        self,
        model: str,
        *,
        parents: ParentLike | Iterable[ParentLike] = (),
        relation: str | None = None,
        description: str | None = None,
        tags: Mapping[str, object] | None = None,
        owners: Sequence[str | Mapping[str, str]] | None = None,
        schema: SchemaLike | None = None,
    ) -> Registration:
        """Register a new version of a model from what was logged, and return what became of it.

        The whole record goes out in one document: all of it is stored, or none.

        - `parents`: the versions it was made from: references (`churn/3`, `churn@champion`), Registrations,
          ModelVersions, or mappings `{"ref": …, "relation": …}`; `relation` is for those without their own:
          retrained-from (the default), finetuned-from, adapter-of, merged-from, quantized-from, distilled-from,
          converted-from, calibrated-from. With `"external": True` a mapping may name what is not recorded yet
          (`huggingface:org/name`, `sha256:…`): it is linked when it arrives.
        - `description` and `tags` are the version's; `owners` (names, or `{"name", "email"}`) the model's, if it is new.
        - `schema`: the definition that the versions of the model, if it is new, must satisfy: its name, or a mapping with
          `name`, `min_version` and `max_version`.

        A run may register several versions. Metrics, artifacts and identifiers belong to the one registered next;
        parameters, datasets, tags and attributes to all.

        Raises RefusedError only if the registry was opened with `strict=True`; TypeError and ValueError for wrong use.
        """
        self._lifecycle.begin()
        entries = parent_entries(parents, relation)
        model_part = {"name": _named(model, "model"), "owners": owner_entries(owners or ()), "schema": schema_entry(schema)}
        version_part = {"description": description, "tags": tag_entries(tags or {}), "parents": entries}
        with self._lock:
            document = self._draft.version_document(model_part, version_part, self._run_part(None))
            registration = self._outbox.hand_over(document, self.id, may_raise=True)
            self._take_note(registration, version=True)
        return registration

    def __enter__(self) -> Self:
        """Begin: the clock starts, and code and environment are looked at."""
        self._lifecycle.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End: what no document holds yet is recorded; an exception goes on."""
        failure = describe_failure(kind, error, trace)
        try:
            with self._lock:
                if not self._recorded or failure or self._draft.has_unsent():
                    document = self._draft.run_document(self._run_part(failure))
                    self._take_note(self._outbox.hand_over(document, self.id, may_raise=False), version=False)
        except Exception as fault:  # noqa: BLE001 - a training must not end over its record
            warn(f"the end of the run could not be recorded: {fault!r}")

    def _run_part(self, failure: str | None) -> dict[str, Any]:
        outcome = self._lifecycle.outcome(failure)
        return outcome if self._stored else {**self._lifecycle.identity(), **outcome}

    def _take_note(self, registration: Registration, *, version: bool) -> None:
        if registration.status in {"stored", "spooled"}:
            self._draft.forget_sent(version=version)
            self._recorded = True
            self._stored = self._stored or registration.status == "stored"


def _named(name: object, noun: str) -> str:
    if not isinstance(name, str) or not name:
        message = f"the name of a {noun} is text, not {name!r}"
        raise TypeError(message)
    return clean_key(name)


def _step(step: object) -> int | None:
    if step is None:
        return None
    try:
        number = int(step) if isinstance(step, float) and step.is_integer() else operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        message = f"a step is an integer, not {step!r}"
        raise TypeError(message) from None
    if number < 0:
        message = f"a step is an integer from 0, not {number}"
        raise ValueError(message)
    return number
