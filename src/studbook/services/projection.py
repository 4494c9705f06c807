"""From a record to its rows: one function for writing, for replaying the log, and for checking the tables against it.

The tables are a projection of the records (decision 0003): what is searched and constrained stands in columns and detail rows,
and each of them follows from the record alone, or from the record and the id of the one record it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import JsonObject, canonical_json, scalar_text
from studbook.domain.names import Kind
from studbook.domain.words import words_of_record
from studbook.schemas.storage_map import described_version
from studbook.storage.side_tables import side_table
from studbook.storage.tables import (
    aliases,
    artifacts,
    attribute_artifacts,
    attribute_values,
    identifiers,
    model_tags,
    owners,
    parameters,
    pending_references,
    search_documents,
    version_metrics,
    version_tags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import sqlalchemy as sa

    from studbook.schemas.storage_map import StorageMap

# The column that names the one record which a record belongs to, and that no field of the record holds the id of.
BELONGS_TO: Final = {
    Kind.MODEL_VERSION: "model_id",
    Kind.DATASET_VERSION: "dataset_id",
    Kind.RUN: "experiment_id",
    Kind.SCHEMA_VERSION: "schema_id",
    Kind.POLICY_VERSION: "policy_id",
}


def columns_of(record: JsonObject) -> dict[str, Any]:
    """The columns of a record's own row that follow from the record."""
    return _COLUMNS[Kind(record["kind"])](record)


def _model(record: JsonObject) -> dict[str, Any]:
    chosen = record.get("schema")
    schema_id = UUID(chosen["id"]) if chosen else None
    return {"name": record["model"], "archived_at": record["archived_at"], "schema_id": schema_id}


def _model_version(record: JsonObject) -> dict[str, Any]:
    run = record["run"]
    return {
        "number": record["number"],
        "run_id": UUID(run["id"]) if run else None,
        "archived_at": record["archived_at"],
        "signatures": len(record.get("signatures", ())),
    }


def _run(record: JsonObject) -> dict[str, Any]:
    return {
        "kind": record["run_kind"],
        "status": record["status"],
        "job": record["job"],
        "code_commit": record["code"]["commit"] if record["code"] else None,
    }


def _deployment(record: JsonObject) -> dict[str, Any]:
    return {
        "version_id": UUID(record["version"]["id"]),
        "target": record["target"],
        "status": record["status"],
        "active_target": record["target"] if record["status"] == "active" else None,
    }


def _token(record: JsonObject) -> dict[str, Any]:
    return {
        "name": record["title"] or "",
        "hint": record["hint"],
        "token_hash": bytes.fromhex(record["token_hash"].removeprefix("sha256:")),
        "access": record["access"],
        "person": canonical_json(person).decode() if (person := record.get("person")) else None,
        "expires_at": record["expires_at"],
        "revoked_at": record["revoked_at"],
    }


def _statement(record: JsonObject) -> dict[str, Any]:
    """What is said of another record; `subject` names it."""
    subject_id = record["subject"]["id"]
    return {"subject_id": UUID(subject_id) if subject_id else None, "status": record["status"]}


_COLUMNS: Final[Mapping[Kind, Callable[[JsonObject], dict[str, Any]]]] = {
    Kind.MODEL: _model,
    Kind.MODEL_VERSION: _model_version,
    Kind.DATASET: lambda record: {"name": record["dataset"]},
    Kind.DATASET_VERSION: lambda record: {"number": record["number"], "digest": record["digest"], "uri": record["uri"]},
    Kind.RUN: _run,
    Kind.EXPERIMENT: lambda record: {"name": record["experiment"]},
    Kind.DEPLOYMENT: _deployment,
    Kind.TOKEN: _token,
    Kind.LOG: lambda record: {"shard": record["shard"], "origin": record["origin"], "status": record["status"]},
    Kind.LOG_KEY: lambda record: {"shard": record["shard"], "vkey": record["vkey"], "status": record["status"]},
    Kind.SCHEMA: lambda record: {"name": record["schema"], "number": record["number"]},
    Kind.SCHEMA_VERSION: lambda record: {"number": record["number"], "status": record["status"]},
    Kind.RETENTION_CLASS: lambda record: {"name": record["class"]},
    Kind.LEGAL_HOLD: lambda record: {"subject_id": UUID(record["subject_id"]), "released_at": record["released_at"]},
    Kind.POLICY: lambda record: {"name": record["policy"]},
    Kind.POLICY_VERSION: lambda record: {"number": record["number"], "status": record["status"]},
    Kind.VERDICT: _statement,
    Kind.CHANGE_REQUEST: _statement,
    Kind.ATTESTATION: _statement,
    Kind.WAIVER: _statement,
    Kind.FINDING: _statement,
    Kind.RECALL: _statement,
    Kind.REVIEW: _statement,
}


def details_of(
    namespace_id: int, record: JsonObject, storage_map: StorageMap | None = None
) -> dict[sa.Table, list[dict[str, Any]]]:
    """The detail rows that follow from a record, by table; aliases are told by `alias_rows`.

    `storage_map` is that of the definition which a version's model has.
    """
    key = {"namespace_id": namespace_id}
    record_id = UUID(record["id"])
    kind = record["kind"]
    rows: dict[sa.Table, list[dict[str, Any]]] = {}
    if kind == Kind.MODEL:
        key["model_id"] = record_id  # type: ignore[assignment]
        rows[model_tags] = _tags(key, record)
        rows[owners] = [
            {**key, "name": owner["name"], "email": owner["email"]} for owner in record["owners"] if owner["name"] is not None
        ]
        rows[search_documents] = [_words(namespace_id, record_id, record)]
    elif kind == Kind.MODEL_VERSION:
        key["version_id"] = record_id  # type: ignore[assignment]
        texts = _attribute_rows(rows, key, record, storage_map) if storage_map else ()
        rows[search_documents] = [_words(namespace_id, record_id, record, texts)]
        rows[version_tags] = _tags(key, record)
        rows[parameters] = [
            {**key, "name": name, "value": scalar_text(value), "number": _as_number(value)}
            for name, value in record["parameters"].items()
        ]
        rows[artifacts] = [
            {**key, "position": position, **{name: item[name] for name in ("uri", "name", "digest", "size", "media_type")}}
            for position, item in enumerate(record["artifacts"])
        ]
        rows[version_metrics] = list(_metrics(key, record))
    if waiting := [entry for entry in record.get("references", ()) if entry["resolved"] is None]:
        rows[pending_references] = [
            {
                "namespace_id": namespace_id,
                "record_id": record_id,
                "scheme": (split := entry["ref"].partition(":"))[0],
                "value": split[2],
                "relation": entry["relation"],
                "basis": entry["basis"],
            }
            for entry in waiting
        ]
    if claims := record.get("identifiers"):
        rows[identifiers] = [
            {"namespace_id": namespace_id, "scheme": scheme, "value": value, "kind": kind, "record_id": record_id}
            for scheme, value in claims.items()
        ]
    return rows


def _words(namespace_id: int, record_id: UUID, record: JsonObject, texts: Iterable[str] = ()) -> dict[str, Any]:
    found = words_of_record(namespace_id, record, texts)
    return {"namespace_id": namespace_id, "id": record_id, "kind": record["kind"], **found}


def _attribute_rows(
    rows: dict[sa.Table, list[dict[str, Any]]], key: dict[str, Any], record: JsonObject, storage_map: StorageMap
) -> list[str]:
    """Add the rows that a version's attributes make; returns the texts that are searched with it."""
    found = storage_map.extract(described_version(record), record["personal"])
    place = {**key, "schema_number": storage_map.number}
    rows[side_table(storage_map)] = [{**key, **found.columns}]
    rows[attribute_values] = [
        {**place, "attribute": value.attribute, "key": value.key, "value": value.value, "number": value.number}
        for value in found.open_values
    ]
    rows[attribute_artifacts] = [
        {**place, "attribute": attribute, "uri": uri, "digest": digest} for attribute, uri, digest in found.artifacts
    ]
    return found.texts


def _tags(key: dict[str, Any], record: JsonObject) -> list[dict[str, Any]]:
    return [{**key, "key": name, "value": value} for name, value in record["tags"].items()]


def _metrics(key: dict[str, Any], record: JsonObject) -> Iterator[dict[str, Any]]:
    for position, entry in enumerate(record["metrics"]):
        yield {
            **key,
            "position": position,
            "name": entry["name"],
            "value": entry["value"],
            "dataset": entry["dataset"],
            "split": entry["split"],
            "slice": canonical_json(entry["slice"]).decode() if entry["slice"] else None,
            "step": entry["step"],
            "recorded_at": entry["recorded_at"],
        }


def _as_number(value: Any) -> float | None:  # noqa: ANN401 - a JSON scalar
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def alias_rows(namespace_id: int, record: JsonObject, version_ids: Mapping[int, UUID]) -> list[dict[str, Any]]:
    """The aliases of a model; `version_ids` gives the id of each version that one names, by its number."""
    return [
        {"namespace_id": namespace_id, "model_id": UUID(record["id"]), "name": name, "version_id": version_ids[number]}
        for name, number in record["aliases"].items()
    ]


# What a definition's attributes put beside a version, apart from the definition's own table.
ATTRIBUTE_TABLES: Final = (attribute_values, attribute_artifacts)

# By what a detail row is told from the others of its record; the rest of its primary key is the record's.
DETAIL_KEYS: Final = {
    model_tags: ("key",),
    version_tags: ("key",),
    owners: ("name",),
    parameters: ("name",),
    artifacts: ("position",),
    version_metrics: ("position",),
    identifiers: ("scheme", "value"),
    pending_references: ("scheme", "value", "relation"),
    aliases: ("name",),
    search_documents: (),
    attribute_values: ("schema_number", "attribute", "key"),
    attribute_artifacts: ("schema_number", "attribute"),
}
