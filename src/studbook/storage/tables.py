"""The tables. Every key begins with the namespace (invariant I10); times are RFC 3339 text of fixed width.

A row of a record's table carries the columns that are searched, and `record`: the canonical JSON of the whole
record as of `revision`, the same bytes that its last event holds as `after` (decision 0003).
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from studbook.storage import table_parts
from studbook.storage.dialects import BigInteger, Bytes, Integer, Real, UuidType
from studbook.storage.table_parts import (
    belongs_to,
    column,
    head_of,
    index_scalars,
    key,
    make_detail_table,
    make_table,
    namespace_key,
    record_columns,
)

metadata: Final = table_parts.metadata

namespaces = make_table(
    "namespaces", sa.Column("id", Integer, primary_key=True), column("name"), column("created_at"), sa.UniqueConstraint("name")
)

api_tokens = make_table(
    "api_tokens",
    *record_columns(),
    column("name"),
    column("hint"),
    column("token_hash", Bytes),
    column("access"),
    # Who uses it, and as what they decide: JSON, or null for a token that stands for itself.
    column("person", optional=True),
    column("expires_at", optional=True),
    column("revoked_at", optional=True),
    sa.UniqueConstraint("token_hash"),
)

registered_models = make_table(
    "registered_models",
    *record_columns(),
    column("name"),
    column("archived_at", optional=True),
    # Counts the versions ever made, so that a number is never given twice; the row's lock makes it dense.
    column("last_version", Integer),
    # The definition that its versions satisfy; SQLite cannot add a reference to a table that is there.
    column("schema_id", UuidType, optional=True),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.Index("ix_registered_models_schema", "namespace_id", "schema_id"),
)

model_versions = make_table(
    "model_versions",
    *record_columns(),
    column("model_id", UuidType),
    column("number", Integer),
    column("run_id", UuidType, optional=True),
    column("archived_at", optional=True),
    # How many signatures over its artifacts were verified.
    column("signatures", Integer),
    sa.UniqueConstraint("namespace_id", "model_id", "number"),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
    sa.Index("ix_model_versions_run", "namespace_id", "run_id"),
    sa.Index("ix_model_versions_created", "namespace_id", "created_at", "id"),
    belongs_to("registered_models", "model_id"),
    belongs_to("runs", "run_id"),
)

_signed = model_versions.c.signatures > 0
sa.Index(
    "ix_model_versions_signed",
    model_versions.c.namespace_id,
    model_versions.c.id,
    sqlite_where=_signed,
    postgresql_where=_signed,
)

aliases = make_detail_table(
    "aliases",
    namespace_key(),
    key("model_id", UuidType),
    key("name"),
    column("version_id", UuidType),
    sa.Index("ix_aliases_version", "namespace_id", "version_id"),
    sa.Index("ix_aliases_name", "namespace_id", "name", "version_id"),
    belongs_to("registered_models", "model_id"),
    belongs_to("model_versions", "version_id"),
)

model_tags = make_detail_table(
    "model_tags",
    namespace_key(),
    key("model_id", UuidType),
    key("key"),
    column("value"),
    belongs_to("registered_models", "model_id"),
)
sa.Index("ix_model_tags_value", model_tags.c.namespace_id, model_tags.c.key, head_of(model_tags.c.value), model_tags.c.model_id)

version_tags = make_detail_table(
    "version_tags",
    namespace_key(),
    key("version_id", UuidType),
    key("key"),
    column("value"),
    belongs_to("model_versions", "version_id"),
)
# The version at the end: what has one value comes in the order of ids, which is that of time.
sa.Index(
    "ix_version_tags_value",
    version_tags.c.namespace_id,
    version_tags.c.key,
    head_of(version_tags.c.value),
    version_tags.c.version_id,
)

owners = make_detail_table(
    "owners",
    namespace_key(),
    key("model_id", UuidType),
    key("name"),
    column("email", optional=True),
    belongs_to("registered_models", "model_id"),
)

parameters = make_detail_table(
    "parameters",
    namespace_key(),
    key("version_id", UuidType),
    key("name"),
    # The scalar as JSON text, and as a number where it is one: equality and ranges both need no cast.
    column("value"),
    column("number", Real, optional=True),
    belongs_to("model_versions", "version_id"),
)
index_scalars("parameters", parameters, "name")

version_metrics = make_detail_table(
    "version_metrics",
    namespace_key(),
    key("version_id", UuidType),
    key("position", Integer),
    column("name"),
    column("value", Real),
    column("dataset", optional=True),
    column("split", optional=True),
    column("slice", optional=True),
    column("step", BigInteger, optional=True),
    column("recorded_at"),
    belongs_to("model_versions", "version_id"),
)
# Each value stands in one of them; with the slice at the end, no row is read to see that there is none.
for _name, _which in (("value", version_metrics.c.slice.is_(None)), ("sliced", version_metrics.c.slice.is_not(None))):
    sa.Index(
        f"ix_version_metrics_{_name}",
        *(version_metrics.c[column] for column in ("namespace_id", "name", "value", "version_id", "position", "slice")),
        sqlite_where=_which,
        postgresql_where=_which,
    )

artifacts = make_detail_table(
    "artifacts",
    namespace_key(),
    key("version_id", UuidType),
    key("position", Integer),
    column("uri"),
    column("name", optional=True),
    column("digest", optional=True),
    column("size", BigInteger, optional=True),
    column("media_type", optional=True),
    sa.Index("ix_artifacts_digest", "namespace_id", "digest"),
    belongs_to("model_versions", "version_id"),
)
sa.Index("ix_artifacts_uri", artifacts.c.namespace_id, head_of(artifacts.c.uri))

experiments = make_table(
    "experiments",
    *record_columns(),
    column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

runs = make_table(
    "runs",
    *record_columns(),
    column("kind"),
    column("status"),
    column("job", optional=True),
    column("experiment_id", UuidType, optional=True),
    column("code_commit", optional=True),
    sa.Index("ix_runs_commit", "namespace_id", "code_commit"),
    sa.Index("ix_runs_job", "namespace_id", "job"),
    sa.Index("ix_runs_created", "namespace_id", "created_at", "id"),
    belongs_to("experiments", "experiment_id"),
)

run_metrics = make_detail_table(
    "run_metrics",
    namespace_key(),
    key("run_id", UuidType),
    key("name"),
    key("position", Integer),
    column("step", BigInteger, optional=True),
    column("value", Real),
    column("recorded_at", optional=True),
    belongs_to("runs", "run_id"),
)

# How far each metric series of a run has come: its points, and the hash chain over them by which it is sealed (invariant I11).
run_series = make_detail_table(
    "run_series",
    namespace_key(),
    key("run_id", UuidType),
    key("name"),
    column("points", Integer),
    column("digest", Bytes),
    belongs_to("runs", "run_id"),
)

datasets = make_table(
    "datasets",
    *record_columns(),
    column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

dataset_versions = make_table(
    "dataset_versions",
    *record_columns(),
    column("dataset_id", UuidType),
    column("number", Integer),
    column("digest", optional=True),
    column("uri", optional=True),
    sa.UniqueConstraint("namespace_id", "dataset_id", "number"),
    # One digest is one version of a dataset; versions whose digest is unknown are told apart by number alone.
    sa.UniqueConstraint("namespace_id", "dataset_id", "digest"),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
    sa.Index("ix_dataset_versions_digest", "namespace_id", "digest"),
    belongs_to("datasets", "dataset_id"),
)
sa.Index("ix_dataset_versions_uri", dataset_versions.c.namespace_id, head_of(dataset_versions.c.uri))

deployments = make_table(
    "deployments",
    *record_columns(),
    column("version_id", UuidType),
    column("target"),
    column("status"),
    # The target while the deployment is active, else null: unique, so that one version at a time is served there.
    column("active_target", optional=True),
    sa.UniqueConstraint("namespace_id", "active_target"),
    sa.Index("ix_deployments_version", "namespace_id", "version_id"),
    belongs_to("model_versions", "version_id"),
)

lineage_nodes = make_table(
    "lineage_nodes",
    namespace_key(),
    key("id", UuidType),
    column("kind"),
    column("name"),
    # The longest way from a root. An edge must lead to a later generation, so no cycle can be stored (invariant I7).
    column("generation", Integer),
    sa.UniqueConstraint("namespace_id", "id", "generation"),
)

# The edges that hold now. Each is what one source says of it: how it is known (`basis`) is part of the key, so that what a person
# declares and what a run shows stand side by side.
lineage_edges = make_detail_table(
    "lineage_edges",
    namespace_key(),
    key("target_id", UuidType),
    key("source_id", UuidType),
    key("relation"),
    # '' rather than null: part of the key, since one run may read one dataset version in two roles.
    key("role"),
    key("basis"),
    column("source_generation", Integer),
    column("target_generation", Integer),
    column("run_id", UuidType, optional=True),
    column("event_id", UuidType),
    column("created_at"),
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

# Edges that were withdrawn, for questions about the past: they bind no generations, for what was wrong may go round in a circle.
withdrawn_edges = make_detail_table(
    "withdrawn_edges",
    namespace_key(),
    key("target_id", UuidType),
    key("source_id", UuidType),
    key("relation"),
    key("role"),
    key("basis"),
    # An edge may be drawn and withdrawn again.
    key("event_id", UuidType),
    column("run_id", UuidType, optional=True),
    column("created_at"),
    column("withdrawn_at"),
    column("withdrawn_by", UuidType),
    sa.Index("ix_withdrawn_edges_source", "namespace_id", "source_id"),
)

# References to what is not recorded yet: whoever brings the identifier along becomes the source of an edge.
pending_references = make_detail_table(
    "pending_references",
    namespace_key(),
    key("record_id", UuidType),
    key("scheme"),
    key("value"),
    key("relation"),
    column("basis"),
    sa.Index("ix_pending_references_value", "namespace_id", "scheme", "value", "record_id"),
)

# Arrivals for whom more was waiting than one transaction links; emptied in steps.
linking_backlog = make_detail_table(
    "linking_backlog",
    namespace_key(),
    key("record_id", UuidType),
    key("scheme"),
    key("value"),
)

identifiers = make_detail_table(
    "identifiers",
    namespace_key(),
    key("scheme"),
    key("value"),
    column("kind"),
    column("record_id", UuidType),
    sa.Index("ix_identifiers_record", "namespace_id", "record_id"),
)

events = make_table(
    "events",
    namespace_key(),
    key("id", UuidType),
    column("subject_id", UuidType),
    # Gapless for each subject: the n-th event made the n-th revision.
    column("revision", Integer),
    column("action"),
    column("actor"),
    column("subject"),
    column("occurred_at"),
    # The bytes that are hashed; null once they were purged, which an entry of the log tells of.
    column("body", Bytes, optional=True),
    sa.UniqueConstraint("namespace_id", "subject_id", "revision"),
    sa.Index("ix_events_action", "namespace_id", "action", "id"),
    sa.Index("ix_events_actor", "namespace_id", "actor", "id"),
)

# Personal values of events, which their entries hold as commitments. The only rows of the log that are ever deleted for good.
private_values = make_detail_table(
    "private_values",
    namespace_key(),
    key("event_id", UuidType),
    key("pointer"),
    column("salt", Bytes),
    column("value", Bytes),
)

# Values too large for their entries, which hold them by digest.
detached_values = make_table(
    "detached_values",
    namespace_key(),
    key("event_id", UuidType),
    key("pointer"),
    column("value", Bytes),
)

outbox = make_detail_table(
    "outbox",
    namespace_key(),
    key("event_id", UuidType),
    sa.ForeignKeyConstraint(["namespace_id", "event_id"], ["events.namespace_id", "events.id"]),
)

# A log's shards: the newest is open, those before it are frozen and never grow again.
logs = make_table(
    "logs",
    *record_columns(),
    column("shard", Integer),
    column("origin"),
    column("status"),
    sa.UniqueConstraint("namespace_id", "shard"),
    sa.UniqueConstraint("origin"),
)

log_keys = make_table(
    "log_keys",
    *record_columns(),
    column("shard", Integer),
    column("vkey"),
    column("status"),
    sa.UniqueConstraint("namespace_id", "vkey"),
)

# One row a shard, which the integrator locks: how many entries the tree has, and the roots of its perfect subtrees.
log_trees = make_table(
    "log_trees",
    namespace_key(),
    key("shard", Integer),
    column("size", BigInteger),
    column("root", Bytes),
    column("subtrees", Bytes),
)

log_entries = make_table(
    "log_entries",
    namespace_key(),
    key("shard", Integer),
    key("entry_index", BigInteger),
    column("event_id", UuidType),
    column("leaf_hash", Bytes),
    # An event is in the log once, whatever is tried again.
    sa.UniqueConstraint("namespace_id", "event_id"),
)

# Full tiles only, which never change: a partial one is a prefix of what will be full, and is cut from the hashes below it.
log_tiles = make_table(
    "log_tiles",
    namespace_key(),
    key("shard", Integer),
    key("level", Integer),
    key("number", BigInteger),
    column("hashes", Bytes),
    column("root", Bytes),
)

log_checkpoints = make_table(
    "log_checkpoints",
    namespace_key(),
    key("shard", Integer),
    key("size", BigInteger),
    # The signed note with the cosignatures of witnesses, as it is served.
    column("note", Bytes),
    column("created_at"),
)

schema_definitions = make_table(
    "schema_definitions",
    *record_columns(),
    column("name"),
    # Names the definition's own table, schema_<number>, which is made when its first version is published.
    column("number", Integer),
    column("last_version", Integer),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.UniqueConstraint("number"),
)

schema_versions = make_table(
    "schema_versions",
    *record_columns(),
    column("schema_id", UuidType),
    column("number", Integer),
    column("status"),
    sa.UniqueConstraint("namespace_id", "schema_id", "number"),
    belongs_to("schema_definitions", "schema_id"),
)

# Work that is going on: versions whose attributes are put where a definition says, chunk by chunk. Gone when it is done.
schema_backfills = make_table(
    "schema_backfills",
    namespace_key(),
    key("id", UuidType),
    column("schema_id", UuidType),
    # One model that took up or dropped the definition; else every model that has it.
    column("model_id", UuidType, optional=True),
    # The attributes that are not ready, as a JSON list of ids; null for all.
    column("attributes", optional=True),
    column("cursor", UuidType, optional=True),
    column("done", Integer),
    column("total", Integer),
    column("started_at"),
    column("fault", optional=True),
    sa.Index("ix_schema_backfills_schema", "namespace_id", "schema_id"),
    belongs_to("schema_definitions", "schema_id"),
)

# Members of open sets that a definition names, as parameters are kept.
attribute_values = make_detail_table(
    "attribute_values",
    namespace_key(),
    key("version_id", UuidType),
    key("schema_number", Integer),
    key("attribute", Integer),
    key("key"),
    column("value"),
    column("number", Real, optional=True),
    belongs_to("model_versions", "version_id"),
)
index_scalars("attribute_values", attribute_values, "schema_number", "attribute", "key")

# Large or external attributes that a definition names, found by digest.
attribute_artifacts = make_detail_table(
    "attribute_artifacts",
    namespace_key(),
    key("version_id", UuidType),
    key("schema_number", Integer),
    key("attribute", Integer),
    column("uri", optional=True),
    column("digest", optional=True),
    sa.Index("ix_attribute_artifacts_digest", "namespace_id", "digest"),
    belongs_to("model_versions", "version_id"),
)

# The words by which models and their versions are found. `words` holds them all, each marked with its namespace, and is
# indexed for full text (see dialects); the others say where a word stood, for the order of what is found.
search_documents = make_detail_table(
    "search_documents",
    namespace_key(),
    key("id", UuidType),
    column("kind"),
    column("words"),
    column("name_words"),
    column("tag_words"),
)

retention_classes = make_table(
    "retention_classes",
    *record_columns(),
    column("name"),
    sa.UniqueConstraint("namespace_id", "name"),
)

legal_holds = make_table(
    "legal_holds",
    *record_columns(),
    column("subject_id", UuidType),
    column("released_at", optional=True),
    sa.Index("ix_legal_holds_subject", "namespace_id", "subject_id"),
)

policies = make_table(
    "policies",
    *record_columns(),
    column("name"),
    column("last_version", Integer),
    sa.UniqueConstraint("namespace_id", "name"),
)

policy_versions = make_table(
    "policy_versions",
    *record_columns(),
    column("policy_id", UuidType),
    column("number", Integer),
    column("status"),
    sa.UniqueConstraint("namespace_id", "policy_id", "number"),
    sa.Index("ix_policy_versions_status", "namespace_id", "status"),
    belongs_to("policies", "policy_id"),
)


def _statements(name: str) -> sa.Table:
    """Records that say something of another: of a version, a dataset version, a model, or a policy."""
    return make_table(
        name,
        *record_columns(),
        # Null for a version that was refused, and so is none.
        column("subject_id", UuidType, optional=True),
        column("status"),
        sa.Index(f"ix_{name}_subject", "namespace_id", "subject_id", "id"),
        sa.Index(f"ix_{name}_status", "namespace_id", "status", "id"),
    )


verdicts, change_requests, attestations = _statements("verdicts"), _statements("change_requests"), _statements("attestations")
waivers, findings = _statements("waivers"), _statements("findings")
recalls, reviews = _statements("recalls"), _statements("reviews")

idempotency_keys = make_table(
    "idempotency_keys",
    namespace_key(),
    key("key"),
    column("body_digest", Bytes),
    column("answer", Bytes),
    column("created_at"),
)
