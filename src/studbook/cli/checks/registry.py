"""The registry as this machine sees it: whether it answers and is ready, and what the token allows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from studbook.cli.checks import fine, note, problem
from studbook.client.connecting import DEFAULT_URL, connect, without_credentials
from studbook.client.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
    StudbookError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.cli.checks import Finding
    from studbook.cli.options import Session
    from studbook.client.registry import Registry

_SECONDS: Final = 5.0
# Beyond this, times in records of this machine contradict those of the registry, and tokens expire at odd moments.
_SKEW_SECONDS: Final = 30
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_HOW_TO_GET_ONE: Final = (
    "Set STUDBOOK_TOKEN; an administrator makes tokens with `studbook token create`, or, on the database itself, with --database."
)


def check_registry(session: Session) -> Iterator[Finding]:
    """Whether the registry can be reached, is ready, and lets this token in."""
    url = session.url or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        yield from _check_embedded(session, url)
        return
    base = without_credentials(url).rstrip("/")
    answer = _get(f"{base}/readyz")
    if isinstance(answer, str):
        yield problem("registry", f"{base} does not answer: {answer}.", "Start it with `studbook serve`, or set STUDBOOK_URL.")
        return
    state = _state_of(answer)
    if state is None:
        remedy = "Set STUDBOOK_URL to the address of a Studbook registry."
        yield problem("registry", f"{base} answers, but not as a Studbook registry does (status {answer.status_code}).", remedy)
        return
    yield from _check_state(base, state)
    yield from _check_transport(base)
    yield from _check_clock(answer)
    yield from _check_token(session)


def _check_state(base: str, state: dict[str, Any]) -> Iterator[Finding]:
    faults = [f"{name}: {text}" for name, text in state["checks"].items() if text != "ok"]
    if faults:
        yield problem("registry", f"{base} is not ready: {'; '.join(faults)}.", "Look at the server's log and its database.")
    else:
        yield fine("registry", f"{base} answers and is ready.")


def _check_transport(base: str) -> Iterator[Finding]:
    parts = urlsplit(base)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        yield note("transport", "The token travels unencrypted.", "Use https://, or a proxy that speaks TLS.")


def _check_clock(answer: httpx.Response) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return
    skew = (datetime.now(UTC) - there).total_seconds()
    if abs(skew) > _SKEW_SECONDS:
        side = "ahead of" if skew > 0 else "behind"
        yield problem("clock", f"This machine's clock is {abs(skew):.0f} s {side} the registry's.", "Synchronise both by NTP.")
    else:
        yield fine("clock", "Agrees with the registry's.")


def _check_token(session: Session) -> Iterator[Finding]:
    if not session.token:
        yield problem("token", "There is none.", _HOW_TO_GET_ONE)
        return
    try:
        with connect(session.url, session.token, namespace=session.namespace, timeout=_SECONDS) as registry:
            next(registry.models(page_size=1), None)
            yield fine("token", f"Valid in the namespace {session.namespace!r}, and may {_access_of(registry)}.")
    except ValueError as error:
        yield problem("token", f"{error}.", _HOW_TO_GET_ONE)
    except NotFoundError as error:
        remedy = "Set STUDBOOK_NAMESPACE to the namespace the token was made in."
        yield problem("token", f"{error.problem.get('detail')}.", remedy)
    except RefusedError as error:
        yield problem("token", f"{error.problem.get('detail') or error}.", _HOW_TO_GET_ONE)
    except StudbookError as error:
        yield problem("token", f"{error}.", "Look at the server's log.")


def _access_of(registry: Registry) -> str:
    """What the token allows, found out by asking for things that change nothing."""
    try:
        next(registry.list_tokens(page_size=1), None)
    except PermissionDeniedError:
        pass
    else:
        return "read, write and administer"
    try:
        # Rights are looked at before the version, and there is none of this id.
        registry.deploy(str(uuid4()), "studbook-doctor")
    except (PermissionDeniedError, AuthenticationError):
        return "read"
    except RefusedError:
        return "read and write"
    return "read and write"


def _check_embedded(session: Session, place: str) -> Iterator[Finding]:
    try:
        with connect(place, namespace=session.namespace) as registry:
            next(registry.models(page_size=1), None)
            yield fine("registry", f"{registry.url} opens as an embedded registry.")
    except (StudbookError, ValueError, OSError) as error:
        yield problem(
            "registry",
            f"{place} does not open as an embedded registry: {error}.",
            "Set STUDBOOK_URL to an address or a database file.",
        )


def _get(url: str) -> httpx.Response | str:
    """The answer, or why there is none."""
    try:
        # As the SDK does: a proxy named in the environment cannot reach this machine's own loopback.
        trust = urlsplit(url).hostname not in _LOOPBACK
        with httpx.Client(timeout=_SECONDS, trust_env=trust) as client:
            return client.get(url)
    except httpx.TimeoutException:
        return f"no answer in {_SECONDS:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _state_of(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        state = answer.json()
    except ValueError:
        return None
    return state if isinstance(state, dict) and isinstance(state.get("checks"), dict) else None
