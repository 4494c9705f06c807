"""Who is told that something was committed in a namespace: at once, and of what this process committed alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[set[int]], None]


class Changes:
    """Tells its listeners which namespaces were changed; belongs to the log's keeper, which learns of every commit.

    A listener is called on the thread that committed, before whoever caused the change is answered, so it only takes note.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """Tell this listener too."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def forget(self, listener: Listener) -> None:
        """Tell this listener no more."""
        with self._lock:
            self._listeners = tuple(known for known in self._listeners if known != listener)

    def tell(self, namespaces: set[int]) -> None:
        """Something was committed in these namespaces."""
        for listener in self._listeners:
            listener(namespaces)
