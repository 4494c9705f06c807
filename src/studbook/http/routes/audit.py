"""The audit log: what proves it (checkpoints, tiles, receipts, proofs), and what it tells (events)."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator
from starlette.responses import Response

from studbook.http.answers import (
    ConsistencyAnswer,
    InclusionAnswer,
    LoggedEventAnswer,
    ShardAnswer,
    answered,
    json_response,
    page,
)
from studbook.http.auth import CurrentPaging, CurrentSession
from studbook.http.receipts import Wait, WaitFor
from studbook.http.routes import Filter, PathId
from studbook.services import history
from studbook.services.audit import collecting, receipts, serving

router = APIRouter(prefix="/audit", tags=["audit log"])

_TEXT: Final = "text/plain; charset=utf-8"
_IMMUTABLE: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
_SIZE_LIMIT: Final = 2**63 - 1

Size = Annotated[int, Query(ge=0, le=_SIZE_LIMIT)]
OptionalSize = Annotated[int | None, Query(ge=0, le=_SIZE_LIMIT)]
Shard = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="by default the newest shard of the log")]
PathShard = Annotated[int, Path(ge=1, le=2**31 - 1)]
TilePath = Annotated[str, Path(max_length=200), AfterValidator(unquote)]

Responses = dict[int | str, dict[str, Any]]
_NOTE: Final[Responses] = {200: {"content": {"text/plain": {}}, "description": "a signed note (c2sp.org/tlog-checkpoint)"}}
_TILE: Final[Responses] = {
    200: {"content": {"application/octet-stream": {}}, "description": "a tile or entry bundle (c2sp.org/tlog-tiles)"}
}
_BUNDLE: Final[Responses] = {
    200: {"content": {"application/zip": {}}, "description": "an evidence bundle (studbook-evidence/v1)"}
}
_RECEIPT: Final[Responses] = {200: {"content": {"text/plain": {}}, "description": "a receipt (c2sp.org/tlog-proof)"}}
_POLICY: Final[Responses] = {200: {"content": {"text/plain": {}}, "description": "a policy (c2sp.org/tlog-policy)"}}
_ENTRY: Final[Responses] = {
    200: {"content": {"application/json": {}}, "description": "the exact bytes that are hashed, RFC 8785 JSON"}
}


@router.get("/shards", responses=answered(page(ShardAnswer)))
def list_shards(session: CurrentSession) -> Response:
    """The shards of the namespace's log with their keys; the newest one is open."""
    with session.database.read() as connection:
        return json_response(serving.list_shards(connection, session.namespace_id))


@router.get("/policy", responses=_POLICY)
def get_policy(session: CurrentSession) -> Response:
    """The log's keys and its witnesses, as the registry tells them."""
    with session.database.read() as connection:
        body = serving.render_policy(connection, session.namespace_id, session.registry.settings.log_policy)
    return Response(body, media_type=_TEXT)


@router.get("/log/checkpoint", responses=_NOTE)
def get_checkpoint(session: CurrentSession, size: OptionalSize = None) -> Response:
    """The newest signed checkpoint with its cosignatures, or the one of an exact size."""
    with session.database.read() as connection:
        return Response(serving.get_checkpoint(connection, session.namespace_id, None, size), media_type=_TEXT)


@router.get("/log/tile/{place:path}", responses=_TILE)
def get_tile(session: CurrentSession, place: TilePath) -> Response:
    """A tile (`tile/0/x001/002`) or the entries under one (`tile/entries/…`); `.p/W` asks for a partial one."""
    return _tile(session, place, None)


@router.get("/logs/{shard}/checkpoint", responses=_NOTE)
def get_checkpoint_of_shard(session: CurrentSession, shard: PathShard, size: OptionalSize = None) -> Response:
    """The checkpoint of one shard."""
    with session.database.read() as connection:
        return Response(serving.get_checkpoint(connection, session.namespace_id, shard, size), media_type=_TEXT)


@router.get("/logs/{shard}/tile/{place:path}", responses=_TILE)
def get_tile_of_shard(session: CurrentSession, shard: PathShard, place: TilePath) -> Response:
    """A tile of one shard."""
    return _tile(session, place, shard)


def _tile(session: CurrentSession, place: str, shard: int | None) -> Response:
    with session.database.read() as connection:
        body, full = serving.get_tile(connection, session.namespace_id, f"tile/{place}", shard)
    # Under `/log/` a path means another tile once another shard is opened.
    headers = _IMMUTABLE if full and shard is not None else {"Cache-Control": "private, max-age=60"}
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/proofs/inclusion", responses=answered(InclusionAnswer))
def prove_inclusion(session: CurrentSession, index: Size, size: OptionalSize = None, shard: Shard = None) -> Response:
    """That an entry stands in the tree of a size: its audit path, lowest hash first."""
    with session.database.read() as connection:
        return json_response(serving.prove_inclusion(connection, session.namespace_id, shard, index, size))


@router.get("/proofs/consistency", responses=answered(ConsistencyAnswer))
def prove_consistency(session: CurrentSession, old: Size, new: OptionalSize = None, shard: Shard = None) -> Response:
    """That nothing was changed or removed between two sizes of the tree."""
    with session.database.read() as connection:
        return json_response(serving.prove_consistency(connection, session.namespace_id, shard, old, new))


@router.get("/receipts/{event}", responses=_RECEIPT)
def get_receipt(session: CurrentSession, event: PathId, wait: Wait = WaitFor.NONE) -> Response:
    """The receipt of an event under the newest checkpoint; 404 `receipt_pending` while none covers it."""
    registry = session.registry
    if wait is WaitFor.PROOF:
        with session.database.read() as connection:
            history.check_event(connection, session.namespace_id, event)
        registry.log.wait(session.namespace_id, [event], registry.settings.receipt_timeout).result()
    with session.database.read() as connection:
        return Response(receipts.get_receipt(connection, session.namespace_id, event), media_type=_TEXT)


@router.get("/bundle", responses=_BUNDLE)
def get_bundle(
    session: CurrentSession,
    subject: Annotated[str, Query(min_length=1, max_length=1024, description="a reference to the record, such as churn/3")],
    since: Annotated[
        int | None, Query(ge=1, le=_SIZE_LIMIT, description="size of an earlier checkpoint, to which consistency is proved")
    ] = None,
    *,
    disclose: Annotated[bool, Query(description="open the personal values that still are there")] = False,
) -> Response:
    """The evidence for one record, to be verified without the registry: a zip with the page that does so."""
    with session.database.read() as connection:
        policy = serving.render_policy(connection, session.namespace_id, session.registry.settings.log_policy)
        body = collecting.collect(
            connection,
            session.namespace_id,
            session.caller.namespace,
            subject,
            policy,
            since=since,
            disclose=disclose,
        )
    return Response(body, media_type="application/zip", headers={"Content-Disposition": 'attachment; filename="evidence.zip"'})


@router.get("/events", responses=answered(page(LoggedEventAnswer)))
def list_events(
    session: CurrentSession,
    paging: CurrentPaging,
    subject: Annotated[str | None, Query(max_length=1024, description="a reference to a record, or its name in the log")] = None,
    actor: Filter = None,
    action: Filter = None,
    since: Annotated[str | None, Query(max_length=64, description="RFC 3339 time; events from then on")] = None,
    until: Annotated[str | None, Query(max_length=64, description="RFC 3339 time; events before it")] = None,
) -> Response:
    """Who did what when, newest first, each with the record before and after."""
    with session.database.read() as connection:
        selection = history.select(
            connection, session.namespace_id, subject=subject, actor=actor, action=action, since=since, until=until
        )
        return json_response(history.list_events(connection, session.namespace_id, paging, selection))


@router.get("/events/{event}", responses=answered(LoggedEventAnswer))
def get_event(session: CurrentSession, event: PathId) -> Response:
    """One event, with its values in place."""
    with session.database.read() as connection:
        return json_response(history.get_event(connection, session.namespace_id, event))


@router.get("/events/{event}/entry", responses=_ENTRY)
def get_entry(session: CurrentSession, event: PathId) -> Response:
    """The bytes under which an event is logged: what a receipt is verified against."""
    with session.database.read() as connection:
        return Response(history.get_entry(connection, session.namespace_id, event), media_type="application/json")
