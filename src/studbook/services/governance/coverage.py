"""Which controls of a framework a version meets, by which evidence, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from studbook.domain.canonical import JsonObject, read_canonical
from studbook.domain.errors import InvalidDocumentError, NotFoundError
from studbook.domain.names import ByName, Kind, parse_reference
from studbook.domain.types import format_time
from studbook.governance.evaluation import VERSION_GATES, CompiledPolicy, Facts, evaluate_all
from studbook.governance.gates import Gate, Passage
from studbook.governance.library import list_frameworks, list_packs, load_framework, load_pack
from studbook.services.governance.gates import load_in_force
from studbook.services.governance.subjects import given, load_beside, stored_version
from studbook.services.reading import get_record
from studbook.storage import governance as storage
from studbook.storage import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from studbook.governance.evaluation import PolicyResult
    from studbook.governance.library import Framework
    from studbook.services.caller import Caller

_VERSIONS_OF_MODEL: Final = 20
_shipped: Final[dict[str, CompiledPolicy]] = {}


def list_all() -> JsonObject:
    """The frameworks that Studbook knows."""
    items = []
    for name in list_frameworks():
        framework = load_framework(name)
        items.append({**framework.model_dump(mode="json", exclude={"controls"}), "controls": len(framework.controls)})
    return {"items": items}


def get_framework(name: str) -> JsonObject:
    """A framework with all its controls.

    Raises NotFoundError.
    """
    return _find(name).model_dump(mode="json")


def _find(name: str) -> Framework:
    try:
        return load_framework(name)
    except KeyError:
        message = f"no framework is called {name[:80]!r}; there are {', '.join(list_frameworks())}"
        raise NotFoundError(message) from None


def report(connection: Connection, caller: Caller, text: str, name: str) -> JsonObject:
    """The coverage of a version, or of a model: that of its latest version, and how its versions before that did.

    Raises NotFoundError, InvalidDocumentError.
    """
    framework = _find(name)
    reference = parse_reference(text)
    if isinstance(reference, ByName) and reference.kind is Kind.MODEL:
        model = get_record(connection, caller.namespace_id, reference, text)
        rows = listing.list_versions(connection, caller.namespace_id, None, _VERSIONS_OF_MODEL, model_id=model.id)
        records = [read_canonical(row.record) for row in rows[:_VERSIONS_OF_MODEL]]
        if not records:
            raise NotFoundError(f"the model {reference.name!r} has no version yet")
        reports = [_of_version(connection, caller, record, framework) for record in records]
        history = [{"version": one["subject"], "met": one["met"], "missing": one["missing"]} for one in reports]
        return {**reports[0], "model": model.name, "versions": history}
    found = get_record(connection, caller.namespace_id, reference, text)
    if found.kind is not Kind.MODEL_VERSION:
        raise InvalidDocumentError.at("/subject", "wrong_kind", f"{found.name} is no model or model version")
    record = read_canonical(storage.find_records(connection, Kind.MODEL_VERSION, caller.namespace_id, [found.id])[found.id])
    return _of_version(connection, caller, record, framework)


def _of_version(connection: Connection, caller: Caller, record: JsonObject, framework: Framework) -> JsonObject:
    now = datetime.now(UTC)
    beside = load_beside(connection, caller.namespace_id, [record])[record["id"]]
    subject = stored_version(connection, caller.namespace_id, record, format_time(now), beside=beside)
    asked = list(_policies(connection, caller))
    facts = Facts(given(Passage(Gate.PROMOTE), caller, now), subject.facts)
    results = evaluate_all([policy for _, policy in asked], facts)
    evidence: dict[str, list[JsonObject]] = {}
    for (source, policy), result in zip(asked, results, strict=True):
        for control, entry in _evidence(policy, result, source):
            evidence.setdefault(control, []).append(entry)
    provisions = framework.model_dump(mode="json")["controls"]
    controls = [_control(provision, evidence.get(provision["id"], [])) for provision in provisions]
    owners = [owner["name"] for owner in (beside.model or {}).get("owners", ()) if owner["name"]]
    return {
        "framework": framework.framework,
        "title": framework.title,
        "version": framework.version,
        "retrieved": framework.retrieved,
        "subject": record["name"],
        "owners": owners,
        "evaluated_at": format_time(now),
        "met": sum(control["status"] == "met" for control in controls),
        "missing": sum(control["status"] == "missing" for control in controls),
        "controls": controls,
    }


def _policies(connection: Connection, caller: Caller) -> Iterator[tuple[str, CompiledPolicy]]:
    """The policies about versions, whose rules are evidence: those in force, and the shipped ones that are not."""
    held = {one.name: one.policy for one in load_in_force(connection, caller.namespace_id)}
    for policy in held.values():
        if VERSION_GATES.intersection(policy.policy.match.gates):
            yield "in force", policy
    for name in list_packs():
        for policy_document in load_pack(name).policies:
            if policy_document.name not in held and VERSION_GATES.intersection(policy_document.match.gates):
                if policy_document.name not in _shipped:
                    _shipped[policy_document.name] = CompiledPolicy(policy_document)
                yield "shipped", _shipped[policy_document.name]


def _evidence(policy: CompiledPolicy, result: PolicyResult, source: str) -> Iterator[tuple[str, JsonObject]]:
    """What each rule of a policy shows, by the controls that it is about."""
    failures = {failure.id: failure for failure in result.failures}
    undecided = failures.get("conditions")
    for rule in policy.policy.rules:
        failure = failures.get(rule.id) or undecided
        entry = {
            "policy": policy.policy.name,
            "rule": rule.id,
            "source": source,
            "status": "not applicable" if not result.applied else ("missing" if failure else "met"),
            "field": rule.field,
            "message": failure.message if failure else None,
            "remediation": rule.remediation if failure else None,
            "basis": rule.source,
        }
        for control in rule.controls:
            yield control, entry


def _control(provision: JsonObject, entries: list[JsonObject]) -> JsonObject:
    states = {entry["status"] for entry in entries}
    if "missing" in states:
        status = "missing"
    elif "met" in states:
        status = "met"
    else:
        status = "not applicable" if states else "not checked"
    shown: dict[str, Any] = {**provision, "status": status, "rules": entries}
    return shown
