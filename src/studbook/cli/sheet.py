"""One record on a page: a title, facts, and sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from studbook.cli import screen
from studbook.cli.text import moment, safe

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType


class Sheet:
    """Collects what is to be said of a record, leaving out what is empty, and prints it."""

    def __init__(self, title: str, *marks: str, description: str | None = None) -> None:
        self._head = screen.line((title, screen.NAME), *((f"  {mark}", screen.GOOD) for mark in marks))
        self._description = description
        self._facts = screen.grid()
        self._sections: list[tuple[str, RenderableType]] = []

    def fact(self, label: str, value: object) -> None:
        """Add a fact, unless it is empty."""
        if value not in (None, "", (), [], {}):
            self._facts.add_row(screen.styled(label, screen.QUIET), screen.styled(value))

    def time(self, label: str, time: datetime | None, by: str | None = None) -> None:
        """Add a time, and who did it."""
        if time is not None:
            self.fact(label, f"{moment(time)}{f' by {by}' if by else ''}")

    def section(self, title: str, content: RenderableType | None) -> None:
        """Add a section, unless it is empty."""
        if content is not None and not (isinstance(content, Table) and not content.row_count):
            self._sections.append((title, content))

    def print(self) -> None:
        """Print all of it on standard output."""
        console = screen.output()
        console.print(self._head)
        if self._description:
            console.print(safe(self._description).strip())
        if self._facts.row_count:
            console.print()
            console.print(screen.indented(self._facts))
        for title, content in self._sections:
            console.print()
            console.print(screen.styled(title, screen.HEADING))
            console.print(screen.indented(content))
