"""A folder of one's own with a registry in a file, and the command line in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from studbook.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Command = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, empty, in whose `registry.db` commands look; without anybody's settings."""
    monkeypatch.setenv("STUDBOOK_URL", str(tmp_path / "registry.db"))
    monkeypatch.setenv("STUDBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("STUDBOOK_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(folder: Path) -> Command:
    """Runs a command in the folder."""
    runner = CliRunner()
    return lambda *words, **more: runner.invoke(app, list(words), **more)
