"""Questions about the lineage in a graph of many nodes, beside a graph library that holds it in memory; in the server's process.

The graph is put into the tables without records and events: families of 1,000 and some of 10,000 nodes, in each of which every
node comes of the one before it and of two others among the sixty before, so that the last has all others as its ancestors.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import rustworkx

from bench.records import document
from studbook.config import Settings
from studbook.domain.documents import IngestDocument
from studbook.domain.ids import new_id
from studbook.domain.names import Kind, version_name
from studbook.domain.validation import read_document
from studbook.http.answers import json_response
from studbook.services import ingestion
from studbook.services.lineage.scene import Direction, View, get_lineage
from studbook.services.lineage.walking import DEPTH_LIMIT, NODE_LIMIT
from studbook.services.namespaces import prepare
from studbook.services.registry import open_registry
from studbook.services.tokens import first_caller
from studbook.storage import graph
from studbook.storage.dialects import bare
from studbook.storage.references import Found
from studbook.storage.tables import lineage_edges, lineage_nodes

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.engine import Connection

    from studbook.services.caller import Caller
    from studbook.services.registry import Registry
    from studbook.storage.unit_of_work import Transaction

REACHED: Final = (1_000, 10_000)
# A tenth of the families, and half of the nodes.
_LARGE_EVERY: Final = 11
_NEAR: Final = 60
_PARENTS: Final = 3
_CHUNK: Final = 5_000
_REPEATS: Final = 7
_LINKS: Final = 100
_WARMING: Final = 10
_DRAWN_AT: Final = "2026-01-01T00:00:00.000000Z"
_LATER: Final = "2026-06-01T00:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by their places, edges between places, and each family's first place and size."""

    ids: list[UUID]
    edges: list[tuple[int, int]]
    families: list[tuple[int, int]]

    def ends(self, reached: int) -> tuple[int, int]:
        """The first and the last place of a family that large."""
        first, size = next(family for family in self.families if family[1] == reached)
        return first, first + size - 1


def make_graph(nodes: int) -> Graph:
    """A graph of so many nodes and three times as many edges, the same at each call but for the ids."""
    chance = random.Random(1)  # noqa: S311 - nothing secret
    families: list[tuple[int, int]] = []
    edges: list[tuple[int, int]] = []
    first = 0
    while first < nodes:
        size = REACHED[1] if len(families) % _LARGE_EVERY == 0 and nodes - first >= REACHED[1] else REACHED[0]
        families.append((first, size))
        for place in range(first + 1, first + size):
            near = range(max(first, place - _NEAR), place - 1)
            others = chance.sample(near, min(len(near), _PARENTS - 1))
            edges += [(source, place) for source in (place - 1, *others)]
        first += size
    return Graph([new_id() for _ in range(first)], edges, families)


def measure_lineage(url: str, nodes: int) -> dict[str, float]:
    """Milliseconds of each question in a graph of so many nodes, and how they compare."""
    registry = open_registry(url, settings=Settings())
    try:
        prepare(registry)
        caller = first_caller(registry.database)
        figures = {"link few": _measure_links(registry, caller)}
        whole = make_graph(nodes)
        _fill(registry, caller.namespace_id, whole)
        in_memory = rustworkx.PyDiGraph()
        in_memory.add_nodes_from(range(len(whole.ids)))
        in_memory.add_edges_from_no_data(whole.edges)
        # The collector would walk through this graph again and again, in the middle of what is measured.
        gc.freeze()
        with registry.database.read() as connection:
            for reached in REACHED:
                figures |= _measure_walks(connection, caller.namespace_id, whole, in_memory, reached)
            figures["scene"] = _measure_scene(connection, caller.namespace_id, whole)
        figures["link"] = _measure_links(registry, caller)
        return figures
    finally:
        gc.unfreeze()
        registry.close()


def _fill(registry: Registry, namespace_id: int, whole: Graph) -> None:
    generations = [0] * len(whole.ids)
    for source, target in whole.edges:
        generations[target] = max(generations[target], generations[source] + 1)
    event_id = new_id()

    def place(transaction: Transaction, first: int) -> None:
        transaction.connection.execute(
            lineage_nodes.insert(),
            [
                {"namespace_id": namespace_id, "id": whole.ids[place], "kind": Kind.MODEL_VERSION,
                 "name": version_name("graph", place + 1), "generation": generations[place]}
                for place in range(first, min(first + _CHUNK, len(whole.ids)))
            ],
        )  # fmt: skip

    def draw(transaction: Transaction, first: int) -> None:
        transaction.connection.execute(
            lineage_edges.insert(),
            [
                {"namespace_id": namespace_id, "source_id": whole.ids[source], "target_id": whole.ids[target],
                 "relation": "finetuned-from", "role": "", "basis": "declared", "source_generation": generations[source],
                 "target_generation": generations[target], "run_id": None, "event_id": event_id, "created_at": _DRAWN_AT}
                for source, target in whole.edges[first : first + _CHUNK]
            ],
        )  # fmt: skip

    for step, number in ((place, len(whole.ids)), (draw, len(whole.edges))):
        for first in range(0, number, _CHUNK):
            registry.database.work.run(partial(step, first=first))
    # What each database does by itself after a while: count its rows, or move a long write-ahead log into the file.
    settle = "PRAGMA wal_checkpoint(TRUNCATE)" if registry.database.is_embedded else "ANALYZE"
    connection = registry.database.engine.raw_connection()
    connection.cursor().execute(settle)
    connection.commit()
    connection.close()


def _measure_walks(
    connection: Connection, namespace_id: int, whole: Graph, in_memory: rustworkx.PyDiGraph[int, None], reached: int
) -> dict[str, float]:
    """All ancestors and all descendants: the slower of the two, now and at a time, and by the library in memory."""
    first, last = whole.ends(reached)
    now, past, library = [], [], []
    for direction, place, walk in (
        (Direction.UPSTREAM, last, rustworkx.ancestors),
        (Direction.DOWNSTREAM, first, rustworkx.descendants),
    ):
        root = Found(whole.ids[place], Kind.MODEL_VERSION, version_name("graph", place + 1))

        def ask(as_of: str | None, root: Found = root, direction: Direction = direction) -> None:
            view = View(direction, DEPTH_LIMIT, NODE_LIMIT, as_of=as_of, edges=False)
            body = get_lineage(connection, namespace_id, root, view)
            json_response(body)
            assert len(body["nodes"]) == reached  # noqa: S101 - else something else was measured

        def walk_in_memory(place: int = place, walk: Any = walk) -> None:  # noqa: ANN401 - one of two functions
            ids = [bare(connection, whole.ids[found]) for found in walk(in_memory, place)]
            assert len(graph.find_bare_nodes(connection, namespace_id, ids)) == reached - 1  # noqa: S101 - as above

        now.append(_median(lambda ask=ask: ask(None)))  # type: ignore[misc]
        past.append(_median(lambda ask=ask: ask(_LATER)))  # type: ignore[misc]
        library.append(_median(walk_in_memory))
    return {
        f"reach {reached}": max(now),
        f"past {reached}": max(past),
        f"library {reached}": max(library),
        f"ratio {reached}": max(mine / its for mine, its in zip(now, library, strict=True)),
        f"past ratio {reached}": max(then / mine for then, mine in zip(past, now, strict=True)),
    }


def _measure_scene(connection: Connection, namespace_id: int, whole: Graph) -> float:
    """What a page shows at first: three steps to both sides, with every edge between."""
    first, last = whole.ends(REACHED[1])
    place = (first + last) // 2
    root = Found(whole.ids[place], Kind.MODEL_VERSION, version_name("graph", place + 1))
    view = View(Direction.BOTH, 3, 1_000)
    return _median(lambda: json_response(get_lineage(connection, namespace_id, root, view)))


def _measure_links(registry: Registry, caller: Caller) -> float:
    """A registration that draws an edge to a version which had waited for it."""
    times = []
    for turn in range(_LINKS + _WARMING):
        name = f"org/{new_id()}"
        child = document("link-child", parent=None)
        child["version"]["parents"] = [{"ref": f"huggingface:{name}", "relation": "finetuned-from", "external": True}]
        parent = document("link-parent", parent=None)
        parent["version"]["identifiers"] = {"huggingface": name}
        _register(registry, caller, child)
        started = time.perf_counter()
        _register(registry, caller, parent)
        if turn >= _WARMING:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _register(registry: Registry, caller: Caller, made: dict[str, Any]) -> None:
    ingestion.submit(registry.database, ingestion.Ingestion(caller, read_document(IngestDocument, made))).result()


def _median(ask: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
