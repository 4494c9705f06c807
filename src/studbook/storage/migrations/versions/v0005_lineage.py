"""Lineage edges that say how they are known, those that were withdrawn, and references to what is not recorded yet."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, Integer, Text, UuidType, assume_large_namespaces, assume_statistics

revision: Final = "0005"
down_revision: Final = "0004"

# How many rows share the first columns: few edges lead into or out of a node, and few schemes have many identifiers each.
_STATISTICS: Final = {
    "lineage_edges": {
        "lineage_edges": "1000000000 1000000000 3 1 1 1 1",
        "ix_lineage_edges_source": "1000000000 1000000000 3",
    },
    "withdrawn_edges": {
        "withdrawn_edges": "1000000000 1000000000 3 1 1 1 1 1",
        "ix_withdrawn_edges_source": "1000000000 1000000000 3",
    },
    "identifiers": {"identifiers": "1000000000 1000000000 100000000 1", "ix_identifiers_record": "1000000000 1000000000 2"},
    "pending_references": {
        "pending_references": "1000000000 1000000000 2 1 1 1",
        "ix_pending_references_value": "1000000000 1000000000 100000000 10 1",
    },
}


def upgrade() -> None:
    # The key changes, which SQLite does only for a new table; the old one is put aside, since names of indexes are taken.
    op.execute("CREATE TABLE lineage_edges_before AS SELECT * FROM lineage_edges")
    op.drop_table("lineage_edges")
    _create_edges()
    op.execute(
        "INSERT INTO lineage_edges (namespace_id, target_id, source_id, relation, role, basis, source_generation, "
        "target_generation, run_id, event_id, created_at) "
        "SELECT namespace_id, target_id, source_id, relation, role, "
        "CASE WHEN relation IN ('input', 'output', 'evaluated', 'deployed') THEN 'observed' ELSE 'declared' END, "
        "source_generation, target_generation, run_id, event_id, created_at FROM lineage_edges_before"
    )
    op.drop_table("lineage_edges_before")
    _create_withdrawn_edges()
    _create_references()
    # No version was signed before.
    op.add_column("model_versions", sa.Column("signatures", Integer, nullable=False, server_default="0"))
    _create_signed_index()
    for table, counts in _STATISTICS.items():
        assume_statistics(op.get_bind(), table, counts)
    assume_large_namespaces(op.get_bind())


def _create_edges() -> None:
    op.create_table(
        "lineage_edges",
        *_ends(),
        sa.Column("source_generation", Integer, nullable=False),
        sa.Column("target_generation", Integer, nullable=False),
        sa.Column("run_id", UuidType),
        sa.Column("event_id", UuidType, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "target_id", "source_id", "relation", "role", "basis", name="pk_lineage_edges"),
        sa.CheckConstraint("source_generation < target_generation", name="ck_lineage_edges_acyclic"),
        *(
            sa.ForeignKeyConstraint(
                ["namespace_id", f"{end}_id", f"{end}_generation"],
                ["lineage_nodes.namespace_id", "lineage_nodes.id", "lineage_nodes.generation"],
                onupdate="CASCADE",
                name=f"fk_lineage_edges_{end}",
            )
            for end in ("source", "target")
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_lineage_edges_source", "lineage_edges", ["namespace_id", "source_id"])


def _create_withdrawn_edges() -> None:
    op.create_table(
        "withdrawn_edges",
        *_ends(),
        sa.Column("event_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("run_id", UuidType),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("withdrawn_at", Text, nullable=False),
        sa.Column("withdrawn_by", UuidType, nullable=False),
        sa.PrimaryKeyConstraint(
            "namespace_id", "target_id", "source_id", "relation", "role", "basis", "event_id", name="pk_withdrawn_edges"
        ),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_withdrawn_edges_source", "withdrawn_edges", ["namespace_id", "source_id"])


def _create_references() -> None:
    op.create_table(
        "pending_references",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("record_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("scheme", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False, autoincrement=False),
        sa.Column("relation", Text, nullable=False, autoincrement=False),
        sa.Column("basis", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "record_id", "scheme", "value", "relation", name="pk_pending_references"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_pending_references_value", "pending_references", ["namespace_id", "scheme", "value", "record_id"])
    op.create_table(
        "linking_backlog",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("record_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("scheme", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("namespace_id", "record_id", "scheme", "value", name="pk_linking_backlog"),
        **DETAIL_TABLE_OPTIONS,
    )


def _create_signed_index() -> None:
    signed = sa.text("signatures > 0")
    columns = ["namespace_id", "id"]
    op.create_index("ix_model_versions_signed", "model_versions", columns, sqlite_where=signed, postgresql_where=signed)


def _ends() -> list[sa.Column[object]]:
    return [
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("target_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("source_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("relation", Text, nullable=False, autoincrement=False),
        sa.Column("role", Text, nullable=False, autoincrement=False),
        sa.Column("basis", Text, nullable=False, autoincrement=False),
    ]
