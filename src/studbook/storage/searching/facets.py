"""Fields whose values are counted among what is found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.schemas.definition import Store, ValueType
from studbook.storage.side_tables import side_table
from studbook.storage.tables import aliases, model_versions, parameters, registered_models, runs, version_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.filters.tree import Field
    from studbook.storage.searching.scope import Attribute, Scope


@dataclass(frozen=True, slots=True)
class Facet:
    """The column that holds a field's values, how its rows are joined to versions' ids, and what is shown of a stored value."""

    value: sa.ColumnElement[Any]
    table: sa.FromClause
    same: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]
    shown: Callable[[Any], Any] = lambda value: value
    # Through the version's own row.
    through: sa.FromClause | None = None


def find_facet(field: Field, scope: Scope) -> Facet | None:
    """The facet that a field is, or None when its values are not counted."""
    attribute = scope.find(field)
    if attribute is not None:
        return _of_attribute(attribute, scope.namespace_id)
    for name in (".".join(field.name), ".".join(field.name[:-1])):
        if name in _FACETS:
            return _FACETS[name](field.name[-1], scope.namespace_id)
    return None


def _of_attribute(attribute: Attribute, namespace_id: int) -> Facet | None:
    stored = attribute.stored
    if stored.store is not Store.COLUMN or not stored.facet or not attribute.ready:
        return None
    side = side_table(attribute.map)
    return _beside(side.c[stored.column], namespace_id, shown=bool if stored.type is ValueType.BOOLEAN else _as_it_is)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - what a column keeps
    return value


def _beside(
    value: sa.Column[Any],
    namespace_id: int,
    *conditions: sa.ColumnElement[bool],
    shown: Callable[[Any], Any] = _as_it_is,
) -> Facet:
    table: Any = value.table
    return Facet(
        value, table, lambda id_: sa.and_(table.c.namespace_id == namespace_id, table.c.version_id == id_, *conditions), shown
    )


def _through(value: sa.Column[Any], table: sa.Table, reference: sa.Column[Any], namespace: int) -> Facet:
    version = model_versions.c
    through = model_versions.join(table, sa.and_(table.c.namespace_id == version.namespace_id, table.c.id == reference))
    return Facet(value, table, lambda id_: sa.and_(version.namespace_id == namespace, version.id == id_), through=through)


def _of_run(column: sa.Column[Any]) -> Callable[[str, int], Facet]:
    return lambda _, namespace_id: _through(column, runs, model_versions.c.run_id, namespace_id)


_FACETS: Final[dict[str, Callable[[str, int], Facet]]] = {
    "model": lambda _, namespace_id: _through(
        registered_models.c.name, registered_models, model_versions.c.model_id, namespace_id
    ),
    "alias": lambda _, namespace_id: _beside(aliases.c.name, namespace_id),
    "run.kind": _of_run(runs.c.kind),
    "run.status": _of_run(runs.c.status),
    "run.job": _of_run(runs.c.job),
    "tags": lambda key, namespace_id: _beside(version_tags.c.value, namespace_id, version_tags.c.key == key),
    "params": lambda name, namespace_id: _beside(parameters.c.value, namespace_id, parameters.c.name == name, shown=json.loads),
}
# What is counted besides attributes; of the sets, each key by itself.
FACETS: Final = tuple(_FACETS)
