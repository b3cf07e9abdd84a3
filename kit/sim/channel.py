"""What a simulation awaits of the real world: an answer, or a connection, in the place of asyncio's own transports."""

import asyncio
import builtins
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kit.sim.recording import NOTHING, Written
from kit.sim.task import KernelTask

if TYPE_CHECKING:
    from kit.sim.outside import Outside

Facts = dict[str, Any]


class Channel:
    """Something that is awaited of the real world; `hear` takes what comes of it, live or from a recording."""

    def __init__(self, outside: "Outside", to: str, future: "asyncio.Future[Any]") -> None:
        self.outside = outside
        self.to = to
        self.future = future
        self.number = outside.entered(self)
        self.wrote: bytearray | None = bytearray()
        """What was written since something was heard; None where nothing was, and something was heard."""
        self._kept: Written | None = None

    def written(self) -> Written | None:
        """Return what was written since something was heard."""
        if self.wrote is None:
            return None
        if self._kept is None:
            self._kept = Written.of(bytes(self.wrote)) if self.wrote else NOTHING
        return self._kept

    def expects(self) -> bool:
        """Whether somebody waits for something to come of it: then time stands still."""
        return True

    def takes(self, kind: str) -> bool:
        """Whether it can hear of something now."""
        return True

    def hear(self, kind: str, value: Any) -> None:
        """Take what comes."""
        self.wrote = self._kept = None
        self.heard(kind, value)

    def heard(self, kind: str, value: Any) -> None:
        """Hand on an answer that is one value, and be done."""
        self.outside.left(self)
        if self.future.done():
            return
        if kind == "failed":
            self.future.set_exception(revived(value))
        else:
            self.future.set_result(value)


class Wire(Channel, asyncio.Transport):
    """A connection as a protocol in virtual time has it."""

    def __init__(
        self, outside: "Outside", to: str, future: "asyncio.Future[Any]", factory: Callable[[], Any], server_name: Any
    ) -> None:
        asyncio.Transport.__init__(self)
        self._factory = factory
        self._protocol: Any = None
        self._facts: Facts = {}
        self._closing = self._paused = False
        self._server_name = server_name
        self._stand_in: StandIn | None = None
        self._owner = _current_task()
        Channel.__init__(self, outside, to, future)

    # What comes

    def expects(self) -> bool:
        """Whether somebody waits for it to be made, or to read from it."""
        if self._closing:
            return False
        if self._protocol is None:
            return True
        if self._paused:
            return False
        if isinstance(self._protocol, asyncio.StreamReaderProtocol):
            reader: Any = self._protocol._stream_reader  # type: ignore[attr-defined]
            return reader is not None and reader._waiter is not None
        return bool(self.wrote) or self._owner_waits()

    def _owner_waits(self) -> bool:
        """Whether the task that wrote last waits for a future that no timer ends."""
        waiter = getattr(self._owner, "_fut_waiter", None)
        return waiter is not None and not waiter.done() and not getattr(waiter, "timed", False)

    def takes(self, kind: str) -> bool:
        """Whether it reads at the moment; that it is lost is told in any case."""
        return not self._paused or kind not in ("data", "eof")

    def heard(self, kind: str, value: Any) -> None:
        """Tell the protocol."""
        try:
            if kind == "connected":
                self._made(value)
            elif kind == "failed":
                self._closing = True
                self.outside.left(self)
                if not self.future.done():
                    self.future.set_exception(revived(value))
            elif kind == "data":
                self._data(value)
            elif kind == "eof":
                self._ended()
                if not self._protocol.eof_received():
                    self.close()
            else:
                self._lost(None if value is None else revived(value))
        except Exception as error:
            self.outside.failed(error)
            self._lost(error)

    def _made(self, facts: Facts) -> None:
        self._facts = facts
        if self.future.done():  # nobody wants it any more
            self.close()
            return
        self._protocol = self._factory()
        self._protocol.connection_made(self)
        self.future.set_result((self, self._protocol))

    def _data(self, data: bytes) -> None:
        if not isinstance(self._protocol, asyncio.BufferedProtocol):
            self._protocol.data_received(data)
            return
        while data:
            buffer: Any = self._protocol.get_buffer(len(data))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self._protocol.buffer_updated(count)
            data = data[count:]

    def _ended(self) -> None:
        if self._stand_in is not None:
            self._stand_in.end()

    def _lost(self, error: BaseException | None) -> None:
        """The connection is over: the protocol is told, and the real one is closed."""
        self._closing = True
        self._ended()
        self.outside.left(self)
        if self._protocol is not None:
            protocol, self._protocol = self._protocol, None
            protocol.connection_lost(error)
        if self._stand_in is not None:
            self._stand_in.close()

    # What a protocol asks of a transport

    def write(self, data: Any) -> None:
        """Write, without waiting."""
        if self._closing or not data:
            return
        self.wrote = bytearray(data) if self.wrote is None else self.wrote + bytearray(data)
        self._kept = None
        self._owner = _current_task()
        self.outside.write(self, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """Write several pieces."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return True where the writing end can be closed alone."""
        return "tls" not in self._facts

    def write_eof(self) -> None:
        """Close the writing end."""
        self.outside.write(self, None)

    def close(self) -> None:
        """Close it; the protocol is told soon."""
        if not self._closing:
            self._closing = True
            self.outside.left(self)
            asyncio.get_running_loop().call_soon(self._lost, None)

    def abort(self) -> None:
        """Close it."""
        self.close()

    def is_closing(self) -> bool:
        """Return whether it is closed or closing."""
        return self._closing

    def pause_reading(self) -> None:
        """Hear no more for a while."""
        self._paused = True
        self.outside.pause(self, True)

    def resume_reading(self) -> None:
        """Go on hearing."""
        self._paused = False
        self.outside.pause(self, False)

    def is_reading(self) -> bool:
        """Return whether it reads."""
        return not (self._paused or self._closing)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: a protocol is never told to stop writing."""

    def get_write_buffer_size(self) -> int:
        """Return 0."""
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return zeros."""
        return 0, 0

    def get_protocol(self) -> Any:
        """Return its protocol."""
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        """Tell another protocol from now on."""
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `peername`, `sockname`, `socket` (a stand-in), or `ssl_object`, `cipher`, `peercert` of a secured one."""
        if name == "socket":
            if self._stand_in is None:
                self._stand_in = StandIn(self._facts)
                self.outside.holds(self._stand_in)
            return self._stand_in
        if name in ("peername", "sockname"):
            address = self._facts.get(name)
            return tuple(address) if isinstance(address, list) else default if address is None else address
        secured = self._facts.get("tls")
        if secured is None:
            return default
        return Secured(secured) if name == "ssl_object" else secured.get(name, default)


class StandIn:
    """In the place of the socket of a connection: nothing can be read from it, until the other side has closed."""

    def __init__(self, facts: Facts) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._names = {name: facts.get(name) for name in ("sockname", "peername")}
        self.family = socket.AddressFamily(facts.get("family", int(socket.AF_INET)))
        self.type = socket.SOCK_STREAM
        self.proto = 0

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the other side has closed."""
        return self._ours.fileno()

    def getsockname(self) -> Any:
        """Return the address of this side."""
        return _address(self._names["sockname"])

    def getpeername(self) -> Any:
        """Return the address of the other side."""
        return _address(self._names["peername"])

    def setsockopt(self, *options: Any) -> None:
        """Do nothing."""

    def getsockopt(self, *options: Any) -> int:
        """Return 0."""
        return 0

    def end(self) -> None:
        """The other side has closed."""
        self._theirs.close()

    def close(self) -> None:
        """Let the descriptors go."""
        self._ours.close()
        self._theirs.close()


class Secured:
    """What is known of the TLS of a connection that was secured outside."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol that was agreed on."""
        found: str | None = self._facts.get("alpn")
        return found

    def version(self) -> str | None:
        """Return the version of TLS."""
        found: str | None = self._facts.get("version")
        return found

    def cipher(self) -> Any:
        """Return name, protocol and bits of the cipher."""
        found = self._facts.get("cipher")
        return None if found is None else tuple(found)


def _address(name: Any) -> Any:
    return tuple(name) if isinstance(name, list) else name


def _current_task() -> KernelTask | None:
    found = asyncio.current_task()
    return found if isinstance(found, KernelTask) else None


def told(error: BaseException) -> Facts:
    """Return an error as plain values."""
    plain = [value for value in error.args if isinstance(value, str | int | None)]
    known = [error.errno, error.strerror or str(error)] if isinstance(error, OSError) and error.errno else plain
    return {"error": type(error).__name__, "args": known or [str(error)]}


def revived(facts: Facts) -> BaseException:
    """Return the error that plain values tell of: one of the system, of sockets or of TLS; others as OSError."""
    name, args = facts["error"], facts["args"]
    for module in (builtins, socket, ssl, asyncio):
        kind = getattr(module, name, None)
        if isinstance(kind, type) and issubclass(kind, OSError | EOFError | asyncio.IncompleteReadError):
            return kind(*args)
    return OSError(f"{name}: {', '.join(map(str, args))}")
