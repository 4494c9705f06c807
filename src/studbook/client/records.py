"""The records of a registry, as frozen values. Times are aware datetimes in UTC; sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.client.answers import TEXTS, TIME, Record, reads, reads_many

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Link(Record):
    """Another record, by name (`runs/0198…`) and id."""

    name: str = ""
    id: str = ""
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parent(Record):
    """A model version that another was made from, and how."""

    name: str = ""
    id: str = ""
    relation: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetUse(Record):
    """A dataset version that was used, and what for; `digest` is `sha256:…` where it is known."""

    name: str = ""
    id: str = ""
    role: str = ""
    digest: str | None = None
    created: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Metric(Record):
    """A measured value, and the dataset, split, slice and step it was measured on."""

    name: str = ""
    value: float = float("nan")
    dataset: str | None = None
    split: str | None = None
    slice: Mapping[str, str | int | float | bool | None] | None = None
    step: int | None = None
    recorded_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class SeriesPoint(Record):
    """One point of a run's metric series."""

    name: str = ""
    value: float = float("nan")
    step: int | None = None
    recorded_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    """A file or folder of a version; `size` in bytes, `digest` as `sha256:…`."""

    uri: str = ""
    name: str | None = None
    digest: str | None = None
    size: int | None = None
    media_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Owner(Record):
    """Who answers for a model."""

    name: str = ""
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredRecord(Record):
    """What every stored record has. `etag` is what `if_match` takes."""

    id: str = ""
    name: str = ""
    created_at: datetime | None = field(default=None, metadata=TIME)
    created_by: str | None = None
    updated_at: datetime | None = field(default=None, metadata=TIME)
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class SchemaChoice(Record):
    """The schema definition that the versions of a model must satisfy: its newest published version in a range."""

    name: str = ""
    id: str = ""
    min_version: int | None = None
    max_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class HeldSchema(Record):
    """The version of a schema definition that a model version satisfied when it was registered."""

    name: str = ""
    id: str = ""
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Model(StoredRecord):
    """A registered model; `model` is its bare name, `aliases` maps each alias to a version number."""

    model: str = ""
    description: str | None = None
    owners: tuple[Owner, ...] = field(default=(), metadata=reads_many(Owner))
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    schema: SchemaChoice | None = field(default=None, metadata=reads(SchemaChoice))
    latest_version: int | None = None
    archived_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class Signature(Record):
    """A signature over a version's artifacts that the registry verified; `key` and the certificates are fingerprints."""

    format: str = ""
    root_digest: str = ""
    files: int = 0
    statement_digest: str = ""
    bundle_digest: str = ""
    key: str = ""
    certificate: str | None = None
    root_certificate: str | None = None
    verified_at: datetime | None = field(default=None, metadata=TIME)
    verified_by: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelVersion(StoredRecord):
    """A version of a registered model: what it is, where it came from, what it was measured on."""

    model: str = ""
    number: int = 0
    schema: HeldSchema | None = field(default=None, metadata=reads(HeldSchema))
    description: str | None = None
    archived_at: datetime | None = field(default=None, metadata=TIME)
    parameters: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = field(default=(), metadata=reads_many(Metric))
    artifacts: tuple[Artifact, ...] = field(default=(), metadata=reads_many(Artifact))
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[Parent, ...] = field(default=(), metadata=reads_many(Parent))
    signatures: tuple[Signature, ...] = field(default=(), metadata=reads_many(Signature))
    datasets: tuple[DatasetUse, ...] = field(default=(), metadata=reads_many(DatasetUse))
    run: Link | None = field(default=None, metadata=reads(Link))
    aliases: tuple[str, ...] = field(default=(), metadata=TEXTS)


@dataclass(frozen=True, kw_only=True)
class RunRecord(StoredRecord):
    """One execution. `run_kind` is training, evaluation or data-preparation; `title` the name its writer gave it."""

    run_kind: str = ""
    title: str | None = None
    status: str = ""
    job: str | None = None
    experiment: str | None = None
    code: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    seed: int | None = None
    started_at: datetime | None = field(default=None, metadata=TIME)
    ended_at: datetime | None = field(default=None, metadata=TIME)
    error: str | None = None
    inputs: tuple[DatasetUse, ...] = field(default=(), metadata=reads_many(DatasetUse))
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Experiment(StoredRecord):
    """A group of runs; `experiment` is its bare name."""

    experiment: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset(StoredRecord):
    """A dataset; `dataset` is its bare name."""

    dataset: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetVersion(StoredRecord):
    """The dataset as it was at one time; `digest` is `sha256:…` where it is known."""

    dataset: str = ""
    number: int = 0
    digest: str | None = None
    uri: str | None = None
    rows: int | None = None
    license: str | None = None
    sensitivity: str | None = None
    schema: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None
    description: str | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Deployment(StoredRecord):
    """Which version was served on a target, from when until when; `status` is active or ended."""

    version: Link | None = field(default=None, metadata=reads(Link))
    target: str = ""
    url: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    status: str = ""
    started_at: datetime | None = field(default=None, metadata=TIME)
    ended_at: datetime | None = field(default=None, metadata=TIME)


@dataclass(frozen=True, kw_only=True)
class Token(StoredRecord):
    """An API token. `token` and `signing_secret` are known only in the answer that made it, and kept out of the repr."""

    title: str = ""
    access: str = ""
    hint: str | None = None
    expires_at: datetime | None = field(default=None, metadata=TIME)
    revoked_at: datetime | None = field(default=None, metadata=TIME)
    token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    person: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class VersionLink(Record):
    """A version, by name, number and id."""

    name: str = ""
    number: int = 0
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Alias(Record):
    """A movable name for a version; `etag` is the model's."""

    alias: str = ""
    model: str = ""
    version: VersionLink | None = field(default=None, metadata=reads(VersionLink))
    etag: str = ""
