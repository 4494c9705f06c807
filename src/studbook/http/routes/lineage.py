"""The lineage graph: a part of it, questions about it, and edges that are declared or withdrawn."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from studbook.domain.documents import NewEdge, WithdrawnEdge
from studbook.domain.names import Kind, parse_reference
from studbook.http.answers import answered, json_response
from studbook.http.auth import CurrentSession, Session
from studbook.http.bodies import body_of
from studbook.http.downloads import Download
from studbook.http.lineage_answers import (
    ExplanationAnswer,
    HealthAnswer,
    ImpactAnswer,
    InheritedAnswer,
    LineageAnswer,
    LineageDiffAnswer,
    PathsAnswer,
    RedrawnAnswer,
    SharedAnswer,
)
from studbook.http.receipts import Wait, WaitFor, written
from studbook.http.routes import PREFIX, AsOf, body_schema
from studbook.services import past, reading
from studbook.services.lineage import comparing, declaring, explaining, exporting, health, impact, inheriting, paths, scene
from studbook.services.lineage.exporting import LineageFormat
from studbook.services.lineage.walking import DEPTH_LIMIT, NODE_LIMIT
from studbook.storage.references import Found

router = APIRouter(prefix="/lineage", tags=["lineage"])

_Reference = Annotated[str, Query(min_length=1, max_length=1024)]
_From = Annotated[str, Query(alias="from", min_length=1, max_length=1024)]
_Node = Annotated[str, Path(max_length=2048, description="a reference, such as models/churn/versions/3")]
# What has a place in the graph.
_NodeKind = Literal[Kind.MODEL_VERSION, Kind.DATASET_VERSION, Kind.RUN, Kind.DEPLOYMENT]

# The media type of each format and how its file is called.
_FILES: Final = {
    LineageFormat.MERMAID: ("text/vnd.mermaid", "lineage.mmd"),
    LineageFormat.DOT: ("text/vnd.graphviz", "lineage.dot"),
    LineageFormat.GRAPHML: ("application/graphml+xml", "lineage.graphml"),
    LineageFormat.PROV: ("application/json", "lineage.prov.json"),
    LineageFormat.OPENLINEAGE: ("application/x-ndjson", "lineage.openlineage.jsonl"),
    LineageFormat.CSV_NODES: ("text/csv", "nodes.csv"),
    LineageFormat.CSV_EDGES: ("text/csv", "edges.csv"),
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {media_type: {} for media_type, _ in _FILES.values()}, "description": "the graph in the format asked for"}
}


def _record(connection: Any, session: Session, text: str) -> Found:  # noqa: ANN401 - a connection of storage
    return reading.get_record(connection, session.namespace_id, parse_reference(text), text)


def _in_path(text: str) -> str:
    """A resource name keeps its own percent-encoding; any other reference in a path is decoded here."""
    return text if text.startswith(("models/", "datasets/", "runs/", "deployments/")) else unquote(text)


def _time(connection: Any, session: Session, as_of: str | None) -> str | None:  # noqa: ANN401 - a connection of storage
    return past.read_time(connection, session.namespace_id, as_of) if as_of is not None else None


@router.get("/paths", responses=answered(PathsAnswer))
def find_paths(
    session: CurrentSession,
    from_: _From,
    to: _Reference,
    every: Annotated[bool, Query(alias="all", description="all ways, not the shortest alone")] = False,  # noqa: FBT002 - a query parameter
    limit: Annotated[int, Query(ge=1, le=paths.PATH_LIMIT, description="at most so many ways")] = 20,
    as_of: AsOf = None,
) -> Response:
    """The shortest way from one record to another in the direction of time, or all of them."""
    with session.database.read() as connection:
        ends = _record(connection, session, from_), _record(connection, session, to)
        time = _time(connection, session, as_of)
        return json_response(paths.find_paths(connection, session.namespace_id, *ends, every=every, limit=limit, as_of=time))


@router.get("/shared", responses=answered(SharedAnswer))
def find_shared(session: CurrentSession, first: _Reference, second: _Reference, as_of: AsOf = None) -> Response:
    """What two records both come from, nearest first."""
    with session.database.read() as connection:
        ends = _record(connection, session, first), _record(connection, session, second)
        return json_response(paths.find_shared(connection, session.namespace_id, *ends, as_of=_time(connection, session, as_of)))


@router.get("/diff", responses=answered(LineageDiffAnswer))
def diff_lineages(
    session: CurrentSession,
    from_: _From,
    to: Annotated[str | None, Query(min_length=1, max_length=1024, description="the same record unless given")] = None,
    from_as_of: AsOf = None,
    to_as_of: AsOf = None,
) -> Response:
    """What differs upstream of two records, or of one record at two times."""
    with session.database.read() as connection:
        sides = [
            comparing.Side(_record(connection, session, text), _time(connection, session, as_of))
            for text, as_of in ((from_, from_as_of), (to or from_, to_as_of))
        ]
        return json_response(comparing.compare_lineages(connection, session.namespace_id, *sides))


@router.get("/health", responses=answered(HealthAnswer))
def get_health(session: CurrentSession, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """Versions that come from nothing, references that mean nothing yet, edges that nothing but a word stands for."""
    with session.database.read() as connection:
        return json_response(health.report(connection, session.namespace_id, limit))


@router.get("/edges", responses=answered(ExplanationAnswer))
def explain_edges(session: CurrentSession, source: _Reference, target: _Reference) -> Response:
    """Every edge from one record to another, with who or what says so, since when, and where the log tells it."""
    with session.database.read() as connection:
        ends = _record(connection, session, source), _record(connection, session, target)
        return json_response(explaining.explain(connection, session.namespace_id, *ends))


@router.post("/edges", status_code=201, responses=answered(RedrawnAnswer, 201), openapi_extra=body_schema(NewEdge))
def declare_edge(
    session: CurrentSession, document: Annotated[NewEdge, Depends(body_of(NewEdge))], wait: Wait = WaitFor.NONE
) -> Response:
    """Declare that one record comes from another."""
    return written(session, declaring.declare_edge(session.database, session.caller, document), wait, 201)


@router.post("/edges:withdraw", responses=answered(RedrawnAnswer), openapi_extra=body_schema(WithdrawnEdge))
def withdraw_edge(
    session: CurrentSession, document: Annotated[WithdrawnEdge, Depends(body_of(WithdrawnEdge))], wait: Wait = WaitFor.NONE
) -> Response:
    """Withdraw what is said of two records. It is kept for questions about the past; this takes an administrator."""
    return written(session, declaring.withdraw_edge(session.database, session.caller, document), wait)


@router.get("/{node:path}/impact", responses=answered(ImpactAnswer))
def find_impact(
    session: CurrentSession,
    node: _Node,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """The versions and deployments downstream of a record, with the owners of their models; as JSON or CSV."""
    with session.database.read() as connection:
        root = _record(connection, session, _in_path(node))
        answer = impact.find_impact(connection, session.namespace_id, root)
    if form == "json":
        return json_response(answer)
    headers = {"Studbook-Truncated": "true" if answer["truncated"] else "false"}
    return Response(b"".join(impact.write_impact(answer)), media_type="text/csv", headers=headers)


@router.get("/{node:path}/export", responses=_FILE, response_class=Response)
def export_lineage(
    request: Request,
    session: CurrentSession,
    node: _Node,
    form: Annotated[LineageFormat, Query(alias="format")],
    direction: scene.Direction = scene.Direction.BOTH,
    relation: Annotated[list[str] | None, Query(max_length=20, description="follow these relations alone")] = None,
    kind: Annotated[list[_NodeKind] | None, Query(max_length=4, description="show these records, walk through others")] = None,
    as_of: AsOf = None,
) -> Response:
    """All that a record comes from and all that came of it, as a file.

    `Studbook-Truncated: true` says that there is more than 10,000 nodes in a direction, or farther than 1,000 edges. A connection
    that ends before the response does means that the file is not complete.
    """
    with session.database.read() as connection:
        root = _record(connection, session, _in_path(node))
        time = _time(connection, session, as_of)
        view = scene.View(direction, DEPTH_LIMIT, NODE_LIMIT, frozenset(relation or ()), frozenset(kind or ()), time)
        graph = exporting.read_graph(connection, session.namespace_id, root, view, form)
    namespace = PREFIX.format(namespace=quote(unquote(request.path_params["namespace"]), safe=""))
    pieces = exporting.write_graph(graph, form, f"{str(request.base_url).rstrip('/')}{namespace}/")
    media_type, filename = _FILES[form]
    file = Download(pieces, request.app.state.exports, media_type, filename)
    file.headers["Studbook-Truncated"] = "true" if graph.truncated else "false"
    return file


@router.get("/{node:path}/inherited", responses=answered(InheritedAnswer))
def find_inherited(session: CurrentSession, node: _Node) -> Response:
    """The licenses and sensitivities of all that a record comes from, with the ways that lead there."""
    with session.database.read() as connection:
        root = _record(connection, session, _in_path(node))
        return json_response(inheriting.find_inherited(connection, session.namespace_id, root))


@router.get("/{node:path}", responses=answered(LineageAnswer))
def get_lineage(
    session: CurrentSession,
    node: _Node,
    direction: scene.Direction = scene.Direction.BOTH,
    depth: Annotated[int, Query(ge=0, le=DEPTH_LIMIT)] = 3,
    limit: Annotated[int, Query(ge=1, le=NODE_LIMIT, description="at most so many nodes in each direction")] = 1000,
    relation: Annotated[list[str] | None, Query(max_length=20, description="follow these relations alone")] = None,
    kind: Annotated[list[_NodeKind] | None, Query(max_length=4, description="show these records, walk through others")] = None,
    edges: Annotated[bool, Query(description="whether edges are wanted, or nodes alone")] = True,  # noqa: FBT002 - a query parameter
    as_of: AsOf = None,
) -> Response:
    """What a record comes from and what came of it, as it is or was."""
    with session.database.read() as connection:
        root = _record(connection, session, _in_path(node))
        view = scene.View(
            direction,
            depth,
            limit,
            frozenset(relation or ()),
            frozenset(kind or ()),
            _time(connection, session, as_of),
            edges,
        )
        body = scene.get_lineage(connection, session.namespace_id, root, view)
    return json_response(body)
