"""The documents that clients send, as frozen values: the ingestion document and the later facts.

The shape is `studbook.dev/ingest/v1` of the reference; every rule that needs no database is checked here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from studbook.domain.lineage import Basis, DataRelation
from studbook.domain.names import ByIdentifier, Kind, parse_reference
from studbook.domain.privacy import find_marking_fault
from studbook.domain.types import (
    Attributes,
    Count,
    Digest,
    Document,
    Identifiers,
    Key,
    Label,
    Name,
    Place,
    Reference,
    RoleName,
    Scalar,
    Tags,
    Text,
    Timestamp,
    Uri,
)

INGEST_SCHEMA = "studbook.dev/ingest/v1"


class Relation(StrEnum):
    """How a model version comes from its parent."""

    FINETUNED_FROM = "finetuned-from"
    ADAPTER_OF = "adapter-of"
    MERGED_FROM = "merged-from"
    QUANTIZED_FROM = "quantized-from"
    DISTILLED_FROM = "distilled-from"
    RETRAINED_FROM = "retrained-from"
    CONVERTED_FROM = "converted-from"
    CALIBRATED_FROM = "calibrated-from"


class Role(StrEnum):
    """What a run used a dataset version for."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
    EVALUATION = "evaluation"
    CALIBRATION = "calibration"
    SOURCE = "source"
    OTHER = "other"


class RunKind(StrEnum):
    """What a run did."""

    TRAINING = "training"
    EVALUATION = "evaluation"
    DATA_PREPARATION = "data-preparation"


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Sensitivity(StrEnum):
    """How carefully the data must be handled."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PERSONAL = "personal"
    RESTRICTED = "restricted"


# JSON has only text: an enumeration and a UUID arrive as such, whatever strictness says.
_RelationField = Annotated[Relation, Field(strict=False)]
_DataRelationField = Annotated[DataRelation, Field(strict=False)]
_RoleField = Annotated[Role, Field(strict=False)]
_Id = Annotated[UUID, Field(strict=False)]


def _markable(kind: Kind) -> AfterValidator:
    """Checks JSON Pointers to what is personal in a record of this kind."""

    def check(places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            if fault := find_marking_fault(kind, place):
                raise PydanticCustomError("bad_personal_place", "{fault}", {"fault": fault})
        return places

    return AfterValidator(check)


# JSON Pointers to what is personal: kept where it can be erased.
_Pointers = Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(strict=False, max_length=100)]


class Owner(Document):
    """Who answers for a model."""

    name: Label
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None


_SchemaNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class SchemaChoice(Document):
    """The schema definition that the versions of a model must satisfy: the newest published version in this range."""

    name: Label
    min_version: _SchemaNumber | None = None
    max_version: _SchemaNumber | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stood in the document
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _range_holds_something(self) -> Self:
        if self.min_version and self.max_version and self.min_version > self.max_version:
            raise PydanticCustomError("empty_range", "'min_version' is greater than 'max_version'; no version lies between")
        return self


class ModelPart(Document):
    """The registered model; made when it does not exist, otherwise matched by name."""

    name: Name
    schema_: Annotated[SchemaChoice | None, Field(alias="schema")] = None
    description: Text | None = None
    owners: Annotated[tuple[Owner, ...], Field(strict=False, max_length=100)] = ()
    tags: Annotated[Tags, Field(default_factory=dict)]
    personal: Annotated[_Pointers, _markable(Kind.MODEL)] = ()

    @model_validator(mode="after")
    def _owners_stand_once(self) -> Self:
        if len({owner.name for owner in self.owners}) != len(self.owners):
            raise PydanticCustomError("duplicate_owner", "an owner stands twice; name each once")
        return self


def _read_relation(value: str) -> str:
    known = [*Relation, *DataRelation]
    if value not in known:
        raise PydanticCustomError("unknown_relation", "{message}", {"message": f"the relation is one of {', '.join(known)}"})
    return value


# What a client may say of how it knows: it was told, or it was read from files.
_Told = Literal["declared", "derived"]


def _check_external(ref: str | None, *, external: bool) -> None:
    if external and (ref is None or not isinstance(parse_reference(ref), ByIdentifier)):
        raise PydanticCustomError(
            "not_external", "only an identifier such as huggingface:org/name or sha256:… can arrive later; leave 'external' out"
        )


class Parent(Document):
    """A model version this one was made from; an `external` one may be an identifier that nothing carries yet."""

    ref: Reference
    relation: _RelationField = Relation.RETRAINED_FROM
    external: bool = False
    basis: _Told = "declared"

    @model_validator(mode="before")
    @classmethod
    def _bare_reference(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stood in the document
        return {"ref": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_arrive(self) -> Self:
        _check_external(self.ref, external=self.external)
        return self


class DataSource(Document):
    """What a dataset version was made from: `ref` is a recorded dataset or model version, `name` an entry above it here."""

    ref: Reference | None = None
    name: Name | None = None
    relation: _DataRelationField = DataRelation.TRANSFORMED_FROM
    external: bool = False
    basis: _Told = "declared"

    @model_validator(mode="after")
    def _named_one_way(self) -> Self:
        if (self.ref is None) == (self.name is None):
            raise PydanticCustomError("source_unnamed", "a source is named by either 'ref' or 'name'")
        _check_external(self.ref, external=self.external)
        return self


class Metric(Document):
    """A measured value and what it was measured on."""

    name: Key
    value: float
    dataset: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    split: Label | None = None
    slice: Annotated[dict[Key, Scalar], Field(max_length=20)] | None = None
    step: Count | None = None
    recorded_at: Timestamp | None = None


class SeriesPoint(Document):
    """One point of a run's metric series."""

    name: Key
    value: float
    step: Count | None = None
    recorded_at: Timestamp | None = None


class Artifact(Document):
    """A file, or a folder, that makes up the version."""

    uri: Uri
    name: Label | None = None
    digest: Digest | None = None
    size: Count | None = None
    media_type: Label | None = None


class VersionPart(Document):
    """What identifies the new model version, and its first facts."""

    description: Text | None = None
    parents: Annotated[tuple[Parent, ...], Field(strict=False, max_length=1000)] = ()
    parameters: Annotated[dict[Key, Scalar], Field(max_length=10_000, default_factory=dict)]
    metrics: Annotated[tuple[Metric, ...], Field(strict=False, max_length=10_000)] = ()
    artifacts: Annotated[tuple[Artifact, ...], Field(strict=False, max_length=10_000)] = ()
    tags: Annotated[Tags, Field(default_factory=dict)]
    attributes: Annotated[Attributes, Field(default_factory=dict)]
    identifiers: Annotated[Identifiers, Field(default_factory=dict)]
    personal: Annotated[_Pointers, _markable(Kind.MODEL_VERSION)] = ()


class Code(Document):
    """The source code a run executed."""

    repository: Uri | None = None
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")] | None = None
    branch: Label | None = None
    dirty: bool | None = None
    entry_point: Text | None = None
    command: Text | None = None


class RunPart(Document):
    """One execution; with `ref` alone, a run that the registry knows."""

    ref: Reference | None = None
    id: _Id | None = None
    kind: Annotated[RunKind, Field(strict=False)] = RunKind.TRAINING
    status: Annotated[RunStatus, Field(strict=False)] = RunStatus.COMPLETED
    name: Label | None = None
    job: Label | None = None
    experiment: Name | None = None
    code: Code | None = None
    environment: Attributes | None = None
    seed: int | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    error: Text | None = None
    metrics: Annotated[tuple[SeriesPoint, ...], Field(strict=False, max_length=100_000)] = ()
    identifiers: Annotated[Identifiers, Field(default_factory=dict)]
    personal: Annotated[_Pointers, _markable(Kind.RUN)] = ()

    @model_validator(mode="after")
    def _reference_stands_alone(self) -> Self:
        if self.ref is not None and self.model_fields_set != {"ref"}:
            raise PydanticCustomError("ref_with_fields", "'ref' names a run that is recorded; leave the other fields out")
        if self.started_at and self.ended_at and self.ended_at < self.started_at:
            raise PydanticCustomError("ends_before_start", "'ended_at' lies before 'started_at'")
        return self


class DatasetPart(Document):
    """A dataset version; matched by digest, made when new. With `ref`, one that the registry knows."""

    ref: Reference | None = None
    name: Name | None = None
    digest: Digest | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    role: _RoleField = Role.TRAINING
    uri: Uri | None = None
    rows: Count | None = None
    license: Label | None = None
    sensitivity: Annotated[Sensitivity, Field(strict=False)] | None = None
    description: Text | None = None
    schema_: Annotated[Attributes | None, Field(alias="schema")] = None
    profile: Attributes | None = None
    sources: Annotated[tuple[DataSource, ...], Field(strict=False, max_length=1000)] = ()
    identifiers: Annotated[Identifiers, Field(default_factory=dict)]
    personal: Annotated[_Pointers, _markable(Kind.DATASET_VERSION)] = ()

    @model_validator(mode="after")
    def _named_one_way(self) -> Self:
        if (self.ref is None) == (self.name is None):
            raise PydanticCustomError("dataset_unnamed", "a dataset is named by either 'name' or 'ref'")
        if self.ref is not None and not self.model_fields_set <= {"ref", "role"}:
            raise PydanticCustomError(
                "ref_with_fields", "'ref' names a dataset version that is recorded; only 'role' goes with it"
            )
        return self


class IngestDocument(Document):
    """One complete record: model and version, its run and datasets; or a run or datasets alone."""

    schema_: Annotated[Literal["studbook.dev/ingest/v1"], Field(alias="schema")] = INGEST_SCHEMA  # type: ignore[assignment]
    model: ModelPart | None = None
    version: VersionPart | None = None
    run: RunPart | None = None
    datasets: Annotated[tuple[DatasetPart, ...], Field(strict=False, max_length=1000)] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.model is None) != (self.version is None):
            raise PydanticCustomError("half_a_version", "'model' and 'version' go together; a new version needs both")
        if self.model is None and self.run is None and not self.datasets:
            raise PydanticCustomError("empty_document", "the document records nothing: give model and version, run, or datasets")
        return self


class ModelPatch(Document):
    """Later facts about a registered model; a tag set to null is removed, and so is the definition of its versions."""

    schema_: Annotated[SchemaChoice | None, Field(alias="schema")] = None
    description: Text | None = None
    owners: Annotated[tuple[Owner, ...], Field(strict=False, max_length=100)] | None = None
    tags: Annotated[dict[Key, Annotated[str, Field(max_length=4096)] | None], Field(max_length=500)] | None = None
    archived: bool | None = None


class VersionPatch(Document):
    """Later facts about a model version; a tag set to null is removed."""

    description: Text | None = None
    tags: Annotated[dict[Key, Annotated[str, Field(max_length=4096)] | None], Field(max_length=500)] | None = None
    archived: bool | None = None


class NewEdge(Document):
    """That one record comes from another, as somebody says."""

    source: Reference
    target: Reference
    relation: Annotated[str, AfterValidator(_read_relation)]
    reason: Text | None = None


class WithdrawnEdge(Document):
    """What is no longer said of two records: one edge, or every edge from the source to the target that fits."""

    source: Reference
    target: Reference
    relation: Label | None = None
    role: Label | None = None
    basis: Annotated[Basis | None, Field(strict=False)] = None
    reason: Text


class AliasTarget(Document):
    """Where an alias shall point: a number, `latest`, or `@other`."""

    version: Place


class NewMetrics(Document):
    """Metrics measured after registration."""

    metrics: Annotated[tuple[Metric, ...], Field(strict=False, min_length=1, max_length=10_000)]


class NewSignature(Document):
    """A signature over a version's artifacts, and what it is to be verified with: one of the two.

    `bundle` is the text of a Sigstore bundle v0.3 as OpenSSF model signing writes it (`model.sig`); `public_key` the signer's, in
    PEM; `certificates` the roots that the certificate in the bundle leads to, in PEM.
    """

    # Characters; room for about 30,000 files.
    bundle: Annotated[str, StringConstraints(min_length=2, max_length=8 * 1024 * 1024)]
    public_key: Annotated[str, StringConstraints(max_length=16_384)] | None = None
    certificates: Annotated[str, StringConstraints(max_length=262_144)] | None = None


class NewEvaluation(Document):
    """A later evaluation: its run, the datasets it read, and what it measured."""

    run: RunPart | None = None
    datasets: Annotated[tuple[DatasetPart, ...], Field(strict=False, max_length=1000)] = ()
    metrics: Annotated[tuple[Metric, ...], Field(strict=False, min_length=1, max_length=10_000)]


class NewDeployment(Document):
    """A version is served on a target, such as `prod/eu`."""

    version: Reference
    target: Name
    url: Uri | None = None
    attributes: Annotated[Attributes, Field(default_factory=dict)]


class DeploymentPatch(Document):
    """The end of a deployment."""

    status: Literal["ended"]


class Access(StrEnum):
    """What a token allows: each right includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class NewToken(Document):
    """A token to be made: for a program, or for a person who decides (see `principal`)."""

    name: Label
    access: Annotated[Access, Field(strict=False)]
    expires_at: Timestamp | None = None
    # Who uses it, by a lasting name such as a login: all tokens of a principal are one person. By default the token itself.
    principal: Label | None = None
    # The name under the signatures of the person.
    printed_name: Label | None = None
    roles: Annotated[tuple[RoleName, ...], Field(strict=False, max_length=20)] = ()
    # Whether a signing secret is made too, with which the person signs decisions.
    signing: bool = False


# A reason is kept in the log for ever, so it must not be personal itself.
_Reason = Annotated[str, Field(min_length=3, max_length=2000)]


class NewInference(Document):
    """A definition to be drafted from the versions of a model."""

    model: Name
    name: Label | None = None


class NewErasure(Document):
    """Personal values to be erased: those of a record, those that equal a value (an e-mail address), or both."""

    subject: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    value: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    reason: _Reason

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.subject is None and self.value is None:
            raise PydanticCustomError("nothing_to_erase", "say what to erase: a 'subject', a 'value', or both")
        return self


class NewHold(Document):
    """A legal hold on a record, or on everything in the namespace (`*`): nothing of it is erased or purged."""

    subject: Annotated[str, Field(min_length=1, max_length=1024)]
    reason: _Reason


class HoldPatch(Document):
    """The end of a legal hold."""

    released: Literal[True]
    reason: _Reason


class RetentionPeriod(Document):
    """How long the entries about records of some kinds are kept, counted from their event."""

    days: Annotated[int, Field(ge=0, le=36_525)]
    kinds: Annotated[tuple[Annotated[Kind, Field(strict=False)], ...], Field(strict=False, min_length=1, max_length=20)]


class NewPurge(Document):
    """A purge of what has outlived its retention period, in a frozen shard of the log."""

    shard: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: _Reason


class NewShard(Document):
    """Freezes the open shard of the log and opens another under a new origin."""

    reason: _Reason


class KeyAlgorithm(StrEnum):
    """What signs checkpoints."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


class NewLogKey(Document):
    """A further key that signs the log's checkpoints, beside those that sign now."""

    algorithm: Annotated[KeyAlgorithm, Field(strict=False)] = KeyAlgorithm.ED25519


class LogKeyPatch(Document):
    """The end of a key: it signs no checkpoint any more; what it signed stays verifiable."""

    status: Literal["retired"]
