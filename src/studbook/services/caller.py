"""Who asks, in which namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from studbook.domain.documents import Access
from studbook.domain.errors import PermissionDeniedError

DEFAULT_NAMESPACE: Final = "default"
_RANK = {Access.READ: 0, Access.WRITE: 1, Access.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated principal at work in one namespace."""

    namespace_id: int
    namespace: str
    actor: str
    access: Access
    authenticated_by: str
    request_id: str = ""
    # Who stands behind the actor, as what they decide, and with which key they sign.
    principal: str = ""
    roles: frozenset[str] = frozenset()
    printed_name: str | None = None
    signing_key: str | None = None

    def __post_init__(self) -> None:
        """A caller of whom nothing more is known stands for itself."""
        if not self.principal:
            object.__setattr__(self, "principal", self.actor)

    def require(self, access: Access) -> None:
        """Raise PermissionDeniedError unless the caller's token allows `access`."""
        if _RANK[self.access] < _RANK[access]:
            message = f"this needs a token with the right {access.value!r}; yours has {self.access.value!r}"
            raise PermissionDeniedError(message)


def local_caller(namespace_id: int, namespace: str = DEFAULT_NAMESPACE) -> Caller:
    """Whoever can open the database file itself: nothing could be kept from them."""
    return Caller(namespace_id, namespace, "local", Access.ADMIN, "local")
