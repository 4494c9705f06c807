"""Follows a version through its changes, however often the registry goes away meanwhile."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from studbook.client.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.client.connection import Connection

# Shorter than proxies keep a connection open on which nothing is sent.
_POLL_SECONDS: Final = 30
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


def follow(connection: Connection, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What stands at a path now, and again each time that it has become another; without an end.

    What changed while the registry could not be reached is seen once it can be; several changes in between are one.

    Raises UnreachableError if nothing can be read at first, RefusedError at any time.
    """
    shown = connection.call("GET", path)
    yield shown
    pause = _FIRST_PAUSE
    while True:
        try:
            changed = connection.poll((*path, "watch"), shown["etag"], _POLL_SECONDS)
        except UnreachableError:
            # Spread out, so that all who watch do not return together to a registry that has just come back.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret hangs on it
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        if changed is not None:
            shown = changed
            yield shown
