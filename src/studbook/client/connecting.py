"""Opens a registry: over HTTP, or embedded in this process."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from studbook.client.errors import MissingServerError
from studbook.client.registry import Registry
from studbook.client.spool import Spool, default_folder

if TYPE_CHECKING:
    from studbook.client.connection import Connection, Wait

DEFAULT_URL: Final = "http://127.0.0.1:8765"
_EMBEDDED_URL: Final = "http://studbook.embedded"
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# `localhost:8765` is an address whose writer forgot the scheme, not the name of a database file.
_HOST_AND_PORT: Final = re.compile(r"[\w.-]+:\d{1,5}(/.*)?")


def connect(
    url: str | os.PathLike[str] | None = None,
    token: str | None = None,
    *,
    namespace: str = "default",
    timeout: float = 30.0,
    spool: str | os.PathLike[str] | None = None,
    strict: bool = False,
    wait: Literal["proof", "none"] = "proof",
) -> Registry:
    """Open a registry. Nothing is sent until it is used, so this succeeds while the registry is down.

    Args:
        url: Where the registry is, such as `https://studbook.example.org`. By default the environment's
            `STUDBOOK_URL`, else `http://127.0.0.1:8765`. A path (`studbook.db`) or a `sqlite:///…` URL opens an
            embedded registry in this process, which needs `pip install "studbook[server]"` and no token.
        token: An API token (`sbk_…`). By default the environment's `STUDBOOK_TOKEN`.
        namespace: The tenant whose records are read and written.
        timeout: Seconds to wait for an answer; connecting alone waits at most 5.
        spool: Folder in which documents wait that could not be delivered. By default the environment's
            `STUDBOOK_SPOOL`, else `spool` in `STUDBOOK_HOME` or in the platform's folder for user data.
        strict: Whether `Run.register` raises RefusedError when the registry refuses the document. By default it
            warns, and keeps the document in the spool's `refused` folder.
        wait: What a write waits for: `proof`, until the audit log has a signed checkpoint over it, so that the answer
            has receipts; or `none`, until it is stored. A receipt can be fetched later, too.

    Raises:
        ValueError: The URL cannot be used.
        MissingServerError: An embedded registry was asked for, and `studbook[server]` is not installed.

    """
    place = os.fspath(url) if url is not None else os.environ.get("STUDBOOK_URL") or DEFAULT_URL
    if not 0 < timeout < float("inf"):
        message = f"timeout is a number of seconds above 0, not {timeout!r}"
        raise ValueError(message)
    scheme = _SCHEME.match(place)
    if scheme and scheme[1].lower() in {"http", "https"}:
        connection = _open_http(place, token or os.environ.get("STUDBOOK_TOKEN"), namespace, timeout, wait)
    else:
        connection = _open_embedded(place, namespace, timeout, wait)
    folder = Path(spool) if spool is not None else default_folder()
    return Registry(connection, Spool(folder), strict=strict)


def without_credentials(url: str) -> str:
    """The URL without user, password, query and fragment."""
    # By hand, as urlunsplit makes `sqlite://path` of `sqlite:////path`.
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host = re.split("[?#]", authority.rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme}{separator}{host}{slash}{re.split('[?#]', path, maxsplit=1)[0]}"


def _open_http(url: str, token: str | None, namespace: str, timeout: float, wait: Wait) -> Connection:
    # httpx takes a quarter of a second to import, and a program may import studbook without ever connecting.
    from studbook.client.connection import Connection, Target  # noqa: PLC0415

    base = without_credentials(url).rstrip("/")
    if not urlsplit(base).hostname:
        message = f"the URL {base!r} names no host; write it as http://HOST:PORT"
        raise ValueError(message)
    if "@" in urlsplit(url).netloc:
        message = f"the URL of {base} holds a user or password; give the token as `token` or in STUDBOOK_TOKEN instead"
        raise ValueError(message)
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token.strip()):
        message = "the token holds characters that no token has; was something else copied?"
        raise ValueError(message)
    return Connection(Target(base, base, namespace, timeout, wait), token.strip() if token else None)


def _open_embedded(place: str, namespace: str, timeout: float, wait: Wait) -> Connection:
    from studbook.client.connection import Connection, Target  # noqa: PLC0415 - as above

    if not _SCHEME.match(place):
        if not place or _HOST_AND_PORT.fullmatch(place):
            message = f"{place!r} is neither a URL nor a file; did you mean http://{place or 'HOST:PORT'} ?"
            raise ValueError(message)
        place = f"sqlite:///{place}"
    if place.startswith("sqlite:///"):
        # Absolute, so that what waits for this database is known as such from any folder.
        place = f"sqlite:///{Path(place.removeprefix('sqlite:///')).expanduser().resolve()}"
    transport: Any = _server_part().open_transport(place)
    return Connection(Target(_EMBEDDED_URL, without_credentials(place), namespace, timeout, wait), None, transport)


def _server_part() -> Any:  # noqa: ANN401 - a module of the server, which the client knows by name only
    try:
        return importlib.import_module("studbook.embedded")
    except ImportError as error:
        if (error.name or "").startswith("studbook"):
            raise
        message = f'an embedded registry needs the server part ({error.name} is missing): pip install "studbook[server]"'
        raise MissingServerError(message) from error
