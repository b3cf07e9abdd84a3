"""asyncio on virtual time, so that neurons written for the published package run as they are.

While a simulation runs, `asyncio.get_running_loop()` is a loop whose clock is the kernel's: `asyncio.sleep`, `gather`,
`wait_for`, `timeout`, task groups, futures, events, locks and queues work in virtual time, beside what the simulation
offers. Connections, look-ups of names and threads are of the real world: time stands still for them (see `outside`).
"""

import asyncio
import functools
import socket
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any

from kit.errors import KernelError
from kit.kernel import Kernel
from kit.sim import tls
from kit.sim.channel import Channel, Wire
from kit.sim.outside import Ear, Live, Outside
from kit.sim.task import KernelFuture, KernelTask, _swap_current_task


class KernelLoop(asyncio.AbstractEventLoop):
    """The loop of a simulation; its time is virtual seconds."""

    def __init__(self, kernel: Kernel, outside: Outside, failed: Callable[[BaseException], object]) -> None:
        self._kernel = kernel
        self._failed = failed
        self.outside = outside
        outside.failed = failed
        self._goes_to: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def time(self) -> float:
        """Return virtual seconds."""
        return self._kernel.now / 1e6

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function at this time, after what is due already."""
        return self.call_later(0, callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function from any thread, while time stands still."""
        handle = asyncio.TimerHandle(self.time(), callback, args, self, context)
        self.outside.threads.post(functools.partial(_fire, handle))
        self._kernel.post(self.outside.waits)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function after some virtual seconds."""
        if delay > 0 and args and isinstance(args[0], KernelFuture):
            args[0].timed = True
        handle = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        self._kernel.call(max(0, round(delay * 1e6)), _fire, handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function at a virtual time."""
        return self.call_later(when - self.time(), callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        """Return a new future."""
        return KernelFuture(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any
    ) -> KernelTask:
        """Run a coroutine as a process of the kernel, and return it as a task."""
        outer = self._kernel.process
        task = KernelTask(self, self._kernel, coro, name=name, context=context or copy_context(), owned=True)
        ambient = getattr(outer, "ambient", None)
        if ambient is not None:
            task.process.ambient = ambient  # type: ignore[attr-defined]
        return task

    def dropped(self, generator: Any) -> None:
        """Close an asynchronous generator that nobody holds any more."""
        self.create_task(generator.aclose())

    def get_task_factory(self) -> None:
        """Return None: tasks are processes of the kernel."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take note of what a callback raised."""
        error = context.get("exception")
        if error is not None:
            self._failed(error)

    def get_debug(self) -> bool:
        """Return False."""
        return False

    def is_running(self) -> bool:
        """Return whether the simulation runs."""
        return self._kernel.running

    def is_closed(self) -> bool:
        """Return False: it lasts as long as the simulation."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a handle that was cancelled does nothing when its time comes."""

    # The real world

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """Connect, while time stands still; what is secured by `ssl=` is recorded as it is inside."""
        sock = options.get("sock")
        to = self._goes_to.get(sock, "a socket") if sock is not None else f"{host}:{port}"
        to = f"tls {to}" if options.get("ssl") else to
        name = options.get("server_hostname")
        if sock is not None and self.outside.answers is not None:
            sock.close()  # nothing goes over it

        async def begin(live: Live, number: int) -> Ear:
            ear = Ear(live, number)
            await live.loop.create_connection(lambda: ear, host, port, **options)
            return ear

        return await self._wired(to, protocol_factory, name, begin)

    async def create_unix_connection(
        self, protocol_factory: Callable[[], Any], path: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """Connect to a socket in the file system, while time stands still."""

        async def begin(live: Live, number: int) -> Ear:
            ear = Ear(live, number)
            await live.loop.create_unix_connection(lambda: ear, path, **options)
            return ear

        return await self._wired(f"unix {path}", protocol_factory, options.get("server_hostname"), begin)

    async def _wired(self, to: str, factory: Callable[[], Any], name: Any, begin: Any) -> tuple[Any, Any]:
        future = self.create_future()
        wire = Wire(self.outside, to, future, factory, name)
        self.outside.begin(wire, begin)
        try:
            found: tuple[Any, Any] = await future
        except asyncio.CancelledError:
            wire.close()
            raise
        return found

    async def _asked(self, to: str, wrote: bytes | None, begin: Any) -> Any:
        """Return what one question to the real world gives."""
        channel = Channel(self.outside, to, self.create_future())
        channel.wrote = bytearray(wrote or b"")
        self.outside.begin(channel, begin)
        try:
            return await channel.future
        except asyncio.CancelledError:
            self.outside.left(channel)
            raise

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Look an address up, while time stands still."""

        async def begin(live: Live, number: int) -> Any:
            found = await live.loop.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
            return [[int(row[0]), int(row[1]), row[2], row[3], list(row[4])] for row in found]

        to = f"look-up of {_text(host)}:{_text(port)} {int(family)}/{int(type)}/{int(proto)}/{int(flags)}"
        rows = await self._asked(to, None, begin)
        return [
            (socket.AddressFamily(row[0]), socket.SocketKind(row[1]), row[2], row[3], tuple(row[4])) for row in rows
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        """Look a name up, while time stands still."""

        async def begin(live: Live, number: int) -> Any:
            return list(await live.loop.getnameinfo(sockaddr, flags))

        return tuple(await self._asked(f"name of {sockaddr}/{flags}", None, begin))

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket, while time stands still."""
        to = ":".join(map(str, address[:2])) if isinstance(address, tuple) else f"unix {_text(address)}"
        self._goes_to[sock] = to

        async def begin(live: Live, number: int) -> None:
            await live.loop.sock_connect(sock, address)

        await self._asked(f"socket to {to}", None, begin)

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        """Send over a socket, while time stands still."""

        async def begin(live: Live, number: int) -> None:
            await live.loop.sock_sendall(sock, data)

        await self._asked(f"socket to {self._goes_to.get(sock, '?')}, send", bytes(data), begin)

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        """Receive over a socket, while time stands still."""

        async def begin(live: Live, number: int) -> bytes:
            return await live.loop.sock_recv(sock, nbytes)

        found: bytes = await self._asked(f"socket to {self._goes_to.get(sock, '?')}, receive", None, begin)
        return found

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Run a function in a real thread, while time stands still; not recorded."""
        future = self.create_future()
        self.outside.thread(functools.partial(func, *args), executor, future)
        return future

    async def shutdown_asyncgens(self) -> None:
        """Do nothing."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing."""


def _refuses(name: str) -> Any:
    def refused(self: KernelLoop, *args: Any, **options: Any) -> Any:
        raise KernelError(
            f"{name}() does not work in virtual time: a simulation can connect to others, look names up and use threads, "
            "while time stands still, but it serves nobody, and has no subprocesses, pipes, datagrams or signals"
        )

    refused.__name__, refused.__doc__ = name, "Raise KernelError: this is of real time."
    return refused


for _name in sorted(vars(asyncio.AbstractEventLoop)):
    if not _name.startswith("__") and _name not in vars(KernelLoop):
        setattr(KernelLoop, _name, _refuses(_name))


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _fire(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()


@contextmanager
def in_force(loop: KernelLoop) -> Iterator[None]:
    """Make a loop the running one of this thread, in a notebook in place of the notebook's own, until the block ends."""
    before = asyncio._get_running_loop()
    task = None if before is None else _swap_current_task(before, None)
    asyncio._set_running_loop(loop)
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=loop.dropped)
    try:
        with tls.recorded():
            yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(before)
        if before is not None:
            _swap_current_task(before, task)
