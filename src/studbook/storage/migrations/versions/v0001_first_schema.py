"""The first schema: models, versions, runs, datasets, deployments, lineage, events."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, TABLE_OPTIONS, BigInteger, Bytes, Integer, Real, Text, UuidType

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Create every table, each after those it refers to."""
    _create_api_tokens()
    _create_datasets()
    _create_events()
    _create_experiments()
    _create_idempotency_keys()
    _create_identifiers()
    _create_lineage_nodes()
    _create_namespaces()
    _create_registered_models()
    _create_dataset_versions()
    _create_lineage_edges()
    _create_model_tags()
    _create_outbox()
    _create_owners()
    _create_runs()
    _create_model_versions()
    _create_run_metrics()
    _create_aliases()
    _create_artifacts()
    _create_deployments()
    _create_parameters()
    _create_version_metrics()
    _create_version_tags()


def _create_api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("hint", Text, nullable=False),
        sa.Column("token_hash", Bytes, nullable=False),
        sa.Column("access", Text, nullable=False),
        sa.Column("expires_at", Text),
        sa.Column("revoked_at", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        **TABLE_OPTIONS,
    )


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_datasets"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_datasets_namespace_id_name"),
        **TABLE_OPTIONS,
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("subject_id", UuidType, nullable=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("subject", Text, nullable=False),
        sa.Column("occurred_at", Text, nullable=False),
        sa.Column("body", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_events"),
        sa.UniqueConstraint("namespace_id", "subject_id", "revision", name="uq_events_namespace_id_subject_id_revision"),
        **TABLE_OPTIONS,
    )


def _create_experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_experiments"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_experiments_namespace_id_name"),
        **TABLE_OPTIONS,
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("key", Text, nullable=False, autoincrement=False),
        sa.Column("body_digest", Bytes, nullable=False),
        sa.Column("answer", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "key", name="pk_idempotency_keys"),
        **TABLE_OPTIONS,
    )


def _create_identifiers() -> None:
    op.create_table(
        "identifiers",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("scheme", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False, autoincrement=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("record_id", UuidType, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "scheme", "value", name="pk_identifiers"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_identifiers_record", "identifiers", ["namespace_id", "record_id"])


def _create_lineage_nodes() -> None:
    op.create_table(
        "lineage_nodes",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("generation", Integer, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_lineage_nodes"),
        sa.UniqueConstraint("namespace_id", "id", "generation", name="uq_lineage_nodes_namespace_id_id_generation"),
        **TABLE_OPTIONS,
    )


def _create_namespaces() -> None:
    op.create_table(
        "namespaces",
        sa.Column("id", Integer, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_namespaces"),
        sa.UniqueConstraint("name", name="uq_namespaces_name"),
        **TABLE_OPTIONS,
    )


def _create_registered_models() -> None:
    op.create_table(
        "registered_models",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("archived_at", Text),
        sa.Column("last_version", Integer, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_registered_models"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_registered_models_namespace_id_name"),
        **TABLE_OPTIONS,
    )


def _create_dataset_versions() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("dataset_id", UuidType, nullable=False),
        sa.Column("number", Integer, nullable=False),
        sa.Column("digest", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_dataset_versions"),
        sa.CheckConstraint("number >= 1", name="ck_dataset_versions_number_from_one"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "dataset_id"],
            ["datasets.namespace_id", "datasets.id"],
            name="fk_dataset_versions_namespace_id_dataset_id",
        ),
        sa.UniqueConstraint("namespace_id", "dataset_id", "digest", name="uq_dataset_versions_namespace_id_dataset_id_digest"),
        sa.UniqueConstraint("namespace_id", "dataset_id", "number", name="uq_dataset_versions_namespace_id_dataset_id_number"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_dataset_versions_digest", "dataset_versions", ["namespace_id", "digest"])


def _create_lineage_edges() -> None:
    op.create_table(
        "lineage_edges",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("target_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("source_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("relation", Text, nullable=False, autoincrement=False),
        sa.Column("role", Text, nullable=False, autoincrement=False),
        sa.Column("source_generation", Integer, nullable=False),
        sa.Column("target_generation", Integer, nullable=False),
        sa.Column("run_id", UuidType),
        sa.Column("event_id", UuidType, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "target_id", "source_id", "relation", "role", name="pk_lineage_edges"),
        sa.CheckConstraint("source_generation < target_generation", name="ck_lineage_edges_acyclic"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "source_id", "source_generation"],
            ["lineage_nodes.namespace_id", "lineage_nodes.id", "lineage_nodes.generation"],
            onupdate="CASCADE",
            name="fk_lineage_edges_source",
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id", "target_id", "target_generation"],
            ["lineage_nodes.namespace_id", "lineage_nodes.id", "lineage_nodes.generation"],
            onupdate="CASCADE",
            name="fk_lineage_edges_target",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_lineage_edges_source", "lineage_edges", ["namespace_id", "source_id"])


def _create_model_tags() -> None:
    op.create_table(
        "model_tags",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("model_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("key", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "model_id", "key", name="pk_model_tags"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "model_id"],
            ["registered_models.namespace_id", "registered_models.id"],
            name="fk_model_tags_namespace_id_model_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_model_tags_key_value", "model_tags", ["namespace_id", "key", "value"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("event_id", UuidType, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("namespace_id", "event_id", name="pk_outbox"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "event_id"], ["events.namespace_id", "events.id"], name="fk_outbox_namespace_id_event_id"
        ),
        **DETAIL_TABLE_OPTIONS,
    )


def _create_owners() -> None:
    op.create_table(
        "owners",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("model_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False, autoincrement=False),
        sa.Column("email", Text),
        sa.PrimaryKeyConstraint("namespace_id", "model_id", "name", name="pk_owners"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "model_id"],
            ["registered_models.namespace_id", "registered_models.id"],
            name="fk_owners_namespace_id_model_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("job", Text),
        sa.Column("experiment_id", UuidType),
        sa.Column("code_commit", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_runs"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "experiment_id"],
            ["experiments.namespace_id", "experiments.id"],
            name="fk_runs_namespace_id_experiment_id",
        ),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_runs_commit", "runs", ["namespace_id", "code_commit"])
    op.create_index("ix_runs_created", "runs", ["namespace_id", "created_at", "id"])


def _create_model_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("model_id", UuidType, nullable=False),
        sa.Column("number", Integer, nullable=False),
        sa.Column("run_id", UuidType),
        sa.Column("archived_at", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_model_versions"),
        sa.CheckConstraint("number >= 1", name="ck_model_versions_number_from_one"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "model_id"],
            ["registered_models.namespace_id", "registered_models.id"],
            name="fk_model_versions_namespace_id_model_id",
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id", "run_id"], ["runs.namespace_id", "runs.id"], name="fk_model_versions_namespace_id_run_id"
        ),
        sa.UniqueConstraint("namespace_id", "model_id", "number", name="uq_model_versions_namespace_id_model_id_number"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_model_versions_created", "model_versions", ["namespace_id", "created_at", "id"])
    op.create_index("ix_model_versions_run", "model_versions", ["namespace_id", "run_id"])


def _create_run_metrics() -> None:
    op.create_table(
        "run_metrics",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("run_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False, autoincrement=False),
        sa.Column("position", Integer, nullable=False, autoincrement=False),
        sa.Column("step", BigInteger),
        sa.Column("value", Real, nullable=False),
        sa.Column("recorded_at", Text),
        sa.PrimaryKeyConstraint("namespace_id", "run_id", "name", "position", name="pk_run_metrics"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "run_id"], ["runs.namespace_id", "runs.id"], name="fk_run_metrics_namespace_id_run_id"
        ),
        **DETAIL_TABLE_OPTIONS,
    )


def _create_aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("model_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "model_id", "name", name="pk_aliases"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "model_id"],
            ["registered_models.namespace_id", "registered_models.id"],
            name="fk_aliases_namespace_id_model_id",
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_aliases_namespace_id_version_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_aliases_version", "aliases", ["namespace_id", "version_id"])


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("position", Integer, nullable=False, autoincrement=False),
        sa.Column("uri", Text, nullable=False),
        sa.Column("name", Text),
        sa.Column("digest", Text),
        sa.Column("size", BigInteger),
        sa.Column("media_type", Text),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "position", name="pk_artifacts"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_artifacts_namespace_id_version_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_artifacts_digest", "artifacts", ["namespace_id", "digest"])


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("version_id", UuidType, nullable=False),
        sa.Column("target", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("active_target", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_deployments"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_deployments_namespace_id_version_id",
        ),
        sa.UniqueConstraint("namespace_id", "active_target", name="uq_deployments_namespace_id_active_target"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_deployments_version", "deployments", ["namespace_id", "version_id"])


def _create_parameters() -> None:
    op.create_table(
        "parameters",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False),
        sa.Column("number", Real),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "name", name="pk_parameters"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_parameters_namespace_id_version_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )


def _create_version_metrics() -> None:
    op.create_table(
        "version_metrics",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("position", Integer, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("value", Real, nullable=False),
        sa.Column("dataset", Text),
        sa.Column("split", Text),
        sa.Column("slice", Text),
        sa.Column("step", BigInteger),
        sa.Column("recorded_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "position", name="pk_version_metrics"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_version_metrics_namespace_id_version_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_version_metrics_name_value", "version_metrics", ["namespace_id", "name", "value"])


def _create_version_tags() -> None:
    op.create_table(
        "version_tags",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("key", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "key", name="pk_version_tags"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "version_id"],
            ["model_versions.namespace_id", "model_versions.id"],
            name="fk_version_tags_namespace_id_version_id",
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_version_tags_key_value", "version_tags", ["namespace_id", "key", "value"])
