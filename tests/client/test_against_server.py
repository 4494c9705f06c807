"""The whole SDK against the real registry: embedded in this process, and as a server of its own that dies and returns."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

import studbook
from studbook.client.ids import new_id
from studbook.client.spool import Spool
from studbook.domain.tokens import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook import Registration, Registry


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One embedded registry for all tests that read only what they wrote."""
    folder = tmp_path_factory.mktemp("embedded")
    with studbook.connect(folder / "studbook.db", spool=folder / "spool") as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A model's name that nobody else uses, and that needs encoding."""
    return f"team a/chürn {new_id()}"


def register(registry: Registry, model: str, *, auc: float = 0.9, **changes: object) -> Registration:
    with registry.run(capture=False) as run:
        run.log_parameters({"depth": 6, "rate": 0.1})
        run.use_dataset(f"{model} train", data=np.arange(10.0), rows=10)
        run.log_metric("auc", auc, dataset=f"{model} train", split="test")
        return run.register(model, **changes)  # type: ignore[arg-type]


def test_a_complete_training(shared: Registry, name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(str(new_id()).encode())
    with shared.run(job="weekly", name="first", experiment=f"exp {name}", seed=7) as run:
        run.log_parameters({"tree": {"depth": 6}, "missing": float("nan"), "layers": [64, 32]})
        digest = run.use_dataset(f"{name} train", data=(np.zeros((5, 2)), np.zeros(5)), license="CC0-1.0", sensitivity="public")
        for step in range(5):
            run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metric("auc", 0.9, dataset=f"{name} train", split="test", slice={"region": "south"})
        artifact = run.log_artifact(path, uri=f"s3://models/{new_id()}.onnx")
        run.set_tags({"team": "growth"})
        run.set_attributes({"card": {"use": "tests"}})
        run.identifiers["mlflow_run"] = str(new_id())
        made = run.register(name, owners=[{"name": "Growth"}], description="first", tags={"fresh": True})
    assert made.status == "stored"
    assert made.number == 1
    assert made.warnings == ()
    assert {event.action for event in made.events} >= {"model_version.registered", "run.recorded", "dataset.registered"}

    version = shared.version(made.name or "")
    assert version.id == made.id
    assert (version.model, version.number, version.description) == (name, 1, "first")
    assert version.parameters == {"tree.depth": 6, "missing": "nan", "layers": "[64, 32]"}
    assert version.tags == {"team": "growth", "fresh": "True"}
    assert version.attributes == {"card": {"use": "tests"}}
    loss, auc = version.metrics
    assert (loss.name, loss.value, loss.step) == ("loss", 0.2, 4)
    assert (auc.split, auc.slice) == ("test", {"region": "south"})
    assert (version.artifacts[0].digest, version.artifacts[0].media_type) == (artifact, "application/onnx")
    assert (version.datasets[0].digest, version.datasets[0].name) == (digest, auc.dataset)
    assert version.created_at is not None
    assert version.created_at.tzinfo is not None

    record = shared.run_record(run.name)
    assert (record.id, record.status, record.run_kind, record.title, record.seed) == (run.id, "completed", "training", "first", 7)
    assert record.code is not None
    assert record.environment is not None
    assert record.environment["packages"]["httpx"]
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.started_at <= record.ended_at
    assert [point.value for point in shared.run_series(run.id, "loss")] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert [found.id for found in shared.runs(experiment=f"exp {name}")] == [run.id]
    assert f"exp {name}" in [experiment.experiment for experiment in shared.experiments()]


def test_every_reference(shared: Registry, name: str) -> None:
    made = register(shared, name)
    shared.set_alias(name, "champion", 1)
    quoted = (made.name or "").removeprefix("models/").partition("/")[0]
    references = [made.name, made.id, f"{quoted}/1", f"{quoted}/latest", f"{quoted}@champion", made.reference]
    identifier = f"registration:{made.document['version']['identifiers']['registration']}"
    for reference in [*references, f"models/{quoted}/versions/@champion", identifier]:
        assert shared.version(reference or "").id == made.id, reference
        assert shared.lineage(reference or "").root == made.name, reference
    dataset = shared.version(made.name or "").datasets[0]
    assert shared.dataset_version(dataset.name).id == dataset.id
    assert shared.dataset_version(dataset.id).dataset == f"{name} train"
    assert shared.dataset(f"{name} train").dataset == f"{name} train"
    assert [version.number for version in shared.dataset_versions(f"{name} train")] == [1]
    assert f"{name} train" in [each.dataset for each in shared.datasets(page_size=2)]
    with pytest.raises(studbook.NotFoundError):
        shared.version(f"{quoted}/99")
    with pytest.raises(studbook.NotFoundError):
        shared.version("sha256:" + "0" * 64)


def test_generations(shared: Registry, name: str) -> None:
    first = register(shared, name)
    second = register(shared, name, parents=first, relation="finetuned-from")
    parents = [second, {"ref": first.name, "relation": "calibrated-from"}]
    third = register(shared, f"{name} small", parents=parents)
    lineage = shared.lineage(third.name or "", direction="upstream", depth=10)
    distance = {node.name: node.distance for node in lineage.nodes}
    assert distance[third.name or ""] == 0
    assert distance[second.name or ""] == -1
    assert {(edge.source, edge.relation) for edge in lineage.edges if edge.target == third.name} >= {
        (second.name, "retrained-from"),
        (first.name, "calibrated-from"),
    }
    assert not lineage.truncated
    assert shared.lineage(first.name or "", direction="downstream", depth=1).truncated
    version = shared.version(second.name or "")
    assert [(parent.name, parent.relation) for parent in version.parents] == [(first.name, "finetuned-from")]


def test_differences(shared: Registry, name: str) -> None:
    first, second = register(shared, name, auc=0.8), register(shared, name, auc=0.9)
    changes = shared.diff(first.name or "", second.name or "")
    assert (changes.from_, changes.to) == (first.name, second.name)
    assert list(changes.metrics.changed.values()) == [{"from": 0.8, "to": 0.9}]
    assert (changes.parameters.changed, changes.parameters.added, changes.datasets.changed) == ({}, {}, {})


def test_search_and_lists(shared: Registry, name: str) -> None:
    for auc in (0.7, 0.9, 0.8):
        register(shared, name, auc=auc, tags={"suite": name})
    found = shared.search(tag=f"suite:{name}", order_by="-metrics.auc", page_size=2)
    assert [version.metrics[0].value for version in found] == [0.9, 0.8, 0.7]
    assert [version.number for version in shared.versions(name, page_size=1)] == [3, 2, 1]
    assert [model.model for model in shared.models(prefix=name)] == [name]
    assert len(list(shared.search(model=name))) == 3
    assert [version.model for version in shared.search(name, model=name, filter="metrics.auc > 0.85")] == [name]


def test_later_facts(shared: Registry, name: str) -> None:
    made = register(shared, name)
    reference = made.name or ""
    model = shared.update_model(name, description="d", owners=[{"name": "O"}], tags={"a": "1", "b": "2"})
    assert (model.description, model.owners[0].name, model.tags) == ("d", "O", {"a": "1", "b": "2"})
    assert shared.update_model(name, tags={"a": None}, if_match=model.etag).tags == {"b": "2"}
    with pytest.raises(studbook.StaleError):
        shared.update_model(name, description="late", if_match=model.etag)
    assert shared.update_version(reference, description="better", tags={"x": "y"}).tags["x"] == "y"
    assert shared.update_version(reference, archived=True).archived_at is not None
    assert shared.update_version(reference, archived=False).archived_at is None

    shared.add_metrics(reference, [{"name": "auc", "value": 0.5, "split": "later"}])
    with shared.run("evaluation", capture=False) as run:
        run.use_dataset(f"{name} fresh", data=b"fresh", role="evaluation")
    evaluated = shared.add_evaluation(
        reference, [{"name": "auc", "value": 0.4, "split": "fresh"}], run={"ref": run.name}, datasets=[]
    )
    assert evaluated.run is not None
    assert evaluated.run.id == run.id
    assert [metric.value for metric in shared.metric_history(reference, "auc")] == [0.9, 0.5, 0.4]


def test_aliases(shared: Registry, name: str) -> None:
    for _ in range(2):
        register(shared, name)
    alias = shared.set_alias(name, "champion", 1)
    assert alias.version is not None
    assert alias.version.number == 1
    with pytest.raises(studbook.StaleError):
        shared.set_alias(name, "champion", 2, if_match='"1"')
    shared.set_alias(name, "champion", "latest", if_match=shared.alias(name, "champion").etag)
    assert shared.model(name).aliases == {"champion": 2}
    assert shared.version(f"models/{shared.model(name).name.removeprefix('models/')}/versions/@champion").aliases == ("champion",)
    assert [each.alias for each in shared.aliases(name)] == ["champion"]
    shared.delete_alias(name, "champion")
    with pytest.raises(studbook.NotFoundError):
        shared.alias(name, "champion")


def test_deployments(shared: Registry, name: str) -> None:
    first, second = register(shared, name), register(shared, name)
    target = f"prod/{new_id()}"
    served = shared.deploy(first.name or "", target, url="https://serving.example", attributes={"replicas": 2})
    assert (served.status, served.target, served.attributes) == ("active", target, {"replicas": 2})
    newer = shared.deploy(second.name or "", target)
    assert shared.deployment(served.name).status == "ended"
    assert [each.id for each in shared.deployments(version=second.name, status="active")] == [newer.id]
    assert shared.end_deployment(newer.id).ended_at is not None


def test_tokens(shared: Registry) -> None:
    token = shared.create_token("reader", "read", expires_at="2999-01-01T00:00:00Z")
    assert token.token
    assert token.token not in repr(token)
    assert token.expires_at is not None
    assert token.expires_at.year == 2999
    assert token.id in [each.id for each in shared.list_tokens(page_size=1)]
    shared.revoke_token(token.name)
    assert [each.revoked_at is not None for each in shared.list_tokens() if each.id == token.id] == [True]


def test_documents(shared: Registry, name: str) -> None:
    key = str(new_id())
    document = {"model": {"name": name}, "version": {"parameters": {"a": 1}}}
    first, again = shared.ingest(document, key), shared.ingest(document, key)
    assert first == again
    assert first.version is not None
    with pytest.raises(studbook.ConflictError) as caught:
        shared.ingest({**document, "version": {}}, key)
    assert caught.value.code == "idempotency_key_reused"
    text = f'model: {{name: "{name}"}}\nversion: {{parents: ["{first.version.name}"]}}\n'
    assert shared.ingest(text.encode(), media_type="application/yaml").version is not None
    with pytest.raises(studbook.InvalidDocumentError) as invalid:
        shared.ingest({"model": {"name": name}, "version": {"metrics": [{"name": "a", "value": "x"}], "colour": 1}})
    assert {error.pointer for error in invalid.value.errors} == {"/version/metrics/0/value", "/version/colour"}
    with pytest.raises(studbook.RefusedError):
        shared.ingest({"model": {"name": name}, "version": {"parameters": {"a": float("nan"), "b": "\ud800"}}})


def test_a_batch(shared: Registry, name: str) -> None:
    documents = [{"model": {"name": name}, "version": {"parameters": {"i": index}}} for index in range(450)]
    documents[100] = {"model": {"name": name}, "version": {"parents": ["nothing/1"]}}
    outcomes = list(shared.ingest_many(documents))
    assert [outcome.position for outcome in outcomes] == list(range(450))
    refused = [outcome for outcome in outcomes if outcome.refusal]
    assert [outcome.position for outcome in refused] == [100]
    numbers = [outcome.result.version.number for outcome in outcomes if outcome.result and outcome.result.version]
    assert numbers == list(range(1, 450))


def test_two_versions_and_a_failure_in_one_run(shared: Registry, name: str) -> None:
    with pytest.raises(RuntimeError), shared.run(seed=3, experiment=name) as run:  # noqa: PT012 - a block must fail
        run.log_metric("loss", 2.0, step=0)
        base = run.register(name)
        run.use_dataset(f"{name} more", data=b"more")
        run.log_metric("loss", 1.0, step=1)
        small = run.register(f"{name} small", parents=base, relation="distilled-from")
        run.log_metric("loss", 0.5, step=2)
        raise RuntimeError
    assert (base.status, small.status) == ("stored", "stored")
    record = shared.run_record(run.id)
    assert (record.status, record.seed) == ("failed", 3)
    assert record.error is not None
    assert record.error.startswith("RuntimeError")
    assert [point.value for point in shared.run_series(run.id)] == [2.0, 1.0, 0.5]
    assert [link.name for link in record.inputs if "more" in link.name]
    for made in (base, small):
        version = shared.version(made.name or "")
        assert version.run is not None
        assert version.run.id == run.id


def test_a_very_long_training(shared: Registry, name: str) -> None:
    with shared.run(capture=False) as run:
        for step in range(60_000):
            run.log_metric("loss", 1 / (step + 1), step=step)
            run.log_metric("accuracy", step / 60_000, step=step)
        with pytest.warns(studbook.StudbookWarning, match="even selection"):
            made = run.register(name)
    assert made.status == "stored"
    points = list(shared.run_series(run.id, "loss", page_size=1000))
    assert (points[0].step, points[-1].step) == (0, 59_999)
    assert {metric.name: metric.step for metric in shared.version(made.name or "").metrics} == {
        "loss": 59_999,
        "accuracy": 59_999,
    }


def test_names_of_parameters_beyond_the_limits(shared: Registry, name: str) -> None:
    with shared.run(name="n" * 400, job="j" * 400) as run:
        run.log_parameters({"p" * 400: "v" * 10_000, "big": 2**80, "nul\x00": "\ud800"})
        run.set_attributes({"deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]})
        run.log_metric("m" * 400, 1e308, step=2**40)
        made = run.register(name)
    assert made.status == "stored", made.error


def test_refused_by_the_real_registry(shared: Registry, name: str) -> None:
    with shared.run(capture=False) as run, pytest.warns(studbook.StudbookWarning):
        made = run.register(name, parents="nobody/7")
    assert made.status == "refused"
    assert isinstance(made.error, studbook.RefusedError)
    assert [error.pointer for error in made.error.errors] == ["/version/parents/0/ref"]
    assert shared.run_record(run.id).status == "completed"


def test_many_threads_one_registry(shared: Registry, name: str) -> None:
    made: list[Registration] = []
    threads = [threading.Thread(target=lambda: made.append(register(shared, name))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.number or 0 for each in made) == list(range(1, 17))


def test_an_embedded_registry_opened_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "registry.db"
    with studbook.connect(path) as first:
        made = register(first, name)
        assert first.url == f"sqlite:///{path}"
    with studbook.connect(f"sqlite:///{path}") as second:
        assert second.version(made.name or "").number == 1


TOKEN = make_token()
SERVER = "from studbook.config import Settings\nfrom studbook.http.server import run\nrun(Settings())"


class Server:
    """The real server in a process of its own, on one SQLite file and one port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            "STUDBOOK_HOME": str(folder),
            "STUDBOOK_PORT": str(self.port),
            "STUDBOOK_BOOTSTRAP_TOKEN": TOKEN,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER]
        self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", trust_env=False).is_success:
                    return
            time.sleep(0.1)
        message = "the server did not start"
        raise TimeoutError(message)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    running = Server(tmp_path / "server")
    running.start()
    yield running
    running.kill()


def test_a_server_that_dies_during_a_training(server: Server, spool: Path) -> None:
    with studbook.connect(server.url, TOKEN, spool=spool) as registry:
        first = register(registry, "churn")
        server.kill()
        with pytest.warns(studbook.StudbookWarning, match="could not take the record"):
            second = register(registry, "churn", parents=first)
        with pytest.warns(studbook.StudbookWarning, match="could not take the record"):
            third = register(registry, "churn", parents=second)
        assert [each.status for each in (first, second, third)] == ["stored", "spooled", "spooled"]
        server.start()
        fourth = register(registry, "churn", parents=third)
        assert (fourth.status, fourth.number) == ("stored", 4), "what waited went first"
        assert Spool(spool).pending() == []
        parents = {version.number: [parent.name for parent in version.parents] for version in registry.versions("churn")}
        assert parents == {number: [f"models/churn/versions/{number - 1}"] if number > 1 else [] for number in range(1, 5)}


def test_a_server_that_dies_under_many_clients(server: Server, spool: Path) -> None:
    """Whatever moment the server dies at, each training is recorded exactly once."""
    made: list[Registration] = []

    def train(registry: Registry, worker: int) -> None:
        made.extend(register(registry, f"model{worker}") for _ in range(5))

    with studbook.connect(server.url, TOKEN, spool=spool) as registry:
        threads = [threading.Thread(target=train, args=(registry, worker)) for worker in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.15)
        server.kill()
        for thread in threads:
            thread.join()
        assert {each.status for each in made} <= {"stored", "spooled"}
        server.start()
        for _ in range(3):
            report = registry.sync()
        assert report.complete
        numbers = {worker: [version.number for version in registry.versions(f"model{worker}")] for worker in range(8)}
        assert numbers == {worker: [5, 4, 3, 2, 1] for worker in range(8)}
        runs = [run.id for run in registry.runs(page_size=100)]
        assert sorted(runs) == sorted(each.run_id or "" for each in made)


def test_a_wrong_token_loses_nothing(server: Server, spool: Path) -> None:
    with studbook.connect(server.url, make_token(), spool=spool) as stranger:
        with pytest.warns(studbook.StudbookWarning, match="does not let this program write"):
            made = register(stranger, "churn")
        assert made.status == "spooled"
        assert isinstance(stranger.sync().stopped_by, studbook.AuthenticationError)
    with studbook.connect(server.url, TOKEN, spool=spool) as registry:
        assert len(registry.sync().delivered) == 1
        assert registry.model("churn").latest_version == 1
