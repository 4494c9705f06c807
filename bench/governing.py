"""What policies cost: registrations that they judge, the facts that they read upstream, and a trial on all that is stored."""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bench.records import document, encoded
from bench.serving import API
from studbook.config import Settings
from studbook.domain.canonical import read_canonical
from studbook.domain.documents import IngestDocument
from studbook.domain.names import ByNumber, Kind
from studbook.domain.types import format_time
from studbook.domain.validation import read_document
from studbook.governance.policy import Policy
from studbook.http.server import collect_seldom
from studbook.services import ingestion
from studbook.services.governance import policies, trials
from studbook.services.governance.subjects import stored_version
from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.services.tokens import first_caller
from studbook.storage import reading

if TYPE_CHECKING:
    from bench.serving import Client

POLICIES: Final = 10
RULES: Final = (
    "object.artifacts.size() > 0 && object.artifacts.all(a, has(a.digest))",
    "object.metrics.exists(m, m.name == 'metric_0' && m.value >= params.minimum)",
    "object.datasets.exists(d, d.role == 'test') && object.datasets.all(d, has(d.digest))",
    "object.tags.tag_0 != '' && object.parameters.size() >= 1",
    "has(object.run.seed) && !(principal.id == '')",
)
ANCESTORS: Final = 1_000
TRIED: Final = 100_000
_GOVERNED: Final = "bench-governed"
_FREE: Final = "bench-free"


def _policy(number: int, gate: str = "register") -> dict[str, Any]:
    rules = [{"id": f"rule-{place}", "expression": text, "message": "not met"} for place, text in enumerate(RULES)]
    test = {"name": "as the records of this measurement", "object": _project(), "expect": "pass"}
    match = {"gates": [gate], "models": [_GOVERNED if gate == "register" else "*"]}
    return {"name": f"bench-{number}", "match": match, "params": {"minimum": 0.0}, "rules": rules, "tests": [test]}


def _project() -> dict[str, Any]:
    """A version of the measurement as rules see it."""
    made = document(_GOVERNED, parent=None)
    return {**made["version"], "parents": [], "datasets": made["datasets"], "run": {"seed": 1}}


def measure_registration(client: Client, rounds: int) -> tuple[float, float]:
    """Milliseconds of a registration that ten enforced policies with fifty rules judge, and of one that none does, in turns."""
    for number in range(POLICIES):
        client.post(f"{API}/policies", json.dumps(_policy(number)).encode())
        client.post(f"{API}/policies/bench-{number}/versions/latest:move", b'{"state": "enforce"}')
    times: dict[str, list[float]] = {_GOVERNED: [], _FREE: []}
    for turn in range(rounds + 10):
        for model, taken in times.items():
            body = encoded(model, parent=None)
            started = time.perf_counter()
            client.post(f"{API}/ingest", body)
            if turn >= 10:  # noqa: PLR2004 - the first few find caches empty
                taken.append(time.perf_counter() - started)
    return statistics.median(times[_GOVERNED]) * 1000, statistics.median(times[_FREE]) * 1000


def measure_lineage(url: str) -> float:
    """Milliseconds to compute all facts of `lineage` of a version with a thousand ancestors in one line."""
    # As the server does.
    collect_seldom()
    registry = open_registry(url, settings=Settings())
    try:
        prepare(registry)
        caller = first_caller(registry.database)
        made = [document("bench-line", parent=f"bench-line/{number}" if number else None) for number in range(ANCESTORS // 2 + 1)]
        for start in range(0, len(made), 100):
            items = [ingestion.Ingestion(caller, read_document(IngestDocument, body)) for body in made[start : start + 100]]
            for outcome in ingestion.submit_together(registry.database, caller, items).result():
                if isinstance(outcome, Exception):
                    raise outcome
        place = ByNumber(Kind.MODEL_VERSION, "bench-line", len(made))
        times = []
        for _ in range(7):
            with registry.database.read() as connection:
                row = reading.find_version(connection, caller.namespace_id, place)
                assert row is not None  # noqa: S101 - it was just registered
                started = time.perf_counter()
                subject = stored_version(
                    connection, caller.namespace_id, read_canonical(row.record), format_time(datetime.now(UTC))
                )
                found = {name: compute() for name, compute in subject.facts.items() if name.startswith("lineage.")}
                times.append(time.perf_counter() - started)
                assert found["lineage.ancestors"] >= ANCESTORS  # noqa: S101 - else something else was measured
        return statistics.median(times) * 1000
    finally:
        registry.close()


def measure_trial(url: str) -> float:
    """Versions a second in a trial of a draft policy with five rules, over those there are, at most 100,000."""
    registry = open_registry(url, settings=Settings())
    try:
        caller = first_caller(registry.database)
        policies.draft(registry.database, caller, Policy.model_validate(_policy(99, "promote")))
        done, started = 0, time.perf_counter()
        for piece in trials.try_policy(registry.database, caller, "bench-99", "latest"):
            for line in piece.splitlines():
                if b'"type": "progress"' in line:
                    done = json.loads(line)["done"]
            if done >= TRIED:
                break
        return done / (time.perf_counter() - started)
    finally:
        registry.close()
