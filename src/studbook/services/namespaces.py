"""Namespaces: made with their log, their first key and, for people, their first token; each an entry of the system's own log."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.domain.documents import Access, NewToken
from studbook.domain.errors import ConflictError, InvalidDocumentError
from studbook.domain.events import Action
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, find_name_fault, quoted
from studbook.domain.tokens import make_token
from studbook.domain.types import format_time
from studbook.services.audit.shards import open_shard, origin_of
from studbook.services.caller import DEFAULT_NAMESPACE, local_caller
from studbook.services.recording import Recorder, heading
from studbook.services.tokens import stage_token
from studbook.storage import facts, log
from studbook.storage.references import Found
from studbook.storage.tables import namespaces

if TYPE_CHECKING:
    from studbook.domain.canonical import JsonObject
    from studbook.merkle.notes import VerifierKey
    from studbook.services.registry import Registry
    from studbook.storage.unit_of_work import Transaction

# The system's own namespace: its log tells of the others. No records are kept in it.
SYSTEM_ID: Final = 0
SYSTEM: Final = "system"
_ADMIN_NAME: Final = "first start"


def prepare(registry: Registry, preset: str | None = None) -> str | None:
    """Make the system's namespace and the default one and, when no token was ever made, an admin token, which is returned.

    `preset` is used instead of a random secret. Two processes may do this at once: one of them makes them.
    """
    database = registry.database
    with database.read() as connection:
        if facts.find_namespace(connection, DEFAULT_NAMESPACE) is not None and facts.has_tokens(connection):
            return None
    name = registry.settings.log_name or f"studbook.local/{secrets.token_hex(8)}"
    keys = {space: registry.keys.make(origin_of(name, space, 1)).verifier_key for space in (SYSTEM, DEFAULT_NAMESPACE)}

    def first_start(transaction: Transaction) -> str | None:
        connection = transaction.connection
        if facts.find_namespace(connection, SYSTEM) is None:
            _stage_namespace(transaction, SYSTEM_ID, SYSTEM, name, keys[SYSTEM])
        namespace_id = facts.find_namespace(connection, DEFAULT_NAMESPACE)
        if namespace_id is None:
            namespace_id = facts.last_namespace(connection) + 1
            _stage_namespace(transaction, namespace_id, DEFAULT_NAMESPACE, name, keys[DEFAULT_NAMESPACE])
        if facts.has_tokens(connection):
            return None
        secret = preset or make_token()
        stage_token(Recorder(transaction, local_caller(namespace_id)), NewToken(name=_ADMIN_NAME, access=Access.ADMIN), secret)
        return secret

    return database.work.run(first_start)  # type: ignore[no-any-return]


def create_namespace(registry: Registry, name: str) -> str:
    """Make a namespace with its own log; returns the secret of its first admin token.

    Raises InvalidDocumentError for a name that none can have, ConflictError for one that is taken.
    """
    if fault := find_name_fault(name) or (
        None if quoted(name) == name else "a namespace's name holds no '/' and needs no escaping"
    ):
        raise InvalidDocumentError.at("", "bad_name", fault)
    with registry.database.read() as connection:
        system = log.find_log(connection, SYSTEM_ID)
        if facts.find_namespace(connection, name) is not None or system is None:
            message = f"there is a namespace {name!r} already"
            raise ConflictError.at("", "namespace_taken", message)
    prefix = system.origin.removesuffix(f"/{SYSTEM}")
    key = registry.keys.make(origin_of(prefix, name, 1)).verifier_key
    secret = make_token()

    def change(transaction: Transaction) -> None:
        namespace_id = facts.last_namespace(transaction.connection) + 1
        _stage_namespace(transaction, namespace_id, name, prefix, key)
        recorder = Recorder(transaction, local_caller(namespace_id, name))
        stage_token(recorder, NewToken(name="first admin", access=Access.ADMIN), secret)

    registry.database.work.run(change)
    return secret


def _stage_namespace(transaction: Transaction, namespace_id: int, name: str, prefix: str, key: VerifierKey) -> None:
    now = format_time(datetime.now(UTC))
    transaction.stage(namespaces, {"id": namespace_id, "name": name, "created_at": now})
    transaction.flush()
    open_shard(Recorder(transaction, local_caller(namespace_id, name), now), prefix, 1, key)
    system = Recorder(transaction, local_caller(SYSTEM_ID, SYSTEM), now)
    record: JsonObject = {
        **heading(system, Kind.NAMESPACE, Found(new_id(), Kind.NAMESPACE, f"namespaces/{name}")),
        "title": name,
        "number": namespace_id,
    }
    system.register(Action.NAMESPACE_CREATED, record)
    transaction.flush()
