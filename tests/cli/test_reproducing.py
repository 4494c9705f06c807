"""`studbook reproduce`: the recipe as text, JSON and script, and the verification of a re-run."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import studbook
from studbook.formats.recipe_script import write_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command

COMMIT = "c0ffee" * 6 + "abcd"
# Notes how it was called; as Python, it makes the virtual environment's Python, too.
STUB = """#!{python}
import json, os, shutil, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
if sys.argv[1:3] == ["-m", "venv"]:
    os.makedirs(sys.argv[3] + "/bin")
    shutil.copy(sys.argv[0], sys.argv[3] + "/bin/python")
elif sys.argv[1:2] == ["clone"]:
    os.makedirs(sys.argv[-1] + "/.git")
"""


def document(folder: Path, metric: float = 0.9) -> dict[str, Any]:
    data = folder / "rows.csv"
    data.write_text("a,b\n1,2\n")
    digest = f"sha256:{hashlib.sha256(data.read_bytes()).hexdigest()}"
    return {
        "model": {"name": "churn"},
        "version": {
            "parameters": {"lr": 0.1},
            "metrics": [{"name": "auc", "value": metric}],
            "artifacts": [{"uri": "s3://models/churn", "digest": f"sha256:{'1' * 64}"}],
        },
        "run": {
            "seed": 7,
            "code": {"repository": "https://git.example/train", "commit": COMMIT, "dirty": False, "command": "python train.py"},
            "environment": {"python": "3.12.1", "packages": {"numpy": "2.1.0"}, "hardware": {"cpu_count": 8}},
        },
        "datasets": [{"name": "rows", "digest": digest, "uri": data.as_uri()}],
    }


@pytest.fixture
def folder(folder: Path) -> Path:
    """A folder with a registry that holds a version and two re-runs, one of which measured something else."""
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        for metric in (0.9, 0.9, 0.91):
            registry.ingest(document(folder, metric))
    return folder


def test_the_text_tells_what_was_recorded_and_what_is_missing(command: Command, folder: Path) -> None:
    done = command("reproduce", "churn/1")
    assert done.exit_code == 0, done.stderr
    for line in ("Recipe of churn/1", f"  commit: {COMMIT}", "  run: 7", "  packages: 1 package", "  ✗ container (2)"):
        assert line in done.stdout.splitlines()
    assert "next time: give run.environment.container" in done.stdout
    assert command("reproduce", "churn/1", "--output", "recipe.txt").stdout == ""
    assert (folder / "recipe.txt").read_text() == done.stdout
    assert command("reproduce", "churn/9").exit_code == 3


def test_json_is_the_answer_of_the_registry(command: Command, folder: Path) -> None:
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        recipe = registry.recipe("churn/latest")
    assert json.loads(command("reproduce", "churn/3", "--json").stdout) == recipe.raw
    assert (recipe.completeness.missing, recipe.inputs[0].role) == (("container",), "training")


def test_a_verification_ends_with_its_answer(command: Command, folder: Path) -> None:
    same = command("reproduce", "churn/1", "--verify", "churn/2")
    assert (same.exit_code, same.stdout.splitlines()[0]) == (0, "churn/2 reproduces churn/1")
    assert "  artifacts: identical" in same.stdout.splitlines()
    apart = command("reproduce", "churn/1", "--verify", "churn/3")
    assert (apart.exit_code, apart.stdout.splitlines()[0]) == (1, "churn/3 does not reproduce churn/1")
    assert "✗ auc: 0.9 → 0.91 (tolerance 0)" in apart.stdout
    for tolerance, code in ((["0.01"], 0), (["0.01", "auc=0.005"], 1), (["auc=0.01"], 0)):
        options = [word for text in tolerance for word in ("--tolerance", text)]
        answer = command("reproduce", "churn/1", "--verify", "3", "--json", *options)
        assert (answer.exit_code, json.loads(answer.stdout)["reproduced"]) == (code, code == 0)


@pytest.mark.parametrize(
    "words",
    [
        ("--script", "--json"),
        ("--script", "--verify", "2"),
        ("--tolerance", "0.1"),
        ("--verify", "2", "--tolerance", "much"),
        ("--verify", "2", "--tolerance", "-1"),
        ("--verify", "2", "--tolerance", "auc=inf"),
    ],
)
def test_options_that_say_nothing_are_refused(command: Command, folder: Path, words: tuple[str, ...]) -> None:
    assert command("reproduce", "churn/1", *words).exit_code == 2


def test_an_answer_keeps_to_its_lines(command: Command, folder: Path) -> None:
    made = document(folder)
    made["version"]["parameters"] = {"x\nCode": "y\n  commit: 0000000\x1b[2J"}
    with studbook.connect(folder / "registry.db", spool=folder / "spool") as registry:
        registry.ingest(made)
    done = command("reproduce", "churn/4").stdout
    assert done.splitlines().count("Code") == 1
    assert "\x1b" not in done


class Stage:
    """A folder in which a script runs with stubs for git and Python, and nothing else but what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.programs = folder / "programs"
        self.programs.mkdir()
        for name in ("mkdir", "cut", "sha256sum", "env"):
            (self.programs / name).symlink_to(shutil.which(name) or name)
        for name in ("git", "python3", "python3.12", "train"):
            (self.programs / name).write_text(STUB.format(python=sys.executable, log=str(self.log)))
            (self.programs / name).chmod(0o755)

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Check the script's syntax and run it."""
        (self.folder / "recipe.sh").write_text(script)
        shell = shutil.which("sh") or "sh"
        subprocess.run([shell, "-n", "recipe.sh"], cwd=self.folder, check=True, timeout=20)
        environment = {"PATH": str(self.programs), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        command = [shell, "recipe.sh", *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=20, check=False)

    def calls(self) -> list[list[str]]:
        """What was called, with the stage's folder as `@`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [[word.replace(str(self.folder), "@") for word in json.loads(line)] for line in lines]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "stage").mkdir()
    return Stage(tmp_path / "stage")


FETCHING = [
    ["git", "clone", "--no-checkout", "--", "https://git.example/train", "@/reproduction/code"],
    ["git", "-C", "@/reproduction/code", "checkout", "--quiet", "--detach", COMMIT],
    ["python3.12", "-m", "venv", "@/reproduction/venv"],
    ["python", "-m", "pip", "install", "--no-deps", "--requirement", "@/reproduction/requirements.txt"],
]


def test_the_script_fetches_and_checks_and_runs_only_when_told(command: Command, folder: Path, stage: Stage) -> None:
    assert command("reproduce", "churn/1", "--script", "--output", "made.sh").exit_code == 0
    script = (folder / "made.sh").read_text()
    assert script == command("reproduce", "churn/1", "--script").stdout
    done = stage.run(script)
    assert done.returncode == 0, done.stderr
    assert stage.calls() == FETCHING
    assert "Checked datasets/rows/versions/1" in done.stdout
    assert "The command is: python train.py" in done.stdout
    assert json.loads((stage.folder / "reproduction/parameters.json").read_text()) == {"lr": 0.1}
    assert (stage.folder / "reproduction/requirements.txt").read_text() == "numpy==2.1.0\n"
    assert stage.run(script, "run").returncode == 0
    # What is there already is not fetched twice.
    assert stage.calls()[len(FETCHING) :] == [FETCHING[1], ["python", "train.py"]]


def test_an_input_that_changed_stops_the_script(command: Command, folder: Path, stage: Stage) -> None:
    script = command("reproduce", "churn/1", "--script").stdout
    (folder / "rows.csv").write_text("a,b\n1,3\n")
    done = stage.run(script, "run")
    assert done.returncode == 1
    assert "is no longer datasets/rows/versions/1" in done.stderr
    assert ["python", "train.py"] not in stage.calls()


@pytest.fixture
def recipe(command: Command, folder: Path) -> dict[str, Any]:
    return json.loads(command("reproduce", "churn/1", "--json").stdout)  # type: ignore[no-any-return]


HOSTILE = (
    "'; touch pwned; '",
    "$(touch pwned)",
    "`touch pwned`",
    '"; touch pwned; "',
    "\ntouch pwned\n",
    "x\r\ntouch pwned #",
    "a' && touch pwned && echo '",
    "\\'; touch pwned #",
    "> pwned",
    "*",
    "~",
    "é\u2028touch pwned",
)


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_value_is_read_by_the_shell(recipe: dict[str, Any], stage: Stage, evil: str) -> None:
    (stage.programs / "touch").symlink_to(shutil.which("touch") or "touch")
    hostile = copy.deepcopy(recipe)
    for part, names in {"code": ("repository", "branch", "entry_point"), "environment": ("container", "os")}.items():
        hostile[part] |= dict.fromkeys(names, evil)
    hostile["code"] |= {"command": None, "dirty": True}
    hostile["environment"]["packages"] |= {evil: "1.0", "fine": evil}
    hostile |= {"version": evil, "parameters": {evil: evil}, "seeds": {evil: evil}}
    hostile["inputs"] = [{"name": evil, "role": evil, "digest": evil, "uri": f"file:///nowhere/{evil}", "rows": None}]
    hostile["parents"] = [{"name": evil, "relation": evil, "recorded": False, "artifacts": [], "artifact_count": 0}]
    hostile["completeness"] = {**hostile["completeness"], "missing": [evil]}
    done = stage.run(write_script(hostile), "run")
    assert done.returncode == 0, done.stderr
    expected = [[word.replace("https://git.example/train", evil) for word in call] for call in FETCHING]
    assert stage.calls() == [*expected, ["python", evil]]
    assert not list(stage.folder.rglob("*pwned*"))
    assert json.loads((stage.folder / "reproduction/parameters.json").read_text()) == {evil: evil}
    assert (stage.folder / "reproduction/requirements.txt").read_text() == "numpy==2.1.0\n"


@pytest.mark.parametrize(
    ("recorded", "called"),
    [
        ("train --name 'two words' '$HOME'", ["train", "--name", "two words", "$HOME"]),
        ("train; touch pwned", ["train;"]),
        ("train && touch pwned", ["train", "&&", "touch", "pwned"]),
        ("train $(touch pwned) > pwned", ["train", "$(touch", "pwned)", ">", "pwned"]),
        ("SEED=1 train", ["train"]),
        ("eval 'touch pwned'", None),
        (". pwned", None),
        ("--split-string='touch pwned'", None),
        ("train 'unclosed", None),
        ("", None),
    ],
)
def test_the_command_is_one_program_with_its_words(
    recipe: dict[str, Any], stage: Stage, recorded: str, called: list[str] | None
) -> None:
    (stage.programs / "touch").symlink_to(shutil.which("touch") or "touch")
    recipe["code"] |= {"command": recorded, "entry_point": None}
    done = stage.run(write_script(recipe), "run")
    assert not list(stage.folder.rglob("pwned"))
    later = stage.calls()[len(FETCHING) :]
    if called is None or called == ["train;"]:
        assert (done.returncode != 0, later) == (True, [])
    else:
        assert (done.returncode, later) == (0, [called])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("repository", "--upload-pack=touch pwned"),
        ("repository", "ext::sh -c touch% pwned"),
        ("commit", "--orphan"),
        ("commit", f"{COMMIT}\n--force"),
    ],
)
def test_no_value_is_an_option_of_git(recipe: dict[str, Any], stage: Stage, place: str, value: str) -> None:
    recipe["code"][place] = value
    script = write_script(recipe)
    assert stage.run(script).returncode == 0
    clone, checkout = stage.calls()[:2]
    assert clone[-3:-1] == ["--", recipe["code"]["repository"]]
    assert checkout[3:] == ["checkout", "--quiet", *(["--detach", COMMIT] if place == "repository" else [])]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_itself_refuses_a_transport_that_is_a_command(recipe: dict[str, Any], stage: Stage) -> None:
    (stage.programs / "git").unlink()
    (stage.programs / "git").symlink_to(shutil.which("git") or "git")
    (stage.programs / "touch").symlink_to(shutil.which("touch") or "touch")
    # Whoever allows it to git in general has not allowed it here.
    (stage.folder / ".gitconfig").write_text('[protocol "ext"]\n\tallow = always\n')
    recipe["code"]["repository"] = f"ext::touch {stage.folder}{os.sep}pwned"
    done = stage.run(write_script(recipe))
    assert done.returncode != 0
    assert "not allowed" in done.stderr
    assert not (stage.folder / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "version"),
    [("--pre", "x"), ("numpy", "1 --pre"), ("numpy", "1\n--pre"), ("-r", "x"), ("a @ file:///x", "1"), ("numpy", 1)],
)
def test_no_package_is_an_option_of_pip(recipe: dict[str, Any], stage: Stage, name: str, version: Any) -> None:
    recipe["environment"]["packages"] = {"fine": "1.0+cu121", name: version}
    done = stage.run(write_script(recipe))
    assert (stage.folder / "reproduction/requirements.txt").read_text() == "fine==1.0+cu121\n"
    assert "Not installed" in done.stdout


def test_a_script_says_what_was_not_recorded(recipe: dict[str, Any], stage: Stage) -> None:
    recipe["code"] = dict.fromkeys(recipe["code"])
    recipe["environment"] = dict.fromkeys(recipe["environment"])
    recipe["inputs"][0] |= {"digest": None, "uri": None}
    done = stage.run(write_script(recipe))
    assert (done.returncode, stage.calls()) == (0, [])
    for words in ("No repository was recorded", "No commit was recorded", "No packages were recorded", "cannot be checked"):
        assert words in done.stdout
    assert stage.run(write_script(recipe), "run").returncode == 1
