"""Paths that files name: whether they stay in the folder, and whether they are a person's own."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def is_inside(name: str) -> bool:
    """Whether a relative path stays in its folder, by the rules of any system: neither `../x` nor `C:x` does."""
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and "\0" not in name and not path.is_absolute() and ".." not in path.parts and not _DRIVE.match(name)
