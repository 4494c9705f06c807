"""The pages of a browser: logging in with a link, and a plain view of models and their lineage."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from studbook.domain.errors import AuthenticationError, NotFoundError
from studbook.http.auth import COOKIE
from studbook.http.bodies import read_bytes

if TYPE_CHECKING:
    from studbook.services.registry import Registry

router = APIRouter()

_PAGES: Final = files("studbook.dashboard") / "pages"
_TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_SESSION_SECONDS: Final = 12 * 3600
_FORM_LIMIT: Final = 4096


@router.get("/")
def home() -> Response:
    """The models, their versions and their lineage."""
    return _page("home.html")


@router.get("/login")
def login() -> Response:
    """Where a login link leads."""
    return _page("login.html")


@router.get("/pages/{name}")
def page(name: str) -> Response:
    """A script or style sheet of the pages."""
    return _page(name)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Trade a token for a cookie that reads."""
    registry: Registry = request.app.state.registry
    secret = (await read_bytes(request, _FORM_LIMIT)).decode("utf-8", "replace").strip()
    row = registry.tokens.look_up(secret)
    if row.revoked_at is not None:
        message = "this token was revoked; ask for a new link (studbook serve prints one at its first start)"
        raise AuthenticationError(message)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, secret, max_age=_SESSION_SECONDS, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return response


@router.post("/logout")
def log_out() -> Response:
    """Forget the browser's cookie."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


def _page(name: str) -> Response:
    suffix = name[name.rfind(".") :]
    resource = _PAGES / name
    if suffix not in _TYPES or "/" in name or "\\" in name or not resource.is_file():
        raise NotFoundError(f"there is no page {name!r}")
    return Response(resource.read_bytes(), media_type=_TYPES[suffix])
