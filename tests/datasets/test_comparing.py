"""The registry compares dataset versions by what was recorded of them, on both engines; the SDK and the command line ask it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import studbook
from studbook.cli.main import app
from studbook.formats.datasets.profile import profile_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import httpx

NAME = "größen/2026"
QUOTED = "gr%C3%B6%C3%9Fen%2F2026"


def entry(folder: Path, name: str, rows: Iterable[str], header: str = "id,size", **options: Any) -> dict[str, Any]:
    """A dataset of an ingestion document, profiled from CSV."""
    path = folder / "data.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return {"name": name, "digest": studbook.digest_path(path).digest, **profile_file(path, **options).as_entry()}


@pytest.fixture
def entries(tmp_path: Path) -> list[dict[str, Any]]:
    """Two versions of a dataset, its test data, and one without a sketch."""
    return [
        entry(tmp_path, NAME, (f"{number},{number % 9}" for number in range(200))),
        entry(tmp_path, NAME, (f"{number},{number % 9 if number % 2 else ''},x" for number in range(400)), "id,size,note"),
        entry(tmp_path, "test", (f"{number},{number % 9}" for number in range(190, 230))),
        entry(tmp_path, "bare", ["1,2"], sketch=False),
    ]


@pytest.fixture
def filled(api: httpx.Client, entries: list[dict[str, Any]]) -> httpx.Client:
    for one in entries:
        answer = api.post("/ingest", json={"datasets": [one]})
        assert answer.status_code == 201, answer.text
    return api


def test_drift_since_the_version_before(filled: httpx.Client) -> None:
    found = filled.get(f"/datasets/{QUOTED}/versions/latest/drift").json()

    assert (found["from"], found["to"]) == (f"datasets/{QUOTED}/versions/1", f"datasets/{QUOTED}/versions/2")
    assert found["added"] == {"note": "text"}
    assert found["nullability"] == {"size": {"from": False, "to": True}}
    assert found["ranges"] == {"id": {"from": [0, 199], "to": [0, 399]}}
    assert found["missing"] == {"size": {"from": 0.0, "to": 0.5}}
    assert found["rows"] == {"from": 200, "to": 400}
    assert found["drifted"] is True


def test_drift_against_another_dataset(filled: httpx.Client) -> None:
    for other in ("test/1", "datasets/test/versions/1"):
        found = filled.get(f"/datasets/{QUOTED}/versions/1/drift", params={"against": other}).json()
        assert found["from"] == "datasets/test/versions/1"
        assert found["ranges"] == {"id": {"from": [190, 229], "to": [0, 199]}}
    same = filled.get(f"/datasets/{QUOTED}/versions/2/drift", params={"against": "2"}).json()
    assert same["drifted"] is False


def test_overlap_of_training_and_test_data(filled: httpx.Client) -> None:
    found = filled.get(f"/datasets/{QUOTED}/versions/1/overlap", params={"with": "test/1"}).json()

    expected = {"shared": 10, "at_least": 10, "at_most": 10, "first": 200, "second": 40, "seen": 10, "exact": True}
    assert found["rows"] == expected


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("test/versions/1/drift", {}, 422, "no_version_before"),
        ("test/versions/9/drift", {}, 404, None),
        ("test/versions/1/drift", {"against": "9"}, 404, None),
        ("test/versions/1/drift", {"against": "nothing/3"}, 404, None),
        ("test/versions/1/overlap", {"with": "bare/1"}, 422, "no_sketch"),
        ("bare/versions/1/overlap", {"with": "test/1"}, 422, "no_sketch"),
        (f"{QUOTED}/versions/2/overlap", {"with": "test/1"}, 422, "not_comparable"),
        ("test/versions/1/overlap", {"with": "?"}, 422, None),
        ("test/versions/1/overlap", {}, 422, None),
        ("test/versions/1/drift", {"against": "models/m/versions/1"}, 422, "wrong_kind"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    filled: httpx.Client, path: str, params: dict[str, str], status: int, code: str | None
) -> None:
    filled.post("/ingest", json={"model": {"name": "m"}, "version": {}})
    answer = filled.get(f"/datasets/{path}", params=params)

    assert answer.status_code == status, answer.text
    if code:
        assert [violation["code"] for violation in answer.json()["errors"]] == [code]


def test_sdk_and_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[dict[str, Any]]) -> None:
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    url = str(tmp_path / "registry.db")
    with studbook.connect(url) as registry:
        for one in entries:
            registry.ingest({"datasets": [one]})
        assert registry.dataset_drift(f"datasets/{QUOTED}/versions/2").added == {"note": "text"}
        found = registry.dataset_overlap("test/latest", f"datasets/{QUOTED}/versions/1")
        assert (found.rows.shared, found.rows.exact) == (10, True)

    def command(*words: str) -> Any:
        return CliRunner().invoke(app, ["--url", url, "dataset", *words])

    shown = command("drift", f"{QUOTED}/2", "--exit-code")
    assert shown.exit_code == 1
    assert "0 … 399" in shown.output
    assert json.loads(command("drift", f"{QUOTED}/2", "--json").output)["added"] == {"note": "text"}
    shared = command("overlap", "test/1", f"{QUOTED}/1")
    assert shared.exit_code == 0
    assert "10 distinct rows shared, of 40 and 200." in shared.output
    assert command("overlap", "test/1", f"{QUOTED}/1", "--exit-code").exit_code == 1


def test_the_command_line_profiles_files(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,word\n1,secret\n2,\n")

    shown = CliRunner().invoke(app, ["dataset", "profile", str(path)])
    assert "2 rows" in shown.output
    assert "secret" not in shown.output
    told = CliRunner().invoke(app, ["dataset", "profile", str(path), "--json", "--no-sketch"])
    assert json.loads(told.output) == profile_file(path, sketch=False).as_entry()
    path.write_text("a,b\n1\n")
    refused = CliRunner().invoke(app, ["dataset", "profile", str(path)])
    assert refused.exit_code == 2
    assert "line 2" in refused.output
