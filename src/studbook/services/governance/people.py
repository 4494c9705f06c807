"""Who stands behind an actor, and who may not decide about what they made themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from studbook.domain.canonical import read_canonical
from studbook.domain.documents import Access
from studbook.domain.errors import PermissionDeniedError
from studbook.domain.names import Kind
from studbook.governance.signatures import public_key_of, sign
from studbook.storage import governance as storage
from studbook.storage import reading

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.services.caller import Caller

POLICY_ADMIN: Final = "policy-admin"
BREAK_GLASS: Final = "break-glass"
_TOKENS: Final = "tokens/"


def find_principal(connection: Connection, namespace_id: int, actor: str) -> str:
    """The principal behind an actor of the log: whoever a token was made for, or the actor itself."""
    if not actor.startswith(_TOKENS):
        return actor
    try:
        token_id = UUID(actor.removeprefix(_TOKENS))
    except ValueError:
        return actor
    row = reading.find_by_id(connection, Kind.TOKEN, namespace_id, token_id)
    person = (read_canonical(row.record).get("person") if row is not None else None) or {}
    return person.get("principal") or actor


def find_involved(connection: Connection, namespace_id: int, record: JsonObject) -> dict[str, str]:
    """Who had a hand in a version, by principal: why they may not decide about it.

    Told by the records themselves: who registered it, who recorded its training run, who changed it last.
    """
    actors = {record["created_by"]: "registered it"}
    run = record.get("run")
    if run is not None:
        row = reading.find_by_id(connection, Kind.RUN, namespace_id, UUID(run["id"]))
        if row is not None:
            actors[read_canonical(row.record)["created_by"]] = "recorded its training run"
    last = storage.find_last_actor(connection, namespace_id, UUID(record["id"]))
    if last is not None:
        actors.setdefault(last, "changed it last")
    return {find_principal(connection, namespace_id, actor): why for actor, why in actors.items()}


def described(caller: Caller) -> JsonObject:
    """Who acts, as it stands in a record."""
    return {"actor": caller.actor, "principal": caller.principal}


def require_role(caller: Caller, role: str, act: str) -> None:
    """Raise PermissionDeniedError unless the caller has a role, or is an administrator."""
    if role not in caller.roles and caller.access is not Access.ADMIN:
        message = f"to {act}, a token needs the role {role!r} (or the right 'admin'); yours has {_roles(caller)}"
        raise PermissionDeniedError(message)


def require_exact_role(caller: Caller, roles: set[str], act: str) -> set[str]:
    """Those of the roles that the caller has; administrators have none by being administrators.

    Raises PermissionDeniedError when it is none.
    """
    held = roles & caller.roles
    if not held:
        wanted = " or ".join(repr(role) for role in sorted(roles))
        message = f"to {act}, a token needs the role {wanted}; yours has {_roles(caller)}"
        raise PermissionDeniedError(message)
    return held


def sign_as(caller: Caller, secret: str, statement: JsonObject) -> JsonObject:
    """A signed statement.

    Raises PermissionDeniedError when the secret is not the one that was made with the caller's token.
    """
    if caller.signing_key is None or public_key_of(secret) != caller.signing_key:
        message = "this is not the signing secret that was made with your token; nothing was signed"
        raise PermissionDeniedError.at("/signing_secret", "wrong_signing_secret", message)
    return {"statement": statement, "public_key": caller.signing_key, "signature": sign(secret, statement)}


def _roles(caller: Caller) -> str:
    return "the roles " + ", ".join(sorted(caller.roles)) if caller.roles else "no roles"
