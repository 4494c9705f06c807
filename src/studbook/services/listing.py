"""Pages of records, and search, as JSON bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studbook.domain.errors import MalformedInputError, NotFoundError
from studbook.domain.names import ByAlias, ByNumber, Kind, dataset_name, parse_reference
from studbook.domain.paging import Page, read_page
from studbook.services.reading import get_by_id, get_record, missing_definition, missing_policy, missing_version, show
from studbook.storage import governance, reading, schemas
from studbook.storage import listing as storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection, Row

    from studbook.domain.canonical import JsonObject

_VALUE_FIELDS = ("name", "value", "dataset", "split", "slice", "step", "recorded_at")
_POINT_FIELDS = ("name", "step", "value", "recorded_at")


@dataclass(frozen=True, slots=True)
class Paging:
    """What a request says of the page it wants."""

    size: int
    token: str | None

    def read(self, query: str, *types: type) -> Page:
        """The page, for the list that `query` names."""
        return read_page(self.size, self.token, query, types)


def list_by_id(paging: Paging, query: str, rows_of: Callable[[tuple[UUID] | None, int], Sequence[Row[Any]]]) -> bytes:
    """A page of a list in the order of ids."""
    page = paging.read(query, str)
    return _page_of(rows_of(_after_id(page), page.size), page, _by_id)


def list_models(
    connection: Connection, namespace_id: int, paging: Paging, *, prefix: str | None, tag: str | None, archived: bool
) -> bytes:
    """Models by name."""
    page = paging.read(f"models {namespace_id} {prefix} {tag} {archived}", str)
    wanted = _read_tag(tag)
    rows = storage.list_models(connection, namespace_id, page.after, page.size, prefix=prefix, tag=wanted, archived=archived)
    return _page_of(rows, page, lambda row: (row.name,), lambda row: {"latest_version": row.last_version or None})


def list_versions(connection: Connection, namespace_id: int, model: str, paging: Paging) -> bytes:
    """The versions of a model, newest first."""
    head = reading.find_by_name(connection, Kind.MODEL, namespace_id, model)
    if head is None:
        raise NotFoundError(f"there is no model {model!r}")
    page = paging.read(f"versions {namespace_id} {model}", int)
    rows = storage.list_versions(connection, namespace_id, page.after, page.size, model_id=head.id)
    return _page_of_versions(connection, namespace_id, rows, page, lambda row: (row.number,))


def list_schemas(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """Schema definitions by name."""
    page = paging.read(f"schemas {namespace_id}", str)
    rows = storage.list_schemas(connection, namespace_id, page.after, page.size)
    return _page_of(rows, page, lambda row: (row.name,), lambda row: {"latest_version": row.last_version or None})


def list_schema_versions(connection: Connection, namespace_id: int, name: str, paging: Paging) -> bytes:
    """The versions of a schema definition, newest first."""
    head = schemas.find_definition(connection, namespace_id, name)
    if head is None:
        raise missing_definition(name)
    page = paging.read(f"schema versions {namespace_id} {name}", int)
    rows = storage.list_schema_versions(connection, namespace_id, page.after, page.size, schema_id=head.id)
    return _page_of(rows, page, lambda row: (row.number,))


def list_policies(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """Policies by name."""
    page = paging.read(f"policies {namespace_id}", str)
    rows = governance.list_policies(connection, namespace_id, page.after, page.size)
    return _page_of(rows, page, lambda row: (row.name,), lambda row: {"latest_version": row.last_version or None})


def list_policy_versions(connection: Connection, namespace_id: int, name: str, paging: Paging) -> bytes:
    """The versions of a policy, newest first."""
    head = governance.find_policy(connection, namespace_id, name)
    if head is None:
        raise missing_policy(name)
    page = paging.read(f"policy versions {namespace_id} {name}", int)
    rows = governance.list_policy_versions(connection, namespace_id, page.after, page.size, policy_id=head.id)
    return _page_of(rows, page, lambda row: (row.number,))


def list_datasets(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """Datasets by name."""
    page = paging.read(f"datasets {namespace_id}", str)
    rows = storage.list_datasets(connection, namespace_id, page.after, page.size)
    return _page_of(rows, page, lambda row: (row.name,))


def list_experiments(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """Experiments by name."""
    page = paging.read(f"experiments {namespace_id}", str)
    rows = storage.list_experiments(connection, namespace_id, page.after, page.size)
    return _page_of(rows, page, lambda row: (row.name,))


def list_dataset_versions(connection: Connection, namespace_id: int, dataset: str, paging: Paging) -> bytes:
    """The versions of a dataset, newest first."""
    head = reading.find_by_name(connection, Kind.DATASET, namespace_id, dataset)
    if head is None:
        raise NotFoundError(f"there is no {dataset_name(dataset)}")
    page = paging.read(f"dataset versions {namespace_id} {dataset}", int)
    rows = storage.list_dataset_versions(connection, namespace_id, page.after, page.size, dataset_id=head.id)
    return _page_of(rows, page, lambda row: (row.number,))


def list_runs(
    connection: Connection, namespace_id: int, paging: Paging, *, experiment: str | None, status: str | None, job: str | None
) -> bytes:
    """Runs, newest first."""
    experiment_id = None
    if experiment is not None:
        row = reading.find_by_name(connection, Kind.EXPERIMENT, namespace_id, experiment)
        if row is None:
            raise NotFoundError(f"there is no experiment {experiment!r}")
        experiment_id = row.id
    page = paging.read(f"runs {namespace_id} {experiment} {status} {job}", str)
    rows = storage.list_runs(
        connection, namespace_id, _after_id(page), page.size, experiment_id=experiment_id, status=status, job=job
    )
    return _page_of(rows, page, _by_id)


def list_deployments(
    connection: Connection, namespace_id: int, paging: Paging, *, version: str | None, status: str | None
) -> bytes:
    """Deployments, newest first."""
    version_id = None
    if version is not None:
        version_id = get_record(connection, namespace_id, parse_reference(version), version).id
    page = paging.read(f"deployments {namespace_id} {version} {status}", str)
    rows = storage.list_deployments(connection, namespace_id, _after_id(page), page.size, version_id=version_id, status=status)
    return _page_of(rows, page, _by_id)


def list_tokens(connection: Connection, namespace_id: int, paging: Paging) -> bytes:
    """API tokens, newest first; never the secrets."""
    page = paging.read(f"tokens {namespace_id}", str)
    return _page_of(storage.list_tokens(connection, namespace_id, _after_id(page), page.size), page, _by_id)


def list_version_metrics(
    connection: Connection, namespace_id: int, place: ByNumber | ByAlias, name: str | None, paging: Paging
) -> bytes:
    """Every value recorded for a version, in the order they were recorded."""
    version = reading.find_version(connection, namespace_id, place)
    if version is None:
        raise missing_version(place)
    page = paging.read(f"metrics {version.id} {name}", int)
    rows = storage.list_version_metrics(connection, namespace_id, page.after, page.size, version_id=version.id, name=name)
    return page_of_values(rows, page, lambda row: (row.position,), _metric)


def list_run_metrics(connection: Connection, namespace_id: int, run_id: UUID, name: str | None, paging: Paging) -> bytes:
    """The points of a run's metric series, by name and then in the order they were logged."""
    get_by_id(connection, Kind.RUN, namespace_id, run_id)
    page = paging.read(f"series {run_id} {name}", str, int)
    rows = storage.list_run_metrics(connection, namespace_id, page.after, page.size, run_id=run_id, name=name)
    return page_of_values(rows, page, lambda row: (row.name, row.position), _point)


def _read_tag(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    key, colon, value = text.partition(":")
    if not colon or not key:
        raise MalformedInputError.at("/tag", "bad_tag", "write a tag as key:value")
    return key, value


def _by_id(row: Any) -> tuple[str]:  # noqa: ANN401 - a row of any record's table
    return (str(row.id),)


def _after_id(page: Page) -> tuple[UUID] | None:
    return (read_id(page.after[0]),) if page.after else None


def read_id(text: str) -> UUID:
    """The id in a page token.

    Raises MalformedInputError.
    """
    try:
        return UUID(text)
    except ValueError:
        message = "the page token is damaged; begin the list again"
        raise MalformedInputError.at("/page_token", "bad_page_token", message) from None


def _page_of(
    rows: Sequence[Row[Any]],
    page: Page,
    key: Callable[[Any], tuple[Any, ...]],
    extra: Callable[[Any], JsonObject] = lambda _: {},
) -> bytes:
    return join_page([show(row, extra(row)).body for row in rows[: page.size]], _next_token(rows, page, key))


def _page_of_versions(
    connection: Connection,
    namespace_id: int,
    rows: Sequence[Row[Any]],
    page: Page,
    key: Callable[[Any], tuple[Any, ...]],
) -> bytes:
    shown = rows[: page.size]
    known = reading.find_aliases(connection, namespace_id, [row.id for row in shown]) if shown else {}
    return _page_of(rows, page, key, lambda row: {"aliases": known.get(row.id, [])})


def page_of_values(
    rows: Sequence[Row[Any]],
    page: Page,
    key: Callable[[Any], tuple[Any, ...]],
    value: Callable[[Any], JsonObject],
) -> bytes:
    """A page of what is no record: each row as the value it stands for."""
    shown = [json.dumps(value(row), ensure_ascii=False).encode() for row in rows[: page.size]]
    return join_page(shown, _next_token(rows, page, key))


def _metric(row: Any) -> JsonObject:  # noqa: ANN401 - a row of the metrics' table
    value = {name: getattr(row, name) for name in _VALUE_FIELDS}
    return {**value, "slice": json.loads(row.slice) if row.slice else None}


def _point(row: Any) -> JsonObject:  # noqa: ANN401 - a row of the series' table
    return {name: getattr(row, name) for name in _POINT_FIELDS}


def _next_token(rows: Sequence[Row[Any]], page: Page, key: Callable[[Any], tuple[Any, ...]]) -> str | None:
    return page.token(key(rows[page.size - 1])) if len(rows) > page.size else None


def join_page(shown: list[bytes], token: str | None, more: JsonObject | None = None) -> bytes:
    """A page as JSON bytes, with further members."""
    rest = b"," + json.dumps(more, ensure_ascii=False).encode()[1:] if more else b"}"
    return b'{"items":[' + b",".join(shown) + b'],"next_page_token":' + json.dumps(token).encode() + rest
