"""`studbook demo`."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studbook.cli import screen
from studbook.cli.checks.machine import missing_packages
from studbook.cli.demo_summary import Summary
from studbook.cli.faults import CommandError
from studbook.cli.options import new_app
from studbook.cli.text import number, short_name
from studbook.client.connecting import connect
from studbook.client.errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.client.registry import Registry
    from studbook.demo.course import Step
    from studbook.demo.home import Home
    from studbook.demo.server import DemoServer

app = new_app()

_PORT: Final = 8765

_Exit = Annotated[bool, typer.Option("--exit", help="Stop the server at the end instead of leaving it running.")]
_Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="The server's port; another is taken if it is in use.")]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Throw away what an earlier demo made, and start over.")]


@app.command()
def demo(*, exit_at_end: _Exit = False, port: _Port = _PORT, fresh: _Fresh = False) -> None:
    """Train real models, record them, and look at their lineage.

    Starts a real server on a database file of its own, trains ten versions of five models with scikit-learn, records
    each over HTTP as any training job would, and leaves the server running until Ctrl-C. All its files lie in
    STUDBOOK_HOME. Given again, it shows what is there already; --fresh starts over.
    """
    _check_installation()
    from studbook.demo.home import BusyError, Home
    from studbook.demo.server import ServerError

    home = Home.of_environment()
    try:
        with _stopped_in_good_order(), home.occupied():
            if fresh:
                home.clear()
            _run(home, port, exit_at_end=exit_at_end)
    except BusyError:
        advice = f"`source {_shown(home.environment)}` tells a shell how to reach it."
        raise CommandError("The demo runs already, in another terminal.", advice=advice) from None
    except ServerError as error:
        raise CommandError(str(error)) from error


def _check_installation() -> None:
    missing = missing_packages("server")
    if importlib.util.find_spec("sklearn") is None:
        missing.append("scikit-learn")
    if missing:
        message = f'the demo needs packages that are not installed ({", ".join(missing)}): pip install "studbook[server,demo]"'
        raise CommandError(message)


def _run(home: Home, port: int, *, exit_at_end: bool) -> None:
    from studbook.demo.server import DemoServer, free_port

    console = screen.output()
    token = home.token()
    chosen = free_port(port)
    console.print(screen.line(("Studbook demo", screen.HEADING), (f"   files in {_shown(home.root)}", screen.QUIET)))
    with DemoServer(home.folder, chosen, token) as server:
        with console.status(screen.styled("starting the server, loading scikit-learn")):
            if not home.database.exists():
                # The server starts meanwhile.
                importlib.import_module("studbook.demo.lessons")
            server.wait_until_ready()
        token = _valid_token(home, server, token)
        home.write_environment(server.url, token)
        moved = f"   ({port} is in use)" if chosen != port else ""
        console.print(screen.line(("✓ ", screen.GOOD), f"A server answers at {server.url}", (moved, screen.CAUTION)))
        # A spool and strictness of its own: nothing else that waits on this machine is meant for the demo.
        with connect(server.url, token, spool=home.folder / "spool", strict=True) as registry:
            _teach(registry, home)
            Summary(registry, server.url, token, _command(), _shown(home.environment)).print()
        if not exit_at_end:
            _leave_running(server)


def _valid_token(home: Home, server: DemoServer, token: str) -> str:
    """The token, or a new one made on the database itself, if the one kept from an earlier demo was lost."""
    with connect(server.url, token) as registry:
        try:
            next(registry.models(page_size=1), None)
        except AuthenticationError:
            with connect(home.database) as embedded:
                return embedded.create_token("demo", "admin").token or ""
    return token


def _teach(registry: Registry, home: Home) -> None:
    from studbook.demo.champions import is_complete, name_champions

    console = screen.output()
    if is_complete(registry):
        console.print(screen.line(("✓ ", screen.GOOD), "Everything was trained and recorded before; --fresh starts over."))
    else:
        from studbook.demo.course import run_course

        with console.status(screen.styled("writing the data")) as status:
            run_course(registry, home.folder, lambda words: status.update(screen.styled(words)), _show_step)
    name_champions(registry)


def _show_step(step: Step) -> None:
    from studbook.demo.catalogue import GOALS, find_result

    goal = GOALS[step.lesson.model]
    result = find_result(step.version, goal)
    value = f"{goal.metric} {number(result.value)}" if result else ""
    took = f"{step.seconds:4.1f} s" if step.seconds is not None else "before"
    name = short_name(step.version.name)
    words = f"{name:<24}", f"{step.lesson.description:<46}", f"{value:<18}", took
    screen.output().print(screen.line(("✓ ", screen.GOOD), (words[0], screen.NAME), words[1], words[2], (words[3], screen.QUIET)))


def _leave_running(server: DemoServer) -> None:
    console = screen.output()
    console.print(screen.styled("\nThe server runs until Ctrl-C.", screen.HEADING))
    try:
        server.wait()
    except KeyboardInterrupt:
        console.print("\nStopping the server.")


@contextmanager
def _stopped_in_good_order() -> Iterator[None]:
    """Let a closed terminal or a `kill` end the demo as Ctrl-C does, so that the server never stays behind."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _command() -> str:
    """How this command line is called from here."""
    script = Path(sys.argv[0])
    if shutil.which("studbook") or not script.is_file():
        return "studbook"
    return shlex.quote(_shown(script))


def _shown(path: Path) -> str:
    """The path as it is shortest to write from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
