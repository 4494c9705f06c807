"""`studbook version`."""

from __future__ import annotations

import importlib.metadata
import platform

from studbook.cli import screen
from studbook.cli.options import AsJson, new_app

app = new_app()


@app.command()
def version(*, as_json: AsJson = False) -> None:
    """Say which Studbook this is."""
    studbook = importlib.metadata.version("studbook")
    if as_json:
        screen.write_json({"studbook": studbook, "python": platform.python_version()})
        return
    screen.output().print(f"Studbook {studbook} (Python {platform.python_version()})")
