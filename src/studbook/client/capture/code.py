"""Which code runs: the git commit, whether it was changed since, where it comes from, and the command line."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from studbook.client.capture.processes import ask
from studbook.client.capture.secrets import mask_arguments, strip_credentials
from studbook.client.values import clean_text

# A repository on a slow network disk should not hold up a training; what is not known by then is left out.
_GIT_SECONDS: Final = 5.0
# The registry's limits.
_LABEL_LIMIT: Final = 256
_TEXT_LIMIT: Final = 16_000
_URL_LIMIT: Final = 4096


def capture_code() -> dict[str, Any]:
    """What the document's `run.code` says."""
    script = find_script()
    folder = script.parent if script else Path.cwd()
    code = capture_repository(folder)
    top = code.pop("top", None)
    if script:
        inside = top is not None and script.is_relative_to(top)
        code["entry_point"] = clean_text(str(script.relative_to(top)) if inside else script.name, _LABEL_LIMIT)
    code["command"] = command_line()
    return code


def find_script() -> Path | None:
    """The file that was started, or None in a notebook or an interactive session."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(main).resolve() if isinstance(main, str) and Path(main).exists() else None


def command_line() -> str:
    """The command as a shell would read it, secrets masked, the interpreter without its folder."""
    program, *arguments = sys.orig_argv or ["python", *sys.argv]
    return clean_text(shlex.join([Path(program).name, *mask_arguments(arguments)]), _TEXT_LIMIT)


def capture_repository(folder: Path) -> dict[str, Any]:
    """Commit, branch, dirty flag and remote of the git work tree around a folder; empty when there is none.

    `dirty` says that files git tracks were changed. Files it does not track do not count: trainings write many.
    `top` is the work tree's folder.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {}
    found: dict[str, Any] = {"commit": commit}
    if top := _git(folder, "rev-parse", "--show-toplevel"):
        found["top"] = Path(top).resolve()
    if branch := _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD"):
        found["branch"] = clean_text(branch, _LABEL_LIMIT)
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none")
    if changes is not None:
        found["dirty"] = bool(changes)
    if remote := _remote(folder, branch):
        found["repository"] = clean_text(strip_credentials(remote), _URL_LIMIT)
    return found


def _remote(folder: Path, branch: str | None) -> str | None:
    """The URL of the remote that the branch follows, else of `origin`, else of the only one there is."""
    names = (_git(folder, "remote") or "").split()
    followed = _git(folder, "config", "--get", f"branch.{branch}.remote") if branch else None
    for name in (followed, "origin", *names[:1]):
        if name in names and (url := _git(folder, "config", "--get", f"remote.{name}.url")):
            return url
    return None


def _git(folder: Path, *arguments: str) -> str | None:
    # A variable such as GIT_DIR, set by a hook that started this program, would point to another repository.
    env = {name: value for name, value in os.environ.items() if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}}
    env |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    # A file system monitor is a program of the repository's choosing; nothing here needs it.
    command = ("git", "-c", "core.fsmonitor=false", *arguments)
    output = ask(command, seconds=_GIT_SECONDS, folder=folder, env=env)
    return None if output is None else output.strip()
