"""Edges to records that are there already: their generation is raised where it must be, and an event of theirs says why."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import Access
from studbook.domain.errors import StudbookError
from studbook.domain.events import Action
from studbook.domain.lineage import Basis, DataRelation
from studbook.domain.names import Kind
from studbook.services.caller import Caller
from studbook.services.edges import Edge, each_once
from studbook.services.ingestion.resolution import DATA, Arrival, load_record
from studbook.services.lineage.verifying import with_verified
from studbook.services.recording import Recorder
from studbook.storage import graph
from studbook.storage.reading import find_by_id
from studbook.storage.references import find_nodes
from studbook.storage.tables import linking_backlog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from studbook.domain.canonical import JsonObject
    from studbook.services.ingestion.resolution import Resolution
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.references import Found
    from studbook.storage.unit_of_work import Transaction

_log = logging.getLogger(__name__)
# References that are resolved in the transaction of whoever arrives; a thread of the registry goes on with the rest.
_AT_ONCE: Final = 100
# Edges that a signature confirms in its transaction; of a version from which more was made by digest the rest stays matched.
_CONFIRMED: Final = 1_000
_PAUSE_SECONDS: Final = 0.005


@dataclass(slots=True)
class Linking:
    """Draws edges to records that are there, in one transaction."""

    transaction: Transaction
    namespace_id: int
    # What was drawn, and what could not be, with the recorder of whoever it is to be told.
    linked: list[tuple[Recorder, Edge]] = field(default_factory=list)
    refused: list[tuple[Recorder, str]] = field(default_factory=list)

    def draw(
        self,
        recorder: Recorder,
        target: Found,
        edges: Sequence[Edge],
        action: Action,
        detail: JsonObject,
        change: Callable[[JsonObject], JsonObject] = lambda record: record,
    ) -> list[Edge]:
        """Draw those of the edges to one record that are not drawn yet, with one event of that record; returns them.

        `change` gives the record after the event.

        Raises graph.CircleError, graph.TooManyBehindError; nothing is stored then but generations.
        """
        connection = self.transaction.connection
        self.transaction.flush()
        row = find_by_id(connection, target.kind, self.namespace_id, target.id, lock=True)
        assert row is not None  # noqa: S101 - whoever calls has found it; for the type checker
        known = {
            (drawn.source_id, drawn.relation, drawn.role, drawn.basis)
            for drawn in graph.list_edges_into(connection, self.namespace_id, target.id, [edge.source.id for edge in edges])
        }
        fresh = [edge for edge in each_once(edges) if (edge.source.id, edge.relation, edge.role, edge.basis) not in known]
        for edge in fresh:
            graph.lift(connection, self.namespace_id, edge.source.id, target.id)
        record = load_record(row.record)
        changed = change(record)
        if not fresh and changed == record:
            return []
        placed = find_nodes(connection, self.namespace_id, [target.id, *(edge.source.id for edge in fresh)])
        drawn = [Edge(placed[edge.source.id], placed[target.id], edge.relation, edge.role, edge.basis) for edge in fresh]
        recorder.amend(action, row, changed, edges=drawn, detail=detail)
        self.transaction.flush()
        self.linked += [(recorder, edge) for edge in drawn]
        return drawn

    def link_arrivals(self, arrivals: Sequence[Arrival]) -> None:
        """Link whoever waited for what these records carry, and recorded data with the bytes of their artifacts."""
        carried = {identifier: arrival for arrival in reversed(arrivals) for identifier in arrival.carried}
        if not carried:
            return
        connection = self.transaction.connection
        waiting = graph.list_waiting(connection, self.namespace_id, carried, _AT_ONCE + 1)
        for row in waiting[:_AT_ONCE]:
            self.resolve(carried[row.scheme, row.value], row)
        if len(waiting) > _AT_ONCE:
            self.transaction.stage(
                linking_backlog,
                *(
                    {"namespace_id": self.namespace_id, "record_id": arrival.found.id, "scheme": scheme, "value": value}
                    for (scheme, value), arrival in carried.items()
                ),
            )
        self._link_copies(arrivals)

    def resolve(self, arrival: Arrival, row: AnyRow) -> bool:
        """Link a record that waited; whether its reference means the arrival from now on."""
        if row.record_id == arrival.found.id:
            return False
        connection = self.transaction.connection
        target = find_nodes(connection, self.namespace_id, [row.record_id]).get(row.record_id)
        wanted = DATA if target is not None and target.kind is Kind.DATASET_VERSION else {Kind.MODEL_VERSION}
        if target is None or arrival.found.kind not in wanted:
            return False
        reference = f"{row.scheme}:{row.value}"

        def settled(record: JsonObject) -> JsonObject:
            meant = {"name": arrival.found.name, "id": str(arrival.found.id)}
            entries = [
                {**entry, "resolved": meant} if (entry["ref"], entry["relation"]) == (reference, row.relation) else entry
                for entry in record["references"]
            ]
            return {**record, "references": entries}

        basis = Basis.MATCHED if row.scheme == "sha256" else row.basis
        edges = with_verified(connection, self.namespace_id, [Edge(arrival.found, target, row.relation, basis=basis)])
        detail = {"reference": reference, "arrived": arrival.found.name}
        return self.attempt(arrival.recorder, target, edges, Action.LINEAGE_LINKED, detail, settled)

    def _link_copies(self, arrivals: Sequence[Arrival]) -> None:
        """Data that was recorded before the model version whose artifact it is."""
        made = {f"sha256:{value}": arrival for arrival in reversed(arrivals) for scheme, value in arrival.carried
                if scheme == "sha256" and arrival.found.kind is Kind.MODEL_VERSION}  # fmt: skip
        if not made:
            return
        connection = self.transaction.connection
        for row in graph.find_data_with_digest(connection, self.namespace_id, made, _AT_ONCE):
            arrival = made[row.digest]
            target = find_nodes(connection, self.namespace_id, [row.id])[row.id]
            if graph.has_input(connection, self.namespace_id, target.id, DataRelation.COPY_OF):
                continue
            edge = Edge(arrival.found, target, DataRelation.COPY_OF, basis=Basis.MATCHED)
            detail = {"reference": row.digest, "arrived": arrival.found.name}
            self.attempt(arrival.recorder, target, [edge], Action.LINEAGE_LINKED, detail)

    def confirm(self, recorder: Recorder, signed: Found, signature: JsonObject) -> None:
        """Draw beside the edges that lead out of a signed version by a matching digest that they are verified."""
        connection = self.transaction.connection
        rows = graph.list_edges_from(connection, self.namespace_id, signed.id, Basis.MATCHED.value, _CONFIRMED)
        targets = find_nodes(connection, self.namespace_id, {row.target_id for row in rows})
        detail = {"signed": signed.name, "statement": signature["statement_digest"], "key": signature["key"]}
        for row in rows:
            target = targets[row.target_id]
            edge = Edge(signed, target, row.relation, row.role, Basis.VERIFIED)
            self.attempt(recorder, target, [edge], Action.LINEAGE_LINKED, detail)

    def attempt(
        self,
        recorder: Recorder,
        target: Found,
        edges: Sequence[Edge],
        action: Action,
        detail: JsonObject,
        change: Callable[[JsonObject], JsonObject] = lambda record: record,
    ) -> bool:
        """As `draw`; what stands against it is told with `refused`, and returned as False."""
        try:
            self.draw(recorder, target, edges, action, detail, change)
        except graph.CircleError:
            reason = "one of them would be its own ancestor"
        except graph.TooManyBehindError:
            reason = f"more than {graph.MOVE_LIMIT:,} records came of it, too many to be moved at once"
        except StudbookError as error:
            reason = error.detail
        else:
            return True
        sources = ", ".join(edge.source.name for edge in edges)
        message = f"{target.name} is not linked to {sources}: {reason}"
        self.refused.append((recorder, message))
        _log.warning("%s", message)
        return False


def link(transaction: Transaction, namespace_id: int, resolution: Resolution) -> Linking:
    """Draw what the staged documents of a transaction leave to be drawn to records that were there before."""
    linking = Linking(transaction, namespace_id)
    for recorder, target, edges in resolution.late:
        linking.attempt(recorder, target, edges, Action.LINEAGE_DECLARED, {"reason": None})
    linking.link_arrivals(resolution.arrivals)
    return linking


def link_backlog(database: Database, stop: threading.Event) -> None:
    """Go on with what arrivals left to be linked, a transaction at a time."""
    with database.read() as connection:
        rows = graph.list_backlog(connection, _AT_ONCE)
    for row in rows:
        while not stop.is_set() and database.work.run(partial(_link_further, row=row)):
            # Those who wait to write come first.
            stop.wait(_PAUSE_SECONDS)


def _link_further(transaction: Transaction, row: Any) -> bool:  # noqa: ANN401 - a row of the backlog
    """Resolve the next references of an arrival; returns whether more may be left."""
    connection, namespace_id = transaction.connection, row.namespace_id
    found = find_nodes(connection, namespace_id, [row.record_id]).get(row.record_id)
    waiting = graph.list_waiting(connection, namespace_id, [(row.scheme, row.value)], _AT_ONCE) if found else ()
    done = 0
    if found is not None and waiting:
        record = load_record(find_by_id(connection, found.kind, namespace_id, found.id).record)  # type: ignore[union-attr]
        caller = Caller(namespace_id, record["namespace"], record["created_by"], Access.WRITE, "registry")
        arrival = Arrival(found, Recorder(transaction, caller), [(row.scheme, row.value)])
        linking = Linking(transaction, namespace_id)
        done = sum(linking.resolve(arrival, waits) for waits in waiting)
    # What cannot be linked goes on waiting, and is told among the references that mean nothing yet.
    if done == 0:
        graph.end_backlog(connection, row)
    return done > 0
