"""What a run finds out by itself, from real git repositories and this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studbook.client.capture.code import capture_code, capture_repository, command_line
from studbook.client.capture.environment import (
    EnvironmentCapture,
    installed_packages,
    operating_system,
    parse_gpus,
    python_environment,
)
from studbook.client.capture.processes import Question, ask


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init")
    (folder / "train.py").write_text("print(1)\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "begin")
    return folder


def test_a_clean_work_tree(work_tree: Path) -> None:
    found = capture_repository(work_tree)
    assert found["commit"] == git(work_tree, "rev-parse", "HEAD")
    assert (found["branch"], found["dirty"]) == ("main", False)
    assert "repository" not in found


def test_changed_staged_and_untracked_files(work_tree: Path) -> None:
    (work_tree / "model.bin").write_text("output")
    assert capture_repository(work_tree)["dirty"] is False
    (work_tree / "train.py").write_text("print(2)\n")
    assert capture_repository(work_tree)["dirty"] is True
    git(work_tree, "add", "train.py")
    assert capture_repository(work_tree)["dirty"] is True


def test_a_subfolder_and_a_detached_head(work_tree: Path) -> None:
    inner = work_tree / "a" / "b"
    inner.mkdir(parents=True)
    git(work_tree, "checkout", "--detach")
    found = capture_repository(inner)
    assert found["top"] == work_tree.resolve()
    assert "branch" not in found


def test_the_remote_has_no_credentials(work_tree: Path) -> None:
    git(work_tree, "remote", "add", "upstream", "https://me:pw@host.org/a.git")
    assert capture_repository(work_tree)["repository"] == "https://host.org/a.git"
    git(work_tree, "remote", "add", "origin", "git@host.org:b.git")
    assert capture_repository(work_tree)["repository"] == "git@host.org:b.git"
    git(work_tree, "config", "branch.main.remote", "upstream")
    assert capture_repository(work_tree)["repository"] == "https://host.org/a.git"


def test_no_repository_no_commit_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert capture_repository(tmp_path) == {}
    git(tmp_path, "init")
    assert capture_repository(tmp_path) == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture_repository(tmp_path) == {}
    assert capture_repository(tmp_path / "missing") == {}


def test_a_repository_named_by_the_environment_is_not_this_one(
    work_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("GIT_DIR", str(work_tree / ".git"))
    assert capture_repository(other) == {}


def test_the_repository_runs_no_program_of_its_own(work_tree: Path, tmp_path: Path) -> None:
    hook = tmp_path / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    git(work_tree, "config", "core.fsmonitor", str(hook))
    capture_repository(work_tree)
    assert not (tmp_path / "ran").exists()


def test_code_of_a_real_script(work_tree: Path) -> None:
    script = work_tree / "train.py"
    script.write_text("import json\nfrom studbook.client.capture.code import capture_code\nprint(json.dumps(capture_code()))\n")
    git(work_tree, "commit", "-am", "capture")
    command = [sys.executable, str(script), "--token", "abc", "--lr", "0.1"]
    done = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)
    code: dict[str, Any] = json.loads(done.stdout)
    assert code["entry_point"] == "train.py"
    assert code["command"] == f"{Path(sys.executable).name} {script} --token '***' --lr 0.1"
    assert code["commit"] == git(work_tree, "rev-parse", "HEAD")
    assert code["dirty"] is False
    assert "top" not in code


def test_a_command_line_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", os.fsdecode(b"a\xff"), "b\x00"])
    command_line().encode()
    assert "\x00" not in command_line()


def test_code_without_a_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.chdir(tmp_path)
    assert set(capture_code()) == {"command"}


def test_packages_and_their_digest() -> None:
    packages = installed_packages()
    assert list(packages) == sorted(packages)
    assert packages["httpx"]
    found = python_environment()
    listing = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    assert found["packages_digest"] == "sha256:" + hashlib.sha256(listing.encode()).hexdigest()
    assert found["python"] == ".".join(str(part) for part in sys.version_info[:3])


def test_broken_installations_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info" / "METADATA").write_bytes(b"Name: \xff\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "httpx" in installed_packages()


def test_environment_names_neither_host_nor_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-special")
    text = json.dumps(EnvironmentCapture().result())
    assert "somebody-special" not in text
    assert f'"{os.uname().nodename}"' not in text
    assert operating_system()


def test_hardware_of_this_machine() -> None:
    hardware = EnvironmentCapture().result()["hardware"]
    assert hardware["cpu_count"] >= 1
    assert hardware["memory_bytes"] > 1024**2


def test_unreadable_proc_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("studbook.client.capture.environment._CPU_INFO", tmp_path / "none")
    monkeypatch.setattr("studbook.client.capture.environment._MEMORY_LIMITS", (tmp_path,))
    assert EnvironmentCapture().result()["hardware"]


def fake_nvidia_smi(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, "echo 'NVIDIA A100-SXM4-80GB, 81920, 550.54'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpus = EnvironmentCapture().result()["hardware"]["gpus"]
    assert gpus == [{"name": "NVIDIA A100-SXM4-80GB", "driver": "550.54", "memory_bytes": 81920 * 1024**2}]


def test_a_gpu_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("studbook.client.capture.environment._GPU_SECONDS", 0.05)
    assert "gpus" not in EnvironmentCapture().result()["hardware"]


@pytest.mark.parametrize("output", [None, "", "No devices were found\n", "a,b\n", "NVIDIA-SMI has failed, because, x, y"])
def test_odd_answers_about_gpus(output: str | None) -> None:
    for gpu in parse_gpus(output):
        assert "memory_bytes" not in gpu


def test_programs_that_are_missing_fail_or_hang() -> None:
    assert ask(["/nonexistent"], seconds=1) is None
    assert ask([sys.executable, "-c", "raise SystemExit(3)"], seconds=10) is None
    assert ask([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.1) is None
    assert Question(["/nonexistent"]).answer(seconds=1) is None
