"""The tables. Every key begins with the namespace (invariant I10); times are RFC 3339 text of fixed width.

A row of a record's table carries the columns that are searched, and `record`: the canonical JSON of the whole
record as of `revision`, the same bytes that its last event holds as `after` (decision 0003).
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from studbook.storage.dialects import DETAIL_TABLE_OPTIONS, TABLE_OPTIONS, BigInteger, Bytes, Integer, Real, Text, UuidType

# Characters of a text that stand in an index.
INDEXED_TEXT: Final = 200

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *parts, **TABLE_OPTIONS)


def _detail_table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """Small rows that are always reached by their whole key: the key is the table."""
    return sa.Table(name, metadata, *parts, **DETAIL_TABLE_OPTIONS)


def _namespace() -> sa.Column[int]:
    return sa.Column("namespace_id", Integer, primary_key=True, autoincrement=False)


def _key(name: str, kind: Any = Text) -> sa.Column[Any]:  # noqa: ANN401 - any column type
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _column(name: str, kind: Any = Text, *, optional: bool = False) -> sa.Column[Any]:  # noqa: ANN401 - any column type
    return sa.Column(name, kind, nullable=optional)


def _record_columns() -> list[sa.schema.SchemaItem]:
    """What every table of records has."""
    return [
        _namespace(),
        _key("id", UuidType),
        _column("revision", Integer),
        _column("record", Bytes),
        _column("created_at"),
        _column("updated_at"),
    ]


def head_of(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """As much of a text as an index holds: PostgreSQL takes 2,704 bytes an entry. Literal, or no index would be recognised."""
    return sa.func.substr(column, sa.literal_column("1"), sa.literal_column(str(INDEXED_TEXT)))


def _belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    """A reference within the namespace: no row without its record."""
    return sa.ForeignKeyConstraint(["namespace_id", column], [f"{table}.namespace_id", f"{table}.id"])


def _index_scalars(name: str, table: sa.Table, *key: str) -> None:
    """Indexes over scalars by key: a number stands in one of them, anything else in the other."""
    columns = [table.c.namespace_id, *(table.c[part] for part in key)]
    numbers, texts = table.c.number.is_not(None), table.c.number.is_(None)
    sa.Index(f"ix_{name}_number", *columns, table.c.number, table.c.version_id, sqlite_where=numbers, postgresql_where=numbers)
    sa.Index(f"ix_{name}_text", *columns, head_of(table.c.value), table.c.version_id, sqlite_where=texts, postgresql_where=texts)


namespaces = _table(
    "namespaces", sa.Column("id", Integer, primary_key=True), _column("name"), _column("created_at"), sa.UniqueConstraint("name")
)

api_tokens = _table(
    "api_tokens",
    *_record_columns(),
    _column("name"),
    _column("hint"),
    _column("token_hash", Bytes),
    _column("access"),
    # Who uses it, and as what they decide: JSON, or null for a token that stands for itself.
    _column("person", optional=True),
    _column("expires_at", optional=True),
    _column("revoked_at", optional=True),
    sa.UniqueConstraint("token_hash"),
)

registered_models = _table(
    "registered_models",
    *_record_columns(),
    _column("name"),
    _column("archived_at", optional=True),
    # Counts the versions ever made, so that a number is never given twice; the row's lock makes it dense.
    _column("last_version", Integer),
    # The definition that its versions satisfy; SQLite cannot add a reference to a table that is there.
    _column("schema_id", UuidType, optional=True),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.Index("ix_registered_models_schema", "namespace_id", "schema_id"),
)

model_versions = _table(
    "model_versions",
    *_record_columns(),
    _column("model_id", UuidType),
    _column("number", Integer),
    _column("run_id", UuidType, optional=True),
    _column("archived_at", optional=True),
    sa.UniqueConstraint("namespace_id", "model_id", "number"),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
    sa.Index("ix_model_versions_run", "namespace_id", "run_id"),
    sa.Index("ix_model_versions_created", "namespace_id", "created_at", "id"),
    _belongs_to("registered_models", "model_id"),
    _belongs_to("runs", "run_id"),
)

aliases = _detail_table(
    "aliases",
    _namespace(),
    _key("model_id", UuidType),
    _key("name"),
    _column("version_id", UuidType),
    sa.Index("ix_aliases_version", "namespace_id", "version_id"),
    sa.Index("ix_aliases_name", "namespace_id", "name", "version_id"),
    _belongs_to("registered_models", "model_id"),
    _belongs_to("model_versions", "version_id"),
)

model_tags = _detail_table(
    "model_tags",
    _namespace(),
    _key("model_id", UuidType),
    _key("key"),
    _column("value"),
    _belongs_to("registered_models", "model_id"),
)
sa.Index("ix_model_tags_value", model_tags.c.namespace_id, model_tags.c.key, head_of(model_tags.c.value), model_tags.c.model_id)

version_tags = _detail_table(
    "version_tags",
    _namespace(),
    _key("version_id", UuidType),
    _key("key"),
    _column("value"),
    _belongs_to("model_versions", "version_id"),
)
# The version at the end: what has one value comes in the order of ids, which is that of time.
sa.Index(
    "ix_version_tags_value",
    version_tags.c.namespace_id,
    version_tags.c.key,
    head_of(version_tags.c.value),
    version_tags.c.version_id,
)

owners = _detail_table(
    "owners",
    _namespace(),
    _key("model_id", UuidType),
    _key("name"),
    _column("email", optional=True),
    _belongs_to("registered_models", "model_id"),
)

parameters = _detail_table(
    "parameters",
    _namespace(),
    _key("version_id", UuidType),
    _key("name"),
    # The scalar as JSON text, and as a number where it is one: equality and ranges both need no cast.
    _column("value"),
    _column("number", Real, optional=True),
    _belongs_to("model_versions", "version_id"),
)
_index_scalars("parameters", parameters, "name")

version_metrics = _detail_table(
    "version_metrics",
    _namespace(),
    _key("version_id", UuidType),
    _key("position", Integer),
    _column("name"),
    _column("value", Real),
    _column("dataset", optional=True),
    _column("split", optional=True),
    _column("slice", optional=True),
    _column("step", BigInteger, optional=True),
    _column("recorded_at"),
    _belongs_to("model_versions", "version_id"),
)
# Each value stands in one of them; with the slice at the end, no row is read to see that there is none.
for _name, _which in (("value", version_metrics.c.slice.is_(None)), ("sliced", version_metrics.c.slice.is_not(None))):
    sa.Index(
        f"ix_version_metrics_{_name}",
        *(version_metrics.c[column] for column in ("namespace_id", "name", "value", "version_id", "position", "slice")),
        sqlite_where=_which,
        postgresql_where=_which,
    )

artifacts = _detail_table(
    "artifacts",
    _namespace(),
    _key("version_id", UuidType),
    _key("position", Integer),
    _column("uri"),
    _column("name", optional=True),
    _column("digest", optional=True),
    _column("size", BigInteger, optional=True),
    _column("media_type", optional=True),
    sa.Index("ix_artifacts_digest", "namespace_id", "digest"),
    _belongs_to("model_versions", "version_id"),
)
sa.Index("ix_artifacts_uri", artifacts.c.namespace_id, head_of(artifacts.c.uri))

experiments = _table(
    "experiments",
    *_record_columns(),
    _column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

runs = _table(
    "runs",
    *_record_columns(),
    _column("kind"),
    _column("status"),
    _column("job", optional=True),
    _column("experiment_id", UuidType, optional=True),
    _column("code_commit", optional=True),
    sa.Index("ix_runs_commit", "namespace_id", "code_commit"),
    sa.Index("ix_runs_job", "namespace_id", "job"),
    sa.Index("ix_runs_created", "namespace_id", "created_at", "id"),
    _belongs_to("experiments", "experiment_id"),
)

run_metrics = _detail_table(
    "run_metrics",
    _namespace(),
    _key("run_id", UuidType),
    _key("name"),
    _key("position", Integer),
    _column("step", BigInteger, optional=True),
    _column("value", Real),
    _column("recorded_at", optional=True),
    _belongs_to("runs", "run_id"),
)

# How far each metric series of a run has come: its points, and the hash chain over them by which it is sealed (invariant I11).
run_series = _detail_table(
    "run_series",
    _namespace(),
    _key("run_id", UuidType),
    _key("name"),
    _column("points", Integer),
    _column("digest", Bytes),
    _belongs_to("runs", "run_id"),
)

datasets = _table(
    "datasets",
    *_record_columns(),
    _column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

dataset_versions = _table(
    "dataset_versions",
    *_record_columns(),
    _column("dataset_id", UuidType),
    _column("number", Integer),
    _column("digest", optional=True),
    _column("uri", optional=True),
    sa.UniqueConstraint("namespace_id", "dataset_id", "number"),
    # One digest is one version of a dataset; versions whose digest is unknown are told apart by number alone.
    sa.UniqueConstraint("namespace_id", "dataset_id", "digest"),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
    sa.Index("ix_dataset_versions_digest", "namespace_id", "digest"),
    _belongs_to("datasets", "dataset_id"),
)
sa.Index("ix_dataset_versions_uri", dataset_versions.c.namespace_id, head_of(dataset_versions.c.uri))

deployments = _table(
    "deployments",
    *_record_columns(),
    _column("version_id", UuidType),
    _column("target"),
    _column("status"),
    # The target while the deployment is active, else null: unique, so that one version at a time is served there.
    _column("active_target", optional=True),
    sa.UniqueConstraint("namespace_id", "active_target"),
    sa.Index("ix_deployments_version", "namespace_id", "version_id"),
    _belongs_to("model_versions", "version_id"),
)

lineage_nodes = _table(
    "lineage_nodes",
    _namespace(),
    _key("id", UuidType),
    _column("kind"),
    _column("name"),
    # The longest way from a root. An edge must lead to a later generation, so no cycle can be stored (invariant I7).
    _column("generation", Integer),
    sa.UniqueConstraint("namespace_id", "id", "generation"),
)

lineage_edges = _detail_table(
    "lineage_edges",
    _namespace(),
    _key("target_id", UuidType),
    _key("source_id", UuidType),
    _key("relation"),
    # '' rather than null: part of the key, since one run may read one dataset version in two roles.
    _key("role"),
    _column("source_generation", Integer),
    _column("target_generation", Integer),
    _column("run_id", UuidType, optional=True),
    _column("event_id", UuidType),
    _column("created_at"),
    sa.CheckConstraint("source_generation < target_generation", name="acyclic"),
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
    sa.Index("ix_lineage_edges_source", "namespace_id", "source_id"),
)

identifiers = _detail_table(
    "identifiers",
    _namespace(),
    _key("scheme"),
    _key("value"),
    _column("kind"),
    _column("record_id", UuidType),
    sa.Index("ix_identifiers_record", "namespace_id", "record_id"),
)

events = _table(
    "events",
    _namespace(),
    _key("id", UuidType),
    _column("subject_id", UuidType),
    # Gapless for each subject: the n-th event made the n-th revision.
    _column("revision", Integer),
    _column("action"),
    _column("actor"),
    _column("subject"),
    _column("occurred_at"),
    # The bytes that are hashed; null once they were purged, which an entry of the log tells of.
    _column("body", Bytes, optional=True),
    sa.UniqueConstraint("namespace_id", "subject_id", "revision"),
    sa.Index("ix_events_action", "namespace_id", "action", "id"),
    sa.Index("ix_events_actor", "namespace_id", "actor", "id"),
)

# Personal values of events, which their entries hold as commitments. The only rows of the log that are ever deleted for good.
private_values = _detail_table(
    "private_values",
    _namespace(),
    _key("event_id", UuidType),
    _key("pointer"),
    _column("salt", Bytes),
    _column("value", Bytes),
)

# Values too large for their entries, which hold them by digest.
detached_values = _table(
    "detached_values",
    _namespace(),
    _key("event_id", UuidType),
    _key("pointer"),
    _column("value", Bytes),
)

outbox = _detail_table(
    "outbox",
    _namespace(),
    _key("event_id", UuidType),
    sa.ForeignKeyConstraint(["namespace_id", "event_id"], ["events.namespace_id", "events.id"]),
)

# A log's shards: the newest is open, those before it are frozen and never grow again.
logs = _table(
    "logs",
    *_record_columns(),
    _column("shard", Integer),
    _column("origin"),
    _column("status"),
    sa.UniqueConstraint("namespace_id", "shard"),
    sa.UniqueConstraint("origin"),
)

log_keys = _table(
    "log_keys",
    *_record_columns(),
    _column("shard", Integer),
    _column("vkey"),
    _column("status"),
    sa.UniqueConstraint("namespace_id", "vkey"),
)

# One row a shard, which the integrator locks: how many entries the tree has, and the roots of its perfect subtrees.
log_trees = _table(
    "log_trees",
    _namespace(),
    _key("shard", Integer),
    _column("size", BigInteger),
    _column("root", Bytes),
    _column("subtrees", Bytes),
)

log_entries = _table(
    "log_entries",
    _namespace(),
    _key("shard", Integer),
    _key("entry_index", BigInteger),
    _column("event_id", UuidType),
    _column("leaf_hash", Bytes),
    # An event is in the log once, whatever is tried again.
    sa.UniqueConstraint("namespace_id", "event_id"),
)

# Full tiles only, which never change: a partial one is a prefix of what will be full, and is cut from the hashes below it.
log_tiles = _table(
    "log_tiles",
    _namespace(),
    _key("shard", Integer),
    _key("level", Integer),
    _key("number", BigInteger),
    _column("hashes", Bytes),
    _column("root", Bytes),
)

log_checkpoints = _table(
    "log_checkpoints",
    _namespace(),
    _key("shard", Integer),
    _key("size", BigInteger),
    # The signed note with the cosignatures of witnesses, as it is served.
    _column("note", Bytes),
    _column("created_at"),
)

schema_definitions = _table(
    "schema_definitions",
    *_record_columns(),
    _column("name"),
    # Names the definition's own table, schema_<number>, which is made when its first version is published.
    _column("number", Integer),
    _column("last_version", Integer),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.UniqueConstraint("number"),
)

schema_versions = _table(
    "schema_versions",
    *_record_columns(),
    _column("schema_id", UuidType),
    _column("number", Integer),
    _column("status"),
    sa.UniqueConstraint("namespace_id", "schema_id", "number"),
    _belongs_to("schema_definitions", "schema_id"),
)

# Work that is going on: versions whose attributes are put where a definition says, chunk by chunk. Gone when it is done.
schema_backfills = _table(
    "schema_backfills",
    _namespace(),
    _key("id", UuidType),
    _column("schema_id", UuidType),
    # One model that took up or dropped the definition; else every model that has it.
    _column("model_id", UuidType, optional=True),
    # The attributes that are not ready, as a JSON list of ids; null for all.
    _column("attributes", optional=True),
    _column("cursor", UuidType, optional=True),
    _column("done", Integer),
    _column("total", Integer),
    _column("started_at"),
    _column("fault", optional=True),
    sa.Index("ix_schema_backfills_schema", "namespace_id", "schema_id"),
    _belongs_to("schema_definitions", "schema_id"),
)

# Members of open sets that a definition names, as parameters are kept.
attribute_values = _detail_table(
    "attribute_values",
    _namespace(),
    _key("version_id", UuidType),
    _key("schema_number", Integer),
    _key("attribute", Integer),
    _key("key"),
    _column("value"),
    _column("number", Real, optional=True),
    _belongs_to("model_versions", "version_id"),
)
_index_scalars("attribute_values", attribute_values, "schema_number", "attribute", "key")

# Large or external attributes that a definition names, found by digest.
attribute_artifacts = _detail_table(
    "attribute_artifacts",
    _namespace(),
    _key("version_id", UuidType),
    _key("schema_number", Integer),
    _key("attribute", Integer),
    _column("uri", optional=True),
    _column("digest", optional=True),
    sa.Index("ix_attribute_artifacts_digest", "namespace_id", "digest"),
    _belongs_to("model_versions", "version_id"),
)

# The words by which models and their versions are found. `words` holds them all, each marked with its namespace, and is
# indexed for full text (see dialects); the others say where a word stood, for the order of what is found.
search_documents = _detail_table(
    "search_documents",
    _namespace(),
    _key("id", UuidType),
    _column("kind"),
    _column("words"),
    _column("name_words"),
    _column("tag_words"),
)

retention_classes = _table(
    "retention_classes",
    *_record_columns(),
    _column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

legal_holds = _table(
    "legal_holds",
    *_record_columns(),
    _column("subject_id", UuidType),
    _column("released_at", optional=True),
    sa.Index("ix_legal_holds_subject", "namespace_id", "subject_id"),
)

policies = _table(
    "policies",
    *_record_columns(),
    _column("name"),
    _column("last_version", Integer),
    sa.UniqueConstraint("namespace_id", "name"),
)

policy_versions = _table(
    "policy_versions",
    *_record_columns(),
    _column("policy_id", UuidType),
    _column("number", Integer),
    _column("status"),
    sa.UniqueConstraint("namespace_id", "policy_id", "number"),
    sa.Index("ix_policy_versions_status", "namespace_id", "status"),
    _belongs_to("policies", "policy_id"),
)


def _statements(name: str) -> sa.Table:
    """Records that say something of another: of a version, a dataset version, a model, or a policy."""
    return _table(
        name,
        *_record_columns(),
        # Null for a version that was refused, and so is none.
        _column("subject_id", UuidType, optional=True),
        _column("status"),
        sa.Index(f"ix_{name}_subject", "namespace_id", "subject_id", "id"),
        sa.Index(f"ix_{name}_status", "namespace_id", "status", "id"),
    )


verdicts, change_requests, attestations = _statements("verdicts"), _statements("change_requests"), _statements("attestations")
waivers, findings = _statements("waivers"), _statements("findings")
recalls, reviews = _statements("recalls"), _statements("reviews")

idempotency_keys = _table(
    "idempotency_keys",
    _namespace(),
    _key("key"),
    _column("body_digest", Bytes),
    _column("answer", Bytes),
    _column("created_at"),
)
