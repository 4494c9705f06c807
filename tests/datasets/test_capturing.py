"""A run records what is in its data in the same call, and goes on where that cannot be told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

import studbook
from studbook.formats.datasets.profile import profile_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[studbook.Registry]:
    with studbook.connect(tmp_path / "registry.db", spool=tmp_path / "spool") as opened:
        yield opened


def test_a_profile_is_recorded_with_the_dataset(registry: studbook.Registry, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    parquet.write_table(pa.table({"id": [1, 2, 3], "word": ["a", None, "b"]}), path)

    with registry.run(capture=False) as run:
        run.use_dataset("words", path, profile=True)
        run.use_dataset("plain", path, role="test")
        run.register("m")

    stored = registry.dataset_version("datasets/words/versions/1")
    expected = profile_file(path).as_entry()
    assert {"rows": stored.rows, "schema": stored.schema, "profile": stored.profile} == expected
    assert stored.digest == studbook.digest_path(path).digest
    assert registry.dataset_version("datasets/plain/versions/1").profile is None


def test_what_cannot_be_profiled_is_recorded_without(
    registry: studbook.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ragged, table = tmp_path / "ragged.csv", tmp_path / "data.parquet"
    ragged.write_text("a,b\n1\n")
    parquet.write_table(pa.table({"id": [1]}), table)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with registry.run(capture=False) as run:
        with pytest.warns(studbook.StudbookWarning, match="line 2: 1 values"):
            run.use_dataset("ragged", ragged, profile=True)
        with pytest.warns(studbook.StudbookWarning, match=r"pip install 'studbook\[data\]'"):
            run.use_dataset("table", table, profile=True)
        with pytest.warns(studbook.StudbookWarning, match="only files are profiled"):
            run.use_dataset("memory", data=b"bytes", profile=True)
        run.register("m")

    for name in ("ragged", "table", "memory"):
        stored = registry.dataset_version(f"datasets/{name}/versions/1")
        assert stored.profile is None
        assert stored.digest is not None
