"""Processes of the kernel as asyncio knows them: `current_task()`, cancelling, `timeout()`, task groups, contexts."""

import asyncio
import sys
from collections.abc import Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from kit.errors import InterruptError
from kit.kernel import Kernel, Process
from kit.kernel.event import Body

if TYPE_CHECKING:
    from kit.sim.eventloop import KernelLoop

if sys.version_info >= (3, 12):
    from asyncio.tasks import _swap_current_task
else:

    def _swap_current_task(loop: Any, task: Any) -> Any:
        """Make a task the current one of a loop, and return the one before."""
        known: dict[Any, Any] = asyncio.tasks._current_tasks  # type: ignore[attr-defined]
        before = known.pop(loop, None)
        if task is not None:
            known[loop] = task
        return before


class KernelFuture(asyncio.Future[Any]):
    """A future of a simulation; `timed` where a timer ends it, as in `asyncio.sleep`."""

    timed = False


class KernelTask(KernelFuture):
    """A process of the kernel that may wait for asyncio futures too, and is a task for asyncio.

    A task of `create_task` keeps its result and its error; `steps` of one that the simulation runs itself hands them to
    the kernel. Its context is a copy of the one in which it takes its first step.
    """

    def __init__(
        self,
        loop: "KernelLoop",
        kernel: Kernel,
        body: Body,
        *,
        name: str | None = None,
        context: Context | None = None,
        owned: bool = False,
        delay: int = 0,
    ) -> None:
        super().__init__(loop=loop)
        self._kernel = kernel
        self._body = body
        self._name = name or str(getattr(body, "__name__", "process"))
        self._context = context
        self._owned = owned
        self._fut_waiter: asyncio.Future[Any] | None = None
        self._must_cancel = False
        self._message: Any = None
        self._cancels = 0
        self._idle = False  # it waits for something of the kernel
        self.process: Process = kernel.spawn(self._steps(), self._name, delay=delay)

    # What asyncio and those who build on it ask of a task

    def cancel(self, msg: Any = None) -> bool:
        """Raise CancelledError in it, where it waits; False where it is over."""
        if self.done():
            return False
        self._cancels += 1
        if self._fut_waiter is not None and self._fut_waiter.cancel(msg):
            return True
        self._must_cancel, self._message = True, msg
        if self._idle:
            self.process.interrupt(self)
        return True

    def cancelling(self) -> int:
        """Return how many times it was cancelled, less those taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one cancelling back."""
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def get_coro(self) -> Body:
        """Return its coroutine."""
        return self._body

    def get_name(self) -> str:
        """Return its name."""
        return self._name

    def set_name(self, value: object) -> None:
        """Give it a name."""
        self._name = str(value)

    def get_context(self) -> Context:
        """Return its context."""
        if self._context is None:
            self._context = copy_context()
        return self._context

    # Steps

    def _steps(self, awaited: Any = None, *, begun: bool = False) -> Generator[Any, Any, Any]:
        """Yield to the kernel what the body waits for; with `begun` it waits for `awaited` already."""
        body, loop = self._body, self.get_loop()
        value: Any = None
        error: BaseException | None = None
        context = self.get_context()
        while True:
            if not begun:
                if self._must_cancel:
                    self._must_cancel = False
                    error = asyncio.CancelledError() if self._message is None else asyncio.CancelledError(self._message)
                before = _swap_current_task(loop, self)
                try:
                    awaited = context.run(body.send, value) if error is None else context.run(body.throw, error)
                except StopIteration as returned:
                    if not self.done():
                        self.set_result(returned.value)
                    return returned.value
                except asyncio.CancelledError:
                    super().cancel(self._message)
                    if not self._owned:
                        raise
                    return None
                except BaseException as raised:
                    if not self.done():
                        self.set_exception(raised)
                    if not self._owned:
                        self.exception()  # it comes out of the process
                        raise
                    if not isinstance(raised, Exception):
                        raise
                    return None
                finally:
                    _swap_current_task(loop, before)
            begun, value, error = False, None, None
            if getattr(awaited, "_asyncio_future_blocking", None) is not None:
                awaited = self._event_of(awaited)
            elif awaited is not None:
                self._idle = True
            try:
                value = yield awaited
            except GeneratorExit:
                self._closed()
                raise
            except InterruptError as thrown:
                error = None if self._must_cancel and thrown.cause is self else thrown
            except BaseException as thrown:
                error = thrown
            finally:
                self._fut_waiter, self._idle = None, False

    def _event_of(self, future: "asyncio.Future[Any]") -> Any:
        """Return an event that happens when a future is done."""
        future._asyncio_future_blocking = False
        event = self._kernel.event("future")
        future.add_done_callback(lambda _: None if event.done else event.trigger())
        self._fut_waiter = future
        if self._must_cancel and future.cancel(self._message):
            self._must_cancel = False
        self.get_loop().outside.waits()  # type: ignore[attr-defined]
        return event

    def _closed(self) -> None:
        """Its process was ended: the body is cancelled, and what it waits for in its `finally` goes on by itself."""
        if not self._kernel.running:
            self._body.close()
            return
        loop = self.get_loop()
        before = _swap_current_task(loop, self)
        try:
            awaited = self.get_context().run(self._body.throw, asyncio.CancelledError())
        except (StopIteration, asyncio.CancelledError):
            super().cancel()
        except Exception as error:
            super().cancel()
            loop.call_exception_handler({"exception": error})
        else:
            self._owned = True
            self.process = self._kernel.spawn(self._steps(awaited, begun=True), self._name)
        finally:
            _swap_current_task(loop, before)
