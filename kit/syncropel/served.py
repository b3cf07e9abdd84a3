"""A kernel behind a port of this machine, in threads of this process."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from kit.syncropel.answer import Answer, Broken, Kernel
from kit.syncropel.watch import Cut, Watch

__all__ = ["Served"]

HOST = "127.0.0.1"
LARGEST_BODY = 64 << 20


class Served:
    """A kernel that answers on `url` from its making to `close()`, or to the end of a `with` block."""

    def __init__(self, kernel: Kernel, port: int = 0) -> None:
        self.kernel = kernel
        try:
            self._server = _Server((HOST, port), kernel)
        except OSError as error:
            wrong = f"port {port} of {HOST}: {error.strerror}; take another, or 0 for a free one"
            raise OSError(error.errno, wrong) from None
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What a client takes as `endpoint`."""
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        """Break off open connections and free the port; closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._server.shutdown()
        self._server.break_off()
        self._server.server_close()
        self._thread.join()

    def drop_connections(self) -> None:
        """Break off the connections that are open now; new ones are answered."""
        self._server.break_off()


class _Server(ThreadingHTTPServer):
    """An HTTP server that knows its open connections."""

    # The threads are waited for in `server_close`, after their connections were broken off.
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], kernel: Kernel) -> None:
        self.kernel = kernel
        self._open: dict[socket.socket, Watch | None] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def opened(self, connection: socket.socket, watch: Watch | None = None) -> None:
        """Take note of a connection, and of the stream it now carries."""
        with self._open_lock:
            self._open[connection] = watch

    def ended(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._open_lock:
            self._open.pop(connection, None)

    def break_off(self) -> None:
        """Break off all connections and streams."""
        with self._open_lock:
            open_now = list(self._open.items())
        for connection, watch in open_now:
            _shut(connection)
            if watch is not None:
                watch.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away is no fault of the server."""


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept open from request to request."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """Begin."""
        super().setup()
        # Small answers at once: the head and the body are two writes.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.opened(self.connection)

    def finish(self) -> None:
        """End."""
        self.server.ended(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Answer the next request, or end where the client has gone."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer()

    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: standard error is for messages."""

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        kernel = self.server.kernel
        try:
            answer = kernel.answer(self.command, path, pairs, body, self.headers["last-event-id"])
        except Broken:
            self._break()
            return
        except ValueError as error:
            answer = Answer(400, str(error).encode())
        if kernel.latency_s:
            time.sleep(kernel.latency_s)
        if isinstance(answer.content, Watch):
            self._stream(answer.content)
        else:
            self._send(answer.status, answer.content)

    def _body(self) -> bytes | None:
        """Return the body of the request; None where it was refused."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._send(413, b"a body needs a content-length, of at most 64 MB")
            return None
        return self.rfile.read(int(length))

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _stream(self, watch: Watch) -> None:
        self.server.opened(self.connection, watch)
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for chunk in watch:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        except Cut:
            self._break()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _break(self) -> None:
        self.close_connection = True
        _shut(self.connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
