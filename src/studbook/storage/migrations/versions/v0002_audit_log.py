"""The audit log: entries, tiles, checkpoints, keys; personal values beside it; seals of metric series; holds and retention."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, TABLE_OPTIONS, BigInteger, Bytes, Integer, Text, UuidType

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the log's tables, and the events' table anew with what entries need."""
    _refuse_old_events()
    op.drop_table("outbox")
    op.drop_table("events")
    _create_events()
    _create_values()
    _create_outbox()
    _create_run_series()
    _create_logs()
    _create_tree()
    _create_retention()


def _refuse_old_events() -> None:
    """Events from before the audit log have neither their subject's previous hash nor the lineage they drew."""
    if op.get_bind().execute(sa.text("SELECT 1 FROM events LIMIT 1")).first() is not None:
        message = (
            "this database was filled by a development version from before the audit log, and its events cannot become entries; "
            "record its versions anew in an empty database (studbook list and studbook ingest help)"
        )
        raise RuntimeError(message)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("subject_id", UuidType, nullable=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("actor", Text, nullable=False),
        sa.Column("subject", Text, nullable=False),
        sa.Column("occurred_at", Text, nullable=False),
        sa.Column("body", Bytes),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_events"),
        sa.UniqueConstraint("namespace_id", "subject_id", "revision", name="uq_events_namespace_id_subject_id_revision"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_events_action", "events", ["namespace_id", "action", "id"])
    op.create_index("ix_events_actor", "events", ["namespace_id", "actor", "id"])


def _create_values() -> None:
    op.create_table(
        "private_values",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("event_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("pointer", Text, nullable=False, autoincrement=False),
        sa.Column("salt", Bytes, nullable=False),
        sa.Column("value", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "event_id", "pointer", name="pk_private_values"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_table(
        "detached_values",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("event_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("pointer", Text, nullable=False, autoincrement=False),
        sa.Column("value", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "event_id", "pointer", name="pk_detached_values"),
        **TABLE_OPTIONS,
    )


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


def _create_run_series() -> None:
    op.create_table(
        "run_series",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("run_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("name", Text, nullable=False, autoincrement=False),
        sa.Column("points", Integer, nullable=False),
        sa.Column("digest", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "run_id", "name", name="pk_run_series"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "run_id"], ["runs.namespace_id", "runs.id"], name="fk_run_series_namespace_id_run_id"
        ),
        **DETAIL_TABLE_OPTIONS,
    )


def _record_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
    ]


def _create_logs() -> None:
    op.create_table(
        "logs",
        *_record_columns(),
        sa.Column("shard", Integer, nullable=False),
        sa.Column("origin", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_logs"),
        sa.UniqueConstraint("namespace_id", "shard", name="uq_logs_namespace_id_shard"),
        sa.UniqueConstraint("origin", name="uq_logs_origin"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "log_keys",
        *_record_columns(),
        sa.Column("shard", Integer, nullable=False),
        sa.Column("vkey", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_log_keys"),
        sa.UniqueConstraint("namespace_id", "vkey", name="uq_log_keys_namespace_id_vkey"),
        **TABLE_OPTIONS,
    )


def _create_tree() -> None:
    def key() -> list[sa.Column[object]]:
        return [
            sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
            sa.Column("shard", Integer, nullable=False, autoincrement=False),
        ]

    op.create_table(
        "log_trees",
        *key(),
        sa.Column("size", BigInteger, nullable=False),
        sa.Column("root", Bytes, nullable=False),
        sa.Column("subtrees", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "shard", name="pk_log_trees"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "log_entries",
        *key(),
        sa.Column("entry_index", BigInteger, nullable=False, autoincrement=False),
        sa.Column("event_id", UuidType, nullable=False),
        sa.Column("leaf_hash", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "shard", "entry_index", name="pk_log_entries"),
        sa.UniqueConstraint("namespace_id", "event_id", name="uq_log_entries_namespace_id_event_id"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "log_tiles",
        *key(),
        sa.Column("level", Integer, nullable=False, autoincrement=False),
        sa.Column("number", BigInteger, nullable=False, autoincrement=False),
        sa.Column("hashes", Bytes, nullable=False),
        sa.Column("root", Bytes, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "shard", "level", "number", name="pk_log_tiles"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "log_checkpoints",
        *key(),
        sa.Column("size", BigInteger, nullable=False, autoincrement=False),
        sa.Column("note", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "shard", "size", name="pk_log_checkpoints"),
        **TABLE_OPTIONS,
    )


def _create_retention() -> None:
    op.create_table(
        "retention_classes",
        *_record_columns(),
        sa.Column("name", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_retention_classes"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_retention_classes_namespace_id_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "legal_holds",
        *_record_columns(),
        sa.Column("subject_id", UuidType, nullable=False),
        sa.Column("released_at", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_legal_holds"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_legal_holds_subject", "legal_holds", ["namespace_id", "subject_id"])
