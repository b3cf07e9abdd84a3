"""asyncio on virtual time, so that neurons written for the published package run as they are.

While a simulation runs, `asyncio.get_running_loop()` is a loop whose clock is the kernel's: `asyncio.sleep`, `gather`,
`wait_for`, `create_task`, futures, events, locks and queues work in virtual time, beside what the simulation offers.
Sockets, threads and subprocesses do not: they belong to real time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from kit.kernel import Kernel, Process
from kit.kernel.event import Body


class KernelLoop(asyncio.AbstractEventLoop):
    """The loop of a simulation; its time is virtual seconds."""

    def __init__(self, kernel: Kernel, failed: Callable[[BaseException], object]) -> None:
        self._kernel = kernel
        self._failed = failed

    def time(self) -> float:
        """Return virtual seconds."""
        return self._kernel.now / 1e6

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function at this time, after what is due already."""
        return self.call_later(0, callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function after some virtual seconds."""
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
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Run a coroutine as a process of the kernel, and return a future of what it returns."""
        return _Task(self, self._kernel, coro)

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


def _fire(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()


class _Task(asyncio.Future[Any]):
    """A process of the kernel as a future. Cancelling closes its coroutine: `finally` runs, `except` does not."""

    def __init__(self, loop: KernelLoop, kernel: Kernel, body: Coroutine[Any, Any, Any]) -> None:
        super().__init__(loop=loop)
        outer = kernel.process
        self._process: Process = kernel.spawn(bridged(kernel, self._ended(body)), getattr(body, "__name__", "task"))
        ambient = getattr(outer, "ambient", None)
        if ambient is not None:
            self._process.ambient = ambient  # type: ignore[attr-defined]

    async def _ended(self, body: Coroutine[Any, Any, Any]) -> None:
        try:
            result = await body
        except Exception as error:
            if not self.done():
                self.set_exception(error)
        else:
            if not self.done():
                self.set_result(result)

    def cancel(self, msg: Any = None) -> bool:
        """End the process; False where it is over."""
        if self.done():
            return False
        super().cancel(msg)
        self._process.crash("was cancelled")
        return True


def bridged(kernel: Kernel, body: Body) -> Generator[Any, Any, Any]:
    """Return a body for the kernel that may wait for asyncio futures too."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            awaited = body.send(value) if error is None else body.throw(error)
        except StopIteration as returned:
            return returned.value
        value = error = None
        if getattr(awaited, "_asyncio_future_blocking", None) is not None:
            awaited = _event_of(kernel, awaited)
        try:
            value = yield awaited
        except GeneratorExit:
            body.close()
            raise
        except BaseException as thrown:
            error = thrown


def _event_of(kernel: Kernel, future: "asyncio.Future[Any]") -> Any:
    """Return an event that happens when a future is done."""
    future._asyncio_future_blocking = False
    event = kernel.event("future")
    future.add_done_callback(lambda _: None if event.done else event.trigger())
    return event


@contextmanager
def in_force(loop: KernelLoop) -> Iterator[None]:
    """Make a loop the running one of this thread, in a notebook in place of the notebook's own, until the block ends."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)
