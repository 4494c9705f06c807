"""Record ids: UUIDv7 (RFC 9562, section 5.7), so that ids made later sort later."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_COUNTER_BITS = 12
_RANDOM_MASK = (1 << 62) - 1


class IdSource:
    """Makes UUIDv7s that increase strictly within one process.

    The 12 bits beside the millisecond are a counter (RFC 9562, section 6.2, method 1): when more
    than 4,096 ids fall into one millisecond the clock is run ahead rather than repeated.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self, after: UUID | None = None) -> UUID:
        """A new id; greater than `after` too, which another process with another clock may have made."""
        now = time.time_ns() // 1_000_000 << _COUNTER_BITS
        with self._lock:
            least = max(self._last, _tick_of(after)) if after is not None else self._last
            self._last = now if now > least else least + 1
            tick = self._last
        random = int.from_bytes(os.urandom(8), "big") & _RANDOM_MASK
        milliseconds, counter = tick >> _COUNTER_BITS, tick & 0xFFF
        return UUID(int=milliseconds << 80 | _VERSION_7 | counter << 64 | _VARIANT | random)


def _tick_of(made: UUID) -> int:
    """The millisecond and counter of an id that such a source made."""
    return made.int >> 80 << _COUNTER_BITS | made.int >> 64 & 0xFFF


new_id = IdSource()
