"""This machine: Python, packages, the spool."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from typing import TYPE_CHECKING, Final

from studbook.cli.checks import fine, note, problem
from studbook.cli.text import plural
from studbook.client.spool import Spool, default_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from studbook.cli.checks import Finding

_OLDEST: Final = (3, 11)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def check_machine() -> Iterator[Finding]:
    """Python and the packages of the server part."""
    version = f"Python {platform.python_version()}, Studbook {importlib.metadata.version('studbook')}"
    if sys.version_info < _OLDEST:
        yield problem("python", f"{version}: too old.", "Studbook needs Python 3.11 or newer.")
    else:
        yield fine("python", f"{version}.")
    missing = missing_packages("server")
    if missing:
        remedy = 'To run a server or an embedded registry here: pip install "studbook[server]"'
        yield note("server part", f"Not installed ({', '.join(missing)}); talking to a registry elsewhere works.", remedy)
    else:
        yield fine("server part", "Installed.")


def missing_packages(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    requirements = importlib.metadata.requires("studbook") or []
    wanted = [_NAME.match(text) for text in requirements if re.search(rf"extra == ['\"]{extra}['\"]", text)]
    on_this_platform = {match[0] for match in wanted if match} - ({"uvloop"} if sys.platform == "win32" else set())
    return sorted(name for name in on_this_platform if not _is_installed(name))


def check_spool() -> Iterator[Finding]:
    """Records that wait for the registry, and records that it refused."""
    spool = Spool(default_folder())
    waiting = spool.pending()
    refused = [path for path in _listed(spool.refused_folder) if not path.name.endswith(".problem.json")]
    if waiting:
        finding = f"{plural(len(waiting), 'record')} not delivered yet, kept in {spool.folder}."
        yield problem("spool", finding, "`studbook sync` delivers what waits.")
    if refused:
        finding = f"{plural(len(refused), 'record')} refused by the registry, kept in {spool.refused_folder}."
        remedy = "Its .problem.json says why. Correct the document in it, move it one folder up, and `studbook sync`."
        yield problem("spool", finding, remedy)
    if spool.folder.is_dir() and not os.access(spool.folder, os.W_OK):
        yield problem(
            "spool", f"{spool.folder} cannot be written.", "Mend its permissions, or set STUDBOOK_SPOOL to another folder."
        )
    elif not waiting and not refused:
        yield fine("spool", "Nothing waits.")


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
