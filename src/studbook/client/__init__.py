"""The Python SDK: everything a training script, a deployment tool or a notebook needs of a registry.

Imports nothing else of Studbook, so that it stays light enough for a training image.
"""

from __future__ import annotations

from studbook.client.answers import Record
from studbook.client.auditing import LoggedEvent, PlaceInLog
from studbook.client.connecting import connect
from studbook.client.custody import Erased, LegalHold, LogKey, LogShard, RetentionClass
from studbook.client.data_digests import digest_data
from studbook.client.delivery import Delivered, Refused, SyncReport
from studbook.client.digests import Digested, digest_path
from studbook.client.errors import (
    AuthenticationError,
    ConflictError,
    InvalidDocumentError,
    MissingServerError,
    NotFoundError,
    Notice,
    PermissionDeniedError,
    RefusedError,
    StaleError,
    StudbookError,
    StudbookWarning,
    UnreachableError,
)
from studbook.client.findings import (
    BatchOutcome,
    Changes,
    CreatedLink,
    Difference,
    Edge,
    Evaluated,
    EventLink,
    Ingested,
    Lineage,
    LineageNode,
    Recognised,
    Resolved,
)
from studbook.client.records import (
    Alias,
    Artifact,
    Dataset,
    DatasetUse,
    DatasetVersion,
    Deployment,
    Experiment,
    Link,
    Metric,
    Model,
    ModelVersion,
    Owner,
    Parent,
    RunRecord,
    SeriesPoint,
    Token,
    VersionLink,
)
from studbook.client.registration import Registration
from studbook.client.registry import Registry
from studbook.client.run import Run

__all__ = [
    "Alias",
    "Artifact",
    "AuthenticationError",
    "BatchOutcome",
    "Changes",
    "ConflictError",
    "CreatedLink",
    "Dataset",
    "DatasetUse",
    "DatasetVersion",
    "Delivered",
    "Deployment",
    "Difference",
    "Digested",
    "Edge",
    "Erased",
    "Evaluated",
    "EventLink",
    "Experiment",
    "Ingested",
    "InvalidDocumentError",
    "LegalHold",
    "Lineage",
    "LineageNode",
    "Link",
    "LogKey",
    "LogShard",
    "LoggedEvent",
    "Metric",
    "MissingServerError",
    "Model",
    "ModelVersion",
    "NotFoundError",
    "Notice",
    "Owner",
    "Parent",
    "PermissionDeniedError",
    "PlaceInLog",
    "Recognised",
    "Record",
    "Refused",
    "RefusedError",
    "Registration",
    "Registry",
    "Resolved",
    "RetentionClass",
    "Run",
    "RunRecord",
    "SeriesPoint",
    "StaleError",
    "StudbookError",
    "StudbookWarning",
    "SyncReport",
    "Token",
    "UnreachableError",
    "VersionLink",
    "connect",
    "digest_data",
    "digest_path",
]
