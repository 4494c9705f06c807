"""The witness's HTTP server: the standard library's, held to limits so that slow or many clients cannot wear it out."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from studbook.witness.cosigning import Answer
from studbook.witness.files import FolderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from studbook.witness.cosigning import Cosigning

_log = logging.getLogger(__name__)

PLACE: Final = "/add-checkpoint"
BODY_LIMIT: Final = 64 * 1024
CONNECTION_LIMIT: Final = 128
# A request must have arrived so long after the connection was opened or the last answer was sent, and an answer be taken.
READ_SECONDS: Final = 15.0
_STOP_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}


class _TimedReader(io.RawIOBase):
    """What a client sends, until a deadline for the whole of it: a timeout for each byte would let it take days."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Begin to wait for another request."""
        self._deadline = time.monotonic() + self._seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer, which has no name before Python 3.12
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "studbook-witness"
    sys_version = ""
    disable_nagle_algorithm = True
    # Head and body of an answer leave together.
    wbufsize = 16 * 1024
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = _TimedReader(self.connection, self.server.read_seconds)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self._reader.restart()
        super().handle_one_request()

    def do_POST(self) -> None:
        length = self._length()
        if isinstance(length, Answer):
            self._send(length, last=True)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self._send(self.server.answer(body))

    def do_GET(self) -> None:
        known = self.path == PLACE
        self._send(
            Answer(405, b"use POST\n") if known else Answer(404, b"this witness answers POST /add-checkpoint\n"), last=True
        )

    def _length(self) -> int | Answer:
        lengths = self.headers.get_all("Content-Length", [])
        if self.path != PLACE:
            return Answer(404, b"this witness answers POST /add-checkpoint\n")
        if "Transfer-Encoding" in self.headers or not lengths:
            return Answer(411, b"say the body's length (Content-Length)\n")
        if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdigit():
            return Answer(400, b"Content-Length is one decimal number\n")
        # Compared by the digits first: Python refuses to read thousands of them.
        if len(lengths[0]) > 9 or int(lengths[0]) > BODY_LIMIT:  # noqa: PLR2004 - far beyond the limit
            return Answer(413, b"a request has at most %d bytes\n" % BODY_LIMIT)
        return int(lengths[0])

    def _send(self, answer: Answer, *, last: bool = False) -> None:
        self.connection.settimeout(self.server.read_seconds)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == 405:  # noqa: PLR2004 - which asks for it
            self.send_header("Allow", "POST")
        if last or self.server.is_stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as in the base class
        _log.debug(format, *args)


class WitnessServer(ThreadingHTTPServer):
    """A server that listens once it is made; port 0 takes a free one.

    Raises OSError when it cannot listen there.
    """

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, cosigning: Cosigning, host: str, port: int, read_seconds: float = READ_SECONDS) -> None:
        self._cosigning = cosigning
        self.read_seconds = read_seconds
        self.is_stopping = False
        self._connections: set[socket.socket] = set()
        self._free = threading.Semaphore(CONNECTION_LIMIT)
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Listen without asking the name service what this machine is called, which may take long."""
        socket_address = self.server_address
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(socket_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the witness is reached."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}"

    def answer(self, body: bytes) -> Answer:
        """The answer to a request; a fault of the witness itself is logged, and nothing is cosigned."""
        try:
            return self._cosigning.add_checkpoint(body)
        except (FolderError, OSError) as error:
            _log.critical("nothing is cosigned: %s", error)
            return Answer(500, b"the witness cannot read or write what it keeps; its operator has to look\n")

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Answer a connection in a thread of its own; beyond the limit it is closed, and the log tries again."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Answer one connection's requests."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """A client that goes away is no error."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request failed")

    def stop(self) -> None:
        """Take no more requests, finish those under way, and close."""
        self.shutdown()
        self.is_stopping = True
        for connection in list(self._connections):
            # Whoever waits for another request finds that there is none; what has begun is answered.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        self.server_close()


def serve_until_told(server: WitnessServer, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called once either of them would be heard."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="studbook-witness")
    thread.start()
    try:
        announce()
        while thread.is_alive() and signal.sigtimedwait(_STOP_SIGNALS, 1.0) is None:
            pass
    finally:
        server.stop()
        thread.join()
