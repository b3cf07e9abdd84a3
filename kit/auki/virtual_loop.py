"""asyncio in virtual time, so that an async source written for a daemon runs as it is (`await asyncio.sleep(0.1)`).

A source has awaited one thing of asyncio when it yields a future. The bridge waits for that future as an event of
the kernel, and this loop gives asyncio what it asks of one: timers, callbacks, futures and tasks. Sockets, threads
and subprocesses are not of virtual time: asking for them is an error.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, cast

from kit.kernel import Event, Kernel, Scheduled


class VirtualLoop:
    """The part of an event loop that needs no I/O, over a kernel.

    No subclass of `asyncio.AbstractEventLoop`, whose other fifty methods it does not have.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def time(self) -> float:
        """Virtual time in seconds."""
        return self._kernel.now / self._kernel.units(1)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """Calls at this time, after what is scheduled for it already."""
        return self._call(0, callback, args, context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """Calls `delay` seconds from now."""
        return self._call(max(0, self._kernel.units(delay)), callback, args, context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """Calls at the time `when`."""
        return self.call_later(when - self.time(), callback, *args, context=context)

    def _call(
        self, delay: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> Scheduled:
        def run() -> None:
            with self.running():
                if context is None:
                    callback(*args)
                else:
                    context.run(callback, *args)

        return self._kernel.call(delay, run)

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        loop: Any = self
        return asyncio.Future(loop=loop)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        """A task that runs in virtual time."""
        loop: Any = self
        return asyncio.Task(coro, loop=loop, name=name, context=context)

    def get_debug(self) -> bool:
        """False."""
        return False

    def is_running(self) -> bool:
        """True: it runs while the kernel does."""
        return True

    def is_closed(self) -> bool:
        """False: it holds nothing to close."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody awaits is raised in the run of the kernel; a task left behind unfinished is no error."""
        if isinstance(error := context.get("exception"), BaseException):
            raise error

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """It is the running loop of this thread; one that runs already, as in Jupyter, is so again afterwards."""
        before, loop = asyncio._get_running_loop(), cast(Any, self)
        asyncio._set_running_loop(loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(before)

    def bridge(self, awaitable: Any) -> Generator[Any, Any, Any]:
        """Awaits something of a source: futures of asyncio become events, what is of the kernel goes through."""
        steps = awaitable.__await__()
        error: BaseException | None = None
        value: Any = None
        while True:
            try:
                with self.running():
                    wanted = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as returned:
                return returned.value
            error = None
            try:
                value = yield (self._event(wanted) if asyncio.isfuture(wanted) else wanted)
            except GeneratorExit:
                raise
            except BaseException as thrown:
                error = thrown

    def _event(self, future: "asyncio.Future[Any]") -> Event:
        event = self._kernel.event("asyncio future")
        future._asyncio_future_blocking = False
        future.add_done_callback(lambda _future: event.trigger())
        return event
