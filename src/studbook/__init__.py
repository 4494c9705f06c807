"""Studbook: a registry of model metadata.

The names here are the Python SDK (see `studbook.client`); `studbook.connect` opens a registry.

The SDK is loaded when the first of its names is used (PEP 562): the server and the command line import this package
too, and pay nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studbook.client import (
        Alias,
        Artifact,
        AuthenticationError,
        BatchOutcome,
        Changes,
        ConflictError,
        CreatedLink,
        Dataset,
        DatasetUse,
        DatasetVersion,
        Delivered,
        Deployment,
        Difference,
        Digested,
        Edge,
        Erased,
        Evaluated,
        EventLink,
        Experiment,
        Ingested,
        InvalidDocumentError,
        LegalHold,
        Lineage,
        LineageNode,
        Link,
        LoggedEvent,
        LogKey,
        LogShard,
        Metric,
        MissingServerError,
        Model,
        ModelVersion,
        NotFoundError,
        Notice,
        Owner,
        Parent,
        PermissionDeniedError,
        PlaceInLog,
        Recognised,
        Record,
        Refused,
        RefusedError,
        Registration,
        Registry,
        Resolved,
        RetentionClass,
        Run,
        RunRecord,
        SeriesPoint,
        StaleError,
        StudbookError,
        StudbookWarning,
        SyncReport,
        Token,
        UnreachableError,
        VersionLink,
        connect,
        digest_data,
        digest_path,
    )

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


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module 'studbook' has no attribute {name!r}"
        raise AttributeError(message)
    from studbook import client  # noqa: PLC0415 - see above

    return getattr(client, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
