"""A server on this machine, for tests of what goes out to the real world."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Parrot(BaseHTTPRequestHandler):
    """Says which path was asked for, and how many requests there were before; `/slow` takes a while."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/slow":
            time.sleep(0.3)
        body = json.dumps({"said": self.path, "before": len(self.asked) - 1}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def parrot(secured: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server, and the paths that it was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Parrot,), {"asked": asked}))
    server.daemon_threads = True
    if secured is not None:
        server.socket = secured.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if secured else 'http'}://localhost:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
