"""Models of LightGBM and XGBoost as those libraries write them (versions in the files' names), and broken ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.finding import Finding, ModelFileError
from studbook.formats.model_files.lightgbm_text import read_lightgbm
from studbook.formats.model_files.ubjson import read_ubjson
from studbook.formats.model_files.xgboost_model import read_xgboost

FILES = Path(__file__).parent / "files"
LIGHTGBM = FILES / "lightgbm-4.7.0.txt"
UBJSON = FILES / "xgboost-3.2.0.ubj"


def test_a_text_model_of_lightgbm() -> None:
    found = read_lightgbm(LIGHTGBM, "model.txt")
    assert found is not None
    assert (found.architecture, found.library, found.task) == ("lightgbm.gbdt", "lightgbm", "tabular-classification")
    assert found.facts == {
        "format_version": "v4",
        "objective": "binary sigmoid:1",
        "classes": 1,
        "features": 4,
        "inputs": [{"name": name} for name in ("a", "b", "c", "d_e")],
        "trees": 3,
    }
    assert found.parameters["learning_rate"] == 0.2
    assert found.parameters["num_leaves"] == 4
    assert found.parameters["boosting"] == "gbdt"
    assert found.parameters["min_data_in_leaf"] == 20


def test_of_the_machine_that_trained_nothing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text(LIGHTGBM.read_text().replace("[machines: ]", "[machines: 10.0.0.1]").replace("[data: ]", "[data: /home/x]"))
    found = read_lightgbm(path, "model.txt")
    assert found is not None
    assert not {"machines", "data", "local_listen_port", "num_threads"} & found.parameters.keys()


@pytest.mark.parametrize(
    ("written", "value"), [("0.5", 0.5), ("1e-3", 0.001), ("-7", -7), ("1e999", "1e999"), ("9" * 40, "9" * 40), ("a b", "a b")]
)
def test_parameters_are_numbers_where_they_can_be_held(tmp_path: Path, written: str, value: object) -> None:
    path = tmp_path / "model.txt"
    path.write_text(LIGHTGBM.read_text().replace("[learning_rate: 0.2]", f"[learning_rate: {written}]"))
    found = read_lightgbm(path, "model.txt")
    assert found is not None
    assert found.parameters["learning_rate"] == value


@pytest.mark.parametrize("text", ["", "tree", "tree\nx=1\n", "trees\nversion=v4\n", "Some other text.\n"])
def test_other_text_is_no_model(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    assert read_lightgbm(tmp_path / "x.txt", "x.txt") is None


def test_a_text_model_that_breaks_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(LIGHTGBM.read_text()[:900])
    with pytest.raises(ModelFileError, match="breaks off"):
        read_lightgbm(tmp_path / "x.txt", "x.txt")


@pytest.mark.parametrize(
    ("name", "booster", "trees", "task"),
    [
        ("xgboost-3.2.0.json", "gbtree", 6, "tabular-classification"),
        ("xgboost-3.2.0.ubj", "gbtree", 6, "tabular-classification"),
        ("xgboost-3.2.0-dart.json", "dart", 3, "tabular-classification"),
        ("xgboost-3.2.0-linear.json", "gblinear", None, "tabular-regression"),
    ],
)
def test_models_of_xgboost(name: str, booster: str, trees: int | None, task: str) -> None:
    found = read_xgboost(FILES / name, name)
    assert found is not None
    assert (found.architecture, found.library, found.task) == (f"xgboost.{booster}", "xgboost", task)
    assert found.facts.get("trees") == trees
    assert found.facts["features"] == 4
    assert found.facts["library_version"] == "3.2.0"
    assert found.facts["inputs"] == [{"name": name} for name in "abcd"]


def test_both_forms_of_xgboost_say_the_same() -> None:
    one, other = read_xgboost(FILES / "xgboost-3.2.0.json", "x"), read_xgboost(UBJSON, "x")
    assert one == other
    assert one is not None
    assert one.facts["attributes"] == {"team": "growth"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"[i\x01U\xffSi\x02ab]", [1, 255, "ab"]),
        (b"{i\x01aTi\x01bZNi\x01cF}", {"a": True, "b": None, "c": False}),
        (b"{#i\x01i\x01aD" + struct.pack(">d", 0.5), {"a": 0.5}),
        (b"[$d#i\x02" + struct.pack(">ff", 1, 2), []),
        (b"Cx", "x"),
    ],
)
def test_ubjson(tmp_path: Path, content: bytes, value: object) -> None:
    (tmp_path / "x.ubj").write_bytes(content)
    assert read_ubjson(tmp_path / "x.ubj", "x.ubj") == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "breaks off"),
        (b"[" * 100, "nests too deep"),
        (b"[$d#L" + struct.pack(">q", 2**62), "breaks off"),
        (b"[$d#L" + struct.pack(">q", -1), "length"),
        (b"[#L" + struct.pack(">q", 2**62), "breaks off"),
        (b"[#L" + struct.pack(">q", 2**62) + b"T" * 3_000_001, "values"),
        (b"SL" + struct.pack(">q", 2**40), "longer than"),
        (b"[$S#i\x02", "number's type"),
        (b"x", "begins no value"),
        (b"{x", "length"),
    ],
)
def test_bad_ubjson_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.ubj").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_ubjson(tmp_path / "x.ubj", "x.ubj")


@pytest.mark.parametrize("content", ['{"a": 1}', '{"version": {"a": 1}}', '{"learner": {}}', '{"learner": []}'])
def test_other_json_is_no_model(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert read_xgboost(tmp_path / "x.json", "x.json") is None


def test_a_model_larger_than_the_bound_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.write(b'{"learner": ')
        file.truncate(65 * 2**20)
    with pytest.raises(ModelFileError, match="larger than"):
        read_xgboost(tmp_path / "x.json", "x.json")


@pytest.mark.parametrize("name", ["lightgbm-4.7.0.txt", "xgboost-3.2.0.json", "xgboost-3.2.0.ubj"])
@settings(max_examples=60, deadline=None)
@given(position=st.integers(min_value=0, max_value=4000), change=st.binary(max_size=4), cut=st.booleans())
def test_a_changed_model_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, position: int, change: bytes, *, cut: bool
) -> None:
    content = (FILES / name).read_bytes()
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content[:position] + change + (b"" if cut else content[position + len(change) :]))
    try:
        found = read_lightgbm(path, name) if name.endswith(".txt") else read_xgboost(path, name)
    except ModelFileError:
        return
    assert found is None or (
        isinstance(found, Finding) and json.dumps([dict(found.facts), dict(found.parameters)], allow_nan=False)
    )
