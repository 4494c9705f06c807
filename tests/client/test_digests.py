"""Digests of files, folders and data: equal to what others would compute."""

from __future__ import annotations

import array
import datetime as dt
import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import studbook
from studbook.client import digests
from studbook.client.data_digests import digest_data, find_rows
from studbook.client.digests import digest_path

if TYPE_CHECKING:
    from pathlib import Path


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024 - 1, 1024 * 1024, 3 * 1024 * 1024 + 7])
def test_a_file(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "f"
    path.write_bytes(content[:size])
    assert digest_path(path) == studbook.Digested(sha256(content[:size]), size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    (place / "sub" / "deep").mkdir(parents=True)
    (place / "empty").mkdir()
    for name in ("b", "a", "Z", "sub.txt", "sub/x", "sub/deep/ä", "with space", "back\\slash", "new\nline"):
        (place / name).write_bytes(name.encode())
    (place / "link").symlink_to(place / "a")
    (place / "broken").symlink_to(place / "nothing")
    (place / "linked").symlink_to(place / "sub")
    return place


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="compares with coreutils")
def test_a_folder_is_what_coreutils_print(folder: Path) -> None:
    command = "find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    printed = subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert digest_path(folder).digest == f"sha256:{printed.split()[0]}"


def test_a_folder_that_contains_itself_ends(folder: Path) -> None:
    before = digest_path(folder)
    (folder / "sub" / "deep" / "loop").symlink_to(folder)
    assert digest_path(folder) == before


def test_a_folder_changes_with_names_and_content(folder: Path) -> None:
    before = digest_path(folder)
    (folder / "a").rename(folder / "renamed")
    (folder / "link").unlink()
    assert digest_path(folder).digest != before.digest


def test_progress_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "[bold]model.bin"
    path.write_bytes(b"x" * 5000)
    digest_path(path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(digests, "_PROGRESS_FROM", 1000)
    digest_path(path)
    assert capsys.readouterr().err == "", "no bar where nobody watches"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert digest_path(path).size == 5000


def test_bytes_and_text_are_as_in_a_file() -> None:
    assert digest_data(b"abc") == digest_data(bytearray(b"abc")) == digest_data("abc") == sha256(b"abc")


def test_an_array_by_its_definition() -> None:
    values = np.arange(6, dtype="<f8").reshape(2, 3)
    assert digest_data(values) == sha256(b"array <f8 2x3\n" + values.tobytes())
    assert digest_data(np.float32(1)) == sha256(b"array <f4 \n" + np.float32(1).tobytes())


def test_memory_layout_does_not_matter() -> None:
    values = np.arange(12.0).reshape(3, 4)
    assert digest_data(values) == digest_data(np.asfortranarray(values)) == digest_data(np.repeat(values, 2, 0)[::2])


def test_shape_and_dtype_matter() -> None:
    values = np.arange(12.0)
    seen = {digest_data(each) for each in (values, values.reshape(3, 4), values.astype("f4"), values.astype(">f8"))}
    assert len(seen) == 4


@pytest.mark.parametrize(
    "values",
    [
        np.array([], dtype=float),
        np.zeros((0, 3)),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.array(["a", "bc"]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([1], dtype=">i8"),
        np.array([True, False]),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_unusual_arrays(values: Any) -> None:
    assert digest_data(values) == digest_data(values.copy())


def test_objects_are_hashed_by_value() -> None:
    texts = ["a" * 50, None, 1.5, dt.date(2026, 1, 1)]
    again = ["".join(["a"] * 50), None, 1.5, dt.date(2026, 1, 1)]
    assert digest_data(np.array(texts, dtype=object)) == digest_data(np.array(again, dtype=object))


def test_array_of_the_standard_library_and_memoryview() -> None:
    values = array.array("d", [1.0, 2.0])
    assert digest_data(values) == digest_data(memoryview(values)) == sha256(b"array d 2\n" + values.tobytes())


def test_lists_and_mappings_by_their_definition() -> None:
    assert digest_data([b"a", 1]) == sha256(f"list 2\n{sha256(b'a')}\n{sha256(b'value 1' + chr(10).encode())}\n".encode())
    assert digest_data({"b": b"2", "a": b"1"}) == sha256(f'map 2\n"a" {sha256(b"1")}\n"b" {sha256(b"2")}\n'.encode())
    assert digest_data((b"a", b"b")) == digest_data([b"a", b"b"]) != digest_data([b"b", b"a"])


class Column:
    def __init__(self, values: Any) -> None:
        self._values = np.array(values)

    def to_numpy(self) -> Any:
        return self._values


class Table:
    """As pandas and polars tables look from outside."""

    def __init__(self, **columns: list[Any]) -> None:
        self._columns = {name: Column(values) for name, values in columns.items()}
        self.columns = list(self._columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __len__(self) -> int:
        return 2


def test_a_table() -> None:
    table = Table(x=[1.0, 2.0], y=["a", "b"])
    assert digest_data(table) == digest_data([["x", np.array([1.0, 2.0])], ["y", np.array(["a", "b"])]])
    assert digest_data(table) != digest_data(Table(z=[1.0, 2.0], y=["a", "b"]))
    assert find_rows(table) == 2


class Tensor:
    """As a tensor of torch looks from outside: it must be detached before it is an array."""

    def __init__(self, values: Any, *, attached: bool = True) -> None:
        self._values = values
        self._attached = attached
        self.dtype = "torch.float64"
        self.shape = values.shape

    def detach(self) -> Tensor:
        return Tensor(self._values, attached=False)

    def cpu(self) -> Tensor:
        return self

    def __array__(self) -> Any:
        if self._attached:
            message = "requires grad"
            raise RuntimeError(message)
        return self._values


def test_a_tensor_is_its_array() -> None:
    values = np.arange(4.0)
    assert digest_data(Tensor(values)) == digest_data(values)


@pytest.mark.parametrize("data", [object(), {1: object()}, [object()], np.array([object()])])
def test_what_cannot_be_digested(data: object) -> None:
    with pytest.raises(TypeError, match=r"no digest can be made of builtins\.object"):
        digest_data(data)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (np.zeros((5, 2)), 5),
        ((np.zeros((5, 2)), np.zeros(5)), 5),
        ({"X": np.zeros((4, 2)), "y": np.zeros(4)}, 4),
        ([1, 2, 3], 3),
        ([[1, 2], [3, 4], [5, 6]], 3),
        (b"bytes", None),
        ("text", None),
        (np.float64(1), None),
        ({}, 0),
    ],
)
def test_rows(data: object, rows: int | None) -> None:
    assert find_rows(data) == rows
