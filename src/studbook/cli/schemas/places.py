"""How definitions and their versions are named on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError

_PLACE: Final = re.compile(r"(?:schemas/)?([^/]+)(?:/(?:versions/)?([0-9]+|latest))?")
_VERSION_NAME: Final = re.compile(r"schemas/([^/]+)/versions/(\d+)")
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})

SchemaName = Annotated[str, typer.Argument(metavar="NAME", help="The name of a schema definition.")]
SchemaPlace = Annotated[
    str, typer.Argument(metavar="NAME[/VERSION]", help="A schema definition, and the number of a version; the newest without.")
]


class Place(NamedTuple):
    """A definition, and the version that was named, if one was."""

    name: str
    version: str | None

    @property
    def newest(self) -> str:
        """The version that was named, or the newest."""
        return self.version or "latest"


def read_place(text: str) -> Place:
    """The definition and version that a text names.

    Raises CommandError.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        message = f"{text!r} names no schema definition; write NAME or NAME/VERSION, such as tabular/2"
        raise CommandError(message, Exit.USAGE)
    return Place(match[1], match[2])


def is_file(text: str) -> bool:
    """Whether a text means a file rather than a definition."""
    return text == "-" or Path(text).suffix.lower() in _SUFFIXES or Path(text).is_file()


def short_place(name: str) -> str:
    """`tabular/2` for a version of a definition."""
    match = _VERSION_NAME.fullmatch(name)
    return f"{match[1]}/{match[2]}" if match else name
