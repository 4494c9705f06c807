"""Random input and random damage: nothing but VerificationError ever comes out, and nothing verifies as what was not signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, parse_decimal
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import (
    Ed25519Cosigner,
    Ed25519Signer,
    MlDsa44Signer,
    Note,
    Signature,
    decode_base64,
    open_note,
    parse_note,
    parse_vkey,
)
from studbook.merkle.policy import check_checkpoint, parse_policy
from studbook.merkle.proofs import verify_consistency, verify_inclusion
from studbook.merkle.receipt import Receipt, parse_receipt, verify_receipt
from studbook.merkle.tiles import (
    consistency_proof,
    decode_entry_bundle,
    encode_entry_bundle,
    inclusion_proof,
    parse_tile_path,
    tree_root,
)
from studbook.merkle.tree import CompactRange
from tests.merkle.making import (
    BUNDLE,
    CHECKPOINT,
    CONSISTENCY,
    ENTRIES,
    INDEX,
    KEYS,
    LEAVES,
    LOG,
    OLD_ROOT,
    OLD_SIZE,
    ORIGIN,
    POLICY,
    PROOF,
    QUANTUM,
    RECEIPT,
    ROOT,
    SIGNATURES,
    SIGNED,
    SIZE,
    TEXT,
    WITNESS,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

EXAMPLES = settings(max_examples=300, deadline=None)
KNOWN = {(key.name, key.key_id) for key in KEYS}
TOKENS = [
    b"\n",
    b"\n\n",
    b"\0",
    b"\r",
    b" ",
    b"+",
    b"=",
    b"==",
    b"0",
    b"-1",
    b"9" * 400,
    b"\xe2\x80\x94 ",
    b"\xff",
    b"\xc2\xa0",
    b"\xed\xa0\x80",
    b"extra ",
    b"index ",
    b"none",
    SIGNATURES[0].line.encode() + b"\n",
    SIGNATURES[3].line.encode() + b"\n",
    TEXT,
]
HASHES = st.one_of(
    st.sampled_from([*LEAVES, *PROOF, *CONSISTENCY, ROOT, OLD_ROOT]), st.binary(min_size=32, max_size=32), st.binary()
)
NUMBERS = st.one_of(st.integers(-1, SIZE + 2), st.sampled_from([2**63 - 1, 2**63, 2**64, 10**400]), st.integers())
# Texts of all characters, lone surrogates as well: an argument that was no UTF-8 looks so.
ANY_TEXT = st.text(st.characters(), max_size=80)


def given_up(call: Callable[[], T]) -> T | None:
    """What the call gives, or None where it refuses; any other exception goes on and fails the test."""
    try:
        return call()
    except VerificationError:
        return None


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some of them changed, cut out, doubled, moved or put in, up to three times."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 60)))
        piece = data[start:end]
        new = draw(
            st.one_of(
                st.just(b""),
                st.just(piece * 2),
                st.just(piece.swapcase()),
                st.binary(max_size=6),
                st.sampled_from(TOKENS),
                st.integers(0, len(data)).map(lambda at, data=data: data[at : at + 60]),
            )
        )
        data = data[:start] + new + data[end:]
    return data


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def read_all(data: bytes) -> None:
    """Put the bytes into every reader and verifier; what is read is written in the same bytes again."""
    assert (note := given_up(lambda: parse_note(data))) is None or note.encode() == data
    assert (found := given_up(lambda: parse_checkpoint(data))) is None or found.text == data
    assert (receipt := given_up(lambda: parse_receipt(data))) is None or receipt.encode() == data
    assert (entries := given_up(lambda: decode_entry_bundle(data))) is None or encode_entry_bundle(entries) == data
    given_up(lambda: parse_policy(data))
    given_up(lambda: open_note(data, KEYS))
    given_up(lambda: open_checkpoint(data, KEYS, ORIGIN))
    given_up(lambda: decode_entry_bundle(data, SIZE))
    given_up(lambda: CompactRange.decode(SIZE, data))
    for signer in (Ed25519Signer, Ed25519Cosigner, MlDsa44Signer):
        given_up(lambda signer=signer: signer.from_pem(ORIGIN, data))
    for key in KEYS:
        given_up(lambda key=key: key.verify(data, SIGNATURES[0].value))
        given_up(lambda key=key: key.verify(TEXT, data))
    read_text(text_of(data))


def read_text(text: str) -> None:
    assert (key := given_up(lambda: parse_vkey(text))) is None or str(key) == text
    assert (place := given_up(lambda: parse_tile_path(text))) is None or place.path == text
    assert (number := given_up(lambda: parse_decimal(text, "a number"))) is None or str(number) == text
    given_up(lambda: decode_base64(text, "it"))


@EXAMPLES
@given(st.binary(max_size=300))
@example(b"")
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    read_all(data)


@EXAMPLES
@given(ANY_TEXT)
@example("\ud800+00000000+AAAA")
@example("9" * 10_000)
def test_random_text_is_read_or_refused(text: str) -> None:
    read_text(text)
    read_all(text.encode("utf-8", "surrogatepass"))


@EXAMPLES
@given(st.lists(st.sampled_from([*TOKENS, *(line + b"\n" for line in RECEIPT.encode().split(b"\n")), SIGNED]), max_size=12))
def test_a_heap_of_true_pieces_is_read_or_refused(pieces: list[bytes]) -> None:
    read_all(b"".join(pieces))


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(data, id=name)
        for name, data in {
            "checkpoint": SIGNED,
            "receipt": RECEIPT.encode(),
            "policy": POLICY,
            "log key": str(LOG.verifier_key).encode(),
            "quantum key": str(QUANTUM.verifier_key).encode(),
            "witness key": str(WITNESS.verifier_key).encode(),
            "bundle": BUNDLE,
            "tile": b"tile/entries/x001/x234/067.p/8",
            "number": b"1234567890123456789",
            "log file": LOG.to_pem(),
            "quantum file": QUANTUM.to_pem(),
        }.items()
    ],
)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_read_or_refused(good: bytes, data: st.DataObject) -> None:
    read_all(data.draw(damaged(good)))


@settings(max_examples=600, deadline=None)
@given(damaged(SIGNED))
@example(SIGNED)
def test_a_damaged_checkpoint_says_what_was_signed_or_is_refused(data: bytes) -> None:
    opened = given_up(lambda: open_checkpoint(data, KEYS))
    if opened is not None:
        checkpoint, result = opened
        assert checkpoint == CHECKPOINT
        assert result.note.text == TEXT
        assert result.verified
        known = [signature for signature in result.note.signatures if (signature.name, signature.key_id) in KNOWN]
        assert set(known) <= set(SIGNATURES)
        assert {(key.name, key.key_id) for key in result.verified} == {(line.name, line.key_id) for line in known}
    policy = parse_policy(POLICY)
    assert given_up(lambda: check_checkpoint(data, policy)) in {None, CHECKPOINT}


@settings(max_examples=600, deadline=None)
@given(damaged(RECEIPT.encode()))
@example(RECEIPT.encode())
def test_a_damaged_receipt_proves_what_was_proved_or_is_refused(data: bytes) -> None:
    receipt = given_up(lambda: parse_receipt(data))
    if receipt is None:
        return
    for entry in ENTRIES:
        checkpoint = given_up(lambda entry=entry: verify_receipt(receipt, entry, KEYS, ORIGIN))
        if checkpoint is not None:
            assert (checkpoint, entry) == (CHECKPOINT, ENTRIES[INDEX])
            assert (receipt.index, receipt.proof) == (INDEX, tuple(PROOF))
            assert parse_note(receipt.checkpoint).text == TEXT


@EXAMPLES
@given(NUMBERS, st.lists(HASHES, max_size=70), st.binary(max_size=100), st.sampled_from([*ENTRIES, b""]))
def test_a_receipt_of_random_parts_proves_nothing_new(index: int, proof: list[bytes], entry: bytes, other: bytes) -> None:
    receipt = Receipt(index, tuple(proof), SIGNED)
    for value in (entry, other):
        if given_up(lambda value=value: verify_receipt(receipt, value, KEYS)) is not None:
            assert ENTRIES[index] == value
    if proof != PROOF or index != INDEX:
        given_up(lambda: parse_receipt(receipt.encode()))


@EXAMPLES
@given(HASHES, NUMBERS, NUMBERS, st.lists(HASHES, max_size=70), HASHES)
def test_random_inclusion_proofs_are_judged_or_refused(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    given_up(lambda: verify_inclusion(leaf, index, size, proof, root))
    if leaf not in LEAVES:
        assert given_up(lambda: verify_inclusion(leaf, index, SIZE, proof, ROOT) or True) is None


@EXAMPLES
@given(NUMBERS, HASHES, NUMBERS, HASHES, st.lists(HASHES, max_size=70))
def test_random_consistency_proofs_are_judged_or_refused(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]
) -> None:
    given_up(lambda: verify_consistency(old, old_root, new, new_root, proof))
    assume(old_root not in {OLD_ROOT, ROOT})
    assert given_up(lambda: verify_consistency(OLD_SIZE, old_root, SIZE, ROOT, proof) or True) is None


@EXAMPLES
@given(NUMBERS, NUMBERS, st.lists(st.binary(max_size=600), max_size=4))
def test_proofs_from_random_tiles_are_refused(first: int, second: int, tiles: list[bytes]) -> None:
    assume(max(first, second) < 2**80)

    def read(tile: object) -> bytes:
        return tiles[hash(tile) % len(tiles)] if tiles else b""

    given_up(lambda: inclusion_proof(first, second, read))
    given_up(lambda: consistency_proof(first, second, read))
    given_up(lambda: tree_root(max(first, 0), read))


@EXAMPLES
@given(
    st.text(max_size=60),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(max_size=20), max_size=3),
)
def test_what_is_signed_opens_as_itself_or_is_refused(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    opened = given_up(lambda: open_checkpoint(signed(checkpoint.text), KEYS))
    if all(line and "\n" not in line and line.isprintable() for line in (origin, *extensions)):
        assert opened is not None
        assert opened[0] == checkpoint
    elif opened is not None:
        assert opened[0].text == checkpoint.text


@EXAMPLES
@given(st.binary(max_size=100), st.text(max_size=20), st.binary(max_size=6), st.binary(max_size=100))
def test_a_note_that_is_read_is_written_alike(text: bytes, name: str, key_id: bytes, value: bytes) -> None:
    data = Note(text, (Signature(name, key_id, value), SIGNATURES[0])).encode()
    assert (note := given_up(lambda: parse_note(data))) is None or note.encode() == data
