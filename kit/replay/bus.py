"""A live Cosmonapse bus on this machine as a sink: each signal is published in the bytes it was captured in."""

import ipaddress
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from kit.errors import ArgumentError, TransportError
from kit.replay.event import PlayedEvent
from kit.replay.sink import Sink
from kit.sim.delivery import LONGEST, publication

CHECK_EVERY = 32
"""Frames between two questions whether the bus still keeps up."""


class Bus(Sink):
    """The dev synapse of the published package (`cosmo synapse start memory`), at `cosmo://127.0.0.1:7070`.

    Frames are the captured lines, on the subject that a Dendrite would have used (spec/cosmonapse.md 4). Whoever is on
    that namespace acts on them: so only a bus of this machine is taken, unless `anywhere=True`. Signals that are too long
    for the clients of the bus, and what is no signal, are skipped and counted. Raises TransportError where the bus cannot be reached or
    goes away, and for what it refuses.
    """

    def __init__(
        self,
        url: str = "cosmo://127.0.0.1:7070",
        *,
        namespace: str = "dev",
        timeout_s: float = 10.0,
        anywhere: bool = False,
    ) -> None:
        parts = urlsplit(url if "://" in url else f"cosmo://{url}")
        host, port = parts.hostname or "127.0.0.1", parts.port or 7070
        if not (anywhere or _is_here(host)):
            raise ArgumentError(
                f"{url!r} is not on this machine; whoever listens there acts on replayed tasks. anywhere=True if meant"
            )
        self.name = f"bus {host}:{port}, namespace {namespace!r}"
        self.namespace = namespace
        self.published = 0
        self._unchecked = 0
        try:
            self._socket = socket.create_connection((host, port), timeout=timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines = self._socket.makefile("rb")
            welcome = self._read()
        except OSError as error:
            raise TransportError(f"no bus at {host}:{port}: {error}. Start one: cosmo synapse start memory") from error
        if welcome.get("op") != "welcome":
            raise TransportError(f"{host}:{port} answers {str(welcome)[:80]!r}, and no welcome: is it a synapse?")

    def deliver(self, event: PlayedEvent) -> None:
        """Publish a signal."""
        if event.family != "signals" or event.text is None:
            self.skipped += 1
            return
        line = publication(subject(self.namespace, event), event.text)
        if len(line) > LONGEST:
            self.skipped += 1
            return
        try:
            self._socket.sendall(line.encode() + b"\n")
        except OSError as error:
            raise TransportError(f"{self.name} went away at {event.id}: {error}") from error
        self.published += 1
        self._unchecked += 1
        if self._unchecked >= CHECK_EVERY:
            self.flush()

    def flush(self) -> None:
        """Wait until the bus has taken everything; raises TransportError for what it refused."""
        self._unchecked = 0
        try:
            self._socket.sendall(b'{"op":"ping"}\n')
            while (answer := self._read()).get("op") != "pong":
                if answer.get("op") == "err":
                    raise TransportError(f"{self.name} refuses a frame: {answer.get('message')!r}")
        except OSError as error:
            if isinstance(error, TransportError):
                raise
            raise TransportError(f"{self.name} went away: {error}") from error

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise TransportError("the bus closed the connection")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Wait until everything is taken, and hang up."""
        if self._socket.fileno() < 0:
            return
        try:
            if self._unchecked:
                self.flush()
        finally:
            self._lines.close()
            self._socket.close()


def subject(namespace: str, event: PlayedEvent) -> str:
    """Return the subject of a signal; a TASK for whoever has its capabilities is routed."""
    routed = event.kind == "TASK" and event.actor is None and event.payload.get("capabilities")
    return f"cosmonapse.{namespace}.{event.kind}{'.routed' if routed else ''}"


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
