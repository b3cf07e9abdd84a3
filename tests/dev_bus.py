"""The dev synapse of the published package, and a tap on it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running() -> Iterator[int]:
    """Start it as its command line does; its port on this machine."""
    port = free_port()
    command = str(Path(sys.executable).with_name("cosmo"))
    server = subprocess.Popen(
        [command, "synapse", "start", "memory", "--namespace=lab", f"--port={port}", "--quiet"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(10)


class Tap:
    """Listens on a bus, as spec/cosmonapse.md 7 has it, and keeps the frames."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._lines = self._socket.makefile("rb")
        assert json.loads(self._lines.readline())["op"] == "welcome"
        self._send({"op": "sub", "sub_id": "t1", "subject": "cosmonapse.lab.>", "queue_group": None})
        self._send({"op": "ping"})
        assert json.loads(self._lines.readline())["op"] == "pong"

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def take(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self._lines.readline()) for _ in range(count)]

    def sees_something(self, seconds: float) -> bool:
        self._socket.settimeout(seconds)
        try:
            return bool(self._lines.readline())
        except TimeoutError:
            return False

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
