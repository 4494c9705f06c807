"""Each answer of c2sp.org/tlog-witness to `add-checkpoint`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studbook.merkle.checkpoint import Checkpoint, open_checkpoint
from studbook.merkle.notes import Ed25519Cosigner, Ed25519Signer, MlDsa44Signer, Note, cosigned_at, parse_note
from studbook.witness.cosigning import Answer, Cosigning
from studbook.witness.folder import WitnessFolder
from tests.witness.conftest import NOW, ORIGIN, WITNESS, Log, cosigned_size, request

if TYPE_CHECKING:
    from pathlib import Path


def assert_cosigned(folder: WitnessFolder, answer: Answer, log: Log, size: int) -> None:
    assert answer.status == 200, answer.body
    checkpoint, opened = open_checkpoint(log.note(size) + answer.body, [folder.key], ORIGIN)
    assert checkpoint == log.checkpoint(size)
    assert opened.verified == (folder.key,)


def test_the_first_checkpoint_needs_no_proof(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    answer = witness.add_checkpoint(log.request(0, 7))
    assert_cosigned(folder, answer, log, 7)
    assert answer.body.startswith(f"— {WITNESS} ".encode())
    assert answer.body.endswith(b"\n")


def test_a_cosignature_carries_the_time_in_seconds(witness: Cosigning, log: Log) -> None:
    answer = witness.add_checkpoint(log.request(0, 7))
    assert cosigned_at(parse_note(log.note(7) + answer.body).signatures[-1]) == NOW


def test_growth_is_cosigned_between_any_two_sizes(tmp_path: Path, log: Log) -> None:
    for old in range(1, 20):
        folder = WitnessFolder.create(tmp_path / str(old), WITNESS)
        folder.add_log(log.signer.verifier_key, ORIGIN)
        witness = Cosigning(folder)
        assert_cosigned(folder, witness.add_checkpoint(log.request(0, old)), log, old)
        for new in range(old + 1, 24, 5):
            previous = cosigned_size(folder) or 0
            assert_cosigned(folder, witness.add_checkpoint(log.request(previous, new)), log, new)


def test_the_same_checkpoint_is_cosigned_again(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    assert_cosigned(folder, witness.add_checkpoint(log.request(7, 7)), log, 7)


def test_an_empty_log_is_cosigned_and_grows(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    assert_cosigned(folder, witness.add_checkpoint(log.request(0, 0)), log, 0)
    assert cosigned_size(folder) == 0
    assert_cosigned(folder, witness.add_checkpoint(log.request(0, 0)), log, 0)
    assert_cosigned(folder, witness.add_checkpoint(log.request(0, 5)), log, 5)


def test_an_empty_log_has_the_root_of_the_empty_tree(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    text = Checkpoint(ORIGIN, 0, bytes(32)).text
    answer = witness.add_checkpoint(request(0, [], Note(text, (log.signer.sign(text),)).encode()))
    assert answer.status == 422
    assert cosigned_size(folder) is None


def test_an_unknown_log_is_not_found(witness: Cosigning) -> None:
    answer = witness.add_checkpoint(Log(Ed25519Signer.generate("other.example.org"), "other.example.org").request(0, 3))
    assert answer.status == 404


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden(folder: WitnessFolder, witness: Cosigning) -> None:
    assert witness.add_checkpoint(Log().request(0, 3)).status == 403
    assert cosigned_size(folder) is None


def test_a_wrong_signature_under_the_logs_name_is_forbidden(witness: Cosigning, log: Log) -> None:
    line = log.signer.sign(log.checkpoint(4).text)
    assert witness.add_checkpoint(request(0, [], Note(log.checkpoint(3).text, (line,)).encode())).status == 403


def test_signatures_of_strangers_are_passed_over(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    text = log.checkpoint(3).text
    note = Note(text, (Ed25519Signer.generate("stranger").sign(text), log.signer.sign(text)))
    assert_cosigned(folder, witness.add_checkpoint(request(0, [], note.encode())), log, 3)


def test_a_log_may_have_several_keys_and_names(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    for signer in (Ed25519Signer.generate("another/name"), MlDsa44Signer.generate(ORIGIN)):
        assert folder.add_log(signer.verifier_key, ORIGIN)
        assert not folder.add_log(signer.verifier_key, ORIGIN)
        text = log.checkpoint(3).text
        old = cosigned_size(folder) or 0
        assert witness.add_checkpoint(request(old, [], Note(text, (signer.sign(text),)).encode())).status == 200


def test_another_old_size_is_a_conflict_that_tells_the_right_one(witness: Cosigning, log: Log) -> None:
    assert witness.add_checkpoint(log.request(3, 7)) == Answer(409, b"0\n", "text/x.tlog.size")
    witness.add_checkpoint(log.request(0, 7))
    for old, size in ((0, 9), (3, 9), (8, 9), (0, 7), (0, 3), (3, 3)):
        assert witness.add_checkpoint(log.request(old, size)) == Answer(409, b"7\n", "text/x.tlog.size")


def test_an_old_size_beyond_the_checkpoints_is_malformed(witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    assert witness.add_checkpoint(request(7, [], log.note(5))).status == 400


def test_a_proof_that_does_not_verify_is_unprocessable(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    right = log.proof(7, 12)
    wrong = [[], right[:-1], [*right, bytes(32)], right[::-1], [bytes(32), *right[1:]]]
    for proof in wrong:
        assert witness.add_checkpoint(request(7, proof, log.note(12))).status == 422
    assert cosigned_size(folder) == 7
    assert_cosigned(folder, witness.add_checkpoint(request(7, right, log.note(12))), log, 12)


def test_where_no_proof_is_needed_none_is_taken(witness: Cosigning, log: Log) -> None:
    assert witness.add_checkpoint(request(0, [bytes(32)], log.note(7))).status == 422
    witness.add_checkpoint(log.request(0, 7))
    assert witness.add_checkpoint(request(7, [bytes(32)], log.note(7))).status == 422


def test_the_same_size_with_another_root_is_unprocessable(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    assert witness.add_checkpoint(log.fork(5).request(7, 7)).status == 422
    last = folder.list_logs()[0].load()
    assert last is not None
    assert last.checkpoint == log.checkpoint(7)


HASH = base64.b64encode(bytes(32))
MALFORMED = {
    "nothing": b"",
    "no blank line": b"old 0\n",
    "no old size": b"\nNOTE",
    "another word": b"new 0\n\nNOTE",
    "two spaces": b"old  0\n\nNOTE",
    "a leading zero": b"old 00\n\nNOTE",
    "a sign": b"old +1\n\nNOTE",
    "a size beyond 63 bits": b"old 9223372036854775808\n\nNOTE",
    "digits of another script": "old \N{ARABIC-INDIC DIGIT ONE}\n\n".encode() + b"NOTE",
    "a carriage return": b"old 0\r\n\r\nNOTE",
    "a hash that is not base64": b"old 0\n***\n\nNOTE",
    "a hash of 31 bytes": b"old 0\n" + base64.b64encode(bytes(31)) + b"\n\nNOTE",
    "base64 in another form": b"old 0\n" + HASH[:-2] + b"B=\n\nNOTE",
    "64 hashes": b"old 0\n" + (HASH + b"\n") * 64 + b"\nNOTE",
    "no note": b"old 0\n\n",
    "a note without signatures": b"old 0\n\nlog.example.org/a\n7\n" + HASH + b"\n\n",
    "a note that is no checkpoint": "old 0\n\nhello\n\n— a AAAAAAA=\n".encode(),
    "a root of another length": "old 0\n\na\n7\nAAAA\n\n— a AAAAAAA=\n".encode(),
    "no UTF-8": b"old 0\n\n\xff\xff\n\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_is(witness: Cosigning, log: Log, case: str) -> None:
    assert witness.add_checkpoint(MALFORMED[case].replace(b"NOTE", log.note(7))).status == 400


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_gets_an_answer(witness: Cosigning, body: bytes) -> None:
    assert witness.add_checkpoint(body).status in {400, 404}


def test_no_witness_key_is_taken_for_a_logs(folder: WitnessFolder) -> None:
    with pytest.raises(Exception, match="witness's key"):
        folder.add_log(Ed25519Cosigner.generate(ORIGIN).verifier_key, ORIGIN)


_STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 12), st.booleans()), max_size=25)


@given(_STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_requests_gets_two_checkpoints_cosigned_that_contradict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int, int, bool]]
) -> None:
    log = Log()
    sides = {False: log, True: log.fork(4)}
    folder = WitnessFolder.create(tmp_path_factory.mktemp("witness"), WITNESS)
    folder.add_log(log.signer.verifier_key, ORIGIN)
    witness = Cosigning(folder)
    cosigned: list[tuple[bool, int]] = []
    for side, old, size, knows in steps:
        claimed = (cosigned_size(folder) or 0) if knows else old
        if witness.add_checkpoint(request(claimed, sides[side].proof(claimed, size), sides[side].note(size))).status == 200:
            cosigned.append((side, size))
    sizes = [size for _, size in cosigned]
    assert sizes == sorted(sizes)
    assert len({side for side, size in cosigned if size > 4}) <= 1
