"""What a crash leaves behind, and a state that is lost or damaged: nothing is cosigned that was not looked at."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from studbook.merkle.notes import Ed25519Cosigner
from studbook.witness.files import FolderError, write_durably
from studbook.witness.folder import WitnessFolder
from tests.witness.conftest import NOW, ORIGIN, WITNESS, Log, cosigned_size, evidence, state_of

if TYPE_CHECKING:
    from studbook.witness.cosigning import Cosigning


def part(folder: WitnessFolder, name: str) -> Path:
    [found] = folder.path.glob(f"logs/*/{name}")
    return found


def test_the_key_is_for_the_witness_alone(folder: WitnessFolder) -> None:
    assert stat.S_IMODE((folder.path / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_folder_keeps_its_witness(folder: WitnessFolder) -> None:
    with pytest.raises(FolderError, match="holds a witness already"):
        WitnessFolder.create(folder.path, "witness.example.org/w2")
    assert WitnessFolder(folder.path).key == folder.key
    assert folder.key.name == WITNESS


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "a\x01b"])
def test_a_name_that_no_key_may_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FolderError):
        WitnessFolder.create(tmp_path / "other", name)
    assert not (tmp_path / "other").exists()


def test_a_folder_without_a_witness_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="studbook witness init"):
        WitnessFolder(tmp_path)


def test_the_state_is_the_note_that_was_answered_for(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    answer = witness.add_checkpoint(log.request(0, 7))
    assert part(folder, "checkpoint").read_bytes() == log.note(7) + answer.body
    last = state_of(folder).load()
    assert last is not None
    assert last.time == NOW


def test_a_log_is_witnessed_from_the_moment_it_is_added(folder: WitnessFolder, witness: Cosigning) -> None:
    other = Log(origin="another name")
    assert witness.add_checkpoint(other.request(0, 3)).status == 404
    WitnessFolder(folder.path).add_log(other.signer.verifier_key, other.origin)
    assert witness.add_checkpoint(other.request(0, 3)).status == 200
    assert [state.origin for state in folder.list_logs()] == ["another name", ORIGIN]


def test_names_that_look_alike_are_two_logs(folder: WitnessFolder, witness: Cosigning) -> None:
    logs = [Log(origin=name) for name in ("a/b", "a_b", "a b", "../a", "a" * 300)]
    for size, each in enumerate(logs, 1):
        folder.add_log(each.signer.verifier_key, each.origin)
        assert witness.add_checkpoint(each.request(0, size)).status == 200
    assert {state.origin: cosigned_size(folder, state.origin) for state in folder.list_logs()} == {
        ORIGIN: None,
        **{each.origin: size for size, each in enumerate(logs, 1)},
    }


def test_adding_a_key_forgets_nothing(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    part(folder, "log").unlink()
    folder.add_log(log.signer.verifier_key, ORIGIN)
    assert cosigned_size(folder) == 7


@pytest.mark.parametrize("left", [b"", b"half a chec", b"x" * 100])
def test_a_crash_while_the_state_is_written_leaves_the_old_one(
    folder: WitnessFolder, witness: Cosigning, log: Log, left: bytes
) -> None:
    witness.add_checkpoint(log.request(0, 7))
    part(folder, "checkpoint").with_name("checkpoint.new").write_bytes(left)
    assert cosigned_size(folder) == 7
    assert witness.add_checkpoint(log.request(7, 9)).status == 200
    assert cosigned_size(folder) == 9


def test_a_crash_between_history_and_state_is_made_good(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 3))
    witness.add_checkpoint(log.request(3, 7))
    state = state_of(folder)
    last = state.load()
    assert last is not None
    state.history.append(7, last.note)
    assert witness.add_checkpoint(log.request(7, 9)).status == 200
    assert part(folder, "history").read_text().count("\n") == 2
    assert witness.add_checkpoint(log.request(0, 7)).status == 409
    assert evidence(folder) == []


@pytest.mark.parametrize("kept", [1, 2, 30, -1])
def test_a_line_of_the_history_that_a_crash_cut_short_is_written_anew(
    folder: WitnessFolder, witness: Cosigning, log: Log, kept: int
) -> None:
    for old, size in ((0, 3), (3, 7), (7, 9)):
        witness.add_checkpoint(log.request(old, size))
    history = part(folder, "history")
    first, second = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(first + second[:kept])
    assert witness.add_checkpoint(log.request(0, 3)).status == 409
    assert evidence(folder) == []
    assert witness.add_checkpoint(log.request(9, 12)).status == 200
    assert [line.split()[0] for line in history.read_bytes().splitlines()] == [b"3", b"9"]


def test_a_lost_state_is_not_begun_anew(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    part(folder, "checkpoint").unlink()
    for size in (3, 7, 9):
        with pytest.raises(FolderError, match="a new key"):
            witness.add_checkpoint(log.request(0, size))


def test_a_state_that_the_witness_did_not_write_is_not_believed(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    path = part(folder, "checkpoint")
    stranger = Ed25519Cosigner.generate(WITNESS).cosign(log.checkpoint(3).text, NOW)
    damaged = path.read_bytes().replace(b"\n7\n", b"\n3\n")
    for data in (damaged, log.note(3), log.note(3) + f"{stranger.line}\n".encode(), b"\n"):
        path.write_bytes(data)
        with pytest.raises(FolderError, match="is not what this witness wrote"):
            witness.add_checkpoint(log.request(3, 9))


@pytest.mark.parametrize("damage", [b"nonsense\n", b"3 nonsense\n", b"3 AAAA\n"])
def test_a_damaged_history_stops_the_witness_until_it_is_moved_away(
    folder: WitnessFolder, witness: Cosigning, log: Log, damage: bytes
) -> None:
    witness.add_checkpoint(log.request(0, 7))
    part(folder, "log").with_name("history").write_bytes(damage)
    with pytest.raises(FolderError, match="move it away"):
        witness.add_checkpoint(log.request(7, 9))
    assert cosigned_size(folder) == 7
    part(folder, "history").unlink()
    assert witness.add_checkpoint(log.request(7, 9)).status == 200


def test_what_cannot_be_kept_is_not_cosigned(folder: WitnessFolder, witness: Cosigning, log: Log) -> None:
    witness.add_checkpoint(log.request(0, 7))
    blocked = part(folder, "checkpoint").with_name("checkpoint.new")
    blocked.mkdir()
    with pytest.raises(IsADirectoryError):
        witness.add_checkpoint(log.request(7, 9))
    blocked.rmdir()
    assert witness.add_checkpoint(log.fork(8).request(7, 10)).status == 200


def test_a_file_is_replaced_only_once_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "file", []

    def fsync(descriptor: int) -> None:
        seen.append((Path(f"/proc/self/fd/{descriptor}").readlink(), path.read_bytes()))

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    write_durably(path, b"new")
    assert seen == [(tmp_path / "file.new", b"old"), (tmp_path, b"new")]
