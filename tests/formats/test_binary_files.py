"""Binary model files: as the formats' own writers make them, real ones where they are installed, and hostile ones."""

from __future__ import annotations

import collections
import gzip
import importlib.util
import io
import json
import lzma
import os
import pickle
import pickletools
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studbook.formats.model_files.binary_files import read_binary_file
from studbook.formats.model_files.finding import Finding, ModelFileError
from studbook.formats.model_files.imports import is_dangerous

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = {"w": ("F16", [4, 8]), "b": ("F32", [8])}
SIZES = {"F16": 2, "F32": 4}


def safetensors(tensors: dict[str, tuple[str, list[int]]] | None = None, **metadata: str) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    place = 0
    for name, (dtype, shape) in (tensors or CONTENT).items():
        size = int(np.prod(shape)) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(place)


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_text, value))
    return struct.pack("<II", 4, value)


def one_tensor(shape: str, dtype: str = "F32") -> bytes:
    header = f'{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,4]}}}}'.encode()
    return struct.pack("<Q", len(header)) + header + b"1234"


def placed(size: int, *places: list[int]) -> bytes:
    """Tensors of so many bytes each at these places."""
    tensors = {f"w{number}": {"dtype": "U8", "shape": [size], "data_offsets": place} for number, place in enumerate(places)}
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + bytes(max(place[1] for place in places))


GGUF_SAYS = {
    "general.architecture": "llama", "general.name": "Tuned Q4", "general.license": "apache-2.0", "general.file_type": 15,
    "general.base_model.count": 1, "general.base_model.0.name": "Tuned", "general.base_model.0.organization": "Org",
    "general.base_model.0.repo_url": "https://huggingface.co/org/tuned", "general.tags": ["chat"], "llama.context_length": 4096,
    "general.languages": ["en"], "tokenizer.ggml.tokens": ["token"] * 3000,
}  # fmt: skip


def gguf(said: dict[str, Any] = GGUF_SAYS, tensors: int = 2, version: int = 3, shape: int = 8) -> bytes:
    values = b"".join(gguf_text(name) + gguf_value(value) for name, value in said.items())
    infos = b"".join(gguf_text(f"t{place}") + struct.pack("<IQQIQ", 2, shape, 4, 12, 0) for place in range(tensors))
    return b"GGUF" + struct.pack("<IQQ", version, tensors, len(said)) + values + infos


def field(number: int, content: bytes | int) -> bytes:
    """A field of Protocol Buffers."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def onnx(operator: bytes = b"MatMul", location: bytes | None = None) -> bytes:
    """A graph with a weight, and a constant in a branch of it."""
    place = field(13, field(1, b"location") + field(2, location)) if location else b""
    weight = field(1, varint(4) + varint(8)) + field(2, 1) + field(8, b"w") + field(9, bytes(4 * 4 * 8)) + place
    constant = field(1, field(4, b"Constant") + field(5, field(5, field(1, 3) + field(2, 7))))
    shape = field(2, field(1, field(2, b"batch")) + field(1, field(1, 4)))
    tensor = field(2, field(1, field(1, 1) + shape))
    graph = (
        field(1, field(4, operator) + field(5, field(6, constant)))
        + field(2, b"main")
        + field(5, weight)
        + field(11, field(1, b"x") + tensor)
        + field(11, field(1, b"w") + tensor)
        + field(12, field(1, b"y") + tensor)
    )
    opset = field(8, field(1, b"") + field(2, 17))
    return field(1, 8) + field(2, b"pytorch") + field(7, graph) + opset + field(14, field(1, b"author") + field(2, b"a"))


def zipped(members: dict[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


class Command:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def saved(save: Callable[..., None], *arrays: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays)
    return stream.getvalue()


KERAS_MODEL = {
    "class_name": "Sequential",
    "config": {
        "name": "small",
        "layers": [
            {"class_name": "Dense", "config": {"name": "dense"}},
            {"class_name": "Lambda", "config": {"name": "own", "function": {"class_name": "__lambda__", "config": {}}}},
        ],
    },
}
KERAS = zipped({"config.json": json.dumps(KERAS_MODEL), "metadata.json": '{"keras_version": "3.9.0"}', "model.weights.h5": b"x"})
SKOPS = zipped(
    {
        "schema.json": json.dumps(
            {
                "__class__": "Pipeline", "__module__": "sklearn.pipeline", "_skops_version": "0.13",
                "steps": [{"__class__": "Own", "__module__": "home_made"}, {"__class__": "system", "__module__": "os"}],
            }
        )
    }
)  # fmt: skip
FILES = {
    "model.safetensors": safetensors(format="pt"),
    "model.gguf": gguf(),
    "model.onnx": onnx(),
    "model.keras": KERAS,
    "model.skops": SKOPS,
    "model.pkl": pickle.dumps({"a": collections.OrderedDict(b=[1, 2])}),
    "model.pt": zipped({"model/data.pkl": pickle.dumps(collections.OrderedDict()), "model/data/0": b"1234"}),
    "model.joblib": zlib.compress(pickle.dumps(Command())),
    "array.npy": saved(np.save, np.zeros((3, 2), "<f4")),
    "arrays.npz": saved(np.savez, np.zeros(3), np.ones(2, "<i8")),
}


def read(folder: Path, name: str, content: bytes) -> Finding:
    path = folder / name
    path.write_bytes(content)
    found = read_binary_file(path, name)
    assert found is not None
    return found


def codes(found: Finding) -> list[str]:
    return [hazard.code for hazard in found.hazards]


def test_safetensors(tmp_path: Path) -> None:
    found = read(tmp_path, "model.safetensors", FILES["model.safetensors"])
    assert (found.format, found.weights, found.dtypes) == ("safetensors", 40, {"F16": 32, "F32": 8})
    assert found.facts == {"metadata": {"format": "pt"}}
    assert found.hazards == ()


@pytest.mark.parametrize("order", ["<", ">"])
def test_gguf(tmp_path: Path, order: str) -> None:
    content = FILES["model.gguf"]
    if order == ">":
        content = (
            b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + struct.pack(">Q", 12) + b"general.name" + struct.pack(">IQ", 8, 3) + b"big"
        )
        assert read(tmp_path, "model.gguf", content).title == "big"
        return
    found = read(tmp_path, "model.gguf", content)
    assert (found.architecture, found.title, found.license) == ("llama", "Tuned Q4", "apache-2.0")
    assert (found.quantization, found.weights, found.dtypes) == ("Q4_K_M", 64, {"Q4_K": 64})
    assert [(base.reference, base.relation) for base in found.bases] == [("https://huggingface.co/org/tuned", None)]
    assert found.facts["context_length"] == 4096
    assert (found.tags, found.facts["languages"]) == (("chat",), ["en"])


def test_onnx(tmp_path: Path) -> None:
    found = read(tmp_path, "model.onnx", FILES["model.onnx"])
    assert (found.weights, found.dtypes, found.quantization) == (35, {"F32": 32, "I64": 3}, None)
    assert found.facts["inputs"] == [{"name": "x", "type": "F32", "shape": ["batch", 4]}]
    assert found.facts["outputs"] == [{"name": "y", "type": "F32", "shape": ["batch", 4]}]
    assert found.facts["operators"] == {"MatMul": 1, "Constant": 1}
    assert (found.facts["opsets"], found.facts["producer"], found.facts["graph"]) == ({"ai.onnx": 17}, "pytorch", "main")
    assert found.facts["metadata"] == {"author": "a"}
    assert read(tmp_path, "model.onnx", onnx(b"MatMulInteger")).quantization == "int8"
    assert read(tmp_path, "model.onnx", onnx(b"MatMulNBits")).quantization == "int4"
    assert codes(read(tmp_path, "model.onnx", onnx(location=b"weights.bin"))) == []
    assert codes(read(tmp_path, "model.onnx", onnx(location=b"../../etc/passwd"))) == ["path-outside"]


OUTSIDE = field(1, 4) + field(2, 1) + field(13, field(1, b"location") + field(2, b"../../etc/passwd"))


@pytest.mark.parametrize(
    "model",
    [
        field(7, field(5, field(1, 4) + field(13, field(1, b"location") + field(2, b"./" * 2500 + b"../../etc/passwd")))),
        field(7, field(1, field(4, b"X") + field(5, field(10, OUTSIDE)))),
        field(7, field(1, field(4, b"X") + field(5, field(22, field(1, OUTSIDE))))),
        field(7, field(15, field(2, OUTSIDE))),
        field(20, field(2, field(5, OUTSIDE))),
        field(25, field(7, field(4, b"Constant") + field(5, field(5, OUTSIDE)))),
        field(25, field(11, field(5, OUTSIDE))),
    ],
    ids=["a long path", "list of tensors", "sparse attribute", "sparse weight", "training", "function", "function's attribute"],
)
def test_wherever_onnx_may_keep_tensors_their_place_is_looked_at(tmp_path: Path, model: bytes) -> None:
    assert "path-outside" in codes(read(tmp_path, "model.onnx", field(1, 8) + model))


@pytest.mark.parametrize("package", ["magika", "silero_vad", "rapidocr", "rapidocr_onnxruntime"])
def test_real_onnx_files_that_packages_ship(package: str) -> None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package}, which ships models as ONNX files, is not installed")
    files = sorted(Path(spec.origin).parent.rglob("*.onnx"))
    assert files
    for path in files:
        found = read_binary_file(path, path.name)
        assert found is not None
        assert found.weights > 1_000  # type: ignore[operator]
        assert found.facts["inputs"]
        assert found.facts["outputs"]


def test_keras_and_its_code(tmp_path: Path) -> None:
    found = read(tmp_path, "model.keras", KERAS)
    assert (found.format, found.architecture, found.title, found.library) == ("keras", "Sequential", "small", "keras")
    assert found.facts == {"library_version": "3.9.0", "layers": {"Dense": 1, "Lambda": 1}}
    assert set(codes(found)) == {"code-in-model"}


def test_keras_names_what_is_not_its_own(tmp_path: Path) -> None:
    parts = [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
        {"module": "home_made", "class_name": "Own", "config": {}},
        {"module": "keras.layers", "class_name": "Dense", "config": {}},
        {"module": "builtins", "class_name": "function", "config": "relu"},
    ]
    named = zipped({"config.json": json.dumps({"class_name": "Model", "config": {"layers": parts}}), "metadata.json": "{}"})
    told = {(hazard.code, hazard.message.split()[-1]) for hazard in read(tmp_path, "model.keras", named).hazards}
    assert {("untrusted-type", "home_made.Own")} < told
    assert ("dangerous-import", "anything") in told
    hidden = {"class_name": "S", "a": {"class_name": "Lambda", "config": {}}, "z": [0] * 600_000}
    many = zipped({"config.json": json.dumps(hidden), "metadata.json": "{}"})
    assert codes(read(tmp_path, "model.keras", many)) == ["code-in-model", "not-read-to-the-end"]


def test_skops_names_functions(tmp_path: Path) -> None:
    schema = {"__class__": "x", "__module__": "numpy", "content": {"module_path": "os", "function": "system"}}
    assert codes(read(tmp_path, "model.skops", zipped({"schema.json": json.dumps(schema)}))) == ["dangerous-import"]


def test_skops_and_whom_it_asks_to_trust(tmp_path: Path) -> None:
    found = read(tmp_path, "model.skops", SKOPS)
    assert (found.format, found.architecture, found.library) == ("skops", "sklearn.pipeline.Pipeline", "scikit-learn")
    assert codes(found) == ["dangerous-import", "untrusted-type"]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_read_and_never_loaded(tmp_path: Path, protocol: int) -> None:
    harmless = read(tmp_path, "model.pkl", pickle.dumps(collections.OrderedDict(a=np.float64(1)), protocol))
    assert codes(harmless) == ["unsafe-serialisation"]
    assert "collections.OrderedDict" in harmless.facts["imports"]
    hostile = read(tmp_path, "model.pkl", pickle.dumps([Command(), "posix"], protocol))
    assert codes(hostile) == ["unsafe-serialisation", "dangerous-import"]
    assert "posix.system" in hostile.hazards[1].message


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "dangerous-import"),
        (b"(S'true'\nios\nsystem\n.", "dangerous-import"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", "dangerous-import"),
        (b"\x80\x04\x8c\x02os\x940h\x00\x8c\x06system\x93.", "dangerous-import"),
        (b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93.", "dangerous-import"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "dangerous-import"),
        (b"\x80\x04](\x8c\x01aN\x93.", "hidden-import"),
        (b"\x80\x04}\x93.", "hidden-import"),
        (b"\x80\x02]q\x00(K\x01", "not-read-to-the-end"),
    ],
)
def test_programs_of_pickles(tmp_path: Path, program: bytes, code: str) -> None:
    assert code in codes(read(tmp_path, "model.pkl", program))


def test_old_torch_files_and_compressed_ones(tmp_path: Path) -> None:
    five = b"".join(pickle.dumps(part, 2) for part in (119547037146038801333356, 1001, {"little_endian": True}, Command(), ["0"]))
    assert "dangerous-import" in codes(read(tmp_path, "model.pt", five + bytes(100)))
    assert "dangerous-import" in codes(read(tmp_path, "model.joblib", FILES["model.joblib"]))
    torch = read(tmp_path, "model.pt", zipped({"m/data.pkl": pickle.dumps(Command()), "m/data/0": b""}))
    assert (torch.format, torch.library) == ("pytorch", "pytorch")
    assert torch.hazards[-1].place == "model.pt:m/data.pkl"


SYSTEM = b"cos\nsystem\n(S'true'\ntR."
HARMLESS = pickle.dumps([])
PACKED = lzma.compress(SYSTEM, lzma.FORMAT_ALONE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("twenty before.pt", zipped({**{f"m/a{number:03}.pkl": HARMLESS for number in range(200)}, "m/data.pkl": SYSTEM})),
        ("keras too.pt", zipped({"m/data.pkl": SYSTEM, "config.json": "{}", "metadata.json": "{}"})),
        ("skops too.pt", zipped({"m/data.pkl": SYSTEM, "schema.json": "{}"})),
        ("within.npz", zipped({"a.npy": FILES["array.npy"], "b.pickle": SYSTEM})),
        ("within.mar", zipped({"MAR-INF/MANIFEST.json": "{}", "model.PKL": SYSTEM})),
        ("text.bin", SYSTEM),
        ("text.pt", SYSTEM),
        ("text.ckpt", SYSTEM),
        ("text.sav", SYSTEM),
        ("padded.bin", b"S'" + b"a" * 200_000 + b"'\n0" + SYSTEM),
        ("marked.dat", b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93."),
        ("packed.pkl.gz", gzip.compress(SYSTEM)),
        ("second.pkl", HARMLESS + SYSTEM),
        ("crowd.pkl", b"\x80\x04" + b"".join(b"N\x8c\x03x%02d\x93" % number for number in range(90)) + SYSTEM),
        ("crowd of packages.pkl", b"".join(b"chome%02d\nmade\n0" % number for number in range(90)) + SYSTEM),
    ],
)  # fmt: skip
def test_nothing_hides_a_command(tmp_path: Path, name: str, content: bytes) -> None:
    found = read(tmp_path, name, content)
    assert codes(found)[:2] == ["unsafe-serialisation", "dangerous-import"]
    assert len(found.hazards) <= 51


@pytest.mark.parametrize(
    "content",
    [
        # The interpreter reads this number, and Python's list of instructions does not.
        pickle.dumps(1, 2) + b"\x80\x02I0x1\n0" + SYSTEM,
        b"".join(HARMLESS for _ in range(21)) + SYSTEM,
        zipped({"m/data.pkl": HARMLESS, **{f"m/{number}.pkl": HARMLESS for number in range(101)}}),
        lzma.compress(SYSTEM, lzma.FORMAT_ALONE)[:1]
        + struct.pack("<I", 0x60000000)
        + lzma.compress(SYSTEM, lzma.FORMAT_ALONE)[5:],
    ],
    ids=["unreadable number", "many pickles", "many members", "a dictionary of 1.5 GiB"],
)
def test_what_was_not_read_is_told(tmp_path: Path, content: bytes) -> None:
    assert "not-read-to-the-end" in codes(read(tmp_path, "model.pkl", content))


@pytest.mark.parametrize(
    "name",
    [
        "distutils.spawn.spawn", "_posixsubprocess.fork_exec", "uuid._get_command_stdout", "operator.call", "sqlite3.connect",
        "torch.storage._load_from_bytes", "numpy.distutils.exec_command.exec_command", "numpy.testing._private.utils.runstring",
        "pandas.core.computation.eval.eval", "shelve.open", "fileinput.input", "py_compile.compile", "cffi.FFI", "builtins.eval",
        "torch.utils._config_module.load_config", "test.support.script_helper.assert_python_ok", "sympy.sympify",
    ],
)  # fmt: skip
def test_what_runs_anything_is_known(name: str) -> None:
    assert is_dangerous(*name.rsplit(".", 1))


def test_what_is_not_known_is_told_after_all_else(tmp_path: Path) -> None:
    found = read(tmp_path, "model.pkl", b"chome.made\nModel\n0cnumpy\nndarray\n0csklearn.svm\nSVC\n.")
    assert codes(found) == ["unsafe-serialisation", "unknown-import"]
    assert "home.made.Model" in found.hazards[1].message


def test_models_as_their_libraries_keep_them(tmp_path: Path) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    data = np.arange(40.0).reshape(10, 4), np.arange(10) % 2
    for model in (LogisticRegression(), RandomForestClassifier(3)):
        found = read(tmp_path, "model.pkl", pickle.dumps(model.fit(*data)))
        assert (found.library, codes(found)) == ("scikit-learn", ["unsafe-serialisation"])


def test_arrays(tmp_path: Path) -> None:
    assert read(tmp_path, "array.npy", FILES["array.npy"]).dtypes == {"F32": 6}
    assert read(tmp_path, "arrays.npz", FILES["arrays.npz"]).dtypes == {"F64": 3, "I64": 2}
    notes = zipped({"a.npy": FILES["array.npy"], "notes.txt": "x"})
    assert read(tmp_path, "arrays.npz", notes).dtypes == {"F32": 6}
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    found = read_binary_file(tmp_path / "objects.npy", "objects.npy")
    assert found is not None
    assert codes(found) == ["unsafe-serialisation"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.safetensors", struct.pack("<Q", 2**40), "its header would have"),
        ("a.safetensors", struct.pack("<Q", 100) + b"{}", "would take 100 bytes"),
        ("a.safetensors", b"\1", "the length of the header"),
        ("a.safetensors", struct.pack("<Q", 2) + b"[]", "no JSON object"),
        ("a.safetensors", struct.pack("<Q", 5000) + b"[" * 5000, "nests too deep"),
        ("a.safetensors", safetensors()[:-1], "lies at bytes"),
        ("a.safetensors", one_tensor("[-1]"), "no type, shape"),
        ("a.safetensors", one_tensor("[9]"), "than the 4 bytes"),
        ("a.safetensors", placed(4, [0, 4], [2, 6]), "two overlap"),
        ("a.safetensors", placed(4, [0, 4], [5, 9]), "part of none"),
        ("a.safetensors", placed(4, [0, 4]) + b"more", "take 4 bytes of 8"),
        ("a.safetensors", one_tensor("[9000]", "Z9"), "than the 4 bytes"),
        ("a.gguf", gguf(tensors=1, shape=2**52) , "more than any model has"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "it says that it has"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "it says that it has"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62), "would have"),
        ("a.gguf", gguf()[:500], "would take"),
        ("a.onnx", b"\xff" * 20, "more than 10 bytes"),
        ("a.onnx", field(7, b"")[:1] + varint(2**40), "would end at byte"),
        ("a.onnx", b"", "no ONNX model"),
        ("a.pt", b"PK\x03\x04" + bytes(50), "zip file that cannot be read"),
        ("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os').x()", "header cannot be read"),
        ("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000), "would have"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_reason(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words):
        read_binary_file(path, name)


def test_graphs_in_graphs_are_followed_so_far(tmp_path: Path) -> None:
    graph = b""
    for _ in range(40):
        graph = field(1, field(5, field(6, graph)))
    (tmp_path / "a.onnx").write_bytes(field(1, 8) + field(7, graph))
    with pytest.raises(ModelFileError, match="nest deeper"):
        read_binary_file(tmp_path / "a.onnx", "a.onnx")


def test_zip_bombs_and_members_that_lead_out(tmp_path: Path) -> None:
    bomb = {"m/data.pkl": pickle.dumps([]), "m/data/0": bytes(64 * 2**20), "../../evil": b"", "m/../../evil": b""}
    tracemalloc.start()
    found = read(tmp_path, "model.pt", zipped(bomb))
    assert {"zip-bomb", "path-outside"} <= set(codes(found))
    keras = zipped({"config.json": b" " * (64 * 2**20), "metadata.json": b"{}"})
    tracemalloc.reset_peak()
    (tmp_path / "model.keras").write_bytes(keras)
    with pytest.raises(ModelFileError, match="larger than"):
        read_binary_file(tmp_path / "model.keras", "model.keras")
    assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    tracemalloc.stop()


def many_members(count: int) -> bytes:
    """A zip file that lists so many members."""
    body = b"PK\x03\x04" + bytes(26)
    listed = (b"PK\x01\x02" + struct.pack("<6H3I5H2I", 20, 20, *[0] * 7, 1, *[0] * 6) + b"a") * count
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(listed), len(body))
    place = b"PK\x06\x07" + struct.pack("<IQI", 0, len(body) + len(listed), 1)
    return body + listed + record + place + b"PK\x05\x06" + struct.pack("<4HIIH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)


@pytest.mark.parametrize("count", [150_000, 400_000])
def test_a_list_of_members_without_end_takes_little(tmp_path: Path, count: int) -> None:
    (tmp_path / "model.pt").write_bytes(many_members(count))
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=r"than are read|that are read"):
        read_binary_file(tmp_path / "model.pt", "model.pt")
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()


def test_long_texts_and_many_kinds_of_numbers_are_not_kept(tmp_path: Path) -> None:
    content = gguf({f"general.k{number}": "x" * 2**20 for number in range(100)} | {f"k{number}": "x" for number in range(100)})
    tracemalloc.start()
    read(tmp_path, "model.gguf", content)
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()
    tensors = {f"w{number}": {"dtype": f"Z{number}", "shape": [], "data_offsets": [number, number + 1]} for number in range(300)}
    header = json.dumps(tensors).encode()
    found = read(tmp_path, "model.safetensors", struct.pack("<Q", len(header)) + header + bytes(300))
    assert (found.weights, len(found.dtypes), found.dtypes["other"]) == (300, 51, 250)


def test_what_is_no_model_is_left_to_others(tmp_path: Path) -> None:
    for name, content in {"notes.zip": zipped({"a.txt": "a"}), "data.bin": b"\0" * 40, "a.txt": b"text", "empty.pt": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert read_binary_file(tmp_path / name, name) is None


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Valid files with some bytes changed, cut, or put in; never another error, and never much memory."""
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        act = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if act == "cut":
            del content[place:]
        else:
            new = data.draw(st.binary(min_size=1, max_size=9))
            content[place : place + (len(new) if act == "set" else 0)] = new
    path = tmp_path_factory.getbasetemp() / f"fuzzed-{name}"
    path.write_bytes(bytes(content))
    tracemalloc.start()
    try:
        found = read_binary_file(path, name)
        assert found is None or isinstance(found, Finding)
        json.dumps(found.facts if found else None, allow_nan=False)
    except ModelFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 200 * 2**20


def test_the_programs_of_these_tests_are_what_they_say() -> None:
    names = [opcode.name for opcode, _, _ in pickletools.genops(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.")]
    assert names == ["PROTO", "SHORT_BINUNICODE", "MEMOIZE", "SHORT_BINUNICODE", "MEMOIZE", "STACK_GLOBAL", "STOP"]
