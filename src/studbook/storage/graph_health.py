"""Reads what the lineage graph lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.lineage import Basis
from studbook.storage.dialects import bare_id, fetch_bare, is_packed_in, pack_ids
from studbook.storage.tables import lineage_edges, lineage_nodes, pending_references

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.engine import Connection

    from studbook.storage.dialects import BareId
    from studbook.storage.graph import AnyRow


def _orphans(namespace_id: int) -> sa.Select[Any]:
    """Model versions to which no edge leads."""
    n, e = lineage_nodes.c, lineage_edges.c
    led = sa.select(sa.literal(1)).where(e.namespace_id == namespace_id, e.target_id == n.id).exists()
    return sa.select(n.id, n.kind, n.name).where(n.namespace_id == namespace_id, n.kind == "model_version", ~led)


def list_orphans(connection: Connection, namespace_id: int, limit: int) -> Sequence[AnyRow]:
    """Model versions that come from nothing, oldest first: id, kind, name."""
    return connection.execute(_orphans(namespace_id).order_by(lineage_nodes.c.id).limit(limit)).all()


def count_orphans(connection: Connection, namespace_id: int, most: int) -> int:
    """How many model versions come from nothing, at most so many."""
    return _count(connection, _orphans(namespace_id), most)


# What waits, with the record that waits for it.
_WAITING: Final = pending_references.join(
    lineage_nodes,
    sa.and_(
        lineage_nodes.c.namespace_id == pending_references.c.namespace_id, lineage_nodes.c.id == pending_references.c.record_id
    ),
)


def _pending(namespace_id: int) -> sa.Select[Any]:
    p, n = pending_references.c, lineage_nodes.c
    return (
        sa.select(p.record_id, n.name, p.scheme, p.value, p.relation, p.basis)
        .select_from(_WAITING)
        .where(p.namespace_id == namespace_id)
    )


def list_pending(connection: Connection, namespace_id: int, limit: int) -> Sequence[AnyRow]:
    """References to what is not recorded, oldest record first: record_id, name, scheme, value, relation, basis."""
    p = pending_references.c
    ordered = _pending(namespace_id).order_by(p.record_id, p.scheme, p.value, p.relation)
    return connection.execute(ordered.limit(limit)).all()


def count_pending(connection: Connection, namespace_id: int, most: int) -> int:
    """How many references mean nothing yet, at most so many."""
    return _count(connection, _pending(namespace_id), most)


def list_pending_of(connection: Connection, namespace_id: int, ids: Collection[BareId]) -> list[tuple[BareId, str, str, str]]:
    """The references of these records, however many, to what is not recorded: id as `bare_id` gives it, name, scheme, value."""
    parameters = {"namespace": namespace_id, "ids": pack_ids(ids)}
    return fetch_bare(connection, _PENDING_OF, parameters) if ids else []


_PENDING_OF: Final = (
    sa.select(
        bare_id(pending_references.c.record_id).label("id"),
        lineage_nodes.c.name,
        pending_references.c.scheme,
        pending_references.c.value,
    )
    .select_from(_WAITING)
    .where(
        pending_references.c.namespace_id == sa.bindparam("namespace"),
        is_packed_in(pending_references.c.record_id, sa.bindparam("ids", type_=sa.types.NullType())),
    )
    .order_by(pending_references.c.record_id, pending_references.c.scheme, pending_references.c.value)
)


def _only_told(namespace_id: int) -> sa.Select[Any]:
    """Edges that somebody declared or a file says, and that nothing else shows."""
    e = lineage_edges.alias("shown").c
    c = lineage_edges.c
    told = (Basis.DECLARED.value, Basis.DERIVED.value)
    shown = (
        sa.select(sa.literal(1))
        .where(e.namespace_id == namespace_id, e.target_id == c.target_id, e.source_id == c.source_id, e.basis.not_in(told))
        .exists()
    )
    source, target = lineage_nodes.alias("source_node").c, lineage_nodes.alias("target_node").c
    ends = sa.and_(
        source.namespace_id == namespace_id,
        source.id == c.source_id,
        target.namespace_id == namespace_id,
        target.id == c.target_id,
    )
    return sa.select(source.name.label("source"), target.name.label("target"), c.relation).where(
        c.namespace_id == namespace_id, c.basis.in_(told), ~shown, ends
    )


def list_only_told(connection: Connection, namespace_id: int, limit: int) -> Sequence[AnyRow]:
    """Edges that are told and not shown by anything, in the order of the records they lead to: source, target, relation."""
    c = lineage_edges.c
    ordered = _only_told(namespace_id).order_by(c.target_id, c.source_id, c.relation)
    return connection.execute(ordered.limit(limit)).all()


def count_only_told(connection: Connection, namespace_id: int, most: int) -> int:
    """How many edges are told and not shown by anything, at most so many."""
    return _count(connection, _only_told(namespace_id), most)


def _count(connection: Connection, statement: sa.Select[Any], most: int) -> int:
    counted = sa.select(sa.func.count()).select_from(statement.limit(most).subquery())
    return connection.execute(counted).scalar_one()
