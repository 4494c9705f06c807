"""What MLflow and OpenVINO write beside their models, and what nobody should write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.finding import Finding, ModelFileError
from studbook.formats.model_files.mlflow_folder import read_mlmodel
from studbook.formats.model_files.openvino import read_openvino

FILES = Path(__file__).parent / "files"
MLMODEL = FILES / "mlflow-3.17.2" / "MLmodel"
NETWORK = next(FILES.glob("openvino-*.xml"))
# By hand, as MLflow 2 wrote it for scikit-learn.
SKLEARN = """
artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.7.2
mlflow_version: 2.22.0
model_uuid: 7d2a
run_id: 8a1f
utc_time_created: '2026-03-01 12:00:00.000000'
"""


def write(folder: Path, text: str | bytes, name: str = "MLmodel") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_model_that_mlflow_wrote() -> None:
    found = read_mlmodel(MLMODEL, "MLmodel")
    assert found is not None
    assert found.facts["mlflow_version"] == "3.17.2"
    assert found.facts["inputs"] == [{"name": "a b", "type": "double"}, {"name": "c", "type": "string"}]
    assert found.facts["outputs"] == [{"name": "y", "type": "float32", "shape": [-1, 3]}]
    assert found.identifiers == {"mlflow_model": "1d8e773ec98e47b9a465527307f7cc67"}
    assert [(hazard.code, hazard.place) for hazard in found.hazards] == [("pickle", "MLmodel#/flavors/python_function")]


def test_a_flavor_names_the_library_and_the_run_is_an_identifier(tmp_path: Path) -> None:
    found = read_mlmodel(write(tmp_path, SKLEARN), "MLmodel")
    assert found is not None
    assert (found.library, found.facts["library_version"]) == ("scikit-learn", "1.7.2")
    assert found.identifiers == {"mlflow_run": "8a1f", "mlflow_model": "7d2a"}
    assert [(hazard.code, hazard.place) for hazard in found.hazards] == [("pickle", "MLmodel#/flavors/sklearn")]


def test_code_of_its_own_and_paths_that_lead_out_are_hazards(tmp_path: Path) -> None:
    text = SKLEARN.replace("mlflow.sklearn", "own_loader").replace("code: null", "code: ../code")
    found = read_mlmodel(write(tmp_path, text), "MLmodel")
    assert found is not None
    assert sorted(hazard.code for hazard in found.hazards) == ["path-outside", "pickle", "remote-code", "remote-code"]
    assert any("own_loader" in hazard.message for hazard in found.hazards)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no mapping"),
        ("run_id: x", "no flavors"),
        ("flavors: [a]", "no flavors"),
        (f"{SKLEARN}signature: {{inputs: '[{{'}}", "signature"),
        ("flavors: {a: !!python/name:os.system x}", "tag"),
        ("a: " + "[" * 70, "deeper"),
    ],
)
def test_a_bad_mlmodel_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_mlmodel(write(tmp_path, text), "MLmodel")


def test_a_network_that_openvino_wrote() -> None:
    found = read_openvino(NETWORK, "tiny.xml")
    assert found is not None
    assert (found.weights, found.dtypes, found.quantization) == (15, {"F16": 15}, None)
    assert (found.facts["name"], found.facts["ir_version"], found.facts["layers"]) == ("tiny", "11", 8)
    assert found.facts["layer_types"]["Const"] == 2


def test_weights_of_few_bits_are_a_quantization(tmp_path: Path) -> None:
    text = NETWORK.read_text().replace('element_type="f16" shape="4, 3"', 'element_type="u4" shape="400, 3"')
    found = read_openvino(write(tmp_path, text, "x.xml"), "x.xml")
    assert found is not None
    assert (found.quantization, dict(found.dtypes)) == ("int4", {"U4": 1200, "F16": 3})


@pytest.mark.parametrize("text", ["<html/>", "<a><net/></a>", '<?xml version="1.0"?><root><layers/></root>'])
def test_other_xml_is_no_network(tmp_path: Path, text: str) -> None:
    assert read_openvino(write(tmp_path, text, "x.xml"), "x.xml") is None


BOMB = "<!DOCTYPE net [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{BOMB}]><net>&i;</net>", "document type"),
        ('<!DOCTYPE net SYSTEM "file:///etc/passwd"><net/>', "document type"),
        ('<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]><net>&x;</net>', "document type"),
        ("<net>&unknown;</net>", "not XML"),
        ("<net>" * 100, "deeper"),
        ("<net><layers>", "not XML"),
        ("", "not XML"),
        ('<?xml version="1.0" encoding="no-such"?><net/>', "not XML|characters"),
        (b"<net name='\xff\xfe'/>", "not XML"),
    ],
)
def test_bad_xml_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_openvino(write(tmp_path, text, "x.xml"), "x.xml")


def test_counts_beyond_what_can_be_held_are_not_told(tmp_path: Path) -> None:
    text = NETWORK.read_text().replace('shape="4, 3"', f'shape="{", ".join(["4000000000"] * 20)}"')
    found = read_openvino(write(tmp_path, text, "x.xml"), "x.xml")
    assert found is not None
    assert found.weights is None


@pytest.mark.parametrize("path", [MLMODEL, NETWORK], ids=lambda path: path.name)
@settings(max_examples=80, deadline=None)
@given(position=st.integers(min_value=0, max_value=3300), change=st.binary(max_size=6), cut=st.booleans())
def test_a_changed_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, path: Path, position: int, change: bytes, *, cut: bool
) -> None:
    content = path.read_bytes()
    changed = write(
        tmp_path_factory.getbasetemp(), content[:position] + change + (b"" if cut else content[position + 1 :]), path.name
    )
    try:
        found = (read_mlmodel if path is MLMODEL else read_openvino)(changed, path.name)
    except ModelFileError:
        return
    assert found is None or (isinstance(found, Finding) and json.dumps(dict(found.facts), allow_nan=False))
