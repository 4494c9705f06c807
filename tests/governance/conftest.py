"""A registry with several people in it, each with a token of their own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from studbook.domain.documents import NewToken
from studbook.embedded import EmbeddedTransport
from studbook.services.tokens import create_token, first_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

API = "http://studbook.test/api/v1/namespaces/default"


@dataclass
class People:
    """Clients of one application by the name of who uses them."""

    transport: EmbeddedTransport
    secrets: dict[str, str] = field(default_factory=dict)

    def make(self, name: str, *roles: str, access: str = "write", signing: bool = False) -> httpx.Client:
        """A client for a person; a second one for the same name is another token of the same person."""
        registry = self.transport._registry
        document = NewToken.model_validate(
            {
                "name": name,
                "access": access,
                "principal": name,
                "printed_name": name.title(),
                "roles": list(roles),
                "signing": signing,
            }
        )
        made = create_token(registry.database, first_caller(registry.database), document).value()
        if signing:
            self.secrets[name] = made["signing_secret"]
        return httpx.Client(transport=self.transport, base_url=API, headers={"Authorization": f"Bearer {made['token']}"})


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    """Nobody yet; ask for people with `make`."""
    with contextlib.closing(EmbeddedTransport(database_url)) as transport:
        transport._app.state.local_caller = None
        yield People(transport)


@pytest.fixture
def admin(people: People) -> httpx.Client:
    """Whoever runs the registry: an administrator without any role."""
    return people.make("root", access="admin")


def policy(name: str = "gate", gates: tuple[str, ...] = ("register",), **parts: Any) -> dict[str, Any]:
    """A policy with one rule, that the version has a description, unless `parts` say otherwise."""
    rule = {
        "id": "described",
        "expression": "has(object.description) && object.description != ''",
        "message": "a version needs a description",
        "field": "/description",
        "remediation": "write what is new in it",
    }
    tests = [
        {"name": "with", "object": {"description": "x"}, "expect": "pass"},
        {"name": "without", "object": {}, "expect": {"fail": ["described"]}},
    ]
    made: dict[str, Any] = {"name": name, "match": {"gates": list(gates)}, "rules": [rule], "tests": tests, **parts}
    if made["rules"] == []:
        made["tests"] = []
    return made


def enforce(client: httpx.Client, document: dict[str, Any], state: str = "enforce") -> dict[str, Any]:
    """Draft a policy and let it be asked."""
    drafted = client.post("/policies", json=document)
    assert drafted.status_code == 201, drafted.text
    moved = client.post(f"/policies/{document['name']}/versions/latest:move", json={"state": state})
    assert moved.status_code == 200, moved.text
    found: dict[str, Any] = moved.json()
    return found
