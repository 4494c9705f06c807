"""Signatures: what the three signers sign verifies, and verifies as that only; PEM files; whose signatures count."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from studbook.merkle.errors import VerificationError
from studbook.merkle.notes import (
    Algorithm,
    Ed25519Cosigner,
    Ed25519Signer,
    MlDsa44Signer,
    Note,
    Signature,
    VerifierKey,
    cosigned_at,
    cosigned_text,
    open_note,
    parse_note,
    parse_vkey,
    subtree_message,
)
from studbook.merkle.policy import check_checkpoint, parse_policy
from studbook.merkle.receipt import parse_receipt, verify_receipt
from tests.merkle.making import (
    CHECKPOINT,
    ENTRIES,
    IMPOSTOR,
    INDEX,
    KEYS,
    LOG,
    ORIGIN,
    OTHER_WITNESS,
    POLICY,
    QUANTUM,
    RECEIPT,
    SIGNATURES,
    SIGNED,
    STRANGER,
    TEXT,
    TIME,
    WITNESS,
    altered,
    flipped,
    keys_of,
)

Signer = Ed25519Signer | Ed25519Cosigner | MlDsa44Signer
SIGNERS = [pytest.param(LOG, id="log"), pytest.param(QUANTUM, id="ml-dsa-44"), pytest.param(WITNESS, id="witness")]
KINDS = [
    pytest.param(Ed25519Signer, Algorithm.ED25519, id="log"),
    pytest.param(MlDsa44Signer, Algorithm.ML_DSA_44, id="ml-dsa-44"),
    pytest.param(Ed25519Cosigner, Algorithm.COSIGNATURE_ED25519, id="witness"),
]


def made_by(signer: Signer, text: bytes = TEXT, time: int = TIME) -> Signature:
    return signer.cosign(text, time) if isinstance(signer, Ed25519Cosigner) else signer.sign(text)


def refused(key: VerifierKey, text: bytes, value: bytes) -> None:
    with pytest.raises(VerificationError, match="does not verify"):
        key.verify(text, value)


def test_a_log_s_key_has_the_identity_that_the_specification_describes() -> None:
    # The verifier key of Go's checksum database, as it stands in the Go command.
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    key = parse_vkey(text)
    assert (key.name, key.algorithm, key.key_id.hex(), str(key)) == ("sum.golang.org", Algorithm.ED25519, "033de0ae", text)
    # The test key of golang.org/x/mod/sumdb/note and the note that it signed there.
    peter = parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        b"\xe2\x80\x94 PeterNeumann "
        b"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert open_note(note, [peter]).verified == (peter,)
    with pytest.raises(VerificationError, match="does not verify"):
        open_note(note.replace(b"the answer", b"no answer"), [peter])


@pytest.mark.parametrize("signer", SIGNERS)
def test_what_a_signer_signs_verifies(signer: Signer) -> None:
    signature = made_by(signer)
    signer.verifier_key.verify(TEXT, signature.value)
    note = Note(TEXT, (signature,))
    assert parse_note(note.encode()) == note
    assert open_note(note.encode(), [signer.verifier_key]).verified == (signer.verifier_key,)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_is_for_its_text_only(signer: Signer) -> None:
    value = made_by(signer).value
    for other in (Checkpoint(ORIGIN, CHECKPOINT.size + 1, CHECKPOINT.root), Checkpoint(ORIGIN, CHECKPOINT.size, bytes(32))):
        refused(signer.verifier_key, other.text, value)
    refused(signer.verifier_key, Checkpoint("log.example/other", CHECKPOINT.size, CHECKPOINT.root).text, value)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_is_of_its_key_only(signer: Signer) -> None:
    value = made_by(signer).value
    stranger = type(signer).generate(signer.verifier_key.name)
    refused(stranger.verifier_key, TEXT, value)
    for other in (LOG, QUANTUM, WITNESS):
        if other is not signer:
            refused(other.verifier_key, TEXT, value)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_with_any_one_bit_turned_over_is_wrong(signer: Signer) -> None:
    value = made_by(signer).value
    step = 1 if len(value) < 100 else 97
    for bit in range(0, len(value) * 8, step):
        refused(signer.verifier_key, TEXT, flipped(value, bit))


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_of_another_length_is_wrong(signer: Signer) -> None:
    value = made_by(signer).value
    for other in (b"", value[:1], value[:8], value[:-1], value + b"\0", value + value, value[8:]):
        refused(signer.verifier_key, TEXT, other)


def test_a_cosignature_carries_its_time() -> None:
    for time in (0, 1, TIME, 2**63 - 1):
        signature = WITNESS.cosign(TEXT, time)
        assert cosigned_at(signature) == time
        WITNESS.verifier_key.verify(TEXT, signature.value)
        refused(WITNESS.verifier_key, TEXT, (time + 1).to_bytes(8, "big") + signature.value[8:])
    assert cosigned_text(TEXT, TIME) == b"cosignature/v1\ntime 1750000000\n" + TEXT


def test_an_ml_dsa_signature_carries_no_time() -> None:
    signature = QUANTUM.sign(TEXT)
    assert cosigned_at(signature) == 0
    refused(QUANTUM.verifier_key, TEXT, (1).to_bytes(8, "big") + signature.value[8:])


def test_an_ml_dsa_signature_is_over_the_message_of_the_specification() -> None:
    parts = [
        b"subtree/v1\n\0",
        bytes([len(ORIGIN)]) + ORIGIN.encode(),
        TIME.to_bytes(8, "big"),
        bytes([len(ORIGIN)]) + ORIGIN.encode(),
        (0).to_bytes(8, "big"),
        (CHECKPOINT.size).to_bytes(8, "big"),
        CHECKPOINT.root,
    ]
    assert subtree_message(ORIGIN, TEXT, TIME) == b"".join(parts)


@pytest.mark.parametrize(
    ("name", "text"), [("n" * 256, TEXT), ("n", Checkpoint("o" * 256, 0, bytes(32)).text), ("n", b"a text\n")]
)
def test_ml_dsa_signs_nothing_that_is_no_checkpoint_or_has_too_long_names(name: str, text: bytes) -> None:
    with pytest.raises(VerificationError):
        MlDsa44Signer.generate(name).sign(text)


def test_a_log_s_key_cannot_pass_for_a_witness_s_with_the_same_bytes() -> None:
    as_witness = VerifierKey(ORIGIN, Algorithm.COSIGNATURE_ED25519, LOG.verifier_key.key)
    assert as_witness.key_id != LOG.verifier_key.key_id
    assert as_witness.fingerprint != LOG.verifier_key.fingerprint
    value = LOG.sign(cosigned_text(TEXT, TIME)).value
    # The bytes are those that the witness would sign: only the key ids keep the two apart.
    as_witness.verify(TEXT, TIME.to_bytes(8, "big") + value)
    with pytest.raises(VerificationError, match="no known key"):
        open_note(Note(cosigned_text(TEXT, TIME), (LOG.sign(cosigned_text(TEXT, TIME)),)).encode(), [as_witness])


@pytest.mark.parametrize(("kind", "algorithm"), KINDS)
def test_a_key_is_written_as_pem_and_read_again(kind: type[Signer], algorithm: Algorithm) -> None:
    signer = kind.generate("a.example/key")
    data = signer.to_pem()
    assert data.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    again = kind.from_pem("a.example/key", data)
    assert again.verifier_key == signer.verifier_key
    assert again.to_pem() == data
    assert again.verifier_key.algorithm is algorithm
    signer.verifier_key.verify(TEXT, made_by(again).value)


@pytest.mark.parametrize(("kind", "algorithm"), KINDS)
def test_a_verifier_key_is_written_and_read_again(kind: type[Signer], algorithm: Algorithm) -> None:
    key = kind.generate("a.example/schlüssel").verifier_key
    assert parse_vkey(str(key)) == key
    assert len(key.key_id) == 4
    assert len(key.fingerprint) == 64
    assert key.algorithm is algorithm


def pem_files() -> dict[str, bytes]:
    plain, pkcs8, none = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ed25519, ml_dsa = LOG.to_pem(), QUANTUM.to_pem()
    private_key = serialization.load_pem_private_key(ed25519, None)
    locked = private_key.private_bytes(plain, pkcs8, serialization.BestAvailableEncryption(b"secret"))
    # The identifier of Ed25519, 1.3.101.112, becomes one of no algorithm.
    unknown = ed25519.replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2V/")
    assert unknown != ed25519
    return {
        "empty": b"",
        "text": b"a key",
        "cut": ed25519[:60],
        "bytes": bytes(range(256)),
        "public": private_key.public_key().public_bytes(plain, serialization.PublicFormat.SubjectPublicKeyInfo),
        "encrypted": locked,
        "p-256": ec.generate_private_key(ec.SECP256R1()).private_bytes(plain, pkcs8, none),
        "rsa": rsa.generate_private_key(65537, 2048).private_bytes(plain, pkcs8, none),
        "unknown algorithm": unknown,
        "base64 of nothing": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "ed25519": ed25519,
        "ml-dsa-44": ml_dsa,
    }


PEM_FILES = pem_files()


@pytest.mark.parametrize("name", PEM_FILES)
def test_a_file_that_holds_no_such_key_is_refused(name: str) -> None:
    for kind, fits in ((Ed25519Signer, "ed25519"), (Ed25519Cosigner, "ed25519"), (MlDsa44Signer, "ml-dsa-44")):
        if name != fits:
            with pytest.raises(VerificationError, match="the key file"):
                kind.from_pem("a.example/key", PEM_FILES[name])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b", "a\tb", "\u3000", "\ud800"])
def test_a_signer_has_a_name_that_a_note_can_carry(name: str) -> None:
    for kind in (Ed25519Signer, Ed25519Cosigner, MlDsa44Signer):
        with pytest.raises(VerificationError, match="name"):
            kind.generate(name)


def test_the_checkpoint_of_all_signers_opens_and_names_who_signed() -> None:
    checkpoint, opened = open_checkpoint(SIGNED, KEYS, ORIGIN)
    assert checkpoint == CHECKPOINT == parse_checkpoint(TEXT)
    assert opened.verified == tuple(KEYS)
    assert opened.note.signatures == SIGNATURES
    assert cosigned_at(opened.note.signatures[2]) == TIME


def test_extensions_are_signed_and_kept() -> None:
    checkpoint = Checkpoint(ORIGIN, 0, CHECKPOINT.root, ("one", "two 2"))
    data = Note(checkpoint.text, (LOG.sign(checkpoint.text),)).encode()
    assert open_checkpoint(data, KEYS)[0] == checkpoint


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    wrong = altered(STRANGER.sign(TEXT))
    same_name = IMPOSTOR.sign(TEXT)
    future = Signature("future.example", b"\x01\x02\x03\x04", b"of a kind that is not known yet")
    for strange in (wrong, same_name, future, altered(same_name)):
        for signatures in ((strange, SIGNATURES[0]), (SIGNATURES[0], strange)):
            opened = open_note(Note(TEXT, signatures).encode(), KEYS)
            assert opened.verified == (LOG.verifier_key,)
            assert opened.note.signatures == signatures
        with pytest.raises(VerificationError, match="no known key"):
            open_note(Note(TEXT, (strange,)).encode(), KEYS)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_wrong_signature_of_a_known_key_refuses_the_note_whoever_else_signed(wrong: int) -> None:
    bad = altered(SIGNATURES[wrong])
    others = tuple(signature for signature in SIGNATURES if signature.key_id != bad.key_id)
    for signatures in ((bad,), (bad, *others), (*others, bad), (*SIGNATURES, bad), (bad, *SIGNATURES)):
        with pytest.raises(VerificationError, match="does not verify"):
            open_note(Note(TEXT, signatures).encode(), KEYS)


def test_a_key_that_signed_twice_counts_once() -> None:
    signatures = (WITNESS.cosign(TEXT, TIME), WITNESS.cosign(TEXT, TIME + 1))
    assert open_note(Note(TEXT, signatures).encode(), KEYS).verified == (WITNESS.verifier_key,)


def test_nobody_is_known_where_no_keys_are() -> None:
    with pytest.raises(VerificationError, match="no known key"):
        open_note(SIGNED, [])


def test_a_receipt_is_written_read_and_verified() -> None:
    assert parse_receipt(RECEIPT.encode()) == RECEIPT
    assert verify_receipt(RECEIPT, ENTRIES[INDEX], KEYS, ORIGIN) == CHECKPOINT
    assert verify_receipt(RECEIPT, ENTRIES[INDEX], keys_of(QUANTUM)) == CHECKPOINT


def test_a_policy_asks_for_the_log_and_its_quorum() -> None:
    policy = parse_policy(POLICY)
    assert [witness.url for witness in policy.witnesses] == ["https://w1.example", None]
    assert policy.keys == keys_of(LOG, WITNESS, OTHER_WITNESS)
    assert check_checkpoint(SIGNED, policy) == CHECKPOINT
    for quorum, enough in (("none", True), ("first", True), ("second", False), ("both", False), ("one", False)):
        demanding = parse_policy(POLICY.replace(b"quorum first", f"quorum {quorum}".encode()))
        assert demanding.is_satisfied(keys_of(LOG, WITNESS)) is enough
        assert demanding.is_satisfied(keys_of(WITNESS, OTHER_WITNESS))
        if not enough:
            with pytest.raises(VerificationError, match="lacks the cosignatures"):
                check_checkpoint(SIGNED, demanding)


@pytest.mark.parametrize(
    ("threshold", "members", "signers", "enough"),
    [
        ("1", "first second", [], False),
        ("1", "first second", [WITNESS], True),
        ("2", "first second", [WITNESS], False),
        ("2", "first second", [OTHER_WITNESS, WITNESS], True),
        ("any", "first second", [OTHER_WITNESS], True),
        ("all", "first second", [OTHER_WITNESS], False),
        ("all", "first", [WITNESS], True),
    ],
)
def test_a_group_counts_its_members(threshold: str, members: str, signers: list[Signer], enough: bool) -> None:
    lines = POLICY.decode().split("group")[0] + f"group g {threshold} {members}\nquorum g\n"
    assert parse_policy(lines.encode()).is_satisfied(keys_of(*signers)) is enough
