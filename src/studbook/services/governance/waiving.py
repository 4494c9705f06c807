"""Waivers in force: which rules are not held against whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from studbook.domain.canonical import read_canonical
from studbook.domain.names import Kind
from studbook.storage import governance as storage

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from studbook.domain.canonical import JsonObject
    from studbook.governance.policy import Policy
    from studbook.services.governance.gates import Failed
    from studbook.services.governance.subjects import Subject

_LIMIT: Final = 10_000
# What approvals lack is never waived: that would be an approval by other means.
UNWAIVABLE: Final = frozenset({"approvals"})


@dataclass(frozen=True, slots=True)
class Waivers:
    """The waivers that hold at a moment, by policy and rule."""

    by_rule: dict[tuple[str, str], list[JsonObject]]

    def apply(self, failed: Failed, policy: Policy, subject: Subject) -> Failed:
        """The failed rule, with the waiver that stands against it."""
        if policy.waivable is None or failed.rule in UNWAIVABLE:
            return failed
        for waiver in self.by_rule.get((failed.policy, failed.rule), ()):
            if covers(waiver["scope"], subject):
                return replace(failed, waiver=waiver["name"])
        return failed


def covers(scope: JsonObject, subject: Subject) -> bool:
    """Whether a waiver's scope holds a subject."""
    if scope["kind"] == "version":
        return bool(subject.id is not None and scope["id"] == str(subject.id))
    if scope["kind"] == "model":
        return subject.model is not None and scope["name"] == subject.model
    return True


def find_waivers(connection: Connection, namespace_id: int, now: str) -> Waivers:
    """The waivers that were approved and have not ended."""
    found: dict[tuple[str, str], list[JsonObject]] = {}
    for row in storage.list_with_status(connection, Kind.WAIVER, namespace_id, "active", _LIMIT):
        record = read_canonical(row.record)
        if record["ends_at"] > now:
            found.setdefault((record["policy"], record["rule"]), []).append(record)
    return Waivers(found)
