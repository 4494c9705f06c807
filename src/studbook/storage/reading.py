"""Reads of single records."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from studbook.domain.names import ByAlias, ByNumber, Kind
from studbook.storage.tables import (
    aliases,
    api_tokens,
    attestations,
    change_requests,
    dataset_versions,
    datasets,
    deployments,
    experiments,
    findings,
    legal_holds,
    log_keys,
    logs,
    model_versions,
    policies,
    policy_versions,
    recalls,
    registered_models,
    retention_classes,
    reviews,
    runs,
    schema_definitions,
    schema_versions,
    verdicts,
    waivers,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.engine import Connection, Row

TABLES: Final = {
    Kind.MODEL: registered_models,
    Kind.MODEL_VERSION: model_versions,
    Kind.DATASET: datasets,
    Kind.DATASET_VERSION: dataset_versions,
    Kind.RUN: runs,
    Kind.EXPERIMENT: experiments,
    Kind.DEPLOYMENT: deployments,
    Kind.TOKEN: api_tokens,
    Kind.LOG: logs,
    Kind.LOG_KEY: log_keys,
    Kind.RETENTION_CLASS: retention_classes,
    Kind.LEGAL_HOLD: legal_holds,
    Kind.SCHEMA: schema_definitions,
    Kind.SCHEMA_VERSION: schema_versions,
    Kind.POLICY: policies,
    Kind.POLICY_VERSION: policy_versions,
    Kind.VERDICT: verdicts,
    Kind.CHANGE_REQUEST: change_requests,
    Kind.ATTESTATION: attestations,
    Kind.WAIVER: waivers,
    Kind.FINDING: findings,
    Kind.RECALL: recalls,
    Kind.REVIEW: reviews,
}


def columns(table: sa.Table, *more: sa.Column[Any]) -> sa.Select[Any]:
    """A selection of what a record is shown from."""
    return sa.select(table.c.id, table.c.revision, table.c.record, table.c.updated_at, *more)


def find_by_id(connection: Connection, kind: Kind, namespace_id: int, record_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """A record by its id."""
    table = TABLES[kind]
    statement = columns(table).where(table.c.namespace_id == namespace_id, table.c.id == record_id)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def find_by_ids(connection: Connection, kind: Kind, namespace_id: int, record_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """The records with these ids, in no order; those that are not there are left out."""
    if not record_ids:
        return []
    table = TABLES[kind]
    statement = columns(table).where(table.c.namespace_id == namespace_id, table.c.id.in_(list(record_ids)))
    return connection.execute(statement).all()


def find_by_name(connection: Connection, kind: Kind, namespace_id: int, name: str, *, lock: bool = False) -> Row[Any] | None:
    """A model, dataset or experiment by its name; a model with `last_version`."""
    table = TABLES[kind]
    more = [table.c.last_version] if kind is Kind.MODEL else []
    statement = columns(table, *more).where(table.c.namespace_id == namespace_id, table.c.name == name)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def find_version(connection: Connection, namespace_id: int, place: ByNumber | ByAlias, *, lock: bool = False) -> Row[Any] | None:
    """A model version by number, latest or alias, with `model_id`; one statement."""
    statement, parameters = _version_query(namespace_id, place, "locked" if lock else "plain")
    return connection.execute(statement, parameters).one_or_none()


def find_version_with_aliases(
    connection: Connection, namespace_id: int, place: ByNumber | ByAlias
) -> tuple[Row[Any], list[str]] | None:
    """A model version and the names of its aliases in order; one statement."""
    statement, parameters = _version_query(namespace_id, place, "shown")
    rows = connection.execute(statement, parameters).all()
    return (rows[0], [row.alias for row in rows if row.alias is not None]) if rows else None


def find_version_mark(connection: Connection, namespace_id: int, place: ByNumber | ByAlias) -> tuple[Row[Any], list[str]] | None:
    """Of a model version only id and revision, and the names of its aliases in order; one statement."""
    statement, parameters = _version_query(namespace_id, place, "mark")
    rows = connection.execute(statement, parameters).all()
    return (rows[0], [row.alias for row in rows if row.alias is not None]) if rows else None


def find_model_mark(connection: Connection, namespace_id: int, name: str) -> Row[Any] | None:
    """Of a model only id, revision and `last_version`."""
    return connection.execute(_MODEL_MARK, {"namespace": namespace_id, "model": name}).one_or_none()


def find_alias_mark(connection: Connection, namespace_id: int, model: str, alias: str) -> int | None:
    """The revision of the model that has this alias."""
    parameters = {"namespace": namespace_id, "model": model, "alias": alias}
    revision: int | None = connection.execute(_ALIAS_MARK, parameters).scalar_one_or_none()
    return revision


_MODEL_MARK: Final[sa.Select[Any]] = sa.select(
    registered_models.c.id, registered_models.c.revision, registered_models.c.last_version
).where(registered_models.c.namespace_id == sa.bindparam("namespace"), registered_models.c.name == sa.bindparam("model"))
_ALIAS_MARK: Final[sa.Select[Any]] = (
    sa.select(registered_models.c.revision)
    .select_from(
        registered_models.join(
            aliases,
            sa.and_(aliases.c.namespace_id == registered_models.c.namespace_id, aliases.c.model_id == registered_models.c.id),
        )
    )
    .where(
        registered_models.c.namespace_id == sa.bindparam("namespace"),
        registered_models.c.name == sa.bindparam("model"),
        aliases.c.name == sa.bindparam("alias"),
    )
)


def _version_query(namespace_id: int, place: ByNumber | ByAlias, purpose: str) -> tuple[sa.Select[Any], dict[str, Any]]:
    if isinstance(place, ByAlias):
        return _version_statement("alias", purpose), {"namespace": namespace_id, "model": place.model, "alias": place.alias}
    if place.number is None:
        return _version_statement("latest", purpose), {"namespace": namespace_id, "model": place.name}
    parameters = {"namespace": namespace_id, "model": place.name, "number": place.number}
    return _version_statement("number", purpose), parameters


@functools.cache
def _version_statement(form: str, purpose: str) -> sa.Select[Any]:
    """Built once for each form: composing a statement takes longer than running it."""
    if purpose == "mark":
        chosen = sa.select(model_versions.c.id, model_versions.c.revision)
    else:
        chosen = columns(model_versions, model_versions.c.model_id, model_versions.c.number)
    statement = chosen.select_from(
        registered_models.join(
            model_versions,
            sa.and_(
                model_versions.c.namespace_id == registered_models.c.namespace_id,
                model_versions.c.model_id == registered_models.c.id,
            ),
        )
    ).where(registered_models.c.namespace_id == sa.bindparam("namespace"), registered_models.c.name == sa.bindparam("model"))
    if form == "alias":
        named = sa.select(aliases.c.version_id).where(
            aliases.c.namespace_id == registered_models.c.namespace_id,
            aliases.c.model_id == registered_models.c.id,
            aliases.c.name == sa.bindparam("alias"),
        )
        statement = statement.where(model_versions.c.id == named.scalar_subquery())
    else:
        number = registered_models.c.last_version if form == "latest" else sa.bindparam("number")
        statement = statement.where(model_versions.c.number == number)
    if purpose == "locked":
        return statement.with_for_update(of=model_versions)
    if purpose in {"shown", "mark"}:
        known = aliases.alias("known")
        same = sa.and_(known.c.namespace_id == model_versions.c.namespace_id, known.c.version_id == model_versions.c.id)
        return statement.add_columns(known.c.name.label("alias")).outerjoin(known, same).order_by(known.c.name)
    return statement


def find_dataset_version(connection: Connection, namespace_id: int, place: ByNumber) -> Row[Any] | None:
    """A dataset version by number or latest."""
    statement = (
        columns(dataset_versions)
        .select_from(
            datasets.join(
                dataset_versions,
                sa.and_(
                    dataset_versions.c.namespace_id == datasets.c.namespace_id, dataset_versions.c.dataset_id == datasets.c.id
                ),
            )
        )
        .where(datasets.c.namespace_id == namespace_id, datasets.c.name == place.name)
        .order_by(dataset_versions.c.number.desc())
        .limit(1)
    )
    if place.number is not None:
        statement = statement.where(dataset_versions.c.number == place.number)
    return connection.execute(statement).one_or_none()


def find_aliases(connection: Connection, namespace_id: int, version_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The aliases of each of these versions, in the order of their names."""
    found: dict[UUID, list[str]] = {}
    for version_id, name in connection.execute(_ALIASES, {"namespace": namespace_id, "ids": list(version_ids)}):
        found.setdefault(version_id, []).append(name)
    return found


_ALIASES: Final = (
    sa.select(aliases.c.version_id, aliases.c.name)
    .where(aliases.c.namespace_id == sa.bindparam("namespace"), aliases.c.version_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(aliases.c.name)
)
