"""Events: the meaning of every change. The bytes under which one is logged are made in `entries`."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """Everything that can happen to a record, in the past tense."""

    MODEL_REGISTERED = "model.registered"
    MODEL_CHANGED = "model.changed"
    MODEL_ARCHIVED = "model.archived"
    MODEL_RESTORED = "model.restored"
    ALIAS_SET = "alias.set"
    ALIAS_MOVED = "alias.moved"
    ALIAS_DELETED = "alias.deleted"
    VERSION_REGISTERED = "model_version.registered"
    VERSION_CHANGED = "model_version.changed"
    VERSION_ARCHIVED = "model_version.archived"
    VERSION_RESTORED = "model_version.restored"
    METRICS_ADDED = "model_version.metrics_added"
    VERSION_EVALUATED = "model_version.evaluated"
    RUN_RECORDED = "run.recorded"
    RUN_CONTINUED = "run.continued"
    RUN_SEALED = "run.sealed"
    EXPERIMENT_CREATED = "experiment.created"
    DATASET_REGISTERED = "dataset.registered"
    DATASET_VERSION_REGISTERED = "dataset_version.registered"
    DEPLOYMENT_RECORDED = "deployment.recorded"
    DEPLOYMENT_ENDED = "deployment.ended"
    TOKEN_CREATED = "token.created"  # noqa: S105 - an action, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    NAMESPACE_CREATED = "namespace.created"
    LOG_OPENED = "log.opened"
    LOG_FROZEN = "log.frozen"
    LOG_SNAPSHOT = "log.snapshot"
    LOG_RECOVERED = "log.recovered"
    LOG_PURGED = "log.purged"
    LOG_KEY_ADDED = "log_key.added"
    LOG_KEY_RETIRED = "log_key.retired"
    PRIVACY_ERASED = "privacy.erased"
    RETENTION_SET = "retention.set"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    SCHEMA_CREATED = "schema.created"
    SCHEMA_DRAFTED = "schema_version.drafted"
    SCHEMA_REDRAFTED = "schema_version.redrafted"
    SCHEMA_PUBLISHED = "schema_version.published"
    SCHEMA_DEPRECATED = "schema_version.deprecated"
