"""Tells the person who runs a training what happened to its record; never raises, whatever becomes of stderr."""

from __future__ import annotations

import contextlib
import sys
import warnings

from studbook.client.errors import StudbookWarning


def warn(message: str) -> None:
    """Warn once a place and message, by Python's own rules for warnings."""
    # With `-W error` a warning is an exception, and a training must not end over its record.
    with contextlib.suppress(StudbookWarning):
        warnings.warn(message, StudbookWarning, stacklevel=_depth_of_caller())


def warn_loudly(message: str) -> None:
    """Warn, and print the whole message to stderr, where it is seen even if warnings are off."""
    warn(message.partition("\n")[0])
    # Without a stderr (a service, a closed terminal) the warning is all there is.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"studbook: {message}", file=sys.stderr, flush=True)  # noqa: T201 - the one place that speaks to a person


def _depth_of_caller() -> int:
    """How far up the stack the user's own code is, so that the warning points there."""
    frame = sys._getframe(1)  # noqa: SLF001 - what warnings itself uses
    depth = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("studbook.client"):
        frame = frame.f_back
        depth += 1
    return depth
