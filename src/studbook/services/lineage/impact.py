"""What a change of a record would reach: versions and deployments downstream, with those who answer for them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.formats.comma_separated import write_csv
from studbook.formats.table import Column, ColumnType
from studbook.services.lineage.walking import DEPTH_LIMIT, NODE_LIMIT, follow
from studbook.storage import governance as records
from studbook.storage import graph, reading
from studbook.storage.dialects import id_text
from studbook.storage.graph import Reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.storage.references import Found

_COLUMNS: Final = (
    Column("name"),
    Column("kind"),
    Column("distance", ColumnType.INTEGER),
    Column("model"),
    Column("owners"),
    Column("aliases"),
    Column("target"),
    Column("status"),
)


def find_impact(connection: Connection, namespace_id: int, root: Found) -> JsonObject:
    """The model versions and deployments downstream of a record, nearest first, with the owners of their models.

    A version that the same job made afterwards is not reached: nothing need have flowed.
    """
    reach = Reach(upstream=False, successions=False)
    walk = follow(connection, namespace_id, root.id, reach, depth=DEPTH_LIMIT, limit=NODE_LIMIT)
    nodes = graph.find_bare_nodes(connection, namespace_id, walk.distances)
    by_kind: dict[str, list[UUID]] = {}
    for row in nodes.values():
        by_kind.setdefault(row.kind, []).append(UUID(id_text(row.id)))
    versions = records.find_records(connection, Kind.MODEL_VERSION, namespace_id, by_kind.get(Kind.MODEL_VERSION, []))
    deployed = records.find_records(connection, Kind.DEPLOYMENT, namespace_id, by_kind.get(Kind.DEPLOYMENT, []))
    known = {record_id: read_canonical(record) for record_id, record in {**versions, **deployed}.items()}
    models = {record["model"] for record in known.values() if record["kind"] == Kind.MODEL_VERSION}
    models |= {_model_of(record["version"]["name"]) for record in known.values() if record["kind"] == Kind.DEPLOYMENT}
    owners = {
        name: [owner["name"] for owner in read_canonical(record)["owners"] if owner["name"]]
        for name, record in records.find_model_records(connection, namespace_id, models).items()
    }
    aliases = reading.find_aliases(connection, namespace_id, list(versions))
    reached = [
        _line(known[record_id], walk.distances[node], owners, aliases.get(record_id, []))
        for node in walk.distances
        if node != walk.root and node in nodes and (record_id := UUID(id_text(node))) in known
    ]
    counts = Counter(row.kind for node, row in nodes.items() if node != walk.root)
    active = sum(line["kind"] == Kind.DEPLOYMENT and line["status"] == "active" for line in reached)
    return {
        "root": root.name,
        "reached": reached,
        "counts": {**dict(sorted(counts.items())), "active_deployments": active},
        "owners": sorted({owner for line in reached for owner in line["owners"]}),
        "truncated": walk.truncated,
    }


def _line(record: JsonObject, distance: int, owners: dict[str, list[str]], aliases: list[str]) -> JsonObject:
    deployed = record["kind"] == Kind.DEPLOYMENT
    model = _model_of(record["version"]["name"]) if deployed else record["model"]
    return {
        "name": record["name"],
        "kind": record["kind"],
        "distance": distance,
        "model": model,
        "version": record["version"]["name"] if deployed else record["name"],
        "owners": owners.get(model, []),
        "aliases": list(aliases),
        "target": record["target"] if deployed else None,
        "status": record["status"] if deployed else ("archived" if record["archived_at"] else None),
    }


def _model_of(version: str) -> str:
    """The model's name in the name of one of its versions."""
    from urllib.parse import unquote  # noqa: PLC0415

    return unquote(version.split("/")[1])


def write_impact(answer: JsonObject) -> Iterator[bytes]:
    """The lines of an impact as CSV; several owners or aliases stand in one cell, with `; ` between them."""

    def cell(value: Any) -> Any:  # noqa: ANN401 - a JSON value
        return "; ".join(value) if isinstance(value, list) else value

    rows = [[cell(line[column.name]) for column in _COLUMNS] for line in answer["reached"]]
    return write_csv(_COLUMNS, iter([rows]))
