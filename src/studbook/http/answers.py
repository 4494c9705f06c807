"""What the API answers: the types of its documents for OpenAPI, and how bytes become responses.

Answers are built as bytes from what is stored, so these types describe them and do not make them; the conformance
suite holds the two together.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, Field
from starlette.responses import Response

if TYPE_CHECKING:
    from studbook.services.reading import Shown


class ViolationAnswer(BaseModel):
    """One fault of a request."""

    pointer: str
    code: str
    message: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ViolationAnswer]
    request_id: str
    verdict: str | None = Field(default=None, description="the name of the verdict, when policies refused it")


class RecordAnswer(BaseModel):
    """What every record has."""

    kind: str
    id: str
    name: str
    namespace: str
    etag: str
    created_at: str
    created_by: str
    updated_at: str


class OwnerAnswer(BaseModel):
    """Who answers for a model."""

    name: str | None = Field(description="null once it was erased")
    email: str | None


class SchemaChoiceAnswer(BaseModel):
    """The definition that a model's versions must satisfy."""

    name: str
    id: str
    min_version: int | None
    max_version: int | None


class HeldAnswer(BaseModel):
    """The version of a definition that a model version was held against."""

    name: str
    id: str
    version: int


class ModelAnswer(RecordAnswer):
    """A registered model."""

    model_config = {"populate_by_name": True}

    model: str
    description: str | None
    owners: list[OwnerAnswer]
    tags: dict[str, str]
    aliases: dict[str, int]
    schema_: SchemaChoiceAnswer | None = Field(default=None, alias="schema")
    archived_at: str | None
    latest_version: int | None
    personal: list[str]


class MetricAnswer(BaseModel):
    """A measured value."""

    name: str
    value: float
    dataset: str | None
    split: str | None
    slice: dict[str, Any] | None
    step: int | None
    recorded_at: str


class PointAnswer(BaseModel):
    """A point of a run's metric series."""

    name: str
    step: int | None
    value: float
    recorded_at: str | None


class ArtifactAnswer(BaseModel):
    """A file or folder of a version."""

    name: str | None
    uri: str
    digest: str | None
    size: int | None
    media_type: str | None


class LinkAnswer(BaseModel):
    """Another record."""

    name: str
    id: str


class ParentAnswer(LinkAnswer):
    """A parent and what it is to the version."""

    relation: str
    basis: str = Field(default="declared", description="how it is known: declared, derived from files, or matched by digest")


class ReferenceAnswer(BaseModel):
    """A reference to what was not recorded yet, and what it means by now."""

    ref: str
    relation: str
    basis: str
    resolved: LinkAnswer | None


class InputAnswer(LinkAnswer):
    """A dataset version and what it was used for."""

    role: str
    digest: str | None


class SignatureAnswer(BaseModel):
    """A signature over the version's artifacts, as it was verified: over what, by which key, and when.

    `key`, `certificate` and `root_certificate` are fingerprints; of a key the SHA-256 of its SubjectPublicKeyInfo.
    """

    format: str
    root_digest: str
    files: int
    statement_digest: str
    bundle_digest: str
    key: str
    certificate: str | None
    root_certificate: str | None
    verified_at: str
    verified_by: str


class VersionAnswer(RecordAnswer):
    """A model version."""

    model_config = {"populate_by_name": True}

    model: str
    number: int
    schema_: HeldAnswer | None = Field(default=None, alias="schema")
    description: str | None
    archived_at: str | None
    parameters: dict[str, Any]
    metrics: list[MetricAnswer]
    artifacts: list[ArtifactAnswer]
    tags: dict[str, str]
    attributes: dict[str, Any]
    identifiers: dict[str, str]
    parents: list[ParentAnswer]
    references: list[ReferenceAnswer] = []
    signatures: list[SignatureAnswer] = []
    datasets: list[InputAnswer]
    run: LinkAnswer | None
    aliases: list[str]
    personal: list[str]


class SealAnswer(BaseModel):
    """The seal over a metric series: how many points it covers, and the hash chain over them."""

    points: int
    digest: str


class RunAnswer(RecordAnswer):
    """A run."""

    run_kind: str
    status: str
    title: str | None
    job: str | None
    experiment: str | None
    code: dict[str, Any] | None
    environment: dict[str, Any] | None
    seed: int | None
    started_at: str | None
    ended_at: str | None
    error: str | None
    identifiers: dict[str, str]
    inputs: list[InputAnswer]
    series: dict[str, SealAnswer]
    personal: list[str]


class ExperimentAnswer(RecordAnswer):
    """An experiment."""

    experiment: str


class DatasetAnswer(RecordAnswer):
    """A dataset."""

    dataset: str


class DatasetVersionAnswer(RecordAnswer):
    """A dataset version."""

    model_config = {"populate_by_name": True}

    dataset: str
    number: int
    digest: str | None
    uri: str | None
    rows: int | None
    license: str | None
    sensitivity: str | None
    schema_: dict[str, Any] | None = Field(alias="schema")
    profile: dict[str, Any] | None
    description: str | None
    sources: list[ParentAnswer] = []
    references: list[ReferenceAnswer] = []
    identifiers: dict[str, str]
    personal: list[str]


class DeploymentAnswer(RecordAnswer):
    """A deployment."""

    version: LinkAnswer
    target: str
    url: str | None
    attributes: dict[str, Any]
    status: str
    started_at: str
    ended_at: str | None


class PersonAnswer(BaseModel):
    """Who uses a token, and as what they decide."""

    principal: str | None
    printed_name: str | None
    roles: list[str]
    signing_key: str | None = Field(description="the public half, in base64, of what the signing secret makes")


class TokenAnswer(RecordAnswer):
    """An API token, without its secret."""

    title: str | None = Field(description="null once it was erased")
    hint: str
    token_hash: str
    access: str
    person: PersonAnswer | None = None
    expires_at: str | None
    revoked_at: str | None


class NewTokenAnswer(TokenAnswer):
    """A token that was just made: the only answer that holds the secret."""

    token: str
    signing_secret: str | None = None


class AliasedVersionAnswer(LinkAnswer):
    """The version an alias names."""

    number: int


class AliasAnswer(BaseModel):
    """An alias."""

    alias: str
    model: str
    version: AliasedVersionAnswer
    etag: str


class FoundAnswer(LinkAnswer):
    """A record that carries an identifier."""

    kind: str


class MatchesAnswer(BaseModel):
    """Every record that carries an identifier."""

    items: list[FoundAnswer]
    truncated: bool


class ResolvedAnswer(BaseModel):
    """What one of several identifiers means."""

    identifier: str
    matches: list[FoundAnswer]
    truncated: bool
    error: str | None = Field(default=None, description="why the text can mean nothing")


class ResolvedListAnswer(BaseModel):
    """What each of several identifiers means, in their order."""

    items: list[ResolvedAnswer]


class ChangesAnswer(BaseModel):
    """What differs between two objects."""

    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, Any]


class DiffAnswer(BaseModel):
    """What differs between two versions."""

    from_: str = Field(alias="from")
    to: str
    causes: list[str] = Field(description="which of datasets, code, parameters, environment, seed and parents differ")
    parameters: ChangesAnswer
    metrics: ChangesAnswer
    datasets: ChangesAnswer
    artifacts: ChangesAnswer
    parents: ChangesAnswer
    tags: ChangesAnswer
    attributes: ChangesAnswer
    code: ChangesAnswer
    environment: ChangesAnswer
    seed: ChangesAnswer


class CreatedAnswer(LinkAnswer):
    """A record, and whether it was made now."""

    created: bool


class NewVersionAnswer(LinkAnswer):
    """A version that was made."""

    number: int
    etag: str


class IngestedInputAnswer(CreatedAnswer):
    """A dataset version of a document."""

    role: str


class DrawnEdgeAnswer(BaseModel):
    """An edge that a write drew."""

    source: str
    target: str
    relation: str
    role: str | None
    basis: str


class EventAnswer(BaseModel):
    """An event that a write recorded."""

    id: str
    action: str
    subject: str


class RecordedAnswer(BaseModel):
    """What a write recorded."""

    run: CreatedAnswer | None
    datasets: list[IngestedInputAnswer]
    edges: list[DrawnEdgeAnswer]
    links: list[DrawnEdgeAnswer] = Field(default=[], description="edges drawn to records that had waited for what this brought")
    events: list[EventAnswer]
    warnings: list[ViolationAnswer]
    verdict: dict[str, Any] | None = Field(default=None, description="what policies said, where any was asked")


class IngestAnswer(RecordedAnswer):
    """What a document became."""

    model: CreatedAnswer | None
    version: NewVersionAnswer | None


class EvaluationAnswer(RecordedAnswer):
    """What an evaluation became."""

    version: VersionAnswer


class PlaceInLogAnswer(BaseModel):
    """Where an entry stands."""

    shard: int
    index: int


class LoggedEventAnswer(BaseModel):
    """An event of the audit log with its values in place; without its entry once that was purged."""

    id: str
    action: str
    actor: str
    occurred_at: str
    subject: str
    subject_id: str
    rev: int
    purged: bool
    log: PlaceInLogAnswer | None
    leaf_hash: str | None
    authenticated_by: str | None = None
    prev: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    private: dict[str, str] | None = None
    detached: dict[str, Any] | None = None
    edges: list[dict[str, Any]] | None = None
    detail: dict[str, Any] | None = None


class InclusionAnswer(BaseModel):
    """The audit path of an entry; hashes in base64, lowest first."""

    index: int
    size: int
    leaf_hash: str
    hashes: list[str]


class ConsistencyAnswer(BaseModel):
    """The consistency proof between two trees; hashes in base64."""

    old: int
    new: int
    hashes: list[str]


class LogKeyAnswer(BaseModel):
    """A key that signs, or signed, a shard's checkpoints."""

    vkey: str
    fingerprint: str
    algorithm: str
    status: str


class ShardAnswer(BaseModel):
    """A shard of a log."""

    shard: int
    origin: str
    status: str
    size: int
    checkpoint_size: int | None
    checkpoint_at: str | None
    keys: list[LogKeyAnswer]


class LogAnswer(RecordAnswer):
    """The record of a shard of the log."""

    registry: str
    origin: str
    shard: int
    status: str


class LogKeyRecordAnswer(RecordAnswer):
    """The record of a key of the log."""

    shard: int
    vkey: str
    fingerprint: str
    algorithm: str
    status: str


class ErasureAnswer(BaseModel):
    """What was erased."""

    values: int
    subjects: int
    events: list[EventAnswer]


class HoldAnswer(RecordAnswer):
    """A legal hold."""

    subject: str
    subject_id: str
    reason: str
    released_at: str | None
    released_because: str | None


class RetentionAnswer(RecordAnswer):
    """A retention class."""

    class_: str = Field(alias="class")
    days: int
    kinds: list[str]


class LoginLinkAnswer(BaseModel):
    """A link that logs a browser in."""

    url: str
    expires_at: str


class StateAnswer(BaseModel):
    """Whether the process serves."""

    status: str
    checks: dict[str, str] = {}


ItemT = TypeVar("ItemT")


class PageAnswer(BaseModel, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    next_page_token: str | None


def page(item: type[Any]) -> Any:  # noqa: ANN401 - a type made at run time
    """The type of a page of these."""
    return PageAnswer[item]  # type: ignore[valid-type]


def answered(kind: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401 - a type
    """The documentation of a route's answer."""
    return {status: {"model": kind}}


def json_response(body: bytes | dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def record_response(shown: Shown, status: int = 200) -> Response:
    """A record with its ETag."""
    return json_response(shown.body, status, {"ETag": shown.etag})
