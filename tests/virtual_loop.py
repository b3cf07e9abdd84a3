"""An asyncio loop on virtual time: it never sleeps, the clock jumps to what is due next."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Jump(selectors.SelectSelector):
    """A selector that does not wait: it moves the clock of its loop."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout:
            self.loop.moved += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is what has been waited for."""

    def __init__(self) -> None:
        self.moved = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.moved


def run_virtual(main: Coroutine[Any, Any, Any]) -> Any:
    """Return what `main` returns, run on a loop of its own."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
