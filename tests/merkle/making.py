"""A small log with its keys, and everything that is read of one: the same each time, save for the randomness in ML-DSA."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from studbook.merkle.checkpoint import Checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.hashing import leaf_hash
from studbook.merkle.notes import Ed25519Cosigner, Ed25519Signer, MlDsa44Signer, Note, Signature, VerifierKey
from studbook.merkle.receipt import Receipt
from studbook.merkle.tiles import encode_entry_bundle
from tests.merkle import reference

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "log.example/registry"
TIME = 1_750_000_000
HUGE = "9" * 400
TOO_LARGE = str(2**63)
CONTROLS = {"nul": "\0", "tab": "\t", "return": "\r", "escape": "\x1b", "unit separator": "\x1f"}


def seed(name: str) -> bytes:
    return sha256(name.encode()).digest()


LOG = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(seed("log")))
QUANTUM = MlDsa44Signer(ORIGIN, MLDSA44PrivateKey.from_seed_bytes(seed("quantum")))
WITNESS = Ed25519Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(seed("witness")))
OTHER_WITNESS = Ed25519Cosigner("witness.example/w2", Ed25519PrivateKey.from_private_bytes(seed("other witness")))
# A key that nobody of the tests knows, and one that signs under the log's own name.
STRANGER = Ed25519Signer("stranger.example", Ed25519PrivateKey.from_private_bytes(seed("stranger")))
IMPOSTOR = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(seed("impostor")))

KEYS = [LOG.verifier_key, QUANTUM.verifier_key, WITNESS.verifier_key]
ENTRIES = [b"entry %d" % number for number in range(13)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
SIZE, INDEX = len(LEAVES), 6
ROOT = reference.root(LEAVES)
PROOF = reference.path(INDEX, LEAVES)
OLD_SIZE = 6
OLD_ROOT = reference.root(LEAVES[:OLD_SIZE])
CONSISTENCY = reference.proof(OLD_SIZE, LEAVES)

CHECKPOINT = Checkpoint(ORIGIN, SIZE, ROOT)
TEXT = CHECKPOINT.text
SIGNATURES = (LOG.sign(TEXT), QUANTUM.sign(TEXT), WITNESS.cosign(TEXT, TIME), STRANGER.sign(TEXT))
SIGNED = Note(TEXT, SIGNATURES).encode()
RECEIPT = Receipt(INDEX, tuple(PROOF), SIGNED, b"extra data")
BUNDLE = encode_entry_bundle(ENTRIES)
POLICY = f"""\
# The log and those who watch it.
log {LOG.verifier_key} https://log.example
witness first {WITNESS.verifier_key} https://w1.example
witness second {OTHER_WITNESS.verifier_key}
group both all first second
group one any both
quorum first
""".encode()


def signed(text: bytes) -> bytes:
    """A note under the log's Ed25519 key, whatever its text is."""
    return Note(text, (LOG.sign(text),)).encode()


def vkey(name: str, typed: bytes) -> str:
    """A verifier key with the id that belongs to it, be its type and its bytes as they may."""
    identity = sha256(name.encode() + b"\n" + typed).digest()[:4]
    return f"{name}+{identity.hex()}+{base64.b64encode(typed).decode()}"


def flipped(value: bytes, bit: int = 0) -> bytes:
    """The bytes with one bit turned over."""
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def altered(signature: Signature) -> Signature:
    """A signature of the same key that does not verify."""
    return Signature(signature.name, signature.key_id, flipped(signature.value, len(signature.value) * 8 - 20))


def lenient(encoded: str) -> str:
    """Base64 of the same bytes whose unused last bits are not zero, as a lenient reader takes it."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = encoded.rstrip("=")
    assert body != encoded
    changed = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + "=" * (len(encoded) - len(body))
    assert base64.b64decode(changed) == base64.b64decode(encoded)
    return changed


def keys_of(*signers: Ed25519Signer | Ed25519Cosigner | MlDsa44Signer) -> list[VerifierKey]:
    return [signer.verifier_key for signer in signers]


def cases(named: dict[str, object]) -> list[object]:
    return [pytest.param(value, id=name) for name, value in named.items()]


def refuse(call: Callable[[], object]) -> None:
    with pytest.raises(VerificationError) as caught:
        call()
    assert type(caught.value) is VerificationError
    assert str(caught.value)
