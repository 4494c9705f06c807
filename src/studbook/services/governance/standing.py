"""What stands for and against a version: recalls and findings that reach it, what is attested, waived, asked for, and due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.names import Kind
from studbook.domain.types import format_time
from studbook.services.governance.gates import Gates
from studbook.services.governance.requests import find_subject
from studbook.services.governance.waiving import covers
from studbook.storage import governance as storage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from studbook.services.caller import Caller

_LIMIT: Final = 10_000


def get_standing(connection: Connection, caller: Caller, text: str) -> JsonObject:
    """The standing of a version; a recall or finding upstream comes with the way to it.

    Raises NotFoundError, InvalidDocumentError.
    """
    namespace_id, now = caller.namespace_id, format_time(datetime.now(UTC))
    subject = find_subject(connection, namespace_id, text, now)
    gates = Gates(connection, namespace_id, caller.namespace)
    reaching = list(gates.find_reaching(subject))
    assert subject.id is not None  # noqa: S101 - a stored record; for the type checker
    waivers = storage.list_with_status(connection, Kind.WAIVER, namespace_id, "active", _LIMIT)
    requests = storage.list_about(connection, Kind.CHANGE_REQUEST, namespace_id, [subject.id], ["open", "approved"])
    held = [
        record for row in waivers if covers((record := read_canonical(row.record))["scope"], subject) and record["ends_at"] > now
    ]
    return {
        "subject": subject.name,
        "recalled": any(kind is Kind.RECALL for kind, _, _ in reaching),
        "recalls": _shown(reaching, Kind.RECALL, ("name", "reason", "severity")),
        "findings": _shown(reaching, Kind.FINDING, ("name", "title", "severity", "owner", "due_at")),
        "attestations": subject.facts["attestations"](),
        "waivers": [{name: record[name] for name in ("name", "policy", "rule", "ends_at")} for record in held],
        "requests": [
            {name: record[name] for name in ("name", "passage", "status", "expires_at")}
            for record in (read_canonical(row.record) for row in requests)
        ],
        "reviews": subject.facts["reviews"](),
    }


def _shown(reaching: Iterable[tuple[Kind, JsonObject, list[str]]], kind: Kind, names: tuple[str, ...]) -> list[JsonObject]:
    return [
        {**{name: record[name] for name in names}, "subject": record["subject"]["name"], "path": path}
        for found, record, path in reaching
        if found is kind
    ]
