"""Rebuilds the tables of records from the log: rows that differ are replaced, rows that are gone come back, strays go.

Metric series are no projection (their points stand in no entry, only the seals over them do): they are left as they are.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from studbook.domain.canonical import canonical_json
from studbook.domain.errors import ConflictError
from studbook.domain.names import STATEMENT_KINDS, Kind
from studbook.services.audit.fsck.chains import read_history
from studbook.services.audit.fsck.findings import Layer, LogReport
from studbook.services.audit.fsck.replay import DETAILS, NODES, owner_name
from studbook.services.edges import Edge, edge_row, withdrawn_row
from studbook.services.history import open_events
from studbook.services.projection import BELONGS_TO, alias_rows, columns_of, details_of
from studbook.services.schemas.places import Places
from studbook.storage import facts, log, scanning
from studbook.storage.reading import TABLES
from studbook.storage.references import Found
from studbook.storage.side_tables import ensure_side_table, side_table
from studbook.storage.tables import (
    aliases,
    lineage_edges,
    lineage_nodes,
    run_metrics,
    run_series,
    schema_backfills,
    withdrawn_edges,
)

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject
    from studbook.services.audit.fsck.chains import Head, History
    from studbook.storage.graph import AnyRow
    from studbook.storage.unit_of_work import Transaction

# Records before those that refer to them.
_ORDER: Final = (
    Kind.LOG, Kind.LOG_KEY, Kind.RETENTION_CLASS, Kind.LEGAL_HOLD, Kind.TOKEN, Kind.EXPERIMENT, Kind.DATASET,
    Kind.DATASET_VERSION, Kind.RUN, Kind.SCHEMA, Kind.SCHEMA_VERSION, Kind.MODEL, Kind.MODEL_VERSION, Kind.DEPLOYMENT,
    Kind.POLICY, Kind.POLICY_VERSION, *STATEMENT_KINDS,
)  # fmt: skip
_STEP: Final = 500


def rebuild(transaction: Transaction, namespace_id: int) -> int:
    """Bring the tables of a namespace's records to what its log says; returns how many records were mended.

    Raises ConflictError when the log itself does not hold together.
    """
    connection = transaction.connection
    shards = [(row.shard, row.size) for row in log.list_logs(connection, namespace_id)]
    report = LogReport("", "", 0)
    history = read_history(connection, namespace_id, report, shards)
    if broken := [finding for finding in report.findings if finding.layer is not Layer.VALUES]:
        message = f"the log itself does not hold together, so nothing is rebuilt from it: {broken[0].place} {broken[0].message}"
        raise ConflictError(message)
    return _Rebuilding(transaction, namespace_id, history).run()


@dataclass(slots=True)
class _Rebuilding:
    """One pass over a namespace."""

    transaction: Transaction
    namespace_id: int
    history: History
    mended: int = 0
    names: dict[str, UUID] = field(default_factory=dict)
    numbers: dict[str, dict[int, UUID]] = field(default_factory=lambda: defaultdict(dict))
    runs: dict[UUID, UUID] = field(default_factory=dict)
    models: list[JsonObject] = field(default_factory=list)
    places: Places = field(init=False)

    def run(self) -> int:
        """Mend all tables."""
        self.names = {head.name: subject_id for subject_id, head in self.history.heads.items()}
        by_kind: dict[str, list[tuple[UUID, Head]]] = defaultdict(list)
        for subject_id, head in self.history.heads.items():
            by_kind[head.kind].append((subject_id, head))
            if head.kind in (Kind.MODEL_VERSION, Kind.SCHEMA_VERSION, Kind.POLICY_VERSION):
                model, _, number = head.name.rpartition("/versions/")
                self.numbers[model][int(number)] = subject_id
        for kind in _ORDER:
            if kind is Kind.MODEL_VERSION:
                self._prepare_places()
            heads = iter(by_kind[kind])
            while group := list(itertools.islice(heads, _STEP)):
                self._mend_group(kind, dict(group))
        self._mend_aliases()
        self._rebuild_graph()
        for kind in reversed(_ORDER):
            self._remove_strays(kind, {subject_id for subject_id, _ in by_kind[kind]})
        return self.mended

    def _prepare_places(self) -> None:
        """Make the tables of definitions where they are gone; every row of them is compared, so no work is left to do."""
        connection = self.transaction.connection
        self.places = Places(connection, self.namespace_id)
        for storage_map in self.places.maps.values():
            ensure_side_table(connection, storage_map)
        facts.delete_rows(connection, schema_backfills, self.namespace_id)

    def _mend_group(self, kind: Kind, heads: dict[UUID, Head]) -> None:
        connection, table = self.transaction.connection, TABLES[kind]
        stored = {row.id: row for row in scanning.find_rows(connection, table, self.namespace_id, heads)}
        events = scanning.find_events(connection, self.namespace_id, [head.event_id for head in heads.values()])
        rows = [events[head.event_id] for head in heads.values()]
        for row, entry in zip(rows, open_events(connection, self.namespace_id, rows), strict=True):
            if entry is None:
                continue
            record = entry["after"]
            self._remember(kind, record)
            wanted = self._row_of(kind, row, record)
            known = stored.get(row.subject_id)
            differs = known is None or any(getattr(known, name) != value for name, value in wanted.items())
            if known is None:
                self.transaction.stage(table, wanted)
            elif differs:
                facts.replace_row(connection, table, self.namespace_id, row.subject_id, wanted)
            self.mended += self._mend_details(kind, record) or differs
        self.transaction.flush()

    def _remember(self, kind: Kind, record: JsonObject) -> None:
        if kind is Kind.MODEL:
            self.models.append(record)
        if kind is Kind.MODEL_VERSION and record["run"]:
            self.runs[UUID(record["id"])] = UUID(record["run"]["id"])

    def _row_of(self, kind: Kind, event: AnyRow, record: JsonObject) -> dict[str, Any]:
        row = {
            "namespace_id": self.namespace_id,
            "id": event.subject_id,
            "revision": event.revision,
            "record": canonical_json(record),
            "created_at": record["created_at"],
            "updated_at": event.occurred_at,
            **columns_of(record),
        }
        if kind in BELONGS_TO:
            owner = owner_name(kind, record)
            row[BELONGS_TO[kind]] = self.names.get(owner) if owner else None
        if kind in (Kind.MODEL, Kind.SCHEMA, Kind.POLICY):
            row["last_version"] = max(self.numbers[record["name"]], default=0)
        return row

    def _mend_details(self, kind: Kind, record: JsonObject) -> bool:
        """Replace the detail rows of a record that differ; whether any did."""
        versioned = kind is Kind.MODEL_VERSION
        wanted = details_of(self.namespace_id, record, self.places.find_map(record) if versioned else None)
        sides = [(side_table(storage_map), "version_id") for storage_map in self.places.maps.values()] if versioned else []
        changed = False
        for table, column in (*DETAILS.get(kind, ()), *sides):
            rows = wanted.get(table, [])
            known = scanning.list_details(self.transaction.connection, table, self.namespace_id, column, [UUID(record["id"])])
            if _as_set(known) != _as_set(rows):
                facts.delete_details(self.transaction.connection, table, known)
                self.transaction.stage(table, *rows)
                changed = True
        return changed

    def _mend_aliases(self) -> None:
        connection = self.transaction.connection
        for record in self.models:
            rows = alias_rows(self.namespace_id, record, self.numbers[record["name"]])
            known = scanning.list_details(connection, aliases, self.namespace_id, "model_id", [UUID(record["id"])])
            if _as_set(known) != _as_set(rows):
                facts.delete_details(connection, aliases, known)
                self.transaction.stage(aliases, *rows)
                self.mended += 1
        self.transaction.flush()

    def _rebuild_graph(self) -> None:
        connection, namespace_id = self.transaction.connection, self.namespace_id
        purged = set(self.history.without_bytes.values())
        kept = [row._asdict() for row in scanning.iter_edges(connection, namespace_id) if row.event_id in purged]
        nodes = {
            subject_id: Found(subject_id, Kind(head.kind), head.name)
            for subject_id, head in self.history.heads.items()
            if head.kind in NODES
        }
        drawn = [
            (self.names[source], self.names[target], relation, role, basis, event_id, occurred_at)
            for (source, target, relation, role, basis), (event_id, occurred_at) in self.history.edges.items()
        ]
        pairs = [(source, target) for source, target, *_ in drawn] + [(row["source_id"], row["target_id"]) for row in kept]
        generations = _generations(nodes, pairs)
        withdrawn = self._keep_withdrawn(purged)
        facts.delete_rows(connection, lineage_edges, namespace_id)
        facts.delete_rows(connection, lineage_nodes, namespace_id)
        placed = {node_id: Found(node_id, node.kind, node.name, generations[node_id]) for node_id, node in nodes.items()}
        self.transaction.stage(
            lineage_nodes,
            *(
                {
                    "namespace_id": namespace_id,
                    "id": node.id,
                    "kind": node.kind.value,
                    "name": node.name,
                    "generation": node.generation,
                }
                for node in placed.values()
            ),
        )
        for source, target, relation, role, basis, event_id, occurred_at in drawn:
            if (target, source, relation, role, basis, event_id) in withdrawn:
                continue
            edge = Edge(placed[source], placed[target], relation, role, basis)
            self.transaction.stage(lineage_edges, edge_row(namespace_id, edge, self._about(edge), event_id, occurred_at))
        for row in kept:
            ends = {
                "source_generation": generations[row["source_id"]],
                "target_generation": generations[row["target_id"]],
            }
            self.transaction.stage(lineage_edges, row | ends)
        self._rebuild_withdrawn(placed, withdrawn)
        self.transaction.flush()

    def _about(self, edge: Edge) -> JsonObject:
        """As much of the record that an edge leads to as tells which run made the edge."""
        run = self.runs.get(edge.target.id)
        return {"kind": edge.target.kind.value, "run": {"id": str(run)} if run else None}

    def _keep_withdrawn(self, purged: set[UUID]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The withdrawn edges of which the log has no bytes left: they stay as they are."""
        return {
            (row.target_id, row.source_id, row.relation, row.role, row.basis, row.event_id): row._asdict()
            for row in scanning.iter_withdrawn_edges(self.transaction.connection, self.namespace_id)
            if not purged.isdisjoint({row.event_id, row.withdrawn_by})
        }

    def _rebuild_withdrawn(self, placed: dict[UUID, Found], kept: dict[tuple[Any, ...], dict[str, Any]]) -> None:
        namespace_id = self.namespace_id
        facts.delete_rows(self.transaction.connection, withdrawn_edges, namespace_id)
        self.transaction.stage(withdrawn_edges, *kept.values())
        for ((source, target, relation, role, basis), event_id), (begun, by, at) in self.history.withdrawn.items():
            edge = Edge(placed[self.names[source]], placed[self.names[target]], relation, role, basis)
            drawn = edge_row(namespace_id, edge, self._about(edge), event_id, begun)
            self.transaction.stage(withdrawn_edges, withdrawn_row(drawn, by, at))

    def _remove_strays(self, kind: Kind, known: set[UUID]) -> None:
        connection, table = self.transaction.connection, TABLES[kind]
        strays = [
            row.id for rows in scanning.iter_rows(connection, table, self.namespace_id) for row in rows if row.id not in known
        ]
        for stray in strays:
            sides = [(side_table(storage_map), "version_id") for storage_map in self.places.maps.values()]
            for details, column in (*DETAILS.get(kind, ()), *(sides if kind is Kind.MODEL_VERSION else ())):
                facts.delete_rows(connection, details, self.namespace_id, **{column: stray})
            if kind is Kind.RUN:
                for series in (run_metrics, run_series):
                    facts.delete_rows(connection, series, self.namespace_id, run_id=stray)
            facts.delete_rows(connection, table, self.namespace_id, id=stray)
        self.mended += len(strays)


def _as_set(rows: list[dict[str, Any]]) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(row.items())) for row in rows}


def _generations(nodes: dict[UUID, Found], pairs: list[tuple[UUID, UUID]]) -> dict[UUID, int]:
    """The longest way from a root to each node.

    Raises ConflictError when the edges go round in a circle.
    """
    following: dict[UUID, list[UUID]] = defaultdict(list)
    waits = dict.fromkeys(nodes, 0)
    for source, target in pairs:
        following[source].append(target)
        waits[target] += 1
    generations = dict.fromkeys(nodes, 0)
    ready = [node for node, count in waits.items() if count == 0]
    done = 0
    while ready:
        node = ready.pop()
        done += 1
        for target in following[node]:
            generations[target] = max(generations[target], generations[node] + 1)
            waits[target] -= 1
            if waits[target] == 0:
                ready.append(target)
    if done != len(nodes):
        message = "the lineage that the log tells goes round in a circle"
        raise ConflictError(message)
    return generations
