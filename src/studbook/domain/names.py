"""Names of records, and the ways to refer to one.

A *resource name* is readable and stable: `models/churn/versions/3`, `datasets/churn-train/versions/1`,
`runs/0198…`, `deployments/0198…`, `experiments/tuning`. Reserved characters of a name (a slash, a space) are
percent-encoded inside it. A *reference* is anything a person or program may write to mean a record:

    models/churn/versions/3   models/churn/versions/latest   models/churn/versions/@champion   (resource name)
    churn/3   churn/latest   churn@champion                                                    (model version)
    0198c1de-…                                                                                 (UUID)
    sha256:9f86…   git:2fd4…   mlflow_run:8d1f…                                                (identifier)
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

NAME_LIMIT: Final = 256
IDENTIFIER_LIMIT: Final = 512

_SCHEME = re.compile(r"[a-z][a-z0-9_.+-]{0,31}")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE = re.compile(r"(models|datasets)/([^/]+)(?:/versions/([^/]+))?|(runs|deployments|experiments)/([^/]+)")
_SHORTHAND = re.compile(r"([^/@]+)(?:/(latest|[1-9][0-9]{0,9})|@([^/@]+))")
# Largest number a reference may carry: a version column is a 32-bit integer.
_NUMBER_LIMIT: Final = 2**31 - 1


class Kind(StrEnum):
    """The kinds of record."""

    MODEL = "model"
    MODEL_VERSION = "model_version"
    DATASET = "dataset"
    DATASET_VERSION = "dataset_version"
    RUN = "run"
    EXPERIMENT = "experiment"
    DEPLOYMENT = "deployment"
    TOKEN = "token"  # noqa: S105 - a kind of record, not a secret
    NAMESPACE = "namespace"
    LOG = "log"
    LOG_KEY = "log_key"
    RETENTION_CLASS = "retention_class"
    LEGAL_HOLD = "legal_hold"
    SCHEMA = "schema"
    SCHEMA_VERSION = "schema_version"
    POLICY = "policy"
    POLICY_VERSION = "policy_version"
    VERDICT = "verdict"
    CHANGE_REQUEST = "change_request"
    ATTESTATION = "attestation"
    WAIVER = "waiver"
    FINDING = "finding"
    RECALL = "recall"
    REVIEW = "review"


# Records that say something of another.
STATEMENT_KINDS: Final = (
    Kind.VERDICT, Kind.CHANGE_REQUEST, Kind.ATTESTATION, Kind.WAIVER, Kind.FINDING, Kind.RECALL, Kind.REVIEW,
)  # fmt: skip


def find_name_fault(name: str) -> str | None:
    """Why `name` cannot name a record, or None when it can."""
    if not name or len(name) > NAME_LIMIT:
        return f"a name has 1 to {NAME_LIMIT} characters"
    if name != name.strip() or name.startswith("@"):
        return "a name does not begin with '@' and has no blanks at its ends"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for character in name):
        return "a name holds no control, format or private characters"
    if unicodedata.normalize("NFC", name) != name:
        return "a name is written in Unicode normalisation form C"
    if name in {".", ".."}:
        return "'.' and '..' mean a folder, not a record"
    return None


def find_scheme_fault(scheme: str) -> str | None:
    """Why `scheme` cannot be the scheme of an identifier, or None."""
    if not _SCHEME.fullmatch(scheme):
        return "a scheme is 1 to 32 characters of a-z, 0-9, '_', '.', '+', '-' and begins with a letter"
    return None


def quoted(name: str) -> str:
    """The name as one segment of a resource name."""
    return quote(name, safe="@:+,;=!$'()*~")


def model_name(model: str) -> str:
    """`models/churn`."""
    return f"models/{quoted(model)}"


def version_name(model: str, number: int) -> str:
    """`models/churn/versions/3`."""
    return f"models/{quoted(model)}/versions/{number}"


def dataset_name(dataset: str) -> str:
    """`datasets/churn-train`."""
    return f"datasets/{quoted(dataset)}"


def dataset_version_name(dataset: str, number: int) -> str:
    """`datasets/churn-train/versions/1`."""
    return f"datasets/{quoted(dataset)}/versions/{number}"


def policy_name(policy: str) -> str:
    """`policies/baseline`."""
    return f"policies/{quoted(policy)}"


def run_name(run_id: UUID) -> str:
    """`runs/0198…`."""
    return f"runs/{run_id}"


@dataclass(frozen=True, slots=True)
class ById:
    """A record by its UUID; `kind` when the writer said which it must be."""

    id: UUID
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class ByName:
    """A model, dataset or experiment by its name."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class ByNumber:
    """A version by the name it belongs to and its number; `number` None means the latest."""

    kind: Kind
    name: str
    number: int | None


@dataclass(frozen=True, slots=True)
class ByAlias:
    """A model version by an alias of its model."""

    model: str
    alias: str


@dataclass(frozen=True, slots=True)
class ByIdentifier:
    """A record by a foreign identifier, a digest or a commit.

    An identifier may end in a commit (`org/name@0c3f…`); without it the newest record of that name is meant.
    """

    scheme: str
    value: str


Reference = ById | ByName | ByNumber | ByAlias | ByIdentifier

_AT_COMMIT: Final = re.compile(r"(.+)@[0-9a-f]{40}(?:[0-9a-f]{24})?")


def strip_commit(value: str) -> str | None:
    """The value of an identifier without the commit that it ends in; None where it ends in none."""
    match = _AT_COMMIT.fullmatch(value)
    return match[1] if match else None


class BadReferenceError(ValueError):
    """The text does not refer to anything; its message says which forms do."""


def parse_reference(text: str) -> Reference:
    """Read any form of reference.

    Raises BadReferenceError with a sentence for the writer.
    """
    if _UUID.fullmatch(text):
        return ById(UUID(text))
    if match := _RESOURCE.fullmatch(text):
        return _from_resource(match)
    scheme, colon, value = text.partition(":")
    if colon and value and _SCHEME.fullmatch(scheme) and len(value) <= IDENTIFIER_LIMIT:
        return ByIdentifier(scheme, value)
    if match := _SHORTHAND.fullmatch(text):
        model, place, alias = match.groups()
        return ByAlias(unquote(model), unquote(alias)) if alias else _numbered(Kind.MODEL_VERSION, model, place)
    msg = (
        f"{text[:80]!r} refers to nothing: write models/NAME/versions/3, NAME/3, NAME/latest, NAME@alias, "
        "datasets/NAME/versions/1, runs/UUID, a UUID, or an identifier such as sha256:…"
    )
    raise BadReferenceError(msg)


def parse_place(model: str, place: str) -> ByNumber | ByAlias:
    """Read a version's place in its model: a number, `latest` or `@alias`."""
    if place.startswith("@"):
        return ByAlias(model, place[1:])
    return _numbered(Kind.MODEL_VERSION, quoted(model), place)


def parse_dataset_place(dataset: str, place: str) -> ByNumber:
    """Read a dataset version's place in its dataset: a number or `latest`."""
    return _numbered(Kind.DATASET_VERSION, quoted(dataset), place)


def _from_resource(match: re.Match[str]) -> Reference:
    family, name, place, family_by_id, text = match.groups()
    if family_by_id == "experiments":
        return ByName(Kind.EXPERIMENT, unquote(text))
    if family_by_id:
        if not _UUID.fullmatch(text):
            msg = f"{family_by_id} are named by a UUID, and {text[:60]!r} is none"
            raise BadReferenceError(msg)
        return ById(UUID(text), Kind.RUN if family_by_id == "runs" else Kind.DEPLOYMENT)
    kind = Kind.MODEL if family == "models" else Kind.DATASET
    if place is None:
        return ByName(kind, unquote(name))
    if kind is Kind.MODEL and place.startswith("@"):
        return ByAlias(unquote(name), unquote(place[1:]))
    return _numbered(Kind.MODEL_VERSION if kind is Kind.MODEL else Kind.DATASET_VERSION, name, place)


def _numbered(kind: Kind, quoted_name: str, place: str) -> ByNumber:
    if place == "latest":
        return ByNumber(kind, unquote(quoted_name), None)
    if not _NUMBER.fullmatch(place) or int(place) > _NUMBER_LIMIT:
        msg = f"{place[:60]!r} is no version: write a number from 1, or latest (or @alias for a model)"
        raise BadReferenceError(msg)
    return ByNumber(kind, unquote(quoted_name), int(place))
