"""TLS inside a simulation, as httpx makes it: over bytes in memory, with keys of the moment that no recording can repeat.

So what the TLS object says is recorded call by call, with the bytes it gives to the connection, and said again to a later run.
Where a connection is secured by asyncio itself (`ssl=`), this is not needed: then what is inside is recorded.
"""

import asyncio
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kit.sim.channel import revived, told
from kit.sim.recording import NOTHING, Entry, Written

if TYPE_CHECKING:
    from kit.sim.outside import Outside

_wrap_bio = ssl.SSLContext.wrap_bio
_lock = threading.Lock()
_depth = 0


class RecordedTLS:
    """In the place of an `ssl.SSLObject`."""

    def __init__(
        self, outside: "Outside", context: ssl.SSLContext, incoming: Any, outgoing: Any, **options: Any
    ) -> None:
        self.context = context
        self.server_side = bool(options.get("server_side"))
        self.server_hostname = options.get("server_hostname")
        self._outside = outside
        self._incoming, self._outgoing = incoming, outgoing
        self._to = f"TLS with {_text(self.server_hostname)}"
        self._number = outside.numbered()
        self._out = ssl.MemoryBIO()
        self._real = None if outside.answers else _wrap_bio(context, incoming, self._out, **options)
        self._begun = False

    def _call(self, name: str, *args: Any, wrote: Written | None = None) -> Any:
        """Return what the TLS object says, or said; what it sends goes to the connection."""
        wrote = wrote if self._begun else wrote or NOTHING
        self._begun = True
        answers = self._outside.answers
        if answers is None:
            value = self._asked(name, args)
            self._outside.recording.entries.append(Entry(self._number, self._to, "tls", value, wrote))
        else:
            number = answers.seek(self._number, self._to, wrote)
            if number is None:
                raise answers.missing([(self._to, wrote)])
            value = answers.take(self._number, number).value
            self._incoming.read()
        if value.get("out"):
            self._outgoing.write(b64decode(value["out"]))
        if "error" in value:
            raise revived(value)
        return b64decode(value["base64"]) if "base64" in value else value.get("value")

    def _asked(self, name: str, args: tuple[Any, ...]) -> dict[str, Any]:
        """Return what the real TLS object says, as plain values."""
        try:
            found = getattr(self._real, name)(*args)
        except (OSError, ValueError) as error:
            value = told(error)
        else:
            value = {"base64": b64encode(found).decode()} if isinstance(found, bytes) else {"value": _plain(found)}
        sent = self._out.read()
        return {"call": name, **value, **({"out": b64encode(sent).decode()} if sent else {})}

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        self._call("do_handshake")

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Return what was read, or how much of it is in the buffer that is given."""
        found = self._call("read", len)
        if buffer is None:
            return found
        count = memoryview(found).nbytes
        buffer[:count] = found
        return count

    def write(self, data: Any) -> int:
        """Write; how many bytes were taken."""
        plain = bytes(data)
        count: int = self._call("write", plain, wrote=Written.of(plain))
        return count

    def unwrap(self) -> None:
        """End it."""
        self._call("unwrap")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(ssl.SSLObject, name):
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return lambda *args: _tuples(self._call(name, *args))


def _wrapped(
    context: ssl.SSLContext,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    server_side: bool = False,
    server_hostname: Any = None,
    session: Any = None,
) -> Any:
    """`SSLContext.wrap_bio` while simulations run: theirs are recorded, those of others are as they were."""
    outside = getattr(asyncio._get_running_loop(), "outside", None)
    options = {"server_side": server_side, "server_hostname": server_hostname, "session": session}
    if outside is None:
        return _wrap_bio(context, incoming, outgoing, **options)
    return RecordedTLS(outside, context, incoming, outgoing, **options)


@contextmanager
def recorded() -> Iterator[None]:
    """Record the TLS of simulations until the block ends."""
    global _depth
    with _lock:
        _depth += 1
        ssl.SSLContext.wrap_bio = _wrapped  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                ssl.SSLContext.wrap_bio = _wrap_bio  # type: ignore[method-assign]


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, as JSON gives it back."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _tuples(value: Any) -> Any:
    """Return a value with tuples for lists, as TLS gives them."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
