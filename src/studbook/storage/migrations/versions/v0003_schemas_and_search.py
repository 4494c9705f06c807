"""Schema definitions and what they put beside a version; indexes for search; the words of full text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from alembic import op

from studbook.domain.words import words_of_record
from studbook.storage import tables
from studbook.storage.dialects import (
    DETAIL_TABLE_OPTIONS,
    TABLE_OPTIONS,
    Bytes,
    Integer,
    Real,
    Text,
    UuidType,
    assume_statistics,
    create_functions,
    create_text_index,
)

if TYPE_CHECKING:
    from uuid import UUID

revision: Final = "0003"
down_revision: Final = "0002"
_STEP: Final = 1000
# Rows with the same first columns of an index: of a namespace with a million versions.
_STATISTICS: Final = {
    "version_tags": {"version_tags": "1000000 1000000 5 1", "ix_version_tags_value": "1000000 1000000 100000 1000 1"},
    "version_metrics": {
        "version_metrics": "1000000 1000000 5 1",
        "ix_version_metrics_value": "1000000 1000000 100000 10 2 1 1",
        "ix_version_metrics_sliced": "1000000 1000000 100000 10 2 1 1",
    },
    "parameters": {
        "parameters": "1000000 1000000 10 1",
        "ix_parameters_number": "500000 500000 50000 100 1",
        "ix_parameters_text": "500000 500000 50000 100 1",
    },
    "attribute_values": {
        "attribute_values": "1000000 1000000 10 10 5 1",
        "ix_attribute_values_number": "500000 500000 500000 100000 50000 100 1",
        "ix_attribute_values_text": "500000 500000 500000 100000 50000 100 1",
    },
}


def upgrade() -> None:
    """Create the tables and indexes, and take the words of what is recorded already."""
    _create_definitions()
    _create_attributes()
    op.add_column("registered_models", sa.Column("schema_id", UuidType))
    _take_uris()
    op.create_index("ix_registered_models_schema", "registered_models", ["namespace_id", "schema_id"])
    op.create_table(
        "search_documents",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("words", Text, nullable=False),
        sa.Column("name_words", Text, nullable=False),
        sa.Column("tag_words", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_search_documents"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_aliases_name", "aliases", ["namespace_id", "name", "version_id"])
    op.create_index("ix_runs_job", "runs", ["namespace_id", "job"])
    _create_indexes()
    create_text_index(op.get_bind())
    create_functions(op.get_bind())
    for table, counts in _STATISTICS.items():
        assume_statistics(op.get_bind(), table, counts)
    _take_words()


def _record_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("revision", Integer, nullable=False),
        sa.Column("record", Bytes, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
    ]


def _of_definition(table: str) -> sa.ForeignKeyConstraint:
    ends = ["namespace_id", "schema_id"], ["schema_definitions.namespace_id", "schema_definitions.id"]
    return sa.ForeignKeyConstraint(*ends, name=f"fk_{table}_namespace_id_schema_id")


def _of_version(table: str) -> sa.ForeignKeyConstraint:
    ends = ["namespace_id", "version_id"], ["model_versions.namespace_id", "model_versions.id"]
    return sa.ForeignKeyConstraint(*ends, name=f"fk_{table}_namespace_id_version_id")


def _create_definitions() -> None:
    op.create_table(
        "schema_definitions",
        *_record_columns(),
        sa.Column("name", Text, nullable=False),
        sa.Column("number", Integer, nullable=False),
        sa.Column("last_version", Integer, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_schema_definitions"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_schema_definitions_namespace_id_name"),
        sa.UniqueConstraint("number", name="uq_schema_definitions_number"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "schema_versions",
        *_record_columns(),
        sa.Column("schema_id", UuidType, nullable=False),
        sa.Column("number", Integer, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_schema_versions"),
        sa.UniqueConstraint("namespace_id", "schema_id", "number", name="uq_schema_versions_namespace_id_schema_id_number"),
        _of_definition("schema_versions"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "schema_backfills",
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("id", UuidType, nullable=False, autoincrement=False),
        sa.Column("schema_id", UuidType, nullable=False),
        sa.Column("model_id", UuidType),
        sa.Column("attributes", Text),
        sa.Column("cursor", UuidType),
        sa.Column("done", Integer, nullable=False),
        sa.Column("total", Integer, nullable=False),
        sa.Column("started_at", Text, nullable=False),
        sa.Column("fault", Text),
        sa.PrimaryKeyConstraint("namespace_id", "id", name="pk_schema_backfills"),
        _of_definition("schema_backfills"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_schema_backfills_schema", "schema_backfills", ["namespace_id", "schema_id"])


def _attribute_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("namespace_id", Integer, nullable=False, autoincrement=False),
        sa.Column("version_id", UuidType, nullable=False, autoincrement=False),
        sa.Column("schema_number", Integer, nullable=False, autoincrement=False),
        sa.Column("attribute", Integer, nullable=False, autoincrement=False),
    ]


def _create_attributes() -> None:
    op.create_table(
        "attribute_values",
        *_attribute_key(),
        sa.Column("key", Text, nullable=False, autoincrement=False),
        sa.Column("value", Text, nullable=False),
        sa.Column("number", Real),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "schema_number", "attribute", "key", name="pk_attribute_values"),
        _of_version("attribute_values"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_table(
        "attribute_artifacts",
        *_attribute_key(),
        sa.Column("uri", Text),
        sa.Column("digest", Text),
        sa.PrimaryKeyConstraint("namespace_id", "version_id", "schema_number", "attribute", name="pk_attribute_artifacts"),
        _of_version("attribute_artifacts"),
        **DETAIL_TABLE_OPTIONS,
    )
    op.create_index("ix_attribute_artifacts_digest", "attribute_artifacts", ["namespace_id", "digest"])


def _create_indexes() -> None:
    op.drop_index("ix_model_tags_key_value", "model_tags")
    op.drop_index("ix_version_tags_key_value", "version_tags")
    op.drop_index("ix_version_metrics_name_value", "version_metrics")
    made = {
        tables.model_tags: ["ix_model_tags_value"],
        tables.version_tags: ["ix_version_tags_value"],
        tables.version_metrics: ["ix_version_metrics_value", "ix_version_metrics_sliced"],
        tables.artifacts: ["ix_artifacts_uri"],
        tables.dataset_versions: ["ix_dataset_versions_uri"],
        tables.parameters: ["ix_parameters_number", "ix_parameters_text"],
        tables.attribute_values: ["ix_attribute_values_number", "ix_attribute_values_text"],
    }
    for table, names in made.items():
        for index in table.indexes:
            if index.name in names:
                index.create(op.get_bind())


def _take_uris() -> None:
    """Put the URIs of datasets' versions into a column, where they are found."""
    table = tables.dataset_versions
    op.add_column("dataset_versions", sa.Column("uri", Text))
    connection = op.get_bind()
    last: tuple[Any, ...] = (-1, None)
    while rows := connection.execute(_records_after(table, last)).all():
        for row in rows:
            place = (table.c.namespace_id == row.namespace_id, table.c.id == row.id)
            connection.execute(table.update().where(*place).values(uri=json.loads(row.record)["uri"]))
        last = (rows[-1].namespace_id, rows[-1].id)


def _take_words() -> None:
    connection = op.get_bind()
    for table in (tables.registered_models, tables.model_versions):
        last: tuple[Any, ...] = (-1, None)
        while rows := connection.execute(_records_after(table, last)).all():
            found = [_words(row.namespace_id, row.id, json.loads(row.record)) for row in rows]
            connection.execute(tables.search_documents.insert(), found)
            last = (rows[-1].namespace_id, rows[-1].id)


def _words(namespace_id: int, record_id: UUID, record: dict[str, Any]) -> dict[str, Any]:
    found = words_of_record(namespace_id, record)
    return {"namespace_id": namespace_id, "id": record_id, "kind": record["kind"], **found}


def _records_after(table: sa.Table, last: tuple[Any, ...]) -> sa.Select[Any]:
    statement = (
        sa.select(table.c.namespace_id, table.c.id, table.c.record).order_by(table.c.namespace_id, table.c.id).limit(_STEP)
    )
    if last[1] is None:
        return statement
    return statement.where(
        sa.or_(
            table.c.namespace_id > last[0],
            sa.and_(table.c.namespace_id == last[0], table.c.id > sa.bindparam("id_of", last[1], UuidType)),
        )
    )
