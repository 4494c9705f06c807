"""What identifiers mean: who carries a digest, a commit, a foreign name, an address, or an id that begins so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studbook.domain.errors import InvalidDocumentError, NotFoundError
from studbook.domain.identifiers import Sought, read_reference, read_sought
from studbook.storage.carriers import find_carriers
from studbook.storage.references import MATCH_LIMIT, Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.domain.identifiers import Form


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an identifier means; `error` says why it can mean nothing."""

    identifier: str
    matches: tuple[Found, ...]
    truncated: bool
    error: str | None = None

    def matches_as_json(self) -> list[JsonObject]:
        """The records as they stand in an answer."""
        return [{"kind": match.kind.value, "name": match.name, "id": str(match.id)} for match in self.matches]

    def as_json(self) -> JsonObject:
        """The identifier's part of the answer to many."""
        shown = {"identifier": self.identifier, "matches": self.matches_as_json(), "truncated": self.truncated}
        return shown if self.error is None else {**shown, "error": self.error}


def resolve(connection: Connection, namespace_id: int, text: str, *, exact: bool = False) -> Resolved:
    """Every record that an identifier means; with `exact` only what it would mean in a document.

    Raises NotFoundError, InvalidDocumentError for a text that can mean nothing.
    """
    sought = read_reference(text) if exact else read_sought(text)
    found = _resolve(connection, namespace_id, [(text, sought)])[0]
    if found.error is not None:
        raise InvalidDocumentError.at("", "bad_reference", found.error)
    if not found.matches:
        raise NotFoundError("no record of this namespace carries that name or identifier")
    return found


def resolve_many(connection: Connection, namespace_id: int, texts: Sequence[str]) -> list[Resolved]:
    """What each identifier means, in their order, in as many statements as there are kinds of identifier among them."""
    return _resolve(connection, namespace_id, [(text, read_sought(text)) for text in texts])


def _resolve(connection: Connection, namespace_id: int, sought: Sequence[tuple[str, Sought]]) -> list[Resolved]:
    carriers = find_carriers(connection, namespace_id, [form for _, each in sought for form in each.forms])
    return [_resolved(text, each, carriers) for text, each in sought]


def _resolved(text: str, sought: Sought, carriers: dict[Form, list[Found]]) -> Resolved:
    matches = {match.id: match for form in sought.forms for match in carriers[form]}
    # By id, which is by time: the first that carried it stands first.
    ordered = [matches[record_id] for record_id in sorted(matches)]
    error = sought.fault if not ordered else None
    return Resolved(text, tuple(ordered[:MATCH_LIMIT]), len(ordered) > MATCH_LIMIT, error)
