"""Roots, tiles and proofs are those of RFC 6962: by its known vectors, and against its definitions for every small size."""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import EMPTY_ROOT, leaf_hash, node_hash
from studbook.merkle.proofs import verify_consistency, verify_inclusion
from studbook.merkle.tiles import (
    EntryBundle,
    Tile,
    bundles_of,
    consistency_proof,
    decode_entry_bundle,
    encode_entry_bundle,
    full_tiles_between,
    inclusion_proof,
    parse_tile_path,
    tile_root,
    tiles_of,
    tree_root,
)
from studbook.merkle.tree import CompactRange, root_of
from tests.merkle import reference

if TYPE_CHECKING:
    from studbook.merkle.tiles import TileReader

# The tree of the test vectors of Certificate Transparency's reference implementation.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SECOND_LEAF = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
SECOND_PAIR = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
SECOND_HALF = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
FIFTH_LEAF = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
THIRD_PAIR = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
FOURTH_PAIR = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
PATHS = {
    (0, 1): [],
    (0, 8): [SECOND_LEAF, SECOND_PAIR, SECOND_HALF],
    (5, 8): [FIFTH_LEAF, FOURTH_PAIR, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], SECOND_PAIR, FIFTH_LEAF],
}
PROOFS = {
    (1, 1): [],
    (1, 8): [SECOND_LEAF, SECOND_PAIR, SECOND_HALF],
    (6, 8): [THIRD_PAIR, FOURTH_PAIR, ROOTS[4]],
    (2, 5): [SECOND_PAIR, FIFTH_LEAF],
}

SMALL, EXHAUSTIVE = 300, 64
LEAVES = [leaf_hash(b"%d" % number) for number in range(70_001)]
KNOWN = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
RANDOM = random.Random(6962)
LARGE = sorted({65_535, 65_536, 65_537, 70_000, *(RANDOM.randrange(1_000, 70_000) for _ in range(3))})


@cache
def root(size: int) -> bytes:
    return reference.root(LEAVES[:size])


def tiles_over(leaves: list[bytes]) -> TileReader:
    """Reads the tiles that slices of the levels are, and none of another width."""
    found = reference.tiles(leaves)

    def read(tile: Tile) -> bytes:
        hashes = found[tile.level, tile.number]
        assert tile.width == len(hashes)
        return b"".join(hashes)

    return read


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_known_ones(size: int) -> None:
    known = bytes.fromhex(ROOTS[size])
    tree = CompactRange()
    tree.extend(KNOWN[:size])
    assert root_of(KNOWN[:size]) == tree.root() == tree_root(size, tiles_over(KNOWN[:size])) == known
    assert reference.root(KNOWN[:size]) == known


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_inclusion_proofs_are_the_known_ones(index: int, size: int) -> None:
    known = [bytes.fromhex(value) for value in PATHS[index, size]]
    assert inclusion_proof(index, size, tiles_over(KNOWN[:size])) == known == reference.path(index, KNOWN[:size])
    verify_inclusion(KNOWN[index], index, size, known, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), PROOFS)
def test_the_consistency_proofs_are_the_known_ones(old: int, new: int) -> None:
    known = [bytes.fromhex(value) for value in PROOFS[old, new]]
    assert consistency_proof(old, new, tiles_over(KNOWN[:new])) == known == reference.proof(old, KNOWN[:new])
    verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), known)


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert leaf_hash(b"entry") == reference.leaf(b"entry")
    assert node_hash(KNOWN[0], KNOWN[1]) == bytes.fromhex(ROOTS[2]) != leaf_hash(KNOWN[0] + KNOWN[1])


def test_the_root_of_every_small_size_is_that_of_the_definition() -> None:
    tree = CompactRange()
    for size in range(SMALL + 1):
        assert tree.size == size
        assert tree.root() == root_of(LEAVES[:size]) == root(size)
        assert tree_root(size, tiles_over(LEAVES[:size])) == root(size)
        at_once = CompactRange()
        at_once.extend(LEAVES[:size])
        assert at_once.encode() == tree.encode()
        tree.append(LEAVES[size])


def test_the_root_over_a_tile_is_that_of_the_definition() -> None:
    for width in range(1, 257):
        assert tile_root(b"".join(LEAVES[:width])) == root(width)
    assert tile_root(b"") == EMPTY_ROOT


def test_every_inclusion_proof_of_a_small_tree_is_that_of_the_definition() -> None:
    for size in range(1, SMALL + 1):
        leaves = LEAVES[:size]
        read = tiles_over(leaves)
        indexes = range(size) if size <= EXHAUSTIVE else {0, size - 1, *RANDOM.sample(range(size), 3)}
        for index in indexes:
            proof = inclusion_proof(index, size, read)
            assert proof == reference.path(index, leaves)
            verify_inclusion(leaves[index], index, size, proof, root(size))


def test_every_consistency_proof_of_a_small_tree_is_that_of_the_definition() -> None:
    for new in range(1, SMALL + 1):
        read = tiles_over(LEAVES[:new])
        sizes = range(1, new + 1) if new <= EXHAUSTIVE else {1, new - 1, new, *RANDOM.sample(range(1, new), 3)}
        for old in sizes:
            proof = consistency_proof(old, new, read)
            assert proof == reference.proof(old, LEAVES[:new])
            verify_consistency(old, root(old), new, root(new), proof)


def test_every_tree_follows_the_empty_one_without_a_proof() -> None:
    for new in range(20):
        assert consistency_proof(0, new, tiles_over(LEAVES[:new])) == []
        verify_consistency(0, EMPTY_ROOT, new, root(new), [])


def test_a_proof_is_for_its_leaf_its_index_and_its_size_only() -> None:
    for size in range(2, 20):
        for index in range(size):
            proof = reference.path(index, LEAVES[:size])
            for other in range(size):
                if other != index:
                    with pytest.raises(VerificationError):
                        verify_inclusion(LEAVES[index], other, size, proof, root(size))
                    with pytest.raises(VerificationError):
                        verify_inclusion(LEAVES[other], index, size, proof, root(size))


def test_a_consistency_proof_is_for_its_two_trees_only() -> None:
    for new in range(2, 20):
        for old, other in itertools.permutations(range(1, new), 2):
            with pytest.raises(VerificationError):
                verify_consistency(old, root(other), new, root(new), reference.proof(old, LEAVES[:new]))
            with pytest.raises(VerificationError):
                verify_consistency(old, root(old), new, root(other), reference.proof(old, LEAVES[:new]))


@pytest.mark.parametrize("size", LARGE)
def test_a_large_tree_and_its_proofs_are_those_of_the_definition(size: int) -> None:
    leaves = LEAVES[:size]
    read = tiles_over(leaves)
    tree = CompactRange()
    tree.extend(leaves)
    assert tree.root() == tree_root(size, read) == root(size)
    index, old = RANDOM.randrange(size), RANDOM.randrange(1, size)
    path, proof = inclusion_proof(index, size, read), consistency_proof(old, size, read)
    assert path == reference.path(index, leaves)
    assert proof == reference.proof(old, leaves)
    verify_inclusion(leaves[index], index, size, path, root(size))
    verify_consistency(old, root(old), size, root(size), proof)


def test_a_tree_of_more_than_65_536_leaves_has_a_tile_of_level_2() -> None:
    assert [tile for tile in tiles_of(70_000) if tile.level == 2] == [Tile(2, 0, 1)]
    assert [tile for tile in tiles_of(65_535) if tile.level == 2] == []


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_the_tiles_of_a_tree_are_the_slices_of_its_levels(size: int) -> None:
    slices = reference.tiles(LEAVES[:size])
    tiles = list(tiles_of(size))
    assert [(tile.level, tile.number, tile.width) for tile in tiles] == [(*place, len(part)) for place, part in slices.items()]
    assert [(bundle.number, bundle.width) for bundle in bundles_of(size)] == [
        (tile.number, tile.width) for tile in tiles if tile.level == 0
    ]
    for place in [*tiles, *bundles_of(size)]:
        assert parse_tile_path(place.path) == place


def test_the_tiles_that_became_full_are_the_full_ones_that_were_not() -> None:
    sizes = [0, 1, 255, 256, 257, 511, 512, 60_000, 65_535, 65_536, 65_537, 140_000]
    for old, new in itertools.combinations_with_replacement(sizes, 2):
        before, after = ({tile for tile in tiles_of(size) if tile.width == 256} for size in (old, new))
        assert set(full_tiles_between(old, new)) == after - before


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(7, 999, 255), "tile/7/999.p/255"),
        (EntryBundle(1_000), "tile/entries/x001/000"),
        (EntryBundle(1_234_067, 8), "tile/entries/x001/x234/067.p/8"),
    ],
)
def test_a_tile_has_the_address_of_the_specification(place: Tile | EntryBundle, path: str) -> None:
    assert place.path == path
    assert parse_tile_path(path) == place


@pytest.mark.parametrize("entries", [[], [b""], [b"", b""], [b"a", b"", b"bc"], [b"\xff" * 65_535]])
def test_an_entry_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    data = encode_entry_bundle(entries)
    assert decode_entry_bundle(data) == decode_entry_bundle(data, len(entries)) == entries
    assert len(data) == sum(2 + len(entry) for entry in entries)


def test_an_entry_that_no_bundle_holds_is_not_written() -> None:
    with pytest.raises(ValueError, match="too large"):
        encode_entry_bundle([b"x" * 65_536])


@settings(max_examples=40, stateful_step_count=12, deadline=None)
class Growing(RuleBasedStateMachine):
    """A tree that grows in batches and is written down and read again in between."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[bytes] = []
        self.tree = CompactRange()
        self.roots = {0: EMPTY_ROOT}

    @rule(entries=st.lists(st.binary(max_size=8), max_size=60))
    def grow_by_a_batch(self, entries: list[bytes]) -> None:
        batch = [leaf_hash(entry) for entry in entries]
        self.tree.extend(batch)
        self.leaves += batch
        self.roots[self.tree.size] = self.tree.root()

    @rule(entry=st.binary(max_size=8))
    def grow_by_one(self, entry: bytes) -> None:
        self.tree.append(leaf_hash(entry))
        self.leaves.append(leaf_hash(entry))
        self.roots[self.tree.size] = self.tree.root()

    @rule()
    def write_and_read(self) -> None:
        data = self.tree.encode()
        self.tree = CompactRange.decode(self.tree.size, data)
        assert self.tree.encode() == data

    @rule(data=st.data())
    def prove_a_leaf(self, data: st.DataObject) -> None:
        if self.leaves:
            index = data.draw(st.integers(0, len(self.leaves) - 1))
            proof = inclusion_proof(index, self.tree.size, tiles_over(self.leaves))
            verify_inclusion(self.leaves[index], index, self.tree.size, proof, self.tree.root())

    @rule(data=st.data())
    def prove_an_earlier_tree(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(self.roots)))
        proof = consistency_proof(old, self.tree.size, tiles_over(self.leaves))
        verify_consistency(old, self.roots[old], self.tree.size, self.tree.root(), proof)

    @invariant()
    def the_tree_is_that_of_the_definition(self) -> None:
        assert self.tree.size == len(self.leaves)
        assert self.tree.root() == reference.root(self.leaves) == root_of(self.leaves)
        assert tree_root(self.tree.size, tiles_over(self.leaves)) == self.tree.root()


TestGrowing = Growing.TestCase
