"""Each condition of a filter as SQL, in two forms: as a check of one version, and as the versions it holds for.

Rows beside a version (a tag, a parameter, a metric, an attribute's column) are reached both ways: by version through the key of
their table, by value through an index. Which way is taken is decided in `plans`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.canonical import canonical_json
from studbook.domain.names import quoted
from studbook.filters.printing import format_filter
from studbook.filters.tree import And, Comparison, Exists, Field, Membership, Not, Operator, Or, Related
from studbook.schemas.definition import Store, ValueType
from studbook.storage.dialects import BigInteger, read_first
from studbook.storage.searching.comparing import (
    begins_with,
    compare,
    compare_long,
    compare_scalar,
    equals_any_long,
    scalar_in,
    stored_value,
)
from studbook.storage.searching.lineage import select_related
from studbook.storage.searching.unplaced import compare_unplaced
from studbook.storage.side_tables import side_table
from studbook.storage.tables import (
    aliases,
    attribute_values,
    events,
    experiments,
    model_tags,
    model_versions,
    owners,
    parameters,
    registered_models,
    runs,
    schema_definitions,
    version_metrics,
    version_tags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from studbook.filters.tree import Expression
    from studbook.storage.searching.scope import Attribute, Scope

    Leaf = Comparison | Membership | Exists

_VERSION: Final = model_versions.c
# Fields that are columns of a version's own row.
# A filter may name a greater number than a version can have.
COLUMNS: Final = {"number": sa.type_coerce(_VERSION.number, BigInteger), "created_at": _VERSION.created_at}
# Made once, since an alias costs as much as the rest of a condition.
_TAG: Final = version_tags.alias("tag")
_PARAMETER: Final = parameters.alias("parameter")
_METRIC: Final = version_metrics.alias("metric")
_MEMBER: Final = attribute_values.alias("member")
_RUN_COLUMNS: Final = {"kind": runs.c.kind, "status": runs.c.status, "job": runs.c.job, "commit": runs.c.code_commit}


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A condition on a column of a definition's own table: as an index may answer it, and as a row at hand is checked."""

    table: sa.Table
    column: str
    indexed: sa.ColumnElement[bool]
    checked: sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A condition: what it checks of the version at hand, and the ids of the versions it holds for, where they can be listed.

    `in_order` says that an index lists them in the order of their ids, which is that of time.
    """

    text: str
    check: sa.ColumnElement[bool]
    ids: sa.Select[Any] | None = None
    in_order: bool = False
    side: Side | None = None


class CheckedColumns:
    """A table whose rows are reached by version: of its columns only those of its key are looked up by."""

    def __init__(self, table: sa.FromClause) -> None:
        key = {column.name for column in table.primary_key}
        self.c = SimpleNamespace(**{column.name: column if column.name in key else read_first(column) for column in table.c})


@functools.cache
def checked_columns(table: sa.FromClause) -> CheckedColumns:
    """The columns of a table as they are checked."""
    return CheckedColumns(table)


def compile_condition(expression: Expression, scope: Scope) -> Compiled:
    """A checked expression as SQL."""
    text = format_filter(expression)
    if isinstance(expression, And | Or):
        join = sa.and_ if isinstance(expression, And) else sa.or_
        return Compiled(text, join(*(compile_condition(part, scope).check for part in expression.parts)))
    if isinstance(expression, Not):
        # What is not known does not hold, and then its negation does.
        return Compiled(text, sa.not_(sa.func.coalesce(compile_condition(expression.part, scope).check, sa.false())))
    if isinstance(expression, Related):
        ids = select_related(scope.namespace_id, expression)
        return Compiled(text, _VERSION.id.in_(ids), ids)
    return _compile_leaf(text, expression, scope)


def _compile_leaf(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    attribute = scope.find(leaf.field)
    if attribute is not None:
        return _compile_attribute(text, leaf, attribute, scope)
    first, *rest = leaf.field.name
    if first in COLUMNS:
        return _compile_column(text, leaf, COLUMNS[first], scope)
    if not rest:
        return _SINGLE[first](text, leaf, scope)
    return _DOTTED[first](text, leaf, scope)


def _matches(column: sa.ColumnElement[Any], leaf: Leaf, scope: Scope, *, day: bool = False) -> sa.ColumnElement[bool]:
    """A column of one type against a leaf's value or values."""
    if isinstance(leaf, Exists):
        return column.is_not(None)
    if isinstance(leaf, Membership):
        return column.in_([stored_value(value, scope.now, day=day) for value in leaf.values])
    return compare(column, leaf.operator, stored_value(leaf.value, scope.now, day=day))


def _long_matches(column: sa.ColumnElement[Any], leaf: Leaf) -> list[sa.ColumnElement[bool]]:
    """Text of any length against a leaf's value or values."""
    if isinstance(leaf, Exists):
        return []
    if isinstance(leaf, Membership):
        return equals_any_long(column, [str(value) for value in leaf.values])
    return compare_long(column, leaf.operator, str(leaf.value))


def _is_equality(leaf: Leaf) -> bool:
    return isinstance(leaf, Comparison) and leaf.operator is Operator.EQUAL


def _compile_column(text: str, leaf: Leaf, column: sa.ColumnElement[Any], scope: Scope) -> Compiled:
    condition = _matches(column, leaf, scope)
    # A number alone has no index: it is asked for within a model.
    if leaf.field.name[0] == "number":
        return Compiled(text, condition)
    return Compiled(text, condition, _of_versions(scope, condition))


def _of_versions(scope: Scope, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(_VERSION.id.label("version_id")).where(_VERSION.namespace_id == scope.namespace_id, condition)


def _beside(
    text: str,
    scope: Scope,
    table: sa.FromClause,
    conditions: Callable[[Any], Sequence[sa.ColumnElement[bool]]],
    *,
    in_order: bool = False,
    once: bool = True,
) -> Compiled:
    """A condition on rows beside versions; `once` says that a version has at most one such row."""
    own = table.c.namespace_id == scope.namespace_id
    row: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table)
    check = sa.exists(row.where(own, table.c.version_id == _VERSION.id, *conditions(checked_columns(table))))
    ids = sa.select(table.c.version_id.label("version_id")).where(own, *conditions(table))
    return Compiled(text, check.correlate(model_versions), ids if once else ids.distinct(), in_order)


def _compile_model(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    return _of_models(text, scope, [_matches(registered_models.c.name, leaf, scope)])


def _of_models(
    text: str, scope: Scope, conditions: Sequence[sa.ColumnElement[bool]], joined: sa.FromClause | None = None
) -> Compiled:
    """A condition on the versions' models."""
    models = sa.select(registered_models.c.id).where(registered_models.c.namespace_id == scope.namespace_id, *conditions)
    if joined is not None:
        models = models.select_from(joined)
    check = _VERSION.model_id.in_(models)
    return Compiled(text, check, _of_versions(scope, check))


def _compile_owner(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    both = sa.or_(*(sa.and_(*_long_matches(column, leaf) or [column.is_not(None)]) for column in (owners.c.name, owners.c.email)))
    joined = registered_models.join(
        owners, sa.and_(owners.c.namespace_id == registered_models.c.namespace_id, owners.c.model_id == registered_models.c.id)
    )
    return _of_models(text, scope, [both], joined)


def _compile_schema(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    if isinstance(leaf, Exists):
        return _of_models(text, scope, [registered_models.c.schema_id.is_not(None)])
    named = sa.select(schema_definitions.c.id).where(
        schema_definitions.c.namespace_id == scope.namespace_id, _matches(schema_definitions.c.name, leaf, scope)
    )
    return _of_models(text, scope, [registered_models.c.schema_id.in_(named)])


def _compile_alias(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    return _beside(
        text, scope, aliases, lambda table: [] if isinstance(leaf, Exists) else [_matches(table.c.name, leaf, scope)], once=False
    )


def _compile_archived(text: str, leaf: Leaf, _: Scope) -> Compiled:
    column = _VERSION.archived_at
    if isinstance(leaf, Exists):
        return Compiled(text, sa.true())
    wanted = leaf.values if isinstance(leaf, Membership) else (leaf.value,)
    negated = isinstance(leaf, Comparison) and leaf.operator is Operator.NOT_EQUAL
    kinds = {bool(value) != negated for value in wanted}
    return Compiled(text, sa.or_(*(column.is_not(None) if kind else column.is_(None) for kind in kinds)))


def _compile_creator(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    made = events.alias("made")
    conditions = [made.c.action == "model_version.registered"]
    if not isinstance(leaf, Exists):
        conditions.append(_matches(made.c.actor, leaf, scope))
    within = (made.c.namespace_id == scope.namespace_id, *conditions)
    check = sa.exists(
        sa.select(sa.literal_column("1")).select_from(made).where(*within, made.c.subject_id == _VERSION.id, made.c.revision == 1)
    )
    return Compiled(text, check.correlate(model_versions), sa.select(made.c.subject_id.label("version_id")).where(*within))


def _compile_tag(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    key = leaf.field.name[-1]
    return _beside(
        text,
        scope,
        _TAG,
        lambda table: [table.c.key == key, *_long_matches(table.c.value, leaf)],
        in_order=_is_equality(leaf),
    )


def _compile_model_tag(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    joined = registered_models.join(
        model_tags,
        sa.and_(model_tags.c.namespace_id == registered_models.c.namespace_id, model_tags.c.model_id == registered_models.c.id),
    )
    return _of_models(text, scope, [model_tags.c.key == leaf.field.name[-1], *_long_matches(model_tags.c.value, leaf)], joined)


def _compile_parameter(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    name = leaf.field.name[-1]
    return _beside(
        text,
        scope,
        _PARAMETER,
        lambda table: [table.c.name == name, *_scalar_matches(table, leaf)],
        in_order=_is_equality(leaf),
    )


def _scalar_matches(table: Any, leaf: Leaf) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a table, or its columns alone
    if isinstance(leaf, Exists):
        return []
    if isinstance(leaf, Membership):
        return scalar_in(table, leaf.values)
    return compare_scalar(table, leaf.operator, leaf.value)


def measured(table: Any, field: Field) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a table, or its columns alone
    """Which metrics a field means: of its name, on the dataset or split it is qualified by, on the whole or on one slice."""
    conditions = [table.c.name == field.name[-1]]
    if field.labels:
        conditions.append(table.c.slice == canonical_json(dict(field.labels)).decode())
    else:
        conditions.append(table.c.slice.is_(None))
    if (where := field.qualifier) is not None:
        dataset = where if where.startswith("datasets/") else f"datasets/{quoted(where)}"
        conditions.append(
            sa.or_(table.c.split == where, table.c.dataset == dataset, begins_with(table.c.dataset, f"{dataset}/versions/"))
        )
    return conditions


def _compile_metric(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    def conditions(table: Any) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a table, or its columns alone
        value = [] if isinstance(leaf, Exists) else [_matches(table.c.value, leaf, scope)]
        return measured(table, leaf.field) + value

    return _beside(text, scope, _METRIC, conditions, once=False)


def _compile_run(text: str, leaf: Leaf, scope: Scope) -> Compiled:
    field = leaf.field.name[-1]
    chosen = sa.select(runs.c.id).where(runs.c.namespace_id == scope.namespace_id)
    if field == "experiment":
        named = sa.select(experiments.c.id).where(
            experiments.c.namespace_id == scope.namespace_id,
            *([] if isinstance(leaf, Exists) else [_matches(experiments.c.name, leaf, scope)]),
        )
        chosen = chosen.where(runs.c.experiment_id.in_(named))
    else:
        chosen = chosen.where(_matches(_RUN_COLUMNS[field], leaf, scope))
    run = chosen.where(runs.c.id == _VERSION.run_id).correlate(model_versions)
    return Compiled(text, sa.exists(run), _of_versions(scope, _VERSION.run_id.in_(chosen)))


def _compile_attribute(text: str, leaf: Leaf, attribute: Attribute, scope: Scope) -> Compiled:
    stored = attribute.stored
    if not attribute.ready:
        return Compiled(text, compare_unplaced(attribute, leaf, scope))
    if stored.store is Store.KEY_VALUE:
        return _compile_member(text, leaf, attribute, scope)
    table, day = side_table(attribute.map), stored.type is ValueType.DATE

    def condition(rows: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - a table, or its columns alone
        return _matches(getattr(rows.c, stored.column), leaf, scope, day=day)

    found = _beside(text, scope, table, lambda rows: [condition(rows)], in_order=_is_equality(leaf))
    side = Side(table, stored.column, condition(table), condition(checked_columns(table)))
    return replace(found, ids=found.ids if stored.index else None, side=side)


def _compile_member(text: str, leaf: Leaf, attribute: Attribute, scope: Scope) -> Compiled:
    def conditions(table: Any) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a table, or its columns alone
        place = [table.c.schema_number == attribute.map.number, table.c.attribute == attribute.stored.id]
        return [*place, table.c.key == leaf.field.name[-1], *_scalar_matches(table, leaf)]

    return _beside(text, scope, _MEMBER, conditions, in_order=_is_equality(leaf))


_SINGLE: Final[dict[str, Callable[[str, Any, Scope], Compiled]]] = {
    "model": _compile_model,
    "owner": _compile_owner,
    "schema": _compile_schema,
    "alias": _compile_alias,
    "archived": _compile_archived,
    "created_by": _compile_creator,
}
_DOTTED: Final[dict[str, Callable[[str, Any, Scope], Compiled]]] = {
    "tags": _compile_tag,
    "model": _compile_model_tag,
    "params": _compile_parameter,
    "metrics": _compile_metric,
    "run": _compile_run,
}
