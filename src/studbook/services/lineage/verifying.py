"""Edges that a signature confirms: their digest matched, and whoever signed the source signed that digest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studbook.domain.lineage import Basis
from studbook.domain.names import Kind
from studbook.services.ingestion.resolution import load_record
from studbook.storage.reading import find_by_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from studbook.services.edges import Edge
    from studbook.storage.references import Found


def with_verified(connection: Connection, namespace_id: int, edges: Sequence[Edge]) -> list[Edge]:
    """The edges, and beside each that leads out of a signed version by a matching digest one that says that it is verified."""
    matched = [edge for edge in edges if edge.basis == Basis.MATCHED and edge.source.kind is Kind.MODEL_VERSION]
    verified = [replace(edge, basis=Basis.VERIFIED) for edge in matched if _is_signed(connection, namespace_id, edge.source)]
    return [*edges, *verified]


def _is_signed(connection: Connection, namespace_id: int, version: Found) -> bool:
    # A version of this very transaction is not stored yet, and has no signature either.
    row = find_by_id(connection, Kind.MODEL_VERSION, namespace_id, version.id)
    return row is not None and bool(load_record(row.record).get("signatures"))
