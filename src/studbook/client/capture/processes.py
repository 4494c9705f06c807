"""Asks other programs, without ever waiting long or raising."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def ask(
    command: Sequence[str], *, seconds: float, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> str | None:
    """What a command prints, or None if it is missing, fails or takes longer than `seconds`."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands, no shell
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


class Question:
    """A command that is started now and whose answer is fetched later, so that nobody waits for a slow one."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(  # noqa: S603 - as above
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except (OSError, ValueError):
            self._process = None

    def answer(self, *, seconds: float) -> str | None:
        """What it printed, or None if it is missing, failed or needs more than `seconds` from now; then it is ended."""
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            output, _ = process.communicate(timeout=seconds)
        except (OSError, ValueError, subprocess.SubprocessError):
            process.kill()
            process.communicate()
            return None
        return output.decode("utf-8", "replace") if process.returncode == 0 else None
