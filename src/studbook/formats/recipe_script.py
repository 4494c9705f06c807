"""A recipe as a POSIX shell script (IEEE Std 1003.1, Shell Command Language).

What a recipe says was written by whoever recorded it, so nothing of it is ever read by the shell: every value stands quoted, none
in a comment, and the command is passed word by word. What would be an option or a transport of its own to git or pip is left out.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_MINOR_VERSION: Final = re.compile(r"(\d{1,2}\.\d{1,3})(\..*)?", re.DOTALL)
# The names of PEP 508 and the characters of PEP 440: a line of requirements may hold options, too.
_PACKAGE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PACKAGE_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
# What a terminal obeys instead of showing.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_HEAD: Final = """\
#!/bin/sh
# Makes a model version again. Without an argument this fetches code and packages and checks the inputs;
# with the argument run it starts the recorded command after that. Read the command before: others recorded it.
# WORK is the folder that is made (./reproduction), PYTHON the interpreter that packages are installed for.
set -eu

say() { printf '%s\\n' "$*"; }
fail() { printf '%s\\n' "$*" >&2; exit 1; }
digest_of() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}
# Arguments: name, digest, where it lies, the same as a path of this machine.
check_input() {
  if [ -z "$2" ]; then
    say "No digest of $1 was recorded, so it cannot be checked. It was at: ${3:-an unknown place}"
  elif [ -n "$4" ] && [ -f "$4" ]; then
    [ "sha256:$(digest_of "$4")" = "$2" ] || fail "$4 is no longer $1: its digest is not $2"
    say "Checked $1"
  else
    say "Bring $1 and compare its digest, $2. It was at: ${3:-an unknown place}"
  fi
}

work=${WORK:-reproduction}
mkdir -p -- "$work"
work=$(CDPATH='' cd -- "$work" && pwd)
code=$work/code
"""


def write_script(recipe: Mapping[str, Any]) -> str:
    """The script of a recipe, as the API answers with it."""
    return _HEAD + "\n".join(_lines(recipe)) + "\n"


def _lines(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield _say(f"Recipe of {recipe['version']}")
    completeness = recipe["completeness"]
    if completeness["missing"]:
        yield _say(f"Not recorded: {', '.join(completeness['missing'])}")
    yield from _fetch_code(recipe["code"])
    yield from _install(recipe["environment"])
    yield ""
    yield f"printf '%s\\n' {_quoted(json.dumps(recipe['parameters'], sort_keys=True))} >\"$work/parameters.json\""
    yield from (_say(f"Seed {name}: {value}") for name, value in recipe["seeds"].items())
    yield from (_check_input(entry) for entry in recipe["inputs"])
    yield from (_say(f"Made from {entry['name']} ({entry['relation']})") for entry in recipe["parents"])
    yield from _run(recipe["code"])


def _fetch_code(code: Mapping[str, Any]) -> Iterator[str]:
    repository, commit = code["repository"], code["commit"]
    yield ""
    if repository:
        # Only transports that fetch: ext:: would run a command.
        yield "export GIT_ALLOW_PROTOCOL=https:http:ssh:git:file"
        yield f'[ -d "$code" ] || git clone --no-checkout -- {_quoted(repository)} "$code"'
    else:
        yield _say("No repository was recorded: put the code into the folder code yourself.")
        yield 'mkdir -p -- "$code"'
    if commit and _COMMIT.fullmatch(commit):
        yield f'[ ! -e "$code/.git" ] || git -C "$code" checkout --quiet --detach {_quoted(commit)}'
    else:
        yield _say("No commit was recorded: what is checked out now may be other code.")
        yield '[ ! -e "$code/.git" ] || git -C "$code" checkout --quiet'
    if code["dirty"]:
        yield _say("The run had changes that were not committed; they are not recorded.")


def _install(environment: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    if environment["container"]:
        yield _say(f"It ran in the container {_one_line(environment['container'])}")
    packages, strange = _requirements(environment["packages"])
    if strange:
        yield _say(f"Not installed, as these are no names and versions of packages: {', '.join(strange)}")
    if not packages:
        yield _say("No packages were recorded: install what the code needs yourself.")
        return
    minor = _MINOR_VERSION.fullmatch(str(environment["python"]))
    yield f"python=${{PYTHON:-python{minor[1] if minor else '3'}}}"
    yield 'command -v "$python" >/dev/null 2>&1 || python=python3'
    yield f"printf '%s\\n' {' '.join(map(_quoted, packages))} >\"$work/requirements.txt\""
    yield 'if [ ! -d "$work/venv" ]; then'
    yield '  "$python" -m venv "$work/venv"'
    yield '  "$work/venv/bin/python" -m pip install --no-deps --requirement "$work/requirements.txt"'
    yield "fi"
    yield 'export PATH="$work/venv/bin:$PATH"'


def _requirements(packages: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - whatever a document calls packages
    """The lines of requirements, and the names of what would be something else in such a line."""
    if not isinstance(packages, dict):
        return [], []
    lines, strange = [], []
    for name, version in packages.items():
        if _PACKAGE.fullmatch(name) and isinstance(version, str) and _PACKAGE_VERSION.fullmatch(version):
            lines.append(f"{name}=={version}")
        else:
            strange.append(name)
    return lines, strange


def _check_input(entry: Mapping[str, Any]) -> str:
    uri = entry["uri"] or ""
    words = [_one_line(entry["name"]), _one_line(entry["digest"] or ""), _one_line(uri), _local_path(uri)]
    return f"check_input {' '.join(map(_quoted, words))}"


def _local_path(uri: str) -> str:
    """The path of a file: URI of this machine, or nothing (RFC 8089)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return unquote(parts.path) if parts.scheme == "file" and parts.netloc in {"", "localhost"} else ""


def _run(code: Mapping[str, Any]) -> Iterator[str]:
    words = _command(code)
    yield ""
    if not words:
        yield "if [ \"${1:-}\" = run ]; then fail 'No command was recorded that could be started.'; fi"
        return
    yield 'if [ "${1:-}" != run ]; then'
    yield f"  {_say(f'Prepared. The command is: {shlex.join(words)}')}"
    yield '  say "To start it: sh $0 run"'
    yield "  exit 0"
    yield "fi"
    yield 'cd -- "$code"'
    # Through env, which knows programs only: a shell would take eval for its own.
    yield f"exec env -- {' '.join(map(_quoted, words))}"


def _command(code: Mapping[str, Any]) -> Sequence[str]:
    """The words of the command; pipes, variables and the like in it are words as any other."""
    if code["command"]:
        try:
            words = shlex.split(code["command"])
        except ValueError:
            return []
        # To env, words with = before the program are variables; with nothing after them it prints them all.
        program = next((word for word in words if "=" not in word or word.startswith("-")), "-")
        return [] if program.startswith("-") else words
    entry = code["entry_point"]
    return ["python", f"./{entry}" if entry.startswith("-") else entry] if entry else []


def _say(text: str) -> str:
    return f"say {_quoted(_one_line(text))}"


def _one_line(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return _CONTROLS.sub("\ufffd", value if isinstance(value, str) else json.dumps(value))


def _quoted(text: str) -> str:
    # No argument of a program can hold the character 0.
    return shlex.quote(text.replace("\0", ""))
