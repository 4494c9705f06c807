"""What it takes to make a version again, and whether a re-run did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from studbook.domain.names import parse_place
from studbook.http.answers import answered, json_response
from studbook.http.auth import CurrentSession
from studbook.http.recipe_answers import RecipeAnswer, ReproductionAnswer
from studbook.http.routes import PathName
from studbook.services import reproduction

router = APIRouter(tags=["versions"])

_Tolerance = Annotated[
    list[Annotated[str, Query(max_length=1024)]],
    Query(
        max_length=1000,
        description="how far a metric may lie from the original's, as an absolute difference: `0.01` for all metrics, "
        "`auc=0.005` for one by name, or by name and what it was measured on. Without it they must be equal",
    ),
]


@router.get("/models/{model}/versions/{version}/recipe", responses=answered(RecipeAnswer))
def get_recipe(session: CurrentSession, model: PathName, version: PathName) -> Response:
    """What it takes to make a version again, as far as it was recorded, and how complete that is."""
    place = parse_place(model, version)
    with session.database.read() as connection:
        return json_response(reproduction.get_recipe(connection, session.namespace_id, place))


@router.get("/models/{model}/versions/{version}/recipe/verification", responses=answered(ReproductionAnswer))
def verify_reproduction(
    session: CurrentSession,
    model: PathName,
    version: PathName,
    other: Annotated[
        str,
        Query(min_length=1, max_length=1024, description="what a re-run registered: a number, `latest`, `@alias`, `NAME/3` …"),
    ],
    tolerance: _Tolerance = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Whether another version reproduced this one: the same inputs, parents, code, parameters, seeds, environment and metrics."""
    place = parse_place(model, version)
    with session.database.read() as connection:
        found = reproduction.verify_reproduction(connection, session.namespace_id, place, other, tolerance)
    return json_response(found)
