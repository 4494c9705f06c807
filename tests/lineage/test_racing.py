"""One that waits and one that arrives, committed by two processes at the same moment: the later always sees the earlier."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from studbook.embedded import EmbeddedTransport
from tests.conftest import API
from tests.lineage.conftest import edges, external, ingest, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.storage.unit_of_work import CommitHook, Transaction

# Long enough for a write that is not held back to be done.
_MOMENT_SECONDS = 0.3
_DIGEST = "sha256:" + "7" * 64

CHILD = version("child", external("huggingface:org/base"))
BASE = version("base", identifiers={"huggingface": "org/base"})
BASE_AT_COMMIT = version("base", identifiers={"huggingface": "org/base@" + "a" * 40})
COPY = version("copy", external(_DIGEST, "quantized-from"))
MADE = version("base", digest="7")
DATA = {"datasets": [{"name": "outputs", "digest": _DIGEST}]}
JOINED = {
    "datasets": [
        {"name": "joined", "sources": [{"ref": "huggingface:org/data", "relation": "joined-from", "external": True}]},
    ]
}
SOURCE = {"datasets": [{"name": "source", "identifiers": {"huggingface": "org/data"}}]}

PAIRS = {
    "a parent by its identifier": (CHILD, BASE, ("models/child/versions/1", "models/base/versions/1")),
    "a parent by its identifier with a commit": (CHILD, BASE_AT_COMMIT, ("models/child/versions/1", "models/base/versions/1")),
    "a parent by its digest": (COPY, MADE, ("models/copy/versions/1", "models/base/versions/1")),
    "data that is an artifact": (DATA, MADE, ("datasets/outputs/versions/1", "models/base/versions/1")),
    "data made from data": (JOINED, SOURCE, ("datasets/joined/versions/1", "datasets/source/versions/1")),
}


class _Slow:
    """Commits only when it is told to."""

    def __init__(self, hook: CommitHook) -> None:
        self._hook = hook
        self.reached, self.go = threading.Event(), threading.Event()

    def before_commit(self, transaction: Transaction) -> None:
        self._hook.before_commit(transaction)
        self.reached.set()
        assert self.go.wait(30)

    def after_commit(self, namespaces: set[int]) -> None:
        self._hook.after_commit(namespaces)


@contextlib.contextmanager
def opened(database_url: str) -> Iterator[tuple[httpx.Client, EmbeddedTransport]]:
    with contextlib.closing(EmbeddedTransport(database_url)) as transport:
        yield httpx.Client(transport=transport, base_url=API), transport


@pytest.mark.parametrize("waits_first", [True, False], ids=["the one that waits first", "the one that arrives first"])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_later_sees_the_earlier(database_url: str, pair: str, waits_first: bool) -> None:
    waits, arrives, (child, parent) = PAIRS[pair]
    first, second = (waits, arrives) if waits_first else (arrives, waits)
    with opened(database_url) as (one, transport), opened(database_url) as (other, _), ThreadPoolExecutor() as threads:
        work: Any = transport._registry.database.work
        work.hook = slow = _Slow(work.hook)
        earlier = threads.submit(ingest, one, first)
        try:
            assert slow.reached.wait(30)
            later = threads.submit(ingest, other, second)
            with contextlib.suppress(TimeoutError):
                later.result(_MOMENT_SECONDS)
        finally:
            slow.go.set()
        earlier.result(30)
        later.result(30)
        assert {edge[:2] for edge in edges(other, child)} == {(parent, child)}


def test_more_keys_than_are_held_one_by_one(database_url: str) -> None:
    artifacts = [{"name": f"part-{number}", "uri": f"s3://models/{number}", "digest": f"sha256:{number:064x}"}
                 for number in range(800)]  # fmt: skip
    with opened(database_url) as (client, _):
        ingest(client, {"model": {"name": "large"}, "version": {"artifacts": artifacts}})
        ingest(client, version("small", external(f"sha256:{799:064x}")))
        assert len(edges(client, "models/small/versions/1")) == 1
