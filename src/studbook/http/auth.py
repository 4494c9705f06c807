"""Who is asking: the bearer token of a request, or the cookie of a browser that logged in with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote

from fastapi import Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from studbook.domain.errors import AuthenticationError, NotFoundError
from studbook.domain.paging import PAGE_LIMIT, PAGE_SIZE
from studbook.services.listing import Paging
from studbook.services.tokens import caller_of

if TYPE_CHECKING:
    from studbook.services.caller import Caller
    from studbook.services.registry import Registry
    from studbook.storage.database import Database

COOKIE: Final = "studbook_session"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Session:
    """One request's caller and the registry it works on."""

    caller: Caller
    registry: Registry

    @property
    def database(self) -> Database:
        """The registry's database."""
        return self.registry.database

    @property
    def namespace_id(self) -> int:
        """The number of the caller's namespace."""
        return self.caller.namespace_id


def _find_secret(request: Request) -> str:
    header = request.headers.get("authorization", "")
    scheme, _, secret = header.partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    # A cookie travels with requests that another site may cause, so it can only read.
    if request.method in _SAFE_METHODS and (cookie := request.cookies.get(COOKIE)):
        return cookie
    message = (
        "this address needs a token: send the header 'Authorization: Bearer sbk_…' (set STUDBOOK_TOKEN for the command line)"
    )
    raise AuthenticationError(message)


async def open_session(request: Request, namespace: Annotated[str, Path()]) -> Session:
    """The session of a request."""
    registry: Registry = request.app.state.registry
    local: Caller | None = request.app.state.local_caller
    if local is not None:
        if local.namespace != unquote(namespace):
            message = f"this file holds no namespace {unquote(namespace)!r}, only {local.namespace!r}"
            raise NotFoundError(message)
        caller = local
    else:
        secret = _find_secret(request)
        row = registry.tokens.find_known(secret) or await run_in_threadpool(registry.tokens.look_up, secret)
        caller = caller_of(row, unquote(namespace), request.scope.get("request_id", ""))
    request.scope["actor"] = caller.actor
    return Session(caller, registry)


async def _paging(
    page_size: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE,
    page_token: Annotated[str | None, Query(max_length=2048)] = None,
) -> Paging:
    return Paging(page_size, page_token)


CurrentSession = Annotated[Session, Depends(open_session)]
CurrentPaging = Annotated[Paging, Depends(_paging)]
