"""Attributes that are not in their places yet: asked of the records themselves, slower and as right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from studbook.domain.pointers import pointer
from studbook.filters.tree import Comparison, Exists, Membership, Operator
from studbook.schemas.definition import Aggregate, Store, ValueType
from studbook.storage.dialects import attribute_of
from studbook.storage.searching.comparing import begins_with, compare, stored_value
from studbook.storage.tables import model_versions, registered_models, version_metrics

if TYPE_CHECKING:
    from studbook.storage.searching.scope import Attribute, Scope


def compare_unplaced(attribute: Attribute, leaf: Comparison | Membership | Exists, scope: Scope) -> sa.ColumnElement[bool]:
    """A condition on an attribute whose column or rows are being filled."""
    models = sa.select(registered_models.c.id).where(
        registered_models.c.namespace_id == scope.namespace_id, registered_models.c.schema_id == attribute.map.schema_id
    )
    return sa.and_(model_versions.c.model_id.in_(models), _matches(attribute, leaf, scope))


def _matches(attribute: Attribute, leaf: Comparison | Membership | Exists, scope: Scope) -> sa.ColumnElement[bool]:
    stored = attribute.stored
    if stored.store is Store.KEY_VALUE:
        return _matches_member((*stored.path.steps, leaf.field.name[-1]), leaf)
    value = unplaced_value(attribute, scope)
    day = stored.type is ValueType.DATE
    if isinstance(leaf, Exists):
        return value.is_not(None)
    if isinstance(leaf, Membership):
        return value.in_([stored_value(one, scope.now, day=day) for one in leaf.values])
    return compare(value, leaf.operator, stored_value(leaf.value, scope.now, day=day))


def _matches_member(steps: tuple[str, ...], leaf: Comparison | Membership | Exists) -> sa.ColumnElement[bool]:
    if isinstance(leaf, Exists):
        return sa.or_(*(_member(steps, kind).is_not(None) for kind in (ValueType.STRING, ValueType.NUMBER, ValueType.BOOLEAN)))
    if isinstance(leaf, Membership):
        return sa.or_(*(_compare_member(steps, Operator.EQUAL, value) for value in leaf.values))
    if leaf.operator is Operator.NOT_EQUAL:
        given = sa.or_(*(_member(steps, kind).is_not(None) for kind in (ValueType.STRING, ValueType.NUMBER, ValueType.BOOLEAN)))
        return sa.and_(given, sa.not_(sa.func.coalesce(_compare_member(steps, Operator.EQUAL, leaf.value), sa.false())))
    return _compare_member(steps, leaf.operator, leaf.value)


def _compare_member(steps: tuple[str, ...], operator: Operator, value: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - a scalar
    if isinstance(value, bool):
        return compare(_member(steps, ValueType.BOOLEAN), operator, int(value))
    if isinstance(value, int | float):
        return compare(_member(steps, ValueType.NUMBER), operator, float(value))
    return compare(_member(steps, ValueType.STRING), operator, value)


def _member(steps: tuple[str, ...], kind: ValueType) -> sa.ColumnElement[Any]:
    return attribute_of(model_versions.c.record, steps, kind)


def unplaced_value(attribute: Attribute, scope: Scope) -> sa.ColumnElement[Any]:
    """The value that an attribute's column will have, of the version at hand."""
    stored = attribute.stored
    if stored.path.metric is None:
        return attribute_of(model_versions.c.record, stored.path.steps, stored.type, pointer(stored.path.steps))
    name, dataset, split = stored.path.metric
    table = version_metrics.alias("unplaced")
    conditions = [
        table.c.namespace_id == scope.namespace_id,
        table.c.version_id == model_versions.c.id,
        table.c.name == name,
        table.c.slice.is_(None),
    ]
    if dataset is not None:
        conditions.append(begins_with(table.c.dataset, f"datasets/{dataset}/versions/"))
    if split is not None:
        conditions.append(table.c.split == split)
    if stored.aggregate is Aggregate.LAST:
        chosen = sa.select(table.c.value).where(*conditions).order_by(table.c.position.desc()).limit(1)
    else:
        reduce = sa.func.max if stored.aggregate is Aggregate.MAX else sa.func.min
        chosen = sa.select(reduce(table.c.value)).where(*conditions)
    return chosen.correlate(model_versions).scalar_subquery()
