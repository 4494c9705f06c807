"""Policies, and what is said of records: verdicts, requests, attestations, waivers, findings, recalls, reviews."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from studbook.storage.dialects import TABLE_OPTIONS, Bytes, Integer, Text, UuidType

revision: Final = "0004"
down_revision: Final = "0003"
_STATEMENTS: Final = ("verdicts", "change_requests", "attestations", "waivers", "findings", "recalls", "reviews")


def upgrade() -> None:
    op.create_table(
        "policies",
        *_record_columns(),
        sa.Column("name", Text, nullable=False),
        sa.Column("last_version", Integer, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_policies"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_policies_namespace_id_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "policy_versions",
        *_record_columns(),
        sa.Column("policy_id", UuidType, nullable=False),
        sa.Column("number", Integer, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_policy_versions"),
        sa.UniqueConstraint("namespace_id", "policy_id", "number", name="uq_policy_versions_namespace_id_policy_id_number"),
        sa.ForeignKeyConstraint(
            ["namespace_id", "policy_id"],
            ["policies.namespace_id", "policies.id"],
            name="fk_policy_versions_namespace_id_policy_id",
        ),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_policy_versions_status", "policy_versions", ["namespace_id", "status"])
    for name in _STATEMENTS:
        op.create_table(
            name,
            *_record_columns(),
            sa.Column("subject_id", UuidType),
            sa.Column("status", Text, nullable=False),
            sa.PrimaryKeyConstraint("namespace_id", "id", name=f"pk_{name}"),
            **TABLE_OPTIONS,
        )
        op.create_index(f"ix_{name}_subject", name, ["namespace_id", "subject_id", "id"])
        op.create_index(f"ix_{name}_status", name, ["namespace_id", "status", "id"])
    op.add_column("api_tokens", sa.Column("person", Text))


def _record_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
    ]
