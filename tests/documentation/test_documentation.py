"""The documentation runs: its Python, its commands, its documents; and its reference is that of the code."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import studbook
from studbook.config import Settings
from studbook.domain.documents import IngestDocument
from studbook.domain.tokens import make_token
from studbook.domain.validation import read_document
from studbook.governance.checking import run_policy_tests
from studbook.governance.policy import Policy
from studbook.schemas.definition import Definition
from tests.acceptance.conftest import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/tutorial/*.md")), *sorted(ROOT.glob("docs/howto/*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The first line of a block that is a file, for the page's commands.
FILE_NAME = re.compile(r"# (\S+\.(?:py|yaml))\n")
LANGUAGES = {"python", "console", "yaml", "text"}


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(page.read_text()) if kind == language]


def files(page: Path) -> dict[str, str]:
    return {match[1]: body for kind in ("python", "yaml") for body in blocks(page, kind) if (match := FILE_NAME.match(body))}


def statements(page: Path) -> list[str]:
    return [body for body in blocks(page, "python") if not FILE_NAME.match(body)]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "reference" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_passed_over(page: Path) -> None:
    assert {kind for kind, _ in BLOCK.findall(page.read_text())} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_file_is_passed_over(page: Path) -> None:
    commands = "".join(blocks(page, "console"))
    assert [name for name in files(page) if name not in commands] == []


@pytest.mark.parametrize("page", [page for page in PAGES if statements(page)], ids=lambda page: page.name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("import warnings\nwarnings.simplefilter('ignore')\n" + "\n".join(statements(page)))
    environment = {**os.environ, "STUDBOOK_HOME": str(tmp_path), "STUDBOOK_SPOOL": str(tmp_path / "spool")}
    done = run([sys.executable, str(script)], tmp_path, environment)
    assert done.returncode == 0, done.stdout


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Both streams as one, in the order in which a terminal shows them."""
    pipe, same = subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(command, cwd=folder, env=environment, stdout=pipe, stderr=same, text=True, timeout=120, check=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    port, token = free_port(), make_token()
    settings = {"HOME": tmp_path / "home", "PORT": port, "BOOTSTRAP_TOKEN": token}
    environment = {**os.environ, **{f"STUDBOOK_{name}": str(value) for name, value in settings.items()}}
    started = ServerProcess(environment, port, token, tmp_path / "log").start().wait_ready()
    yield started
    started.stop()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name)
def test_commands_answer_as_shown(page: Path, server: ServerProcess, tmp_path: Path) -> None:
    for name, body in files(page).items():
        (tmp_path / name).write_text(body)
    environment = {
        **os.environ,
        "STUDBOOK_URL": f"http://127.0.0.1:{server.port}",
        "STUDBOOK_TOKEN": server.token,
        "STUDBOOK_HOME": str(tmp_path / "home"),
        # The port that doctor finds free.
        "STUDBOOK_PORT": str(free_port()),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    for body in blocks(page, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = run(["sh", "-c", command], tmp_path, environment)
            # A page that shows a refusal shows a command that fails.
            assert (done.returncode != 0) == bool(re.search(r"^✗ ", expected, re.MULTILINE)), (command, done.stdout)
            pattern = ".*".join(re.escape(piece) for piece in expected.strip("\n").split("..."))
            shown = re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)
            assert re.search(pattern, shown, re.DOTALL), f"{command}\n{shown}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=lambda page: page.name)
def test_documents_are_accepted(page: Path) -> None:
    for body in blocks(page, "yaml"):
        document = yaml.safe_load(body)
        if "json_schema" in document:
            assert read_document(Definition, document).attributes
        elif "match" in document:
            assert run_policy_tests(read_document(Policy, document)) == []
        else:
            assert read_document(IngestDocument, document).model is not None


def test_the_reference_is_that_of_the_code() -> None:
    module = generator()
    stale = [name for name in module.PAGES if (ROOT / "docs" / "reference" / name).read_text() != module.render(name)]
    assert stale == [], "run make docs"


def test_everything_public_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    undocumented: list[Any] = [name for name in studbook.__all__ if not (getattr(studbook, name).__doc__ or "").strip()]
    assert undocumented == []
    described = (ROOT / "docs" / "reference" / "api.md").read_text()
    sections = re.split(r"^## ", described, flags=re.MULTILINE)[1:]
    assert len(sections) > 30
    assert [section for section in sections if not section.splitlines()[2].endswith(".")] == []
