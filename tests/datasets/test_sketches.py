"""Sketches tell what two tables share, within the bounds that they state."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from studbook.formats.datasets.errors import DataError
from studbook.formats.datasets.profile import profile_file
from studbook.formats.datasets.sketch import RowSketch, Smallest, overlap, read_sketch

if TYPE_CHECKING:
    from pathlib import Path


def sketch_of(rows: range, salt: int, size: int = 256) -> RowSketch:
    kept = Smallest(size)
    for row in rows:
        kept.add(int.from_bytes(hashlib.blake2b(f"{salt} {row}".encode(), digest_size=8).digest()))
    return RowSketch(kept.values(), not kept.full, "c")


@seed(17)
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(0, 3_000), st.integers(0, 10**9))
def test_the_bounds_hold(only_first: int, shared: int, only_second: int, salt: int) -> None:
    first = sketch_of(range(only_first + shared), salt)
    second = sketch_of(range(only_first, only_first + shared + only_second), salt)

    found = overlap(first, second)

    assert found.at_least <= shared <= found.at_most
    assert found.at_least <= found.shared <= found.at_most
    if first.whole and second.whole:
        assert found.exact
        assert found.shared == shared


def test_the_bounds_fail_in_fewer_than_one_of_a_hundred_cases() -> None:
    failed = 0
    for salt in range(300):
        found = overlap(sketch_of(range(600), salt, 64), sketch_of(range(450, 1050), salt, 64))
        failed += not found.at_least <= 150 <= found.at_most
    assert failed <= 3


def test_the_stated_precision_is_reached() -> None:
    found = overlap(sketch_of(range(20_000), 1, 1024), sketch_of(range(10_000, 30_000), 1, 1024))

    assert found.shared == pytest.approx(10_000, rel=0.14)
    assert found.at_most - found.at_least < 10_000 * 0.3


def test_nothing_shared_is_never_told_as_certain() -> None:
    found = overlap(sketch_of(range(5_000), 1), sketch_of(range(5_000, 10_000), 1))

    assert (found.shared, found.at_least, found.seen) == (0, 0, 0)
    assert found.at_most > 0
    assert not found.exact


def test_a_small_table_inside_a_large_one_is_never_told_as_absent() -> None:
    found = [overlap(sketch_of(range(20_000), salt), sketch_of(range(30), salt)) for salt in range(5)]

    assert any(answer.seen == 0 for answer in found)
    assert all(answer.at_least <= 30 <= answer.at_most for answer in found)


def test_hashes_are_kept_once_and_the_smallest() -> None:
    kept = Smallest(3)
    for value in [9, 4, 9, 4, 7, 1, 7, 8]:
        kept.add(value)

    assert kept.values() == (1, 4, 7)
    assert kept.full


def test_the_rows_of_a_test_set_are_found_in_its_training_set(tmp_path: Path) -> None:
    rows = [f"{number},{number * 7}\n" for number in range(3_000)]
    (tmp_path / "train.csv").write_text("a,b\n" + "".join(rows))
    (tmp_path / "test.csv").write_text("b,a\n" + "".join(f"{number * 7},{number}.0\n" for number in range(2_900, 3_100)))
    train, test = (profile_file(tmp_path / name).sketch for name in ("train.csv", "test.csv"))

    assert train is not None
    assert test is not None
    found = overlap(train, test)

    assert found.at_least <= 100 <= found.at_most
    assert found.at_least > 0


def test_a_sketch_survives_storage() -> None:
    for sketch in (sketch_of(range(0), 1), sketch_of(range(10), 1), sketch_of(range(1_000), 1)):
        assert read_sketch(sketch.as_json()) == sketch


def _packed(*values: int) -> str:
    return base64.b64encode(struct.pack(f">{len(values)}Q", *values)).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"hashes": 3},
        {"hashes": "%%%"},
        {"hashes": base64.b64encode(b"abc").decode()},
        {"hashes": _packed(2, 1)},
        {"hashes": _packed(1, 1)},
        {"hashes": "A" * 2_000_000},
        {"columns": None},
        {"whole": "yes"},
        {"whole": False, "hashes": ""},
        {"key": 7},
    ],
)
def test_what_is_no_sketch_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="profile the data again"):
        read_sketch({**sketch_of(range(10), 1).as_json(), **change})


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.csv").write_text("b\n1\n")
    plain, other, keyed = (
        profile_file(tmp_path / "a.csv").sketch,
        profile_file(tmp_path / "b.csv").sketch,
        profile_file(tmp_path / "a.csv", key=b"secret").sketch,
    )
    assert plain is not None
    assert other is not None
    assert keyed is not None
    assert plain.values != keyed.values
    with pytest.raises(DataError, match="different keys"):
        overlap(plain, keyed)
    with pytest.raises(DataError, match="different columns"):
        overlap(plain, other)


def test_a_profile_has_no_sketch_where_none_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")

    profile = profile_file(tmp_path / "a.csv", sketch=False)

    assert profile.sketch is None
    assert "rows_sketch" not in profile.as_entry()["profile"]["extra"]
