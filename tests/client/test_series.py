"""However much a training logs, its series fit into a document and keep their shape."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.client import series as module
from studbook.client.series import Measured, Point, Series, points_for_document, thin


def filled(count: int, first: int = 0) -> Series:
    series = Series()
    for step in range(first, first + count):
        series.add(Point(float(step), step, "2026-01-01T00:00:00Z"))
    return series


@settings(deadline=None, max_examples=25)  # a slow machine proves nothing
@given(st.integers(1, 70_000))
def test_a_long_series_keeps_its_ends_and_stays_even(count: int) -> None:
    points = filled(count).unsent()
    steps = [point.step or 0 for point in points]
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert len(steps) <= module._SERIES_LIMIT + 1
    gaps = {later - earlier for earlier, later in pairwise(steps[:-1])}
    assert len(gaps) <= 1, "all gaps are alike but the last"
    assert len(steps) == count or len(steps) >= module._SERIES_LIMIT // 2


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500))
def test_thinning(count: int, limit: int) -> None:
    points = filled(count).points
    kept = thin(points, limit)
    assert len(kept) == min(count, limit)
    assert len({point.step for point in kept}) == len(kept)
    if kept:
        assert kept[-1] is points[-1]


def test_many_series_share_a_document() -> None:
    series = {Measured.on(f"m{index}", None, None, None): filled(3_000) for index in range(20)}
    points, thinned = points_for_document(series)
    assert thinned
    assert len(points) <= module._DOCUMENT_LIMIT
    for index in range(20):
        steps = [point["step"] for point in points if point["name"] == f"m{index}"]
        assert (steps[0], steps[-1]) == (0, 2_999)


def test_more_series_than_points_allowed_still_have_their_last() -> None:
    series = {Measured.on(f"m{index}", None, None, None): filled(2) for index in range(15_000)}
    points, thinned = points_for_document(series)
    assert thinned
    assert len(points) == 15_000


def test_short_series_are_whole() -> None:
    series = {Measured.on("a", None, None, None): filled(100)}
    points, thinned = points_for_document(series)
    assert not thinned
    assert [point["step"] for point in points] == list(range(100))


def test_what_was_sent_is_not_sent_again() -> None:
    series = filled(10)
    series.forget()
    assert series.unsent() == []
    series.add(Point(1.0, 10, "t"))
    assert [point.step for point in series.unsent()] == [10]


def test_labels() -> None:
    assert Measured.on("a", "d", "s", {"y": 1, "x": True}).label == "a on d (s) where x=True, y=1"
    assert Measured.on("a", None, None, {}) == Measured.on("a", None, None, None)
    assert len(Measured.on("a" * 300, "d", None, None).label) == 256
