"""Where a search begins: at its most selective condition, or at an index that has the wanted order.

SQLite keeps no histograms, so the choice is made here, from counts of index entries; PostgreSQL gets the same statement and may
do better. What a condition holds for is counted up to a bound and remembered for a while.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.errors import MalformedInputError
from studbook.filters.tree import And
from studbook.schemas.definition import Store
from studbook.storage.dialects import read_first
from studbook.storage.searching.conditions import Compiled, checked_columns, compile_condition, measured
from studbook.storage.searching.unplaced import unplaced_value
from studbook.storage.side_tables import side_table
from studbook.storage.table_parts import head_of
from studbook.storage.tables import attribute_values, model_versions, parameters, registered_models, version_metrics, version_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from studbook.filters.ordering import Order
    from studbook.filters.tree import Expression
    from studbook.storage.searching.scope import Attribute, Scope

_VERSION: Final = model_versions.c
_TAGS: Final = version_tags.alias("ranked")
_PARAMETERS: Final = parameters.alias("ranked")
_MEMBERS: Final = attribute_values.alias("ranked")
_METRICS: Final = version_metrics.alias("ranked")
_BETTER: Final = version_metrics.alias("better")
# A condition that holds for so few is where to begin, whatever the others are.
_FEW: Final = 300
_COUNTED: Final = 200_000
# What it takes to check a row that is looked up, and to read the next entry of an index: only how they compare matters.
_ROW: Final = 10.0
_ENTRY: Final = 0.7
_REMEMBERED_SECONDS: Final = 60.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a search is sorted by: a value of each version, and the rows that have it in the order of an index."""

    rank: sa.ColumnElement[Any]
    descending: bool
    # The rows that hold the value, to begin with; None when it is a column of the version itself.
    source: sa.FromClause | None = None
    # Which of the rows, as an index answers it when the search begins there, and as a row at hand is checked.
    conditions: tuple[sa.ColumnElement[bool], ...] = ()
    given: tuple[sa.ColumnElement[bool], ...] = ()
    # What is checked of a row when all else holds.
    late: tuple[sa.ColumnElement[bool], ...] = ()
    version_id: sa.ColumnElement[Any] = _VERSION.id
    indexed: bool = True


def sort_by(order: Order | None, scope: Scope) -> Sorted:
    """The order of a search; without one, the newest first.

    Only versions that have the value are found. Of several metrics of a version the best in the sense of the order counts.
    Raises MalformedInputError for a field that nothing is sorted by.
    """
    if order is None:
        return Sorted(_VERSION.id, descending=True)
    attribute = scope.find(order.field)
    if attribute is not None:
        return _by_attribute(scope, attribute, order)
    name = order.field.name[0]
    if name in ("created_at", "number"):
        return Sorted(_VERSION[name], order.descending, indexed=name == "created_at")
    if name in _BY_ROWS:
        return _BY_ROWS[name](scope, order)
    message = f"nothing is sorted by {name!r}; use created_at, number, metrics.NAME, params.NAME, tags.KEY or an attribute"
    raise MalformedInputError.at("/order_by", "bad_order", message)


def _by_attribute(scope: Scope, attribute: Attribute, order: Order) -> Sorted:
    stored = attribute.stored
    if stored.store is Store.KEY_VALUE:

        def place(table: Any) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a table, or its columns alone
            here = [table.c.schema_number == attribute.map.number, table.c.attribute == stored.id]
            return [*here, table.c.key == order.field.name[-1], table.c.number.is_not(None)]

        members = _MEMBERS
        return _by_rows(order, members, members.c.number, place)
    if not attribute.ready:
        value = unplaced_value(attribute, scope)
        return Sorted(value, order.descending, given=(value.is_not(None),), indexed=False)
    side = side_table(attribute.map)
    column = side.c[stored.column]
    given = (read_first(column).is_not(None),)
    return Sorted(column, order.descending, side, (column.is_not(None),), given, (), side.c.version_id, stored.index)


def _by_rows(
    order: Order,
    table: sa.FromClause,
    value: sa.ColumnElement[Any],
    conditions: Callable[[Any], Sequence[sa.ColumnElement[bool]]],
    *late: sa.ColumnElement[bool],
) -> Sorted:
    indexed, given = tuple(conditions(table)), tuple(conditions(checked_columns(table)))
    return Sorted(value, order.descending, table, indexed, given, late, table.c.version_id)


def _by_parameter(_: Scope, order: Order) -> Sorted:
    table, name = _PARAMETERS, order.field.name[-1]
    return _by_rows(order, table, table.c.number, lambda rows: [rows.c.name == name, rows.c.number.is_not(None)])


def _by_tag(_: Scope, order: Order) -> Sorted:
    table, key = _TAGS, order.field.name[-1]
    return _by_rows(order, table, head_of(table.c.value), lambda rows: [rows.c.key == key])


def _by_metric(scope: Scope, order: Order) -> Sorted:
    table, better = _METRICS, _BETTER
    checked = checked_columns(better)
    beyond = checked.c.value > table.c.value if order.descending else checked.c.value < table.c.value
    outdone = sa.exists(
        sa.select(sa.literal_column("1"))
        .select_from(better)
        .where(
            better.c.namespace_id == scope.namespace_id,
            # Of the version rather than of its metric, so that it is asked when all else holds.
            better.c.version_id == _VERSION.id,
            *measured(checked, order.field),
            sa.or_(beyond, sa.and_(checked.c.value == table.c.value, better.c.position < table.c.position)),
        )
    ).correlate(table, model_versions)
    return _by_rows(order, table, table.c.value, lambda rows: measured(rows, order.field), sa.not_(outdone))


_BY_ROWS: Final = {"metrics": _by_metric, "params": _by_parameter, "tags": _by_tag}


@dataclass(frozen=True, slots=True)
class Plan:
    """A search as a statement without order and bounds, what it is sorted by, and the id that tells equals apart."""

    statement: sa.Select[Any]
    rank: sa.ColumnElement[Any]
    version_id: sa.ColumnElement[Any]
    descending: bool


def make_plan(
    connection: Connection,
    scope: Scope,
    expression: Expression | None,
    order: Order | None,
    columns: Sequence[sa.ColumnElement[Any]],
    parameters_: dict[str, Any],
    limit: int,
) -> Plan:
    """The statement of a search."""
    conjuncts = () if expression is None else expression.parts if isinstance(expression, And) else (expression,)
    parts = [compile_condition(part, scope) for part in conjuncts]
    sorted_by = sort_by(order, scope)
    begin = _choose(connection, scope, parts, sorted_by, parameters_, limit)
    if begin:
        return _from_conditions(scope, parts, begin, sorted_by, columns)
    return _from_order(scope, parts, sorted_by, columns)


def _choose(
    connection: Connection,
    scope: Scope,
    parts: list[Compiled],
    sorted_by: Sorted,
    parameters_: dict[str, Any],
    limit: int,
) -> list[Compiled]:
    """The condition to begin with, or the two whose common versions are taken; none to begin with the order."""
    listed = [part for part in parts if part.ids is not None]
    if not listed:
        return []
    counts = {part.text: _count(connection, scope, part, _FEW, parameters_) for part in listed}
    best = min(listed, key=lambda part: counts[part.text])
    if counts[best.text] < _FEW:
        return [best]
    counts = {part.text: _count(connection, scope, part, _COUNTED, parameters_) for part in listed}
    listed.sort(key=lambda part: counts[part.text])
    newest_first = sorted_by.source is None and sorted_by.rank is _VERSION.id
    ordered = [part for part in listed if part.in_order] if newest_first else []
    if ordered and counts[ordered[0].text] <= 2 * counts[listed[0].text]:
        return ordered[:1]
    return _cheapest(listed, counts, sorted_by, max(_count_versions(connection, scope.namespace_id), 1), limit)


def _cheapest(listed: list[Compiled], counts: dict[str, int], sorted_by: Sorted, every: int, limit: int) -> list[Compiled]:
    """The way that reads least, of conditions in the order of how rare they are; an index entry costs much less than a row."""
    shares = {part.text: min(counts[part.text] / every, 1.0) for part in listed}
    first = counts[listed[0].text]
    ways = [(first * _ROW, listed[:1])]
    if len(listed) > 1:
        second = counts[listed[1].text]
        ways.append(((first + second) * _ENTRY + first * shares[listed[1].text] * _ROW, listed[:2]))
    if sorted_by.indexed:
        # What is sorted by is not rarer among the first than among all.
        column = getattr(sorted_by.rank, "name", None)
        others = [
            part for part in listed if part.side is None or (part.side.table, part.side.column) != (sorted_by.source, column)
        ]
        share = math.prod(shares[part.text] for part in others)
        ways.append((limit / max(share, 1e-9) * _ROW, []))
    return min(ways, key=lambda way: way[0])[1]


def _from_conditions(
    scope: Scope, parts: list[Compiled], begin: list[Compiled], sorted_by: Sorted, columns: Sequence[sa.ColumnElement[Any]]
) -> Plan:
    others = [part for part in parts if part not in begin]
    first = begin[0]
    assert first.ids is not None  # noqa: S101 - chosen because it has them; for the type checker
    where: list[sa.ColumnElement[bool]] = []
    if len(begin) == 1 and first.side is not None:
        source: sa.FromClause = first.side.table
        version_id: sa.ColumnElement[Any] = source.c.version_id
        direct, others = _split(others, first.side.table)
        where = [source.c.namespace_id == scope.namespace_id, first.side.indexed, *direct]
    else:
        source = (first.ids if len(begin) == 1 else _ids_of_both(first.ids, begin[1].ids)).subquery("begun")
        version_id = source.c.version_id
    statement = _joined(scope, source, version_id, columns)
    if sorted_by.source is not None and sorted_by.source is not source:
        same = sa.and_(sorted_by.version_id == version_id, sorted_by.source.c.namespace_id == scope.namespace_id)
        statement = statement.join(sorted_by.source, same)
    rank = version_id if sorted_by.rank is _VERSION.id else sorted_by.rank
    checks = [part.check for part in others]
    return Plan(statement.where(*where, *sorted_by.given, *checks, *sorted_by.late), rank, version_id, sorted_by.descending)


def _ids_of_both(few: sa.Select[Any], more: sa.Select[Any] | None) -> sa.Select[Any]:
    """The ids that two conditions have in common: those of the second are gone through, and sought among those of the first."""
    assert more is not None  # noqa: S101 - chosen because it has them; for the type checker
    (version_id,) = more.selected_columns
    return more.where(read_first(version_id).in_(few))


def _from_order(scope: Scope, parts: list[Compiled], sorted_by: Sorted, columns: Sequence[sa.ColumnElement[Any]]) -> Plan:
    if sorted_by.source is None:
        checks = [part.check for part in parts]
        own_rows = _VERSION.namespace_id == scope.namespace_id
        statement = sa.select(*columns).where(own_rows, *sorted_by.given, *checks, *sorted_by.late)
        return Plan(statement, sorted_by.rank, _VERSION.id, sorted_by.descending)
    source, column = sorted_by.source, getattr(sorted_by.rank, "name", None)
    direct, others = _split(parts, source, column)
    statement = _joined(scope, source, sorted_by.version_id, columns)
    own = source.c.namespace_id == scope.namespace_id
    checks = [part.check for part in others]
    statement = statement.where(own, *sorted_by.conditions, *direct, *checks, *sorted_by.late)
    return Plan(statement, sorted_by.rank, sorted_by.version_id, sorted_by.descending)


def _split(
    parts: list[Compiled], table: sa.FromClause, indexed: str | None = None
) -> tuple[list[sa.ColumnElement[bool]], list[Compiled]]:
    """The conditions on columns of a table whose rows are at hand, and the other parts; an index is used for `indexed` alone."""
    direct, others = [], []
    for part in parts:
        if part.side is not None and part.side.table is table:
            direct.append(part.side.indexed if part.side.column == indexed else part.side.checked)
        else:
            others.append(part)
    return direct, others


def _joined(
    scope: Scope, source: sa.FromClause, version_id: sa.ColumnElement[Any], columns: Sequence[sa.ColumnElement[Any]]
) -> sa.Select[Any]:
    """The versions of a source's rows, which are read first."""
    same = sa.and_(_VERSION.namespace_id == scope.namespace_id, _VERSION.id == read_first(version_id))
    return sa.select(*columns).select_from(source.join(model_versions, same))


class _Counts:
    """How many versions conditions held for, as counted lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, tuple[float, int]] = OrderedDict()

    def find(self, key: Any) -> int | None:  # noqa: ANN401 - any key
        with self._lock:
            found = self._kept.get(key)
        return found[1] if found and time.monotonic() - found[0] < _REMEMBERED_SECONDS else None

    def keep(self, key: Any, count: int) -> None:  # noqa: ANN401 - any key
        with self._lock:
            self._kept[key] = (time.monotonic(), count)
            self._kept.move_to_end(key)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)


_counts: Final = _Counts()


def _count(connection: Connection, scope: Scope, part: Compiled, bound: int, parameters_: dict[str, Any]) -> int:
    """How many index entries a condition holds for, at most `bound`."""
    key = (str(connection.engine.url), scope.namespace_id, part.text, bound)
    count = _counts.find(key)
    if count is None:
        assert part.ids is not None  # noqa: S101 - asked of those alone; for the type checker
        bounded = part.ids.limit(bound).subquery("bounded")
        count = connection.execute(sa.select(sa.func.count()).select_from(bounded), parameters_).scalar_one()
        _counts.keep(key, count)
    return count


def _count_versions(connection: Connection, namespace_id: int) -> int:
    key = (str(connection.engine.url), namespace_id)
    count = _counts.find(key)
    if count is None:
        statement = sa.select(sa.func.sum(registered_models.c.last_version)).where(
            registered_models.c.namespace_id == namespace_id
        )
        count = int(connection.execute(statement).scalar_one() or 0)
        _counts.keep(key, count)
    return count
