"""Files that are made while they are sent: no thread, connection or memory is held for a client that takes its time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from studbook.domain.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from starlette.types import Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

# Each keeps a worker thread busy as fast as its client reads; the other threads are for everybody else.
_AT_ONCE: Final = 4
# What is handed to the connection at once. A client that takes less than this in so many seconds is given up: it would keep
# others from their exports.
_PIECE_BYTES: Final = 256 * 1024
_STALL_SECONDS: Final = 60.0


class Gate:
    """Lets a few downloads of a process go on at once; used from one event loop."""

    def __init__(self, places: int = _AT_ONCE) -> None:
        self._places = places
        self.taken = 0

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Take a place within the block.

        Raises UnavailableError when there is none.
        """
        if self.taken >= self._places:
            message = f"{self._places} exports are being written by this process already; try again when one of them is done"
            raise UnavailableError(message)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Download(StreamingResponse):
    """The pieces of a generator, each made by a worker thread once the one before was taken.

    What fails after the first piece, or a client that stalls, ends the connection before the end of the body is marked, so that
    a part is never taken for the whole.
    """

    def __init__(self, pieces: Generator[bytes, None, None], gate: Gate, media_type: str, filename: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__(_sliced(pieces), media_type=media_type, headers=headers)
        self._pieces = pieces
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file.

        Raises UnavailableError, before anything is sent, when the gate is full.
        """
        # A thread that makes a piece is waited for even when the client has left, so the generator is never closed under it.
        with self._gate.enter(), contextlib.closing(self._pieces):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the pieces, unless the client stops taking them."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(_STALL_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            # The server closes a connection whose response was left without an end.
            _log.warning("an export was given up: its client took nothing for %g s", _STALL_SECONDS)


async def _sliced(pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    while (piece := await run_in_threadpool(next, pieces, None)) is not None:
        for start in range(0, len(piece), _PIECE_BYTES):
            yield piece[start : start + _PIECE_BYTES]
