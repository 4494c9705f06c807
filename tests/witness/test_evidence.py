"""Rollbacks and forks: refused, and kept with what the log signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from studbook.merkle.checkpoint import open_checkpoint
from studbook.merkle.notes import Ed25519Signer, Note, parse_note
from studbook.witness.evidence import EVIDENCE_LIMIT, Evidence, Kind
from tests.witness.conftest import ORIGIN, Log, cosigned_size, evidence, request, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from studbook.witness.cosigning import Cosigning
    from studbook.witness.folder import WitnessFolder


@pytest.fixture
def grown(witness: Cosigning, log: Log) -> Cosigning:
    """A witness that cosigned 3, 7 and 12 entries."""
    for old, size in ((0, 3), (3, 7), (7, 12)):
        assert witness.add_checkpoint(log.request(old, size)).status == 200
    return witness


def assert_pair(found: dict[str, str], log: Log, cosigned: int, other: Log, contradicting: int) -> None:
    """Both notes of a piece of evidence verify with the log's own key."""
    keys = [log.signer.verifier_key]
    assert open_checkpoint(found["cosigned"].encode(), keys)[0] == log.checkpoint(cosigned)
    assert open_checkpoint(found["contradicting"].encode(), keys)[0] == other.checkpoint(contradicting)


@pytest.mark.parametrize(("old", "status"), [(12, 422), (0, 409), (7, 409)])
def test_a_fork_of_the_same_size_is_kept_whatever_is_asked(
    folder: WitnessFolder, grown: Cosigning, log: Log, old: int, status: int
) -> None:
    fork = log.fork(9)
    assert grown.add_checkpoint(fork.request(old, 12)).status == status
    [found] = evidence(folder)
    assert found["kind"] == "fork"
    assert_pair(found, log, 12, fork, 12)
    assert cosigned_size(folder) == 12


def test_a_fork_of_a_size_cosigned_long_ago_is_kept_with_that_checkpoint(
    folder: WitnessFolder, grown: Cosigning, log: Log
) -> None:
    fork = log.fork(5)
    assert grown.add_checkpoint(fork.request(7, 7)).body == b"12\n"
    [found] = evidence(folder)
    assert found["kind"] == "fork"
    assert_pair(found, log, 7, fork, 7)


def test_a_smaller_checkpoint_that_was_never_cosigned_is_kept_as_unproven(
    folder: WitnessFolder, grown: Cosigning, log: Log
) -> None:
    fork = log.fork(5)
    assert grown.add_checkpoint(fork.request(7, 8)).body == b"12\n"
    [found] = evidence(folder)
    assert found["kind"] == "unproven"
    assert_pair(found, log, 12, fork, 8)


def test_a_larger_checkpoint_whose_proof_fails_is_kept_with_the_proof(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    fork = log.fork(9)
    assert grown.add_checkpoint(fork.request(12, 20)).status == 422
    [found] = evidence(folder)
    assert found["kind"] == "unproven"
    assert len(found["proof"]) == len(log.proof(12, 20))
    assert_pair(found, log, 12, fork, 20)


def test_a_replay_is_no_contradiction(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    assert [grown.add_checkpoint(log.request(0, size)).status for size in (3, 7, 12, 0)] == [409] * 4
    assert evidence(folder) == []


def test_growth_with_another_old_size_is_no_contradiction(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    assert grown.add_checkpoint(log.request(3, 20)).status == 409
    assert evidence(folder) == []


def test_what_the_log_did_not_sign_is_no_evidence(folder: WitnessFolder, grown: Cosigning) -> None:
    assert grown.add_checkpoint(Log().request(12, 12)).status == 403
    assert evidence(folder) == []


def test_a_suspicion_ends_when_the_right_proof_comes(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    assert grown.add_checkpoint(request(12, [], log.note(20))).status == 422
    assert len(evidence(folder)) == 1
    assert grown.add_checkpoint(log.request(12, 20)).status == 200
    assert evidence(folder) == []


def test_one_contradiction_is_kept_once(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    fork = log.fork(9)
    text = fork.checkpoint(12).text
    for number in range(3):
        lines = (Ed25519Signer.generate(f"stranger-{number}").sign(text), log.signer.sign(text))
        assert grown.add_checkpoint(request(12, [], Note(text, lines).encode())).status == 422
    [found] = evidence(folder)
    assert [line.name for line in parse_note(found["contradicting"].encode()).signatures] == [ORIGIN]


def test_evidence_is_capped_and_what_convicts_is_counted_apart(tmp_path: Path, log: Log) -> None:
    kept = Evidence(tmp_path / "evidence", limit=3)
    for size in range(1, 8):
        kept.keep(Kind.UNPROVEN, parse_note(log.note(20)), parse_note(log.note(size)))
    kept.keep(Kind.FORK, parse_note(log.note(20)), parse_note(log.fork(3).note(20)))
    assert (kept.count(Kind.UNPROVEN), kept.count(Kind.FORK)) == (3, 1)
    assert sorted(path.name.split("-")[1] for path in tmp_path.glob("*/unproven-*")) == ["1", "2", "3"]
    assert EVIDENCE_LIMIT * len(Kind) == 1000


def test_a_fork_is_refused_even_where_evidence_cannot_be_written(folder: WitnessFolder, grown: Cosigning, log: Log) -> None:
    (folder.path / "evidence").write_text("a file where the folder should be")
    assert grown.add_checkpoint(log.fork(9).request(12, 12)).status == 422
    assert grown.add_checkpoint(log.request(12, 20)).status == 200


def test_every_size_is_found_again_in_a_long_history(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    sizes = [size for size in range(1, 200) if size % 3]
    for old, size in zip([0, *sizes], sizes, strict=False):
        assert witness.add_checkpoint(log.request(old, size)).status == 200
    history = state_of(folder).history
    for size in range(205):
        note = history.find(size)
        assert (note is not None) == (size in sizes[:-1])
        assert note is None or note.text == log.checkpoint(size).text
