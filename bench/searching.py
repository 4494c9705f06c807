"""Search over many model versions, against the best hand-written SQL on the same tables; in the server's process, without HTTP.

The versions are put into the tables as registration does it (the same rows, from the same records), without their events.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from bench.records import document
from bench.serving import API
from studbook.domain.canonical import canonical_json
from studbook.domain.ids import new_id
from studbook.domain.names import ByAlias, ByNumber, Kind
from studbook.schemas.definition import Definition
from studbook.schemas.validation import compile_validator
from studbook.services.listing import Paging
from studbook.services.namespaces import prepare
from studbook.services.projection import columns_of, details_of
from studbook.services.reading import get_version
from studbook.services.registry import Registry, open_registry
from studbook.services.schemas import definitions
from studbook.services.schemas.contracts import load_maps
from studbook.services.searching.questions import Question
from studbook.services.searching.searching import answer
from studbook.services.tokens import first_caller
from studbook.storage.reading import TABLES
from studbook.storage.tables import aliases, registered_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from bench.serving import Client
    from studbook.schemas.storage_map import StorageMap
    from studbook.services.caller import Caller
    from studbook.storage.unit_of_work import Transaction

# So many versions are made one by one; more are copies of them.
FIRST: Final = 20_000
_CHUNK: Final = 5_000
_MODELS: Final = 2_000
_REPEATS: Final = 60
_PAGE: Final = 50
_LATE_PAGE: Final = 500
_FRAMEWORKS: Final = ("pytorch", "tensorflow", "sklearn", "xgboost", "jax")
_FRAMEWORK_WEIGHTS: Final = (50, 20, 20, 8, 2)
_LICENSES: Final = ("proprietary", "Apache-2.0", "MIT", "GPL-3.0", "CC-BY-4.0", "OpenRAIL")
# As many columns of the definition have an index.
_INDEXES: Final = 12
_WORDS: Final = [
    f"{first}{second}" for first in ("al", "be", "co", "du", "en", "fi", "go") for second in ("ra", "me", "ti", "no", "lux")
]


def definition() -> dict[str, Any]:
    """A definition of thirty attributes: twenty columns, the rest kept in the other places."""
    columns: list[tuple[str, str]] = [("framework", "string"), ("license", "string"), ("risk", "string"), ("score", "number")]
    columns += [(f"number{index}", "number") for index in range(8)] + [(f"label{index}", "string") for index in range(8)]
    attributes: list[dict[str, Any]] = [
        {"id": index, "name": name, "path": f"/attributes/{name}", "type": kind, "store": "column", "index": index <= _INDEXES}
        for index, (name, kind) in enumerate(columns, 1)
    ]
    attributes += [
        {"id": 20 + index, "name": f"text{index}", "path": f"/attributes/text{index}", "store": "full-text"}
        for index in range(1, 4)
    ]
    attributes += [
        {"id": 23 + index, "name": f"kept{index}", "path": f"/attributes/kept{index}", "store": "document"}
        for index in range(1, 7)
    ]
    attributes.append({"id": 30, "name": "options", "path": "/attributes/options/*", "store": "key-value"})
    properties: dict[str, Any] = {name: {"type": kind} for name, kind in columns}
    properties |= {f"text{index}": {"type": "string"} for index in range(1, 4)} | {f"kept{index}": {} for index in range(1, 7)}
    properties["options"] = {"type": "object"}
    inner = {"type": "object", "properties": properties, "required": ["license"], "additionalProperties": False}
    schema = {"type": "object", "properties": {"attributes": inner}, "required": ["attributes"]}
    return {"name": "bench", "json_schema": schema, "attributes": attributes}


def attributes_of(chance: random.Random) -> dict[str, Any]:
    """The attributes of a version, skewed as real ones are."""
    return {
        "framework": chance.choices(_FRAMEWORKS, _FRAMEWORK_WEIGHTS)[0],
        "license": chance.choices(_LICENSES, (60, 20, 10, 5, 4, 1))[0],
        "risk": chance.choices(("minimal", "limited", "high"), (80, 15, 5))[0],
        "score": round(chance.betavariate(8, 2), 6),
        **{f"number{index}": round(chance.expovariate(0.1), 3) for index in range(8)},
        **{f"label{index}": chance.choice(_WORDS) for index in range(8)},
        "text1": " ".join(chance.choices(_WORDS, k=12)) + f" rare{chance.randrange(20_000)}",
        "kept1": {"a": 1},
        "options": {"seed": chance.randrange(1000)},
    }


def fill(registry: Registry, caller: Caller, size: int) -> StorageMap:
    """Publish the definition and put so many versions into the tables."""
    read = Definition.model_validate(definition())
    definitions.draft(registry.database, caller, read)
    definitions.publish(registry.database, caller, "bench", "1")
    with registry.database.read() as connection:
        (storage_map,) = load_maps(connection, caller.namespace_id).values()
    chance = random.Random(7)  # noqa: S311 - the same versions every time
    models = [(new_id(), f"model-{index:04}") for index in range(_MODELS)]
    counts = dict.fromkeys(range(_MODELS), 0)
    choices = chance.choices(range(_MODELS), [1 / (rank + 1) for rank in range(_MODELS)], k=size)
    _store_models(registry, caller, storage_map, models)
    for begin in range(0, size, _CHUNK):
        part = choices[begin : begin + _CHUNK]

        def change(transaction: Transaction, part: list[int] = part) -> None:
            for index in part:
                counts[index] += 1
                _stage_version(transaction, caller, storage_map, chance, models[index], counts[index])

        registry.database.work.run(change)
    _finish(registry, caller, models, counts)
    return storage_map


def _store_models(registry: Registry, caller: Caller, storage_map: StorageMap, models: list[tuple[UUID, str]]) -> None:
    def change(transaction: Transaction) -> None:
        for model_id, name in models:
            record = {
                **_heading(model_id, "model", f"models/{name}"),
                "model": name,
                "schema": {"name": "bench", "id": str(storage_map.schema_id), "min_version": None, "max_version": None},
                "description": None,
                "owners": [],
                "tags": {},
                "aliases": {},
                "archived_at": None,
                "personal": [],
            }
            _stage(transaction, caller, record, {"last_version": 0}, None)

    registry.database.work.run(change)


def _heading(record_id: UUID, kind: str, name: str) -> dict[str, Any]:
    moment = "2026-11-25T00:00:00.000000Z"
    return {"kind": kind, "id": str(record_id), "name": name, "namespace": "default", "created_at": moment, "created_by": "bench"}


def _stage_version(
    transaction: Transaction,
    caller: Caller,
    storage_map: StorageMap,
    chance: random.Random,
    model: tuple[UUID, str],
    number: int,
) -> None:
    model_id, name = model
    digest = f"{chance.getrandbits(256):064x}"
    metric = {"dataset": None, "split": "holdout", "slice": None, "step": None, "recorded_at": "2026-11-25T00:00:00.000000Z"}
    record = {
        **_heading(new_id(), "model_version", f"models/{name}/versions/{number}"),
        "model": name,
        "number": number,
        "schema": {"name": "bench", "id": str(storage_map.schema_id), "version": 1},
        "description": None,
        "archived_at": None,
        "parameters": {"lr": round(chance.lognormvariate(-6, 1), 8), "depth": chance.randrange(2, 12)},
        "metrics": [{"name": "auc", "value": round(chance.betavariate(9, 2), 6), **metric}],
        "artifacts": [{"name": None, "uri": f"s3://bench/{digest}", "digest": f"sha256:{digest}", "size": 1, "media_type": None}],
        "tags": {
            "env": chance.choices(("dev", "staging", "prod"), (80, 15, 5))[0],
            "team": f"team-{int(chance.expovariate(0.3))}",
        },
        "attributes": attributes_of(chance),
        "identifiers": {},
        "parents": [],
        "datasets": [],
        "run": None,
        "personal": [],
    }
    _stage(transaction, caller, record, {"model_id": model_id}, storage_map)


def _stage(
    transaction: Transaction, caller: Caller, record: dict[str, Any], more: dict[str, Any], storage_map: StorageMap | None
) -> None:
    row = {
        "namespace_id": caller.namespace_id,
        "id": UUID(record["id"]),
        "revision": 1,
        "record": canonical_json(record),
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
        **columns_of(record),
        **more,
    }
    transaction.stage(TABLES[Kind(record["kind"])], row)
    for table, rows in details_of(caller.namespace_id, record, storage_map).items():
        transaction.stage(table, *rows)


def _finish(registry: Registry, caller: Caller, models: list[tuple[UUID, str]], counts: dict[int, int]) -> None:
    def change(transaction: Transaction) -> None:
        table = registered_models
        for index, count in counts.items():
            transaction.execute(table.update().where(table.c.id == models[index][0]).values(last_version=count))
        namespace = {"namespace_id": caller.namespace_id, "model_id": models[0][0], "name": "champion"}
        number = max(counts[0] // 2, 1)
        found = transaction.execute(
            sa.text("SELECT id FROM model_versions WHERE model_id = :model AND number = :number")
            .bindparams(sa.bindparam("model", models[0][0], registered_models.c.id.type), sa.bindparam("number", number))
            .columns(id=registered_models.c.id.type)
        ).scalar_one()
        transaction.stage(aliases, {**namespace, "version_id": found})

    registry.database.work.run(change)


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, and the statement that somebody would write by hand for it."""

    question: Question
    hand: str


def searches(number: int, *, sqlite: bool) -> dict[str, Asked]:
    """The searches of three conditions with an order that are held against SQL; `number` is that of the definition's table.

    The SQL is the best we know for each engine: on SQLite it fixes the order of its joins and which indexes are not used.
    """
    join, plus = ("CROSS JOIN", "+") if sqlite else ("JOIN", "")
    start = "SELECT v.id, v.revision, v.record, v.updated_at FROM "
    open_ = "v.namespace_id = 1 AND v.archived_at IS NULL"
    version = f"{join} model_versions v ON v.namespace_id = 1 AND v.id ="
    tag = "EXISTS (SELECT 1 FROM version_tags u WHERE u.namespace_id = 1 AND u.version_id = v.id AND u.key = 'env'"
    tag += " AND u.value = 'prod')"
    return {
        "attributes": Asked(
            Question(filter="framework = sklearn and risk = high and score > 0.9", order_by="-score"),
            f"{start} schema_{number} s {version} s.version_id WHERE s.namespace_id = 1 AND {plus}s.a1 = 'sklearn' AND "
            f"{plus}s.a3 = 'high' AND s.a4 > 0.9 AND {open_} ORDER BY s.a4 DESC, s.version_id DESC LIMIT 51",
        ),
        "tags and metric": Asked(
            Question(filter="tags.env = prod and tags.team = team-3 and metrics.auc > 0.9"),
            f"{start} version_tags t {version} t.version_id WHERE t.namespace_id = 1 AND t.key = 'team' AND "
            f"substr(t.value, 1, 200) = 'team-3' AND {tag} AND EXISTS (SELECT 1 FROM version_metrics m WHERE m.namespace_id = 1 "
            f"AND m.version_id = v.id AND {plus}m.name = 'auc' AND {plus}m.value > 0.9 AND m.slice IS NULL) AND {open_} "
            "ORDER BY t.version_id DESC LIMIT 51",
        ),
        "mixed": Asked(
            Question(filter="framework = xgboost and tags.env = prod and params.depth >= 8", order_by="-metrics.auc"),
            f"{start} (SELECT s.version_id FROM schema_{number} s WHERE s.namespace_id = 1 AND s.a1 = 'xgboost' AND "
            f"{plus}s.version_id IN (SELECT t.version_id FROM version_tags t WHERE t.namespace_id = 1 AND t.key = 'env' AND "
            f"substr(t.value, 1, 200) = 'prod')) b {version} b.version_id {join} version_metrics m ON m.namespace_id = 1 AND "
            f"m.version_id = v.id WHERE {plus}m.name = 'auc' AND m.slice IS NULL AND EXISTS (SELECT 1 FROM parameters p WHERE "
            f"p.namespace_id = 1 AND p.version_id = v.id AND p.name = 'depth' AND {plus}p.number >= 8) AND {open_} "
            "ORDER BY m.value DESC, m.version_id DESC LIMIT 51",
        ),
    }


def _times(repeats: int, call: Callable[[], Any]) -> list[float]:
    call()
    return sorted(_time(call) for _ in range(repeats))


def _times_in_turns(*calls: Callable[[], Any]) -> list[list[float]]:
    """The times of several calls that take turns, so that none finds the caches warmer than the others."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(_REPEATS):
        for times, call in zip(taken, calls, strict=True):
            times.append(_time(call))
    return [sorted(times) for times in taken]


def _time(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _p99(taken: list[float]) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * 0.99))]


def measure_searches(url: str, sizes: Sequence[int]) -> dict[int, dict[str, float]]:
    """The figures of one engine at growing sizes, multiples of FIRST; times in milliseconds."""
    registry = open_registry(url)
    try:
        prepare(registry)
        caller = first_caller(registry.database)
        storage_map = fill(registry, caller, FIRST)
        figures: dict[int, dict[str, float]] = {}
        held = 1
        for size in sizes:
            multiply(registry, storage_map.number, range(held, max(size // FIRST, 1)))
            held = max(size // FIRST, 1)
            tidy(registry)
            with registry.database.read() as connection:
                figures[size] = _measure(connection, caller.namespace_id, storage_map.number)
        return figures
    finally:
        registry.close()


_COPIED: Final = ("model_versions", "version_tags", "parameters", "version_metrics", "artifacts", "attribute_values")


def multiply(registry: Registry, number: int, copies: range) -> None:
    """Put the first versions into the tables once more for each copy, under other ids and numbers.

    The ids of a copy are later than all before: the first bytes of a UUIDv7 are its time. What is measured sees no difference.
    """
    sqlite = registry.database.is_embedded
    with registry.database.engine.connect() as connection:
        if sqlite:
            driver: Any = connection.connection.dbapi_connection
            driver.create_function("copied", 2, lambda raw, copy: bytes([raw[0], raw[1] + copy]) + raw[2:], deterministic=True)
            # Filling is not what is measured.
            driver.execute("PRAGMA cache_size = -1000000")
            driver.execute("PRAGMA synchronous = OFF")
        with connection.begin():
            connection.exec_driver_sql(
                f"CREATE TEMP TABLE first AS SELECT id FROM model_versions WHERE number <= {_FIRST_NUMBERS}"
            )
        for copy in copies:
            later = f"copied({{0}}, {copy})" if sqlite else _LATER.format(copy)
            with connection.begin():
                connection.exec_driver_sql(f"UPDATE registered_models SET last_version = last_version * {copy + 1} / {copy}")
                for table in (*_COPIED, "search_documents", f"schema_{number}"):
                    _copy_rows(connection, table, later, copy * _FIRST_NUMBERS)
        connection.invalidate()


# A UUID whose second byte is greater by the number of the copy; the place of the id is filled in later.
_LATER: Final = "encode(set_byte(uuid_send({{0}}), 1, get_byte(uuid_send({{0}}), 1) + {0}), 'hex')::uuid"


def _copy_rows(connection: Connection, table: str, later: str, shift: int) -> None:
    own = "id" if table in ("model_versions", "search_documents") else "version_id"
    names = [column["name"] for column in sa.inspect(connection).get_columns(table)]
    changed = {own: later.format(own)} | ({"number": f"number + {shift}"} if table == "model_versions" else {})
    taken = ", ".join(changed.get(name, f'"{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    first = f"namespace_id = 1 AND {own} IN (SELECT id FROM first)"
    connection.exec_driver_sql(f"INSERT INTO {table} ({listed}) SELECT {taken} FROM {table} WHERE {first}")


# Greater than any number that filling gives.
_FIRST_NUMBERS: Final = 100_000


def tidy(registry: Registry) -> None:
    """Let PostgreSQL count what it has, as it does by itself after a while."""
    if not registry.database.is_embedded:
        with registry.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


def _measure(connection: Connection, namespace_id: int, number: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    numbered, named = ByNumber(Kind.MODEL_VERSION, "model-0000", 5), ByAlias("model-0000", "champion")
    figures["by number"] = statistics.median(_times(300, lambda: get_version(connection, namespace_id, numbered)))
    figures["by alias"] = statistics.median(_times(300, lambda: get_version(connection, namespace_id, named)))
    for name, asked in searches(number, sqlite=connection.dialect.name == "sqlite").items():
        ours, hand = _times_in_turns(
            lambda asked=asked: answer(connection, namespace_id, asked.question, Paging(_PAGE, None)),  # type: ignore[misc]
            lambda asked=asked: _by_hand(connection, asked.hand),  # type: ignore[misc]
        )
        figures |= {f"{name}": statistics.median(ours), f"{name} p99": _p99(ours), f"{name} by hand": statistics.median(hand)}
        figures[f"{name} ratio"] = statistics.median(ours) / statistics.median(hand)
    for name, text in {"one word": "rare77", "two words": "alra rare5"}.items():
        question = Question(text=text)
        taken = _times(_REPEATS, lambda question=question: answer(connection, namespace_id, question, Paging(_PAGE, None)))  # type: ignore[misc]
        figures[f"text, {name}"] = statistics.median(taken)
    figures |= _measure_pages(connection, namespace_id)
    return figures


def _by_hand(connection: Connection, statement: str) -> bytes:
    """What the hand-written statement finds, made into an answer as plainly as can be."""
    rows = connection.exec_driver_sql(statement.replace("%", "%%")).all()
    items = (b'{"etag":"\\"%d\\"","updated_at":"%s",' % (row[1], row[3].encode()) + bytes(row[2])[1:] for row in rows)
    return b'{"items":[' + b",".join(items) + b"]}"


def _measure_pages(connection: Connection, namespace_id: int) -> dict[str, float]:
    question = Question(filter="framework = pytorch", order_by="-score")
    token = None
    for _ in range(_LATE_PAGE - 1):
        token = json.loads(answer(connection, namespace_id, question, Paging(_PAGE, token)))["next_page_token"]
    first = statistics.median(_times(_REPEATS, lambda: answer(connection, namespace_id, question, Paging(_PAGE, None))))
    late = statistics.median(_times(_REPEATS, lambda: answer(connection, namespace_id, question, Paging(_PAGE, token))))
    return {"first page": first, "late page": late}


def validation_rate() -> float:
    """Documents a second that the validator of the definition takes."""
    validator = compile_validator(definition()["json_schema"])
    chance = random.Random(3)  # noqa: S311 - the same documents every time
    documents = [{"attributes": attributes_of(chance)} for _ in range(1000)]
    started = time.perf_counter()
    for _ in range(20):
        for checked in documents:
            validator.is_valid(checked)
    return 20 * len(documents) / (time.perf_counter() - started)


def measure_registration(client: Client, rounds: int) -> tuple[float, float]:
    """Registering versions of one model with the definition and of one without, in turns: p50 in milliseconds of each."""
    client.post(f"{API}/schemas", json.dumps(definition()).encode())
    client.post(f"{API}/schemas/bench/versions/1:publish", b"")
    chance = random.Random(5)  # noqa: S311 - the same documents every time
    times: dict[str | None, list[float]] = {"bench": [], None: []}
    for _ in range(rounds):
        for schema, taken in times.items():
            body = document(f"described-{schema}", parent=None)
            body["model"]["schema"] = schema
            body["version"]["attributes"] = attributes_of(chance)
            sent = json.dumps(body).encode()
            started = time.perf_counter()
            client.post(f"{API}/ingest", sent)
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(times["bench"]), statistics.median(times[None])
