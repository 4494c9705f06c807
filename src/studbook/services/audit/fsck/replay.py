"""Replays the log and compares every row of the tables with it: a row that differs was changed without an event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studbook.domain.canonical import canonical_json, read_canonical
from studbook.domain.entries import opened, read_entry
from studbook.domain.names import Kind, dataset_name, model_name, policy_name, quoted
from studbook.domain.series import Series
from studbook.services.audit.fsck.findings import Layer
from studbook.services.projection import BELONGS_TO, DETAIL_KEYS, alias_rows, columns_of, details_of
from studbook.services.schemas.places import Places
from studbook.storage import facts, scanning
from studbook.storage.reading import TABLES
from studbook.storage.side_tables import side_table
from studbook.storage.tables import (
    aliases,
    artifacts,
    attribute_artifacts,
    attribute_values,
    identifiers,
    lineage_nodes,
    model_tags,
    owners,
    parameters,
    pending_references,
    run_metrics,
    run_series,
    search_documents,
    version_metrics,
    version_tags,
)

if TYPE_CHECKING:
    from uuid import UUID

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.services.audit.fsck.chains import Head, History
    from studbook.services.audit.fsck.findings import LogReport
    from studbook.storage.graph import AnyRow

# The records that are nodes of the lineage graph, and those that have detail rows, with the column that names the record.
NODES = frozenset({Kind.MODEL_VERSION, Kind.DATASET_VERSION, Kind.RUN, Kind.DEPLOYMENT})
_ATTRIBUTES = ((attribute_values, "version_id"), (attribute_artifacts, "version_id"), (search_documents, "id"))
DETAILS: dict[Kind, tuple[tuple[sa.Table, str], ...]] = {
    Kind.MODEL: ((model_tags, "model_id"), (owners, "model_id"), (search_documents, "id")),
    Kind.MODEL_VERSION: (
        (version_tags, "version_id"),
        (parameters, "version_id"),
        (artifacts, "version_id"),
        (version_metrics, "version_id"),
        (identifiers, "record_id"),
        (pending_references, "record_id"),
        *_ATTRIBUTES,
    ),
    Kind.DATASET_VERSION: ((identifiers, "record_id"), (pending_references, "record_id")),
    Kind.RUN: ((identifiers, "record_id"),),
}
# What counts its versions in a column: their kind, and how their names begin.
_COUNTED = {Kind.SCHEMA: (Kind.SCHEMA_VERSION, "schemas"), Kind.POLICY: (Kind.POLICY_VERSION, "policies")}


@dataclass(slots=True)
class Replay:
    """The comparison of one namespace's tables with its log."""

    connection: Connection
    namespace_id: int
    report: LogReport
    history: History
    places: Places = field(init=False)

    def run(self) -> None:
        """Compare all."""
        self.places = Places(self.connection, self.namespace_id)
        by_name = {head.name: subject_id for subject_id, head in self.history.heads.items()}
        seen: dict[sa.Table, int] = {}
        for kind, table in TABLES.items():
            known = set()
            for rows in scanning.iter_rows(self.connection, table, self.namespace_id):
                known |= {row.id for row in rows}
                self._compare_group(kind, rows, by_name, seen)
            for subject_id, head in self.history.heads.items():
                if head.kind == kind and subject_id not in known:
                    self._differs(head.name, f"is in the log, and its row in {table.name} is gone")
        sides = [side_table(storage_map) for storage_map in self.places.maps.values()]
        for table in [*DETAIL_KEYS, *sides, run_series, run_metrics]:
            count = scanning.count_rows(self.connection, table, self.namespace_id)
            if count != seen.get(table, 0):
                self._differs(table.name, f"has {count} rows, of which {seen.get(table, 0)} belong to records of the log")
        self._compare_graph(by_name)

    def _differs(self, place: str, message: str) -> None:
        self.report.add(Layer.REPLAY, place, message)

    def _compare_group(self, kind: Kind, rows: list[AnyRow], by_name: dict[str, UUID], seen: dict[sa.Table, int]) -> None:
        heads = {row.id: head for row in rows if (head := self.history.heads.get(row.id)) is not None}
        records = self._records([head.event_id for head in heads.values()])
        found: dict[UUID, JsonObject] = {}
        for row in rows:
            head = heads.get(row.id)
            if head is None or head.kind != kind:
                self._differs(f"{kind.value} {row.id}", "stands in its table, and the log knows no such record")
            elif head.event_id in records:
                record, occurred_at = records[head.event_id]
                found[row.id] = record
                self._compare_row(kind, row, head, record, occurred_at, by_name)
        pending = {
            row.id
            for row in rows
            if kind is Kind.MODEL_VERSION and row.id in found and self.places.is_pending(found[row.id], row.model_id)
        }
        self._compare_details(kind, found, pending, seen)
        if kind is Kind.MODEL:
            self._compare_models(rows, found, seen)
        if kind in _COUNTED:
            self._compare_counts(rows, *_COUNTED[kind])
        if kind is Kind.RUN:
            self._compare_series(found, seen)

    def _records(self, event_ids: list[UUID]) -> dict[UUID, tuple[JsonObject, str]]:
        """The records after these events, with those values in place that are still there, and when they happened."""
        events = scanning.find_events(self.connection, self.namespace_id, event_ids)
        private = scanning.find_private_values(self.connection, self.namespace_id, event_ids)
        detached = scanning.find_detached_values(self.connection, self.namespace_id, event_ids)
        records = {}
        for event_id, event in events.items():
            try:
                entry = opened(
                    read_entry(event.body),
                    {place: row.value for place, row in private.get(event_id, {}).items()},
                    {place: row.value for place, row in detached.get(event_id, {}).items()},
                )
            except (ValueError, TypeError, AttributeError):
                # The chain's check names it.
                continue
            records[event_id] = (entry["after"], entry["occurred_at"])
        return records

    def _compare_row(
        self, kind: Kind, row: AnyRow, head: Head, record: JsonObject, occurred_at: str, by_name: dict[str, UUID]
    ) -> None:
        name = head.name
        if row.revision != head.revision:
            self._differs(name, f"is stored at revision {row.revision}, and the log is at {head.revision}")
        if row.record != canonical_json(record):
            self._differs(name, f"its record differs from the log {_difference(row.record, record)}".rstrip())
        expected = {"created_at": record["created_at"], "updated_at": occurred_at, **columns_of(record)}
        owner = owner_name(kind, record)
        if kind in BELONGS_TO:
            expected[BELONGS_TO[kind]] = by_name.get(owner) if owner else None
        for column, value in expected.items():
            stored = getattr(row, column)
            if stored != value:
                self._differs(name, f"its column {column!r} is {str(stored)[:80]!r}, and the log says {str(value)[:80]!r}")

    def _compare_details(
        self, kind: Kind, records: dict[UUID, JsonObject], pending: set[UUID], seen: dict[sa.Table, int]
    ) -> None:
        """Compare detail rows; what attributes make is left out for versions whose attributes are yet to be placed."""
        expected: dict[sa.Table, dict[tuple[Any, ...], dict[str, Any]]] = {}
        names = {}
        for record_id, record in records.items():
            names[record_id] = record["name"]
            storage_map = self.places.find_map(record) if kind is Kind.MODEL_VERSION else None
            for table, rows in details_of(self.namespace_id, record, storage_map).items():
                expected.setdefault(table, {}).update({_key(table, row): row for row in rows})
        for table, column in DETAILS.get(kind, ()):
            if (table, column) not in _ATTRIBUTES:
                self._compare_table(table, column, expected.get(table, {}), names, seen)
        if kind in (Kind.MODEL, Kind.MODEL_VERSION):
            sides = [(side_table(storage_map), "version_id") for storage_map in self.places.maps.values()]
            for table, column in (*_ATTRIBUTES, *sides) if kind is Kind.MODEL_VERSION else ((search_documents, "id"),):
                settled = {record_id: name for record_id, name in names.items() if record_id not in pending}
                wanted = {key: row for key, row in expected.get(table, {}).items() if row[column] in settled}
                self._compare_table(table, column, wanted, settled, seen)
                if pending:
                    waiting = scanning.list_details(self.connection, table, self.namespace_id, column, pending)
                    seen[table] = seen.get(table, 0) + len(waiting)

    def _compare_table(
        self,
        table: sa.Table,
        column: str,
        expected: dict[tuple[Any, ...], dict[str, Any]],
        names: dict[UUID, str],
        seen: dict[sa.Table, int],
    ) -> None:
        stored = {
            _key(table, row): row for row in scanning.list_details(self.connection, table, self.namespace_id, column, names)
        }
        seen[table] = seen.get(table, 0) + len(stored)
        for key in expected.keys() | stored.keys():
            row, wanted = stored.get(key), expected.get(key)
            if row == wanted:
                continue
            place = names.get((row or wanted or {})[column], "?")
            label = ", ".join(str(part) for part in key[2:] or key)
            if row is None:
                self._differs(place, f"its row {label!r} in {table.name} is gone")
            elif wanted is None:
                self._differs(place, f"has a row {label!r} in {table.name} that the log does not know")
            else:
                changed = ", ".join(name for name in wanted if wanted[name] != row.get(name))
                self._differs(place, f"its row {label!r} in {table.name} differs from the log in {changed}")

    def _compare_models(self, rows: list[AnyRow], records: dict[UUID, JsonObject], seen: dict[sa.Table, int]) -> None:
        numbers = facts.list_version_numbers(self.connection, self.namespace_id, list(records))
        expected: dict[tuple[Any, ...], dict[str, Any]] = {}
        for model_id, record in records.items():
            versions = numbers.get(model_id, {})
            named = {name: number for name, number in record["aliases"].items() if number in versions}
            rows_of_model = alias_rows(self.namespace_id, {**record, "aliases": named}, versions)
            expected |= {_key(aliases, alias): alias for alias in rows_of_model}
        self._compare_table(aliases, "model_id", expected, {key: record["name"] for key, record in records.items()}, seen)
        for row in rows:
            last = max(numbers.get(row.id, {}), default=0)
            if row.last_version != last:
                self._differs(row.name, f"counts {row.last_version} versions, and its last one is {last}")

    def _compare_counts(self, rows: list[AnyRow], versions: Kind, family: str) -> None:
        """Compare how many versions definitions or policies count with those of the log."""
        last: dict[str, int] = {}
        for head in self.history.heads.values():
            if head.kind == versions:
                name, _, number = head.name.rpartition("/versions/")
                last[name] = max(last.get(name, 0), int(number))
        for row in rows:
            counted = last.get(f"{family}/{row.name}", 0)
            if row.last_version != counted:
                self._differs(f"{family}/{row.name}", f"counts {row.last_version} versions, and its last one is {counted}")

    def _compare_series(self, records: dict[UUID, JsonObject], seen: dict[sa.Table, int]) -> None:
        """Compute each series' chain anew: what is sealed must be as it was, and only a running run may have gone on."""
        stored = facts.list_series(self.connection, self.namespace_id, list(records))
        for run_id, record in records.items():
            series = stored.get(run_id, {})
            seen[run_series] = seen.get(run_series, 0) + len(series)
            seals = record["series"]
            if record["status"] != "running" and set(seals) != set(series):
                self._differs(record["name"], "has other metric series than were sealed")
            for name in {*seals, *series}:
                points = facts.list_points(self.connection, self.namespace_id, run_id, name)
                seen[run_metrics] = seen.get(run_metrics, 0) + len(points)
                whole = Series().extended(points)
                seal = seals.get(name)
                if seal and Series().extended(points[: seal["points"]]).as_json() != seal:
                    self._differs(record["name"], f"the metric series {name!r} is not the one that was sealed")
                elif whole != series.get(name):
                    self._differs(record["name"], f"the metric series {name!r} has other points than were counted")

    def _compare_graph(self, by_name: dict[str, UUID]) -> None:
        nodes: dict[UUID, AnyRow] = {}
        for rows in scanning.iter_rows(self.connection, lineage_nodes, self.namespace_id):
            nodes |= {row.id: row for row in rows}
        for subject_id, head in self.history.heads.items():
            if head.kind in NODES:
                node = nodes.pop(subject_id, None)
                if node is None or (node.kind, node.name) != (head.kind, head.name):
                    self._differs(head.name, "its node of the lineage graph is gone or differs")
        for node in nodes.values():
            self._differs(node.name, "is a node of the lineage graph that the log does not know")
        self._compare_edges(by_name)

    def _compare_edges(self, by_name: dict[str, UUID]) -> None:
        expected = {}
        for (source, target, relation, role, basis), (event_id, _) in self.history.edges.items():
            expected[by_name.get(target), by_name.get(source), relation, role, basis] = (event_id, source, target)
        purged = set(self.history.without_bytes.values())
        for row in scanning.iter_edges(self.connection, self.namespace_id):
            known = expected.pop((row.target_id, row.source_id, row.relation, row.role, row.basis), None)
            if known is None and row.event_id in purged:
                continue
            if known is None:
                self._differs(f"edge {row.source_id} → {row.target_id}", "is drawn, and no event drew it")
            elif known[0] != row.event_id:
                self._differs(f"edge {known[1]} → {known[2]}", "names another event than the one that drew it")
        withdrawn = self._compare_withdrawn(by_name, purged)
        for key, (event_id, source, target) in expected.items():
            # The entry that withdrew it was purged.
            if (key, event_id) not in withdrawn:
                self._differs(f"edge {source} → {target}", "was drawn by an event, and is gone")

    def _compare_withdrawn(
        self, by_name: dict[str, UUID], purged: set[UUID]
    ) -> set[tuple[tuple[UUID | None, UUID | None, str, str, str], UUID]]:
        """Compare the edges that were withdrawn; returns those of whose withdrawal or beginning the log has no bytes left."""
        expected = {}
        for ((source, target, relation, role, basis), event_id), (_, by, _) in self.history.withdrawn.items():
            expected[(by_name.get(target), by_name.get(source), relation, role, basis), event_id] = (by, source, target)
        unknown = set()
        for row in scanning.iter_withdrawn_edges(self.connection, self.namespace_id):
            key = ((row.target_id, row.source_id, row.relation, row.role, row.basis), row.event_id)
            known = expected.pop(key, None)
            if known is None and purged.isdisjoint({row.event_id, row.withdrawn_by}):
                self._differs(f"edge {row.source_id} → {row.target_id}", "is kept as withdrawn, and no event withdrew it")
            elif known is None:
                unknown.add(key)
            elif known[0] != row.withdrawn_by:
                self._differs(f"edge {known[1]} → {known[2]}", "names another event than the one that withdrew it")
        for _, source, target in expected.values():
            self._differs(f"edge {source} → {target}", "was withdrawn by an event, and is not kept as such")
        return unknown


def _key(table: sa.Table, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def owner_name(kind: Kind, record: JsonObject) -> str | None:
    """The name of the record that another belongs to."""
    if kind is Kind.MODEL_VERSION:
        return model_name(record["model"])
    if kind is Kind.DATASET_VERSION:
        return dataset_name(record["dataset"])
    if kind is Kind.SCHEMA_VERSION:
        return f"schemas/{record['schema']}"
    if kind is Kind.POLICY_VERSION:
        return policy_name(record["policy"])
    if kind is Kind.RUN and record["experiment"]:
        return f"experiments/{quoted(record['experiment'])}"
    return None


def _difference(stored: Any, record: JsonObject) -> str:  # noqa: ANN401 - whatever stands in the row
    try:
        value = read_canonical(stored)
    except (ValueError, TypeError, AttributeError):
        return "(it is not JSON any more)"
    if not isinstance(value, dict):
        return "(it is no object any more)"
    changed = sorted(name for name in {*value, *record} if value.get(name) != record.get(name))
    return f"in {', '.join(changed)}" if changed else "in its form"
