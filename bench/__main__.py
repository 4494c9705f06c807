"""Runs every measurement on both engines and prints one table."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import audit_log, governing, hand_sql, lineage, searching
from bench.records import encoded
from bench.serving import API, Client, Server, rate_of_batch, rate_of_posts, serve, times_of_gets
from studbook.testing import PostgresSource, SqliteSource, postgres_server

_CLIENTS: Final = 16
_MODELS: Final = [f"bench-{index}" for index in range(_CLIENTS)]
_CHAIN: Final = 100
_ENTRIES: Final = 1_000_000
_CHECKED: Final = 200_000
_REGISTERED: Final = 200
_NOT_MEASURED: Final = "-"
_PARTS: Final = ("serving", "log", "governance", "lineage", "search")

_ROWS: Final = {
    "hand": "hand-made SQL, 1 connection, one transaction a record (records/s)",
    "hand16": f"hand-made SQL, {_CLIENTS} connections, one transaction a record (records/s)",
    "bulk": "bulk SQL, all in one transaction (records/s)",
    "http1": "register over HTTP, 1 client (records/s)",
    "http16": f"register over HTTP, {_CLIENTS} clients (records/s)",
    "batch": "register by batch, 1 request (records/s)",
    "empty": "empty endpoint, p50 (ms)",
    "name": "get a version by name, p50 (ms)",
    "alias": "get a version by alias, p50 (ms)",
    "identifier": "resolve an identifier, p50 (ms)",
    "page": "page of 100 versions, p50 (ms)",
    "lineage": f"lineage of depth {_CHAIN}, p50 (ms)",
    "receipt": "register with its receipts, 1 client, p50 (ms)",
    "without": "register without, 1 client, p50 (ms)",
    "integrated": f"events into the log, {audit_log.WRITERS} clients (events/s)",
    "hashing": f"hashing in each transaction instead, {audit_log.WRITERS} connections (events/s)",
    "to_integrated": f"from commit to integrated, {audit_log.FEW_WRITERS} clients, p50 (ms)",
    "proof": f"inclusion proof in {_ENTRIES:,} entries, p50 (ms)",
    "proof_small": f"inclusion proof in {audit_log.SMALL:,} entries, p50 (ms)",
    "fsck": "check of hashes, tiles and root (entries/s)",
    "tile_bytes": "tiles (bytes an entry)",
    "described": "register against a definition of 30 attributes, 1 client, p50 (ms)",
    "plain": "register the same without a definition, 1 client, p50 (ms)",
    "validation": "validation (documents/s)",
    "governed": f"register under {governing.POLICIES} policies with 50 rules, 1 client, p50 (ms)",
    "free": "register the same under none, 1 client, p50 (ms)",
    "pedigree": f"facts of {governing.ANCESTORS:,} ancestors (ms)",
    "trial": "trial of a policy with 5 rules on what is stored (versions/s)",
    "start": "start-up until ready (s)",
    "memory": "resident memory after all this (MB)",
}


@dataclass(slots=True)
class Figures:
    """Every round's figure of each measurement."""

    rounds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, figure: float) -> None:
        """Take note of one round."""
        self.rounds[name].append(figure)

    def __getitem__(self, name: str) -> float:
        """The median over the rounds; not a number where it was not measured."""
        return statistics.median(self.rounds[name]) if name in self.rounds else math.nan


def measure(url: str, rounds: int, records: int) -> Figures:
    """All figures of one engine; the ways of writing take turns, so that a slow moment of the machine hits them all."""
    figures = Figures()
    with serve(url) as server:
        _prepare(server.client())
        for _ in range(rounds):
            figures.add("hand", hand_sql.rate_alone(url, _MODELS[0], records))
            figures.add("hand16", hand_sql.rate_together(url, _MODELS, records))
            figures.add("bulk", hand_sql.rate_alone(url, _MODELS[0], records, bulk=True))
            figures.add("http1", rate_of_posts(server, [_bodies(_MODELS[0], records // 2)]))
            each = records // _CLIENTS
            figures.add("http16", rate_of_posts(server, [_bodies(model, each * 2) for model in _MODELS]))
            figures.add("batch", rate_of_batch(server, [body for model in _MODELS for body in _bodies(model, each * 2)]))
            _measure_reads(server, figures)
            _measure_receipts(server, figures)
        figures.add("memory", server.memory_megabytes())
    for _ in range(rounds):
        with serve(url) as server:
            figures.add("start", server.start_seconds)
    return figures


def measure_log(figures: Figures, source: SqliteSource | PostgresSource, rounds: int) -> None:
    """The figures of the audit log, each on a database of its own; `rounds` of writing on PostgreSQL, where writers queue."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["STUDBOOK_HOME"] = home
        with source.make() as url:
            for name, figure in audit_log.measure_tree(url, _ENTRIES, _CHECKED).items():
                figures.add(name, figure)
        for _ in range(rounds):
            with source.make() as url:
                for name, figure in audit_log.measure_integration(url).items():
                    figures.add(name, figure)


def measure_search(figures: Figures, source: SqliteSource | PostgresSource, sizes: list[int]) -> None:
    """The figures of search at these sizes, on a database of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["STUDBOOK_HOME"] = home
        with source.make() as url:
            for size, found in searching.measure_searches(url, sizes).items():
                for name, figure in found.items():
                    figures.add(f"{name} {size}", figure)
            figures.add("trial", governing.measure_trial(url))
    figures.add("validation", searching.validation_rate())
    with source.make() as url, serve(url) as server:
        described, plain = searching.measure_registration(server.client(), _REGISTERED)
        figures.add("described", described)
        figures.add("plain", plain)


def measure_governance(figures: Figures, source: SqliteSource | PostgresSource) -> None:
    """What policies cost."""
    with source.make() as url, serve(url) as server:
        governed, free = governing.measure_registration(server.client(), _REGISTERED)
        figures.add("governed", governed)
        figures.add("free", free)
    with tempfile.TemporaryDirectory() as home, source.make() as url:
        os.environ["STUDBOOK_HOME"] = home
        figures.add("pedigree", governing.measure_lineage(url))


def measure_lineage(figures: Figures, source: SqliteSource | PostgresSource, sizes: list[int]) -> None:
    """The figures of the lineage in graphs of these sizes, each in a database of its own."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as home, source.make() as url:
            os.environ["STUDBOOK_HOME"] = home
            for name, figure in lineage.measure_lineage(url, size).items():
                figures.add(f"{name} in {size}", figure)


def _bodies(model: str, number: int) -> list[bytes]:
    return [encoded(model, parent=f"{model}/latest") for _ in range(number)]


def _prepare(client: Client) -> None:
    for model in _MODELS:
        client.post(f"{API}/ingest", encoded(model, parent=None))
    client.post(f"{API}/ingest", encoded("bench-chain", parent=None))
    for number in range(1, _CHAIN + 1):
        client.post(f"{API}/ingest", encoded("bench-chain", parent=f"bench-chain/{number}"))
    client._request("PUT", f"{API}/models/bench-chain/aliases/champion", b'{"version": 50}')  # noqa: SLF001 - its own module's


def _measure_reads(server: Server, figures: Figures) -> None:
    client = server.client()
    digest = _artifact_digest(client)
    paths = {
        "empty": "/healthz",
        "name": f"{API}/models/bench-chain/versions/50",
        "alias": f"{API}/models/bench-chain/versions/@champion",
        "identifier": f"{API}/resolve?identifier={digest}",
        "page": f"{API}/models/bench-chain/versions?page_size=100",
        "lineage": f"{API}/lineage/models/bench-chain/versions/{_CHAIN + 1}?direction=upstream&depth={_CHAIN}",
    }
    for name, path in paths.items():
        times = times_of_gets(client, path, 40 if name in {"page", "lineage"} else 300)
        figures.add(name, statistics.median(times) * 1000)


def _measure_receipts(server: Server, figures: Figures) -> None:
    """One client that waits for its receipts, and one that does not, in turns."""
    client = server.client()
    times: dict[str, list[float]] = {"receipt": [], "without": []}
    for _ in range(40):
        for name, wait in (("receipt", "proof"), ("without", "none")):
            body = encoded(_MODELS[0], parent=f"{_MODELS[0]}/latest")
            started = time.perf_counter()
            client.post(f"{API}/ingest?wait={wait}", body)
            times[name].append(time.perf_counter() - started)
    for name, taken in times.items():
        figures.add(name, statistics.median(taken) * 1000)


def _artifact_digest(client: Client) -> str:
    version = json.loads(client.get(f"{API}/models/bench-chain/versions/50"))
    digest: str = version["artifacts"][0]["digest"]
    return digest


def _search_bars(figures: Figures, sizes: list[int]) -> list[tuple[str, float, float, bool]]:
    bars: list[tuple[str, float, float, bool]] = []
    for size in sizes:
        known = ("by number", "by alias")
        bars += [(f"{size:,} versions: {place} ≤ 1 ms", figures[f"{place} {size}"], 1, False) for place in known]
        for name in searching.searches(1, sqlite=True):
            bars.append((f"{size:,} versions: {name} ≤ 2 x hand-written SQL", figures[f"{name} ratio {size}"], 2, False))
            bars.append((f"{size:,} versions: {name} p99 ≤ 50 ms", figures[f"{name} p99 {size}"], 50, False))
        texts = ("text, one word", "text, two words")
        bars += [(f"{size:,} versions: {name}, p50 ≤ 50 ms", figures[f"{name} {size}"], 50, False) for name in texts]
        later = figures[f"late page {size}"] / figures[f"first page {size}"]
        bars.append((f"{size:,} versions: 500th page ≤ 2 x first", later, 2, False))
    growing = ("by number", "by alias", *searching.searches(1, sqlite=True), "text, one word", "text, two words", "first page")
    for name in growing if len(sizes) > 1 else ():
        grown = figures[f"{name} {sizes[-1]}"] / figures[f"{name} {sizes[0]}"]
        bars.append((f"{name}: {sizes[-1]:,} ≤ 2 x {sizes[0]:,} versions", grown, 2, False))
    bars.append(("validation ≥ 50,000 documents/s", figures["validation"], 50_000, True))
    bars.append(("register with 30 attributes ≤ 1.3 x without", figures["described"] / figures["plain"], 1.3, False))
    return bars


def _lineage_bars(figures: Figures, sizes: list[int]) -> list[tuple[str, float, float, bool]]:
    bars: list[tuple[str, float, float, bool]] = []
    for size in sizes:
        for reached, most in zip(lineage.REACHED, (10, 60), strict=True):
            asked = f"{size:,} nodes: all {reached:,} ancestors or descendants"
            bars += [
                (f"{asked} ≤ {most} ms", figures[f"reach {reached} in {size}"], most, False),
                (f"{asked} ≤ 3 x rustworkx and reading the rows", figures[f"ratio {reached} in {size}"], 3, False),
                (f"{asked}, at a time ≤ 1.5 x now", figures[f"past ratio {reached} in {size}"], 1.5, False),
            ]
        linked = figures[f"link in {size}"] / figures[f"link few in {size}"]
        bars.append((f"a late edge in {size:,} ≤ 1.5 x in few nodes", linked, 1.5, False))
    return bars


def _bars(figures: Figures, sizes: list[int], graphs: list[int]) -> list[tuple[str, str, bool]]:
    hand = max(figures["hand"], figures["hand16"])
    ratios = [
        ("register, 16 clients ≥ 0.7 x hand-made SQL", figures["http16"] / hand, 0.7, True),
        ("batch ≥ 3 x hand-made SQL", figures["batch"] / hand, 3, True),
        ("get by name ≤ 2 x empty endpoint", figures["name"] / figures["empty"], 2, False),
        ("register with receipts ≤ 2 x without", figures["receipt"] / figures["without"], 2, False),
        ("inclusion proof ≤ 2 ms", figures["proof"], 2, False),
        # Three levels of tiles instead of two, and a right edge of each: log n.
        (f"proof in {_ENTRIES:,} ≤ 2.5 x in {audit_log.SMALL:,} entries", figures["proof"] / figures["proof_small"], 2.5, False),
        ("check ≥ 150,000 entries/s", figures["fsck"], 150_000, True),
        ("tiles ≤ 33 bytes an entry", figures["tile_bytes"], 33, False),
        ("events into the log ≥ 4 x hashing in each transaction", figures["integrated"] / figures["hashing"], 4, True),
        ("from commit to integrated ≤ 25 ms", figures["to_integrated"], 25, False),
        ("ready in < 1.5 s", figures["start"], 1.5, False),
        ("memory < 150 MB", figures["memory"], 150, False),
        ("register under 50 rules ≤ 1.5 x under none", figures["governed"] / figures["free"], 1.5, False),
        (f"facts of {governing.ANCESTORS:,} ancestors ≤ 20 ms", figures["pedigree"], 20, False),
        ("trial ≥ 1,500 versions/s", figures["trial"], 1_500, True),
        *_lineage_bars(figures, graphs),
        *_search_bars(figures, sizes),
    ]
    return [(text, _shown(value), value >= bar if more else value <= bar) for text, value, bar, more in ratios]


def _shown(figure: float) -> str:
    whole = 100
    if math.isnan(figure):
        return _NOT_MEASURED
    return f"{figure:,.0f}" if figure >= whole else f"{figure:.2f}"


def _judged(value: str, *, met: bool) -> str:
    return value if value == _NOT_MEASURED else f"{value} {'met' if met else 'MISSED'}"


def _measure_engine(source: SqliteSource | PostgresSource, options: argparse.Namespace, log_rounds: int) -> Figures:
    figures, parts = Figures(), options.only or _PARTS
    if "serving" in parts:
        with source.make() as url:
            figures = measure(url, options.rounds, options.records)
    if "log" in parts:
        measure_log(figures, source, log_rounds)
    if "governance" in parts:
        measure_governance(figures, source)
    if "lineage" in parts:
        measure_lineage(figures, source, options.nodes)
    if "search" in parts and options.versions:
        measure_search(figures, source, options.versions)
    return figures


def _lineage_rows(sizes: list[int]) -> dict[str, str]:
    """The rows of questions about the lineage."""
    rows: dict[str, str] = {}
    for size in sizes:
        for reached in lineage.REACHED:
            asked = f"lineage of {size:,} nodes: all {reached:,} ancestors or descendants"
            rows |= {
                f"reach {reached} in {size}": f"{asked} (ms)",
                f"past {reached} in {size}": f"{asked}, at a time (ms)",
                f"library {reached} in {size}": f"{asked}, by rustworkx and reading the rows (ms)",
            }
        rows |= {
            f"scene in {size}": f"lineage of {size:,} nodes: three steps to both sides, with edges (ms)",
            f"link in {size}": f"lineage of {size:,} nodes: register what another waits for (ms)",
            f"link few in {size}": "the same in few nodes (ms)",
        }
    return rows


def _search_rows(sizes: list[int]) -> dict[str, str]:
    """The rows of searches: each name with its size, and what it says."""
    names = ["by number", "by alias"]
    for name in searching.searches(1, sqlite=True):
        names += [name, f"{name} p99", f"{name} by hand"]
    names += ["text, one word", "text, two words", "first page", "late page"]
    return {f"{name} {size}": f"search of {size:,} versions: {name} (ms)" for size in sizes for name in names}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=480, help="records of each way of writing in a round")
    parser.add_argument("--versions", type=int, nargs="*", default=[100_000, 1_000_000], help="sizes at which search is measured")
    parser.add_argument("--nodes", type=int, nargs="*", default=[100_000, 1_000_000], help="sizes at which lineage is measured")
    parser.add_argument("--only", choices=_PARTS, action="append", help="leave the other measurements out")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    engines = options.engine or ["sqlite", "postgresql"]
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="sb-bench-") as folder:
        if "sqlite" in engines:
            results["SQLite"] = _measure_engine(SqliteSource(Path(folder)), options, 0)
        if "postgresql" in engines:
            with postgres_server(Path(folder) / "pg" / "data") as server_url:
                results["PostgreSQL"] = _measure_engine(PostgresSource(server_url), options, min(options.rounds, 3))
    console = Console()
    table = Table(title=f"Medians of {options.rounds} rounds", title_justify="left")
    table.add_column("")
    for engine in results:
        table.add_column(engine, justify="right")
    for name, text in (_ROWS | _lineage_rows(options.nodes) | _search_rows(options.versions)).items():
        if any(name in figures.rounds for figures in results.values()):
            table.add_row(text, *(_shown(figures[name]) for figures in results.values()))
    table.add_section()
    bars = {engine: _bars(figures, options.versions, options.nodes) for engine, figures in results.items()}
    for index, (text, _, _) in enumerate(next(iter(bars.values()))):
        judged = [_judged(value, met=met) for _, value, met in (lines[index] for lines in bars.values())]
        if set(judged) != {_NOT_MEASURED}:
            table.add_row(text, *judged)
    console.print(table)


if __name__ == "__main__":
    main()
