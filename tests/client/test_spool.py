"""The spool keeps what it was given, through crashes at any moment."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import platformdirs
import pytest

from studbook.client.spool import Spool, SpooledDocument, UnreadableFileError, default_folder

DOCUMENT = {"run": {"id": "x", "name": "größe"}}


def spooled(key: str = "k") -> SpooledDocument:
    return SpooledDocument(DOCUMENT, key, "http://registry", "default", 1.5)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_put_is_read_again(spool: Path) -> None:
    store = Spool(spool)
    paths = [store.put(spooled(key)) for key in "abc"]
    assert store.pending() == paths
    assert [store.read(path).key for path in paths] == ["a", "b", "c"]
    assert store.read(paths[0]) == spooled("a")
    store.remove(paths[1])
    store.remove(paths[1])
    assert store.pending() == [paths[0], paths[2]]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Spool(tmp_path / "a" / "spool")
        path = store.put(spooled())
        refused = store.put_refused(spooled(), {"title": "no"})
        with store.lock(wait=True):
            pass
    finally:
        os.umask(before)
    folders = [tmp_path / "a", store.folder, store.refused_folder]
    files = [path, refused, refused.with_suffix(".problem.json"), store.folder / ".lock"]
    assert {mode(folder) for folder in folders} == {0o700}
    assert {mode(file) for file in files} == {0o600}


def test_refused_documents_have_the_problem_beside_them(spool: Path) -> None:
    store = Spool(spool)
    path = store.put(spooled())
    place = store.refuse(path, {"title": "no"})
    assert store.pending() == []
    assert place == spool / "refused" / path.name
    assert SpooledDocument.parse(place.read_bytes()) == spooled()
    assert json.loads(place.with_suffix(".problem.json").read_text()) == {"title": "no"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"schema":"studbook.dev/spool/v1"}', b"[" * 100_000])
def test_a_file_that_the_spool_did_not_write(content: bytes) -> None:
    with pytest.raises(UnreadableFileError):
        SpooledDocument.parse(content)


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDBOOK_SPOOL", "/somewhere/else")
    assert default_folder() == Path("/somewhere/else")
    monkeypatch.delenv("STUDBOOK_SPOOL")
    monkeypatch.setenv("STUDBOOK_HOME", "/home/of/studbook")
    assert default_folder() == Path("/home/of/studbook/spool")
    monkeypatch.delenv("STUDBOOK_HOME")
    assert default_folder() == platformdirs.user_data_path("studbook", appauthor=False) / "spool"


# Puts two documents; dies (kill -9) at the moment given, while it writes the second.
WRITER = """
import os, signal, sys
from pathlib import Path
from studbook.client.spool import Spool, SpooledDocument
import studbook.client.spool as module

folder, moment = Path(sys.argv[1]), sys.argv[2]
store = Spool(folder)
store.put(SpooledDocument({"run": {"id": "first"}}, "first", "r", "n", 0.0))

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "before writing":
    module.encode = die
elif moment == "half written":
    encode = module.encode
    module.encode = lambda value: encode(value)[:40]
    os.fsync = die
elif moment == "before fsync":
    os.fsync = die
elif moment == "before rename":
    Path.rename = die
elif moment == "before the folder's fsync":
    module._sync_folder = die
elif moment == "after":
    pass
store.put(SpooledDocument({"run": {"id": "second"}}, "second", "r", "n", 0.0))
die()
"""


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("moment", "survivors"),
    [
        ("before writing", ["first"]),
        ("half written", ["first"]),
        ("before fsync", ["first", "second"]),
        ("before rename", ["first", "second"]),
        ("before the folder's fsync", ["first", "second"]),
        ("after", ["first", "second"]),
    ],
)
def test_killed_while_writing(spool: Path, moment: str, survivors: list[str]) -> None:
    died = subprocess.run([sys.executable, "-c", WRITER, str(spool), moment], check=False)
    assert died.returncode == -signal.SIGKILL
    store = Spool(spool)
    store.adopt_leftovers()
    fresh = [store.read(path).key for path in store.pending()]
    assert fresh in (["first"], survivors), "what is whole is whole, what is not is not seen"
    for path in spool.glob(".*.tmp"):
        age(path, 3600)
    store.adopt_leftovers()
    assert [store.read(path).key for path in store.pending()] == survivors
    assert not [*spool.glob(".*.tmp")]


def test_a_file_that_is_being_written_is_left_alone(spool: Path) -> None:
    store = Spool(spool)
    store.put(spooled())
    (spool / ".0198.tmp").write_text("{")
    store.adopt_leftovers()
    assert (spool / ".0198.tmp").exists()


def test_a_writer_that_slept_finds_its_file_adopted(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Spool(spool)
    rename = Path.rename

    def slow_rename(self: Path, target: Path) -> Path:
        age(self, 3600)
        monkeypatch.setattr(Path, "rename", rename)
        store.adopt_leftovers()
        return self.rename(target)

    monkeypatch.setattr(Path, "rename", slow_rename)
    path = store.put(spooled())
    assert store.pending() == [path]


def test_the_lock_is_held_by_one(spool: Path) -> None:
    store = Spool(spool)
    with store.lock(wait=False) as first, Spool(spool).lock(wait=False) as second:
        assert (first, second) == (True, False)
    with store.lock(wait=False) as again:
        assert again


def test_the_lock_of_a_dead_process_is_free(spool: Path) -> None:
    holder = "import os,sys,time;from pathlib import Path;from studbook.client.spool import Spool\n"
    holder += "with Spool(Path(sys.argv[1])).lock(wait=True):\n print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder, str(spool)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with Spool(spool).lock(wait=False) as held:
            assert not held
        process.kill()
    with Spool(spool).lock(wait=False) as held:
        assert held


def test_a_full_disk_leaves_nothing_behind(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Spool(spool)
    store.put(spooled())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.put(spooled())
    monkeypatch.undo()
    assert len(store.pending()) == 1
    assert not [*spool.glob(".*.tmp")]


def test_what_is_safe_when_put_returns(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's bytes are on disk before it has its name, and the name before `put` returns."""
    store = Spool(spool)
    store.put(spooled())
    acts: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watched_fsync(descriptor: int) -> None:
        acts.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def watched_rename(self: Path, target: Path) -> Path:
        acts.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    store.put(spooled())
    assert acts == ["fsync file", "rename", "fsync folder"]
