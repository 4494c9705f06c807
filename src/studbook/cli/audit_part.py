"""The way to the code that verifies and cosigns, for the commands that need it; its packages come with `studbook[audit]`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from studbook.cli.faults import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def verifying_part() -> Iterator[None]:
    """Imports of what verifies stand in this block.

    Raises CommandError in one sentence when `studbook[audit]` is not installed.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "studbook").startswith("studbook"):
            raise
        message = f'this needs two packages more ({error.name} is missing): pip install "studbook[audit]"'
        raise CommandError(message) from error
