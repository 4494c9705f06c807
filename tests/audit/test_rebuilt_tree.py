"""The tree that a check computes anew is the tree that grew, however its entries are read."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.merkle.tiles import TILE_WIDTH, tile_root
from studbook.merkle.tree import CompactRange, root_of
from studbook.services.audit.fsck.tree import Rebuilt


def leaves_of(count: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(count)]


@given(
    parts=st.lists(st.integers(1, 700), min_size=1, max_size=6),
    wanted=st.lists(st.integers(1, 2000), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_roots_at_every_wanted_size_and_subtrees_are_those_of_the_leaves(parts: list[int], wanted: list[int]) -> None:
    leaves = leaves_of(sum(parts))
    rebuilt = Rebuilt(sorted(set(wanted)))
    start = 0
    for part in parts:
        rebuilt.extend(leaves[start : start + part])
        start += part
    for size in wanted:
        assert rebuilt.roots.get(size) == (root_of(leaves[:size]) if size <= len(leaves) else None)
    assert rebuilt.tree().encode() == CompactRange.over(leaves).encode()
    assert rebuilt.size == len(leaves)


@pytest.mark.slow
def test_tiles_of_three_levels() -> None:
    leaves = leaves_of(TILE_WIDTH**2 + TILE_WIDTH + 1)
    rebuilt = Rebuilt([])
    rebuilt.extend(leaves)
    below = [b"".join(leaves[at : at + TILE_WIDTH]) for at in range(0, len(leaves) - TILE_WIDTH + 1, TILE_WIDTH)]
    assert [rebuilt.tiles[0, number] for number in range(len(below))] == below
    assert rebuilt.tiles[1, 0] == b"".join(tile_root(tile) for tile in below[:TILE_WIDTH])
    assert len(rebuilt.tiles) == len(below) + 1
