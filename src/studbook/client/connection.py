"""One registry over HTTP: authentication, bounded retries, and answers turned into values or exceptions."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx

from studbook.client.body import Body
from studbook.client.errors import UnreachableError, refusal
from studbook.client.names import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    # Of a parameter with several values each is sent; None is left out.
    Query = Mapping[str, str | int | list[str] | None]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Wait = Literal["proof", "none"]

_ATTEMPTS: Final = 3
# Seconds before the second attempt; each further one waits three times as long. A restarting server is back soon.
_FIRST_DELAY: Final = 0.2
# A host that does not answer at all should not hold up the end of a training for the whole time-out, three times.
_CONNECT_TIMEOUT: Final = 5.0
_PIECE_TIMEOUT: Final = 120.0
_INTERNAL_ERROR: Final = 500
_NOT_MODIFIED: Final = 304
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
_TRANSIENT: Final = frozenset({408, 425, 429})
# Nothing was sent: any call may be tried again.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Something may have arrived: only a call that does no harm twice may be tried again.
_BROKEN_OFF: Final = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)


@dataclass(frozen=True, slots=True)
class Target:
    """Which registry, and what opens it; neither the token nor the transport shows in a repr."""

    base_url: str
    label: str
    namespace: str
    timeout: float
    # What a write waits for: its receipts, or nothing but being stored.
    wait: Wait = "proof"


class Connection:
    """Keep-alive connections to one namespace of a registry; may be used from several threads."""

    def __init__(self, target: Target, token: str | None, transport: httpx.BaseTransport | None = None) -> None:
        self.target = target
        self._embedded = transport is not None
        headers = {"Accept": "application/json", "User-Agent": "studbook-python"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(target.timeout, connect=min(target.timeout, _CONNECT_TIMEOUT)),
            transport=transport,
            # A proxy named in the environment cannot reach this machine's own loopback.
            trust_env=not _is_loopback(target.base_url),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: Method,
        path: Sequence[str] | str,
        *,
        body: Body | None = None,
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        safe_to_repeat: bool = False,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Send a request and return the JSON of its answer (None for an answer without content).

        `path` holds the segments below the namespace, or, as one text, what is percent-encoded already.

        Raises UnreachableError, RefusedError.
        """
        request = self._build(method, path, body, params, headers)
        response = self._send(request, safe_to_repeat=safe_to_repeat or method in _IDEMPOTENT)
        return self._read(response)

    def content(self, path: Sequence[str] | str, params: Query | None = None) -> bytes:
        """The bytes of an answer that is not JSON, such as a receipt.

        Raises UnreachableError, RefusedError.
        """
        return self._fetch(self._build("GET", path, None, params, None)).content

    def file(self, path: Sequence[str] | str, params: Query | None = None) -> tuple[bytes, Mapping[str, str]]:
        """The bytes of a file that takes the registry a while to write, and the headers that say more of it.

        Raises UnreachableError, also when the answer breaks off, and RefusedError.
        """
        request = self._build("GET", path, None, params, None)
        request.extensions["timeout"] |= {"read": max(self.target.timeout, _PIECE_TIMEOUT)}
        response = self._fetch(request)
        return response.content, response.headers

    def _fetch(self, request: httpx.Request) -> httpx.Response:
        """The answer, read whole; a refusal is raised."""
        response = self._send(request, safe_to_repeat=True)
        if not response.is_success:
            self._read(response)
        return response

    def pieces(self, path: Sequence[str], params: Query | None = None) -> Iterator[bytes]:
        """The bytes of a long answer as they arrive; the request is sent when the first are asked for.

        Raises UnreachableError, also when the answer breaks off, and RefusedError.
        """
        request = self._build("GET", path, None, params, None)
        # Between two pieces of a search the registry may have to look at very many records.
        request.extensions["timeout"] |= {"read": max(self.target.timeout, _PIECE_TIMEOUT)}
        response = self._send(request, safe_to_repeat=True, stream=True)
        try:
            if not response.is_success:
                response.read()
                self._read(response)
            yield from response.iter_bytes()
        except httpx.HTTPError as error:
            message = f"the registry at {self.target.label} broke off in the middle of its answer: {error}"
            raise UnreachableError(message) from error
        finally:
            response.close()

    def poll(self, path: Sequence[str], etag: str | None, seconds: int) -> Any:  # noqa: ANN401 - any JSON value
        """The JSON of what is no longer as it was at `etag`, or None when that does not change for so many seconds.

        Raises UnreachableError, RefusedError.
        """
        request = self._build("GET", path, None, {"timeout": seconds}, {"If-None-Match": etag} if etag else None)
        # The registry was asked to take its time before it begins to answer.
        request.extensions["timeout"] |= {"read": seconds + self.target.timeout}
        response = self._send(request, safe_to_repeat=True)
        return None if response.status_code == _NOT_MODIFIED else self._read(response)

    def pages(self, path: Sequence[str], params: Query | None = None) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page after page."""
        query = dict(params or {})
        while True:
            page = self.call("GET", path, params=query)
            yield from page["items"]
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def lines(self, path: Sequence[str], lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """Send NDJSON and return the answer's lines. Each line carries its own idempotency key, so it may be repeated."""
        body = Body(b"\n".join(lines) + b"\n", "application/x-ndjson")
        response = self._send(self._build("POST", path, body, None, None), safe_to_repeat=True)
        if not response.is_success:
            self._read(response)
        try:
            return [json.loads(line) for line in response.content.splitlines() if line.strip()]
        except ValueError:
            raise self._unexpected(response, "an answer that is not NDJSON") from None

    def _build(
        self,
        method: Method,
        path: Sequence[str] | str,
        body: Body | None,
        params: Query | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        below = path if isinstance(path, str) else path_of(path)
        url = f"{self.target.base_url}/api/v1/namespaces/{path_of([self.target.namespace])}/{below}"
        query = {name: value for name, value in (params or {}).items() if value is not None}
        if method != "GET":
            query["wait"] = self.target.wait
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = body.media_type
        return self._client.build_request(method, url, content=body.content if body else None, params=query or None, headers=sent)

    def _send(self, request: httpx.Request, *, safe_to_repeat: bool, stream: bool = False) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._client.send(request, stream=stream)
            except httpx.TransportError as error:
                repeatable = isinstance(error, _NOT_SENT) or (safe_to_repeat and isinstance(error, _BROKEN_OFF))
                if not repeatable or attempt == _ATTEMPTS:
                    raise self._unreachable(error) from error
            except Exception as error:
                # What httpx cannot send or read, or what an embedded registry failed with: no usable answer either way.
                message = f"the registry at {self.target.label} gave no answer: {type(error).__name__}: {error}"
                raise UnreachableError(message, status=_INTERNAL_ERROR if self._embedded else None) from error
            # Spread out, so that many jobs that lost the registry together do not return together.
            time.sleep(_FIRST_DELAY * 3 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret hangs on it
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            reason = f"no answer in time ({self.target.timeout:g} s)"
        return UnreachableError(f"the registry at {self.target.label} cannot be reached: {reason}")

    def _read(self, response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON value
        status = response.status_code
        if response.is_success:
            if not response.content:
                return None
            try:
                return response.json()
            except ValueError:
                raise self._unexpected(response, "an answer that is not JSON") from None
        problem = _find_problem(response)
        if status in _TRANSIENT or response.is_server_error:
            detail = (problem or {}).get("detail") or (problem or {}).get("title") or response.reason_phrase
            message = f"the registry at {self.target.label} cannot take the request now: {status} {detail}"
            raise UnreachableError(message, status=status)
        if response.is_redirect:
            raise self._unexpected(response, f"a redirect to {response.headers.get('location', '?')}")
        if problem is None:
            raise self._unexpected(response, "an answer that is not Studbook's")
        raise refusal(status, problem)

    def _unexpected(self, response: httpx.Response, what: str) -> UnreachableError:
        message = f"{self.target.label} gave {what} (status {response.status_code}); is this the address of a Studbook registry?"
        return UnreachableError(message, status=response.status_code)


def _find_problem(response: httpx.Response) -> dict[str, Any] | None:
    """The RFC 9457 document of an answer, or None: then a proxy answered, not the registry."""
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        problem = response.json()
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
