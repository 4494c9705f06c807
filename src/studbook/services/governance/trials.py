"""What a policy would do, before it does: a draft asked about every stored version, or two versions of it compared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.errors import InvalidDocumentError
from studbook.domain.types import format_time
from studbook.governance.evaluation import VERSION_GATES, Facts, matches
from studbook.governance.gates import Passage
from studbook.governance.policy import Effect
from studbook.services.governance.gates import compile_document
from studbook.services.governance.policies import load_policy
from studbook.services.governance.subjects import given, load_beside, stored_version
from studbook.storage import governance as storage

if TYPE_CHECKING:
    from collections.abc import Generator
    from uuid import UUID

    from studbook.governance.evaluation import CompiledPolicy, PolicyResult
    from studbook.services.caller import Caller
    from studbook.services.governance.subjects import Subject
    from studbook.storage.database import Database

_STEP: Final = 500


@dataclass(slots=True)
class _Tally:
    """What came of the versions that were looked at."""

    total: int
    looked_at: int = 0
    applied: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: {"allow": 0, "warn": 0, "deny": 0})
    by_rule: dict[str, int] = field(default_factory=dict)
    changed: int = 0


def try_policy(
    database: Database, caller: Caller, name: str, place: str, against: str | None = None
) -> Generator[bytes, None, None]:
    """A version of a policy asked about every stored version as if it were enforced, as lines of JSON.

    They are `progress`, `failed` for each version with a rule that is not met (with `against`, `changed` for each whose outcome
    is another under that version of the policy), and a `summary` at the end.

    Raises NotFoundError, and InvalidDocumentError for a policy that is not about versions; later faults leave no summary.
    """
    with database.read() as connection:
        policy = _compiled(*load_policy(connection, caller.namespace_id, name, place))
        other = _compiled(*load_policy(connection, caller.namespace_id, name, against)) if against is not None else None
        total = storage.count_versions(connection, caller.namespace_id)
    return _lines(database, caller, policy, other, _Tally(total))


def _compiled(record: JsonObject, policy: Any) -> CompiledPolicy:  # noqa: ANN401 - a policy
    if not VERSION_GATES.intersection(policy.match.gates):
        message = f"{record['name']} is not about model versions, so it cannot be tried on them"
        raise InvalidDocumentError.at("", "wrong_kind", message)
    return compile_document(record["digest"], record["document"])


def _lines(
    database: Database, caller: Caller, policy: CompiledPolicy, other: CompiledPolicy | None, tally: _Tally
) -> Generator[bytes, None, None]:
    now = datetime.now(UTC)
    moment = format_time(now)
    after: UUID | None = None
    while True:
        lines: list[JsonObject] = []
        with database.read() as connection:
            rows = storage.list_versions_after(connection, caller.namespace_id, after, _STEP)
            records = [read_canonical(row.record) for row in rows]
            beside = load_beside(connection, caller.namespace_id, records)
            for record in records:
                subject = stored_version(connection, caller.namespace_id, record, moment, beside=beside[record["id"]])
                tally.looked_at += 1
                result = _ask(caller, policy, subject, now)
                line = _judge(result, tally)
                if other is not None:
                    before = _outcome(_ask(caller, other, subject, now))
                    if before == line["outcome"]:
                        continue
                    tally.changed += 1
                    lines.append({"type": "changed", "version": record["name"], "was": before, **line})
                elif line["failed"]:
                    lines.append({"type": "failed", "version": record["name"], **line})
        if not rows:
            break
        after = rows[-1].id
        lines.append({"type": "progress", "done": tally.looked_at, "total": tally.total})
        yield b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    summary: JsonObject = {
        "type": "summary",
        "policy": policy.policy.name,
        "looked_at": tally.looked_at,
        "applied": tally.applied,
        **tally.outcomes,
        "by_rule": dict(sorted(tally.by_rule.items(), key=lambda entry: -entry[1])),
        **({"changed": tally.changed} if other is not None else {}),
    }
    yield json.dumps(summary, ensure_ascii=False).encode() + b"\n"


def _ask(caller: Caller, policy: CompiledPolicy, subject: Subject, now: datetime) -> PolicyResult | None:
    """What a policy says of a stored version, whatever alias or target it is for; None where it is not asked."""
    match = policy.policy.match.model_copy(update={"targets": None})
    passage = Passage(next(gate for gate in match.gates if gate in VERSION_GATES))
    if not matches(match, passage, subject.model, caller.namespace, subject.definition):
        return None
    result = policy.evaluate(Facts(given(passage, caller, now), subject.facts))
    return result if result.applied else None


def _outcome(result: PolicyResult | None) -> str:
    effects = {failure.effect for failure in result.failures if failure.outcome != "ignored"} if result else set()
    if Effect.DENY in effects:
        return "deny"
    return "warn" if Effect.WARN in effects else "allow"


def _judge(result: PolicyResult | None, tally: _Tally) -> JsonObject:
    outcome = _outcome(result)
    if result is not None:
        tally.applied += 1
        tally.outcomes[outcome] += 1
        for failure in result.failures:
            tally.by_rule[failure.id] = tally.by_rule.get(failure.id, 0) + 1
    failed = [{"rule": failure.id, "message": failure.message} for failure in result.failures] if result else []
    return {"outcome": outcome, "failed": failed}
