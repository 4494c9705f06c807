"""What waits is delivered oldest first, exactly once, whoever delivers and whenever they die."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import studbook
from studbook.client.spool import Spool, SpooledDocument

if TYPE_CHECKING:
    from pathlib import Path


def put(spool: Path, url: str, *names: str, namespace: str = "default") -> list[Path]:
    store = Spool(spool)
    documents = {name: {"model": {"name": name}, "version": {}, "run": {"id": name}} for name in names}
    return [store.put(SpooledDocument(each, f"key-{name}", url, namespace, 0.0)) for name, each in documents.items()]


def names(documents: list[dict[str, Any]]) -> list[str]:
    return [document["run"]["id"] for document in documents]


def pending(spool: Path) -> int:
    return len(Spool(spool).pending())


def refusal(code: str, detail: str = "no") -> dict[str, Any]:
    return {"title": code, "code": code, "detail": detail, "errors": [{"pointer": "/model", "code": code, "message": detail}]}


def test_nothing_waits(sdk: studbook.Registry, spool: Path) -> None:
    report = sdk.sync()
    assert report.complete
    assert not spool.exists(), "looking makes no folder"


def test_oldest_first(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    wanted = [f"m{index}" for index in range(20)]
    put(spool, fake.url, *wanted)
    report = sdk.sync()
    assert names(fake.documents()) == wanted
    assert [delivered.result.version.name for delivered in report.delivered if delivered.result.version] == [
        f"models/m{index}/versions/{index + 1}" for index in range(20)
    ]
    assert report.complete
    assert pending(spool) == 0


def test_a_refused_document_is_put_aside_and_holds_up_nobody(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    paths = put(spool, fake.url, "a", "bad", "c")
    fake.verdict = lambda document: (422, refusal("invalid_document")) if document["run"]["id"] == "bad" else None
    report = sdk.sync()
    assert names(fake.documents()) == ["a", "c"]
    assert [refused.path for refused in report.refused] == [spool / "refused" / paths[1].name]
    assert report.refused[0].error is not None
    assert report.refused[0].error.errors[0].pointer == "/model"
    problem = json.loads(report.refused[0].path.with_suffix(".problem.json").read_text())
    assert problem["code"] == "invalid_document"
    assert not report.complete
    assert sdk.sync().complete, "it is reported once"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_registry_that_is_away_keeps_the_order(sdk: studbook.Registry, fake: Any, spool: Path, status: int) -> None:
    put(spool, fake.url, "a", "b", "c")
    fake.script = [(status, refusal("unavailable"), {})]
    report = sdk.sync()
    assert (report.waiting, len(report.delivered)) == (3, 0)
    assert isinstance(report.stopped_by, studbook.UnreachableError)
    assert len(fake.requests) == 1, "those behind it are not tried"
    assert names([]) == []
    assert sdk.sync().complete
    assert names(fake.documents()) == ["a", "b", "c"]


def test_nothing_answers(away: studbook.Registry, spool: Path) -> None:
    put(spool, away.url, "a", "b")
    report = away.sync()
    assert (report.waiting, pending(spool)) == (2, 2)
    assert "127.0.0.1:9" in str(report.stopped_by)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_token_refuses_no_document(sdk: studbook.Registry, fake: Any, spool: Path, status: int) -> None:
    put(spool, fake.url, "a", "b")
    fake.script = [(status, refusal("not_yours"), {})]
    report = sdk.sync()
    assert isinstance(report.stopped_by, studbook.RefusedError)
    assert (report.waiting, report.refused) == (2, [])
    assert sdk.sync().complete


def test_an_internal_error_over_one_document_holds_up_nobody(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "a", "poison", "c")
    fake.verdict = lambda document: (500, refusal("internal_error")) if document["run"]["id"] == "poison" else None
    report = sdk.sync()
    assert names(fake.documents()) == ["a", "c"]
    assert (report.waiting, pending(spool)) == (1, 1)


def test_no_verdict_while_an_older_one_waits(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    """The child is refused only because its parent has not arrived."""
    put(spool, fake.url, "parent", "child")
    fake.verdict = lambda document: (422, refusal("unknown_reference")) if document["run"]["id"] == "child" else None
    fake.script = [(500, refusal("internal_error"), {})]
    report = sdk.sync()
    assert (report.waiting, report.refused) == (2, [])
    fake.verdict = lambda _: None
    assert sdk.sync().complete
    assert names(fake.documents()) == ["parent", "child"]


def test_an_ill_server_is_not_asked_for_every_document(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, *"abcdefghij")
    fake.verdict = lambda _: (500, refusal("internal_error"))
    report = sdk.sync()
    assert report.waiting == 10
    assert len(fake.requests) == 3


def test_an_unreadable_file_is_put_aside(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "a")
    (spool / "00000000.json").write_text("{")
    report = sdk.sync()
    assert report.refused[0].problem["code"] == "unreadable_file"
    assert names(fake.documents()) == ["a"]


def test_a_file_that_cannot_be_read_now_stays(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "a")
    (spool / "00000000.json").mkdir()
    report = sdk.sync()
    assert (report.waiting, names(fake.documents())) == (1, ["a"])


def test_documents_for_another_registry_stay(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, "http://other", "a")
    put(spool, fake.url, "b", namespace="other")
    put(spool, fake.url, "c")
    report = sdk.sync()
    assert (report.elsewhere, names(fake.documents())) == (2, ["c"])
    assert sdk.sync(any_registry=True).complete
    assert names(fake.documents()) == ["c", "a", "b"]


DELIVERER = """
import os, signal, sys
import studbook
from studbook.client.spool import Spool

url, folder, moment = sys.argv[1:]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "before removal":
    Spool.remove = die
elif moment == "problem written":
    from pathlib import Path
    rename = Path.rename
    Path.rename = lambda self, target: rename(self, target) if ".problem" in str(target) else die()
report = studbook.connect(url, "t", spool=folder).sync()
print(len(report.delivered), report.waiting, flush=True)
"""


def deliver(fake: Any, spool: Path, moment: str = "never") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DELIVERER, fake.url, str(spool), moment]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_killed_between_delivery_and_removal(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "a", "b", "c")
    for sent in (1, 2):
        with deliver(fake, spool, "before removal") as process:
            assert process.wait() == -signal.SIGKILL
        assert (len(fake.requests), pending(spool)) == (sent, 3)
    report = sdk.sync()
    assert report.complete
    assert names(fake.documents()) == ["a", "b", "c"], "each once, though the first was sent three times"


def test_killed_while_putting_a_refused_one_aside(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "bad", "b")
    fake.verdict = lambda document: (422, refusal("invalid_document")) if document["run"]["id"] == "bad" else None
    with deliver(fake, spool, "problem written") as process:
        assert process.wait() == -signal.SIGKILL
    assert pending(spool) == 2
    report = sdk.sync()
    assert (len(report.refused), len(report.delivered)) == (1, 1)
    assert sorted(path.suffix for path in (spool / "refused").iterdir()) == [".json", ".json"]


def test_several_deliver_at_once(fake: Any, spool: Path) -> None:
    wanted = [f"m{index:02}" for index in range(40)]
    put(spool, fake.url, *wanted)
    processes = [deliver(fake, spool) for _ in range(3)]
    outputs = [process.communicate()[0].split() for process in processes]
    assert sum(int(delivered) for delivered, _ in outputs) == 40
    assert names(fake.documents()) == wanted
    assert len(fake.requests) == 40, "nothing was sent twice"


def test_another_process_is_at_it(sdk: studbook.Registry, fake: Any, spool: Path) -> None:
    put(spool, fake.url, "a")
    with Spool(spool).lock(wait=True):
        report = sdk.sync(wait=False)
    assert report.busy
    assert not report.complete
    assert fake.requests == []
