"""Runs: the documents they make, and that nothing of the registry's breaks a training."""

from __future__ import annotations

import hashlib
import json
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import studbook
from studbook.client.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

NO = {"title": "Refused", "code": "no", "detail": "not like this", "errors": [{"pointer": "/x", "code": "no", "message": "mend"}]}


def spooled(spool: Path) -> list[dict[str, Any]]:
    store = Spool(spool)
    return [dict(store.read(path).document) for path in store.pending()]


def test_a_complete_document(sdk: studbook.Registry, fake: Any, tmp_path: Path) -> None:
    model_file = tmp_path / "model.onnx"
    model_file.write_bytes(b"weights")
    with sdk.run(job="weekly", name="a name", experiment="exp", seed=42) as run:
        run.log_parameters({"tree": {"depth": 6}, "rate": 0.1})
        run.log_parameter("solver", "lbfgs")
        run.use_dataset("train", data=np.zeros((5, 2)), license="CC0-1.0", sensitivity="public")
        run.use_dataset("holdout", digest="AB" * 32, role="test", rows=7)
        run.use_dataset("known", ref="datasets/old/versions/2", role="validation")
        for step, loss in enumerate([3.0, 2.0, 1.0]):
            run.log_metric("loss", loss, step=step)
        run.log_metric("auc", 0.9, dataset="holdout", split="test", slice={"region": "south", "age": 3})
        run.log_metrics({"f1": {"macro": np.float32(0.5)}})
        run.log_metric("acc", 1, dataset="known")
        run.log_artifact(model_file, uri="s3://m/model.onnx")
        run.set_tags({"team": "growth", "n": 3})
        run.set_attributes({"nested": {"a": [1, None]}})
        run.identifiers["mlflow_run"] = "r1"
        made = run.register(
            "churn", parents="churn/1", relation="finetuned-from", description="d", tags={"t": "v"}, owners=["A", {"name": "B"}]
        )

    assert (made.status, made.name, made.number) == ("stored", "models/churn/versions/1", 1)
    document = fake.documents()[0]
    assert len(fake.documents()) == 1, "the end of the block had nothing to add"
    assert document == made.document
    version, part = document["version"], document["run"]
    assert document["schema"] == "studbook.dev/ingest/v1"
    assert document["model"] == {"name": "churn", "owners": [{"name": "A"}, {"name": "B"}]}
    assert version["description"] == "d"
    assert version["parents"] == [{"ref": "churn/1", "relation": "finetuned-from"}]
    assert version["parameters"] == {"tree.depth": 6, "rate": 0.1, "solver": "lbfgs"}
    assert version["tags"] == {"team": "growth", "n": "3", "t": "v"}
    assert version["attributes"] == {"nested": {"a": [1, None]}}
    assert version["identifiers"] == {"mlflow_run": "r1", "registration": made.document["version"]["identifiers"]["registration"]}
    assert version["artifacts"] == [
        {
            "uri": "s3://m/model.onnx",
            "name": "model.onnx",
            "digest": "sha256:" + hashlib.sha256(b"weights").hexdigest(),
            "size": 7,
            "media_type": "application/onnx",
        }
    ]
    metrics = [{key: value for key, value in metric.items() if key != "recorded_at"} for metric in version["metrics"]]
    assert metrics == [
        {"name": "loss", "value": 1.0, "step": 2},
        {"name": "auc", "value": 0.9, "dataset": "holdout", "split": "test", "slice": {"region": "south", "age": 3}},
        {"name": "f1.macro", "value": 0.5},
        {"name": "acc", "value": 1.0, "dataset": "datasets/old/versions/2"},
    ]
    train, holdout, known = document["datasets"]
    assert train["digest"] == studbook.digest_data(np.zeros((5, 2)))
    assert (train["rows"], train["license"], train["sensitivity"], train["role"]) == (5, "CC0-1.0", "public", "training")
    assert holdout == {"name": "holdout", "digest": "sha256:" + "ab" * 32, "role": "test", "rows": 7}
    assert known == {"ref": "datasets/old/versions/2", "role": "validation"}
    assert [(point["step"], point["value"]) for point in part["metrics"]] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert (part["id"], part["kind"], part["status"]) == (run.id, "training", "completed")
    assert (part["job"], part["name"], part["experiment"], part["seed"]) == ("weekly", "a name", "exp", 42)
    assert part["started_at"] <= part["metrics"][0]["recorded_at"] <= part["ended_at"]
    assert part["code"]["command"]
    assert part["environment"]["packages"]["httpx"]


def test_a_run_without_a_model(sdk: studbook.Registry, fake: Any) -> None:
    with sdk.run("data-preparation", capture=False) as run:
        run.log_metric("rows_dropped", 3)
        run.use_dataset("raw", data=b"x", role="source")
    (document,) = fake.documents()
    assert "model" not in document
    assert "code" not in document["run"]
    assert document["run"]["kind"] == "data-preparation"
    assert [(point["name"], point["value"]) for point in document["run"]["metrics"]] == [("rows_dropped", 3.0)]


def test_a_failure_is_recorded_and_goes_on(sdk: studbook.Registry, fake: Any) -> None:
    with pytest.raises(ValueError, match="the data") as caught, sdk.run(capture=False):  # noqa: PT012 - a block must fail
        message = "the data at https://me:pw@host is odd"
        raise ValueError(message)
    assert caught.value.__context__ is None
    part = fake.documents()[0]["run"]
    assert part["status"] == "failed"
    assert part["error"].startswith("ValueError: the data at https://***@host is odd")
    assert "raise ValueError(message)" in part["error"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "failed"),
        (SystemExit(1), "failed"),
        (SystemExit("no"), "failed"),
        (SystemExit(0), "completed"),
        (SystemExit(), "completed"),
    ],
)
def test_being_stopped(sdk: studbook.Registry, fake: Any, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)) as caught, sdk.run(capture=False):
        raise error
    assert caught.value is error
    assert fake.documents()[0]["run"]["status"] == status


class OddError(Exception):
    def __str__(self) -> str:
        message = "no words"
        raise RuntimeError(message)


def test_an_exception_that_cannot_be_described(sdk: studbook.Registry, fake: Any) -> None:
    with pytest.raises(OddError), sdk.run(capture=False):
        raise OddError
    assert "OddError" in fake.documents()[0]["run"]["error"]


def test_values_that_are_not_finite(sdk: studbook.Registry, fake: Any) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with sdk.run(capture=False) as run:
            for step, value in enumerate([1.0, float("nan"), float("inf"), np.float64("nan"), 2.0]):
                run.log_metric("loss", value, step=step)
            run.log_parameter("missing", float("nan"))
            run.register("churn")
    assert [str(each.message) for each in seen] == [
        "the metric 'loss' was nan, which cannot be recorded; such values are left out",
        "the metric 'loss' was inf, which cannot be recorded; such values are left out",
    ]
    assert all(each.filename == __file__ for each in seen), "the warning points to the script"
    document = fake.documents()[0]
    assert [point["value"] for point in document["run"]["metrics"]] == [1.0, 2.0]
    assert document["version"]["parameters"] == {"missing": "nan"}


def test_wrong_use_raises_at_once(sdk: studbook.Registry, tmp_path: Path) -> None:
    with sdk.run(capture=False) as run:
        wrong: list[tuple[type[Exception], Any]] = [
            (TypeError, lambda: run.log_metric("auc", "high")),
            (TypeError, lambda: run.log_metric("", 1)),
            (TypeError, lambda: run.log_metric("auc", 1, step="x")),  # type: ignore[arg-type]
            (ValueError, lambda: run.log_metric("auc", 1, step=-1)),
            (FileNotFoundError, lambda: run.log_artifact(tmp_path / "missing")),
            (FileNotFoundError, lambda: run.use_dataset("d", tmp_path / "missing")),
            (TypeError, lambda: run.use_dataset("d", np.zeros(3))),  # type: ignore[arg-type]
            (ValueError, lambda: run.log_artifact("s3://bucket/model")),
            (ValueError, lambda: run.use_dataset("d", "s3://bucket/data")),
            (TypeError, lambda: run.use_dataset("d", data=object())),
            (TypeError, lambda: run.use_dataset("d", digest=b"x")),  # type: ignore[arg-type]
            (TypeError, lambda: run.register(3)),  # type: ignore[arg-type]
            (TypeError, lambda: run.register("m", parents=[3])),  # type: ignore[list-item]
            (TypeError, lambda: run.register("m", parents={"relation": "x"})),
        ]
        for kind, call in wrong:
            with pytest.raises(kind):
                call()


def test_steps_may_be_numpys(sdk: studbook.Registry, fake: Any) -> None:
    with sdk.run(capture=False) as run:
        run.log_metric("a", 1, step=np.int64(3))
        run.log_metric("a", 2, step=4.0)  # type: ignore[arg-type]
    assert [point["step"] for point in fake.documents()[0]["run"]["metrics"]] == [3, 4]


def test_two_versions_of_one_run(sdk: studbook.Registry, fake: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1")
    with sdk.run(seed=1) as run:
        run.log_parameter("a", 1)
        run.log_metric("loss", 1.0, step=0)
        run.log_artifact(tmp_path / "f")
        first = run.register("base")
        run.log_metric("loss", 0.5, step=1)
        run.register("small", parents=first, relation="distilled-from")
        run.log_metric("late", 1.0, step=2)
    one, two, end = fake.documents()
    assert one["run"]["id"] == two["run"]["id"] == end["run"]["id"]
    assert "environment" not in two["run"], "what the registry knows of the run is not said again"
    assert two["version"]["parents"] == [{"ref": first.name, "relation": "distilled-from"}]
    assert two["version"]["parameters"] == {"a": 1}
    assert "artifacts" not in two["version"], "a file belongs to the version registered after it"
    assert [point["value"] for point in two["run"]["metrics"]] == [0.5]
    assert "model" not in end
    assert [point["name"] for point in end["run"]["metrics"]] == ["late"]
    identifiers = {document["version"]["identifiers"]["registration"] for document in (one, two)}
    assert len(identifiers) == 2


def test_a_failure_after_registration(sdk: studbook.Registry, fake: Any) -> None:
    with pytest.raises(RuntimeError), sdk.run(capture=False) as run:  # noqa: PT012 - a block must fail
        run.register("churn")
        raise RuntimeError
    assert fake.documents()[1]["run"]["status"] == "failed"


def test_registering_after_the_block(sdk: studbook.Registry, fake: Any) -> None:
    with sdk.run(capture=False) as run:
        run.log_metric("auc", 0.5)
    run.register("churn")
    assert fake.documents()[1]["run"]["id"] == run.id
    assert fake.documents()[1]["version"]["metrics"][0]["value"] == 0.5


def test_parents_in_every_form(sdk: studbook.Registry, fake: Any) -> None:
    version = studbook.ModelVersion(name="models/b/versions/2")
    with sdk.run(capture=False) as run:
        first = run.register("a")
        several: list[Any] = [first, version, "d@x", {"ref": "e/1", "relation": "merged-from"}, "d@x"]
        run.register("c", parents=several, relation="adapter-of")
        run.register("f", parents=version)
        run.register("g", parents={"ref": "h/1"})
    assert fake.documents()[1]["version"]["parents"] == [
        {"ref": "models/a/versions/1", "relation": "adapter-of"},
        {"ref": "models/b/versions/2", "relation": "adapter-of"},
        {"ref": "d@x", "relation": "adapter-of"},
        {"ref": "e/1", "relation": "merged-from"},
    ]
    assert fake.documents()[2]["version"]["parents"] == [{"ref": "models/b/versions/2"}]
    assert fake.documents()[3]["version"]["parents"] == [{"ref": "h/1"}]


def test_a_dataset_in_two_roles_and_one_unknown(sdk: studbook.Registry, fake: Any) -> None:
    """The registry would refuse both metrics, and with them the version."""
    with warnings.catch_warnings(record=True) as seen, sdk.run(capture=False) as run:
        warnings.simplefilter("always")
        run.use_dataset("iris", data=b"1")
        run.use_dataset("iris", data=b"2", role="test")
        run.log_metric("auc", 1, dataset="iris", slice={"a": 1})
        run.log_metric("auc", 2, dataset="elsewhere")
        run.log_metric("auc", 3, dataset="datasets/x/versions/1")
        run.register("churn")
    metrics = fake.documents()[0]["version"]["metrics"]
    assert [(metric.get("dataset"), metric.get("slice")) for metric in metrics] == [
        (None, {"a": 1, "dataset": "iris"}),
        (None, {"dataset": "elsewhere"}),
        ("datasets/x/versions/1", None),
    ]
    assert len(seen) == 2


def test_series_of_different_data_stay_apart(sdk: studbook.Registry, fake: Any) -> None:
    with sdk.run(capture=False) as run:
        run.use_dataset("d", data=b"1")
        for step in range(2):
            run.log_metric("loss", step, step=step, dataset="d", split="training")
            run.log_metric("loss", -step, step=step, split="validation", slice={"b": 1, "a": "x"})
    names = {point["name"] for point in fake.documents()[0]["run"]["metrics"]}
    assert names == {"loss on d (training)", "loss (validation) where a=x, b=1"}


def test_threads_may_log_together(sdk: studbook.Registry, fake: Any) -> None:
    start = threading.Barrier(8)

    def log(run: studbook.Run, worker: int) -> None:
        start.wait()
        for step in range(200):
            run.log_metric(f"loss{worker}", step, step=step)
            run.log_parameter(f"p{worker}.{step}", step)
            run.set_tags({f"t{worker}": step})

    with sdk.run(capture=False) as run:
        threads = [threading.Thread(target=log, args=(run, worker)) for worker in range(8)]
        for thread in threads:
            thread.start()
        run.register("early")
        for thread in threads:
            thread.join()
        run.register("churn")
    documents = fake.documents()
    assert len(documents[1]["version"]["parameters"]) == 1600
    points = [point for document in documents for point in document["run"].get("metrics", [])]
    assert len(points) == 1600, "each point once, in one document or the other"
    assert len({(point["name"], point["step"]) for point in points}) == 1600


def test_a_registry_that_is_away(away: studbook.Registry, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with away.run(capture=False) as run:
        run.log_metric("auc", 0.5)
        with pytest.warns(studbook.StudbookWarning, match="could not take the record"):
            made = run.register("churn")
    assert (made.status, made.name, made.number, made.id) == ("spooled", None, None, None)
    assert isinstance(made.error, studbook.UnreachableError)
    assert spooled(spool) == [made.document]
    assert made.path is not None
    assert str(made.path) in capsys.readouterr().err
    assert "sbk_secret" not in made.path.read_text()


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"title": "x"}, {}),
        (503, b"<html>", {"Content-Type": "text/html"}),
        (429, NO, {}),
        (401, NO, {}),
        (403, NO, {}),
        (404, NO, {}),
        (404, b"<html>", {"Content-Type": "text/html"}),
        (302, b"", {"Location": "/x"}),
        (200, b"<html>", {"Content-Type": "text/html"}),
        (201, [1, 2], {}),
        (201, {"version": "odd"}, {}),
    ],
)
def test_whatever_the_registry_answers(sdk: studbook.Registry, fake: Any, spool: Path, answer: Any) -> None:
    with sdk.run(capture=False) as run:
        fake.script = [answer]
        with pytest.warns(studbook.StudbookWarning):
            made = run.register("churn")
    assert made.status == "spooled"
    assert spooled(spool) == [made.document]
    assert sdk.sync().complete
    assert fake.documents() == [made.document]


def test_warnings_turned_into_errors_break_nothing(away: studbook.Registry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with away.run(capture=False) as run:
            run.log_metric("auc", float("nan"))
            assert run.register("churn").status == "spooled"


def test_no_stderr_breaks_nothing(away: studbook.Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with away.run(capture=False) as run:
            assert run.register("churn").status == "spooled"


def test_capture_that_fails_breaks_nothing(sdk: studbook.Registry, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        message = "odd machine"
        raise PermissionError(message)

    monkeypatch.setattr("studbook.client.capture.code.capture_code", fail)
    monkeypatch.setattr("studbook.client.capture.environment.python_environment", fail)
    with pytest.warns(studbook.StudbookWarning, match="odd machine"), sdk.run() as run:
        run.register("churn")
    assert fake.documents()[0]["version"]


def test_a_refusal_is_loud_and_nothing_is_lost(
    sdk: studbook.Registry, fake: Any, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.verdict = lambda document: (422, NO) if "model" in document else None
    with sdk.run(capture=False) as run:
        run.log_metric("loss", 1, step=0)
        with pytest.warns(studbook.StudbookWarning, match="refused the record"):
            made = run.register("churn")
    assert made.status == "refused"
    assert isinstance(made.error, studbook.RefusedError)
    assert made.path is not None
    assert made.path.parent == spool / "refused"
    assert json.loads(made.path.read_text())["document"] == made.document
    assert json.loads(made.path.with_suffix(".problem.json").read_text()) == NO
    assert "/x: mend [no]" in capsys.readouterr().err
    assert [point["name"] for point in fake.documents()[0]["run"]["metrics"]] == ["loss"], "the run itself is recorded"


def test_strict(fake: Any, spool: Path) -> None:
    fake.verdict = lambda document: (422, NO) if "model" in document else None
    with studbook.connect(fake.url, spool=spool, strict=True) as sdk:
        with pytest.warns(studbook.StudbookWarning), pytest.raises(studbook.InvalidDocumentError), sdk.run() as run:
            run.register("churn")
        assert len([*(spool / "refused").glob("*.problem.json")]) == 1
        fake.verdict = lambda _: (422, NO)
        with pytest.warns(studbook.StudbookWarning), sdk.run(capture=False):
            pass  # the end of a block never raises


def test_what_waits_goes_first(fake: Any, away: studbook.Registry, spool: Path) -> None:
    """A later record may build on one that waits."""
    with studbook.connect(fake.url, spool=spool) as sdk:
        fake.script = [(503, NO, {}), (503, NO, {})]
        with sdk.run(capture=False) as run:
            with pytest.warns(studbook.StudbookWarning):
                first = run.register("parent")
            with pytest.warns(studbook.StudbookWarning):
                second = run.register("child", parents=first)
        assert (first.status, second.status) == ("spooled", "spooled")
        assert len(fake.requests) == 2, "the second waits behind the first, without being tried"
        with sdk.run(capture=False) as run:
            third = run.register("grandchild", parents=second)
    assert third.status == "stored"
    parent, child, grandchild = fake.documents()
    assert child["version"]["parents"] == [{"ref": f"registration:{parent['version']['identifiers']['registration']}"}]
    assert grandchild["version"]["parents"] == [{"ref": f"registration:{child['version']['identifiers']['registration']}"}]
    assert child["run"]["id"] == parent["run"]["id"]
    assert "started_at" in child["run"], "while the first waits, the second tells all of the run"


def test_a_spool_that_cannot_be_used(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    with studbook.connect("http://127.0.0.1:9", spool=tmp_path / "file" / "spool") as sdk:
        with pytest.warns(studbook.StudbookWarning), sdk.run(capture=False) as run:
            made = run.register("churn")
        assert made.status == "spooled"
        assert made.path is not None
        assert made.path.is_relative_to(tmp_path / "tmp")
        monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file" / "tmp"))
        with warnings.catch_warnings(record=True) as seen, sdk.run(capture=False) as run:
            warnings.simplefilter("always")
            made = run.register("churn")
    assert "RECORD IS LOST" in str(seen[1].message)
    assert made.status == "lost"
    assert made.document["model"] == {"name": "churn"}


def test_interrupted_while_the_registry_is_waited_for(
    sdk: studbook.Registry, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sdk._connection, "call", interrupt)
    with pytest.warns(studbook.StudbookWarning), pytest.raises(KeyboardInterrupt), sdk.run(capture=False) as run:
        run.register("churn")
    assert [document.get("model") for document in spooled(spool)] == [{"name": "churn"}, None]


def test_odd_text_reaches_the_registry(sdk: studbook.Registry, fake: Any) -> None:
    with sdk.run(capture=False, name="a\x00b", seed=2**70) as run:
        run.log_parameter("p\ud800", "v\x00")
        run.set_attributes({"deep": {"x": [float("nan"), 2**60, b"bytes", {1, 2}]}})
        run.set_tags({"k": "v" * 5000})
        run.register("churn")
    document = fake.documents()[0]
    assert document["run"]["name"] == "a\ufffdb"
    assert "seed" not in document["run"]
    assert document["run"]["environment"] == {"seed": str(2**70)}
    assert document["version"]["parameters"] == {"p\ufffd": "v\ufffd"}
    assert document["version"]["attributes"]["deep"]["x"] == ["nan", str(2**60), "b'bytes'", [1, 2]]
    assert len(document["version"]["tags"]["k"]) == 4096


def test_an_artifact_that_cannot_be_read(
    sdk: studbook.Registry, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("studbook.client.inputs.digest_path", fail)
    with sdk.run(capture=False) as run:
        with pytest.warns(studbook.StudbookWarning, match="without a digest"):
            assert run.log_artifact(path) is None
        run.register("churn")
    assert fake.documents()[0]["version"]["artifacts"] == [{"uri": path.as_uri(), "name": "weights"}]
