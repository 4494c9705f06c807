"""The entry point `studbook`: the options before the command, and the commands.

A command's module is imported when the command is given, so that `studbook --help` needs neither the SDK nor Rich.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
import typer.main
from typer.core import TyperGroup

from studbook.cli.exits import MEANINGS
from studbook.cli.options import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


class Entry(NamedTuple):
    """A command: its module, and the first line of its help."""

    module: str
    summary: str


COMMANDS: Final[dict[str, dict[str, Entry]]] = {
    "Begin": {
        "demo": Entry("demo", "Train real models, record them, and look at their lineage."),
        "serve": Entry("serve", "Run the registry's server."),
        "doctor": Entry("doctor", "Say what is wrong with a set-up, and how to mend it."),
    },
    "Record": {
        "ingest": Entry("ingest", "Record ingestion documents from files."),
        "sync": Entry("sync", "Deliver what waits on this machine because the registry could not be reached."),
        "alias": Entry("aliases", "Name a version with a movable alias."),
        "tag": Entry("tagging", "Tag models and versions."),
        "archive": Entry("archive", "Archive a model or a version: it stays readable but is no longer found or deployed."),
        "restore": Entry("restore", "Bring an archived model or version back."),
        "deploy": Entry("deploying", "Record that a version is served on a target; what was served there before has ended."),
    },
    "Describe": {
        "schema": Entry("schemas", "Say what versions must hold, and where it is kept."),
    },
    "Govern": {
        "policy": Entry("governing.policies", "Say what must hold before something is done, and ask."),
        "change": Entry("governing.changes", "Ask for approvals of an action, decide about them, and carry it out."),
        "attest": Entry("governing.attesting", "State something about a version, such as that its bias review was done."),
        "waiver": Entry("governing.waivers", "Let a rule not be held against something for a while."),
        "finding": Entry("governing.findings", "Write down what was found about a version, and how it was resolved."),
        "recall": Entry("governing.recalls", "Recall a version and what came of it."),
        "review": Entry("governing.reviews", "Let models and versions be reviewed again and again."),
    },
    "Look": {
        "dataset": Entry("datasets", "Profile data, and say how it drifted and which rows two versions share."),
        "show": Entry("show", "Show a model, version, run, dataset or deployment."),
        "list": Entry("listing", "List records of one kind."),
        "search": Entry("search", "Find model versions by words and by a filter."),
        "export": Entry("export", "Write all that a search finds into a file."),
        "lineage": Entry("lineage", "Draw the lineage of a record as a tree."),
        "graph": Entry("tracing", "Ask the lineage: why, by which way, what would be reached; declare and withdraw edges."),
        "diff": Entry("diff", "Compare two model versions."),
        "reproduce": Entry("reproduce", "Say what it takes to make a version again, and whether a re-run did."),
        "resolve": Entry("resolve", "Say which records carry an identifier, or each of several."),
        "whatis": Entry("whatis", "Say which model versions and dataset versions files on this machine are."),
        "watch": Entry("watch", "Print a version each time that it changes, and run a command for it."),
    },
    "Prove": {
        "model": Entry("signing", "Digest a model's folder, sign it, verify its signature, and attach that to a version."),
        "audit": Entry("auditing", "Verify the audit log, read it, take evidence out of it, look after it."),
    },
    "Run a registry": {
        "token": Entry("tokens", "Make, list and revoke API tokens."),
        "namespace": Entry("namespaces", "Make a namespace: a tenant with a log of its own."),
        "db": Entry("database", "Look after the registry's database."),
        "witness": Entry("witness", "Run a witness that cosigns the checkpoints of other registries' logs."),
        "version": Entry("version", "Say which Studbook this is."),
    },
}

# These may stand after the command, too: that is where people write them.
_ANYWHERE: Final = ("--url", "--token", "--namespace")


class LazyCommands(MutableMapping[str, Any]):
    """The commands by name; each is imported when it is looked up."""

    def __init__(self) -> None:
        self._entries = {name: entry for section in COMMANDS.values() for name, entry in section.items()}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a Click command, whose type Typer keeps to itself
        module = importlib.import_module(f"studbook.cli.{self._entries[name].module}")
        command = typer.main.get_command(module.app)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - as above
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        raise NotImplementedError


class StudbookGroup(TyperGroup):
    """The root: commands in sections, options that may stand anywhere, and errors told in one place."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - whatever Typer hands over
        super().__init__(**attributes)
        self.commands = LazyCommands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - Click's context
        """The names of the commands."""
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
        """Move the options that may stand anywhere to the front."""
        return super().parse_args(ctx, hoisted(args))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """List the commands by section, without importing them."""
        width = max(len(name) for name in self.commands)
        for section, entries in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), entry.summary) for name, entry in entries.items()])

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """Run the command; what goes wrong is printed and becomes an exit code."""
        from studbook.cli.faults import reported

        with reported():
            return super().invoke(ctx)


def hoisted(args: list[str]) -> list[str]:
    """The arguments with `--url`, `--token` and `--namespace` (and their values) before all others."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for argument in waiting:
        if argument == "--":
            rest.append(argument)
            break
        if argument in _ANYWHERE:
            front += [argument, *(value for value in [next(waiting, None)] if value is not None)]
        elif argument.partition("=")[0] in _ANYWHERE:
            front.append(argument)
        else:
            rest.append(argument)
    return [*front, *rest, *waiting]


_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())
_EPILOG = f"--url, --token and --namespace may stand anywhere.\n\n{_EXIT_CODES}"

_HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(cls=StudbookGroup, rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)

_Url = Annotated[
    str | None,
    typer.Option(envvar="STUDBOOK_URL", help="The registry's address, or a database file.", show_default="http://127.0.0.1:8765"),
]
_Token = Annotated[
    str | None, typer.Option(envvar="STUDBOOK_TOKEN", help="An API token (sbk_…); the environment keeps it out of sight.")
]
_Namespace = Annotated[str, typer.Option(envvar="STUDBOOK_NAMESPACE", help="The tenant whose records are meant.")]


@app.callback(epilog=_EPILOG)
def studbook(context: typer.Context, url: _Url = None, token: _Token = None, namespace: _Namespace = "default") -> None:
    """Studbook: what every model version is, where it came from, and who answers for it."""
    context.obj = Session(url, token, namespace)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A record may hold characters that the terminal has no way to show; that is no reason to fail.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="studbook")
