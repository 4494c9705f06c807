"""What a registry does of itself, in steps small enough that nobody who writes waits long."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from studbook.services.lineage.linking import link_backlog
from studbook.services.schemas.backfilling import fill
from studbook.storage.database import UNANSWERED

if TYPE_CHECKING:
    from studbook.storage.database import Database

_log = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 1.0
# Each does what there is to do, in transactions of its own, and stops when it is told to.
_CHORES: Final = (fill, link_backlog)


class Chores:
    """A thread of this process that does what there is to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="studbook-chores", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the step in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _serve(self) -> None:
        while not self._stop.is_set():
            self.do()
            self._stop.wait(_IDLE_SECONDS)

    def do(self) -> None:
        """Do all that there is to do now."""
        for chore in _CHORES:
            try:
                chore(self._database, self._stop)
            except UNANSWERED:
                # Whoever asks the registry for something is told; it is tried again without more words.
                _log.debug("the database did not answer")
            except Exception:  # noqa: BLE001 - whatever it was, the thread goes on
                _log.exception("a chore of the registry failed; it is tried again")
