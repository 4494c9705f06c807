"""What importing the SDK costs, and what it draws in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import studbook
from studbook import client

HEAVY = {"httpx", "rich", "typer", "numpy", "platformdirs", "sqlalchemy", "pydantic", "subprocess", "importlib.metadata"}


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_studbook_draws_in_nothing_heavy() -> None:
    assert not loaded_after("import studbook; studbook.connect; studbook.Registry; studbook.Run") & HEAVY


def test_importing_studbook_alone_does_not_load_the_sdk() -> None:
    assert "studbook.client" not in loaded_after("import studbook")


def test_connecting_loads_no_server_part() -> None:
    modules = loaded_after("import studbook; studbook.connect('http://localhost')")
    assert {name for name in modules if name.startswith("studbook.") and not name.startswith("studbook.client")} == set()
    assert not modules & {"sqlalchemy", "pydantic", "fastapi", "numpy"}


def test_every_public_name_is_exported_on_purpose() -> None:
    assert studbook.__all__ == client.__all__ == sorted(client.__all__)
    for name in studbook.__all__:
        assert getattr(studbook, name) is getattr(client, name)
        assert getattr(studbook, name).__doc__, f"{name} is documented"
    assert set(studbook.__all__) <= set(dir(studbook))
    assert not hasattr(studbook, "no_such_name")


def test_the_client_imports_nothing_of_studbook_but_formats() -> None:
    allowed = ("studbook.client", "studbook.formats.")
    folder = Path(client.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.startswith(allowed) for name in names if name.startswith("studbook")), path
