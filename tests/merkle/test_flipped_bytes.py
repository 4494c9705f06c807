"""A bit turned over in any byte of a proof, a leaf, a root or a receipt's hashes is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studbook.merkle.proofs import verify_consistency, verify_inclusion
from studbook.merkle.receipt import parse_receipt, verify_receipt
from tests.merkle import reference
from tests.merkle.making import (
    CONSISTENCY,
    ENTRIES,
    INDEX,
    KEYS,
    LEAVES,
    OLD_ROOT,
    OLD_SIZE,
    ORIGIN,
    PROOF,
    RECEIPT,
    ROOT,
    SIZE,
    flipped,
    refuse,
)


def variants(hashes: list[bytes]) -> list[list[bytes]]:
    """The hashes with one bit turned over, once for each byte of each hash; which bit goes round."""
    return [
        [*hashes[:at], flipped(hashes[at], 8 * byte + (at + byte) % 8), *hashes[at + 1 :]]
        for at in range(len(hashes))
        for byte in range(32)
    ]


@pytest.mark.parametrize("byte", range(32))
def test_a_bit_turned_over_in_a_leaf_or_a_root_is_found(byte: int) -> None:
    for bit in range(8 * byte, 8 * byte + 8):
        refuse(lambda bit=bit: verify_inclusion(flipped(LEAVES[INDEX], bit), INDEX, SIZE, PROOF, ROOT))
        refuse(lambda bit=bit: verify_inclusion(LEAVES[INDEX], INDEX, SIZE, PROOF, flipped(ROOT, bit)))
        refuse(lambda bit=bit: verify_consistency(OLD_SIZE, flipped(OLD_ROOT, bit), SIZE, ROOT, CONSISTENCY))
        refuse(lambda bit=bit: verify_consistency(OLD_SIZE, OLD_ROOT, SIZE, flipped(ROOT, bit), CONSISTENCY))


@pytest.mark.parametrize("index", range(SIZE))
def test_a_bit_turned_over_in_any_byte_of_an_inclusion_proof_is_found(index: int) -> None:
    proof = reference.path(index, LEAVES)
    verify_inclusion(LEAVES[index], index, SIZE, proof, ROOT)
    for changed in variants(proof):
        refuse(lambda changed=changed: verify_inclusion(LEAVES[index], index, SIZE, changed, ROOT))


@pytest.mark.parametrize("old", range(1, SIZE))
def test_a_bit_turned_over_in_any_byte_of_a_consistency_proof_is_found(old: int) -> None:
    proof, root = reference.proof(old, LEAVES), reference.root(LEAVES[:old])
    verify_consistency(old, root, SIZE, ROOT, proof)
    for changed in variants(proof):
        refuse(lambda changed=changed: verify_consistency(old, root, SIZE, ROOT, changed))


@pytest.mark.parametrize("at", range(len(PROOF)))
def test_a_bit_turned_over_in_any_byte_of_a_receipt_s_hash_is_found(at: int) -> None:
    for changed in variants(PROOF)[32 * at : 32 * at + 32]:
        receipt = parse_receipt(replace(RECEIPT, proof=tuple(changed)).encode())
        refuse(lambda receipt=receipt: verify_receipt(receipt, ENTRIES[INDEX], KEYS, ORIGIN))
