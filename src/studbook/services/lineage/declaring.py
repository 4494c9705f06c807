"""Edges that somebody declares, or withdraws: an event of the record that the edge leads to, and its reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from studbook.domain.documents import Access, Relation
from studbook.domain.errors import ConflictError, InvalidDocumentError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.lineage import DataRelation
from studbook.domain.names import Kind, parse_reference
from studbook.governance.gates import Gate, Passage
from studbook.services.edges import Edge, withdrawn_row
from studbook.services.governance.gates import Question, pass_gate, settled
from studbook.services.governance.subjects import stored_version
from studbook.services.ingestion.resolution import load_record
from studbook.services.lineage.linking import Linking
from studbook.services.reading import Shown, get_record
from studbook.services.recording import Recorder
from studbook.storage import facts, graph
from studbook.storage.reading import find_by_id
from studbook.storage.references import find_nodes
from studbook.storage.tables import lineage_edges, withdrawn_edges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.documents import NewEdge, WithdrawnEdge
    from studbook.domain.errors import StudbookError
    from studbook.services.caller import Caller
    from studbook.storage.database import Database
    from studbook.storage.graph import AnyRow
    from studbook.storage.references import Found
    from studbook.storage.unit_of_work import Transaction

# Which records a relation that is declared leads from and to; the others are drawn by what runs and deployments show.
_ENDS: Final = {
    **{relation.value: (frozenset({Kind.MODEL_VERSION}), Kind.MODEL_VERSION) for relation in Relation},
    **{
        relation.value: (frozenset({Kind.DATASET_VERSION, Kind.MODEL_VERSION}), Kind.DATASET_VERSION) for relation in DataRelation
    },
}


def declare_edge(database: Database, caller: Caller, document: NewEdge) -> Shown:
    """Declare that one record comes from another. What is declared already is left as it is, and no event tells of it.

    Raises NotFoundError, InvalidDocumentError, ConflictError for an edge that would close a circle, PolicyDeniedError.
    """
    caller.require(Access.WRITE)

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        source, target = _ends(transaction, caller, document.source, document.target)
        sources, kind = _ENDS[document.relation]
        if source.kind not in sources or target.kind is not kind:
            message = f"{target.name} cannot be {document.relation} {source.name}: this relation leads to a {kind.value}"
            raise InvalidDocumentError.at("/relation", "wrong_kind", message)
        if refused := _ask(recorder, target):
            return refused
        edge = Edge(source, target, document.relation)
        try:
            drawn = Linking(transaction, caller.namespace_id).draw(
                recorder, target, [edge], Action.LINEAGE_DECLARED, {"reason": document.reason}
            )
        except graph.CircleError:
            message = f"{source.name} comes from {target.name}; nothing is its own ancestor"
            raise ConflictError.at("/source", "lineage_cycle", message) from None
        except graph.TooManyBehindError:
            message = f"more than {graph.MOVE_LIMIT:,} records came of {target.name}, too many to be moved behind {source.name}"
            raise ConflictError.at("/target", "lineage_too_large", message) from None
        return _shown(recorder, drawn)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def withdraw_edge(database: Database, caller: Caller, document: WithdrawnEdge) -> Shown:
    """Withdraw what is said of two records: with `relation`, `role` and `basis` one edge, else every edge from one to the other.

    An edge that is withdrawn is kept, for questions about the past. The records stay as they are.

    Raises NotFoundError where there is no such edge, PermissionDeniedError for whoever is no administrator, PolicyDeniedError.
    """
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown | StudbookError:
        recorder = Recorder(transaction, caller)
        source, target = _ends(transaction, caller, document.source, document.target)
        row = find_by_id(transaction.connection, target.kind, caller.namespace_id, target.id, lock=True)
        rows = [
            drawn
            for drawn in graph.list_edges_into(transaction.connection, caller.namespace_id, target.id, [source.id])
            if _is_meant(drawn, document)
        ]
        if row is None or not rows:
            raise NotFoundError(
                f"no such edge leads from {source.name} to {target.name}; see what is drawn with GET lineage/edges"
            )
        if refused := _ask(recorder, target):
            return refused
        edges = [Edge(source, target, drawn.relation, drawn.role, drawn.basis) for drawn in rows]
        detail = {"edges": [edge.as_entry() for edge in edges], "reason": document.reason}
        event_id = recorder.amend(Action.LINEAGE_WITHDRAWN, row, load_record(row.record), detail=detail)
        drawn_rows = [drawn._asdict() for drawn in rows]
        facts.delete_details(transaction.connection, lineage_edges, drawn_rows)
        transaction.stage(withdrawn_edges, *(withdrawn_row(drawn, event_id, recorder.now) for drawn in drawn_rows))
        transaction.flush()
        return _shown(recorder, edges)

    return settled(database.work.run(change))  # type: ignore[no-any-return]


def _shown(recorder: Recorder, edges: Sequence[Edge]) -> Shown:
    events = [event.as_json() for event in recorder.recorded]
    body = json.dumps({"edges": [edge.as_json() for edge in edges], "events": events}, ensure_ascii=False).encode()
    return Shown(body, "").after(recorder)


def _is_meant(drawn: AnyRow, document: WithdrawnEdge) -> bool:
    return (
        document.relation in {None, drawn.relation}
        and document.role in {None, drawn.role}
        and document.basis in {None, drawn.basis}
    )


def _ends(transaction: Transaction, caller: Caller, source: str, target: str) -> tuple[Found, Found]:
    connection, namespace_id = transaction.connection, caller.namespace_id
    ends = []
    for text, place in ((source, "/source"), (target, "/target")):
        found = get_record(connection, namespace_id, parse_reference(text), text)
        node = find_nodes(connection, namespace_id, [found.id]).get(found.id)
        if node is None:
            raise InvalidDocumentError.at(place, "wrong_kind", f"{found.name} has no place in the lineage; name a version or run")
        ends.append(node)
    return ends[0], ends[1]


def _ask(recorder: Recorder, target: Found) -> StudbookError | None:
    """What policies say of changing where a version comes from."""
    if target.kind is not Kind.MODEL_VERSION:
        return None
    connection, namespace_id = recorder.transaction.connection, recorder.caller.namespace_id
    row = find_by_id(connection, target.kind, namespace_id, target.id)
    assert row is not None  # noqa: S101 - a node has its record; for the type checker
    record = load_record(row.record)
    subject = stored_version(connection, namespace_id, record, recorder.now, old=record)
    return pass_gate(recorder, Question(Passage(Gate.CHANGE), subject, recorder.caller, recorder.now))
