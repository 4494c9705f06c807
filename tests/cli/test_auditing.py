"""`studbook audit …` and its companions, as a person uses them: on an embedded registry, with files on disk."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from studbook.cli.exits import Exit
from studbook.testing import make_document

if TYPE_CHECKING:
    from pathlib import Path


class Shell:
    """Runs commands in a folder whose home holds an embedded registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        self.environment = {
            **os.environ, "STUDBOOK_HOME": str(home), "STUDBOOK_URL": str(home / "studbook.db"), "COLUMNS": "200",
        }  # fmt: skip

    def run(self, *arguments: str, code: int = Exit.OK) -> str:
        """The standard output, and with a code other than OK the standard error."""
        command = [sys.executable, "-m", "studbook.cli", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout if code == Exit.OK else done.stdout + done.stderr

    def json(self, *arguments: str, code: int = Exit.OK) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).partition("\n✗")[0])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A registry with a version, an owner and an alias that moved; its key in key.txt."""
    shell = Shell(tmp_path_factory.mktemp("shell"))
    (shell.folder / "document.json").write_text(json.dumps(make_document()))
    (shell.folder / "owners.json").write_text(
        json.dumps(make_document() | {"model": {"name": "owned", "owners": [{"name": "Ada"}]}})
    )
    shell.run("db", "upgrade")
    shell.run("ingest", "document.json")
    shell.run("ingest", "--again", "document.json")
    shell.run("ingest", "owners.json")
    shell.run("alias", "set", "churn", "champion", "1")
    shell.run("alias", "set", "churn", "champion", "2")
    keys = shell.json("audit", "keys", "list")["items"]
    (shell.folder / "key.txt").write_text(keys[0]["keys"][0]["vkey"] + "\n")
    return shell


def test_a_bundle_is_made_and_verified_with_a_key_from_outside(shell: Shell) -> None:
    shell.run("audit", "export", "before")
    shell.run("audit", "snapshot")
    shell.run("audit", "bundle", "churn/2", "--out", "evidence.zip", "--since", "before/checkpoint")
    told = shell.run("audit", "verify", "evidence.zip", "--key", "key.txt")
    assert told.endswith("Verified.\n")
    assert "models/churn/versions/2" in told
    verdict = shell.json("audit", "verify", "evidence.zip", "--key", "key.txt")
    assert verdict["verified"] is True
    assert any("earlier checkpoint" in step for step in verdict["steps"])


def test_a_damaged_bundle_and_a_foreign_key_are_refused_in_one_sentence(shell: Shell) -> None:
    shell.run("audit", "bundle", "churn/1", "--out", "good.zip")
    data = (shell.folder / "good.zip").read_bytes()
    for name, damaged in (("cut", data[: len(data) // 2]), ("doubled", data + data), ("changed", data[:900] + b"x" + data[901:])):
        (shell.folder / f"{name}.zip").write_bytes(damaged)
        told = shell.run("audit", "verify", f"{name}.zip", "--key", "key.txt", code=Exit.REFUSED)
        assert "NOT verified: " in told
        assert "Verified." not in told
        assert shell.json("audit", "verify", f"{name}.zip", "--key", "key.txt", code=Exit.REFUSED)["verified"] is False
    other = Shell(shell.folder / "other")
    other.folder.mkdir()
    other.run("db", "upgrade")
    (other.folder / "d.json").write_text(json.dumps(make_document()))
    other.run("ingest", "d.json")
    foreign = other.json("audit", "keys", "list")["items"][0]["keys"][0]["vkey"]
    assert "NOT verified" in shell.run("audit", "verify", "good.zip", "--key", foreign, code=Exit.REFUSED)


def test_a_receipt_is_fetched_and_verified_and_a_changed_entry_is_not(shell: Shell) -> None:
    event = shell.json("audit", "events", "churn", "--action", "alias.moved")["items"][0]["id"]
    shell.run("audit", "receipt", event, "--into", "receipts")
    receipt = f"receipts/{event}.tlog-proof"
    assert shell.run("audit", "verify", receipt, "--key", "key.txt").endswith("Verified.\n")
    entry = shell.folder / "receipts" / f"{event}.json"
    entry.write_bytes(entry.read_bytes().replace(b'"champion":2', b'"champion":1'))
    assert "another root" in shell.run("audit", "verify", receipt, "--key", "key.txt", code=Exit.REFUSED)
    entry.unlink()
    assert "--entry" in shell.run("audit", "verify", receipt, "--key", "key.txt", code=Exit.USAGE)


def test_a_mirror_grows_and_is_verified_against_a_checkpoint_that_was_kept(shell: Shell) -> None:
    shell.run("audit", "export", "mirror")
    kept = shell.folder / "kept"
    kept.write_bytes((shell.folder / "mirror" / "checkpoint").read_bytes())
    shell.run("tag", "set", "churn", "team=risk")
    shell.run("audit", "export", "mirror")
    told = shell.run("audit", "verify", "mirror", "--key", "key.txt", "--old", "kept")
    assert "grew from the kept checkpoint" in told
    assert "grew from the kept checkpoint" in shell.run("audit", "verify", "--old", "kept", "--key", "key.txt")
    assert "It grew" in shell.run("audit", "verify", "mirror/checkpoint", "--old", "kept", "--key", "key.txt")
    for path in (shell.folder / "mirror" / "tile" / "entries").glob("*.p/*"):
        path.write_bytes(path.read_bytes().replace(b"risk", b"rusk"))
    assert "its hash differs" in shell.run("audit", "verify", "mirror", "--key", "key.txt", code=Exit.REFUSED)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00" * 100, b"c2sp.org/tlog-proof@v1\nindex 99999999999999999999999\n\n", b"PK\x03\x04", b"hello\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n%%%%\n\nx\n1\n" + base64.b64encode(bytes(32)) + b"\n\n\xe2\x80\x94 x AAAAAAAA\n",
        b"origin\n-1\n" + base64.b64encode(bytes(32)) + b"\n\n\xe2\x80\x94 origin AAAAAAAA\n",
    ],
    ids=["empty", "zeros", "a huge index", "half a zip", "a word", "no base64", "a negative size"],
)  # fmt: skip
def test_what_is_no_evidence_is_refused_in_one_sentence(shell: Shell, content: bytes) -> None:
    path = shell.folder / "strange"
    path.write_bytes(content)
    (shell.folder / "strange.json").write_bytes(b"{}")
    told = shell.run("audit", "verify", "strange", "--key", "key.txt", code=Exit.REFUSED)
    assert told.startswith("✗ NOT verified: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize("key", ["nothing", "a+b+c", "name+12345678+AAAA", "missing.txt"])
def test_what_is_no_key_is_a_mistake_of_the_command(shell: Shell, key: str) -> None:
    shell.run("audit", "bundle", "churn/1", "--out", "any.zip")
    told = shell.run("audit", "verify", "any.zip", "--key", key, code=Exit.USAGE)
    assert told.count("\n") == 1


def test_events_tell_what_changed(shell: Shell) -> None:
    told = shell.run("audit", "events", "churn")
    assert '{"champion": 1} → {"champion": 2}' in told
    assert shell.json("audit", "events", "--actor", "nobody")["items"] == []
    assert shell.json("audit", "events", "nothing")["items"] == []


def test_a_record_is_shown_as_it_was(shell: Shell) -> None:
    moved = shell.json("audit", "events", "churn", "--action", "alias.moved")["items"][0]
    before = shell.json("show", "churn", "--as-of", str(moved["log"]["index"]))
    assert before["aliases"] == {"champion": 1}
    assert shell.json("show", "churn")["aliases"] == {"champion": 2}
    assert shell.json("show", "churn@champion", "--as-of", str(moved["log"]["index"]))["number"] == 1
    assert "champion" in shell.run("show", "churn", "--as-of", "2999-01-01")


def test_fsck_is_content_until_a_row_is_changed_and_rebuild_mends_it(shell: Shell) -> None:
    import sqlite3

    assert "all as it was logged" in shell.run("audit", "fsck")
    with sqlite3.connect(shell.folder / "home" / "studbook.db") as database:
        database.execute("UPDATE version_metrics SET value = 0.99")
    database.close()
    told = shell.run("audit", "fsck", code=Exit.REFUSED)
    assert "differs from the log in value" in told
    assert shell.json("audit", "fsck", code=Exit.REFUSED)["ok"] is False
    assert "mended" in shell.run("db", "rebuild")
    assert shell.json("audit", "fsck")["ok"] is True
    shell.run("audit", "export", "against")
    assert shell.run("audit", "fsck", "--against", "against/checkpoint")


def test_erasure_holds_and_retention_from_the_command_line(shell: Shell) -> None:
    hold = shell.json("audit", "hold", "place", "owned", "--reason", "case 4711")
    told = shell.run("audit", "erase", "owned", "--reason", "request 17", "--yes", code=Exit.REFUSED)
    assert "legal hold" in told
    shell.run("audit", "hold", "release", hold["id"], "--reason", "case closed")
    assert "case 4711" in shell.run("audit", "hold", "list")
    assert "1 value of 1 record erased" in shell.run("audit", "erase", "--value", "Ada", "--reason", "request 17", "--yes")
    assert shell.run("audit", "erase", "owned", "--reason", "request 17", "--yes") == ""
    shell.run("audit", "erase", "--reason", "nothing", "--yes", code=Exit.USAGE)
    shell.run("audit", "retention", "set", "short", "--days", "30", "--kind", "model", "--kind", "run")
    assert "model, run" in shell.run("audit", "retention", "list")
    assert "only a frozen shard" in shell.run("audit", "purge", "1", "--reason", "period over", code=Exit.REFUSED)
    assert shell.json("audit", "fsck")["ok"] is True


def test_keys_rotate_shards_freeze_and_namespaces_are_made(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("db", "upgrade")
    (tmp_path / "d.json").write_text(json.dumps(make_document()))
    shell.run("ingest", "d.json")
    key = shell.json("audit", "keys", "rotate")
    first = shell.json("audit", "keys", "list")["items"][0]["keys"][0]
    shell.run("audit", "keys", "retire", first["fingerprint"][:12])
    assert [known["status"] for known in shell.json("audit", "keys", "list")["items"][0]["keys"]] == ["retired", "active"]
    shell.run("tag", "set", "churn", "team=risk")
    assert shell.run("audit", "verify", "--key", key["vkey"]).endswith("Verified.\n")
    assert shell.json("audit", "freeze", "--reason", "a new year")["shard"] == 2
    shell.run("tag", "set", "churn", "team=credit")
    assert "told by the registry itself" in json.dumps(shell.json("audit", "verify")["notes"])
    token = shell.run("namespace", "create", "team-b").strip()
    assert token.startswith("sbk_")
    assert "team-b" in shell.run("namespace", "list")
    assert "already" in shell.run("namespace", "create", "team-b", code=Exit.REFUSED)
    assert shell.json("audit", "fsck")["ok"] is True


def test_the_drill_after_a_restore_from_an_older_copy(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.run("db", "upgrade")
    (tmp_path / "d.json").write_text(json.dumps(make_document()))
    shell.run("ingest", "d.json")
    database = tmp_path / "home" / "studbook.db"
    older = database.read_bytes()
    shell.run("ingest", "--again", "d.json")
    shell.run("audit", "export", "mirror")
    for left in database.parent.glob("studbook.db*"):
        left.unlink()
    database.write_bytes(older)
    refused = shell.run("ingest", "--again", "d.json", code=Exit.UNREACHABLE)
    assert "recover-the-log" in refused
    assert "churn" in shell.run("show", "churn")
    assert "older backup" in shell.run("audit", "fsck", code=Exit.REFUSED)
    shell.run("audit", "recover", code=Exit.USAGE)
    assert "entries were brought back" in shell.run("audit", "recover", "--from", "mirror")
    assert shell.json("audit", "fsck")["ok"] is True
    assert shell.json("show", "churn/2")["number"] == 2
    shell.run("ingest", "--again", "d.json")
    assert "nothing is missing" in shell.run("audit", "recover", "--accept-loss", "no need", code=Exit.REFUSED)
