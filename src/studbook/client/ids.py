"""Ids made by the client: UUIDv7 (RFC 9562, section 5.7), so that what was made later sorts later."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last_tick = 0


def new_id() -> UUID:
    """A UUIDv7 greater than every one made before in this process.

    The 12 bits beside the millisecond are a counter (RFC 9562, section 6.2, method 1).
    """
    global _last_tick  # noqa: PLW0603 - one clock for the process, as its ids must not go back
    now = time.time_ns() // 1_000_000 << 12
    with _lock:
        _last_tick = max(now, _last_tick + 1)
        tick = _last_tick
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=(tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | random)
