"""The house rules that no linter knows. Each checker is also shown a bad sample, so that it is known to bite."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "studbook"
FILE_CEILING = 600
FUNCTION_CEILING = 70
BANNED_WORDS = {"manager", "helper", "helpers", "utils", "processor", "misc", "common"}
# The names under which SQLAlchemy calls a type's conversions.
FOREIGN_NAMES = {"bind_processor", "result_processor"}
DIALECT_NAMES = ("sqlite", "postgresql")
# config.py makes the default database's URL; testing.py makes databases of both kinds; migrations are frozen.
DIALECT_FILES = {"storage/dialects.py", "config.py", "testing.py", "embedded.py"}


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if name.endswith(suffixes) and (ROOT / name).is_file()]


def python_files(*folders: str) -> list[Path]:
    return [path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in folders]


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def banned_names(tree: ast.AST) -> list[str]:
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return [name for name in names if BANNED_WORDS & set(words(name)) and name not in FOREIGN_NAMES]


def words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def commits(tree: ast.AST) -> list[int]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [call.lineno for call in calls if call.func.attr == "commit"]  # type: ignore[attr-defined]


def dialect_names(tree: ast.AST) -> list[int]:
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            # A sentence may say how to write a URL; a name alone, or the head of a URL, is a distinction.
            if node.value.lower() in DIALECT_NAMES:
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy.dialects"):
            found.append(node.lineno)
    return found


def test_no_file_outgrows_the_ceiling() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in tracked(".py", ".js", ".ts", ".tsx")}
    assert {str(path): size for path, size in sizes.items() if size > FILE_CEILING} == {}
    assert statistics.median(size for path, size in sizes.items() if SOURCE in path.parents) <= 150


def test_no_function_outgrows_the_ceiling() -> None:
    sizes = [
        (length, f"{path.relative_to(ROOT)}:{name}")
        for path in python_files("src", "tests", "bench")
        for name, length in functions(ast.parse(path.read_text()))
    ]
    assert [entry for entry in sizes if entry[0] > FUNCTION_CEILING] == []
    lengths = sorted(length for length, place in sizes if place.startswith("src"))
    assert lengths[int(len(lengths) * 0.9)] <= 35


def test_names_say_what_a_thing_is() -> None:
    files = python_files("src")
    assert [path for path in files if BANNED_WORDS & set(words(path.stem))] == []
    assert {str(path): bad for path in files if (bad := banned_names(ast.parse(path.read_text())))} == {}


def test_only_the_unit_of_work_commits() -> None:
    allowed = SOURCE / "storage" / "unit_of_work.py"
    files = [path for path in python_files("src") if path != allowed]
    assert {str(path): bad for path in files if (bad := commits(ast.parse(path.read_text())))} == {}
    assert commits(ast.parse(allowed.read_text()))


def test_only_dialects_knows_the_engines() -> None:
    found = {
        name: bad
        for path in python_files("src")
        if (name := str(path.relative_to(SOURCE))) not in DIALECT_FILES and "migrations/versions" not in name
        if (bad := dialect_names(ast.parse(path.read_text())))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("checker", "sample"),
    [
        (banned_names, "class QueryManager: ..."),
        (banned_names, "def url_utils(): ..."),
        (commits, "connection.commit()"),
        (dialect_names, "if engine.dialect.name == 'sqlite': ..."),
        (dialect_names, "from sqlalchemy.dialects.postgresql import JSONB"),
    ],
)
def test_a_checker_bites(checker: object, sample: str) -> None:
    assert checker(ast.parse(sample))  # type: ignore[operator]


FORBIDDEN_TEXT = {
    "an open point": re.compile(r"\b(TODO|FIXME|XXX)\b"),
    "a path of one machine": re.compile(r"(?<![\w.])/(work|root)/"),
    "a registry's address": re.compile(r"--(extra-)?index-url|\"resolved\": \"http|registry\.npmjs|pypi\.org/simple"),
}


@pytest.mark.parametrize("reason", FORBIDDEN_TEXT)
def test_tracked_files_are_free_of(reason: str) -> None:
    files = tracked(".py", ".md", ".txt", ".toml", ".sh", ".js", ".html", ".yaml", "Makefile", "run")
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if FORBIDDEN_TEXT[reason].search(line)
    ]
    assert found == []


def test_the_forbidden_texts_are_recognised() -> None:
    samples = {"an open point": "# TODO later", "a path of one machine": "cd /root/x", "a registry's address": "--index-url x"}
    assert all(FORBIDDEN_TEXT[reason].search(sample) for reason, sample in samples.items())


def test_the_makefile_stays_short() -> None:
    targets = re.findall(r"^[a-z]+:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert 0 < len(targets) <= 12


def test_each_decision_names_its_check() -> None:
    pages = [path for path in tracked(".md") if path.parent.name == "decisions" and path.name[0].isdigit()]
    assert pages
    for page in pages:
        text = page.read_text()
        assert len(text.splitlines()) <= 60, page.name
        section = text.partition("## Held by")[2]
        named = re.findall(r"`((?:tests/|pyproject)[\w/.]*)(?:::\w+)?`", section)
        assert named, page.name
        assert all((ROOT / name).exists() for name in named), (page.name, named)


def test_links_in_documents_lead_somewhere() -> None:
    links = [(page, target) for page in tracked(".md") for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in links
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert links
    assert broken == []
