"""API tokens: made, listed, revoked, and recognised."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.documents import Access, NewToken
from studbook.domain.errors import AuthenticationError, NotFoundError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind
from studbook.domain.tokens import is_token, make_token, token_hash, token_hint
from studbook.domain.types import format_time
from studbook.governance.signatures import public_key_of
from studbook.services.caller import DEFAULT_NAMESPACE, Caller, local_caller
from studbook.services.ingestion.resolution import load_record
from studbook.services.reading import Shown, get_by_id, show
from studbook.services.recording import Recorder, heading
from studbook.storage import facts
from studbook.storage import reading as storage
from studbook.storage.references import Found

if TYPE_CHECKING:
    from uuid import UUID

    from studbook.domain.canonical import JsonObject
    from studbook.storage.database import Database
    from studbook.storage.unit_of_work import Transaction

# How long a process may go on accepting a token that another process revoked.
_TRUST_SECONDS: Final = 2.0
_CACHE_LIMIT: Final = 10_000
_LOGIN_SPAN: Final = timedelta(hours=12)


def create_token(database: Database, caller: Caller, document: NewToken) -> Shown:
    """Make a token for the caller's namespace; the answer alone holds the secret, and the signing secret if one was asked for."""
    caller.require(Access.ADMIN)
    secret = make_token()
    secrets = {"token": secret, **({"signing_secret": make_token("sig")} if document.signing else {})}

    def change(transaction: Transaction) -> Shown:
        recorder = Recorder(transaction, caller)
        token_id = stage_token(recorder, document, secret, secrets.get("signing_secret"))
        transaction.flush()
        row = storage.find_by_id(transaction.connection, Kind.TOKEN, caller.namespace_id, token_id)
        assert row is not None  # noqa: S101 - it was just made
        return show(row, secrets).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def create_login_link(database: Database, caller: Caller, base_url: str) -> JsonObject:
    """A link with which a browser may read for twelve hours.

    The secret stands behind the '#', which a browser sends to no server and no log.
    """
    expires_at = format_time(datetime.now(UTC) + _LOGIN_SPAN)
    document = NewToken(name="browser", access=Access.READ, expires_at=expires_at)
    secret = make_token("web")
    database.work.run(lambda transaction: stage_token(Recorder(transaction, caller), document, secret))
    return {"url": f"{base_url}/login#{secret}", "expires_at": expires_at}


def revoke_token(database: Database, caller: Caller, token_id: UUID) -> Shown:
    """Make a token worthless; revoking it twice changes nothing."""
    caller.require(Access.ADMIN)

    def change(transaction: Transaction) -> Shown:
        row = storage.find_by_id(transaction.connection, Kind.TOKEN, caller.namespace_id, token_id, lock=True)
        if row is None:
            raise NotFoundError(f"there is no token with the id {token_id}")
        record = load_record(row.record)
        recorder = Recorder(transaction, caller)
        if record["revoked_at"] is None:
            recorder.amend(Action.TOKEN_REVOKED, row, {**record, "revoked_at": recorder.now})
        transaction.flush()
        return get_by_id(transaction.connection, Kind.TOKEN, caller.namespace_id, token_id).after(recorder)

    return database.work.run(change)  # type: ignore[no-any-return]


def first_caller(database: Database) -> Caller:
    """The local caller of the default namespace, which `prepare` has made."""
    with database.read() as connection:
        namespace_id = facts.find_namespace(connection, DEFAULT_NAMESPACE)
    if namespace_id is None:
        message = "the registry has not been prepared: it has no namespace yet"
        raise NotFoundError(message)
    return local_caller(namespace_id)


def stage_token(recorder: Recorder, document: NewToken, secret: str, signing_secret: str | None = None) -> UUID:
    """Stage a token with this secret."""
    token_id = new_id()
    record: JsonObject = {
        **heading(recorder, Kind.TOKEN, Found(token_id, Kind.TOKEN, f"tokens/{token_id}")),
        "title": document.name,
        "hint": token_hint(secret),
        "token_hash": f"sha256:{token_hash(secret).hex()}",
        "access": document.access.value,
        "person": _person(document, signing_secret),
        "expires_at": document.expires_at,
        "revoked_at": None,
    }
    recorder.register(Action.TOKEN_CREATED, record)
    return token_id


def _person(document: NewToken, signing_secret: str | None) -> JsonObject | None:
    """Who uses a token, where that is anyone but the token itself; of the signing secret only the public key is kept."""
    person = {
        "principal": document.principal,
        "printed_name": document.printed_name,
        "roles": sorted(set(document.roles)),
        "signing_key": public_key_of(signing_secret) if signing_secret else None,
    }
    return person if any(person.values()) else None


class TokenDirectory:
    """Recognises tokens, remembering each for a moment so that most requests need no look-up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, Any]] = {}

    def find_known(self, secret: str) -> Any:  # noqa: ANN401 - a row of the tokens' table
        """What is remembered of a token, or None; never touches the database."""
        known = self._known.get(token_hash(secret))
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def look_up(self, secret: str) -> Any:  # noqa: ANN401 - a row of the tokens' table
        """The token's row.

        Raises AuthenticationError for one that is no token or unknown.
        """
        if not is_token(secret):
            message = "this is not a Studbook token; one begins with sbk_ and has 44 characters"
            raise AuthenticationError(message)
        hashed = token_hash(secret)
        with self._database.read() as connection:
            row = facts.find_token(connection, hashed)
        if row is None:
            message = "no such token; ask an administrator for a new one (studbook token create)"
            raise AuthenticationError(message)
        with self._lock:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            self._known[hashed] = (time.monotonic() + _TRUST_SECONDS, row)
        return row

    def forget(self) -> None:
        """Forget every token: one was revoked."""
        with self._lock:
            self._known.clear()


def caller_of(row: Any, namespace: str, request_id: str) -> Caller:  # noqa: ANN401 - a row of the tokens' table
    """The caller that a token stands for.

    Raises AuthenticationError when it is revoked or expired, NotFoundError for a namespace that is not the token's.
    """
    if row.revoked_at is not None:
        message = "this token was revoked; ask an administrator for a new one"
        raise AuthenticationError(message)
    if row.expires_at is not None and row.expires_at <= format_time(datetime.now(UTC)):
        message = f"this token expired at {row.expires_at}; ask an administrator for a new one"
        raise AuthenticationError(message)
    if row.namespace != namespace:
        # The same words whether or not the namespace exists: a token learns nothing of others.
        raise NotFoundError(f"your token opens no namespace {namespace!r}")
    person = json.loads(row.person) if row.person else {}
    return Caller(
        row.namespace_id,
        row.namespace,
        f"tokens/{row.id}",
        Access(row.access),
        "token",
        request_id,
        principal=person.get("principal") or "",
        roles=frozenset(person.get("roles", ())),
        printed_name=person.get("printed_name"),
        signing_key=person.get("signing_key"),
    )
