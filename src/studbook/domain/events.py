"""Events: the meaning of every change, and the bytes under which it is logged."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from studbook.domain.canonical import canonical_json

if TYPE_CHECKING:
    from uuid import UUID


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
    EXPERIMENT_CREATED = "experiment.created"
    DATASET_REGISTERED = "dataset.registered"
    DATASET_VERSION_REGISTERED = "dataset_version.registered"
    DEPLOYMENT_RECORDED = "deployment.recorded"
    DEPLOYMENT_ENDED = "deployment.ended"
    TOKEN_CREATED = "token.created"  # noqa: S105 - an action, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105


def event_body(
    *,
    event_id: UUID,
    action: str,
    actor: str,
    authenticated_by: str,
    occurred_at: str,
    subject_id: UUID,
    subject: str,
    revision: int,
    before: bytes,
    after: bytes,
) -> bytes:
    """The RFC 8785 bytes of an event.

    `before` and `after` are canonical already (`null` where there is none), so they are put in as they are; the members
    around them stand in the order that RFC 8785 asks for. They are hashed and stored as returned (invariant I2).
    """
    return (
        b'{"action":%b,"actor":%b,"after":%b,"authenticated_by":%b,"before":%b,"id":"%b","occurred_at":"%b","rev":%d,"subject":%b,"subject_id":"%b"}'
    ) % (
        canonical_json(action),
        canonical_json(actor),
        after,
        canonical_json(authenticated_by),
        before,
        str(event_id).encode(),
        occurred_at.encode(),
        revision,
        canonical_json(subject),
        str(subject_id).encode(),
    )
