"""Datasets, runs and experiments: what versions come from."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from studbook.domain.names import Kind, parse_dataset_place
from studbook.http.answers import (
    DatasetAnswer,
    DatasetVersionAnswer,
    ExperimentAnswer,
    LoggedEventAnswer,
    PointAnswer,
    RunAnswer,
    answered,
    json_response,
    page,
    record_response,
)
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.data_answers import DriftAnswer, OverlapAnswer
from studbook.http.routes import AsOf, Filter, PathId, PathName
from studbook.services import data_comparison, history, listing, past, reading

router = APIRouter(tags=["data and runs"])

_OTHER: Final = "a number or `latest` of this dataset, `NAME/3`, or another reference"


@router.get("/datasets", responses=answered(page(DatasetAnswer)))
def list_datasets(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Datasets by name."""
    with session.database.read() as connection:
        return json_response(listing.list_datasets(connection, session.namespace_id, paging))


@router.get("/datasets/{dataset}", responses=answered(DatasetAnswer))
def get_dataset(session: CurrentSession, dataset: PathName, as_of: AsOf = None) -> Response:
    """A dataset, as it is or was."""
    with session.database.read() as connection:
        if as_of is not None:
            return record_response(past.get_dataset(connection, session.namespace_id, dataset, as_of))
        return record_response(reading.get_dataset(connection, session.namespace_id, dataset))


@router.get("/datasets/{dataset}/versions", responses=answered(page(DatasetVersionAnswer)))
def list_dataset_versions(session: CurrentSession, dataset: PathName, paging: CurrentPaging) -> Response:
    """The versions of a dataset, newest first."""
    with session.database.read() as connection:
        return json_response(listing.list_dataset_versions(connection, session.namespace_id, dataset, paging))


@router.get("/datasets/{dataset}/versions/{version}", responses=answered(DatasetVersionAnswer))
def get_dataset_version(session: CurrentSession, dataset: PathName, version: PathName, as_of: AsOf = None) -> Response:
    """A dataset version by its number, or as `latest`; as it is or was."""
    place = parse_dataset_place(dataset, version)
    with session.database.read() as connection:
        if as_of is not None:
            return record_response(past.get_dataset_version(connection, session.namespace_id, place, as_of))
        return record_response(reading.get_dataset_version(connection, session.namespace_id, place))


@router.get("/datasets/{dataset}/versions/{version}/drift", responses=answered(DriftAnswer))
def find_drift(
    session: CurrentSession,
    dataset: PathName,
    version: PathName,
    against: Annotated[str | None, Query(min_length=1, max_length=1024, description=_OTHER)] = None,
) -> Response:
    """How columns drifted since another version of the data; since the one before, unless `against` names another."""
    place = parse_dataset_place(dataset, version)
    with session.database.read() as connection:
        return json_response(data_comparison.find_drift(connection, session.namespace_id, place, against))


@router.get("/datasets/{dataset}/versions/{version}/overlap", responses=answered(OverlapAnswer))
def estimate_overlap(
    session: CurrentSession,
    dataset: PathName,
    version: PathName,
    with_: Annotated[str, Query(alias="with", min_length=1, max_length=1024, description=_OTHER)],
) -> Response:
    """How many distinct rows two dataset versions share, as the sketches recorded with them tell."""
    place = parse_dataset_place(dataset, version)
    with session.database.read() as connection:
        return json_response(data_comparison.estimate_overlap(connection, session.namespace_id, place, with_))


@router.get("/datasets/{dataset}/history", responses=answered(page(LoggedEventAnswer)))
def list_dataset_history(session: CurrentSession, dataset: PathName, paging: CurrentPaging) -> Response:
    """Every event of a dataset, newest first."""
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.DATASET, dataset, paging))


@router.get("/datasets/{dataset}/versions/{version}/history", responses=answered(page(LoggedEventAnswer)))
def list_dataset_version_history(
    session: CurrentSession, dataset: PathName, version: PathName, paging: CurrentPaging
) -> Response:
    """Every event of a dataset version, newest first."""
    place = parse_dataset_place(dataset, version)
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.DATASET_VERSION, place, paging))


@router.get("/runs/{run}/history", responses=answered(page(LoggedEventAnswer)))
def list_run_history(session: CurrentSession, run: PathId, paging: CurrentPaging) -> Response:
    """Every event of a run, newest first."""
    with session.database.read() as connection:
        return json_response(history.list_history(connection, session.namespace_id, Kind.RUN, run, paging))


@router.get("/runs", responses=answered(page(RunAnswer)))
def list_runs(
    session: CurrentSession, paging: CurrentPaging, experiment: Filter = None, status: Filter = None, job: Filter = None
) -> Response:
    """Runs, newest first."""
    with session.database.read() as connection:
        body = listing.list_runs(connection, session.namespace_id, paging, experiment=experiment, status=status, job=job)
    return json_response(body)


@router.get("/runs/{run}", responses=answered(RunAnswer))
def get_run(session: CurrentSession, run: PathId, as_of: AsOf = None) -> Response:
    """A run, as it is or was."""
    with session.database.read() as connection:
        if as_of is not None:
            return record_response(past.get_by_id(connection, Kind.RUN, session.namespace_id, run, as_of))
        return record_response(reading.get_by_id(connection, Kind.RUN, session.namespace_id, run))


@router.get("/runs/{run}/metrics", responses=answered(page(PointAnswer)))
def list_run_metrics(session: CurrentSession, run: PathId, paging: CurrentPaging, name: Filter = None) -> Response:
    """The points of a run's metric series."""
    with session.database.read() as connection:
        return json_response(listing.list_run_metrics(connection, session.namespace_id, run, name, paging))


@router.get("/experiments", responses=answered(page(ExperimentAnswer)))
def list_experiments(session: CurrentSession, paging: CurrentPaging) -> Response:
    """Experiments by name."""
    with session.database.read() as connection:
        return json_response(listing.list_experiments(connection, session.namespace_id, paging))
