"""Exit codes, so that a script can tell what happened without reading text."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTHENTICATION = 4
    UNREACHABLE = 5
    PARTIAL = 6


MEANINGS: Final[dict[Exit, str]] = {
    Exit.OK: "done",
    Exit.REFUSED: "refused, or a negative answer",
    Exit.USAGE: "the command was written wrongly",
    Exit.NOT_FOUND: "no record of that name, identifier or file",
    Exit.AUTHENTICATION: "no valid token, or one without the right",
    Exit.UNREACHABLE: "the registry does not answer",
    Exit.PARTIAL: "some of several documents were refused",
}
